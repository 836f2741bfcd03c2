"""A service: what it is put together from, and what it knows while it runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from selectivity.deciding.modes import AFTERWARDS, Mode, tightens
from selectivity.deciding.office_loads import OfficeLoads
from selectivity.mode_orders import ModeStep, in_force, standing
from serving.callers.api_keys import Caller, id_of
from serving.callers.key_ring import KeyRing
from serving.callers.tokens import Tokens
from serving.deciding.gathering import Gathering
from serving.deciding.handover import Handover
from serving.deciding.lessons import Lesson, fold
from serving.deciding.predictor import Predictor
from serving.http.admission import Admission
from serving.log.decision_log import DecisionLog
from serving.meters import Meters
from serving.settings import Settings

BLIND_FOR = timedelta(hours=4)
"""How long a service goes by the orders it knows, if it was started without the log."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Parts:
    """A service: what it is put together from, and what it knows while it runs.

    Every route gets it; tests put in parts of their own.
    """

    predictor: Predictor
    log: DecisionLog
    meters: Meters = field(default_factory=Meters)
    settings: Settings = field(default_factory=Settings)
    keys: KeyRing = field(default_factory=KeyRing)  # without a file it lets nobody in
    tokens: Tokens | None = None
    now: Callable[[], datetime] = _utc_now
    orders: Sequence[ModeStep] = ()
    """Every step of every order on the mode, in order."""
    pointer_seen: object = None
    """`look_at_pointer` just before the published bundle was opened."""

    def __post_init__(self) -> None:
        """Add what begins empty: places, loads of offices, what is lodged together."""
        self.handover, self.loads = Handover(), OfficeLoads()
        self.gathering = Gathering()
        self.places = Admission(self.settings.at_once_limit)
        self.batch_places = Admission(self.settings.batches_limit)
        self.explanations = Admission(1)
        self.stands_still: str | None = None
        """Why the histories learn nothing more: a record of the log that cannot be read."""

    @property
    def ordered(self) -> ModeStep | None:
        """The step whose mode holds, if anybody ordered one."""
        return in_force(self.orders)

    @property
    def mode(self) -> Mode:
        """What the service may decide by itself now.

        A service that was started without the log, and has not seen it for `BLIND_FOR`, releases
        nothing: what was ordered meanwhile is not known here.
        """
        mode, seen = standing(self.ordered, self.now()).mode, self.log.copied_at
        # A copy from a time to come: the clock was set back, and the copy may be of any age.
        blind = seen is not None and not timedelta(0) <= self.now() - seen <= BLIND_FOR
        return AFTERWARDS if blind and tightens(mode, AFTERWARDS) else mode

    @property
    def order_waits(self) -> bool:
        """Whether `ordered` lies in the spool alone, so that no other service knows of it."""
        step = self.ordered
        return step is not None and self.log.waits(step.name)

    @property
    def keys_outdated(self) -> bool:
        """Whether a file of keys cannot be used, so that what was revoked in it may open."""
        return self.keys.outdated or (self.tokens is not None and self.tokens.outdated)

    def teach(self, lesson: Lesson) -> None:
        """Have the histories learn from a record of the log."""
        self.handover.fold(self.predictor, partial(fold, lesson))

    def caller(self, secret: str) -> Caller | None:
        """Who sends this key or token; None if it opens nothing now."""
        if self.tokens is not None and id_of(secret) is None:
            return self.tokens.holder(secret, self.now())
        return self.keys.holder(secret, self.now())
