"""`selectivity.histories.aggregates` as SQL that DuckDB and Spark both run as it is.

Two tables go in. `items`: one row per goods item with `row`, `day`, `moment`, the key columns and
the measures as whole numbers. `outcomes`: one row per outcome with `day`, the same key columns and
its measures. Per profile one query comes out: `row` and a column per value, NULL without a key.

Days are complete days, and one cell holds what happened to a key on one of them. A window over
cells therefore ends one cell or one day before, and what the day itself brings is not in it.
"""

from collections.abc import Iterator

from selectivity.columns import KINDS
from selectivity.histories.aggregates import (
    COUNT,
    DECAY,
    MEASURES,
    OUTCOMES,
    PROFILES,
    Profile,
    Value,
)
from selectivity.histories.rows import DIGITS, NUMBERS

_COLUMNS = dict.fromkeys(
    "hs_code" if part in DIGITS else part for profile in PROFILES for part in profile.keys
)
NUMBER_KEYS = tuple(name for name in _COLUMNS if KINDS.get(name) in NUMBERS)
TEXT_KEYS = tuple(name for name in _COLUMNS if name not in NUMBER_KEYS)
"""What keys are made of, declared or in `DERIVED_TEXTS`, by name of the column."""

OUTCOMES_QUERY = f"""
SELECT told.day AS day, {", ".join(f"told.{name} AS {name}" for name in OUTCOMES)},
  {", ".join(f"items.{name} AS {name}" for name in (*TEXT_KEYS, *NUMBER_KEYS))}
FROM told_outcomes AS told JOIN items ON items.row = told.row"""
"""The outcomes with the keys of their goods items, from their rows in a table `told_outcomes`."""

NEWEST_QUERY = """
SELECT MAX(day) FROM (SELECT day FROM items UNION ALL SELECT day FROM outcomes) AS events
WHERE day < {before_day}"""
"""The last day on which anything happened."""

_EVERYTHING_BEFORE = "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


def values_query(profile: Profile) -> str:
    """Every value of a profile for every goods item, in the order of the items."""
    keys = _keys(profile)
    on = " AND ".join(f"known.{name} = told.{name}" for name in (*keys, "day"))
    columns = ", ".join(_column(value) for value in profile.values())
    return f"""
WITH {_cells(profile)},
windows AS ({_windows(profile)}),
known AS ({_known(profile)}),
told AS ({_told(profile)})
SELECT told.row AS row, {columns}
FROM told LEFT JOIN known ON {on}
ORDER BY row"""


def cells_query(profile: Profile, before_day: int) -> str:
    """What happened to every key on every day before one: the parts of the key, `day`, measures."""
    in_order = ", ".join((*_keys(profile), "day"))
    return (
        f"WITH {_cells(profile)} SELECT * FROM cells WHERE day < {before_day} ORDER BY {in_order}"
    )


def moments_query(profile: Profile, from_day: int, before_day: int) -> str:
    """The parts of the key and the moment of every goods item accepted on these days."""
    whole = " AND ".join(f"{name} IS NOT NULL" for name in _keys(profile))
    days = f"day >= {from_day} AND day < {before_day}"
    in_order = ", ".join((*_keys(profile), "moment"))
    return f"SELECT * FROM ({_told(profile)}) AS told WHERE {whole} AND {days} ORDER BY {in_order}"


def key_columns(profile: Profile) -> list[str]:
    """How the parts of a key are called in the answer of `cells_query`."""
    return list(_keys(profile))


def key_parts(profile: Profile) -> list[str]:
    """The parts of the key as expressions over the fields of goods items and of outcomes."""
    return list(_keys(profile).values())


def _keys(profile: Profile) -> dict[str, str]:
    """Per part of the key a name and its expression; one constant if the key has no parts."""
    if not profile.keys:
        return {"key_0": "1"}
    return {f"key_{at}": _part(name, profile) for at, name in enumerate(profile.keys)}


def _part(name: str, profile: Profile) -> str:
    if (digits := DIGITS.get(name)) is not None:
        return f"CASE WHEN LENGTH(hs_code) >= {digits} THEN SUBSTR(hs_code, 1, {digits}) END"
    if name in profile.may_lack:
        return f"COALESCE({name}, {'-1' if name in NUMBER_KEYS else repr('')})"
    return name


def _cells(profile: Profile) -> str:
    keys = _keys(profile)
    as_named = ", ".join(f"{part} AS {name}" for name, part in keys.items())
    measures = _added(profile)
    sums = ", ".join(f"CAST(SUM({name}) AS BIGINT) AS {name}" for name in measures)
    whole = " AND ".join(f"{name} IS NOT NULL" for name in keys)
    events = " UNION ALL ".join(
        f"SELECT {as_named}, day, {', '.join(_amounts(table, measures))} FROM {table}"
        for table in ("items", "outcomes")
        if table == "items" or set(measures) & set(OUTCOMES)
    )
    names = ", ".join((*keys, "day"))
    return f"""
events AS ({events}),
cells AS (SELECT {names}, {sums} FROM events WHERE {whole} GROUP BY {names})"""


def _added(profile: Profile) -> tuple[str, ...]:
    """The measures of the cells; a last day is told by what was declared."""
    return tuple(dict.fromkeys((*profile.measures, *(COUNT if profile.last_day else ()))))


def _amounts(table: str, measures: tuple[str, ...]) -> Iterator[str]:
    for name in measures:
        own = name in (MEASURES if table == "items" else OUTCOMES)
        yield name if own else f"0 AS {name}"


def _windows(profile: Profile) -> str:
    keys = ", ".join(_keys(profile))
    by_key = f"PARTITION BY {keys} ORDER BY day"
    columns = [
        f"COALESCE(SUM({measure}) OVER ({by_key} {_frame(days)}), 0) AS {_sum(measure, days)}"
        for measure, days in _sums(profile)
    ]
    if profile.first_day:
        columns.append(f"MIN(day) OVER ({by_key} {_EVERYTHING_BEFORE}) AS first_day")
    if profile.last_day:
        declared = "CASE WHEN declared > 0 THEN day END"
        columns.append(f"MAX({declared}) OVER ({by_key} {_EVERYTHING_BEFORE}) AS last_day")
    return f"SELECT {keys}, day, {', '.join(columns)} FROM cells"


def _sums(profile: Profile) -> dict[tuple[str, int | None], None]:
    """Each sum once, by measure and days; a decayed one is made of several."""
    wanted: dict[tuple[str, int | None], None] = {}
    for sums in profile.sums:
        for measure in sums.measures:
            for times in DECAY if sums.decayed else (1,):
                wanted[measure, sums.days and sums.days * times] = None
    return wanted


def _sum(measure: str, days: int | None) -> str:
    return f"{measure}_{days or 'ever'}"


def _frame(days: int | None) -> str:
    if days is None:
        return _EVERYTHING_BEFORE
    return f"RANGE BETWEEN {days} PRECEDING AND 1 PRECEDING"


def _known(profile: Profile) -> str:
    columns = [
        f"{_from_windows(value)} AS {value.name}"
        for value in profile.values()
        if value.kind != "today"
    ]
    return f"SELECT {', '.join((*_keys(profile), 'day'))}, {', '.join(columns)} FROM windows"


def _from_windows(value: Value) -> str:
    if value.kind == "sum":
        return f"CAST({_sum(value.measure, value.days)} AS BIGINT)"
    if value.kind == "decayed":
        assert value.days is not None
        parts = (f"{weight} * {_sum(value.measure, value.days * n)}" for n, weight in DECAY.items())
        return f"CAST({' + '.join(parts)} AS BIGINT)"
    return value.kind


def _told(profile: Profile) -> str:
    keys = _keys(profile)
    as_named = ", ".join(f"{part} AS {name}" for name, part in keys.items())
    rows = f"SELECT row, day, moment, {as_named} FROM items"
    if not profile.today:
        return rows
    names = ", ".join(keys)
    earlier = f"RANK() OVER (PARTITION BY {names}, day ORDER BY moment) - 1"
    whole = " AND ".join(f"{name} IS NOT NULL" for name in keys)
    today = f"CASE WHEN {whole} THEN CAST({earlier} AS BIGINT) END AS today"
    return f"SELECT row, day, moment, {names}, {today} FROM ({rows}) AS named"


def _column(value: Value) -> str:
    source = "told.today" if value.kind == "today" else f"known.{value.name}"
    return f"{source} AS {value.name}"
