"""What MLflow is to be told, kept on disk until it was told: training never waits for a server.

One folder per run, one file per search and one for the newest promotion, each put in place by a
rename, so that whatever is here is complete. Runs are sent oldest first, then searches, then the
promotion.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from models.registry import TrackedRun, log_run, log_search, promote, reach
from models.run_folder import RUN, Run, read_run
from models.search_run import SearchRun
from models.tracking_store import TrackingStore
from pipelines.stage.files import alone, write_text
from selectivity.errors import TrackingError

FOLDER = Path("state", "mlflow-outbox")


class Promotion(BaseModel):
    """Somebody put a bundle in force."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    by: str
    at: AwareDatetime


@dataclass
class Sent:
    """What became of everything that waited."""

    runs: dict[str, TrackedRun] = field(default_factory=dict)
    trials: int = 0
    """Trials of searches that the store did not have yet."""
    champion: int | None = None
    problems: list[str] = field(default_factory=list)


class Outbox:
    """The folder of what waits, in the project's own folder."""

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self.promotion = self.folder / "promotion.json"

    def runs(self) -> list[Path]:
        """Folders of the runs that wait, oldest first."""
        folders = {file.parent for file in self.folder.glob(f"[!.]*/{RUN}")}
        return sorted(folders, key=lambda folder: (folder / RUN).stat().st_mtime_ns)

    def put_run(self, run: Run, fill: Callable[[Path], None]) -> Path:
        """Keep a run; `fill` writes its other files. A run that waits already stays as it is."""
        place = self.folder / run.key
        with self._alone():
            if not place.exists():
                with tempfile.TemporaryDirectory(prefix=".", dir=self.folder) as beside:
                    whole = Path(beside, run.key)
                    whole.mkdir()
                    fill(whole)
                    write_text(whole / RUN, run.model_dump_json(indent=1) + "\n")
                    whole.rename(place)
        return place

    def searches(self) -> list[Path]:
        """Files of the searches that wait."""
        return sorted(self.folder.glob("search-*.json"))

    def put_search(self, search: SearchRun) -> None:
        """Keep a search with all its trials so far; what waits of the same search is void."""
        with self._alone():
            place = self.folder / f"search-{search.key}.json"
            write_text(place, search.model_dump_json(indent=1) + "\n")

    def put_promotion(self, promotion: Promotion) -> None:
        """Keep a promotion; there is one champion, so an earlier one that still waits is void."""
        with self._alone():
            write_text(self.promotion, promotion.model_dump_json(indent=1) + "\n")

    def send(self, store: TrackingStore) -> Sent:
        """Send all that waits. What the store does not take stays; nothing is raised for it."""
        sent = Sent()
        with self._alone():
            if self.runs() or self.searches() or self.promotion.exists():
                try:
                    reach(store)
                    self._send_runs(store, sent)
                    self._send_searches(store, sent)
                    self._send_promotion(store, sent)
                except TrackingError as error:
                    sent.problems.append(str(error))
        return sent

    def _send_runs(self, store: TrackingStore, sent: Sent) -> None:
        for folder in self.runs():
            try:
                sent.runs[read_run(folder).key] = log_run(folder, store)
            except TrackingError as error:  # one that is refused does not hold up the others
                sent.problems.append(str(error))
            else:
                shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}")))

    def _send_searches(self, store: TrackingStore, sent: Sent) -> None:
        for file in self.searches():
            try:
                search = SearchRun.model_validate_json(file.read_bytes())
            except ValidationError as error:
                raise TrackingError(
                    f"{file} cannot be read. Remove it: its search sends all trials again."
                ) from error
            sent.trials += log_search(search, store)
            file.unlink()

    def _send_promotion(self, store: TrackingStore, sent: Sent) -> None:
        if not self.promotion.exists():
            return
        try:
            told = Promotion.model_validate_json(self.promotion.read_bytes())
        except ValidationError as error:
            raise TrackingError(
                f"{self.promotion} cannot be read. Remove it and publish the bundle again."
            ) from error
        sent.champion = promote(told.digest, by=told.by, at=told.at, store=store)
        if sent.champion is None:
            raise TrackingError(
                f"The registry has no version of bundle {told.digest[:16]} to make champion. It is "
                "made so when its run was tracked: see `python -m pipelines.track --help`."
            )
        self.promotion.unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two stages at once would send one run twice. What a killed one left is swept out."""
        with alone(self.folder):
            for half in self.folder.glob(".*/"):
                shutil.rmtree(half)
            yield
