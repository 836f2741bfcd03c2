"""CPU time and memory of a process and of all that it started, from /proc (Linux alone)."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TICKS = os.sysconf("SC_CLK_TCK")
MEBIBYTE = 1 << 20


class Tree(NamedTuple):
    """A process and its descendants."""

    root: int

    def cpu_seconds(self) -> float:
        """Time of user and system so far, ended children included."""
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in self._all()) / TICKS

    def resident_mebibytes(self) -> float:
        """Memory they hold, each by itself."""
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(int(_stat(pid)[21]) for pid in self._all()) * page / MEBIBYTE

    def _all(self) -> Iterator[int]:
        children = defaultdict(list)
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                children[int(_stat(int(folder.name))[1])].append(int(folder.name))
        waiting = [self.root]
        while waiting:
            yield waiting[-1]
            waiting += children[waiting.pop()]


def _stat(pid: int) -> list[str]:
    """The fields behind the name, beginning with the state (field 3 of proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
