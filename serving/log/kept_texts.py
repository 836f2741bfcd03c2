"""What the decision log keeps as text, read back as what it was."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from selectivity.declaration import Declaration
from selectivity.errors import DecisionLogError
from selectivity.inspection import Inspection
from selectivity.mode_orders import ModeStep
from selectivity.override import OverrideStep
from selectivity.read_back import Lodged, read_back
from selectivity.record import DecisionRecord

Model = TypeVar("Model", bound=BaseModel)


class AlteredTextError(DecisionLogError):
    """What was kept cannot be read any more. The log around it can."""

    def __init__(self, held: str) -> None:
        """`held` is what the log holds and this service never wrote."""
        super().__init__(
            f"The decision log holds {held}, so it was altered from outside. Run `lanes verify` "
            "and restore the log from a backup."
        )


def read_record(text: str) -> DecisionRecord:
    """A decision as it was kept; raises as `read_kept` does, like the others."""
    return read_kept(DecisionRecord, text, "a decision")


def read_lodged(text: str, *, whole: bool) -> Lodged:
    """What was declared, of a decision as it was kept.

    Args:
        whole: it is what was written, and so needs none of the checks that it passed then.
    """
    if whole:
        with suppress(ValueError):  # of a form that only the long way reads
            return read_back(text)
    return declared_in(read_record(text))


def declared_in(record: DecisionRecord) -> Declaration:
    """What was declared, of a decision that was read back.

    Raises:
        AlteredTextError: it was altered after it was kept.
    """
    with _or_altered("a declaration"):
        return record.declaration()


def read_inspection_kept(text: str) -> Inspection:
    """An inspection as it was kept."""
    return read_kept(Inspection, text, "an inspection")


def read_override(text: str) -> OverrideStep:
    """A step of an override as it was kept."""
    return read_kept(OverrideStep, text, "a step of an override")


def read_mode(text: str) -> ModeStep:
    """A step of an order on the mode as it was kept."""
    return read_kept(ModeStep, text, "a step of an order on the mode")


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
        raise AlteredTextError(f"{what} that cannot be read") from error
