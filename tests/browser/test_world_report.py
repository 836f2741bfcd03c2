"""The world report in a real browser: it fits a phone, and its pictures keep their words inside."""

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By

from pipelines.simulate import GOODS
from pipelines.simulator.goods import read_headings
from pipelines.simulator.presets import read_settings
from pipelines.simulator.simulation import Simulation
from pipelines.simulator.store import Folder, write_weeks
from pipelines.world_report import write_report

REFERENCE = Path(__file__).parents[2] / "data/reference/simulator"
MOST_EMPTY = 80
"""Pixels that a card may be lower than the one beside it."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small world."""
    path = tmp_path_factory.mktemp("world")
    settings = read_settings(REFERENCE, "small", {"declarations": 2_000})
    world = Simulation(settings, read_headings(REFERENCE / GOODS))
    for _ in write_weeks(Folder.of(path), world, world.weeks(settings.weeks)):
        pass
    write_report(Folder.of(path), settings, path / "world.html")
    return path / "world.html"


def test_it_opens_without_asking_the_network_or_complaining(shown: Any) -> None:
    assert shown.title == "World report · Small world"
    assert shown.get_log("browser") == []
    asked = [line["message"] for line in shown.get_log("performance")]
    assert not [
        line for line in asked if '"Network.requestWillBeSent"' in line and '"url":"http' in line
    ]


def test_nothing_sticks_out_of_the_page(shown: Any) -> None:
    wide = shown.execute_script(
        """document.querySelectorAll('details').forEach(one => one.open = true);
           return document.documentElement.scrollWidth - document.documentElement.clientWidth"""
    )
    assert wide == 0


def test_every_picture_shows_and_keeps_its_words_inside(shown: Any) -> None:
    pictures = shown.execute_script(
        """return [...document.querySelectorAll('svg')].map(svg => {
             const box = svg.getBoundingClientRect();
             const words = [...svg.querySelectorAll('text')];
             return {width: box.width, height: box.height, words: words.length,
                     outside: words.filter(t => { const w = t.getBoundingClientRect();
                       return w.left < box.left - 2 || w.right > box.right + 2
                              || w.bottom > box.bottom + 2; }).map(t => t.textContent)};
           })"""
    )
    assert len(pictures) == 14
    for picture in pictures:
        assert picture["width"] > 250
        assert picture["height"] > 60
        assert picture["words"] > 4
        assert picture["outside"] == []


def test_no_card_has_a_hole_between_its_picture_and_what_to_expect(shown: Any) -> None:
    holes = shown.execute_script(
        """return [...document.querySelectorAll('.parts .card')]
             .filter(card => card.querySelector('.shown') && card.querySelector('.expect'))
             .map(card => [card.id, card.querySelector('.expect').getBoundingClientRect().top
                           - card.querySelector('.shown').getBoundingClientRect().bottom])"""
    )
    assert len(holes) == 14
    assert [(name, height) for name, height in holes if height > MOST_EMPTY] == []


def test_the_contents_lead_to_what_they_name(shown: Any) -> None:
    for link in shown.find_elements(By.CSS_SELECTOR, "nav a"):
        target = shown.find_element(By.ID, link.get_attribute("href").partition("#")[2])
        assert target.is_displayed()
        assert link.text in target.text
