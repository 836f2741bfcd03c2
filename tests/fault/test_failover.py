"""The database fails for good, and its standby becomes the one that is written."""

from pathlib import Path

import httpx
import psycopg
import pytest

from tests.postgresql import PostgreSql, a_server, why_not
from tests.services import a_service, lodged, ndjson, until


def test_a_standby_that_became_the_primary_has_all_that_was_answered(tmp_path: Path) -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with a_server() as primary:
        database = primary.new_database()
        with a_server(primary) as standby:
            primary.wait_for_standbys(wait=True)
            name = database.partition("?")[0]
            both = (
                f"{name}?host={standby.folder},{primary.folder}"  # the one that is written counts
            )
            with a_service(tmp_path, database=both) as client:
                answered = [_decide(client, f"before-{n}") for n in range(3)]
                primary.kill()
                answered += [_decide(client, f"between-{n}") for n in range(3)]
                until(client, log="spooling")
                standby.promote()
                until(client, log="ok")
                answered += [_decide(client, f"after-{n}") for n in range(3)]
                assert [_decide(client, name) for name, _ in answered] == answered
            assert _decided(standby, name) == sorted(name for name, _ in answered)


def _decide(client: httpx.Client, name: str) -> tuple[str, str]:
    """Its id and the whole answer."""
    answer = client.post("/v1/lanes/batch", content=ndjson(lodged(declaration_id=name)))
    assert '"lane"' in answer.text
    return name, answer.text


def _decided(server: PostgreSql, database: str) -> list[str]:
    with psycopg.connect(f"{database}?host={server.folder}") as connection:
        rows = connection.execute("SELECT declaration_id FROM decisions")
        return sorted(name for (name,) in rows)
