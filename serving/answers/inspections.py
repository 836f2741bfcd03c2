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
