"""What the decision log keeps as text, read back as what it was."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from selectivity.errors import DecisionLogError
from selectivity.inspection import Inspection
from selectivity.mode_orders import ModeStep
from selectivity.override import OverrideStep
from selectivity.record import DecisionRecord

Model = TypeVar("Model", bound=BaseModel)


class AlteredTextError(DecisionLogError):
    """What was kept cannot be read any more. The log around it can."""


def read_record(text: str) -> DecisionRecord:
    """A decision as it was kept; raises as `read_kept` does, like the others."""
    return read_kept(DecisionRecord, text, "decision")


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
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise AlteredTextError(
            f"The decision log holds a {what} that cannot be read, so it was altered from outside. "
            "Run `lanes verify` and restore the log from a backup."
        ) from error
