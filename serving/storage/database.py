"""The decision log in PostgreSQL, shared by any number of services.

Writers take turns: each holds one advisory lock from the beginning of its transaction to the end,
so that they make one chain.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import conninfo, pq

from selectivity.errors import DecisionLogError, ParamsError
from serving.storage import database_version
from serving.storage.chain import log_id_of
from serving.storage.database_connection import NEVER, Impatient, Server
from serving.storage.database_refusal import no_address, passes, remedy
from serving.storage.store import AwayError, Connection, Found, insert

WRITER = 0x1A9E5
"""The advisory lock that a writer holds."""
WRITABLE = ("read-write", "primary")  # what an address may ask of the server that is written
CONNECT_SECONDS = 2  # psycopg takes no less
HOLD_SECONDS = 5
"""How long the server lets a writer that fell silent keep the others out."""


class Patience(NamedTuple):
    """How long we wait for the server."""

    write_seconds: float = 0.3
    """For a transaction, from its beginning until it is committed."""
    read_seconds: float = 10.0
    """For one statement of a reader."""
    look_seconds: float = 0.3
    """For one statement while a caller waits."""


PATIENT = Patience()


class LogDatabase:
    """A decision log in a database, as `serving.storage.store.Store` describes it."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, address: str, patience: Patience = PATIENT) -> None:
        """`address` is a connection URL of libpq.

        Raises:
            ParamsError: it cannot be read as one.
        """
        try:
            self._address = conninfo.conninfo_to_dict(address)
        except psycopg.Error as error:
            raise ParamsError(no_address(error)) from error
        self._patience = patience

    @property
    def name(self) -> str:
        """Hosts, ports and database, without user and password."""
        hosts = str(self._address.get("host", "localhost")).split(",")
        ports = str(self._address.get("port") or "").split(",")
        each_its_own = ports * len(hosts) if len(ports) == 1 else ports
        at = ",".join(map(_with_port, hosts, each_its_own))  # too few are refused by the driver
        return f"PostgreSQL database {self._address.get('dbname', '')!r} on {at}"

    def open_to_write(self) -> Connection:
        """A connection that commits durably; tables are made or brought up to date.

        Raises:
            AwayError: the database cannot be reached.
            DecisionLogError: it cannot be used.
        """
        try:
            server = Server(self._connect(to_write=True), self._patience.read_seconds)
            with server.closed_on_error():
                server.execute(f"SET idle_in_transaction_session_timeout = '{HOLD_SECONDS}s'")
                database_version.bring_up_to_date(server, self.name)
                _check_durable(server, self.name)
        except psycopg.Error as error:
            raise self.unusable(error) from error
        server.seconds_a_statement = NEVER
        return server

    def check_durable(self) -> None:
        """See that what is committed there survives a power cut.

        Raises:
            AwayError: the database cannot be reached.
            DecisionLogError: it would not.
        """
        try:
            server = Server(self._connect(), self._patience.read_seconds)
            with contextlib.closing(server):
                _check_durable(server, self.name)
        except psycopg.Error as error:
            raise self.unusable(error) from error

    def log_id_there(self) -> str | None:
        """The id of the log there, of whatever version it is; None if there is none. Changes
        nothing.

        Raises:
            AwayError: the database cannot be reached.
        """
        try:
            server = Server(self._connect(), self._patience.read_seconds)
            with contextlib.closing(server):
                there = database_version.version_of(server) != database_version.NO_LOG
                return log_id_of(server) if there else None
        except psycopg.Error as error:
            raise self.unusable(error) from error

    def open_to_read(self, *, quick: bool = False) -> Connection:
        """A connection that cannot change anything, and comes back by itself when it was cut.

        Raises:
            AwayError: the database cannot be reached.
            DecisionLogError: it holds no log of this version.
        """

        def connect() -> Impatient:
            opened = self._connect()
            opened.execute("SET default_transaction_read_only = on")
            return opened

        try:
            server = Server(connect(), self._patience.read_seconds, again=connect)
            with server.closed_on_error():
                database_version.check(server, self.name)
            if quick:
                server.seconds_a_statement = self._patience.look_seconds
        except psycopg.Error as error:
            raise self.unusable(error) from error
        return server

    def begin(self, connection: Connection) -> None:
        """Take the turn of a writer; whoever waits for it sees what the one before committed."""
        assert isinstance(connection, Server)
        connection.give_until(time.monotonic() + self._patience.write_seconds)
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        connection.execute("SELECT pg_advisory_xact_lock(?)", (WRITER,))

    def begin_reading(self, connection: Connection) -> None:
        """PostgreSQL takes the moment of the first read."""
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def add_rows(
        self, connection: Connection, into: str, columns: Sequence[str], rows: Sequence[Any]
    ) -> list[int]:
        """The server numbers the rows of a statement in their order."""
        return sorted(seq for (seq,) in insert(connection, into, columns, rows, "RETURNING seq"))

    def prove(self, connection: Connection) -> None:
        """Write a message that nobody reads into the server's own log, which is synced."""
        connection.execute("SELECT pg_logical_emit_message(true, 'lanes', 'writable')")

    def check_in_place(self, connection: Connection | None) -> None:
        """A database is not replaced under an open connection."""

    def let_go(self) -> None:
        """Nothing has to be tidied up."""

    def look_through(self, look: Callable[[Connection], Found]) -> Found:
        """Read it as it is at one moment."""
        with contextlib.closing(self.open_to_read()) as connection:
            try:
                self.begin_reading(connection)
                return look(connection)
            except psycopg.Error as error:
                raise self.unusable(error) from error

    def damage(self, connection: Connection, *, thorough: bool = False) -> list[str]:
        """The server checks its own pages where checksums are on; `pg_amcheck` looks at them."""
        return []

    def unusable(self, error: Exception) -> DecisionLogError:
        """What to say when the database cannot be used; AwayError if that may pass by itself."""
        told = " ".join(str(error).split()).rstrip("?.!") or type(error).__name__
        kind = AwayError if passes(error) else DecisionLogError
        return kind(f"The decision log in the {self.name} cannot be used: {told}. {remedy(error)}")

    def _connect(self, *, to_write: bool = False) -> Impatient:
        """Of several hosts to the one that can be written, also to read: others are behind it."""
        given: dict[str, Any] = {"application_name": "lanes", "connect_timeout": CONNECT_SECONDS}
        given |= self._address
        if to_write and given.get("target_session_attrs") not in WRITABLE:
            given["target_session_attrs"] = "read-write"  # whatever suits those who read
        elif self._has_several_hosts():
            given.setdefault("target_session_attrs", "read-write")
        given["client_encoding"] = "UTF8"  # whatever the address asks for
        try:
            connection = Impatient.connect(**given, autocommit=True)
        except UnicodeError as error:  # of who looks for the host
            raise psycopg.ProgrammingError(f"invalid host name: {error}") from error
        connection.until = time.monotonic() + CONNECT_SECONDS
        # What is asked is in an index; a plan made while a table was small would never look there.
        connection.execute("SET enable_seqscan = off")
        return connection

    def _has_several_hosts(self) -> bool:
        """As far as address and environment tell; a service file says itself whom to ask."""
        hosts: list[Any] = [self._address.get(name) for name in ("host", "hostaddr")]
        if not any(hosts) and "service" not in self._address:
            usual = {each.keyword: each.val for each in pq.Conninfo.get_defaults()}
            hosts = [usual[b"host"], usual[b"hostaddr"]]
        return any("," in str(each) for each in hosts)


def _with_port(host: str, port: str) -> str:
    """The host, with the port unless that is PostgreSQL's; none stands for what `PGPORT` says."""
    usual = {each.keyword: each for each in pq.Conninfo.get_defaults()}[b"port"]
    port = port or (usual.val or b"").decode()
    return host if port.encode() == usual.compiled else f"{host}:{port}"


def _check_durable(server: Server, name: str) -> None:
    """Raises DecisionLogError: what is committed here would not survive a power cut."""
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        (value,) = server.execute(f"SHOW {setting}").fetchone()
        if value == "off":
            raise DecisionLogError(
                f"The {name} would lose decisions in a power cut ({setting} is off). Set it on, in "
                "postgresql.conf or for the role."
            )
