"""Sentences by key with their numbers, said in Vietnamese or in English.

Sections hold keys and numbers, never text, so both languages always say the same. A number that
is not defined is said to be unknown; it is never printed as nan and never left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from selectivity.lanes import Lane, Reason
from selectivity.metrics import Interval
from selectivity.reasons.wording import LANE_WORDS, WORDS, Language, sentence, written

Words: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Share:
    """A share in [0, 1], said in per cent."""

    value: float
    digits: int = 1


@dataclass(frozen=True)
class Number:
    """A number with so many decimals; a count has none."""

    value: float
    digits: int = 0


@dataclass(frozen=True)
class Between:
    """The two ends of a 95 % interval: of a share, or with `digits` of another number."""

    interval: Interval
    digits: int | None = None


@dataclass(frozen=True)
class ReasonCode:
    """A reason code, said in the words of the officer's reasons but without one case's facts."""

    code: str


@dataclass(frozen=True)
class Sentence:
    """Words by their key, with the facts that stand in them."""

    key: str
    facts: "Mapping[str, Fact]" = field(default_factory=dict)


Fact: TypeAlias = Share | Number | Between | ReasonCode | Sentence | Lane | date | str
"""What can stand in a sentence or a cell. A plain text is a name from the data: it is escaped."""


def say(key: str, **facts: Fact) -> Sentence:
    """The sentence with this key."""
    return Sentence(key, facts)


def with_ends(interval: Interval, *, digits: int | None = None) -> Sentence:
    """A share with its interval beside it, or with `digits` another number."""
    value = Share(interval.value) if digits is None else Number(interval.value, digits)
    return say("with_ends", value=value, ends=Between(interval, digits))


class Speaker:
    """Says facts in one language."""

    def __init__(self, language: Language, words: Words) -> None:
        self.language = language
        self._words = words

    def __call__(self, fact: Fact) -> str:
        """The fact in words.

        Raises:
            KeyError: no words for this key, or a fact is missing that its words name.
        """
        match fact:
            case Sentence():
                facts = {name: self(value) for name, value in fact.facts.items()}
                return self._words[fact.key].format(**facts)
            case Share():
                return self._share(fact.value, fact.digits)
            case Number():
                return self._number(fact.value, fact.digits)
            case Between():
                return self._between(fact.interval, fact.digits)
            case ReasonCode():
                return self._reason(fact.code)
            case Lane():
                return LANE_WORDS[fact][self.language]
            case date():
                return fact.strftime("%d/%m/%Y" if self.language == "vi" else "%Y-%m-%d")
            case _:
                return fact

    def capital(self, fact: Fact) -> str:
        """The same with a capital in front, but for names from the data."""
        text = self(fact)
        return text if isinstance(fact, str) else text[:1].upper() + text[1:]

    def word(self, key: str, **facts: Fact) -> str:
        """Shorthand for a sentence by its key."""
        return self(Sentence(key, facts))

    def _number(self, value: float, digits: int) -> str:
        if not math.isfinite(value):
            return self._words["unknown"]
        return written(float(value), f",.{digits}f", self.language).replace("-", "−")

    def _share(self, value: float, digits: int) -> str:
        """Per cent; what is not quite 0 or 1 is not rounded to look as if it were."""
        if not math.isfinite(value):
            return self._words["unknown"]
        if value in (0, 1):
            return "0%" if value == 0 else "100%"
        least = 10.0 ** -(digits + 2)
        if 0 < value < least / 2:
            return f"< {self._number(100 * least, digits)}%"
        if 1 - least / 2 < value < 1:
            return f"> {self._number(100 * (1 - least), digits)}%"
        return f"{self._number(100 * value, digits)}%"

    def _between(self, interval: Interval, digits: int | None) -> str:
        if not all(map(math.isfinite, interval)):
            return self._words["no_interval"]
        if digits is None:
            low, high = (self._share(end, 1) for end in interval[1:])
        else:
            low, high = (self._number(end, digits) for end in interval[1:])
        return self._words["between"].format(low=low, high=high)

    def _reason(self, code: str) -> str:
        own = self._words.get(f"reasons.words.{code}")
        known = sentence(Reason(code=code), self.language) if code in WORDS else code
        return own or known
