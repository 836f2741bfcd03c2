"""What operators are given fits what there is: settings, commands, paths, metrics, headings."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer.main
import yaml

from serving.environment import PREFIX
from serving.main import app
from serving.meters import Meters
from serving.settings import Settings
from serving.start import DRAIN_SECONDS, IDLE_SECONDS
from tests.architecture.pages import GUIDES, anchors, in_project
from tests.architecture.tree import ROOT

RUNBOOK = (ROOT / "RUNBOOK.md").read_text(encoding="utf-8")
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "deploy/grafana/lanes.json").read_text(encoding="utf-8"))
CADDYFILE = (ROOT / "deploy/Caddyfile").read_text(encoding="utf-8")
OPERATED = [
    ROOT / name for name in ("RUNBOOK.md", "compose.yaml", "Containerfile", "deploy/lanes.env")
]
ALERT_RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS = DASHBOARD["panels"]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in ALERT_RULES} | {
    f"{panel['title']} {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
}
CASES = yaml.safe_load((ROOT / "tests/cases/alerts.yaml").read_text(encoding="utf-8"))


def _metrics() -> dict[str, set[str]]:
    """The labels of every metric that the service gives, by its name there."""
    labels = {"up": {"job"}}
    for collector, names in Meters()._registry._collector_to_names.items():
        own = set(getattr(collector, "_labelnames", ()))
        for name in names:
            labels[name] = own | ({"le"} if name.endswith("_bucket") else set())
    return labels


METRICS = _metrics()


@pytest.mark.parametrize("what", EXPRESSIONS)
def test_an_expression_asks_for_what_is_measured(what: str) -> None:
    expression = EXPRESSIONS[what]
    plain = re.sub(r'"[^"]*"', '""', expression)
    asked = _asked(plain)
    assert asked.keys() <= METRICS.keys()
    for name, labels in asked.items():
        assert labels <= METRICS[name], name
    assert _grouped(plain) <= set[str]().union(*(METRICS[name] for name in asked))
    for opening, closing in ("()", "{}", "[]"):
        assert plain.count(opening) == plain.count(closing)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_names_what_it_shows(panel: dict[str, Any]) -> None:
    """A table shows labels of this moment as columns; of a range it would show one series."""
    for target in panel["targets"]:
        grouped, asked = _grouped(target["expr"]), _asked(target["expr"])
        shown = grouped or set[str]().union(*(METRICS[name] for name in asked))
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= shown
        of_now = (target.get("format"), target.get("instant")) == ("table", True)
        assert of_now == (panel["type"] == "table")


def test_alarms_are_tried_on_what_is_measured() -> None:
    series = [CASES["usual"], *(case.get("series", {}) for case in CASES["cases"])]
    for name, labels in (each for one in series for text in one for each in _asked(text).items()):
        assert labels <= METRICS[name], name


def _asked(expression: str) -> dict[str, set[str]]:
    """The labels that are asked for, by metric."""
    found = re.findall(r"\b(lanes_\w+|up)\b(?:{([^}]*)})?", expression)
    labels: dict[str, set[str]] = {}
    for name, selected in found:
        labels.setdefault(name, set()).update(re.findall(r"(\w+)(?:=~?|!=|!~)\"", selected))
    return labels


def _grouped(expression: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expression))))


def test_what_alarms_count_is_there_before_it_happens() -> None:
    """A counter whose first value is 1 never rose, as Prometheus sees it."""
    text = Meters().exposition().decode()
    for expression in EXPRESSIONS.values():
        for name, label, value in re.findall(r'(lanes_\w+_total)\{(\w+)=~?"([^"]*)"', expression):
            for one in value.split("|"):
                assert re.search(rf'^{name}{{.*{label}="{one}"', text, re.MULTILINE), expression


@pytest.mark.parametrize("rule", ALERT_RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_its_part_of_the_runbook(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (ROOT / file).is_file()
    assert anchor in anchors(ROOT / file)
    assert f"*{rule['alert']}*" in RUNBOOK
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")


def test_names_of_alerts_and_panels_are_their_own() -> None:
    for names in ([rule["alert"] for rule in ALERT_RULES], [each["id"] for each in PANELS]):
        assert len(set(names)) == len(names)
    places = [tuple(panel["gridPos"][side] for side in "xy") for panel in PANELS]
    assert len(set(places)) == len(places)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


def test_the_first_run_listens_where_the_settings_say() -> None:
    for port, told in (("8124", "--port 8124 "), ("", "--port 8080 ")):
        assert told in _first_run(LANES_PORT=port)


def test_the_first_run_publishes_in_the_name_of_a_person_if_any_is_known(tmp_path: Path) -> None:
    (line,) = (line for line in _first_run().splitlines() if "pipelines.publish" in line)
    login = subprocess.check_output(["id", "-un"], text=True).strip()
    for configured, by, name in (
        ("[user]\nname = Ann Lee\n", "", "Ann Lee"),
        ("[user]\nname =\n", "", login),
        ("", "", login),
        ("[user]\nname = Ann Lee\n", "ben", "ben"),
    ):
        (tmp_path / "gitconfig").write_text(configured)
        known = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
        told = subprocess.check_output(
            ["bash", "-euo", "pipefail", "-c", line.replace("python -m pipelines.publish", "echo")],
            cwd=tmp_path,
            env=os.environ | known | {"BY": by},
            text=True,
        )
        assert f"--by {name} --note" in told


def test_the_page_of_runs_takes_the_next_port_if_one_is_taken() -> None:
    (line,) = (line for line in _made("mlflow").splitlines() if line.startswith("port=5000; "))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        asked = line.replace("5000", str(taken)).removesuffix("\\") + "echo $port"
        assert int(subprocess.check_output(["bash", "-c", asked])) > taken


def _first_run(**variables: str) -> str:
    return _made("run", **variables)


def _made(target: str, **variables: str) -> str:
    """The commands of `make` with this target."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.check_output(
        ["make", "-n", target], cwd=ROOT, env=plain | variables, text=True
    )


@pytest.mark.parametrize("file", [*OPERATED, *GUIDES], ids=in_project)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    named = set(re.findall(r"\bLANES_[A-Z_]*[A-Z]\b", file.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("file", [ROOT / "RUNBOOK.md", *GUIDES], ids=in_project)
def test_every_command_that_is_named_can_be_given(file: Path) -> None:
    commands = list(_commands(file.read_text(encoding="utf-8")))
    assert commands
    for words in commands:
        _can_be_given(words)


def _can_be_given(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or words == ["--help"], f"lanes … {words}"
    known = {name for parameter in command.params for name in parameter.opts}
    given = {word for word in words if word.startswith("--")} - {"--help"}
    assert given <= known, given - known


def test_what_goes_into_the_container_is_there_and_runs_alone(tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (\S+) (\S+)$", CONTAINERFILE, re.MULTILINE)
    assert len(copied) >= 5
    for source, target in copied:
        if (ROOT / source).is_dir():
            ignored = shutil.ignore_patterns("artifacts", "published", "__pycache__")
            shutil.copytree(ROOT / source, tmp_path / target, ignore=ignored)
    ran = subprocess.run(
        [sys.executable, "-m", "serving.main", "check"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.search(r"^rules +\d+ of ", ran.stdout, re.MULTILINE), ran.stdout + ran.stderr


def test_what_is_mounted_is_there() -> None:
    for service in COMPOSE["services"].values():
        for mounted in service.get("volumes", ()):
            source = mounted.split(":")[0]
            if source in {"./models/published", "./data/reports"}:  # made by the pipeline
                assert source.removeprefix("./") in RUNBOOK, source
            elif source.startswith("./"):
                assert (ROOT / source).is_file(), source
            else:
                assert source in COMPOSE["volumes"]
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"]
        image = service.get("image", "plain:1")
        assert re.fullmatch(r"[a-z]+(/[a-z]+)?:v?[0-9][0-9.]*", image), f"{image}: name a version"


def test_the_service_finds_its_database() -> None:
    lanes, database = (COMPOSE["services"][name] for name in ("lanes", "database"))
    settings = Settings.model_validate({"database": lanes["environment"]["LANES_DATABASE"]})
    address = urlsplit(settings.database.get_secret_value() if settings.database else "")
    made = database["environment"]
    assert (address.hostname, address.password) == ("database", None)
    assert (address.username, address.path) == (made["POSTGRES_USER"], f"/{made['POSTGRES_DB']}")
    assert lanes["env_file"] == database["env_file"]
    assert Path(lanes["env_file"]).name in RUNBOOK
    named = re.findall(r"LANES_(?:STATE|ANCHOR|SPOOL)=(\S+)", CONTAINERFILE)
    volumes = [mounted.split(":")[1] for mounted in lanes["volumes"]]
    assert len(named) == 3
    assert all(any(path.startswith(volume) for volume in volumes) for path in named)


def test_the_container_is_healthy_when_the_service_is_ready() -> None:
    """In the image and beside it alike; and its database is only when it listens for others."""
    lanes, database = (COMPOSE["services"][name]["healthcheck"] for name in ("lanes", "database"))
    (built,) = re.findall(r"^ +CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert lanes["test"] == ["CMD", *json.loads(built)]
    assert f"127.0.0.1:{Settings().port}/health/ready" in built
    for name in ("interval", "timeout", "start_period"):
        assert f"--{name.replace('_', '-')}={lanes[name]}" in CONTAINERFILE
    assert "--host=127.0.0.1" in database["test"]


def test_the_unit_starts_the_service_and_lets_it_end() -> None:
    unit = (ROOT / "deploy/lanes.service").read_text(encoding="utf-8")
    said = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    python, _, command = said["ExecStart"].partition(" -m serving.main ")
    assert python == f"{said['WorkingDirectory']}/.venv/bin/python"
    _can_be_given(command.split())
    assert int(said["TimeoutStopSec"]) > DRAIN_SECONDS
    assert said["User"] in re.findall(r"useradd --system (\w+)", RUNBOOK)
    settings = (ROOT / "deploy/lanes.env").read_text(encoding="utf-8")
    kept = [f"/var/lib/{folder}" for folder in said["StateDirectory"].split()]
    paths = re.findall(r"^LANES_\w+=(/\S+)$", settings, re.MULTILINE)
    assert len(paths) == len(kept)
    for path, folder in zip(sorted(paths), sorted(kept), strict=True):
        assert path.startswith(folder)


def test_every_secret_of_the_containers_is_made_by_the_runbook() -> None:
    services = COMPOSE["services"].values()
    files = {service["env_file"] for service in services if "env_file" in service}
    files |= {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert files == {"./state/database.env", "./state/grafana.env", "./state/metrics.key"}
    for file in files:
        assert f"> {file.removeprefix('./')}" in RUNBOOK
    assert "/state/" in (ROOT / ".gitignore").read_text().splitlines()


def test_whoever_reaches_the_service_shares_its_network() -> None:
    """It belongs to a container that does nothing, and so is never started anew."""
    services = COMPOSE["services"]
    assert "8443:8443" in services["network"]["ports"]
    assert not {"depends_on", "volumes", "env_file", "build"} & set(services["network"])
    for name in ("lanes", "proxy", "prometheus"):
        assert services[name]["network_mode"] == "service:network"
        assert "network" in services[name]["depends_on"]
        assert "ports" not in services[name]
    assert "http://network:9090" in (ROOT / "deploy/grafana/datasource.yaml").read_text()
    assert "tls" in CADDYFILE
    assert f"127.0.0.1:{Settings().port}" in CADDYFILE


def test_the_proxy_lets_go_of_idle_connections_before_the_service_does() -> None:
    """Else a request may be sent while the connection is being closed, and is not sent again."""
    kept = re.findall(r"keepalive (\d+)s", CADDYFILE)
    assert [int(seconds) < IDLE_SECONDS for seconds in kept] == [True]
    assert f"than {IDLE_SECONDS} s idle" in " ".join(RUNBOOK.split())


def test_every_line_of_the_log_that_is_no_mere_news_is_in_the_runbook() -> None:
    """Also the level that it has there; and nothing is there that is told no more."""
    said = r'logger\.(\w+)\(\s*"([^"]+)"'
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "serving").rglob("*.py")]
    told = {event: level for text in sources for level, event in re.findall(said, text)}
    told = {event: level for event, level in told.items() if level != "info"}
    part = RUNBOOK.partition("## What the service's log says")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \| (\w+) \| (.*) \|$", part, re.MULTILINE)
    listed = {event: level for names, level, _ in rows for event in re.findall(r"`(.*?)`", names)}
    over = set(re.findall(r"`(.*?)`", " ".join(words for *_, words in rows))) & set(told)
    assert listed == {event: level for event, level in told.items() if event not in over}
    assert all(told[event] == "warning" for event in over)


@pytest.mark.parametrize("file", sorted((ROOT / "deploy").rglob("*.yaml")), ids=in_project)
def test_every_yaml_file_can_be_read(file: Path) -> None:
    assert yaml.safe_load(file.read_text(encoding="utf-8"))


def _commands(text: str) -> Iterator[list[str]]:
    """The words behind `lanes` of every command in a block or between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(lanes [^`…]+)`", text)
    for line in lines:
        for found in re.findall(r"(?:^|&& )lanes ([^#|&>]+)", line):
            yield shlex.split(found)
