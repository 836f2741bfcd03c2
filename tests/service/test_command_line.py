"""The command line says what it does, does it, and ends with a code that means something."""

import errno
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

import pytest
import typer.main
from click.testing import Result

from selectivity.declaration import Declaration
from selectivity.errors import (
    AuditError,
    BundleError,
    DecisionLogError,
    ParamsError,
    RulesError,
    ServiceError,
)
from selectivity.inspection import Inspection
from serving.commands.demo import where_to_look
from serving.commands.room import no_room_in
from serving.deciding.draw_key import read_or_create_draw_key
from serving.http.address import bind, listen
from serving.log.decision_log import DecisionLog
from serving.log.held_note import HeldNote
from serving.log.reader import LogReader
from serving.main import app
from serving.settings import Settings
from serving.storage.chain import Head
from tests.builders import NOON, an_inspection, an_item
from tests.command_line import lanes, lanes_alone, lanes_meanwhile
from tests.logs import a_record, kept
from tests.services import KEY, ROOT, a_process, a_service, free_port, lodged, ndjson, settings_in

COMMANDS = {
    "serve",
    "score",
    "report-inspections",
    "notices",
    "export",
    "verify",
    "replay",
    "explain",
    "check",
    "conflicts",
    "migrate",
    "demo",
    "backup",
    "keys",
    "rules",
    "mode",
}


def test_every_command_is_explained_with_an_example() -> None:
    group = typer.main.get_command(app)
    assert set(group.commands) == COMMANDS  # type: ignore[attr-defined]
    for command in group.commands.values():  # type: ignore[attr-defined]
        assert command.help
        assert command.epilog.startswith("Example: ")


def _with_those_inside(group: Any) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield name, command
        for inner, other in _with_those_inside(command) if hasattr(command, "commands") else ():
            yield f"{name} {inner}", other


def test_every_command_of_a_group_is_explained_with_an_example_of_files_there_are() -> None:
    for name, command in _with_those_inside(typer.main.get_command(app)):
        assert command.help, name
        assert command.epilog.startswith("Example: "), name
        for word in command.epilog.split():
            if word.endswith(".yaml"):
                assert list(ROOT.glob(word)), f"{name}: {word}"


def test_the_language_is_that_of_the_option_of_the_setting_or_english(tmp_path: Path) -> None:
    order = ["mode", "set", "normal", "--reason", "as it is"]
    with a_service(tmp_path) as client:
        url = ["--url", str(client.base_url)]
        told = [
            lanes(tmp_path, *order, *url, *option, **variables).stderr
            for option, variables in (
                ([], {}),
                ([], {"LANES_LANGUAGE": "vi"}),
                (["--language", "en"], {"LANES_LANGUAGE": "vi"}),
            )
        ]
    assert [text.split(".")[0] for text in told] == [
        "error: The mode stays as it is",
        "error: Chế độ được giữ nguyên",
        "error: The mode stays as it is",
    ]


@pytest.mark.parametrize("group", [(), ("keys",), ("rules",), ("mode",)], ids=" ".join)
def test_help_says_what_each_command_does_in_one_whole_line(
    tmp_path: Path, group: tuple[str, ...]
) -> None:
    told = lanes(tmp_path, *group, "--help").stdout
    assert "..." not in told.partition("Commands:")[2].partition("\n\n")[0]


def test_help_names_every_setting(tmp_path: Path) -> None:
    told = lanes(tmp_path, "--help").stdout
    assert "LANES_STATE" in told
    assert "LANES_ITEMS_LIMIT" in told


def test_the_version_is_told_and_an_option_before_the_command_is_put_right(tmp_path: Path) -> None:
    assert lanes(tmp_path, "--version").stdout.startswith("lanes 0.")
    told = lanes(tmp_path, "--language", "en", "score", "some.ndjson")
    assert told.exit_code == 2
    assert "go behind it" in told.stderr


def test_the_demonstration_can_be_repeated(tmp_path: Path) -> None:
    first = lanes_alone(tmp_path, "demo", "--once", LANES_LANGUAGE="vi")
    again = lanes(tmp_path, "demo", "--once", "--language", "vi")

    assert (first.returncode, again.exit_code) == (0, 0), first.stderr + again.stderr
    lines = [line for line in first.stdout.splitlines() if line.startswith("SYN")]
    samples = (ROOT / "data/samples/declarations.ndjson").read_text().splitlines()
    assert len(lines) == len(samples)
    assert all("luồng" in line for line in lines)
    assert lines == [line for line in again.stdout.splitlines() if line.startswith("SYN")]
    told = first.stdout.split("inspections:")[1]
    assert "`lanes serve` starts it again" in told
    assert "http" not in told  # it has ended by then


def test_the_demonstration_takes_the_port_of_the_option_of_the_setting_or_a_free_one(
    tmp_path: Path,
) -> None:
    once, ports = ("demo", "--once"), [str(free_port()) for _ in range(2)]
    told = [
        lanes(tmp_path, *once, *option, **variables).stdout
        for option, variables in (
            ([], {"LANES_PORT": ports[0]}),
            (["--port", ports[1]], {"LANES_PORT": ports[0]}),
            ([], {"LANES_PORT": ""}),
        )
    ]
    taken = [re.findall(r"^service   http://127.0.0.1:(\d+)$", text, re.M)[0] for text in told]
    assert taken[:2] == ports
    assert taken[2] not in {*ports, str(Settings().port)}


def test_while_the_demonstration_runs_it_says_where_to_look(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, report=tmp_path)
    runs, always = where_to_look("http://here", settings).split("at any time")
    assert "http://here/docs" in runs
    assert "http://here/reports" in runs
    assert str(settings.demo_key_file) in runs
    assert "http" not in always


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_demonstration_closes_its_log_when_a_signal_ends_it(
    tmp_path: Path, ending: signal.Signals
) -> None:
    with lanes_meanwhile(tmp_path, "demo", "--language", "en") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                process.send_signal(ending)
        assert process.wait(30) == 0
    assert not list(tmp_path.rglob("*-wal"))  # which a log that is closed takes in


def test_the_demonstration_says_so_when_samples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "declarations.ndjson").write_text("{}\n")
    ended = lanes(tmp_path, "demo", "--once", "--samples", str(tmp_path), "--language", "en")
    assert ended.exit_code == 1
    assert "declaration_id: Field required" in ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["serve"], {"LANES_PORT": "many"}, 21, "LANES_PORT"),
        (["serve"], {"LANES_HOST": "0.0.0.0"}, 21, "in the clear"),
        (["demo"], {"LANES_RULES": "nowhere/*.yaml"}, 21, "LANES_RULES"),
        (["export", "--to", "out"], {}, 40, "no decision log"),
        (["check"], {}, 30, "No bundle was published"),
        (["verify"], {}, 21, "--public-key"),
        (["replay"], {}, 40, "no decision log"),
        (["demo", "--once"], {"LANES_ANCHOR": "."}, 21, "LANES_ANCHOR"),
        (["demo", "--samples", "nowhere"], {}, 20, "--samples"),
        (["score", "nowhere.ndjson"], {}, 1, "nowhere.ndjson"),
    ],
)
def test_an_error_is_one_plain_line(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], code: int, said: str
) -> None:
    ended = lanes(tmp_path, *arguments, **variables)
    assert ended.exit_code == code, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    plain = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert len(plain) == 1


def test_a_start_that_waited_in_vain_says_how_long(tmp_path: Path) -> None:
    nowhere = f"postgresql://lanes@127.0.0.1:{free_port()}/lanes"
    ended = lanes_alone(tmp_path, "serve", "--port", "0", "--wait", "2.5", LANES_DATABASE=nowhere)
    assert ended.returncode == 40
    assert ended.stderr.rstrip().endswith("It was waited for 2.5 s.")
    assert ended.stderr.count("waiting for the log") == 1  # though it was asked three times
    assert "?." not in ended.stderr


def test_while_a_start_waits_for_its_log_callers_are_refused_and_not_left_hanging(
    tmp_path: Path,
) -> None:
    port, nowhere = free_port(), f"postgresql://lanes@127.0.0.1:{free_port()}/lanes"
    here = {"LANES_STATE": str(tmp_path / "state"), "LANES_DATABASE": nowhere}
    words = [sys.executable, "-m", "serving.main", "serve", "--port", str(port), "--wait", "60"]
    with subprocess.Popen(words, cwd=ROOT, env=os.environ | here, stderr=subprocess.PIPE) as waits:
        try:
            assert waits.stderr is not None
            assert any(b"waiting for the log" in line for line in waits.stderr)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
        finally:
            waits.kill()


def test_an_address_is_ours_before_callers_are_let_in(tmp_path: Path) -> None:
    with bind(settings_in(tmp_path, port=0)) as bound:
        at = bound.getsockname()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(at, timeout=5).close()
        listen(bound, settings_in(tmp_path))
        socket.create_connection(at, timeout=5).close()
        with pytest.raises(ParamsError, match=rf"cannot listen on 127.0.0.1 port {at[1]} .*LANES"):
            bind(settings_in(tmp_path, port=at[1]))


def test_a_damaged_log_refuses_to_start(tmp_path: Path) -> None:
    file = settings_in(tmp_path).log_file
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1_000)
    ended = lanes_alone(tmp_path, "serve", "--port", "0")
    assert ended.returncode == 40
    assert "restore it from a backup" in ended.stderr
    assert "first key" not in ended.stdout  # which is for a service that runs


def test_scoring_a_file_needs_a_running_service(tmp_path: Path) -> None:
    file = tmp_path / "many.ndjson"
    many = [lodged(declaration_id=f"D-{number}") for number in range(1_100)]
    file.write_bytes(ndjson(*many) + b"{}\n")
    nobody = lanes(tmp_path, "score", str(file), "--url", f"http://127.0.0.1:{free_port()}")
    with a_service(tmp_path) as client:
        url = str(client.base_url)
        scored = lanes(tmp_path, "score", str(file), "--url", url, "--language", "en")
        file.write_bytes(ndjson(*many))
        again = lanes(tmp_path, "score", str(file), "--url", url)

    assert nobody.exit_code == 60
    assert "lanes serve" in nobody.stderr
    lines = scored.stdout.splitlines()
    assert scored.exit_code == 1  # one got no lane
    assert nobody.stdout == ""
    assert len(lines) == 1 + 1_101 + 2
    assert again.exit_code == 0, again.stderr
    assert "lane" in lines[1]
    assert lines[-3].startswith("line 1101")
    assert lines[-1].endswith(", 1 refused")


def test_inspections_of_a_file_are_sent_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "inspections.ndjson"
    sent = [an_inspection(), an_inspection(inspection_id="I-2", declaration_id="D-9")]
    file.write_bytes(ndjson(*(each.model_dump(mode="json") for each in sent)) + b"\n{}\n")
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
        told = lanes(tmp_path, "report-inspections", str(file), "--url", str(client.base_url))
    assert told.exit_code == 1
    assert told.stderr.startswith("refused: line 4: inspection_id")
    assert told.stderr.endswith("parked until there is a decision on D-9\n")
    assert told.stdout.strip() == "1 stored, 1 parked, 1 refused"


def test_a_finding_on_goods_that_are_not_there_is_told(tmp_path: Path) -> None:
    found = ({"item_no": 9, "mechanism": "QUANTITY"},)
    inspection = an_inspection(result="FINDING", findings=found).model_dump(mode="json")
    told = _reported(tmp_path, inspection)
    assert told.stderr.startswith(f"line 1: {inspection['declaration_id']} has no goods item 9; ")


def test_a_result_of_before_the_acceptance_is_told(tmp_path: Path) -> None:
    inspection = an_inspection(observed_at=NOON - timedelta(days=1)).model_dump(mode="json")
    told = _reported(tmp_path, inspection)
    assert told.stderr.startswith("line 1: the result is dated before D-1 was accepted, so ")


def _reported(tmp_path: Path, inspection: dict[str, Any]) -> Result:
    """What the command says of one result on D-1, which is stored."""
    file = tmp_path / "inspections.ndjson"
    file.write_bytes(ndjson(inspection))
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
        told = lanes(tmp_path, "report-inspections", str(file), "--url", str(client.base_url))
    assert told.stdout == "1 stored\n"
    return told


def test_of_many_declarations_without_a_decision_some_are_named(tmp_path: Path) -> None:
    many = (an_inspection(inspection_id=f"I-{n}", declaration_id=f"D-{n}") for n in range(13))
    content = ndjson(*(each.model_dump(mode="json") for each in many))
    out, error, _ = _sent(tmp_path, "report-inspections", content, expected=0)
    assert out == "13 parked\n"
    assert error == (
        f"parked until there is a decision on {', '.join(f'D-{n}' for n in range(10))} and 3 more\n"
    )


def _sent(tmp_path: Path, command: str, content: bytes, expected: int = 1) -> tuple[str, str, int]:
    """Standard output and error of sending this, and how many records the log has."""
    file = tmp_path / "sent.ndjson"
    file.write_bytes(content)
    with a_service(tmp_path) as client:
        ended = lanes(tmp_path, command, str(file), "--url", str(client.base_url))
        assert ended.exit_code == expected
    log = LogReader(settings_in(tmp_path).log_file)
    return ended.stdout, ended.stderr, sum(log.counts()[:2])


def test_a_file_of_the_other_kind_is_told_so_and_not_sent(tmp_path: Path) -> None:
    declared = ndjson(*(lodged(declaration_id=f"D-{number}") for number in range(7)))
    found = (an_inspection(inspection_id=f"I-{number}") for number in range(7))
    inspected = ndjson(*(each.model_dump(mode="json") for each in found))
    for command, content, said in (
        (
            "report-inspections",
            declared,
            "These are declarations: send them with `lanes score FILE`",
        ),
        ("score", inspected, "These are inspections: send them with `lanes report-inspections"),
    ):
        out, error, kept = _sent(tmp_path, command, content)
        assert (out, kept) == ("", 0)
        assert said in error
        assert "None of the 7 lines was sent" in error
        assert len(error) < 200


@pytest.mark.parametrize(
    ("command", "good"),
    [
        ("score", lodged()),
        ("report-inspections", an_inspection().model_dump(mode="json")),
    ],
)
def test_lines_that_are_all_refused_alike_end_the_sending_and_the_rest_is_counted(
    tmp_path: Path, command: str, good: dict[str, Any]
) -> None:
    out, error, kept = _sent(tmp_path, command, b"# words\n\n" * 6 + ndjson(good))

    assert kept == 0
    assert out.strip().endswith("5 refused, 2 not sent")
    assert "the 2 behind them were not sent" in error


@pytest.mark.parametrize(
    ("command", "good"),
    [
        ("score", lodged()),
        ("report-inspections", an_inspection().model_dump(mode="json")),
    ],
)
@pytest.mark.parametrize("first", ["good", "bad"])
def test_lines_that_may_be_good_are_all_sent(
    tmp_path: Path, command: str, good: dict[str, Any], first: str
) -> None:
    bad = b"# words\n"
    lines = ndjson(good) + bad * 8 if first == "good" else bad * 4 + ndjson(good)
    out, error, kept = _sent(tmp_path, command, lines)

    refused = 8 if first == "good" else 4
    last = 9 if first == "good" else 4
    assert kept == 1
    assert out.strip().splitlines()[-1].count(f"{refused} refused") == 1
    assert "not sent" not in out + error
    assert f"line {last}" in out + error
    assert f"line {last + 1}" not in out + error


def test_the_log_is_exported_as_it_was_lodged(tmp_path: Path) -> None:
    ivory = lodged(declaration_id="D-2", items=(an_item(hs_code="050710"),))
    documents = an_inspection(declaration_id="D-2", inspection_id="I-2", control_type="DOCUMENT")
    stated = an_inspection(declaration_id="D-2", inspection_id="I-3", propensity=0.25)
    audit = an_inspection(declaration_id="D-2", inspection_id="I-4", control_type="AUDIT")
    uncalled_for = an_inspection(inspection_id="I-5")
    parked = an_inspection(declaration_id="D-9", inspection_id="I-9")
    with a_service(tmp_path) as client:
        for declared in (lodged(), ivory):
            client.post("/v1/lanes", json=declared)
        for inspection in (documents, stated, audit, uncalled_for, parked):
            body = inspection.model_dump(mode="json", exclude_unset=True)
            client.post("/v1/inspections", json=body)
    done = lanes(tmp_path, "export", "--to", str(tmp_path / "out"))

    assert done.exit_code == 0, done.stderr
    lines = (tmp_path / "out/declarations.ndjson").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [lodged(), ivory]
    assert all(Declaration.model_validate_json(line) for line in lines)
    lines = (tmp_path / "out/inspections.ndjson").read_bytes().splitlines()
    exported = {each.inspection_id: each for each in map(Inspection.model_validate_json, lines)}
    assert exported["I-2"].propensity == 1.0
    assert exported["I-2"].triggered_by == "MANDATORY"
    assert exported["I-3"].propensity == 0.25
    assert exported["I-4"] == audit
    assert exported["I-5"] == uncalled_for  # nobody's lane asked for these goods to be inspected
    assert exported["I-9"] == parked
    upto = json.loads((tmp_path / "out/export.json").read_text())
    assert (upto["decision_seq"], upto["inspection_seq"], upto["parked"]) == (2, 5, 1)
    assert upto["log_id"] == LogReader(settings_in(tmp_path).log_file).log_id
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_check_of_a_whole_service_passes(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
    ended = lanes(tmp_path, "check", LANES_BUNDLE=str(bundle))
    assert ended.exit_code == 0, ended.stderr
    assert "1 decisions" in ended.stdout
    assert "fits it" in ended.stdout
    assert "keys         1 of 1 valid" in ended.stdout
    assert "would serve  the model" in ended.stdout


def test_a_draw_key_that_is_another_than_before_is_told(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
    other = tmp_path / "other.key"
    read_or_create_draw_key(other)
    absent = tmp_path / "absent.key"  # which a start would make
    for file in (other, absent):
        told = lanes(tmp_path, "check", LANES_BUNDLE=str(bundle), LANES_DRAW_KEY=str(file))
        assert "draw key     another than before" in told.stdout
        assert "put the key of before back" in told.stderr
        assert told.exit_code == 21
    assert not absent.exists()


def test_what_a_backup_left_in_the_state_folder_is_told(tmp_path: Path, bundle: Path) -> None:
    settings = settings_in(tmp_path)
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
    backup = tmp_path / "backup"
    assert lanes(tmp_path, "backup", "--to", str(backup)).exit_code == 0
    rmtree(settings.state)
    backup.rename(settings.state)
    told = lanes(tmp_path, "check", LANES_BUNDLE=str(bundle))
    assert told.exit_code == 21
    assert f"Move it to {tmp_path}" in told.stderr


def test_a_check_finds_everything_that_a_start_is_refused_for(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.keys_file.parent.mkdir(parents=True, exist_ok=True)
    settings.keys_file.write_text("no keys")
    settings.keys_file.chmod(0o600)
    tokens = {"KEYS": str(tmp_path / "none.jwks"), "ISSUER": "https://login.example"}
    told = lanes(
        tmp_path,
        "check",
        LANES_JWT_AUDIENCE="lanes",
        **{f"LANES_JWT_{name}": value for name, value in tokens.items()},
    )
    assert told.exit_code != 0
    assert "none.jwks cannot be read" in told.stderr
    assert "would serve  nothing: see keys and tokens" in told.stdout


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="there are no files without a name here")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_check_finds_a_disk_that_cannot_be_written(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies on it can be read all the same."""

    def fail(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    there = {path.name for path in tmp_path.iterdir()}
    assert no_room_in(tmp_path) is None
    assert {path.name for path in tmp_path.iterdir()} == there
    assert "would serve  fallback" in lanes(tmp_path, "check").stdout
    monkeypatch.setattr(os, "posix_fallocate", fail)
    told = lanes(tmp_path, "check")
    assert "would serve  nothing: see disk" in told.stdout
    assert f"Nothing can be written in {tmp_path / 'state'}: {os.strerror(number)}" in told.stderr


@pytest.mark.parametrize(
    ("variable", "ended", "said"),
    [
        ("LANES_SPOOL", 40, "kept.file cannot be written: Not a directory. Correct its path"),
        ("LANES_ANCHOR", 21, "kept.file cannot be written (Not a directory)"),
    ],
)
def test_a_place_below_a_file_is_found_by_a_check_and_named_by_a_start(
    tmp_path: Path, variable: str, ended: int, said: str
) -> None:
    (tmp_path / "file").write_text("")
    wrong = {variable: str(tmp_path / "file/below/kept.file")}
    told, start = lanes(tmp_path, "check", **wrong), lanes_alone(tmp_path, "serve", **wrong)
    assert "would serve  nothing: see disk" in told.stdout
    assert (start.returncode, variable in start.stderr) == (ended, True)
    assert said in start.stderr


def test_a_check_knows_what_is_served_without_rules_or_is_not(tmp_path: Path) -> None:
    nowhere = {"LANES_RULES": str(tmp_path / "none.yaml")}
    told, start = lanes(tmp_path, "check", **nowhere), lanes_alone(tmp_path, "serve", **nowhere)
    assert "would serve  nothing: see rules" in told.stdout
    assert start.returncode == 21
    assert start.stderr.strip().removeprefix("error: ") in told.stderr


def test_an_output_that_has_no_room_is_told_in_one_line(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "serving.main", "keys", "list"]
    here = os.environ | {"LANES_KEYS": str(tmp_path / "keys.json")}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            words, cwd=ROOT, env=here, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: What this command says cannot be read or written (No s")
    assert len(ended.stderr.splitlines()) == 1


def test_a_command_to_whose_output_nobody_listens_ends_quietly(tmp_path: Path) -> None:
    """As with `| head -1`: with 1 it would say that lines were refused."""
    file = tmp_path / "many.ndjson"
    file.write_bytes(ndjson(*(lodged(declaration_id=f"D-{number}") for number in range(1_000))))
    with a_service(tmp_path) as client:
        words = [sys.executable, "-m", "serving.main", "score", str(file)]
        here = os.environ | {"LANES_API_KEY": KEY}
        with subprocess.Popen(
            [*words, "--url", str(client.base_url)],
            cwd=ROOT,
            env=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            assert command.stdout.readline().startswith("declaration ")
            command.stdout.close()
            assert command.stderr.read() == ""
            assert command.wait(60) == -signal.SIGPIPE


def test_help_says_with_what_commands_end(tmp_path: Path) -> None:
    told = lanes(tmp_path, "--help").stdout
    kinds = (ParamsError, BundleError, RulesError, DecisionLogError, AuditError, ServiceError)
    for number in (0, 1, 2, *(kind.exit_code for kind in kinds)):
        assert re.search(rf"^  {number} +[a-z]", told, re.MULTILINE)


def test_a_check_finds_that_the_log_is_not_the_one_that_was_vouched_for(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    older = tmp_path / "older.sqlite"
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
    copyfile(settings.log_file, older)
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="D-2"))
    copyfile(older, settings.log_file)
    anchor = settings.anchor_file.read_bytes()
    told = lanes(tmp_path, "check")

    assert "is not the one that was vouched for" in told.stderr
    assert "would serve  nothing" in told.stdout
    assert settings.anchor_file.read_bytes() == anchor
    settings.anchor_file.unlink()
    told = lanes(tmp_path, "check")
    assert "vouches for nothing of it: right for a log that nobody vouched for yet" in told.stdout
    assert "would serve  fallback" in told.stdout
    settings.anchor_file.write_bytes(anchor)
    settings.log_file.unlink()
    DecisionLog(settings.log_file).close()
    assert "vouches for another log" in lanes(tmp_path, "check").stdout


@pytest.mark.parametrize("there", [False, True])
def test_a_check_misses_a_spool_that_was_lost(tmp_path: Path, there: bool) -> None:
    settings = settings_in(tmp_path)
    with closing(DecisionLog(settings.log_file)) as log:
        note = HeldNote(settings.state / "spool.json")
        note.log_id = log.log_id
    note.note_held(str(settings.spool_file), "5" * 32, Head(2, "ab"))
    if there:
        DecisionLog(settings.spool_file).close()
    told = lanes(tmp_path, "check")
    assert "it held 2 records that the log did not have yet" in told.stderr
    assert "would serve  nothing: see spool" in told.stdout


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("signing key", lambda state: (state / "signing.key").chmod(0o644)),
        ("signing key", lambda state: (state / "signing.key").write_text("noise")),
        ("signing key", lambda state: (state / "signing.key").unlink()),  # not its public half
        ("draw key", lambda state: (state.parent / "draw.key").chmod(0o640)),
    ],
)
def test_a_check_refuses_keys_that_a_start_refuses(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    with a_service(tmp_path):
        pass
    state = settings_in(tmp_path).state
    harm(state)
    there = sorted(state.glob("signing.*"))
    told = lanes(tmp_path, "check")
    assert f"would serve  nothing: see {name}" in told.stdout
    assert sorted(state.glob("signing.*")) == there
    start = lanes_alone(tmp_path, "serve")
    assert start.returncode == ParamsError.exit_code
    assert start.stderr.strip().removeprefix("error: ") in told.stderr


def test_a_check_tells_of_a_log_that_is_open_to_others(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    DecisionLog(settings.log_file).close()
    settings.log_file.chmod(0o640)
    assert "open to others" not in lanes(tmp_path, "check").stdout
    settings.log_file.chmod(0o644)
    told = lanes(tmp_path, "check")
    assert f"Run `chmod 600 {settings.log_file}`" in told.stderr
    assert "would serve  fallback rules" in told.stdout


def test_a_check_tells_what_waits_in_the_spool(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with closing(DecisionLog(settings.spool_file)) as spool:
        kept(spool, a_record(), a_record(declaration_id="D-2"))
    waits = f"2 records wait in {settings.spool_file}; the"
    assert f"{waits} first start takes them into the log" in lanes(tmp_path, "check").stdout
    DecisionLog(settings.log_file).close()
    assert f"{waits} next start takes them into the log" in lanes(tmp_path, "check").stdout
    with a_service(tmp_path):
        pass
    told = lanes(tmp_path, "check")
    assert "2 decisions" in told.stdout
    assert "spool" not in told.stdout  # it is kept, and holds nothing that the log lacks


def test_a_check_refuses_a_spool_that_a_start_refuses(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with closing(DecisionLog(settings.spool_file)) as spool:
        kept(spool, a_record())
    with closing(sqlite3.connect(settings.spool_file)) as connection, connection:
        connection.execute("UPDATE decisions SET lane = 3")
    told, start = lanes(tmp_path, "check"), lanes_alone(tmp_path, "serve")
    assert "would serve  nothing: see spool" in told.stdout
    assert start.returncode == AuditError.exit_code
    assert start.stderr.strip().removeprefix("error: ") in told.stderr


def test_a_stopped_service_ends_in_good_order(tmp_path: Path, bundle: Path) -> None:
    with a_process(tmp_path, bundle=bundle) as (process, _):
        process.terminate()
        assert process.wait(timeout=20) in (0, -15)
