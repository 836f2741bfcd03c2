"""What the decision log keeps as text, read back as what it was."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from selectivity.errors import DecisionLogError
from selectivity.inspection import Inspection
from selectivity.mode_orders import ModeStep
from selectivity.override import OverrideStep
from selectivity.read_back import Lodged, read_back
from selectivity.record import DecisionRecord

Model = TypeVar("Model", bound=BaseModel)


class AlteredTextError(DecisionLogError):
    """What was kept cannot be read any more. The log around it can."""


def read_record(text: str) -> DecisionRecord:
    """A decision as it was kept; raises as `read_kept` does, like the others."""
    return read_kept(DecisionRecord, text, "decision")


def read_lodged(text: str, *, whole: bool) -> Lodged:
    """What was declared, of a decision as it was kept.

    Args:
        whole: it is what was written, and so needs none of the checks that it passed then.
    """
    if whole:
        with suppress(ValueError):  # of a form that only the long way reads
            return read_back(text)
    record = read_record(text)
    with _or_altered("declaration"):
        return record.declaration()


def read_inspection_kept(text: str) -> Inspection:
    """An inspection as it was kept."""
    return read_kept(Inspection, text, "inspection")


def read_override(text: str) -> OverrideStep:
    """A step of an override as it was kept."""
    return read_kept(OverrideStep, text, "step of an override")


def read_mode(text: str) -> ModeStep:
    """A step of an order on the mode as it was kept."""
    return read_kept(ModeStep, text, "step of an order on the mode")


def read_kept(model: type[Model], text: str, what: str) -> Model:
    """What the text says.

    Raises:
        AlteredTextError: it was altered after it was kept.
    """
    with _or_altered(what):
        return model.model_validate_json(text)


@contextmanager
def _or_altered(what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise AlteredTextError(
            f"The decision log holds a {what} that cannot be read, so it was altered from outside. "
            "Run `lanes verify` and restore the log from a backup."
        ) from error
