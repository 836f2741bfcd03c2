"""Texts that are not declared as such, but follow from those that are: parts of keys."""

import re
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple
from unicodedata import normalize

from selectivity.elementwise import Text


class DerivedText(NamedTuple):
    """The declared texts that it follows from, and how."""

    fields: tuple[str, ...]
    of: Callable[..., Text]


def trader(direction: Text, importer: Text, exporter: Text) -> Text:
    """Who answers for the goods in this country: the exporter of an export, else the importer.

    One who brings in and sends out has one record. The other party is abroad.

    >>> trader("EXPORT", "a buyer abroad", "a firm here")
    'a firm here'
    """
    return exporter if direction == "EXPORT" else importer


_words = re.compile(r"[^\W\d_]{2,}").findall


def goods_name(description: Text) -> Text:
    """Names the words of a description, whatever their order, case and punctuation.

    Numbers are left out: most tell the model, the size or how many. It is a digest, because texts
    are long, may name people, and need not be carried in a bundle. None where there are no words.

    >>> goods_name("T-shirts, of cotton; 200 pcs") == goods_name("PCS: COTTON SHIRTS OF 180")
    True
    """
    if description is None:
        return None
    words = sorted(set(_words(normalize("NFC", description).casefold())))
    return blake2b(" ".join(words).encode(), digest_size=8).hexdigest() if words else None


DERIVED_TEXTS: Mapping[str, DerivedText] = {
    "trader_id": DerivedText(("direction", "importer_id", "exporter_id"), trader),
    "goods_name": DerivedText(("description",), goods_name),
}
"""By the name of the part of a key; numbers that are derived stand in `aggregates.DERIVED`."""
