"""What an office is told: every lane given to its declarations, and every change of one, in order.

Nothing is written for it: the decision log is read from a place on, and what concerns the office is
told. A cursor names a place in one log, so that a branch whose link was cut goes on where it was,
and one that holds a cursor of another log, or of one that was restored since, is told so instead of
missing something in silence.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import Field

from selectivity.lanes import Channel, LaneName
from selectivity.override import OverrideState, OverrideStep
from selectivity.reasons.wording import LANE_WORDS, Language
from selectivity.record import DecisionRecord
from selectivity.rules.rule_set import RuleSet
from serving.answers.answer import Answer
from serving.answers.lanes import ReasonAnswer, decision_path, reasons_in_words
from serving.deciding.acknowledging import acknowledged
from serving.deciding.offices import offices_of
from serving.log.cursors import cursor_at, place
from serving.log.kept_texts import AlteredTextError, read_override, read_record
from serving.log.linked import Link
from serving.log.reader import LogReader
from serving.storage import chain

MOST_AT_ONCE = 500
LOOKED_THROUGH = 2_000
"""Records looked at for one answer; then the caller gets a cursor and asks again."""


class Notice(Answer):
    """One thing an office has to know."""

    cursor: str = Field(description="Place of this notice; ask for what comes after it.")
    about: Literal["decision", "override"]
    declaration_id: str
    version_no: int
    lane: LaneName | None = Field(description="Lane that holds from here on; null while pending.")
    lane_name: str | None
    channel: Channel
    reasons: tuple[ReasonAnswer, ...]
    override_id: str | None = None
    asked_lane: LaneName | None = Field(default=None, description="Lane that an override is for.")
    asked_lane_name: str | None = Field(default=None, description="The same, in the language.")
    reason_text: str | None = Field(default=None, description="Why, in the officer's words.")
    state: OverrideState | None = Field(default=None, description="What an override came to.")
    at: datetime
    decision_path: str


class Notices(Answer):
    """Notices in the order of the log."""

    office: str
    notices: tuple[Notice, ...]
    cursor: str = Field(description="Ask with it as `after` next; acknowledge it when kept.")
    more: bool = Field(description="Whether there is more of the log to look through at once.")
    acknowledged: str | None = Field(description="Cursor up to which the office has acknowledged.")


class AcknowledgementAnswer(Answer):
    """How far an office has acknowledged, and who said so last."""

    office: str
    acknowledged: str
    by: str
    at: datetime


class Teller(NamedTuple):
    """Tells notices from a log, in one language."""

    log: LogReader
    rules: RuleSet
    language: Language

    def notices(self, office: str, after: str | None, limit: int) -> Notices:
        """What the office is to know behind this cursor; behind the acknowledged one if None.

        Raises:
            ConflictError: the cursor is of another log, or of a later state of this one.
        """
        kept = acknowledged(self.log, office)
        cursor = after or (kept.cursor if kept else None)
        head = self.log.head().no
        first = 0 if cursor is None else place(self.log, cursor)
        last = min(head, first + LOOKED_THROUGH)
        notices: list[Notice] = []
        for link in self.log.links(after=first, upto=last):
            notices += self._notices_of(link, office)
            if len(notices) == limit:
                last = link.no
                break
        return Notices(
            office=office,
            notices=tuple(notices),
            cursor=cursor_at(self.log, last),
            more=last < head,
            acknowledged=kept and kept.cursor,
        )

    def _notices_of(self, link: Link, office: str) -> Iterator[Notice]:
        if link.text is None:  # nobody knows whom it concerned
            raise AlteredTextError(f"nothing of {link.name}")
        if link.kind == chain.DECISION and _in_json(office) in link.text:
            record = read_record(link.text)
            if office in offices_of(record):
                yield self._of_decision(link.no, record)
        elif link.kind == chain.ACT and '"override_id"' in link.text:
            step = read_override(link.text)
            record_of = self.log.find(step.asked.declaration_id, step.asked.version_no)
            if record_of is not None and office in offices_of(record_of):
                yield self._of_override(link.no, step)

    def _of_decision(self, no: int, record: DecisionRecord) -> Notice:
        decision = record.decision
        law = self.rules if self.rules.version == record.rules_version else None
        return Notice(
            cursor=cursor_at(self.log, no),
            about="decision",
            declaration_id=record.declaration_id,
            version_no=record.version_no,
            lane=decision.lane,
            lane_name=LANE_WORDS[decision.lane][self.language],
            channel=decision.channel,
            reasons=tuple(reasons_in_words(decision.reasons, law, self.language)),
            at=record.decided_at,
            decision_path=decision_path(record.declaration_id, record.version_no),
        )

    def _of_override(self, no: int, step: OverrideStep) -> Notice:
        asked, lane = step.asked, step.lane
        return Notice(
            cursor=cursor_at(self.log, no),
            about="override",
            declaration_id=asked.declaration_id,
            version_no=asked.version_no,
            lane=lane,
            lane_name=None if lane is None else LANE_WORDS[lane][self.language],
            channel=Channel.OFFICER,
            reasons=tuple(reasons_in_words([step.reason], None, self.language)),
            override_id=step.override_id,
            asked_lane=asked.to_lane,
            asked_lane_name=LANE_WORDS[asked.to_lane][self.language],
            reason_text=asked.reason_text,
            state=step.state,
            at=step.at,
            decision_path=decision_path(asked.declaration_id, asked.version_no),
        )


def _in_json(office: str) -> str:
    """As it stands in the text of a record that may concern it: others need not be read."""
    return json.dumps(office, ensure_ascii=False)
