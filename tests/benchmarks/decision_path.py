"""What each step between a declaration's JSON and its answer costs, in microseconds of CPU.

    python -m tests.benchmarks.decision_path --bundle models/artifacts/bundle

Nothing is sent or written: the steps are those of `serving.deciding.assign`, one after the other,
with live profiles. Where there is another way to do the same, both are timed in turns on the same
input, and the ratio is given. Each figure is the median of the rounds.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from models.bundle import Bundle, load
from selectivity.columns import to_columns
from selectivity.deciding.modes import Mode
from selectivity.deciding.policy import decide
from selectivity.declaration import Declaration
from selectivity.histories.rows import arrays_of, rows_of
from selectivity.rules.rule_set import RuleSet
from serving.answers.lanes import lane_answer
from serving.deciding.gathering import TOGETHER
from serving.deciding.predictor import Predictor
from serving.http.bodies import declaration_from
from serving.memory import search_less_for_garbage
from tests.benchmarks.sides import SAMPLES
from tests.bundles import a_bundle

KEY = b"benchmark"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
MANY_RULES = 500


class Step(NamedTuple):
    """Something that is done to each of many inputs."""

    name: str
    run: Callable[[Any], object]
    inputs: Sequence[Any]
    declarations: float = 1
    """How many declarations one input stands for."""


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle; a tiny one if left out.")] = None,
    declarations: Annotated[
        Path, typer.Option(help="NDJSON, one declaration a line; else the samples.")
    ] = SAMPLES,
    rounds: Annotated[int, typer.Option(min=1, max=50)] = 7,
) -> None:
    """Time every step of a decision."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = _load(bundle, Path(folder))
    bodies = [line for line in declarations.read_bytes().splitlines() if line][:500]
    lodged = [declaration_from(body, 2_000) for body in bodies]
    items = sum(len(each.items) for each in lodged) / len(lodged)
    print(f"{len(lodged)} declarations, {items:.1f} goods items each, {rounds} rounds\n")
    print(f"{'step':34}{'µs each':>10}")
    steps = list(_steps(bodies, lodged, loaded))
    search_less_for_garbage()  # as `lanes serve` does
    for step, cost in _timed(steps, rounds):
        print(f"{step.name:34}{cost:10.1f}")
    print(f"\n{'this':26}{'µs':>8}   {'beside':26}{'µs':>8}{'ratio':>8}")
    for ours, other in _choices(lodged, loaded):
        (_, one), (_, two) = _timed([ours, other], rounds)
        print(f"{ours.name:26}{one:8.1f}   {other.name:26}{two:8.1f}{one / two:8.2f}")


def _load(bundle: Path | None, folder: Path) -> Bundle:
    if bundle is None:
        bundle = folder / "bundle"
        a_bundle(bundle)
    return load(bundle)


def _timed(steps: Sequence[Step], rounds: int) -> Iterator[tuple[Step, float]]:
    costs: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, found in zip(steps, costs, strict=True):
            begun = time.process_time()
            for each in step.inputs:
                step.run(each)
            spent = time.process_time() - begun
            found.append(spent / len(step.inputs) / step.declarations * 1e6)
    for step, found in zip(steps, costs, strict=True):
        yield step, statistics.median(found)


def _steps(
    bodies: Sequence[bytes], lodged: Sequence[Declaration], bundle: Bundle
) -> Iterator[Step]:
    predictor = Predictor.of_bundle(bundle, draw_key=KEY)
    model, values = bundle.model, bundle.profiles.values
    rows = [rows_of(each) for each in lodged]
    known = [(arrays_of(each), [values(row) for row in each]) for each in rows]
    told = [(arrays, model.features_of_rows(arrays, v)) for arrays, v in known]
    risks = [
        (each, model.assess(*given, starts=[0])[0])
        for each, given in zip(lodged, told, strict=True)
    ]
    one = partial(predictor.decide, earlier_lane=None, now=NOW)
    records = [one(each) for each in lodged]

    def whole(body: bytes) -> str:
        return one(declaration_from(body, 2_000)).as_kept()

    yield Step("validate", lambda body: declaration_from(body, 2_000), bodies)
    yield Step("rows", rows_of, lodged)
    yield Step("read profiles", lambda each: [values(row) for row in each], rows)
    yield Step("features", lambda each: model.features_of_rows(*each), known)
    yield Step("predict, calibrate", lambda each: model.probabilities(each[1]), told)
    yield Step("assess (predict included)", lambda each: model.assess(each[0], each[1], [0]), told)
    yield Step("decide", lambda each: _decide(each, bundle), risks)
    yield Step("snapshot digest", lambda each: each.snapshot_sha256(), lodged)
    yield Step("rows to record, together", one, lodged)
    yield Step("record as JSON", lambda each: each.as_kept(), records)
    yield Step("validate to record as JSON", whole, bodies)
    yield Step("answer as JSON", lambda each: _answer(each, predictor), records)
    yield Step("fold into profiles", predictor.observe, rows)


def _decide(given: Any, bundle: Bundle) -> object:
    declaration, risk = given
    return decide(
        declaration,
        risk=risk,
        rules=bundle.rules,
        policy=bundle.policy,
        prices=bundle.prices,
        draw_key=KEY,
        facts_known=bundle.model.knowledge.facts,
    )


def _answer(record: Any, predictor: Predictor) -> bytes:
    return lane_answer(record, predictor.rules, "vi")


def _choices(lodged: Sequence[Declaration], bundle: Bundle) -> Iterator[tuple[Step, Step]]:
    model = bundle.model
    matrices = [_matrix(each, bundle) for each in lodged]
    rows = [matrix[at : at + 1] for matrix in matrices for at in range(len(matrix))]
    yield from _predictions("declaration", matrices, model)
    yield from _predictions("goods item", rows, model)
    assess = partial(Predictor.of_bundle(bundle, draw_key=KEY).assess, mode=Mode.NORMAL)
    groups = [lodged[at : at + TOGETHER] for at in range(0, len(lodged), TOGETHER)]
    each = len(lodged) / len(groups)
    yield (
        Step(f"assess {TOGETHER} together", assess, groups, each),
        Step("one by one", lambda group: [assess([one]) for one in group], groups, each),
    )
    rules = _many_rules()
    yield (
        Step(f"{MANY_RULES} rules by index", rules.hits, lodged),
        Step("each rule in turn", lambda each: [r.item_hit(each) for r in rules.rules], lodged),
    )


def _matrix(declaration: Declaration, bundle: Bundle) -> Any:
    columns = to_columns([declaration])
    return bundle.model.features(columns, bundle.profiles.read(columns))


def _predictions(what: str, inputs: Sequence[Any], model: Any) -> Iterator[tuple[Step, Step]]:
    plain = partial(_long_way, model.trees)
    yield (
        Step(f"raw chances, one {what}", model.trees.chances, inputs),
        Step("Booster", plain, inputs),
    )


def _long_way(trees: Any, matrix: Any) -> Any:
    return [each.predict(matrix, num_threads=1) for each in (trees.finding, trees.physical)]


def _many_rules() -> RuleSet:
    """Rules like those of a risk unit: a heading, an origin, an importer, some with more."""
    chance = np.random.default_rng(0)
    rows = []
    for number in range(MANY_RULES):
        when: dict[str, Any] = {"hs_prefix": [f"{chance.integers(100, 9_800):04d}"]}
        if number % 3 == 0:
            when = {"importer_id": [f"SYNT{chance.integers(0, 2_000):05d}"]}
        elif number % 5 == 0:
            when |= {"country_of_origin": ["CN", "VN"], "customs_value_from": 1_000}
        rows.append((json.dumps(when), _a_rule(number, when)))
    return RuleSet.build(rows)


def _a_rule(number: int, when: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"R-{number % 1_000:03d}",
        "layer": "selectivity",
        "reason_code": "INTELLIGENCE",
        "lane": "YELLOW",
        "legal_basis": ["for measuring"],
        "valid_from": "2020-01-01",
        "owner": "risk-unit",
        "approver": "legal-unit",
        "when": when,
        "cases": [{"declared": {"items": [{"hs_code": "00000000"}]}, "hits": False}],
    }


if __name__ == "__main__":
    typer.run(main)
