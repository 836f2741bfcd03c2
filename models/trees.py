"""The trained trees: will a control find something, if so is it hidden in the goods, and how much
duty does it bring?

Questions one after the other, and not three classes at once: a constraint such as "a higher past
finding rate never lowers the risk" would hold for every class of a multi-class booster, also for
"nothing found", and so for none.
"""

import re
from math import log
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np

from models.raw_scores import RawScores
from selectivity.columns import Floats
from selectivity.errors import BundleError
from selectivity.features.matrix import FEATURE_NAMES

FINDING, PHYSICAL, DUTY = "finding.txt", "physical.txt", "duty.txt"
TREES = (FINDING, PHYSICAL, DUTY)
"""Each in LightGBM's text format; the last holds `NO_AMOUNTS` where the source has none."""

REHEARSAL = "rehearsal"
"""Folder beside the trees that decide, of those that have not seen the days that calibrate."""

NO_AMOUNTS = "no amounts are known\n"
"""Stands in the file instead of trees. An empty file could also be one that lost its content; older
bundles have an empty one, and its digest in their manifest says that it was meant."""

LOWEST_RATE = 0.01
"""Duty rate that goods are taken to be liable to though declared at less, or at none."""

_AT_STAKE, _VALUE = map(FEATURE_NAMES.index, ("duty_at_stake_log", "customs_value_log"))


def duty_in_reach(matrix: Floats) -> Floats:
    """Logarithm of the duty that the declared rate or `LOWEST_RATE` makes of the value, shape (n,).

    0 where nothing is declared: the trees learn what that stands for.
    """
    log_duty: Floats = np.fmax(matrix[:, _AT_STAKE], matrix[:, _VALUE] + log(LOWEST_RATE))
    return np.where(np.isnan(log_duty), 0.0, log_duty)


class Trees:
    """One booster per question. `duty` is None where no amounts were known."""

    def __init__(
        self, finding: lgb.Booster, physical: lgb.Booster, duty: lgb.Booster | None = None
    ) -> None:
        self.finding, self.physical, self.duty = finding, physical, duty
        self._finding, self._physical = RawScores(finding), RawScores(physical)
        self._duty = None if duty is None else RawScores(duty)

    def chances(self, matrix: Floats) -> Floats:
        """Raw chance of a finding, and of a physical one given a finding; shape (n, 2)."""
        return np.column_stack([self._finding(matrix), self._physical(matrix)])

    def duty_given_finding(self, matrix: Floats) -> Floats | None:
        """Raw expected additional duty of a finding, in currency; shape (n,).

        The trees say how many times the duty in reach it comes to.
        """
        return None if self._duty is None else np.exp(duty_in_reach(matrix)) * self._duty(matrix)

    def texts(self) -> dict[str, str]:
        """Content of each file of `TREES`."""
        boosters = (self.finding, self.physical, self.duty)
        return {
            name: NO_AMOUNTS if booster is None else booster.model_to_string()
            for name, booster in zip(TREES, boosters, strict=True)
        }

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `texts` gave.

        Raises:
            BundleError: a file is missing, is not whole, or LightGBM refuses it.
        """
        try:
            finding, physical = (_read(directory / name) for name in (FINDING, PHYSICAL))
            duty = directory / DUTY
            no_amounts = duty.read_bytes() in (NO_AMOUNTS.encode(), b"")
            return cls(finding, physical, None if no_amounts else _read(duty))
        except (OSError, ValueError, lgb.basic.LightGBMError) as error:
            raise BundleError(
                f"The trees in {directory} cannot be read: {error}. Train them again."
            ) from error


def _read(file: Path) -> lgb.Booster:
    """Looks first whether all of it is there: of half a file LightGBM ends the process."""
    content = file.read_bytes()
    if not _whole(content):
        raise ValueError(f"{file.name} is {'cut or altered' if content else 'empty'}")
    return lgb.Booster(model_str=content.decode())


def _whole(content: bytes) -> bool:
    """Whether every tree is as long as the head says, and the end is there."""
    head, _, rest = content.partition(b"\n\n")
    sizes = re.search(rb"^tree_sizes=([\d ]+)$", head, re.MULTILINE)
    at = 0
    for number, size in enumerate(sizes[1].split() if sizes else ()):
        if not rest.startswith(f"Tree={number}\n".encode(), at):
            return False
        at += int(size)
    return at > 0 and rest.startswith(b"end of trees\n", at) and b"\nend of parameters\n" in rest
