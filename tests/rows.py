"""Made-up rows in the columns of a source."""

from pathlib import Path

import pandas as pd

SOURCES = Path(__file__).parents[1] / "data/reference/sources"


def korean_rows(count: int) -> pd.DataFrame:
    """The Korean public set: so many declarations of one goods item each, no two alike."""
    numbers = range(count)
    return pd.DataFrame(
        {
            "Declaration ID": [f"D-{number}" for number in numbers],
            "Date": [f"2020-03-{1 + number % 28:02}" for number in numbers],
            "Office ID": "40",
            "Process Type": "B",
            "Import Type": "11",
            "Import Use": "21",
            "Payment Type": "11",
            "Mode of Transport": "10",
            "Declarant ID": [f"DEC{number % 3}" for number in numbers],
            "Importer ID": [f"IMP{number % 4}" for number in numbers],
            "Seller ID": "SEL1",
            "Courier ID": None,
            "HS6 Code": ["610910", "870323", "220421"] * (count // 3) + ["610910"] * (count % 3),
            "Country of Departure": "CN",
            "Country of Origin": "CN",
            "Tax Rate": [8.0 + number for number in numbers],
            "Tax Type": "A",
            "Country of Origin Indicator": "B",
            "Net Mass": [100.0 + 10 * number for number in numbers],
            "Item Price": [2_000.0 * (1 + number) for number in numbers],
        }
    )


def native_rows(*items: int) -> pd.DataFrame:
    """Columns named as our fields: declarations with so many goods items each."""
    rows = [(number, item) for number, count in enumerate(items) for item in range(count)]
    return pd.DataFrame(
        {
            "declaration_id": [f"D-{number}" for number, _ in rows],
            "accepted_at": "2026-03-02T12:00:00Z",
            "item_no": [1 + item for _, item in rows],
            "hs_code": "610910",
            "country_of_origin": "CN",
            "customs_value": [10.0 + 700 * at for at in range(len(rows))],
            "net_mass_kg": [5.0 + at for at in range(len(rows))],
            "duty_rate_percent": 5.0,
        }
    )
