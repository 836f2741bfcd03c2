"""Services to be measured beside ours, each as somebody would write it in an afternoon.

    python -m tests.benchmarks.peers naive <bundle> <folder> <port>

naive     FastAPI with a plain function, pydantic, a DataFrame per request, the same trees by
          `Booster.predict` (which is quicker than scikit-learn's wrapper around it), and a commit
          to SQLite with synchronous=FULL before the answer
bare      validation by msgspec behind uvicorn without any framework, and a fixed answer: no
          decision can be given in less
unlogged  ours, whole, with a log that keeps nothing
"""

import asyncio
import json
import sqlite3
import sys
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import uvicorn
from pydantic import BaseModel

from selectivity.lanes import Lane
from selectivity.record import DecisionRecord
from serving.decision_log import DecisionLog, Kept
from tests.services import settings_in


class NaiveItem(BaseModel):
    """Some of what a goods item has; the rest is ignored."""

    item_no: int
    description: str | None = None
    hs_code: str | None = None
    country_of_origin: str | None = None
    gross_mass_kg: float | None = None
    net_mass_kg: float | None = None
    customs_value: float | None = None
    duty_rate_percent: float | None = None


class NaiveDeclaration(BaseModel):
    """Some of what a declaration has; the rest is ignored."""

    declaration_id: str
    accepted_at: datetime
    items: list[NaiveItem]
    declaration_office: str | None = None
    importer_id: str | None = None
    declarant_id: str | None = None
    seller_id: str | None = None
    country_of_export: str | None = None
    invoice_amount: float | None = None
    importer_compliance_level: int | None = None
    importer_risk_level: int | None = None


def naive(bundle: Path, folder: Path) -> Any:
    """What most begin with."""
    import lightgbm as lgb
    import pandas as pd
    from fastapi import FastAPI

    from models.lane_model import BOOSTER

    booster = lgb.Booster(model_file=bundle / BOOSTER)
    log = sqlite3.connect(folder / "naive.sqlite", check_same_thread=False)
    log.execute("PRAGMA journal_mode = WAL")
    log.execute("PRAGMA synchronous = FULL")
    log.execute("CREATE TABLE decisions (id TEXT PRIMARY KEY, record TEXT)")
    columns, lock, app = booster.feature_name(), Lock(), FastAPI()

    @app.get("/health/live")
    def live() -> str:
        return "alive"

    @app.post("/v1/lanes")
    def score(declaration: NaiveDeclaration) -> dict[str, Any]:
        frame = pd.DataFrame([item.model_dump() for item in declaration.items])
        frame["value_per_kg"] = frame["customs_value"] / frame["net_mass_kg"]
        frame = frame.drop(columns=["description", "hs_code", "country_of_origin"]).astype(float)
        frame = frame.set_axis(columns[: frame.shape[1]], axis=1).reindex(columns=columns)
        risk = 1 - booster.predict(frame, num_threads=1)[:, 0].min()
        answer = {"declaration_id": declaration.declaration_id, "risk": float(risk)}
        answer["lane"] = "RED" if risk > 0.5 else "YELLOW" if risk > 0.2 else "GREEN"
        record = json.dumps(declaration.model_dump(mode="json") | answer)
        with lock, log:
            log.execute("INSERT INTO decisions VALUES (?, ?)", (answer["declaration_id"], record))
        return answer

    return app


def _as_struct(model: type[BaseModel]) -> Any:
    """The same fields for msgspec."""
    fields: list[Any] = []
    for name, field in model.model_fields.items():
        kind = list[_as_struct(NaiveItem)] if name == "items" else field.annotation  # type: ignore[misc]
        fields.append((name, kind) if field.is_required() else (name, kind, field.default))
    return msgspec.defstruct(model.__name__, fields)


def bare(bundle: Path, folder: Path) -> Any:
    """As little as a service can do."""
    read = msgspec.json.Decoder(_as_struct(NaiveDeclaration)).decode
    write = msgspec.json.Encoder().encode

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        given = read(body) if body else None
        answer = write({"declaration_id": given and given.declaration_id, "lane": "GREEN"})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


class ForgetfulLog(DecisionLog):
    """Finds nothing and keeps nothing, and says at once that it did."""

    def find(self, declaration_id: str, version_no: int | None = None) -> None:
        return None

    def strictest_lane(self, *names: str) -> Lane | None:
        return None

    def append(self, record: DecisionRecord) -> "asyncio.Future[Kept]":
        kept: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        kept.set_result(Kept(record, new=True))
        return kept


def unlogged(bundle: Path, folder: Path, port: int) -> uvicorn.Server:
    """Ours, but that nothing is kept."""
    from serving.assign import Parts
    from serving.draw_key import read_or_create
    from serving.key_ring import KeyRing
    from serving.meters import Meters
    from serving.start import predictor_for, server_for

    settings = settings_in(folder, port=port, bundle=bundle)
    predictor = predictor_for(settings, read_or_create(settings.draw_key_file))
    log = ForgetfulLog(settings.log_file)
    return server_for(Parts(predictor, log, Meters(), settings, KeyRing(settings.keys_file)))


def main(kind: str, bundle: Path, folder: Path, port: int) -> None:
    """Serve one of them until told to stop."""
    import gc

    if kind == "unlogged":
        server = unlogged(bundle, folder, port)
    else:
        app = {"naive": naive, "bare": bare}[kind](bundle, folder)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False))
    server.config.port = port
    if kind != "naive":
        gc.collect()
        gc.freeze()
    server.run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
