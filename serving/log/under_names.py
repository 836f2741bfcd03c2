"""What the log holds under names: a name is that of a lineage or of a declaration."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from selectivity.lanes import Lane
from selectivity.override import Held
from serving.log.kept_texts import AlteredTextError
from serving.storage import acts
from serving.storage.store import Connection


class Version(NamedTuple):
    """A version that was decided on, and its lanes."""

    key: tuple[str, int]
    lineage_id: str
    held: Held


class Lineages:
    """The versions under some names, in the order in which they were decided."""

    def __init__(self, versions: Iterable[Version]) -> None:
        self.keys: set[tuple[str, int]] = set()
        self._versions: list[Version] = []
        self._places: dict[str, set[int]] = defaultdict(set)
        for version in versions:
            self.add(version)

    def add(self, version: Version) -> None:
        """Count another among them."""
        self.keys.add(version.key)
        for name in (version.lineage_id, version.key[0]):
            self._places[name].add(len(self._versions))
        self._versions.append(version)

    def under(self, *names: str) -> list[Version]:
        """The versions under any of these names."""
        places = {at for name in names for at in self._places.get(name, ())}
        return [self._versions[at] for at in sorted(places)]


def versions_in(connection: Connection, seq: int, names: Sequence[str]) -> list[Version]:
    """Each version under these names in front of this place, in order."""
    if not names:
        return []
    asked = padded(list(dict.fromkeys(names)))  # most lineages are called as their declaration
    rows = connection.execute(
        f"SELECT d.declaration_id, d.version_no, d.lineage_id, d.lane, {acts.LANE_IN_FORCE} "
        f"FROM decisions d WHERE d.seq IN ({_places_under(len(asked))}) AND d.seq < ? "
        "ORDER BY d.seq",
        (seq, *asked, *asked, seq),
    ).fetchall()
    return [
        Version((name, number), lineage_id, Held(_lane(decided), _lane(lane)))
        for name, number, lineage_id, decided, lane in rows
    ]


def _lane(kept: Any) -> Lane:
    try:
        return Lane(kept)
    except ValueError as error:
        raise AlteredTextError(f"a decision in lane {kept!r:.20}") from error


def padded(names: Sequence[str]) -> list[str]:
    """The names, filled up with repeats to a power of two: each number of names is a statement of
    its own, which has to be prepared, and so there are few of them.
    """
    more = (1 << (len(names) - 1).bit_length()) - len(names)
    return [*names, *[names[0]] * more]


def _places_under(names: int) -> str:
    """Asks for the places of decisions whose lineage or declaration is one of so many names; it
    takes the names twice. Each half uses an index: asked with OR, a database may walk through all.
    """
    marks = ", ".join("?" * names)
    return (
        f"SELECT seq FROM decisions WHERE lineage_id IN ({marks}) "
        f"UNION SELECT seq FROM decisions WHERE declaration_id IN ({marks})"
    )
