"""Puts a service together from its settings, and runs it until it is told to stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import uvicorn

from models.memory import give_back_memory
from models.rules_files import read_rules
from selectivity.days import day_in_utc
from selectivity.errors import ParamsError, SelectivityError
from selectivity.record import DecisionRecord
from serving.app import Beside, create_app
from serving.callers.key_ring import KeyRing
from serving.callers.tokens import SAME_ROLES, TokenRules, Tokens
from serving.deciding.assign import count
from serving.deciding.catch_up import catch_up
from serving.deciding.draw_key import another_before, read_or_create_draw_key
from serving.deciding.follow_bundle import BundleFollower
from serving.deciding.follow_log import LogFollower
from serving.deciding.governing import take_over, watch
from serving.deciding.histories_file import HistoriesFile
from serving.deciding.keep_histories import HistoriesKeeper
from serving.deciding.parts import Parts
from serving.deciding.predictor import Predictor
from serving.deciding.published import look_at_pointer, open_bundle, why_no_rules
from serving.each_minute import EachMinute, tell_of_clock
from serving.http.address import WAITING, bind, listen, url_of
from serving.http.connection import connections
from serving.http.door import Door
from serving.log.checkpointer import Checkpointer, Schedule
from serving.log.decision_log import DecisionLog
from serving.log.reader import LogReader
from serving.log.signing_key import kept_public, read_or_create_signing_key
from serving.memory import search_less_for_garbage
from serving.meters import Meters
from serving.routes.quick_lanes import QuickLanes
from serving.settings import Settings
from serving.storage.store import AwayError
from serving.stores import primary_of, refuse_emptied, reserve_of
from serving.trouble import Trouble

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 15
IDLE_SECONDS = 10
RETRY_SECONDS = 2.0
"""How often to look whether the log is there, if the start waits for it."""


def assemble(settings: Settings) -> Parts:
    """Everything a service consists of, with its profiles brought up to date.

    While the log is away they are those of the bundle; `LogFollower` brings them up to date.

    Raises:
        AwayError: the log is away, and there is no copy to go by.
        SelectivityError: it could not keep decisions, or has no rules to go by.
    """
    meters, keys, tokens = Meters(), KeyRing(settings.keys_file), tokens_for(settings)
    draw_key = read_or_create_draw_key(settings.draw_key_file)
    seen = look_at_pointer(settings)
    predictor = predictor_for(settings, draw_key)
    log = open_log(settings, meters)
    try:
        if not log.away:
            with closing(LogReader(log.store, log_id=log.log_id)) as reader:
                _tell_of_newest(next(reader.newest_first(), None), draw_key)
                kept = HistoriesFile.of(settings, draw_key)
                for each in predictor.learners():
                    catch_up(each, reader, kept)
        log.at_the_end(checkpointer_for(settings, meters, log).close)
        parts = Parts(predictor, log, meters, settings, keys, tokens, pointer_seen=seen)
        take_over(log.mode_steps(), parts)
        if predictor.policy.offices:
            count_today(parts)
    except SelectivityError:
        log.close()
        raise
    return parts


def _tell_of_newest(newest: DecisionRecord | None, draw_key: bytes) -> None:
    if (before := another_before(newest, draw_key)) is not None:
        logger.critical("another draw key than before", extra={"cause": before})
    if newest is not None:
        tell_of_clock(newest, datetime.now(UTC))


def count_today(parts: Parts) -> None:
    """What the offices got today before this start; no more is read than that."""
    for record in reversed(parts.log.kept_since(day_in_utc(parts.now()))):
        count(record, parts)


def tokens_for(settings: Settings) -> Tokens | None:
    """What checks tokens; None if none are taken.

    Raises:
        ParamsError: the key set cannot be used.
    """
    if settings.jwt_keys is None:
        return None
    rules = TokenRules(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience or "",
        roles_claim=settings.jwt_roles_claim,
        roles=settings.jwt_roles or SAME_ROLES,
    )
    return Tokens(settings.jwt_keys, rules)


def open_log(settings: Settings, meters: Meters) -> DecisionLog:
    """The log with what stands beside it, made if there is none."""
    refuse_emptied(settings)
    store, away = primary_of(settings), None
    try:
        store.open_to_write().close()  # makes the tables, which the copy of the log follows
    except AwayError as error:
        away = error
    return DecisionLog(store, meters.commit_seconds.observe, reserve=reserve_of(settings, away))


def checkpointer_for(settings: Settings, meters: Meters, log: DecisionLog) -> Checkpointer:
    """What vouches for this log, and for no other that may come to lie in its place."""
    return Checkpointer(
        primary_of(settings),
        settings.anchor_file,
        read_or_create_signing_key(settings.signing_key_file),
        earlier=kept_public(settings.signing_key_file)[1:],
        schedule=Schedule(settings.checkpoint_records, settings.checkpoint_seconds),
        on_checkpoint=meters.vouched,
        on_anchor=meters.anchored,
        later=log.away,
        log_id=log.log_id,
    )


def predictor_for(settings: Settings, draw_key: bytes) -> Predictor:
    """A predictor with the bundle in force.

    If that cannot be used, with a cause, what is whole of it, and the bundle that was in force
    before; with the rule files if nothing is whole.
    """
    opened = open_bundle(settings)
    options: Any = {"draw_key": draw_key, "seconds_allowed": settings.model_seconds}
    if opened.bundle is not None:
        return Predictor.of_bundle(opened.bundle, **options)
    why: Any = {"cause": opened.cause, "cause_detail": opened.detail}
    ruling = opened.ruling
    if ruling is None and opened.last_good is not None:
        ruling = opened.last_good.ruling
    predictor = (
        Predictor(None, rules=read_rules(settings.rules_files()), **options, **why)
        if ruling is None
        else Predictor.of_ruling(ruling, **options, **why)
    )
    if opened.last_good is not None:
        predictor.last_good = Predictor.of_bundle(opened.last_good, **options)
    return predictor


def server_for(parts: Parts) -> uvicorn.Server:
    """A server that ends by answering what it has begun and writing what it has queued."""
    settings = parts.settings

    def prepare() -> Predictor:
        # Not the file's key: what replays and lineages go by changes in no running service.
        return predictor_for(settings, parts.predictor.draw_key)

    guarded: Any = connections(
        wait_seconds=settings.wait_seconds,
        headers_limit_bytes=settings.headers_limit_bytes,
        door=door_of(parts),
        on_refused=parts.meters.refused,
    )
    followers: list[Beside] = [
        partial(watch, parts),
        LogFollower(parts, prepare).follow,
        HistoriesKeeper(parts).follow,
        EachMinute(parts).tell,
    ]
    if settings.bundle is None:
        followers.append(BundleFollower(parts, prepare).follow)
    config = uvicorn.Config(
        QuickLanes(create_app(parts, beside=followers), parts),
        http=guarded,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing asks for the caller's address
        backlog=WAITING,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return uvicorn.Server(config)


def door_of(parts: Parts) -> Door:
    """Where whoever asks for work finds a place, or none."""
    single = dict.fromkeys(
        ("/v1/lanes", "/v1/inspections", "/v1/overrides", "/v1/mode"), parts.places
    )
    places = single | {"/v1/lanes/batch": parts.batch_places}
    return Door(places, on_refused=parts.meters.refused)


def serve(
    settings: Settings,
    *,
    wait_seconds: float = 0,
    opening: Callable[[], None] = lambda: None,
    newest_critical: Callable[[], float] = lambda: 0.0,
) -> None:
    """Serve until the process is told to stop.

    Args:
        opening: called just before anybody is let in.
        newest_critical: when a line of level CRITICAL was logged last, in seconds since 1970.

    Raises:
        AwayError: the log is away, there is no copy to go by, and `wait_seconds` are over.
        SelectivityError: it could not keep decisions, or has no rules to go by.
    """
    with bind(settings) as listening:
        search_less_for_garbage()  # reading the log makes much, and lets go of nearly all of it
        parts = _assemble_in(wait_seconds, settings)
        parts.meters.critical_lines(newest_critical)
        server = server_for(parts)
        try:
            opening()
            listen(listening, settings)
        except ParamsError:
            parts.log.close()
            raise
        _say_what_serves(parts.predictor, url_of(listening))
        if (why := why_no_rules(settings)) is not None:
            logger.warning("no rules to fall back on", extra={"cause": why})
        search_less_for_garbage()
        give_back_memory()
        server.run(sockets=[listening])


def _assemble_in(wait_seconds: float, settings: Settings) -> Parts:
    until, away = time.monotonic() + wait_seconds, Trouble()
    while True:
        try:
            return assemble(settings)
        except AwayError as error:
            if time.monotonic() >= until:
                raise
            cause = str(error.__cause__ or error).strip()
            if away.is_news(cause):
                logger.warning("waiting for the log", extra={"cause": cause})
            time.sleep(min(RETRY_SECONDS, max(0.0, until - time.monotonic())))


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """A service beside this thread; gives its address, and ends it in good order."""
    with bind(settings) as listening:
        server = server_for(assemble(settings))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listening]}, name="service"
        )
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield url_of(listening)
        finally:
            server.should_exit = True
            thread.join()


def _say_what_serves(predictor: Predictor, url: str) -> None:
    what = {
        "url": url,
        "serving": predictor.source,
        "bundle": predictor.bundle_digest,
        "rules_version": predictor.rules.version,
        "fallback_cause": predictor.cause,
    }
    logger.info("serving", extra=what)
    if predictor.cause is not None:
        why = {"cause": predictor.cause, "detail": predictor.cause_detail}
        logger.warning("not the model in force", extra=why)
