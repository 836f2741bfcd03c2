"""Every number stands in params.yaml; a default in the code says the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from pipelines.evaluate import EvaluateParams
from pipelines.featurize import FeaturizeParams
from pipelines.ingest import IngestParams
from pipelines.judging.takeover import GateParams
from pipelines.label import LabelParams
from pipelines.prepare import PrepareParams
from pipelines.searching.space import SearchParams
from pipelines.simulate import SimulateParams
from pipelines.stage.params import OF_COMMANDS, OF_STAGES, of_stages, section
from pipelines.train import TrainParams
from pipelines.training.points import ScorecardParams
from selectivity.deciding.policy import Policy
from selectivity.errors import ParamsError
from selectivity.lanes import Lane

PARAMS = Path(__file__).parents[2] / "params.yaml"
SECTIONS: dict[str, type[BaseModel]] = {
    "evaluate": EvaluateParams,
    "featurize": FeaturizeParams,
    "gate": GateParams,
    "ingest": IngestParams,
    "label": LabelParams,
    "policy": Policy,
    "prepare": PrepareParams,
    "scorecard": ScorecardParams,
    "search": SearchParams,
    "simulate": SimulateParams,
    "train": TrainParams,
}
SET_HERE = {"id", "source", "path", "feedback", "changes", "missing_share"}
"""Values that belong to params.yaml alone: what this project runs on by default."""


@pytest.mark.parametrize("name", SECTIONS)
def test_a_default_in_the_code_is_the_one_of_params_yaml(name: str) -> None:
    chosen = section(PARAMS, name, SECTIONS[name])
    for field, info in SECTIONS[name].model_fields.items():
        if field not in SET_HERE and not info.is_required():
            assert getattr(chosen, field) == info.get_default(call_default_factory=True), field


def _with(*steps: str, value: Any) -> dict[str, Any]:
    """The policy of params.yaml with one number changed."""
    policy = section(PARAMS, "policy", Policy).model_dump(mode="json")
    policy["offices"] = {"OFF01": {"yellow": 40, "red": 10}}
    inner = policy
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = value
    return policy


@pytest.mark.parametrize("value", [5e-324, 1e308])
@pytest.mark.parametrize("lane", ["yellow", "red"])
def test_a_normal_day_is_a_number_that_a_limit_can_be_made_of(lane: str, value: float) -> None:
    with pytest.raises(ValidationError, match=f"offices.OFF01.{lane}"):
        Policy.model_validate(_with("offices", "OFF01", lane, value=value))


@pytest.mark.parametrize(
    "steps",
    [
        ("red", "detects", "physical"),
        ("red", "cost"),
        ("red", "hold_up"),
        ("value", "finding", "physical"),
        ("value", "duty"),
    ],
)
def test_no_worth_is_so_high_that_a_benefit_is_no_number(steps: tuple[str, ...]) -> None:
    Policy.model_validate(_with(*steps, value=1.0))
    with pytest.raises(ValidationError):
        Policy.model_validate(_with(*steps, value=1e308))


@pytest.mark.parametrize("value", [".inf", ".nan", "1e308"])
@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("scorecard", "penalty"),
        ("scorecard", "prior_controls"),
        ("label", "highest_weight"),
        ("train", "lambda_l2"),
    ],
)
def test_a_number_that_nothing_can_be_made_of_is_refused_with_its_field_and_a_remedy(
    tmp_path: Path, name: str, field: str, value: str
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"{name}:\n  {field}: {value}\n")
    with pytest.raises(ParamsError) as refused:
        section(file, name, SECTIONS[name])
    assert f"{name}.{field}" in str(refused.value)
    assert str(float(value.lstrip("."))) in str(refused.value)
    assert "Correct" in str(refused.value)


def numbers_of(content: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Where the numbers stand."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from numbers_of(value, *path, key)
    elif isinstance(content, int | float):
        yield path


POLICY = section(PARAMS, "policy", Policy).model_dump(mode="json")
POLICY["offices"] = {"OFF01": {"yellow": 40, "red": 10}}


@pytest.mark.parametrize("steps", list(numbers_of(POLICY)), ids=".".join)
@pytest.mark.parametrize("value", ["3", "0.5", True, False])
def test_a_text_or_a_yes_is_no_number_of_the_policy(
    tmp_path: Path, steps: tuple[str, ...], value: Any
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump({"policy": _with(*steps, value=value)}))
    with pytest.raises(ParamsError) as refused:
        section(file, "policy", Policy)
    assert f"key policy.{'.'.join(steps)}: Input should be a valid number" in str(refused.value)
    assert f"(there is {value!r}). Correct the value." in str(refused.value)


@pytest.mark.parametrize("value", ["1e-05", "1E-5", "0.00001", "1.e-5", "+1e-05"])
def test_a_small_number_is_one_however_it_is_written(tmp_path: Path, value: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"train:\n  lambda_l2: {value}\n")
    assert section(file, "train", TrainParams).lambda_l2 == pytest.approx(1e-5)


def test_what_a_control_detects_is_a_chance() -> None:
    with pytest.raises(ValidationError, match="a chance is between 0 and 1"):
        Policy.model_validate(_with("yellow", "detects", "documentary", value=1.1))


@pytest.mark.parametrize(
    ("name", "key"),
    [("train", "stop_gap_days"), ("prepare", "warm_up_days"), ("prepare", "label_delay_days")],
)
def test_days_are_so_few_that_a_calendar_holds_them(tmp_path: Path, name: str, key: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"{name}: {{{key}: 1{'0' * 30}}}\n", encoding="utf-8")
    with pytest.raises(ParamsError, match=rf"key {name}.{key}: .*Correct the value"):
        section(file, name, SECTIONS[name])


@pytest.mark.parametrize("name", ["train", "featurize"])
def test_threads_are_so_few_that_a_machine_can_begin_them(tmp_path: Path, name: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"{name}: {{threads: 100000}}\n", encoding="utf-8")
    with pytest.raises(ParamsError, match=rf"key {name}.threads: .*Correct the value"):
        section(file, name, SECTIONS[name])


@pytest.mark.parametrize("key", ["012", "true", "1e3", "2026-03-01", "null", "1.5"])
def test_a_key_that_is_no_text_is_refused_and_not_taken_for_another(
    tmp_path: Path, key: str
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(f"policy:\n  offices:\n    {key}: {{yellow: 40, red: 10}}\n")
    with pytest.raises(ParamsError, match=r"put it in quotes"):
        section(params, "policy", Policy)
    params.write_text(f"policy:\n  offices:\n    '{key}': {{yellow: 40, red: 10}}\n")
    assert list(section(params, "policy", Policy).offices) == [key]


def test_a_misspelt_section_is_told_by_whoever_reads_another_first(tmp_path: Path) -> None:
    text = PARAMS.read_text(encoding="utf-8")
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("\ntrain:\n", "\ntrian:\n"), encoding="utf-8")
    said = r"section 'trian' is not known \(did you mean 'train'\?\)\. Correct it"
    with pytest.raises(ParamsError, match=said):
        section(file, "simulate", SimulateParams)
    with pytest.raises(ParamsError, match=said):
        of_stages(file)
    file.write_text(f"{text}\ntraining: {{seed: 1}}\n", encoding="utf-8")  # beside the right one
    assert section(file, "simulate", SimulateParams)


@pytest.mark.parametrize(
    "text",
    [
        "train: &it {seed: *it}",
        "train: &it [*it]",
        f"train: {'[' * 3_000}{']' * 3_000}",
        f"train: {{seed: {'9' * 5_000}}}",
    ],
)
def test_what_nobody_could_write_down_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"is not YAML.*Correct the file"):
        section(file, "train", TrainParams)
    with pytest.raises(ParamsError, match="Correct the file"):
        of_stages(file)


@pytest.mark.parametrize("seed", ["-1", "99999999999"])
def test_a_seed_is_one_that_every_draw_can_begin_with(tmp_path: Path, seed: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(f"train: {{seed: {seed}}}\nsearch: {{seed: {seed}, space: {{bags: [1]}}}}\n")
    for name, model in (("train", TrainParams), ("search", SearchParams)):
        with pytest.raises(ParamsError, match=rf"{name}\.seed"):
            section(file, name, model)


def test_every_section_of_params_yaml_is_known_by_name() -> None:
    assert sorted(yaml.safe_load(PARAMS.read_bytes())) == sorted((*OF_STAGES, *OF_COMMANDS))
    assert set(of_stages(PARAMS)) == set(OF_STAGES)


def test_what_sections_share_may_be_written_once(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("shared: &shared {id: mine}\npolicy:\n  <<: *shared\n  unknown_code: RED\n")
    policy = section(file, "policy", Policy)
    assert (policy.id, policy.unknown_code) == ("mine", Lane.RED)
