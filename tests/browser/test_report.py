"""The managers' report in a real browser: it shows, switches language, and fits a phone."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pipelines.reporting.page import page, read_words
from pipelines.stage.files import write_text
from selectivity.reasons.wording import LANGUAGES
from tests.reports import all_sections, an_evidence, drawn

QUESTIONS = {"vi": "Chúng ta không nhìn thấy gì?", "en": "What do we not see?"}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every chart, an estimated leak and weeks that are not ripe."""
    evidence = an_evidence(controls=drawn(100, 4), as_of=datetime(2026, 2, 6, tzinfo=UTC))
    file = tmp_path_factory.mktemp("report") / "report.html"
    words = {language: read_words(language) for language in LANGUAGES}
    write_text(file, page(all_sections(evidence), words))
    return file


def test_it_opens_in_vietnamese_without_asking_the_network_or_complaining(shown: Any) -> None:
    assert shown.title == "Báo cáo chất lượng mô hình phân luồng · Lane model report"
    assert _visible_language(shown) == ["vi"]
    assert shown.get_log("browser") == []
    asked = [line["message"] for line in shown.get_log("performance")]
    asked = [line for line in asked if '"Network.requestWillBeSent"' in line]
    assert asked
    assert not [line for line in asked if '"url":"http' in line]


def test_each_language_is_one_click_away_and_the_other_is_hidden(shown: Any) -> None:
    for language in ("en", "vi", "en"):
        shown.find_element(By.CSS_SELECTOR, f"label[for=choose-{language}]").click()
        assert _visible_language(shown) == [language]
        headings = [element.text for element in shown.find_elements(By.TAG_NAME, "h2")]
        assert sum(QUESTIONS[language] in heading for heading in headings) == 1


def test_the_keyboard_switches_the_language_too(shown: Any) -> None:
    shown.find_element(By.ID, "choose-vi").send_keys(Keys.ARROW_RIGHT)
    assert _visible_language(shown) == ["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_picture_shows_and_keeps_its_words_inside(shown: Any, language: str) -> None:
    _choose(shown, language)
    pictures = shown.execute_script(
        """return [...document.querySelectorAll(`main[lang=${arguments[0]}] svg`)].map(svg => {
             const box = svg.getBoundingClientRect();
             const words = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect());
             return {width: box.width, height: box.height, words: words.length,
                     outside: words.filter(w => w.left < box.left - 2 || w.right > box.right + 2
                                             || w.bottom > box.bottom + 2).length};
           })""",
        language,
    )
    assert len(pictures) == 6
    for picture in pictures:
        assert picture["width"] > 250
        assert picture["height"] > 60
        assert picture["words"] > 4
        assert picture["outside"] == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_sticks_out_of_the_page(shown: Any, language: str) -> None:
    _choose(shown, language)
    wide = shown.execute_script(
        """document.querySelectorAll('details').forEach(one => one.open = true);
           return document.documentElement.scrollWidth - document.documentElement.clientWidth"""
    )
    assert wide == 0


@pytest.mark.parametrize("place", ["p", "li"])
def test_a_word_longer_than_the_page_is_wide_is_broken(shown: Any, place: str) -> None:
    """The model card names a digest and a command with one in it."""
    wide = shown.execute_script(
        """document.querySelectorAll('main ' + arguments[0]).forEach(
             one => one.append(' ' + '0123456789abcdef'.repeat(16)));
           return document.documentElement.scrollWidth - document.documentElement.clientWidth""",
        place,
    )
    assert wide == 0


def test_links_in_the_summary_lead_to_a_visible_section(shown: Any) -> None:
    _choose(shown, "en")
    for link in shown.find_elements(By.CSS_SELECTOR, "main[lang=en] .short a"):
        target = link.get_attribute("href").partition("#")[2]
        assert shown.find_element(By.ID, target).is_displayed()


def test_it_prints_on_paper(browser: webdriver.Chrome, report: Path) -> None:
    browser.get(report.as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    content = base64.b64decode(printed["data"])
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") in range(5, 25)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_table_is_cut_off_on_paper(
    browser: webdriver.Chrome, report: Path, language: str
) -> None:
    """What lies beyond the edge of a sheet cannot be scrolled to."""
    sheet = {
        "width": 688,
        "height": 1016,
        "deviceScaleFactor": 1,
        "mobile": False,
    }  # A4, its margins
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sheet)
    browser.get(report.as_uri())
    _choose(browser, language)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    wide = browser.execute_script(
        """return [...document.querySelectorAll(`main[lang=${arguments[0]}] table`)]
             .filter(table => table.getBoundingClientRect().width > innerWidth + 1)
             .map(table => table.getAttribute('aria-labelledby'))""",
        language,
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert wide == []


def test_names_of_rows_stay_in_sight_while_a_table_is_moved_aside(shown: Any) -> None:
    _choose(shown, "en")
    names = shown.execute_script(
        """return [...document.querySelectorAll('main[lang=en] .table')].map(table => {
             table.scrollLeft = 10_000;
             if (table.scrollLeft === 0) return 0;
             const [name, edge] = [table.querySelector('tbody th'), table];
             return name.getBoundingClientRect().left - edge.getBoundingClientRect().left;
           })"""
    )
    assert all(abs(left) < 1 for left in names)


def _choose(browser: Any, language: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"label[for=choose-{language}]").click()


def _visible_language(browser: Any) -> list[str]:
    shown = [main for main in browser.find_elements(By.TAG_NAME, "main") if main.is_displayed()]
    return [main.get_attribute("lang") for main in shown]
