"""What MLflow holds of a training run, in an SQLite store as the project uses it."""

import shutil
import socket
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import load
from models.registry import promote
from models.search_run import SearchRun, SearchTrial
from models.tracking_store import TrackingStore, store_of, workspace_root
from pipelines.score import PROBABILITIES, score
from pipelines.sources.mappings import load_mapping
from pipelines.stage.outbox import Outbox, Promotion, Sent
from pipelines.track import REQUIREMENTS, answer, page_of_runs, revision
from tests.architecture.tree import imported_names, reached
from tests.rows import SOURCES, korean_rows
from tests.runs import MLFLOW_WARNS, put_a_run

pytestmark = MLFLOW_WARNS
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def store(root: Path) -> TrackingStore:
    """One store for all tests here: making its tables takes seconds."""
    return store_of(root, {})


@pytest.fixture(scope="module")
def sent(root: Path, store: TrackingStore, bundle: Path) -> Sent:
    outbox = Outbox(root)
    put_a_run(outbox, bundle, at=NOW)
    return outbox.send(store)


@pytest.fixture
def client(store: TrackingStore, sent: Sent) -> Any:
    import mlflow

    return mlflow.MlflowClient(store.uri)


def test_a_run_arrives_and_leaves_the_outbox(root: Path, sent: Sent) -> None:
    assert not sent.problems
    ((key, run),) = sent.runs.items()
    assert answer(key, sent) == {"key": key, "tracked": True}
    assert run.model_version == 1
    assert Outbox(root).runs() == []


def test_a_run_holds_what_was_asked_and_what_came_out(client: Any, sent: Sent) -> None:
    (tracked,) = sent.runs.values()
    run = client.get_run(tracked.run_id)

    assert run.info.status == "FINISHED"
    assert run.info.start_time == NOW.timestamp() * 1000
    assert run.data.params["train.seed"] == "7"
    assert run.data.params["bundle.rules"] == '["a.yaml", "b.yaml"]'
    assert run.data.metrics == {"all_rows.auroc": 0.75, "all_rows.rows": 12.0}
    assert run.data.tags["git_revision"]


def test_a_run_is_named_after_its_experiment_and_its_bundle(
    client: Any, sent: Sent, bundle: Path
) -> None:
    (tracked,) = sent.runs.values()
    digest = load(bundle).digest
    assert client.get_run(tracked.run_id).info.run_name == f"more-leaves {digest[:8]}"


def test_the_page_of_the_runs_is_that_of_their_experiment(
    store: TrackingStore, client: Any, sent: Sent
) -> None:
    number = client.get_experiment_by_name(store.experiment).experiment_id
    assert page_of_runs("http://here", store) == f"http://here/#/experiments/{number}/runs"
    other = replace(store, experiment="nobody began this one")
    assert page_of_runs("http://here", other) == "http://here"


def test_a_run_names_the_data_it_read_by_their_digests(client: Any, sent: Sent) -> None:
    (tracked,) = sent.runs.values()
    (data,) = client.get_run(tracked.run_id).inputs.dataset_inputs

    assert data.dataset.name == "data/raw/rows.csv"
    assert data.dataset.digest == "ab" * 18
    assert "ab" * 32 in data.dataset.source


def test_a_run_shows_plots_and_figures_but_no_declaration(client: Any, sent: Sent) -> None:
    (tracked,) = sent.runs.values()
    names = {file.path for file in client.list_artifacts(tracked.run_id)}
    plots = {file.path for file in client.list_artifacts(tracked.run_id, "plots")}

    assert names == {"metrics.json", "params.yaml", "plots"}
    assert plots == {"plots/roc.csv"}


def test_the_same_run_sent_again_adds_nothing(
    root: Path, store: TrackingStore, bundle: Path, client: Any, sent: Sent
) -> None:
    (first,) = sent.runs.values()
    outbox = Outbox(root)
    folder = put_a_run(outbox, bundle, at=NOW)
    (again,) = outbox.send(store).runs.values()

    assert (again.run_id, again.model_version, again.new) == (first.run_id, 1, False)
    assert len(_runs(client, store, key=folder.name)) == 1
    versions = client.search_model_versions(f"name = '{store.model}'")
    assert [version.run_id for version in versions].count(first.run_id) == 1


def test_an_interrupted_sending_is_begun_anew_and_leaves_no_half_of_a_run(
    root: Path, store: TrackingStore, bundle: Path, client: Any
) -> None:
    outbox = Outbox(root)
    folder = put_a_run(outbox, bundle, at=NOW, metrics={"all_rows": {"auroc": 0.5}})
    experiment = client.get_experiment_by_name(store.experiment)
    half = client.create_run(experiment.experiment_id, tags={"run_key": folder.name})
    client.create_model_version(store.model, "file:///nowhere", half.info.run_id)

    (run,) = outbox.send(store).runs.values()

    assert run.new
    alive = [known.info.run_id for known in _runs(client, store, key=folder.name)]
    assert alive == [run.run_id]
    versions = client.search_model_versions(f"name = '{store.model}'")
    assert half.info.run_id not in {version.run_id for version in versions}
    candidate = client.get_model_version_by_alias(store.model, "candidate")
    assert int(candidate.version) == run.model_version


def test_the_champion_is_the_version_of_the_promoted_bundle(
    root: Path, store: TrackingStore, bundle: Path, client: Any
) -> None:
    digest = load(bundle).digest
    outbox = Outbox(root)
    put_a_run(outbox, bundle, at=NOW, metrics={"all_rows": {"auroc": 0.6}})
    outbox.put_promotion(Promotion(digest=digest, by="ann.lee", at=NOW))

    sent = outbox.send(store)

    champion = client.get_model_version_by_alias(store.model, "champion")
    newest = client.get_model_version_by_alias(store.model, "candidate")
    assert int(champion.version) == int(newest.version) == sent.champion
    assert sent.champion != 1  # which has the same bundle
    assert champion.tags["bundle_digest"] == digest
    assert champion.tags["promoted_by"] == "ann.lee"
    assert champion.tags["promoted_at"] == NOW.isoformat()
    assert not outbox.promotion.exists()


def test_a_bundle_that_was_never_tracked_is_no_champion_and_its_promotion_waits(
    root: Path, store: TrackingStore, sent: Sent
) -> None:
    assert promote("0" * 64, by="ann.lee", at=NOW, store=store) is None
    outbox = Outbox(root)
    outbox.put_promotion(Promotion(digest="0" * 64, by="ann.lee", at=NOW))
    (problem,) = outbox.send(store).problems
    assert "no version of bundle 0000000000000000" in problem
    assert outbox.promotion.exists()
    outbox.promotion.unlink()


def test_the_logged_model_scores_as_the_bundle_does(
    store: TrackingStore, bundle: Path, sent: Sent
) -> None:
    import mlflow

    frame = korean_rows(5)
    frame.loc[4, "Date"] = "yesterday"
    loaded = mlflow.pyfunc.load_model(f"models:/{store.model}@candidate")
    scored = loaded.predict(frame)

    expected = score(frame, load(bundle), load_mapping(SOURCES, "kcs"))
    np.testing.assert_array_equal(scored[list(PROBABILITIES)], expected[list(PROBABILITIES)])
    assert scored["lane"].to_list()[:4] == expected["lane"].to_list()[:4]
    assert scored["lane"][4] is None


def test_nothing_in_a_logged_model_is_a_pickle_or_more_than_it_needs(
    root: Path, sent: Sent
) -> None:
    files = [file for file in (root / "mlartifacts").rglob("*") if file.is_file()]
    endings = {file.suffix for file in files} - {""}

    assert endings == {".csv", ".json", ".npz", ".py", ".txt", ".yaml"}
    for file in files:
        assert file.read_bytes()[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def test_a_logged_model_requires_what_its_code_imports() -> None:
    installed_as = {"yaml": "pyyaml", "pydantic_core": "pydantic"}
    imported = {
        name.split(".")[0]
        for module in reached(Path("pipelines/pyfunc.py"))
        for name in imported_names(module)
    }
    foreign = imported - sys.stdlib_module_names - {"selectivity", "models", "pipelines"}
    assert {installed_as.get(name, name) for name in foreign} <= set(REQUIREMENTS)


def test_a_run_that_another_version_wrote_does_not_hold_up_the_others(
    root: Path, store: TrackingStore, bundle: Path, sent: Sent
) -> None:
    outbox = Outbox(root)
    foreign = outbox.folder / "foreign"
    foreign.mkdir(parents=True)
    (foreign / "run.json").write_text('{"format": 9}')
    put_a_run(outbox, bundle, at=NOW)

    sent = outbox.send(store)

    assert len(sent.runs) == 1
    assert "foreign cannot be read" in sent.problems[0]
    assert foreign.exists()
    shutil.rmtree(foreign)


def test_the_store_is_the_projects_own_even_where_dvc_runs_experiments(tmp_path: Path) -> None:
    copy = tmp_path / ".dvc/tmp/exps/tmpa1b2"
    assert workspace_root(copy) == workspace_root(copy / "data") == tmp_path
    assert store_of(workspace_root(copy), {}) == TrackingStore(
        uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=(tmp_path / "mlartifacts").as_uri()
    )


def test_a_relative_store_of_the_user_is_the_projects_own_too(tmp_path: Path) -> None:
    store = store_of(tmp_path, {"MLFLOW_TRACKING_URI": "sqlite:///runs.db"})
    assert store.uri == f"sqlite:///{tmp_path}/runs.db"


def test_a_server_of_the_user_keeps_its_own_artifacts(tmp_path: Path) -> None:
    environment = {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "MLFLOW_EXPERIMENT_NAME": "trial"}
    assert store_of(tmp_path, environment) == TrackingStore("http://mlflow:5000", None, "trial")


def test_a_folder_without_git_has_an_unknown_revision(tmp_path: Path) -> None:
    assert set(revision(tmp_path).values()) == {"unknown"}


def test_the_lock_entry_of_training_links_a_run_to_the_commits_that_share_it(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "dvc.lock"
    lock.write_text("schema: '2.0'\nstages: {train: {cmd: a}, track: {cmd: b}}")
    before = revision(tmp_path)["dvc_lock_train"]
    lock.write_text("schema: '2.0'\nstages: {train: {cmd: a}, track: {cmd: c}}")
    assert revision(tmp_path)["dvc_lock_train"] == before != "unknown"


def _runs(client: Any, store: TrackingStore, key: str | None = None) -> list[Any]:
    experiment = client.get_experiment_by_name(store.experiment)
    wanted = f"tags.run_key = '{key}'" if key else f"metrics.`all_rows.auroc` = {0.75}"
    return list(client.search_runs([experiment.experiment_id], wanted))


def a_search(trials: int) -> SearchRun:
    return SearchRun(
        key="abcd" * 8,
        begun=NOW,
        params={"search.goal": "auroc"},
        metrics={"best.auroc": 0.5 + trials / 100},
        tags={"kind": "search"},
        trials=tuple(
            SearchTrial(
                number=number,
                begun=NOW + timedelta(minutes=number),
                ended=NOW + timedelta(minutes=number + 1),
                params={"train.num_leaves": str(number + 2)},
                metrics={"auroc": 0.5 + number / 100},
            )
            for number in range(trials)
        ),
    )


def test_a_dead_server_loses_no_trial_and_a_live_one_gets_each_once(
    root: Path, store: TrackingStore, client: Any
) -> None:
    outbox = Outbox(root)
    outbox.put_search(a_search(1))
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        dead = TrackingStore(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert outbox.send(dead).problems
    outbox.put_search(a_search(2))
    assert len(outbox.searches()) == 1

    assert outbox.send(store).trials == 2
    assert outbox.searches() == []
    outbox.put_search(a_search(3))
    assert outbox.send(store).trials == 1

    experiment = client.get_experiment_by_name(store.experiment).experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'search'")
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    nested = client.search_runs([experiment], below)
    assert sorted(run.info.run_name for run in nested) == ["trial-0", "trial-1", "trial-2"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.metrics["auroc"] for run in nested) == [0.5, 0.51, 0.52]
    assert parent.data.metrics == {"best.auroc": 0.53}
    (second,) = (run for run in nested if run.info.run_name == "trial-1")
    assert second.data.params == {"train.num_leaves": "3"}
    assert second.info.end_time - second.info.start_time == 60_000
