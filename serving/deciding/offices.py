"""Which offices a decision concerns, and who may therefore see it and act on it."""

from collections.abc import Collection

from selectivity.reasons.wording import Language
from selectivity.record import DecisionRecord
from serving.callers.api_keys import Caller
from serving.deciding.parts import Parts
from serving.http.problems import FieldProblem, RefusedError, not_found
from serving.http.refusals import other_office


def offices_of(record: DecisionRecord) -> set[str]:
    """Where the declaration was lodged, and where the goods are presented."""
    named = (record.declared.get(name) for name in ("declaration_office", "presentation_office"))
    return {str(office) for office in named if office is not None}


def check_office(offices: Collection[str], caller: Caller, language: Language) -> None:
    """Refuse a caller who is of another office than these.

    Raises:
        RefusedError: so it is.
    """
    if caller.office is not None and caller.office not in offices:
        raise RefusedError(other_office(language, caller.office), language=language)


def found_or_refused(
    declaration_id: str,
    version_no: int | None,
    parts: Parts,
    caller: Caller,
    language: Language,
) -> DecisionRecord:
    """The record of the decision on this version of a declaration, or on its newest.

    Raises:
        RefusedError: there is none, or it is another office's than the caller's.
    """
    known = "\0" not in declaration_id  # no text of a database holds one, and it will not look
    record = parts.log.find(declaration_id, version_no) if known else None
    if record is None:
        found = FieldProblem(
            field="declaration_id",
            value=declaration_id[:40],
            message="no decision was kept for it"
            + (f" in version {version_no}" if version_no else ""),
            remedy="Check the id and version, or send the declaration to /v1/lanes.",
        )
        raise RefusedError(not_found("There is no such decision.", found))
    check_office(offices_of(record), caller, language)
    return record
