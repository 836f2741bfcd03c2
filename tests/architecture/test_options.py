"""Who asks a stage or a command of the pipeline for `--help` is told what each option means."""

from importlib import import_module
from typing import Any

import pytest
import typer

from tests.architecture.tree import ROOT, modules

STARTED = [
    str(module.with_suffix("")).replace("/", ".")
    for module in modules()
    if module.parts[0] == "pipelines" and "command(main)" in (ROOT / module).read_text("utf-8")
]


@pytest.mark.parametrize("name", STARTED)
def test_every_option_is_explained_in_words_of_its_own(name: str) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(import_module(name).main)
    options: list[Any] = typer.main.get_command(app).params
    told = [option.help for option in options]
    assert all(told), f"{name}: say what {[one.name for one in options if not one.help]} is"
    assert len(set(told)) == len(told), f"{name}: two options are explained by the same words"
