"""Cuts the power of a decision log at any moment, as often as wanted, and counts what is lost.

    python -m tests.power_cut --records 1000 --cuts 200 --seed 1

`strace` records what a process does to the log's folder and when it says that a decision is kept.
From that the folder is built as a disk may show it after a cut at some moment: what was synced by
then, and of the rest any part, in any order, down to half a page. That a file is there, or gone, is
certain once its folder was synced. The log is opened as at a start; each decision that was called
kept before the cut has to be in it, and the chain has to be whole.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from selectivity.errors import DecisionLogError
from serving.log.chain_check import walk
from serving.log.decision_log import DecisionLog
from serving.storage.file import LogFile

LOG, NAME = "log.sqlite", "W"
CALLS = "write,pwrite64,ftruncate,fsync,fdatasync,unlink"
SECTOR = 512
_LINE = re.compile(r"(\d+) +(?:(\w+)\((.*?)(\)|<unfinished \.\.\.>)|<\.\.\. (\w+) resumed>)")
_TEXT = re.compile(r'[<"]((?:\\x[0-9a-f]{2})*)[>"]')


class Step(NamedTuple):
    """Something that happened, in the order of the recording."""

    what: str
    """write, truncate, begin (of a sync), sync, unlink or kept."""
    file: str = ""
    offset: int = 0
    content: bytes = b""
    process: str = ""


def why_not() -> str | None:
    """Why nothing can be recorded here; None if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True)
    return "strace may not look at processes here" if tried.returncode else None


def record(folder: Path, records: int, seconds: float = 60) -> list[Step]:
    """What a writer does until it has kept so many decisions and is killed."""
    trace, told = folder / "trace", folder / "kept"
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-o", trace]
    writer = [sys.executable, "-m", "tests.log_writer", folder / "log" / LOG, NAME]
    with told.open("wb") as out:
        process = subprocess.Popen(
            [*command, *writer], stdout=out, stderr=subprocess.DEVNULL, start_new_session=True
        )
    end = time.monotonic() + seconds
    while told.read_bytes().count(b"\n") < records and time.monotonic() < end:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)  # the writer and the one that looks at it
    process.wait()
    return list(_steps(trace.read_text(errors="replace"), str(folder / "log")))


def _steps(trace: str, folder: str) -> Iterator[Step]:
    begun: dict[str, str] = {}
    for line in trace.splitlines():
        if (found := _LINE.match(line)) is None:
            continue
        process, call, given, end, resumed = found.groups()
        if resumed:
            if resumed in ("fsync", "fdatasync") and process in begun:
                yield Step("sync", begun.pop(process), process=process)
            continue
        texts = [bytes.fromhex(each.replace("\\x", "")) for each in _TEXT.findall(given)]
        path = texts[0].decode(errors="replace") if texts else ""
        if call == "write" and len(texts) > 1 and texts[1].startswith(NAME.encode() + b"-"):
            yield Step("kept", content=texts[1])
        if not path.startswith(folder) or path.endswith("-shm"):
            continue
        name = path.removeprefix(folder).strip("/")
        numbers = [int(each) for each in re.findall(r", (\d+)", given)]
        if call == "pwrite64" and len(texts) > 1:
            yield Step("write", name, numbers[-1], texts[1])
        elif call in ("ftruncate", "unlink"):
            yield Step("truncate" if numbers else "unlink", name, numbers[-1] if numbers else 0)
        elif call in ("fsync", "fdatasync"):
            begun[process] = name
            yield Step("begin", name, process=process)
            if end == ")":
                yield Step("sync", begun.pop(process), process=process)


class Disk:
    """What lies on a disk, as far as it is certain, and what may."""

    def __init__(self, *, syncs: bool = True) -> None:
        """Without `syncs` it is one that says it did and did not."""
        self._syncs = syncs
        self._files: dict[str, list[Step]] = {}
        self._certain: dict[str, int] = {}
        self._begun: dict[str, tuple[str, int, set[str]]] = {}
        self._entries: set[str] = set()
        self._unlinked: dict[str, list[Step]] = {}
        self.kept: list[str] = []

    def take(self, step: Step) -> None:
        """Let this happen."""
        if step.what == "kept":
            self.kept.append(step.content.decode())
        elif step.what == "unlink":
            self._unlinked[step.file] = self._files.pop(step.file, [])
        elif step.what in ("write", "truncate"):
            self._files.setdefault(step.file, []).append(step)
        elif step.what == "begin":
            self._begun[step.process] = (
                step.file,
                len(self._files.get(step.file, ())),
                set(self._files),
            )
        elif self._syncs:
            name, certain, entries = self._begun[step.process]
            if name:
                self._certain[name] = max(certain, self._certain.get(name, 0))
            else:
                self._entries, self._unlinked = entries, {}

    def after_a_cut(self, chance: random.Random) -> dict[str, bytes]:
        """The files as they may be found then."""
        there = {name: steps for name, steps in self._unlinked.items() if chance.random() < 0.5}
        for name, steps in self._files.items():
            if name in self._entries or chance.random() < 0.5:
                there[name] = steps
        return {name: self._content(name, steps, chance) for name, steps in there.items()}

    def _content(self, name: str, steps: list[Step], chance: random.Random) -> bytes:
        content = bytearray()
        certain = self._certain.get(name, 0)
        for number, step in enumerate(steps):
            if number >= certain and chance.random() < 0.5:
                continue
            if step.what == "truncate":
                del content[step.offset :]
                content.extend(bytes(step.offset - len(content)))
                continue
            written = step.content
            if number >= certain and chance.random() < 0.2:
                written = written[: chance.randrange(len(written) + 1) // SECTOR * SECTOR]
            content.extend(bytes(max(0, step.offset - len(content))))
            content[step.offset : step.offset + len(written)] = written
        return bytes(content)


class Cut(NamedTuple):
    """What was found after a cut."""

    kept: int
    lost: int
    problems: int


def cut(steps: Sequence[Step], at: int, chance: random.Random, *, syncs: bool = True) -> Cut:
    """Cut the power in front of this step, and open what is left."""
    disk = Disk(syncs=syncs)
    for step in steps[:at]:
        disk.take(step)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in disk.after_a_cut(chance).items():
            (Path(folder) / name).write_bytes(content)
        found, problems = _found(Path(folder) / LOG)
    return Cut(len(disk.kept), len(set(disk.kept) - found), problems)


def _found(file: Path) -> tuple[set[str], int]:
    try:
        with closing(DecisionLog(file)) as log:
            ids = {record.declaration_id for _, record in log.records()}
        walked: Any = LogFile(file).look_through(lambda connection: walk(connection))
    except DecisionLogError:
        return set(), 1
    return ids, len(walked.problems)


def main(
    records: Annotated[int, typer.Option(help="Decisions to record.")] = 1_000,
    cuts: Annotated[int, typer.Option(help="How often the power is cut.")] = 200,
    seed: Annotated[int, typer.Option(help="Decides when, and what is left.")] = 1,
) -> None:
    """Cut, count, and end with 1 if anything was lost."""
    chance = random.Random(seed)
    if (reason := why_not()) is not None:
        raise typer.BadParameter(reason)
    with tempfile.TemporaryDirectory() as folder:
        steps = record(Path(folder), records)
    found = [cut(steps, chance.randrange(len(steps)), chance) for _ in range(cuts)]
    kept, lost, problems = (sum(each) for each in zip(*found, strict=True))
    typer.echo(f"{len(steps)} steps, {cuts} cuts, {kept} answers before them, {lost} lost")
    typer.echo(f"{problems} problems of the chain or of opening the log")
    raise typer.Exit(1 if lost or problems else 0)


if __name__ == "__main__":
    typer.run(main)
