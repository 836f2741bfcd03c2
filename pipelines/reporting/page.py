"""A page of sections in every language, from the templates and words beside the stages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from models.unique_keys import UniqueKeys
from pipelines.reporting.sections import Section
from pipelines.reporting.sentences import Speaker, Words
from selectivity.reasons.wording import Language

TEMPLATES = Path(__file__).parents[1] / "templates"


class _WordsLoader(UniqueKeys, yaml.SafeLoader):
    """Texts below headings, each key once."""


def read_words(language: Language, page: str = "report") -> Words:
    """Words of one language for a page, by dotted key."""
    text = (TEMPLATES / f"{page}.{language}.yaml").read_text(encoding="utf-8")
    content = yaml.load(text, Loader=_WordsLoader)
    return {
        key if heading == "plain" else f"{heading}.{key}": words
        for heading, group in content.items()
        for key, words in group.items()
    }


def page(parts: tuple[Section, ...], words: Mapping[Language, Words]) -> str:
    """The whole page, all languages in it. Everything from the data is escaped."""
    speakers = [Speaker(language, words[language]) for language in words]
    return filled("report.html.j2", speakers=speakers, sections=parts)


def filled(template: str, **values: Any) -> str:
    """A template with these values in it, escaped unless they are markup."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
