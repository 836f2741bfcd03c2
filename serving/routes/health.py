"""Whether the service lives, what it would decide with, and what it has counted."""

import asyncio
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from selectivity.errors import DecisionLogError
from serving.answers.health import Readiness
from serving.answers.lanes import SHORT
from serving.callers.api_keys import Role
from serving.deciding.parts import Parts
from serving.log.spool import Spooled
from serving.routes.access import ANYONE, only
from serving.routes.given import GivenParts
from serving.routes.openapi import answers

router = APIRouter(tags=["operation"])

LOG_SECONDS = 3.0
"""How long the log may take to prove that it can keep something."""


@router.get("/health/live", dependencies=[ANYONE])
async def show_alive() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "alive"}


@router.get(
    "/health/ready",
    dependencies=[ANYONE],
    responses=answers(
        Readiness,
        meaning="Ready; with or without a model.",
        also={503: "Not ready: decisions cannot be kept."},
    ),
)
async def show_ready(parts: GivenParts) -> Response:
    """Say what would decide now, and whether a decision could be kept."""
    readiness = _readiness(parts, await _log_trouble(parts))
    ready = readiness.status == "ready"
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return readiness.response(status)


@router.get(
    "/metrics",
    dependencies=[only(Role.AUDITOR, Role.ADMIN, Role.DATA_SCIENTIST)],
    include_in_schema=False,
)
async def show_metrics(parts: GivenParts) -> Response:
    """Show what was counted, for Prometheus."""
    parts.meters.spooled(parts.log.spooled)
    parts.meters.histories(behind=parts.predictor.behind, still=parts.stands_still is not None)
    parts.meters.keys(parts.keys.all(), parts.now(), outdated=parts.keys_outdated)
    ordered = parts.ordered
    parts.meters.ordered(parts.mode, None if ordered is None else ordered.until)
    parts.meters.order_waits(waits=parts.order_waits)
    return Response(parts.meters.exposition(), media_type=CONTENT_TYPE_LATEST)


def _readiness(parts: Parts, log_trouble: str | None) -> Readiness:
    predictor, spooled = parts.predictor, parts.log.spooled
    return Readiness(
        status="not ready" if log_trouble else "ready",
        serving=predictor.source,
        mode=parts.mode,
        mode_until=parts.ordered and parts.ordered.until,
        mode_only_here=parts.order_waits,
        bundle=predictor.bundle_digest and predictor.bundle_digest[:SHORT],
        rules_version=predictor.rules.version,
        log="failing" if log_trouble else "spooling" if spooled else "ok",
        spooled=spooled.waiting if spooled else 0,
        anchor=parts.meters.anchor,
        histories=_histories(parts),
        keys="outdated" if parts.keys_outdated else "ok",
        cause="LOG" if log_trouble or spooled else predictor.cause,
        detail=log_trouble or (_spooling(spooled) if spooled else _what_lacks(parts)),
    )


def _histories(parts: Parts) -> Literal["ok", "behind", "still"]:
    if parts.stands_still is not None:
        return "still"
    return "behind" if parts.predictor.behind else "ok"


def _what_lacks(parts: Parts) -> str | None:
    """Why model or histories are not what they should be."""
    return " ".join(filter(None, (parts.predictor.cause_detail, parts.stands_still))) or None


def _spooling(spooled: Spooled) -> str:
    if spooled.copy_of is None:
        return spooled.cause
    cause = spooled.cause.rstrip(".")
    return (
        f"{cause}. The service was started without the log: earlier answers, lanes and orders are "
        f"those of its copy of {spooled.copy_of:%Y-%m-%d %H:%M:%S %Z}, and a declaration that is "
        "not in it is decided on anew. Bring the database back."
    )


async def _log_trouble(parts: Parts) -> str | None:
    try:
        await asyncio.wait_for(parts.log.prove_writable(), LOG_SECONDS)
        parts.log.lineages(
            ["-"]
        )  # every decision asks first, and what is written may be unreadable
    except DecisionLogError as error:
        return str(error)
    except TimeoutError:
        return f"The decision log did not answer within {LOG_SECONDS:g} s. Check its disk."
    return None
