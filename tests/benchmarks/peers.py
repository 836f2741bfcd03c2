"""Services to be measured beside ours, each as somebody would write it in an afternoon.

    python -m tests.benchmarks.peers naive <bundle> <folder> <port>

naive     FastAPI with a plain function, pydantic, histories in dicts, a DataFrame per request,
          the same trees by `Booster.predict` on one thread (which is quicker than
          scikit-learn's wrapper around it), and a commit to SQLite with synchronous=FULL before
          the answer, each thread by a connection of its own, as `sqlite3` has it unless told
          otherwise; no rules of law, no draw, no chain, and its histories know nothing
queued    the same, with one connection that the threads take in turns
bare      validation of types by msgspec behind uvicorn without any framework, and a fixed
          answer: no decision can be given in less
checked   the same with all that a declaration is checked for here before it is decided on
unlogged  ours, whole, with a log that keeps nothing
"""

import asyncio
import json
import math
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock, local
from typing import Any

import msgspec
import uvicorn
from pydantic import BaseModel, create_model

from models.lane_model import KNOWLEDGE
from models.trees import TREES
from selectivity.declaration import MAX_ITEMS, Declaration, GoodsItem
from selectivity.histories.aggregates import PROFILES
from selectivity.lanes import Lane
from selectivity.record import DecisionRecord
from serving.http.bodies import declaration_from
from serving.log.decision_log import DecisionLog
from serving.log.keep import Kept
from serving.log.under_names import Lineages
from tests.services import settings_in


def _open(model: type[BaseModel], **kinds: Any) -> type[BaseModel]:
    """The same fields, but that others may stand beside them and that "1" is a number, too."""
    fields: dict[str, Any] = {
        name: (
            kinds.get(name, field.annotation),
            ... if field.is_required() else field.default,
        )
        for name, field in model.model_fields.items()
    }
    return create_model(f"Open{model.__name__}", **fields)


OpenItem = _open(GoodsItem)
OpenDeclaration = _open(
    Declaration,
    items=list[OpenItem],  # type: ignore[valid-type]
    accepted_at=datetime,
    lodged_at=datetime | None,
    documents=list[dict[str, str | None]] | None,
)


class OneForEach:
    """A connection to the log for each thread."""

    def __init__(self, file: Path) -> None:
        self._file, self._own = file, local()

    @contextmanager
    def __call__(self) -> Iterator[sqlite3.Connection]:
        """To be committed when left."""
        if not hasattr(self._own, "log"):
            self._own.log = sqlite3.connect(self._file)
            self._own.log.execute("PRAGMA synchronous = FULL")
        with self._own.log as log:
            yield log


class OneForAll:
    """One connection to the log that threads wait for."""

    def __init__(self, file: Path) -> None:
        self._log, self._lock = sqlite3.connect(file, check_same_thread=False), Lock()
        self._log.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def __call__(self) -> Iterator[sqlite3.Connection]:
        """To be committed when left."""
        with self._lock, self._log as log:
            yield log


def naive(
    bundle: Path, folder: Path, connections: type[OneForEach | OneForAll] = OneForEach
) -> Any:
    """What most begin with."""
    import lightgbm as lgb
    import pandas as pd
    from fastapi import FastAPI

    boosters = [lgb.Booster(model_file=bundle / name) for name in TREES]
    codes = json.loads((bundle / KNOWLEDGE).read_text())["codes"]
    known: dict[str, dict[Any, dict[str, float]]] = {each.name: {} for each in PROFILES}
    connected = connections(folder / "naive.sqlite")
    with connected() as log:
        log.execute("PRAGMA journal_mode = WAL")
        log.execute("CREATE TABLE decisions (id TEXT PRIMARY KEY, record TEXT)")
    columns, app = boosters[0].feature_name(), FastAPI()

    def features_of(facts: dict[str, Any]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        for name in columns:
            value = facts.get(name)
            row[name] = codes[name].get(value) if name in codes else value
        for profile in PROFILES:
            key = tuple(facts.get(part) for part in profile.keys)
            row.update(known[profile.name].get(key, {}))
        if facts["customs_value"] and facts["net_mass_kg"]:
            row["unit_value_log"] = math.log(facts["customs_value"] / facts["net_mass_kg"])
        return row

    @app.get("/health/live")
    def live() -> str:
        return "alive"

    @app.post("/v1/lanes")
    def score(declaration: OpenDeclaration) -> dict[str, Any]:  # type: ignore[valid-type]
        lodged = declaration.model_dump(mode="json")  # type: ignore[attr-defined]
        rows = [features_of(lodged | item) for item in lodged["items"]]
        frame = pd.DataFrame(rows, columns=columns).astype(float)
        finding, physical, _ = (each.predict(frame, num_threads=1) for each in boosters)
        risk, worst = float(finding.max()), float((finding * physical).max())
        answer = {"declaration_id": lodged["declaration_id"], "risk": risk}
        answer["lane"] = "RED" if worst > 0.3 else "YELLOW" if risk > 0.2 else "GREEN"
        record = json.dumps(lodged | answer)
        with connected() as log:
            log.execute("INSERT INTO decisions VALUES (?, ?)", (answer["declaration_id"], record))
        return answer

    return app


def _as_struct(model: type[BaseModel]) -> Any:
    """The same fields for msgspec."""
    fields: list[Any] = []
    for name, field in model.model_fields.items():
        kind = list[_as_struct(OpenItem)] if name == "items" else field.annotation  # type: ignore[misc]
        fields.append((name, kind) if field.is_required() else (name, kind, field.default))
    return msgspec.defstruct(model.__name__, fields, kw_only=True)


def bare(bundle: Path, folder: Path) -> Any:
    """As little as a service can do."""
    return _with_a_fixed_answer(msgspec.json.Decoder(_as_struct(OpenDeclaration)).decode)


def checked(bundle: Path, folder: Path) -> Any:
    """As little as one can do that refuses what this one refuses."""
    return _with_a_fixed_answer(partial(declaration_from, items_limit=MAX_ITEMS))


def _with_a_fixed_answer(read: Callable[[bytes], Any]) -> Any:
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
    """Finds nothing and keeps nothing, and says at once that it did: the histories learn it."""

    kept = 0

    def find(self, declaration_id: str, version_no: int | None = None) -> None:
        return None

    def strictest_lane(self, *names: str, lineages: Lineages | None = None) -> Lane | None:
        return None

    def lineages(self, names: Sequence[str]) -> Lineages:
        return Lineages([])

    def append(self, record: DecisionRecord, *, in_step: bool = False) -> "asyncio.Future[Kept]":
        record.model_dump_json()  # what there is to keep
        kept: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self.kept += 1
        kept.set_result(Kept(record, new=True, no=self.kept))
        return kept


def unlogged(bundle: Path, folder: Path, port: int) -> uvicorn.Server:
    """Ours, but that nothing is kept."""
    from serving.callers.key_ring import KeyRing
    from serving.deciding.draw_key import read_or_create_draw_key
    from serving.deciding.parts import Parts
    from serving.meters import Meters
    from serving.start import predictor_for, server_for

    settings = settings_in(folder, port=port, bundle=bundle)
    predictor = predictor_for(settings, read_or_create_draw_key(settings.draw_key_file))
    log = ForgetfulLog(settings.log_file)
    return server_for(Parts(predictor, log, Meters(), settings, KeyRing(settings.keys_file)))


PEERS = {
    "naive": naive,
    "queued": partial(naive, connections=OneForAll),
    "bare": bare,
    "checked": checked,
}


def main(kind: str, bundle: Path, folder: Path, port: int) -> None:
    """Serve one of them until told to stop."""
    from serving.memory import search_less_for_garbage

    if kind == "unlogged":
        server = unlogged(bundle, folder, port)
    else:
        app = PEERS[kind](bundle, folder)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", access_log=False))
    server.config.port = port
    if kind not in ("naive", "queued"):
        search_less_for_garbage()
    server.run()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
