"""The answer to the result of an inspection."""

from pydantic import Field

from serving.answers.answer import Answer
from serving.log.keep import Receipt


class InspectionAnswer(Answer):
    """What became of an inspection."""

    inspection_id: str
    declaration_id: str
    receipt: Receipt = Field(description="parked: kept until its declaration is decided on.")
    no_such_items: tuple[int, ...] = Field(
        description="Goods items that findings name and the declaration does not have, as far as "
        "it is known: these findings teach nothing. Send a correction."
    )
    before_acceptance: bool = Field(
        description="The result is dated before its declaration was accepted, as by a clock that "
        "is off, so it is kept and teaches nothing. Send a correction with the right observed_at."
    )
