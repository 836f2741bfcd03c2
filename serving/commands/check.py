"""Looks at bundle, rules, log and keys as the service would, and says what it would serve."""

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import NamedTuple

from models.rules_files import read_rules
from selectivity.errors import BundleError, DecisionLogError, ParamsError, SelectivityError
from selectivity.record import DecisionRecord
from serving.callers.key_file import read_keys
from serving.callers.tokens import read_key_set
from serving.commands.room import no_room_in
from serving.deciding.draw_key import another_before, read_or_create_draw_key
from serving.deciding.published import Opened, open_bundle, why_no_rules
from serving.log.checkpointer import check_vouched
from serving.log.checkpoints import Anchor
from serving.log.reader import LogReader
from serving.log.recent import copied_at
from serving.log.signing_key import check_signing_key, kept_public, signed_before
from serving.settings import Settings
from serving.storage.store import AwayError
from serving.stores import (
    check_durable,
    check_spool,
    empty_place,
    primary_of,
    refuse_emptied,
    waiting_in_spool,
)

ANCHORS: Mapping[Anchor, str] = {
    Anchor.OK: "fits it (`lanes verify` proves every record)",
    Anchor.NEW: "vouches for nothing of it: right for a log that nobody vouched for yet, else an "
    "alarm, see RUNBOOK.md",
    Anchor.OTHER: "vouches for another log, and for nothing of this one: an alarm, see RUNBOOK.md",
    Anchor.DAMAGED: "is damaged: an alarm, see RUNBOOK.md",
}


OPEN_TO_OTHERS = 0o027
"""Rights of accounts that the owner gave none. A group may read: auditors verify the log."""


class Checked(NamedTuple):
    """One thing that was looked at, and what is wrong with it."""

    what: str
    state: str
    error: SelectivityError | None = None
    stops: bool = False
    """Whether a start would be refused for it."""


def check(settings: Settings) -> Iterator[Checked]:
    """Bundle, rules, log and keys, one after the other; changes nothing."""
    opened, stop = open_bundle(settings), list[str]()
    if opened.bundle is not None:
        digest, version = opened.bundle.digest[:16], opened.bundle.rules.version
        yield Checked("bundle", f"{digest} is whole")
        yield Checked("rules", f"{len(opened.bundle.rules.rules)} of the bundle, version {version}")
        yield from _check_fallback(settings)
    else:
        yield Checked("bundle", str(opened.cause), BundleError(str(opened.detail)))
        rules = _check_rules(settings, opened)
        yield rules
        stop += [rules.what] if rules.stops else []
        yield from () if rules.stops else _check_fallback(settings)
    yield from _check_state(settings)
    yield from _check_rights(settings)
    state = (*_check_disks(settings), *_check_log(settings), *_check_secrets(settings))
    for found in (*state, _check_keys(settings), *_check_tokens(settings)):
        yield found
        stop += [found.what] if found.stops else []
    nothing = f"nothing: see {' and '.join(dict.fromkeys(stop))}"
    yield Checked("would serve", nothing if stop else _would_serve(opened))


def _would_serve(opened: Opened) -> str:
    if opened.bundle is not None:
        return "the model"
    if opened.last_good is not None:
        return f"the last good model, {opened.last_good.digest[:16]} ({opened.cause})"
    return f"{'fallback rules' if opened.ruling is None else 'the points table'} ({opened.cause})"


def _check_rules(settings: Settings, opened: Opened) -> Checked:
    """Those that would hold without the bundle in force."""
    ruling, whose = opened.ruling, "refused"
    if ruling is None and opened.last_good is not None:
        ruling, whose = opened.last_good.ruling, "last good"
    if ruling is not None:
        number, version = len(ruling.rules.rules), ruling.rules.version
        return Checked("rules", f"{number} of the {whose} bundle, version {version}")
    try:
        rules = read_rules(settings.rules_files())
    except SelectivityError as error:
        return Checked("rules", "cannot be used", error, stops=True)
    return Checked("rules", f"{len(rules.rules)} of {settings.rules}, version {rules.version}")


def _check_fallback(settings: Settings) -> Iterator[Checked]:
    """Those that hold where nothing of a bundle can be used any more."""
    if (why := why_no_rules(settings)) is not None:
        yield Checked("rules", "none to fall back on if no bundle can be used", ParamsError(why))


def _check_state(settings: Settings) -> Iterator[Checked]:
    """What a backup brought and was left where the service does not look for it."""
    for place, ending in (
        (settings.anchor_file, "-anchor.ndjson"),
        (settings.spool_file, "-spool.sqlite"),
    ):
        for file in sorted({*settings.state.glob(f"*{ending}"), settings.state / place.name}):
            if file.exists() and file.resolve() != place.resolve():
                problem = f"{file} is part of a backup, and is not used where it lies"
                remedy = f"Move it to {place.absolute()}, or remove it."
                yield Checked("state", "as a backup left it", ParamsError(f"{problem}. {remedy}"))


def _check_rights(settings: Settings) -> Iterator[Checked]:
    """A start makes files for its owner alone, and leaves those as they are that it finds."""
    for file in (settings.log_file, settings.recent_file, settings.spool_file):
        if file.exists() and file.stat().st_mode & OPEN_TO_OTHERS:
            problem = f"{file} holds what was declared, and is open to every account here"
            yield Checked(
                "state", "open to others", ParamsError(f"{problem}. Run `chmod 600 {file}`.")
            )


def _check_disks(settings: Settings) -> Iterator[Checked]:
    """A start writes into log, spool and anchor, and a look at them would not tell."""
    files = [settings.spool_file, settings.anchor_file]
    files += [] if settings.database else [settings.log_file]
    for folder in dict.fromkeys(file.resolve().parent for file in files):
        if (trouble := no_room_in(folder)) is not None:
            problem = f"Nothing can be written in {folder}: {trouble}. "
            remedy = "Make room on its disk, or see why it cannot be written, before a start."
            yield Checked("disk", f"{folder}: {trouble}", DecisionLogError(problem + remedy), True)


def _check_log(settings: Settings) -> Iterator[Checked]:
    """The log and, if it can be used, its anchor."""
    anchor: Anchor | None = None
    try:
        refuse_emptied(settings)
        check_durable(settings)
        if (place := empty_place(settings)) is not None:
            yield Checked("log", f"none at {place} yet; it is made at the first start")
            yield from _check_spool(settings, "the first start takes")
            return
        with closing(LogReader(primary_of(settings))) as log:
            damage = log.damage()
            decisions, inspections, parked = log.counts()
            conflicts = len(log.conflicts())
            if not damage:
                spool = list(_check_spool(settings, "the next start takes", log))
                anchor = _compare_with_anchor(log, settings)
                newest = next(log.newest_first(), None)
    except AwayError as error:
        yield _without(settings, error)
        yield from _check_spool(settings, "once it is back, the service takes")
        return
    except SelectivityError as error:
        yield Checked("log", "cannot be used", error, stops=True)
        return
    if damage:
        problem = f"The decision log {log.store.name} is damaged: {damage[0]}. "
        remedy = "Restore it from a backup before the service starts."
        yield Checked("log", "damaged", DecisionLogError(problem + remedy), stops=True)
        return
    state = f"{decisions} decisions, {inspections} inspections ({parked} parked)"
    state += f", {conflicts} conflicts (lanes conflicts)" if conflicts else ""
    yield Checked("log", state)
    yield from spool
    if newest is not None:
        yield from _check_draw_key(newest, settings)
    if anchor is not None:
        yield Checked("anchor", f"{settings.anchor_file} {ANCHORS[anchor]}")


def _check_spool(
    settings: Settings, taking: str, log: LogReader | None = None
) -> Iterator[Checked]:
    """What lies in the spool still, or why a start would refuse it."""
    file = settings.spool_file
    try:
        if log is not None:
            check_spool(log, settings)
        waiting = waiting_in_spool(settings, log)
    except AwayError:
        raise
    except SelectivityError as error:
        yield Checked("spool", "cannot be used", error, stops=True)
        return
    if waiting:
        records, them = ("record waits", "it") if waiting == 1 else ("records wait", "them")
        state = f"{waiting} {records} in {file}; {taking} {them} into the log"
        yield Checked("spool", state)


def _check_draw_key(newest: DecisionRecord, settings: Settings) -> Iterator[Checked]:
    """What a start would say of the draw key; without a file the start would make one."""
    there = settings.draw_key_file.exists()
    with suppress(SelectivityError):  # that it cannot be used is said beside the signing key
        key = read_or_create_draw_key(settings.draw_key_file) if there else bytes(32)
        if (problem := another_before(newest, key)) is not None:
            yield Checked("draw key", "another than before", ParamsError(problem))


def _check_secrets(settings: Settings) -> Iterator[Checked]:
    """The keys that a start makes, where it finds one that it refuses."""
    try:
        if settings.draw_key_file.exists():
            read_or_create_draw_key(settings.draw_key_file)
    except SelectivityError as error:
        yield Checked("draw key", "cannot be used", error, stops=True)
    try:
        check_signing_key(settings.signing_key_file)
    except SelectivityError as error:
        yield Checked("signing key", "cannot be used", error, stops=True)


def _compare_with_anchor(log: LogReader, settings: Settings) -> Anchor | None:
    """As a start does, without vouching for anything; None if nothing was vouched for yet.

    Raises:
        DecisionLogError: the log is not the one that was vouched for.
        ParamsError: what would tell cannot be read.
    """
    if not signed_before(settings.signing_key_file):  # a start makes a key
        return None
    try:
        keys = kept_public(settings.signing_key_file)
        vouched = check_vouched(log, settings.anchor_file, keys)
        return vouched.state(log.head().no)
    except OSError as error:
        raise ParamsError(
            f"The anchor {settings.anchor_file} cannot be read ({error.strerror}). Correct the "
            "path (LANES_ANCHOR) or its permissions."
        ) from error


def _without(settings: Settings, why: AwayError) -> Checked:
    """What a start would do now that the log does not answer."""
    try:
        at = copied_at(settings.recent_file, primary_of(settings).name)
    except DecisionLogError as error:
        state = f"away, and the service would not start: {error}"
        return Checked("log", state, why, stops=True)
    return Checked(
        "log", f"away; the service would start from its copy of {at:%Y-%m-%d %H:%M:%S %Z}", why
    )


def _check_keys(settings: Settings) -> Checked:
    try:
        keys = read_keys(settings.keys_file)
    except SelectivityError as error:
        return Checked("keys", "cannot be used", error, stops=True)
    if not keys:
        return Checked("keys", f"none in {settings.keys_file} yet; the first start makes one")
    valid = [key.state(datetime.now(UTC)) for key in keys].count("valid")
    return Checked("keys", f"{valid} of {len(keys)} valid")


def _check_tokens(settings: Settings) -> Iterator[Checked]:
    if settings.jwt_keys is None:
        return
    try:
        keys = read_key_set(settings.jwt_keys).keys
    except SelectivityError as error:
        yield Checked("tokens", "cannot be taken", error, stops=True)
    else:
        yield Checked("tokens", f"of {settings.jwt_issuer}, by {len(keys)} keys")
