"""Breaks a service and its decision log under load, again and again, and counts what came of it.

    python -m tests.torture --cycles 20 --seed 1             # with a PostgreSQL of its own
    python -m tests.torture --cycles 20 --seed 1 --file      # with the log in a file

Callers send new declarations and ask again for old ones. Whoever gets no answer sends the same once
more until there is one. In each cycle something is broken for a while, drawn from all that can be.
Lost is an answer that is in no log; doubled, a declaration with more than one decision; changed,
one that was answered in two ways.
"""

import json
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from selectivity.errors import ServiceError
from serving.audit.replay import replay
from serving.commands.client import call
from serving.log.chain_check import walk
from serving.log.reader import LogReader
from serving.stores import primary_of
from tests.bundles import a_bundle
from tests.postgresql import PostgreSql, a_server
from tests.services import KEY, a_process, keeping_histories, lodged, settings_in

CALLERS, PAUSE_SECONDS = 3, 0.03
RETURN_SECONDS = 30
KEPT_EVERY = 50
"""Records after which what the histories know is kept: so often that every fault meets it."""


class Callers:
    """Send declarations until they are told to stop, and remember every answer."""

    def __init__(self, url: str, seed: int) -> None:
        self.url, self.answers = url, dict[str, list[Any]]()
        self.cut = self.refused = 0
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(f"D-{each}", random.Random(seed + each)))
            for each in range(CALLERS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everyone get the answer that is owed, then end."""
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _run(self, prefix: str, chance: random.Random) -> None:
        own: list[str] = []
        while not self._enough.wait(PAUSE_SECONDS):
            again = own and chance.random() < 0.2
            id_ = chance.choice(own) if again else f"{prefix}-{len(own)}"
            answer = self._answer_to(json.dumps(lodged(declaration_id=id_)).encode())
            if answer is not None:
                self.answers.setdefault(id_, []).append(answer)
                own += [] if again else [id_]

    def _answer_to(self, body: bytes) -> Any:
        end = time.monotonic() + RETURN_SECONDS
        while time.monotonic() < end:
            try:
                status, answer = call(self.url, "POST", "/v1/lanes", body, key=KEY)
                if status == 200:
                    return json.loads(answer)
                self.refused += 1
            except ServiceError:
                self.cut += 1
            time.sleep(0.05)
        return None


class Patient:
    """A service in a process of its own, with callers, and what it stands on."""

    def __init__(
        self, folder: Path, bundle: Path, server: PostgreSql | None, chance: random.Random
    ) -> None:
        """With a database of its own on the server, else with a file."""
        self.server, self.chance = server, chance
        self._folder, self._stack, self._runs = folder, ExitStack(), 0
        self._fields: dict[str, Any] = {"bundle": bundle} | keeping_histories(KEPT_EVERY)
        if server is not None:
            self._fields["database"] = server.new_database()
        self.settings = settings_in(folder, **self._fields)
        self.start()
        self.callers = Callers(self.url, chance.randrange(1 << 30))

    def start(self) -> None:
        """Start the service, and wait until it answers."""
        self._process, self.url = self._stack.enter_context(a_process(self._folder, **self._fields))

    def kill(self) -> None:
        """Kill the service, and start it again."""
        self._process.kill()
        self._process.wait()
        self.start()
        self.callers.url = self.url

    def wait(self, low: float, high: float) -> None:
        """For a while."""
        time.sleep(self.chance.uniform(low, high))

    def seconds_until_well(self) -> float:
        """How long it takes until the log itself is written."""
        started = time.monotonic()
        while time.monotonic() - started < RETURN_SECONDS:
            with suppress(ServiceError):
                if json.loads(call(self.url, "GET", "/health/ready")[1])["log"] == "ok":
                    return time.monotonic() - started
            time.sleep(0.02)
        raise AssertionError(f"the log was not written again within {RETURN_SECONDS} s")

    def close(self) -> None:
        """Let callers have their answers, then end it."""
        self.callers.stop()
        self._stack.close()


def kill_service(patient: Patient) -> None:
    """The service ends and is started again."""
    patient.kill()


def lock_file(patient: Patient) -> None:
    """Another program holds the file."""
    with closing(sqlite3.connect(patient.settings.log_file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        patient.wait(1.2, 1.8)


def lock_file_and_kill_service(patient: Patient) -> None:
    """The service ends while it drains, or about then."""
    lock_file(patient)
    patient.wait(0.0, 0.6)
    patient.kill()


def kill_server(patient: Patient) -> None:
    """The database ends and is started again."""
    assert patient.server is not None
    patient.server.kill()
    patient.wait(0.3, 1.0)
    patient.server.start()


def hang_server(patient: Patient) -> None:
    """The database keeps every connection and answers none."""
    assert patient.server is not None
    patient.server.hang()
    patient.wait(0.5, 1.5)
    patient.server.go_on()


def hang_server_and_kill_service(patient: Patient) -> None:
    """The service ends while it drains, or about then."""
    hang_server(patient)
    patient.wait(0.0, 0.6)  # while the spool is drained
    patient.kill()


def kill_both_and_start_the_service_first(patient: Patient) -> None:
    """Both end, and the service is started while the database is away."""
    assert patient.server is not None
    patient.server.kill()
    patient.kill()
    patient.wait(0.3, 1.0)
    patient.server.start()


def kill_both_and_the_service_once_more(patient: Patient) -> None:
    """The same, and the service ends again while it drains, or about then."""
    kill_both_and_start_the_service_first(patient)
    patient.wait(0.0, 0.8)
    patient.kill()


def lock_table(patient: Patient) -> None:
    """Somebody holds the table."""
    with PostgreSql.connect(_address(patient)) as other, other.transaction():
        other.execute("LOCK TABLE decisions IN ACCESS EXCLUSIVE MODE")
        patient.wait(0.5, 1.0)


def cut_connections(patient: Patient) -> None:
    """The database throws everybody out."""
    with PostgreSql.connect(_address(patient)) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'lanes'"
        )


def _address(patient: Patient) -> str:
    assert patient.settings.database is not None
    return patient.settings.database.get_secret_value()


Fault = Callable[[Patient], None]
ON_A_FILE: tuple[Fault, ...] = (kill_service, lock_file, lock_file_and_kill_service)
ON_A_SERVER: tuple[Fault, ...] = (
    kill_service,
    kill_server,
    hang_server,
    hang_server_and_kill_service,
    kill_both_and_start_the_service_first,
    kill_both_and_the_service_once_more,
    lock_table,
    cut_connections,
)


class Survived(NamedTuple):
    """What came of it all."""

    answers: int
    declarations: int
    cut: int
    """Requests that nobody answered, each sent again until somebody did."""
    refused: int
    """Requests that got a 503, the same."""
    drained: int
    """Records that went through the spool."""
    lost: int
    doubled: int
    changed: int
    conflicts: int
    problems: int
    """What the chain has to complain of."""
    differing: int
    """Decisions that do not come out again as they were kept."""
    slowest: float
    """Seconds, of the slowest return to the log."""

    @property
    def unharmed(self) -> bool:
        """Whether every answer is kept, once, as it was given."""
        harm = self.lost, self.doubled, self.changed, self.conflicts, self.problems
        return not any((*harm, self.differing))


def torture(patient: Patient, faults: Iterable[Fault], told: Callable[[str], None]) -> Survived:
    """Break it in these ways, one after the other, and look what is left."""
    seconds = [0.0]
    try:
        for fault in faults:
            patient.wait(0.2, 0.6)
            fault(patient)
            seconds.append(patient.seconds_until_well())
            told(f"{fault.__name__.replace('_', ' '):30} back after {seconds[-1]:.2f} s")
        patient.callers.stop()
        patient.seconds_until_well()
    finally:
        patient.close()
    return _survived(patient, max(seconds))


def _survived(patient: Patient, slowest: float) -> Survived:
    store, answers = primary_of(patient.settings), patient.callers.answers
    with closing(LogReader(store)) as log:
        kept = [record.model_dump(mode="json") for _, record in log.records()]
        conflicts = len(log.conflicts())
        again = replay(log, patient.settings)
    by_id = {each["declaration_id"]: each for each in kept}
    walked = store.look_through(lambda connection: walk(connection))
    return Survived(
        answers=sum(map(len, answers.values())),
        declarations=len(answers),
        cut=patient.callers.cut,
        refused=patient.callers.refused,
        drained=LogReader(patient.settings.spool_file).head().no,
        lost=len(answers.keys() - by_id.keys()),
        doubled=len(kept) - len(by_id),
        changed=sum(
            any(each["decided_at"] != by_id[id_]["decided_at"] for each in some)
            for id_, some in answers.items()
            if id_ in by_id
        ),
        conflicts=conflicts,
        problems=len(walked.problems),
        differing=again.differing + sum(again.not_replayed.values()),
        slowest=slowest,
    )


def main(
    cycles: Annotated[int, typer.Option(help="How often something is broken.")] = 20,
    seed: Annotated[int, typer.Option(help="Decides what is broken, and for how long.")] = 1,
    file: Annotated[bool, typer.Option("--file", help="The log in a file.")] = False,
) -> None:
    """Break it, count, and end with 1 if anything was lost."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        a_bundle(folder / "bundle")
        server = None if file else stack.enter_context(a_server())
        patient = Patient(folder, folder / "bundle", server, chance)
        faults = [chance.choice(ON_A_FILE if file else ON_A_SERVER) for _ in range(cycles)]
        survived = torture(patient, faults, typer.echo)
    for what, number in survived._asdict().items():
        typer.echo(f"{what:12} {number:g}")
    raise typer.Exit(0 if survived.unharmed else 1)


if __name__ == "__main__":
    typer.run(main)
