"""Every preset made, and its figures against those it has to come to, as a table for the record.

python -m tests.benchmarks.preset_figures                      # full size, without models
python -m tests.benchmarks.preset_figures --models --declarations 40000    # models too: long
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from pipelines.simulate import GOODS
from pipelines.simulator.figures import figures, judged
from pipelines.simulator.goods import read_headings
from pipelines.simulator.presets import presets, read_settings
from pipelines.simulator.simulation import Simulation
from pipelines.simulator.store import Folder, write_weeks
from pipelines.trials.learning import read_recipe
from pipelines.trials.measures import measure

REFERENCE = Path("data/reference/simulator")
SMALLER = {"trade": {"traders": 1500, "brokers": 120}}
SHOWN = (
    *("auroc_of_true_risk", "ceiling_auroc", "all_labels_auroc", "model_auroc"),
    *("lightgbm_defaults_on_codes_auroc", "uninspected_taken_as_clean_auroc"),
    *("red_lane_only_auroc", "judged_violating_share", "model_claims_violating"),
    *("uninspected_taken_as_clean_claims_violating", "new_red_lane_violating"),
    *("new_red_lane_violating_naive", "violations_in_green"),
)


def figures_of(preset: str, declarations: int | None, *, models: bool) -> dict[str, float]:
    """Make a world of this preset and look at it."""
    changes = {} if declarations is None else {"declarations": declarations, **SMALLER}
    settings = read_settings(REFERENCE, preset, changes)
    simulation = Simulation(settings, read_headings(REFERENCE / GOODS))
    with tempfile.TemporaryDirectory() as place:
        folder = Folder.of(Path(place))
        for _ in write_weeks(folder, simulation, simulation.weeks(settings.weeks)):
            pass
        found = figures(folder, scheme_from_week=settings.fraud.scheme.from_week)
        if models:
            found |= measure(folder, read_recipe(Path("params.yaml")))
    return found


def rows(preset: str, found: Mapping[str, float], wanted: Mapping[str, tuple[float, float]]) -> str:
    """Lines of the table."""
    lines = [
        f"| {preset} | {each.name} | {each.low:g} to {each.high:g} | {each.got:.4f} "
        f"| {each.verdict} |"
        for each in judged(found, wanted)
    ]
    lines += [
        f"| {preset} | {name} |  | {found[name]:.4f} |  |"
        for name in SHOWN
        if name in found and name not in wanted
    ]
    return "\n".join(lines)


def main(
    models: Annotated[bool, typer.Option(help="Train models too.")] = False,
    declarations: Annotated[int | None, typer.Option(help="Smaller worlds.")] = None,
    preset: Annotated[list[str] | None, typer.Option(help="Only these; repeatable.")] = None,
) -> None:
    """Print the table, one preset after the other."""
    print("| preset | figure | wanted | got | |\n| --- | --- | --- | --- | --- |")
    for name in preset or presets(REFERENCE):
        wanted = read_settings(REFERENCE, name).must_hit
        print(rows(name, figures_of(name, declarations, models=models), wanted), flush=True)


if __name__ == "__main__":
    typer.run(main)
