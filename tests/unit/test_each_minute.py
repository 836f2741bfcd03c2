"""Who has only the service's log reads there what goes wrong in numbers, and not too often."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from serving.each_minute import CLOCK_OFF, EachMinute, tell_of_clock
from serving.log.spool import Spooled
from serving.meters import Meters
from tests.builders import NOON
from tests.logs import a_record


class Service:
    """What is looked at of one, with a clock that a test sets."""

    def __init__(self) -> None:
        self.meters, self.log = Meters(), SimpleNamespace(spooled=None)
        self.seconds, self.clock = 100.0, NOON
        parts: Any = self
        self.each_minute = EachMinute(parts, lambda: self.seconds)

    def now(self) -> datetime:
        return self.clock

    def a_minute(self, *, refused: int = 0, spooled: int | None = None) -> None:
        for _ in range(refused):
            self.meters.refused(503)
        self.meters.refused(422)  # of what was sent; its caller knows
        self.log.spooled = None if spooled is None else Spooled("disk full", spooled)
        self.seconds += 60
        self.clock += timedelta(seconds=60)
        self.each_minute.look()


@pytest.fixture
def service() -> Service:
    return Service()


def counts(caplog: pytest.LogCaptureFixture, event: str) -> list[int]:
    told = [vars(each) for each in caplog.records]
    assert {each["message"] for each in told} <= {event}
    return [each["count"] for each in told]


def test_who_is_turned_away_is_told_when_it_is_much_and_when_it_has_doubled(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    for refused in (5, 0, 19, 1, 19, 1, 100, 0, 25):
        service.a_minute(refused=refused)
    assert counts(caplog, "many turned away") == [20, 40, 140, 25]
    assert all("RUNBOOK.md" in vars(each)["detail"] for each in caplog.records)


def test_a_spool_that_fills_is_told_each_time_it_has_doubled(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    for waiting in (10, 30, 59, 60, 119, 500, None, 10, 30):
        service.a_minute(spooled=waiting)
    assert counts(caplog, "spool fills") == [30, 60, 500, 30]
    assert {vars(each)["cause"] for each in caplog.records} == {"disk full"}


@pytest.mark.parametrize("seconds", [-3_600, 86_400])
def test_a_clock_that_is_set_is_told_once(
    service: Service, caplog: pytest.LogCaptureFixture, seconds: int
) -> None:
    service.a_minute()
    service.clock += timedelta(seconds=seconds)
    for _ in range(3):
        service.a_minute()
    (told,) = caplog.records
    assert (told.message, vars(told)["seconds"]) == ("clock was set", seconds)


@pytest.mark.parametrize(("behind", "told"), [(CLOCK_OFF, []), (2 * CLOCK_OFF, [120])])
def test_a_start_with_a_clock_that_is_behind_the_log_says_so(
    caplog: pytest.LogCaptureFixture, behind: timedelta, told: list[int]
) -> None:
    tell_of_clock(a_record(), NOON - behind)
    assert [vars(each)["seconds"] for each in caplog.records] == told
