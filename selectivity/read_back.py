"""A declaration read back from a record of ours, without the checks that it passed when it came.

Reading one so takes a twentieth of the time, of which a start and a new bundle spend most on the
log. Only for text that is known to be what was written: what stands in the fields is not looked at.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Protocol, cast

import msgspec
from pydantic import BaseModel

from selectivity.columns import HEADER, ITEM, Kind
from selectivity.declaration import Declaration, GoodsItem


class LodgedItem(Protocol):
    """A goods item, for whoever makes a row of it; other fields are asked for by name."""

    @property
    def item_no(self) -> int:
        """See `GoodsItem`."""

    @property
    def hs_code(self) -> str | None:
        """See `GoodsItem`."""


class Lodged(Protocol):
    """A declaration, or one that was read back; other fields are asked for by name."""

    @property
    def accepted_at(self) -> datetime:
        """See `Declaration`."""

    @property
    def importer_registered_on(self) -> date | None:
        """See `Declaration`."""

    @property
    def routing_countries(self) -> tuple[str, ...] | None:
        """See `Declaration`."""

    @property
    def items(self) -> Sequence[LodgedItem]:
        """See `Declaration`."""


_TYPES: Mapping[Kind, Any] = {
    "text": str | None,
    "number": float | None,
    "integer": int | None,
    "boolean": bool | None,
    "time": Annotated[datetime, msgspec.Meta(tz=True)] | None,
    "date": date | None,
    "texts": tuple[str, ...] | None,
}
"""What a field of each kind is read as, in place of the model's own type and its checks."""


def _unchecked(model: type[BaseModel], kinds: Mapping[str, Kind], **others: Any) -> Any:
    """The fields of a model, with its names and defaults."""
    fields = []
    for name, field in model.model_fields.items():
        kind = others[name] if name in others else _TYPES[kinds[name]]
        fields.append((name, kind) if field.is_required() else (name, kind, field.default))
    return msgspec.defstruct(
        model.__name__, fields, kw_only=True, gc=False, forbid_unknown_fields=True
    )


_Item = _unchecked(GoodsItem, ITEM)
_items: Any = tuple[_Item, ...]  # type: ignore[valid-type]
_Header = _unchecked(Declaration, HEADER, items=_items, documents=msgspec.Raw)
_Record = msgspec.defstruct("_Record", [("declared", _Header)], gc=False)
_read = msgspec.json.Decoder(_Record).decode


def read_back(record: str) -> Lodged:
    """What was declared, of the text of a `DecisionRecord`; nothing else of it is read.

    Raises:
        ValueError: it is of another form than a record has.
    """
    return cast(Lodged, _read(record).declared)  # type: ignore[attr-defined]
