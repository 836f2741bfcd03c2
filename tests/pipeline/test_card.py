"""The model card says what the bundle and its figures say, in both languages, and nothing else."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from models.bundle import verify
from models.lane_model import LaneModel
from pipelines.card import read_facts, sections, words_of
from pipelines.reporting.card import CardFacts, impact
from pipelines.reporting.groups import goods_of, groups, with_groups
from pipelines.reporting.headline import period, source_of
from pipelines.reporting.markdown import markdown
from pipelines.reporting.page import page, read_words
from pipelines.reporting.sections import Table
from pipelines.reporting.sentences import Number, Share, Speaker, say
from pipelines.reporting.unseen import unseen
from selectivity.features.matrix import FAMILIES, FEATURE_NAMES, FEATURES
from selectivity.reasons.wording import LANGUAGES
from tests.reports import PERIODS, a_decision, an_evidence, decisions_of, drawn, some_goods

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def facts(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> CardFacts:
    lock = tmp_path_factory.mktemp("locked") / "dvc.lock"
    lock.write_text(
        f"stages:\n  bundle:\n    outs:\n    - path: {bundle.as_posix()}\n      md5: abc.dir\n"
    )
    return read_facts(bundle, ROOT / "params.yaml", lock)


def a_card(facts: CardFacts) -> Any:
    return sections(an_evidence(), facts, with_groups(some_goods(risk=[0.1] * 9)))


def table_of(card: Any, section: str, caption: str) -> Table:
    (found,) = (
        block
        for each in card
        if each.name == section
        for block in each.blocks
        if isinstance(block, Table) and block.caption == say(caption)
    )
    return found


def test_both_languages_have_words_for_everything_and_the_same_facts(facts: CardFacts) -> None:
    own = {language: read_words(language, "card") for language in LANGUAGES}
    named = {
        language: {key: set(re.findall(r"{(\w+)}", text)) for key, text in words.items()}
        for language, words in own.items()
    }
    assert named["vi"] == named["en"]
    words = {language: words_of(language) for language in LANGUAGES}
    html = page(a_card(facts), words)
    assert "Who is checked, and how often rightly?" in html
    assert "Ai bị kiểm tra, và đúng bao nhiêu lần?" in html
    for language in LANGUAGES:
        text = markdown(a_card(facts), Speaker(language, words[language]))
        assert "nan" not in re.findall(r"\w+", text)
        assert facts.files["finding.txt"] in text


class Noting(dict[str, str]):
    """Words that remember which of them were asked for."""

    asked: ClassVar[set[str]] = set()

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)


def test_all_words_of_the_card_are_used(facts: CardFacts) -> None:
    goods = some_goods(
        risk=[0.5] * 80,
        known_days=[10.0, 400.0] * 40,
        found=[False, True] * 40,  # of new traders none and of the others all: rated wrongly
        origin=[None, "CN", "VN", "JP", "KR", "US", "TW", "IN", "ID", "TH"] * 8,
    )
    page(sections(an_evidence(), facts, with_groups(goods)), {"en": Noting(words_of("en"))})
    assert set(read_words("en", "card")) - Noting.asked == set()


def test_every_feature_stands_there_with_the_law_that_allows_it(facts: CardFacts) -> None:
    card = a_card(facts)
    rows = [row.cells for row in table_of(card, "features", "features.all_caption").rows]
    assert [row[0] for row in rows] == list(FEATURE_NAMES)
    assert [row[3] for row in rows] == [feature.allowed_by for feature in FEATURES]
    rising = [row[0] for row in rows if row[4] == say("features.rises")]
    assert rising == [feature.name for feature in FEATURES if feature.direction > 0]
    families = table_of(card, "features", "features.families_caption").rows
    assert [row.cells[0] for row in families] == [say(f"family.{name}") for name in FAMILIES]


def test_digests_and_params_are_those_of_the_bundle(facts: CardFacts, bundle: Path) -> None:
    assert facts.files == verify(bundle)[1].files
    assert facts.locked == "abc.dir"
    assert ("train.num_leaves", "8") in facts.params
    assert not [name for name, _ in facts.params if name.startswith("search.")]
    assert set(facts.trees) == {"finding", "physical", "duty"}


@pytest.mark.parametrize(
    ("refit", "until"), [("true", PERIODS.evaluate_from), ("false", PERIODS.train_until)]
)
def test_days_that_taught_are_those_of_the_trees_that_decide(
    facts: CardFacts, refit: str, until: date
) -> None:
    told = replace(facts, params=[("train.refit", refit)])
    rows = [row.cells for row in table_of(a_card(told), "card", "card.identity_caption").rows]
    assert (say("card.row_taught"), period(PERIODS.train_from, until)) in rows
    rehearsed = period(PERIODS.train_from, PERIODS.train_until)
    assert (say("card.row_rehearsed"), rehearsed) in rows


def test_groups_are_counted_apart_and_compared_with_their_own_findings() -> None:
    new = {"known_days": 10.0, "lane": "RED", "found": True, "risk": 0.1}
    goods = pd.concat(
        [some_goods(risk=[0.1] * 90, found=[True] * 9 + [False] * 81), some_goods(risk=[0.1] * 40)],
        ignore_index=True,
    )
    goods.loc[90:, list(new)] = list(new.values())
    goods.loc[129, "known_days"] = np.nan  # never seen before: as new as can be
    section = groups(with_groups(goods))
    known, fresh = section.blocks[0].rows  # type: ignore[union-attr]
    assert known.cells[:3] == (say("group.known"), Number(90), Share(0.0))
    assert fresh.cells[:4] == (say("group.new"), Number(40), Share(1.0), Share(1.0))
    warned = [warning.facts["group"] for warning in section.warnings]
    assert say("group.new") in warned
    assert say("group.known") not in warned
    assert section.warnings[0].facts["risk"] == Share(0.1, 2)
    assert section.warnings[0].key == "groups.underrated"
    over = groups(with_groups(some_goods(risk=[0.5] * 90, found=[True] * 9 + [False] * 81)))
    assert {warning.key for warning in over.warnings} == {"groups.overrated"}
    assert [row.cells[1] for row in section.blocks[1].rows] == [  # type: ignore[union-attr]
        Number(44),
        Number(43),
        Number(43),
    ]


@pytest.mark.parametrize(
    ("known_days", "named", "answer", "rows"),
    [
        ([10.0, 400.0, np.nan], [True] * 3, "answer", ["known", "new"]),
        ([400.0] * 3, [True] * 3, "only_known", ["known"]),
        ([10.0] * 3, [True] * 3, "only_new", ["new"]),
        ([400.0, np.nan, np.nan], [True, False, False], "only_known", ["known", "undeclared"]),
        ([np.nan] * 3, [False] * 3, "unnamed", None),
    ],
)
def test_who_is_not_named_is_no_new_trader(
    known_days: list[float], named: list[bool], answer: str, rows: list[str] | None
) -> None:
    told = with_groups(some_goods(known_days=known_days, named=named))
    section = groups(told)
    tables = {block.caption.key: block.rows for block in section.blocks}  # type: ignore[union-attr]
    asked = tables.get("groups.trader_caption")
    assert section.answers[0].key == f"groups.{answer}"
    labels = None if asked is None else [row.cells[0] for row in asked]
    assert labels == (None if rows is None else [say(f"group.{name}") for name in rows])
    assert ("groups.size_caption" in tables) == bool(rows)
    assert (say("groups.caveat_size") in section.caveats) == bool(rows)
    assert (told["size"] == "").tolist() == [not each for each in named]


def test_whom_a_wrong_lane_harms_is_counted_not_claimed() -> None:
    """Of 140 inspected in yellow and red 36 had a finding; nobody knows of the other 50."""
    evidence = an_evidence(controls=drawn(100, 4))
    section = impact(evidence, unseen(evidence))
    told = [Speaker("en", words_of("en"))(answer) for answer in section.answers]
    assert "of the 140 declarations in yellow or red whose result is known, 74.3% (66.5%" in told[0]
    assert told[1].startswith("An estimated 4.0% of the 810 declarations in the green lane")
    assert "1.0% of declarations have their documents checked by chance and 0.5%" in told[5]


def test_goods_items_of_one_declaration_are_one_witness_against_a_group() -> None:
    """Nine of ninety have a finding: each on its own, or all of one declaration."""
    goods = some_goods(risk=[0.2] * 90, found=[True] * 9 + [False] * 81, declared=[1.0] * 90)
    together = goods.assign(declaration=goods["declaration"] // 9)
    assert [len(groups(with_groups(each)).warnings) for each in (goods, together)] == [2, 0]


def test_traders_that_declared_as_much_are_of_one_size() -> None:
    goods = some_goods(risk=[0.1] * 9)
    goods["declared"] = [np.nan] * 5 + [0.0, 5.0, 7.0, 9.0]
    assert with_groups(goods)["size"].tolist() == ["small"] * 6 + ["large"] * 3
    goods["declared"] = range(9)
    assert with_groups(goods)["size"].tolist() == [
        *["small"] * 3,
        *["medium"] * 3,
        *["large"] * 3,
    ]


def test_goods_items_get_the_lane_of_their_declaration_and_their_own_risk(
    bundle: Path, tmp_path: Path
) -> None:
    before, first = pd.Timestamp("2025-06-01", tz="UTC"), PERIODS.evaluate_from
    moments = [before, *[pd.Timestamp(first, tz="UTC")] * 3]
    items = pd.DataFrame({"accepted_at": moments, "country_of_origin": ["XX", "CN", "VN", "JP"]})
    items["direction"] = [None, "IMPORT", "EXPORT", "EXPORT"]
    items = items.assign(importer_id="here", exporter_id=[None, None, None, "here"])
    matrix = np.random.default_rng(5).normal(size=(4, len(FEATURE_NAMES)))
    outcomes = pd.DataFrame(
        {"row": [0, 2], "inspection_id": ["I-1", "I-2"], "finding_class": [1, 2]}
    ).assign(weight=1.0, counts=1)
    items.to_parquet(tmp_path / "items.parquet")
    outcomes["observed_at"] = pd.Timestamp("2026-03-09", tz="UTC")
    outcomes.to_parquet(tmp_path / "outcomes.parquet")
    pd.DataFrame(matrix, columns=list(FEATURE_NAMES)).to_parquet(tmp_path / "features.parquet")
    decisions = decisions_of((1, a_decision(lane="RED", items=2)), (1, a_decision(items=1)))
    model = LaneModel.load(bundle)

    goods = goods_of(
        an_evidence(decisions=decisions),
        model,
        *(tmp_path / f"{name}.parquet" for name in ("features", "items", "outcomes")),
    )
    assert goods["origin"].tolist() == ["CN", "VN", "JP"]
    assert goods["named"].tolist() == [True, False, True]
    assert goods["lane"].tolist() == ["RED", "RED", "GREEN"]
    assert goods["declaration"].tolist() == [0, 0, 1]
    assert goods["inspected"].tolist() == [False, True, False]
    assert goods["found"].tolist() == [False, True, False]
    np.testing.assert_allclose(goods["risk"], 1 - model.probabilities(matrix[1:])[:, 0])
    known = FEATURE_NAMES.index("trader_known_days")
    np.testing.assert_array_equal(goods["known_days"], matrix[1:, known])


def test_a_source_in_tables_by_month_is_named_by_its_folder() -> None:
    inputs = {
        f"data/raw/simulated/{table}/month=2026-0{month}/weeks-0000.parquet": "ab"
        for table in ("declarations", "goods_items")
        for month in (1, 2)
    }
    evidence = an_evidence(
        ingested={"source": "native", "inputs": inputs | {"data/raw/feedback/log.ndjson": "cd"}}
    )
    assert source_of(evidence) == "native (feedback, simulated)"


def test_a_source_in_a_folder_of_its_own_name_is_named_once() -> None:
    evidence = an_evidence(ingested={"source": "kcs", "inputs": {"shared/kcs/one.csv": "ab"}})
    assert source_of(evidence) == "kcs"
