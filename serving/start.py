"""Puts a service together from its settings, and runs it until it is told to stop."""

import asyncio
import gc
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn

from models.rules_files import read_rules
from selectivity.errors import ParamsError, SelectivityError
from serving.app import create_app
from serving.assign import Parts
from serving.catch_up import catch_up
from serving.checkpointer import Checkpointer, Often
from serving.connection import connections
from serving.decision_log import DecisionLog
from serving.draw_key import read_or_create
from serving.follow import Follower
from serving.follow_log import LogFollower
from serving.key_ring import KeyRing
from serving.log_reader import LogReader
from serving.meters import Meters
from serving.predictor import Predictor
from serving.published import open_bundle
from serving.quick_lanes import QuickLanes
from serving.settings import Settings
from serving.signing_key import read_or_create as read_or_create_signing_key
from serving.stores import primary_of, reserve_of
from serving.tokens import SAME_ROLES, TokenRules, Tokens

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 15
IDLE_SECONDS = 10
SWITCH_SECONDS = 0.0005


def assemble(settings: Settings) -> Parts:
    """Everything a service consists of, with its profiles brought up to date.

    Raises:
        SelectivityError: it could not keep decisions, or has no rules to go by.
    """
    meters, keys, tokens = Meters(), KeyRing(settings.keys_file), tokens_for(settings)
    predictor = predictor_for(settings, read_or_create(settings.draw_key_file))
    log = open_log(settings, meters)
    try:
        with closing(LogReader(log.store)) as reader:
            catch_up(predictor, reader)
        log.at_the_end(checkpointer_for(settings, meters).close)
    except SelectivityError:
        log.close()
        raise
    return Parts(predictor, log, meters, settings, keys, tokens)


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
    store = primary_of(settings)
    store.open_to_write().close()  # makes the tables, which the copy of the log follows
    return DecisionLog(store, meters.commit_seconds.observe, reserve=reserve_of(settings))


def checkpointer_for(settings: Settings, meters: Meters) -> Checkpointer:
    """What vouches for the log that is there by now."""
    return Checkpointer(
        primary_of(settings),
        settings.anchor_file,
        read_or_create_signing_key(settings.signing_key_file),
        often=Often(settings.checkpoint_records, settings.checkpoint_seconds),
        on_checkpoint=meters.vouched,
    )


def predictor_for(settings: Settings, draw_key: bytes) -> Predictor:
    """A predictor with the bundle in force; with the rule files and a cause if there is none."""
    opened = open_bundle(settings)
    if opened.bundle is not None:
        return Predictor.of_bundle(opened.bundle, draw_key=draw_key)
    return Predictor(
        None,
        rules=read_rules(settings.rules_files()),
        draw_key=draw_key,
        cause=opened.cause,
        cause_detail=opened.detail,
    )


def listen(settings: Settings) -> socket.socket:
    """A socket on the settings' address.

    Raises:
        ParamsError: the port is taken, or may not be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1_024)
    except OSError as error:
        raise ParamsError(
            f"The service cannot listen on {settings.host} port {settings.port} "
            f"({error.strerror}). Choose another port with LANES_PORT; 0 takes a free one."
        ) from error


def url_of(listening: socket.socket) -> str:
    """Where callers find the service."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_for(parts: Parts) -> uvicorn.Server:
    """A server that ends by answering what it has begun and writing what it has queued."""
    settings = parts.settings

    def prepare() -> Predictor:
        return predictor_for(settings, read_or_create(settings.draw_key_file))

    guarded: Any = connections(
        wait_seconds=settings.wait_seconds,
        headers_limit_bytes=settings.headers_limit_bytes,
        on_refused=parts.meters.refused,
    )
    followers = [LogFollower(parts).follow]
    if settings.bundle is None:
        followers.append(Follower(parts, prepare).follow)

    async def beside() -> None:
        await asyncio.gather(*[follow() for follow in followers])

    config = uvicorn.Config(
        QuickLanes(create_app(parts, beside=beside), parts),
        http=guarded,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing asks for the caller's address
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return uvicorn.Server(config)


def serve(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    with listen(settings) as listening:
        parts = assemble(settings)
        server = server_for(parts)
        _say_what_serves(parts.predictor, url_of(listening))
        # What is loaded stays: without this every full collection walks it, for 100 ms at a time.
        gc.collect()
        gc.freeze()
        # The writer of the log lets go of the interpreter in every statement, and waits for so
        # long to get it back from the event loop when that is busy.
        sys.setswitchinterval(SWITCH_SECONDS)
        server.run(sockets=[listening])


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """A service beside this thread; gives its address, and ends it in good order."""
    with listen(settings) as listening:
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
        "bundle": predictor.bundle_digest,
        "rules_version": predictor.rules.version,
        "fallback_cause": predictor.cause,
    }
    logger.info("serving", extra=what)
