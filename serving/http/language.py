"""Which language a caller reads, from the Accept-Language header (RFC 9110, 12.5.4)."""

from functools import lru_cache

from selectivity.reasons.wording import LANGUAGES, Language

DEFAULT: Language = "vi"


@lru_cache(maxsize=64)
def preferred(header: str | None) -> Language:
    """The caller's first choice among the languages there are; Vietnamese if they name none.

    >>> preferred("en-GB,en;q=0.8,vi;q=0.9")
    'en'
    >>> preferred("fr, vi;q=0.2, en;q=0.3")
    'en'
    """
    weights = _weights(header or "")
    best = max(LANGUAGES, key=lambda language: weights.get(language, weights.get("*", 0.0)))
    return best if weights.get(best, weights.get("*", 0.0)) > 0 else DEFAULT


def headers_in(language: Language) -> dict[str, str]:
    """The headers of an answer in this language."""
    return {"Content-Language": language, "Vary": "Accept-Language"}


def _weights(header: str) -> dict[str, float]:
    """Highest weight per primary language; ranges that cannot be read count for nothing."""
    weights: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = part.split(";")
        primary = name.strip().lower().split("-")[0]
        if primary:
            weights[primary] = max(weights.get(primary, 0.0), _quality(parameters))
    return weights


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            return quality if 0 <= quality <= 1 else 0.0
    return 1.0
