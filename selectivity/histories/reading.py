"""What one key's history tells of the days before another day."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import nan

from selectivity.histories.aggregates import DECAY, Profile, Sums
from selectivity.histories.key_history import NEVER, KeyHistory

FOR_EVER = 10**9
"""A day behind all others."""

Reader = Callable[[KeyHistory, int], list[float]]


def reader(profile: Profile) -> Reader:
    """Reads all values of a profile but `today` as known before a day, in order of the values.

    What it said is remembered: who asks looks there first.
    """
    ever, *over_days = profile.sums
    if ever.days is not None:
        raise ValueError(f"profile {profile.name}: sums over all days have to come first")
    width, first = len(profile.measures), len(ever.measures)
    others = [
        _over_days(sums, [profile.measures.index(m) for m in sums.measures], width)
        for sums in over_days
    ]
    with_first, with_last = profile.first_day, profile.last_day
    nothing = [
        nan if value.kind in ("first_day", "last_day") else 0.0
        for value in profile.values()
        if value.kind != "today"
    ]

    def read(known: KeyHistory, at: int, day: int) -> list[float]:
        here = width * (at - 1)
        values = known.sums[here : here + first].tolist()
        for of_days in others:
            values += of_days(known, at, day)
        if with_first:
            values.append(float(known.first_day))
        if with_last:
            values.append(known.last_days[at - 1])
        return values

    def remember(known: KeyHistory, day: int) -> list[float]:
        if known.counted or known.waiting:
            known.settle()
        days = known.days
        at = bisect_left(days, day) if days and day <= days[-1] else len(days)
        known.memo = read(known, at, day) if at else nothing
        known.memo_from = known.memo_to = day
        if not others:
            known.memo_from = days[at - 1] + 1 if at else NEVER
            known.memo_to = days[at] if at < len(days) else FOR_EVER
        return known.memo

    return remember


def _over_days(
    sums: Sums, places: Sequence[int], width: int
) -> Callable[[KeyHistory, int, int], list[float]]:
    assert sums.days is not None
    weights = {sums.days * times: weight for times, weight in DECAY.items()}
    frames = tuple(weights.items()) if sums.decayed else ((sums.days, 1),)
    whole = sum(weight for _, weight in frames)

    def read(known: KeyHistory, at: int, day: int) -> list[float]:
        running, here = known.sums, width * (at - 1)
        values = [whole * running[here + place] for place in places]
        for days, weight in frames:
            since = bisect_left(known.days, day - days, 0, at)
            if since:
                before = width * (since - 1)
                for i, place in enumerate(places):
                    values[i] -= weight * running[before + place]
        return values

    return read
