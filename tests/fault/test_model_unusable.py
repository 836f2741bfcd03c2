"""Without a usable model there is still a lane; it says why, and is never a silent green."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models.bundle import FILES, MANIFEST, RULING, Bundle, load, verify
from models.pointer import Pointer, write_pointer
from selectivity.deciding.decision import Source
from selectivity.lanes import Lane
from serving.deciding.predictor import Predictor
from tests.builders import NOON, a_declaration, an_item
from tests.bundles import a_bundle
from tests.command_line import lanes
from tests.services import a_process, a_service, lodged

MANY = [
    lodged(
        declaration_id=f"{number}-{level}-{code}",
        importer_compliance_level=level,
        importer_risk_level=9 if level == 5 else None,
        items=(an_item(hs_code=code),),
    )
    for number in range(5)
    for level in (1, 3, 5, None)
    for code in ("610910", "870323")
]


def answers_without(
    client: httpx.Client, cause: str, source: str = "fallback"
) -> list[dict[str, Any]]:
    """Lanes of many declarations, after a look that every one says why it has no model."""
    answers = [client.post("/v1/lanes", json=declared).json() for declared in MANY]
    assert {answer["source"] for answer in answers} == {source}
    assert {answer["fallback_cause"] for answer in answers} == {cause}
    assert all(answer["degraded"] for answer in answers)
    return answers


def test_without_a_bundle_fallback_rules_decide_and_say_so(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        given = [answer["lane"] for answer in answers_without(client, "NO_MODEL")]
        assert client.get("/health/ready").json()["serving"] == "fallback"
    assert set(given) == {"GREEN", "YELLOW", "RED"}
    assert given.count("RED") < len(given) / 2


def test_a_start_without_the_model_in_force_warns_with_cause_and_detail(
    tmp_path: Path, bundle: Path
) -> None:
    for folder, named, told in (
        ("without", tmp_path / "nowhere", [("NO_MODEL", "Correct LANES_BUNDLE")]),
        ("with", bundle, []),
    ):
        (tmp_path / folder).mkdir()
        with a_process(tmp_path / folder, bundle=named):
            lines = (tmp_path / folder / "service.log").read_text().splitlines()
        warned = [line for line in map(json.loads, lines) if line["level"] == "WARNING"]
        assert [each["cause"] for each in warned] == [cause for cause, _ in told]
        for each, (_, detail) in zip(warned, told, strict=True):
            assert detail in each["detail"]
            assert str(named) in each["detail"]


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_one_changed_byte_refuses_the_bundle(tmp_path: Path, bundle: Path, name: str) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle, damaged)
    content = bytearray((damaged / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged / name).write_bytes(content)
    _publish(damaged, tmp_path / "published", verify(bundle)[0])

    with a_service(tmp_path) as client:
        answers_without(client, "BUNDLE_REFUSED", what_is_left(name))
        assert client.get("/health/ready").json()["cause"] == "BUNDLE_REFUSED"


def what_is_left(damaged: str) -> str:
    """Rules, policy and points are used without the model, if they are whole themselves."""
    return "fallback" if damaged in (*RULING, MANIFEST) else "scorecard"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_refuses_the_bundle(tmp_path: Path, bundle: Path, name: str) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(bundle, damaged)
    (damaged / name).unlink()
    with a_service(tmp_path, bundle=damaged) as client:
        answers_without(client, "BUNDLE_REFUSED", what_is_left(name))


def _publish(bundle: Path, published: Path, digest: str) -> None:
    pointer = Pointer.to(digest, version=1, by="a risk manager", at=NOON)
    shutil.copytree(bundle, published / pointer.bundle)
    write_pointer(published, pointer)


def test_the_published_bundle_is_served(tmp_path: Path, bundle: Path) -> None:
    digest, _ = verify(bundle)
    _publish(bundle, tmp_path / "published", digest)
    with a_service(tmp_path) as client:
        answer = client.post("/v1/lanes", json=lodged()).json()
    assert (answer["source"], answer["bundle"]) == ("model", digest[:16])


def test_a_whole_bundle_that_was_not_published_is_refused(tmp_path: Path, bundle: Path) -> None:
    other = a_bundle(tmp_path / "other", seed=1)
    _publish(bundle, tmp_path / "published", other)
    with a_service(tmp_path) as client:
        answers_without(client, "BUNDLE_REFUSED")


@pytest.mark.parametrize("upto", [None, 3, {"decision_seq": -1}, {"log": "x"}])
def test_a_bundle_that_does_not_say_how_far_it_knows_the_log_is_refused(
    tmp_path: Path, upto: Any
) -> None:
    a_bundle(tmp_path / "bundle", trained_on={"feedback_upto": upto})
    with a_service(tmp_path, bundle=tmp_path / "bundle") as client:
        ready = client.get("/health/ready").json()
    assert ready["cause"] == "BUNDLE_REFUSED"
    assert "trained_on.feedback_upto" in ready["detail"]


@pytest.mark.parametrize("pointer", ["", "{}", '{"bundle": "../x"}'])
def test_a_damaged_pointer_refuses_the_bundle(tmp_path: Path, pointer: str) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / "published/current.json").write_text(pointer)
    with a_service(tmp_path) as client:
        answers_without(client, "BUNDLE_REFUSED")


def test_rules_that_could_not_decide_alone_are_told_before_they_have_to(
    tmp_path: Path, bundle: Path
) -> None:
    nowhere = tmp_path / "none.yaml"
    told = lanes(tmp_path, "check", LANES_BUNDLE=str(bundle), LANES_RULES=str(nowhere))
    assert "rules        none to fall back on if no bundle can be used" in told.stdout
    assert f"LANES_RULES: no file matches {nowhere}." in told.stderr
    assert "would serve  the model" in told.stdout
    with a_process(tmp_path, bundle=bundle, rules=nowhere):
        lines = (tmp_path / "service.log").read_text().splitlines()
    (warned,) = (line for line in map(json.loads, lines) if line["level"] == "WARNING")
    assert warned["event"] == "no rules to fall back on"
    assert warned["cause"] in told.stderr


@pytest.mark.parametrize(("pointer", "cause"), [(None, "NO_MODEL"), ("{", "BUNDLE_REFUSED")])
def test_without_a_pointer_whole_bundles_are_named_and_none_is_chosen(
    tmp_path: Path, bundle: Path, pointer: str | None, cause: str
) -> None:
    published = tmp_path / "published"
    digest, _ = verify(bundle)
    _publish(bundle, published, digest)
    shutil.copytree(bundle, published / ("0" * 16))  # under the name of another
    current = published / "current.json"
    current.unlink()
    if pointer is not None:
        current.write_text(pointer)
    with a_service(tmp_path) as client:
        answers_without(client, cause)
        told = client.get("/health/ready").json()["detail"]
    assert f"Whole bundles lie there, the last one published last: {digest[:16]}. Bring" in told
    assert f"`python -m pipelines.publish --bundle {published / digest[:16]} --published" in told


class _BrokenModel:
    """Fails, or gives what is no probability."""

    def __init__(self, bundle: Bundle, output: float | None) -> None:
        self.knowledge, self._model, self._output = bundle.model.knowledge, bundle.model, output

    def features_of_rows(self, *arguments: Any) -> Any:
        return self._model.features_of_rows(*arguments)

    def assess(self, *arguments: Any) -> Any:
        if self._output is None:
            raise RuntimeError("the model failed")
        (risk,) = self._model.assess(*arguments)
        return [risk._replace(probabilities=[[self._output] * 3 for _ in risk.probabilities])]


@pytest.mark.parametrize(
    ("output", "cause"),
    [(None, "MODEL_ERROR"), (np.nan, "MODEL_OUTPUT"), (-1.0, "MODEL_OUTPUT"), (7, "MODEL_OUTPUT")],
)
@pytest.mark.parametrize("level", [None, 5])
def test_a_failing_model_never_makes_a_lane_green(
    bundle: Path, output: float | None, cause: str, level: int | None
) -> None:
    whole = load(bundle)
    broken: Any = _BrokenModel(whole, output)
    predictor = Predictor.of_bundle(dataclasses.replace(whole, model=broken), draw_key=b"k" * 32)
    declaration = a_declaration(importer_compliance_level=level)
    record = predictor.decide(declaration, earlier_lane=None, now=NOON)

    assert record.decision.fallback_cause == cause
    assert record.decision.source is Source.SCORECARD
    assert record.decision.lane is Lane.YELLOW
    assert record.scores == ()
    assert type(record).model_validate_json(record.model_dump_json()) == record
