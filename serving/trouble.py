"""Trouble that lasts is reported when it begins and when its cause changes, not all the while."""

import re


class Trouble:
    """What stands in the way of one thing now, if anything does."""

    def __init__(self) -> None:
        self._cause: str | None = None

    @property
    def there(self) -> bool:
        """Whether anything stands in the way."""
        return self._cause is not None

    def is_news(self, cause: str) -> bool:
        """Note what stands in the way; True if nothing did before, or something else.

        Causes that differ in numbers alone are the same: they may count what comes in meanwhile.
        """
        before, self._cause = self._cause, re.sub(r"\d+", "", cause)
        return self._cause != before

    def is_over(self) -> bool:
        """Note that nothing stands in the way any more; True if something did."""
        before, self._cause = self._cause, None
        return before is not None
