"""The world report: says whether a world is what was asked for, and why one may doubt it."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pipelines import simulate, world_report
from pipelines.reporting.world_facts import read_world_facts
from pipelines.reporting.world_selection import SEPARABLE, ceiling
from pipelines.simulator.figures import figures
from pipelines.simulator.goods import read_headings
from pipelines.simulator.presets import read_settings
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.simulation import Simulation
from pipelines.simulator.store import Folder, write_weeks
from pipelines.world_report import write_report

REFERENCE = Path(__file__).parents[2] / "data/reference/simulator"
WANTED = {"must_hit": {"violating_share": [0.01, 0.09], "auroc_of_true_risk": [0.6, 0.97]}}
MOST_BYTES = 600_000
PICTURES = 14


def simulated(path: Path, settings: WorldSettings) -> Folder:
    folder = Folder.of(path)
    world = Simulation(settings, read_headings(REFERENCE / simulate.GOODS))
    for _ in write_weeks(folder, world, world.weeks(settings.weeks)):
        pass
    return folder


@pytest.fixture(scope="module")
def settings() -> WorldSettings:
    return read_settings(REFERENCE, "small", WANTED)


@pytest.fixture(scope="module")
def world(settings: WorldSettings, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return simulated(tmp_path_factory.mktemp("world"), settings)


@pytest.fixture(scope="module")
def html(world: Folder, settings: WorldSettings, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "world.html"
    write_report(world, settings, out)
    return out.read_text(encoding="utf-8")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(html: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    yield from parser.found


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_each_figure_asked_for_has_its_row_and_verdict(html: str) -> None:
    for name, wanted in (
        ("violating_share", "0.01 to 0.09"),
        ("auroc_of_true_risk", "0.6 to 0.97"),
    ):
        assert re.search(rf"{name} +ok +0\.\d+ +{wanted}", words(html)), name
    assert (
        "2 of 2 figures are where the preset wants them. 1 more not computed here: ceiling_auroc."
        in html
    )
    assert "All of this is invented" in html


def test_figures_that_miss_are_named(
    world: Folder, settings: WorldSettings, tmp_path: Path
) -> None:
    strict = settings.model_copy(update={"must_hit": {"violating_share": (0.5, 0.6)}})
    write_report(world, strict, tmp_path / "world.html")
    page = words((tmp_path / "world.html").read_text(encoding="utf-8"))

    assert "1 of 1 figures MISSED: violating_share." in page
    assert re.search(r"violating_share MISSED 0\.\d+ 0\.5 to 0\.6", page)


def test_a_figure_that_was_not_computed_is_neither_hit_nor_missed(
    world: Folder, settings: WorldSettings, tmp_path: Path
) -> None:
    asked = settings.model_copy(update={"must_hit": {"of_a_model": (0.5, 0.6)}})
    said = {}
    for name, extra in (
        ("without", {}),
        ("hit", {"of_a_model": 0.55}),
        ("off", {"of_a_model": 0.7}),
    ):
        write_report(world, asked, tmp_path / name, extra)
        said[name] = words((tmp_path / name).read_text(encoding="utf-8"))

    assert (
        "None of the figures that the preset asks for is computed here: of_a_model."
        in said["without"]
    )
    assert "1 of 1 figures are where the preset wants them." in said["hit"]
    assert "1 of 1 figures MISSED: of_a_model." in said["off"]


def test_every_picture_tells_what_it_shows_and_what_to_expect(html: str) -> None:
    pictures = [attributes for _, attributes in tags(html) if attributes.get("role") == "img"]

    assert len(pictures) == html.count("<svg") == PICTURES
    assert all(len(str(picture["aria-label"])) > 40 for picture in pictures)
    assert words(html).count("Should be seen: ") == PICTURES
    assert words(html).count("Wrong: ") == PICTURES


def test_the_page_needs_nothing_from_outside_and_stays_small(html: str) -> None:
    assert not [tag for tag, _ in tags(html) if tag in ("script", "iframe", "img", "object")]
    links = [
        str(value)
        for _, attributes in tags(html)
        for name, value in attributes.items()
        if name in ("href", "src", "xlink:href")
    ]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert len(html.encode()) < MOST_BYTES


def test_the_contents_lead_to_every_part(html: str) -> None:
    found = list(tags(html))
    parts = {attributes["id"] for tag, attributes in found if tag == "section"}
    nav = html[html.index("<nav") : html.index("</nav>")]

    assert len(parts) == PICTURES + 1
    assert {str(attributes["href"])[1:] for tag, attributes in tags(nav) if tag == "a"} == parts


def test_ids_are_there_once(html: str) -> None:
    ids = [attributes["id"] for _, attributes in tags(html) if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_same_world_gives_the_same_bytes(
    world: Folder, settings: WorldSettings, html: str, tmp_path: Path
) -> None:
    write_report(world, settings, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


def test_facts_agree_with_the_figures(world: Folder, settings: WorldSettings) -> None:
    found = figures(world, scheme_from_week=settings.fraud.scheme.from_week)
    facts = read_world_facts(world, settings, found)
    lanes = facts.declared["lane"]

    assert len(facts.declared) == found["declarations"]
    assert facts.declared["violating"].mean() == pytest.approx(found["violating_share"])
    assert (lanes == "RED").mean() == pytest.approx(found["red_share"])
    assert facts.declared.loc[lanes == "RED", "found"].mean() == pytest.approx(
        found["hit_rate_red"]
    )
    assert len(facts.controls) == found["controls"]
    assert (facts.controls["at"] >= 0).all()
    assert (facts.declared["found"] <= facts.declared["violating"]).all()
    assert not facts.declared.loc[lanes == "GREEN", "found"].any()  # audits come later


def test_a_world_in_which_much_never_happens_says_none(tmp_path: Path) -> None:
    bare = {
        "declarations": 600,
        "weeks": 6,
        "selection": {"red": 1.0, "yellow": 0.0, "random": 0.0, "officer_up": 0.0}
        | {"officer_down": 0.0, "propensity_from_week": 0},
        "controls": {"full": 1.0, "scanned": 0, "sampled": 0, "sampled_when_miscoded": 0},
        "capacity": {"slack": 50},
        "officers": {"lax": {"share": 0, "detects": 1}},
        "audit": {"share": 0},
        "appeals": {"share": 0},
        "lineages": {"amended": 0, "refiled": 0, "refiled_when_red": 0},
    }
    settings = read_settings(REFERENCE, "small", bare)
    write_report(simulated(tmp_path / "world", settings), settings, tmp_path / "world.html")
    page = words((tmp_path / "world.html").read_text(encoding="utf-8"))

    assert "Scheme: none in these weeks." in page
    assert "Lanes with no declaration: green, yellow." in page
    assert re.search(
        r"No control of this type: papers, scan, part of goods, laboratory, audit", page
    )
    assert "0.00% are amended" in page


def test_only_traders_who_were_caught_take_a_new_name(tmp_path: Path) -> None:
    taken = {}
    for name, chance in (("never", 0.0), ("always", 1.0)):
        asked = read_settings(REFERENCE, "small", {"reaction": {"new_id": chance}})
        taken[name] = read_world_facts(simulated(tmp_path / name, asked), asked, {}).renamed

    assert taken["never"].empty
    kinds = read_world_facts(Folder.of(tmp_path / "always"), asked, {}).declared
    evaders = set(kinds.loc[kinds["trader_kind"] == "evader", "trader"])
    assert len(taken["always"])
    assert set(taken["always"]["trader"]) <= evaders
    assert (taken["always"]["accepted_at"] > kinds["accepted_at"].min()).all()


def test_the_bars_of_new_names_are_those_that_were_taken(
    world: Folder, settings: WorldSettings, html: str
) -> None:
    facts = read_world_facts(world, settings, {})
    told = f"Names that traders took anew: {len(facts.renamed)};"
    assert told in words(html)
    assert len(facts.renamed) < settings.trade.traders / 10


def test_the_legend_of_hit_rates_names_every_dot(html: str) -> None:
    part = html[html.index('id="channels"') :]
    legend = part[: part.index("</svg>")]
    assert all(f"found in {lane}" in legend for lane in ("yellow", "red"))
    assert "found in green" not in legend


def test_separable_fraud_is_warned_of(world: Folder, settings: WorldSettings) -> None:
    facts = read_world_facts(world, settings, {})
    assert ceiling(facts).warning is None

    risk = np.where(facts.declared["violating"], 0.9, 0.1)
    facts.declared["risk"] = risk
    assert str(SEPARABLE) in str(ceiling(facts).warning)


def test_the_stage_reads_what_the_simulator_wrote(tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text("simulate:\n  preset: small\n  changes: {declarations: 800, weeks: 8}\n")
    raw, truth, out = tmp_path / "raw", tmp_path / "truth", tmp_path / "world.html"
    simulate.main(params=params, reference=REFERENCE, out=raw, truth=truth)
    world_report.main(params=params, reference=REFERENCE, simulated=raw, truth=truth, out=out)

    assert "World report: Small world" in out.read_text(encoding="utf-8")
