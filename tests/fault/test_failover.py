"""The database fails for good, and its standby becomes the one that is written."""

from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest

from serving.storage.database import LogDatabase
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


def test_of_several_servers_the_one_that_takes_writes_is_written_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they are named, and whatever the address asks for those who read."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with a_server() as primary:
        name = primary.new_database().partition("?")[0]
        LogDatabase(f"{name}?host={primary.folder}").open_to_write().close()
        with a_server(primary) as standby:
            standby.start()
            both = f"{standby.folder},{primary.folder}"
            services = tmp_path / "services.conf"
            services.write_text(f"[lanes]\nhost={both}\ntarget_session_attrs=primary\n")
            monkeypatch.setenv("PGSERVICEFILE", str(services))
            assert _is_standby(f"{name}?host={both}") == (False, False)
            assert _is_standby(f"{name}?service=lanes") == (False, False)
            asked = f"{name}?host={both}&target_session_attrs"
            assert _is_standby(f"{asked}=primary") == (False, False)
            assert _is_standby(f"{asked}=prefer-standby") == (False, True)
            monkeypatch.setenv("PGHOST", both)
            assert _is_standby(name) == (False, False)


def _is_standby(address: str) -> tuple[bool, bool]:
    """Whether that is what is written and what is read there."""
    log = LogDatabase(address)
    with closing(log.open_to_write()) as writer, closing(log.open_to_read()) as reader:
        written, read = (
            connection.execute("SELECT pg_is_in_recovery()").fetchone()[0]
            for connection in (writer, reader)
        )
    return written, read


def _decide(client: httpx.Client, name: str) -> tuple[str, str]:
    """Its id and the whole answer."""
    answer = client.post("/v1/lanes/batch", content=ndjson(lodged(declaration_id=name)))
    assert '"lane"' in answer.text
    return name, answer.text


def _decided(server: PostgreSql, database: str) -> list[str]:
    with psycopg.connect(f"{database}?host={server.folder}") as connection:
        rows = connection.execute("SELECT declaration_id FROM decisions")
        return sorted(name for (name,) in rows)
