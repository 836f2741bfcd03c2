"""Tells a database that is out of reach from one that is there and lets nobody in.

What is out of reach may come back by itself, and the service goes on without it. What refuses us
waits for a person: a start that took it for away would spool for weeks over a password.
"""

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


def passes(error: Exception) -> bool:
    """Whether this may pass by itself."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    wants_password = error.pgconn is not None and error.pgconn.needs_password
    return not (wants_password or any(words in str(error) for words in REFUSED))
