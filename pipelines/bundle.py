"""Put everything that decides into one directory and seal it.

Reads   models/artifacts/train/*.txt                   the trees
        models/artifacts/calibrate/…                   calibration.json, prices.json
        models/artifacts/scorecard/scorecard.json      points table
        data/features/…                                knowledge.json, profiles.npz
        data/interim/…                                 periods.json, ingest.json: its origin
        data/reference/rules/*.yaml, params.yaml       rules and policy
Writes  models/artifacts/bundle/                       the bundle, with manifest.json
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from models.bundle import POLICY, PRICES, PROFILES_FILE, RULES, SCORECARD, load, seal
from models.lane_model import CALIBRATION, KNOWLEDGE
from models.rules_files import read_rules
from models.trees import DUTY, TREES
from pipelines.stage.command import command, say
from pipelines.stage.files import copy_file, read_json, write_text
from pipelines.stage.options import (
    BundleFolder,
    CalibratedFolder,
    FeaturesFolder,
    IngestedFigures,
    ParamsFile,
    PeriodsFile,
    ScorecardFolder,
    TreesFolder,
)
from pipelines.stage.params import check_watched, section
from selectivity.deciding.policy import Policy
from selectivity.errors import BundleError, ParamsError, RulesError
from selectivity.lanes import Lane
from selectivity.reasons.wording import WORDS
from selectivity.rules.rule_set import RuleSet

RULES_FOLDER = Path("data/reference/rules")


class BundleParams(BaseModel):
    """Section `bundle` of params.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Path, ...] = Field(min_length=1, description="Rule files, used together.")

    def read_rules(self) -> RuleSet:
        """The rules of all files.

        Raises:
            ParamsError: a file lies where DVC would not see it change.
            RulesError: a file cannot be used.
        """
        for file in self.rules:
            check_watched(file, RULES_FOLDER, "bundle.rules")
        return read_rules(self.rules)


def checked(policy: Policy) -> Policy:
    """The policy, if it makes sense as a whole.

    Raises:
        ParamsError: some of its values contradict each other, or would release unseen.
    """
    shares = f"{policy.yellow.share} and red.share {policy.red.share}"
    worthless = not any(policy.value.finding.model_dump().values()) and not policy.value.duty
    for is_wrong, key, what, remedy in (
        (not policy.id.strip(), "id", "is empty", "Name the policy: every decision does."),
        (
            policy.yellow.share + policy.red.share > 1,
            "yellow.share",
            f"{shares} are more than all declarations",
            "Lower one of them.",
        ),
        (
            policy.random.yellow > policy.yellow.share or policy.random.red > policy.red.share,
            "random",
            f"takes more than can be checked, yellow.share {shares}",
            "Lower it.",
        ),
        (worthless, "value", "makes every finding worth nothing", "Give it a worth."),
        (
            policy.without_model is Lane.GREEN,
            "without_model",
            "GREEN releases what nobody looked at",
            "Write YELLOW or RED.",
        ),
    ):
        if is_wrong:
            raise ParamsError(f"Section `policy` of the params: {key} {what}. {remedy}")
    return policy


def check_not_emptied(trees: Path) -> None:
    """An empty file of amounts is right in a bundle of before alone: training writes one always.

    Raises:
        BundleError: it was emptied, and would be read as if no amounts were known.
    """
    if (trees / DUTY).exists() and not (trees / DUTY).stat().st_size:
        raise BundleError(f"{trees / DUTY} is empty. Train them again.")


class _Histories(BaseModel):
    """What concerns a bundle of section `featurize`."""

    profiles_until: date | None = None


def check_known(until: date | None, feedback_upto: Mapping[str, Any]) -> None:
    """See that the bundle's histories hold the feedback that it says they hold.

    Raises:
        ParamsError: they leave out what came from some day on; a service would never learn it.
    """
    if until is not None and feedback_upto:
        raise ParamsError(
            f"featurize.profiles_until {until} leaves feedback of the service out of the bundle's "
            "histories, and a service that serves it would take it for known. Set it to null, or "
            "empty the folder that ingest.feedback names."
        )


def check_words(rules: RuleSet) -> None:
    """A reason that has no words would reach an officer as a bare code.

    Raises:
        RulesError: a rule gives a reason code that `selectivity/reasons/wording.py` does not know.
    """
    for rule in rules.rules:
        if rule.reason_code not in WORDS:
            raise RulesError(
                "of section `bundle`",
                rule.id,
                f"its reason code {rule.reason_code} has no words",
                "Add them in Vietnamese and English to selectivity/reasons/wording.py.",
            )


@contextmanager
def _put_in_place(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place at the end; gone if it does not come to that."""
    beside = out.with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        shutil.rmtree(out, ignore_errors=True)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def main(
    params: ParamsFile,
    trees: TreesFolder,
    calibrated: CalibratedFolder,
    scorecard: ScorecardFolder,
    features: FeaturesFolder,
    periods: PeriodsFile,
    ingested: IngestedFigures,
    out: BundleFolder,
) -> None:
    """Put everything that decides into one directory and seal it."""
    rules = section(params, "bundle", BundleParams).read_rules()
    policy = checked(section(params, "policy", Policy))
    check_words(rules)
    origin = read_json(ingested)
    upto = origin.pop("feedback_upto", {})
    check_known(section(params, "featurize", _Histories).profiles_until, upto)
    trained_on = {"periods": read_json(periods), "ingested": origin, "feedback_upto": upto}
    check_not_emptied(trees)
    with _put_in_place(out) as beside:
        for name, folder in (
            *((name, trees) for name in TREES),
            (CALIBRATION, calibrated),
            (PRICES, calibrated),
            (SCORECARD, scorecard),
            (KNOWLEDGE, features),
            (PROFILES_FILE, features),
        ):
            if name.endswith(".json"):
                read_json(folder / name)  # one that is damaged is told here, with its path
            copy_file(folder / name, beside / name)
        told = json.dumps(rules.content(), indent=1, ensure_ascii=False) + "\n"
        write_text(beside / RULES, told)
        write_text(beside / POLICY, policy.model_dump_json(indent=1) + "\n")
        digest = seal(beside, trained_on)
        load(beside)  # a bundle that cannot be read must not leave this stage
    say(f"bundle: {digest[:16]} with {len(rules.rules)} rules, policy {policy.id!r}")


if __name__ == "__main__":
    command(main)
