"""A customs declaration as it was lodged, with one or more goods items.

Field names follow the WCO Data Model in plain words; the data dictionary (data/README.md) gives
the WCO id of each. Everything a lane can be given without is optional. Reading is strict: unknown
fields, NaN, infinities, booleans for numbers, control characters and empty texts are refused.
"""

import hashlib
import json
import re
import unicodedata
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from selectivity.errors import DeclarationError

MAX_ITEMS = 2_000
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
_BEGINS_LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _printable(text: str) -> str:
    if text.isprintable():  # so is most of what comes; it is stricter than what follows
        return text
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs", "Cf"} and character not in "\n\t":
            raise ValueError(f"contains the character U+{ord(character):04X}, which is not text")
    return text


def _one_line(text: str) -> str:
    if text != text.strip() or "\n" in text or "\t" in text:
        raise ValueError("begins or ends with a blank, or contains a line break or tab")
    return text


def _written_out(given: Any) -> Any:
    """A time in words of ISO 8601; pydantic would take "1234567" for seconds since 1970."""
    if isinstance(given, datetime) or (
        isinstance(given, str) and _BEGINS_LIKE_A_TIME.match(given) is not None
    ):
        return given
    raise PydanticCustomError("datetime_type", "Input should be a date and time")


def _near(moment: datetime) -> datetime:
    """A time that can be put in UTC and counted in days; the ends of the calendar cannot."""
    if not EARLIEST <= moment <= LATEST:
        raise PydanticCustomError("datetime_parsing", "Input should be between 1970 and 2199")
    return moment


Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_printable)]
Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=70),
    AfterValidator(_printable),
    AfterValidator(_one_line),
]
_CODE, _HS_CODE = r"^[A-Za-z0-9][A-Za-z0-9 ._/+-]{0,34}$", r"^[0-9]{4,12}$"
_COUNTRY, _CURRENCY = r"^[A-Z]{2}$", r"^[A-Z]{3}$"
Code = Annotated[str, StringConstraints(pattern=_CODE)]
Country = Annotated[str, StringConstraints(pattern=_COUNTRY)]
Currency = Annotated[str, StringConstraints(pattern=_CURRENCY)]
HsCode = Annotated[str, StringConstraints(pattern=_HS_CODE)]
FORMS = {
    _CODE: "up to 35 letters, digits, blanks and . _ / + -, the first a letter or digit",
    _HS_CODE: "4 to 12 digits without dots or blanks, such as 610910",
    _COUNTRY: "two capital letters, as in ISO 3166-1 alpha-2, such as VN",
    _CURRENCY: "three capital letters, as in ISO 4217, such as VND",
}
"""What each pattern asks for, in words."""
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
Moment = Annotated[
    AwareDatetime, Field(strict=False), AfterValidator(_near), BeforeValidator(_written_out)
]


def form_asked_for(message: str) -> str | None:
    """The words of the pattern that a message of pydantic says was not matched."""
    return next((words for pattern, words in FORMS.items() if f"'{pattern}'" in message), None)


class Strict(BaseModel):
    """Frozen, closed, and without silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Document(Strict):
    """A document presented with the declaration."""

    type: Code = Field(description="UNTDID 1001 or national code of the document.")
    id: Identifier | None = None


class GoodsItem(Strict):
    """One goods item of a declaration. Money is in the declaration's currency."""

    item_no: int = Field(ge=1, le=99_999)
    description: Text | None = None
    hs_code: HsCode | None = Field(default=None, description="Digits only, 4 to 12 of them.")
    country_of_origin: Country | None = None
    origin_type: Code | None = None
    preference_code: Code | None = Field(default=None, description="Preference claimed, if any.")
    previous_procedure: Code | None = None
    gross_mass_kg: Amount | None = None
    net_mass_kg: Amount | None = None
    tariff_quantity: Amount | None = None
    quantity_unit: Code | None = None
    package_count: int | None = Field(default=None, ge=0, le=99_999_999)
    item_amount: Amount | None = Field(default=None, description="Invoice line amount.")
    customs_value: Amount | None = None
    valuation_method: Code | None = None
    duty_type: Code | None = Field(default=None, description="Kind of duty rate applied.")
    duty_rate_percent: Rate | None = None
    undg_id: Code | None = Field(default=None, description="UN dangerous goods number.")
    quota_id: Code | None = None


class Declaration(Strict):
    """One version of a declaration, with what the centre knew about the importer at acceptance."""

    declaration_id: Identifier
    version_no: int = Field(default=1, ge=1, le=9_999)
    lineage_id: Identifier | None = Field(
        default=None,
        description="Shared by amendments and refilings; the declaration's own id if absent.",
    )
    direction: Literal["IMPORT", "EXPORT", "TRANSIT"] | None = None
    type_code: Code | None = None
    procedure_code: Code | None = None
    clearance_form: Literal["BRANCH", "ENTERPRISE"] | None = None
    accepted_at: Moment = Field(description="Everything the lane may know is known before this.")
    lodged_at: Moment | None = None
    declaration_office: Code | None = None
    presentation_office: Code | None = None
    declarant_id: Identifier | None = None
    importer_id: Identifier | None = None
    exporter_id: Identifier | None = None
    seller_id: Identifier | None = None
    carrier_id: Identifier | None = None
    transport_mode: Code | None = None
    containerised: bool | None = None
    country_of_export: Country | None = None
    country_of_destination: Country | None = None
    routing_countries: tuple[Country, ...] | None = Field(default=None, max_length=50)
    incoterms: Code | None = None
    transaction_nature: Code | None = None
    payment_method: Code | None = None
    invoice_amount: Amount | None = None
    currency: Currency | None = None
    total_gross_mass_kg: Amount | None = None
    total_packages: int | None = Field(default=None, ge=0, le=99_999_999)
    specific_circumstance: Code | None = None
    documents: tuple[Document, ...] | None = Field(default=None, max_length=500)
    importer_compliance_level: int | None = Field(default=None, ge=1, le=5)
    importer_risk_level: int | None = Field(default=None, ge=1, le=9)
    importer_registered_on: date | None = None
    importer_tax_debt: bool | None = None
    items: tuple[GoodsItem, ...] = Field(min_length=1, max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _items_are_numbered_once(self) -> Self:
        numbers = [item.item_no for item in self.items]
        if len(set(numbers)) != len(numbers):
            raise ValueError("items: two goods items carry the same item_no")
        return self

    @property
    def lineage(self) -> str:
        """What amendments and refilings share, and random draws are made from."""
        return self.lineage_id or self.declaration_id

    @cached_property
    def lodged(self) -> dict[str, Any]:
        """The declaration as plain JSON data, without what was not declared.

        It is asked for often, so it is made once: whoever gets it must not change it.
        """
        return self.model_dump(mode="json", exclude_unset=True)

    @cached_property
    def canonical(self) -> bytes:
        """The declaration as lodged, in canonical JSON. Made once as well."""
        written = _quickly(self.lodged)
        # Numbers below 0.0001 have another form in canonical JSON; all others are the same there.
        small = b"0.0000" in written or b"e-" in written
        return canonical_json(self.lodged) if small else written

    def __copy__(self) -> Self:
        copied = super().__copy__()
        for name in ("lodged", "canonical"):  # `model_copy` goes on to change the copy
            copied.__dict__.pop(name, None)
        return copied

    def snapshot_sha256(self) -> str:
        """Digest of the declaration as lodged, in canonical JSON."""
        return hashlib.sha256(self.canonical).hexdigest()


def canonical_json(content: Any) -> bytes:
    """JSON in UTF-8 with sorted keys and no blanks: the same content gives the same bytes."""
    return _canonical(content).encode()


_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


_quickly = msgspec.json.Encoder(order="sorted").encode
"""Canonical JSON in a sixth of the time, but for non-finite numbers, and those that canonical JSON
writes with an exponent: below 0.0001, and from 1e16 on, which no amount comes to."""


def canonical_sha256(content: Any) -> str:
    """SHA-256 over canonical JSON: the same content gives the same digest."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def read_declaration(body: bytes | str) -> Declaration:
    """A declaration from its JSON text.

    Raises:
        DeclarationError: not JSON, or some field breaks a rule; the message names the field.
    """
    try:
        return Declaration.model_validate_json(body)
    except ValidationError as error:
        raise DeclarationError(_id_in(body), problems(error)) from error


def problems(error: ValidationError, *, most: int = 3) -> str:
    """The first few validation problems in one line: path, what is wrong, what came."""
    found = [
        f"{'.'.join(str(step) for step in detail['loc']) or 'body'}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f" (and {len(found) - most} more)" if len(found) > most else ""
    return "; ".join(found[:most]) + more


def _id_in(body: bytes | str) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "?"
    return str(content.get("declaration_id", "?"))[:70] if isinstance(content, dict) else "?"
