"""Tells a database that is out of reach from one that is there and lets nobody in.

What is out of reach may come back by itself, and the service goes on without it. What refuses us
waits for a person: a start that took it for away would spool for weeks over a password.
"""

import re

import psycopg

REFUSED = (
    "authentication failed",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied for database",
    "does not exist",
)
"""Words of the server, which gives its SQLSTATE to no driver before somebody is in. One that speaks
another language than English counts as out of reach.
"""

_MISSPELT = re.compile(
    r'invalid (?:integer value|port number|host name|SSL protocol version range|"?\w+"? value: )'
    r"|could not (?:match \d+|parse network address)|bad value for |weak sslmode "
    r"|Unix-domain socket path |service file |definition of service "
)
"""Words of the driver about a parameter of the address that nothing can be made of."""

_UNKNOWN = re.compile(r'invalid URI query parameter: "(\w+)"')
"""Of what else the driver says about an address, part may be a password."""


def no_address(error: Exception) -> str:
    """What to say of an address that cannot be read."""
    if (unknown := _UNKNOWN.search(str(error))) is not None:
        return (
            f"LANES_DATABASE has a parameter that there is not, {unknown[1]!r:.40}. Correct it, or "
            "leave it out."
        )
    return (
        "LANES_DATABASE is no address of a PostgreSQL database. Write "
        "postgresql://user@host:5432/lanes, and the password into a password file."
    )


def remedy(error: Exception) -> str:
    """What to do about it."""
    if _misspelt(error):
        return "Correct that parameter in LANES_DATABASE, its service file or PG… variable."
    return "Check LANES_DATABASE, that the server runs and that the role may use the tables."


def passes(error: Exception) -> bool:
    """Whether this may pass by itself."""
    if not isinstance(error, psycopg.OperationalError) or _misspelt(error):
        return False
    wants_password = error.pgconn is not None and error.pgconn.needs_password
    return not (wants_password or any(words in str(error) for words in REFUSED))


def _misspelt(error: Exception) -> bool:
    """Whether the address is at fault, or what it names: nobody was asked."""
    return isinstance(error, psycopg.Error) and _MISSPELT.search(str(error)) is not None
