"""Reads back from its text what the decision log keeps."""

from pydantic import ValidationError

from selectivity.errors import DecisionLogError
from selectivity.inspection import Inspection
from selectivity.override import OverrideStep
from selectivity.record import DecisionRecord


def read_record(text: str) -> DecisionRecord:
    """A decision as it was kept.

    Raises:
        DecisionLogError: the text was altered after it was kept.
    """
    try:
        return DecisionRecord.model_validate_json(text)
    except ValidationError as error:
        raise _altered("decision") from error


def read_inspection_kept(text: str) -> Inspection:
    """An inspection as it was kept.

    Raises:
        DecisionLogError: the text was altered after it was kept.
    """
    try:
        return Inspection.model_validate_json(text)
    except ValidationError as error:
        raise _altered("inspection") from error


def read_override(text: str) -> OverrideStep:
    """A step of an override as it was kept.

    Raises:
        DecisionLogError: the text was altered after it was kept.
    """
    try:
        return OverrideStep.model_validate_json(text)
    except ValidationError as error:
        raise _altered("step of an override") from error


def _altered(what: str) -> DecisionLogError:
    return DecisionLogError(
        f"The decision log holds a {what} that cannot be read, so it was altered from outside. "
        "Run `lanes verify` and restore the log from a backup."
    )
