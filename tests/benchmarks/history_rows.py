"""Goods items made of chance, with as many importers and goods lines as so many would have."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.histories.engine import write_parts
from pipelines.histories.inputs import Outcomes

AT_ONCE = 250_000
DAYS = 730
FIRST = np.datetime64("2024-01-01", "us")
CONTROLLED = 0.1
"""Share of goods items that a control spoke on."""


def write_items(file: Path, rows: int) -> None:
    """Goods items in time order, some at a time."""
    write_parts(_parts(rows), file)


def outcomes(rows: int) -> Outcomes:
    """What controls concluded of a tenth of them, two weeks later or sooner."""
    chance = np.random.default_rng(1)
    at = np.flatnonzero(chance.random(rows) < CONTROLLED)
    days = (FIRST.astype("datetime64[D]").astype(int) + at * DAYS // rows).astype(np.int64)
    return Outcomes(
        rows=at.astype(np.int64),
        days=days + chance.integers(0, 15, len(at)),
        classes=chance.choice(3, len(at), p=[0.9, 0.07, 0.03]).astype(np.int64),
        counts=np.ones(len(at), dtype=np.int64),
    )


def _parts(rows: int) -> Iterator[pa.Table]:
    chance = np.random.default_rng(0)
    traders = max(int(40 * rows**0.5 / 10), 20)  # they grow with the square root of the trade
    lines = max(rows // 5, 20)
    for start in range(0, rows, AT_ONCE):
        count = min(AT_ONCE, rows - start)
        micros = ((start + np.arange(count)) * (DAYS * 86_400_000_000 / rows)).astype("int64")
        line = _popular(chance, lines, count)
        mass, rate = 1.0 + line % 997, (line % 7) * 5.0
        yield pa.table(
            {
                "accepted_at": pa.array(FIRST + micros).cast(pa.timestamp("us", tz="UTC")),
                "item_no": np.ones(count),
                "importer_id": _names("I", _popular(chance, traders, count)),
                "declarant_id": _names("D", _popular(chance, traders // 8 + 1, count)),
                "seller_id": _names("S", _popular(chance, traders * 2, count)),
                "declaration_office": _names("O", chance.integers(0, 40, count)),
                "hs_code": pa.array(
                    [f"{code:010d}" for code in (line * 7_919 % 4_000) * 1_000_000]
                ),
                "country_of_origin": _names("C", line % 61),
                "country_of_export": _names("C", (line + line % 5 // 4) % 61),
                "duty_type": _names("T", line % 3),
                "preference_code": pa.array(np.where(line % 4, None, "P"), pa.string()),
                "duty_rate_percent": rate,
                "net_mass_kg": mass,
                "tariff_quantity": 1.0 + line % 89,
                "customs_value": np.round(mass * chance.lognormal(3, 1, count), 2),
            }
        )


def _popular(chance: np.random.Generator, names: int, count: int) -> npt.NDArray[np.int64]:
    """Numbers below `names`, the low ones far more often."""
    return (names * chance.random(count) ** 3).astype(np.int64)


def _names(letter: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array([f"{letter}{number}" for number in numbers.tolist()])
