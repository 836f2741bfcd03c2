"""Make worlds whose truth is known, look at them, and try policies in them. A command, no stage.

    python -m pipelines.worlds presets
    python -m pipelines.worlds make --preset vn_low --out /tmp/vn
    python -m pipelines.worlds report /tmp/vn
    python -m pipelines.worlds continue /tmp/vn --weeks 8 --bundle models/artifacts/bundle
    python -m pipelines.worlds check /tmp/vn
    python -m pipelines.worlds measure /tmp/vn
    python -m pipelines.worlds ablate /tmp/vn

A world in a folder can be the source of the pipeline:  dvc exp run -S ingest.path=/tmp/vn/tables
"""

import math
import re
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table as Grid

from models.bundle import load as load_bundle
from pipelines.ablation import Families, Resamples, families_of
from pipelines.ablation import write as write_ablation
from pipelines.judging.families import ablate as ablated
from pipelines.simulate import GOODS
from pipelines.simulator.figures import figures, judged, missed
from pipelines.simulator.goods import read_headings
from pipelines.simulator.presets import presets, read_settings
from pipelines.simulator.settings import WorldSettings
from pipelines.simulator.simulation import SelectionPolicy, Simulation
from pipelines.simulator.store import Folder, load, write_weeks
from pipelines.stage.command import examples, say, typed
from pipelines.stage.files import read_json, write_json, write_text
from pipelines.stage.progress import shown
from pipelines.trials.ablation import trial_of_world
from pipelines.trials.bundle_policy import BundlePolicy, every, never
from pipelines.trials.journal import Journal
from pipelines.trials.learning import histories, learn, read_recipe
from pipelines.trials.meanings import COLUMNS, meanings
from pipelines.trials.measures import measure as measured
from pipelines.trials.memory import Memory
from pipelines.world_report import write_report
from selectivity.errors import ParamsError, SelectivityError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=re.sub(r"^    .*\n\n?", "", __doc__ or "", flags=re.MULTILINE),
    epilog=examples(sys.modules[__name__]),
)

Place = Annotated[Path, typer.Argument(help="Folder of a world.", show_default=False)]
Reference = Annotated[Path, typer.Option(help="Where base.yaml, presets/ and goods.yaml stand.")]
REFERENCE = Path("data/reference/simulator")
MEASURES = "measures.json"
DONE = ("ok", "MISSED")
DRAW_KEY = b"a world's own draws, and nobody's service"


@app.command("presets", epilog=examples(sys.modules[__name__], "presets"))
def list_presets(reference: Reference = REFERENCE) -> None:
    """The presets there are."""
    for name, title in presets(reference).items():
        print(f"{name:<14}{title}")


@app.command(epilog=examples(sys.modules[__name__], "make"))
def make(
    out: Annotated[Path, typer.Option(help="A folder that does not exist yet, or is empty.")],
    preset: Annotated[str, typer.Option(help="A name of `presets`, or a file of your own.")] = (
        "mid_n"
    ),
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another number, e.g. --set trade.traders=800; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option(help="Replace the world that stands there.")] = False,
    reference: Reference = REFERENCE,
) -> None:
    """Live through a world's weeks under the policy of old."""
    settings = read_settings(reference, preset, _changes(set_ or []))
    folder = Folder.of(out)
    if out.is_file():
        raise ParamsError(f"{out} is a file. Give a folder.")
    if out.exists() and any(out.iterdir()):
        if not force:
            raise ParamsError(f"{out} is not empty. Give another folder, or --force.")
        folder.clear()
        for left in (*out.glob("journal-*.csv"), out / MEASURES, out / "world.html"):
            left.unlink(missing_ok=True)
        shutil.rmtree(out / "bundles", ignore_errors=True)
    simulation = Simulation(settings, read_headings(reference / GOODS))
    _live(folder, simulation, settings.weeks, None)
    say(f"Look at it:  python -m pipelines.worlds report {out}")


@app.command("continue", epilog=examples(sys.modules[__name__], "continue"))
def go_on(
    place: Place,
    weeks: Annotated[int, typer.Option(min=1, help="How many weeks more.")] = 4,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle that decides; the policy of old without.")
    ] = None,
    retrain_every: Annotated[
        int,
        typer.Option(min=0, help="Learn anew from what was found every so many weeks; 0: never."),
    ] = 0,
    params: Annotated[Path, typer.Option(help="How bundles are made.")] = Path("params.yaml"),
    out: Annotated[
        Path | None, typer.Option(help="Go on in a copy there, and leave the world as it is.")
    ] = None,
    reference: Reference = REFERENCE,
) -> None:
    """Go on week by week.

    The policy decides, only what it inspects is found, traders react. With
    --retrain-every and no --bundle the first bundle is learnt from the world itself.
    """
    simulation = load(place / "state", read_headings(reference / GOODS))
    if out is not None:
        _copied(place, out)
    try:
        policy = None
        if bundle is not None or retrain_every:
            policy = _policy(out or place, simulation, bundle, retrain_every, params)
    except SelectivityError:
        if out is not None:
            shutil.rmtree(out)
        raise
    _live(Folder.of(out or place), simulation, weeks, policy)


def _policy(
    place: Path, simulation: Simulation, bundle: Path | None, retrain_every: int, params: Path
) -> SelectionPolicy:
    memory, recipe = Memory.of(Folder.of(place)), read_recipe(params)
    bundles = place / "bundles"

    def learnt(known: Memory, week: int) -> Any:
        today = simulation.world.day(week)
        say(f"worlds: learning from what is known on {today}")
        return learn(known, recipe, today, bundles / f"week-{week:04d}")

    if bundle is None:
        first = learnt(memory, simulation.state.week)
    else:  # its own histories may be of other traders: those of this world take their place
        first = replace(load_bundle(bundle), profiles=histories(memory, recipe))
    retrain = every(retrain_every, learnt) if retrain_every else never
    return BundlePolicy(first, memory, draw_key=DRAW_KEY, retrain=retrain)


@app.command(epilog=examples(sys.modules[__name__], "check"))
def check(place: Place, reference: Reference = REFERENCE) -> None:
    """Figures of a world against those of its preset.

    Fails where one is missed. What each figure means stands under the table.
    """
    settings = _settings(place, reference)
    found = figures(Folder.of(place), scheme_from_week=settings.fraud.scheme.from_week)
    _show(found, settings)
    if problems := missed(found, settings.must_hit):
        raise ParamsError(f"World {place}: {'; '.join(problems)}. Look at its report.")


@app.command(epilog=examples(sys.modules[__name__], "measure"))
def measure(
    place: Place,
    params: Annotated[Path, typer.Option(help="How bundles are made.")] = Path("params.yaml"),
    reference: Reference = REFERENCE,
) -> None:
    """Train models on a world and judge them by its truth.

    Beside ceilings, peers and naive mistakes. What each figure means stands under the table.
    """
    settings = _settings(place, reference)
    folder = Folder.of(place)
    found = figures(folder, scheme_from_week=settings.fraud.scheme.from_week)
    found |= measured(folder, read_recipe(params), tell=lambda step: say(f"worlds: {step}"))
    write_json(
        place / MEASURES,
        {name: round(value, 6) for name, value in found.items() if not math.isnan(value)},
    )
    _show(found, settings)
    unknown = [each.name for each in judged(found, settings.must_hit) if each.verdict not in DONE]
    problems = [*missed(found, settings.must_hit), *(f"{name} is no figure" for name in unknown)]
    if problems:
        raise ParamsError(f"World {place}: {'; '.join(problems)}.")


@app.command(epilog=examples(sys.modules[__name__], "ablate"))
def ablate(
    place: Place,
    params: Annotated[Path, typer.Option(help="How models are trained.")] = Path("params.yaml"),
    family: Families = None,
    resamples: Resamples = 200,
) -> None:
    """Leave out one family of features at a time.

    Says by the truth what each was worth.
    """
    families = families_of(family)
    trial = trial_of_world(Folder.of(place), read_recipe(params))
    write_ablation(ablated(trial, resamples, families), place)


@app.command(epilog=examples(sys.modules[__name__], "report"))
def report(
    place: Place,
    out: Annotated[Path | None, typer.Option(help="The page; world.html in the world.")] = None,
    reference: Reference = REFERENCE,
) -> None:
    """One page that shows whether the world looks right."""
    page, measures = out or place / "world.html", place / MEASURES
    extra = read_json(measures) if measures.is_file() else {}
    write_report(Folder.of(place), _settings(place, reference), page, extra)
    print(page)


def _settings(place: Path, reference: Path) -> WorldSettings:
    return load(place / "state", read_headings(reference / GOODS)).world.settings


def _changes(settings: list[str]) -> dict[str, Any]:
    """`a.b=1` as {"a": {"b": 1}}."""
    changes: dict[str, Any] = {}
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise ParamsError(f"--set {setting} has no `=`. Write e.g. --set trade.traders=800.")
        *parents, last = path.split(".")
        at = changes
        for parent in parents:
            at = at.setdefault(parent, {})
            if not isinstance(at, dict):
                raise ParamsError(f"--set {setting}: {parent} was set to a value before.")
        try:
            at[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ParamsError(f"--set {setting}: the value is not YAML. Correct it.") from error
    return changes


def _copied(place: Path, out: Path) -> None:
    if out.exists() or out.resolve().is_relative_to(place.resolve()):
        raise ParamsError(f"{out} exists, or lies in the world. Give a folder that does neither.")
    shutil.copytree(place, out)


def _live(
    folder: Folder, simulation: Simulation, weeks: int, policy: SelectionPolicy | None
) -> None:
    """Live through the weeks with a bar, and keep a journal of them beside the tables."""
    began, journal = time.monotonic(), Journal()
    first = simulation.state.week
    lived = write_weeks(folder, simulation, simulation.weeks(weeks, policy))
    for tables in shown(lived, weeks, "week"):
        journal.note(simulation.state.week - 1, tables)
    file = folder.tables.parent / f"journal-{first:04d}.csv"
    write_text(file, journal.table().to_csv(index=False, float_format="%.5f"))
    print(journal.summary())
    say(f"worlds: {weeks} weeks in {time.monotonic() - began:.1f} s; week by week in {file}")


def _show(found: dict[str, float], settings: WorldSettings) -> None:
    verdicts = {each.name: each for each in judged(found, settings.must_hit)}
    grid = Grid("figure", "got", "wanted", "")
    for name in [*found, *(name for name in verdicts if name not in found)]:
        got, each = found.get(name, float("nan")), verdicts.get(name)
        wanted = "" if each is None else f"{each.low:g} to {each.high:g}"
        grid.add_row(name, _number(got), wanted, "" if each is None else each.verdict)
    Console().print(grid)
    print(COLUMNS)
    for name, meaning in meanings({**found, **verdicts}).items():
        print(f"{name:<30}{meaning}")


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if value.is_integer() and abs(value) > 1 else f"{value:.4f}"


if __name__ == "__main__":
    typed(app)
