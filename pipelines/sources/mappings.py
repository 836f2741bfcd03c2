"""What a mapping file in data/reference/sources may say: how one administration's files are read.

A new source needs a new mapping file and no code. Every value in such a file is read as text (so
that `NO` stays Norway and `010` keeps its zero); keys nobody knows, or written twice, are refused.
"""

import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from models.unique_keys import UniqueKeys
from pipelines.stage.params import explain, similar
from selectivity.columns import KINDS
from selectivity.errors import SourceError
from selectivity.inspection import ControlType, Mechanism
from selectivity.lanes import Channel

MISSING_WORDS = ("", "-", "--", "na", "n/a", "#n/a", "nan", "<na>", "null", "none")
"""Cells that mean "not declared", in any case of letters. `NA` in a country field is Namibia."""

ISO = "ISO8601"
_A_DAY = date(2003, 2, 1)
"""Day, month and year could each be taken for another."""


def _known_field(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"{name!r} is not a field of a declaration{similar(name, list(KINDS))}")
    return name


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name!r} is not a time zone such as Asia/Ho_Chi_Minh") from error
    return name


def _as_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _as_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _read_one_way(formats: tuple[str, ...]) -> tuple[str, ...]:
    for form in formats:
        if "%" not in form and form != ISO:
            raise ValueError(f"{form!r} is no form of strptime, such as %d/%m/%Y, nor {ISO}")
    for first, second in permutations([form for form in formats if form != ISO], 2):
        text = _A_DAY.strftime(first)
        try:
            other = datetime.strptime(text, second).date()
        except ValueError:
            continue
        if other != datetime.strptime(text, first).date():
            raise ValueError(
                f"{text} is one day in {first!r} and another in {second!r}, and nobody could tell "
                "which was meant; keep one of them, or give the field `date_formats` of its own"
            )
    return formats


Times = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FieldName = Annotated[str, AfterValidator(_known_field)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_many)]
DateFormats = Annotated[Texts, AfterValidator(_read_one_way)]


class Closed(BaseModel):
    """Frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PercentOf(Closed):
    """A field the source does not have: 100 x `part` / `whole`, both columns of numbers."""

    part: str
    whole: str


class FieldSource(Closed):
    """Where one field comes from. A plain text is short for `{column: text}`."""

    column: str | None = None
    percent_of: PercentOf | None = None
    count_rows: bool = Field(
        default=False, description="Numbers the rows of a declaration; for item_no alone."
    )
    codes: Mapping[str, str] = Field(
        default_factory=dict, description="Code in the source: code in the declaration."
    )
    other_codes: Literal["keep", "missing", "refuse"] = "keep"
    unfit: Literal["quarantine", "missing"] = Field(
        default="quarantine", description="What becomes of a value that a declaration refuses."
    )
    date_formats: DateFormats = ()
    times: Times | None = Field(
        default=None, description="What numbers are multiplied by: 1000 for tonnes that become kg."
    )

    @model_validator(mode="after")
    def _comes_from_one_place(self) -> Self:
        if sum((self.column is not None, self.percent_of is not None, self.count_rows)) != 1:
            raise ValueError("name one of column, percent_of or count_rows")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the source that this field reads."""
        if self.percent_of is not None:
            return (self.percent_of.part, self.percent_of.whole)
        return () if self.column is None else (self.column,)


class Amounts(Closed):
    """A column of amounts. A plain text is short for `{column: text}`."""

    column: str
    times: Times | None = None


class Labels(Closed):
    """What controls found, where the source tells it on the row of the goods item itself."""

    column: str
    values: Mapping[str, Mechanism | Literal["NONE", "UNLABELLED"]] = Field(
        description="Label in the source: how the item was wrong, NONE, or UNLABELLED. "
        "An empty cell is UNLABELLED: nobody looked. Other labels go to quarantine."
    )
    control_type: ControlType
    triggered_by: Channel | None = None
    observed_at: str | None = Field(
        default=None, description="Column with the time of the result, or its day."
    )
    label_delay_days: float | None = Field(
        default=None, ge=0, le=3650, description="Days from acceptance to the result, if not told."
    )
    additional_duty: Annotated[Amounts | None, BeforeValidator(_as_column)] = Field(
        default=None, description="Column with the duty assessed."
    )

    @model_validator(mode="after")
    def _the_day_of_the_result_is_known(self) -> Self:
        if (self.observed_at is None) == (self.label_delay_days is None):
            raise ValueError("name one of observed_at or label_delay_days")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the source that the labels read."""
        duty = self.additional_duty.column if self.additional_duty else None
        named = (self.column, self.observed_at, duty)
        return tuple(column for column in named if column is not None)


class SourceMapping(Closed):
    """One mapping file."""

    name: str
    title: str
    layout: Literal["flat", "tables", "documents"]
    files: Texts = ("*.csv", "*.csv.gz", "*.parquet")
    encodings: Texts = ("utf-8-sig", "latin-1")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    decimal: str = Field(default=".", min_length=1, max_length=1)
    thousands: str = Field(default="", max_length=1)
    date_formats: DateFormats = (ISO,)
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    missing_words: Texts = MISSING_WORDS
    true_words: Texts = ("1", "true", "yes", "y", "t")
    false_words: Texts = ("0", "false", "no", "n", "f")
    hs_digits: int | None = Field(default=None, ge=4, le=12)
    fields: Mapping[FieldName, Annotated[FieldSource, BeforeValidator(_as_column)]] = Field(
        default_factory=dict
    )
    constants: Mapping[FieldName, str] = Field(default_factory=dict)
    labels: Labels | None = None

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the source that fields are read from, each with the key that names it."""
        return {
            column: f"fields.{name}"
            for name, source in self.fields.items()
            for column in source.columns
        }

    @model_validator(mode="after")
    def _says_what_its_layout_needs(self) -> Self:
        twice = sorted(set(self.fields) & set(self.constants))
        if twice:
            raise ValueError(f"{twice[0]} stands under both fields and constants")
        for name in ("declaration_id", "accepted_at"):
            if self.layout == "flat" and name not in self.fields:
                raise ValueError(f"layout flat needs fields.{name}")
        if self.layout == "documents" and (self.fields or self.constants or self.labels):
            raise ValueError("layout documents takes no fields, constants or labels")
        if self.layout == "tables" and self.labels:
            raise ValueError("layout tables takes no labels: it has inspections and findings")
        return self

    @model_validator(mode="after")
    def _each_field_is_read_as_its_kind_allows(self) -> Self:
        for name, source in self.fields.items():
            if source.codes and KINDS[name] not in ("text", "texts"):
                raise ValueError(f"fields.{name} is a {KINDS[name]}: it takes no codes")
            if source.times and (KINDS[name] != "number" or source.column is None):
                raise ValueError(f"fields.{name}: times is for a column of numbers alone")
            if source.percent_of and KINDS[name] != "number":
                raise ValueError(f"fields.{name} is a {KINDS[name]}: it cannot be a percentage")
            if source.count_rows and name != "item_no":
                raise ValueError(f"fields.{name}: count_rows is for item_no alone")
        return self


class _TextLoader(UniqueKeys, yaml.BaseLoader):
    """Every scalar as the text that was written."""


def load_mapping(folder: Path, name: str) -> SourceMapping:
    """The mapping file `name`.yaml in `folder`.

    Raises:
        SourceError: no such file, or something in it cannot be used; the message names the key.
    """
    path = folder / f"{name}.yaml"
    try:
        text = unicodedata.normalize("NFC", path.read_text(encoding="utf-8"))
        content = yaml.load(text, Loader=_TextLoader)
    except FileNotFoundError as error:
        names = sorted(file.stem for file in folder.glob("*.yaml"))
        raise SourceError(
            f"There is no source {name!r}{similar(name, names)}. Folder {folder} holds "
            f"{', '.join(names) or 'no mapping files'}. Correct `source` or add {path}."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SourceError(f"Mapping file {path} is not YAML: {error}. Correct it.") from error
    if not isinstance(content, dict):
        raise SourceError(f"Mapping file {path} holds no keys. Begin it with `layout: flat`.")
    try:
        return SourceMapping.model_validate({**content, "name": name})
    except ValidationError as error:
        raise SourceError(f"Mapping file {path}: {explain(error, SourceMapping)}") from error
