"""The files and folders that stages read and write, as options: what each of them is."""

from pathlib import Path
from typing import Annotated

from typer import Option

ParamsFile = Annotated[
    Path, Option(help="The params, a section per stage: a file like params.yaml.")
]
MappingsFolder = Annotated[
    Path, Option(help="How each source is read: a folder with a YAML file per source.")
]
ReferenceFolder = Annotated[
    Path, Option(help="How simulated worlds behave: a folder with base.yaml, presets/, goods.yaml.")
]
SimulatedFolder = Annotated[
    Path, Option(help="The tables of a simulated world, which the other stages read: a folder.")
]
TruthFolder = Annotated[
    Path, Option(help="The truth of a simulated world, which no stage learns from: a folder.")
]
IngestedFolder = Annotated[
    Path, Option(help="What `ingest` makes: a folder with items, inspections, findings, figures.")
]
IngestedItemsFile = Annotated[
    Path, Option(help="All goods items as `ingest` writes them: items.parquet.")
]
InspectionsFile = Annotated[
    Path, Option(help="One row per inspection, as `ingest` writes them: inspections.parquet.")
]
FindingsFile = Annotated[
    Path, Option(help="One row per finding, as `ingest` writes them: findings.parquet.")
]
IngestedFigures = Annotated[
    Path, Option(help="Where the data come from, as `ingest` writes it: ingest.json.")
]
PreparedFolder = Annotated[
    Path, Option(help="What `prepare` makes: a folder with items, periods and prepare.json.")
]
ItemsFile = Annotated[
    Path, Option(help="All goods items in time order, as `prepare` writes them: items.parquet.")
]
PeriodsFile = Annotated[
    Path,
    Option(help="Which days train, calibrate and evaluate, as `prepare` sets them: periods.json."),
]
LabelledFolder = Annotated[
    Path, Option(help="What `label` makes: a folder with outcomes and label.json.")
]
OutcomesFile = Annotated[
    Path, Option(help="What controls said of goods items, as `label` writes it: outcomes.parquet.")
]
FeaturesFolder = Annotated[
    Path, Option(help="What `featurize` makes: a folder with features, knowledge and profiles.")
]
FeaturesFile = Annotated[
    Path, Option(help="One column per feature, as `featurize` writes them: features.parquet.")
]
KnowledgeFile = Annotated[
    Path, Option(help="What is known of codes and facts, as `featurize` writes it: knowledge.json.")
]
ParityFile = Annotated[
    Path, Option(help="What was compared, and what differs: the JSON file that `parity` writes.")
]
TreesFolder = Annotated[
    Path, Option(help="The trees of `train`: a folder, with those of the rehearsal in it.")
]
CalibratedFolder = Annotated[
    Path, Option(help="What `calibrate` makes: a folder with calibration.json and prices.json.")
]
ScorecardFolder = Annotated[
    Path, Option(help="What `scorecard` makes: a folder with scorecard.json.")
]
BundleFolder = Annotated[
    Path, Option(help="The bundle, all that decides: the folder that `bundle` writes and seals.")
]
EvaluationFolder = Annotated[
    Path,
    Option(help="What `evaluate` makes: a folder with metrics, decisions, plots and the verdict."),
]
BacktestFolder = Annotated[Path, Option(help="What `backtest` makes: a folder with backtest.json.")]
ReportFile = Annotated[Path, Option(help="The managers' report: an HTML file.")]
WorldReportFile = Annotated[
    Path, Option(help="The page that shows a simulated world: an HTML file.")
]
ReportsFolder = Annotated[
    Path, Option(help="Reports for people, with the model card among them: a folder.")
]
TrackedFile = Annotated[
    Path, Option(help="Where the run ended up in MLflow: the JSON file that `track` writes.")
]
PublishedFolder = Annotated[
    Path, Option(help="Bundles that were put in force, and which one is: a folder.")
]
GateFile = Annotated[
    Path, Option(help="A bundle beside the one in force: the JSON file that `gate` writes.")
]
DataFolder = Annotated[Path, Option(help="What the stages wrote: the folder with interim/ in it.")]
AblationFolder = Annotated[
    Path,
    Option(help="What families of features are worth: a folder for two tables, CSV and Markdown."),
]
RelivedFolder = Annotated[
    Path, Option(help="How the relived weeks went: a folder for tables and figures.")
]
LockFile = Annotated[Path, Option(help="What DVC last made, with digests: dvc.lock.")]
