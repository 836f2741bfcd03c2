"""Write the model card: what the bundle is, looks at, does and does not, all of it from facts.

Reads   params.yaml                 the params that made it
        models/artifacts/bundle/    manifest, features, trees, policy and rules
        data/reports/evaluation/    metrics.json, decisions.parquet, plots/
        data/reports/backtest/      backtest.json
        data/interim/…              ingest.json, prepare.json, periods.json, items, outcomes
        data/features/              features.parquet, for the risk per group
        dvc.lock                    how it names the bundle
        pipelines/templates/        the page, and its words in each language
Writes  data/reports/model_card.html    both languages in it, needs no network
        data/reports/model_card.md      the same for who reads it beside code
"""

from importlib.metadata import version
from pathlib import Path

import pandas as pd
import yaml

from models.bundle import verify
from models.feature_list import FEATURE_LIST
from models.lane_model import LaneModel
from models.trees import Trees
from pipelines.report import read_evidence
from pipelines.reporting.card import CardFacts, again, features, headline, impact, limits, purpose
from pipelines.reporting.evidence import Evidence
from pipelines.reporting.groups import goods_of, groups, with_groups
from pipelines.reporting.lanes import lanes
from pipelines.reporting.markdown import markdown
from pipelines.reporting.page import page, read_words
from pipelines.reporting.quality import quality
from pipelines.reporting.scores import calibration, views
from pipelines.reporting.sections import Section
from pipelines.reporting.sentences import Speaker, Words
from pipelines.reporting.unseen import unseen
from pipelines.stage.command import command, say
from pipelines.stage.files import read_json, write_text
from pipelines.stage.options import (
    BacktestFolder,
    BundleFolder,
    EvaluationFolder,
    FeaturesFile,
    IngestedFolder,
    LabelledFolder,
    LockFile,
    ParamsFile,
    PreparedFolder,
    ReportsFolder,
)
from pipelines.stage.params import as_text, leaves, of_stages
from selectivity.reasons.officer_words import FAMILY_WORDS
from selectivity.reasons.wording import LANGUAGES, Language

PACKAGES = ("lightgbm", "numpy", "pandas", "scikit-learn", "duckdb")
_PAGE = "model_card"


def sections(evidence: Evidence, facts: CardFacts, grouped: pd.DataFrame) -> tuple[Section, ...]:
    """All sections in the order of the card. Pure."""
    parts = (
        purpose(),
        quality(evidence),
        features(facts),
        views(evidence),
        calibration(evidence),
        lanes(evidence),
        groups(grouped),
        impact(evidence, unseen(evidence)),
        limits(evidence),
        again(evidence, facts),
    )
    return (headline(evidence, facts, parts), *parts)


def words_of(language: Language) -> Words:
    """Words of the report, and the card's own over them."""
    families = {f"family.{name}": words[language] for name, words in FAMILY_WORDS.items()}
    return {**read_words(language), **read_words(language, "card"), **families}


def read_facts(bundle: Path, params: Path, lock: Path) -> CardFacts:
    """What the bundle says of itself, and the params that made it."""
    trees = Trees.load(bundle)
    boosters = {"finding": trees.finding, "physical": trees.physical, "duty": trees.duty}
    return CardFacts(
        files=verify(bundle)[1].files,
        features=read_json(bundle / FEATURE_LIST),
        trees={name: each.num_trees() for name, each in boosters.items() if each is not None},
        packages={name: version(name) for name in PACKAGES},
        params=[(name, as_text(value)) for name, value in leaves(of_stages(params))],
        locked=_locked(lock, bundle),
    )


def _locked(lock: Path, bundle: Path) -> str:
    """The digest by which dvc.lock knows a folder; empty while it knows none."""
    stages = yaml.safe_load(lock.read_bytes())["stages"] if lock.exists() else {}
    outs = (out for stage in stages.values() for out in stage.get("outs", ()))
    return next((out["md5"] for out in outs if out["path"] == bundle.as_posix()), "")


def main(
    params: ParamsFile,
    evaluation: EvaluationFolder,
    backtest: BacktestFolder,
    prepared: PreparedFolder,
    labelled: LabelledFolder,
    ingested: IngestedFolder,
    features: FeaturesFile,
    bundle: BundleFolder,
    out: ReportsFolder,
    lock: LockFile = Path("dvc.lock"),
) -> None:
    """Write the model card."""
    evidence = read_evidence(
        evaluation=evaluation,
        backtest=backtest,
        prepared=prepared,
        labelled=labelled,
        ingested=ingested,
        bundle=bundle,
    )
    items, outcomes = prepared / "items.parquet", labelled / "outcomes.parquet"
    goods = goods_of(evidence, LaneModel.load(bundle), features, items, outcomes)
    parts = sections(evidence, read_facts(bundle, params, lock), with_groups(goods))
    words = {language: words_of(language) for language in LANGUAGES}
    write_text(out / f"{_PAGE}.html", page(parts, words))
    texts = [markdown(parts, Speaker(language, words[language])) for language in LANGUAGES]
    write_text(out / f"{_PAGE}.md", "\n---\n\n".join(texts))
    say(f"card: {out / _PAGE}.html and .md, {len(parts)} sections")


if __name__ == "__main__":
    command(main)
