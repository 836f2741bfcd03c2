"""Put a bundle in force: a command by a named person, and reversible. Not a stage of dvc.yaml.

Reads   models/artifacts/bundle/                 verified, and loaded once as the service would
Writes  models/published/<16 digits>/            a copy of the bundle
        models/published/history.jsonl           every publication: what, who, when, why
        models/published/current.json            the pointer that the service follows

    python -m pipelines.publish --list
    python -m pipelines.publish --by ann.lee --note "retrained on March"
    python -m pipelines.publish --rollback previous --by ann.lee --note "too many reds"

A new bundle is put beside the one in force first (`pipelines.gate`); going back is never held up.

MLflow is told afterwards: the model's alias `champion`. If it is down, it is told later.
"""

import getpass
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.bundle import FILES, MANIFEST, load, verify
from models.durable import half_folder_of, sweep, sync
from models.pointer import NAME_DIGITS, POINTER, Pointer, read_pointer, write_pointer
from models.publications import (
    HISTORY,
    Publication,
    earlier,
    history,
    how_to_choose,
    not_taken_back,
    pointer_unless_damaged,
    remember,
)
from models.tracking_store import store_of, workspace_root
from pipelines.gate import stop_if_worse
from pipelines.stage.command import command, say
from pipelines.stage.files import VERDICT, alone, copy_file, read_json, reading
from pipelines.stage.options import BundleFolder, EvaluationFolder, PublishedFolder
from pipelines.stage.outbox import Outbox, Promotion
from pipelines.track import tell
from selectivity.errors import BundleError, ParamsError

SHARED_LOGIN = "root"
"""Whoever runs a machine shares this login; it stands in the history only if somebody wrote it."""


def publish(
    bundle: Path,
    published: Path,
    *,
    by: str,
    at: datetime,
    note: str = "",
    rollback: bool = False,
) -> bool:
    """Put the bundle in this folder in force; False when it already was.

    Then a service that refused it, as for want of memory to try it, looks at it once more.

    Raises:
        BundleError: it was altered, or cannot be loaded; what was in force stays so.
    """
    digest = load(bundle).digest
    with alone(published):  # two people at once would give one version twice
        sweep(published, POINTER, HISTORY)
        current, before = pointer_unless_damaged(published), history(published)
        place = published / digest[:NAME_DIGITS]
        whole = _is_whole(place, digest)
        if current is not None and current.digest == digest and whole:
            write_pointer(published, current)
            return False
        if not whole:
            _copy(bundle, place, digest)
        last = before[-1].version if before else 0
        version = 1 + max(last, current.version if current else 0)
        pointer = Pointer.to(digest, version=version, by=by, at=at)
        told = pointer.model_dump(exclude={"digest", "previous", "rollback"})
        lines = [*before, Publication(**told, note=note, rollback=rollback)]
        remember(published, lines)
        *_, previous = None, *not_taken_back(lines)[:-1]
        behind = {"previous": previous, "rollback": rollback}
        write_pointer(published, pointer.model_copy(update=behind))
    return True


def _is_whole(place: Path, digest: str) -> bool:
    try:
        return verify(place)[0] == digest
    except BundleError:
        return False


def _copy(bundle: Path, place: Path, digest: str) -> None:
    """Copy beside its place, check the copy, then rename. A damaged one there makes room."""
    beside = half_folder_of(place)
    with ExitStack() as on_failure:
        on_failure.callback(shutil.rmtree, beside, ignore_errors=True)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        for name in (*FILES, MANIFEST):
            copy_file(bundle / name, beside / name)
            sync(beside / name)
        sync(beside)
        if not _is_whole(beside, digest):
            raise BundleError(
                f"{bundle} changed while it was copied. It was not published; try again."
            )
        if place.exists():
            aside = f"{place.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
            place.rename(place.with_name(aside))
        beside.rename(place)
        on_failure.pop_all()
    sync(place.parent)


def main(
    bundle: BundleFolder = Path("models/artifacts/bundle"),
    published: PublishedFolder = Path("models/published"),
    by: Annotated[
        str, typer.Option(help="Who answers for it; your login if left out, unless that is root.")
    ] = "",
    note: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    rollback: Annotated[
        str, typer.Option(help="Instead of a new bundle: `previous`, or a name from --list.")
    ] = "",
    evaluation: EvaluationFolder = Path("data/reports/evaluation"),
    despite: Annotated[
        bool, typer.Option("--despite", help="Though the evaluation speaks against it.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show what was published.")] = False,
) -> None:
    """Put a bundle in force, or one that was in force before."""
    if show:
        _show(published)
        return
    by, at = by or _login(), datetime.now(UTC)
    chosen = earlier(published, rollback) if rollback else bundle
    if not rollback and _look_at_verdict(evaluation, chosen, despite=despite):
        stop_if_worse(chosen, published, evaluation, despite=despite)
    if not publish(chosen, published, by=by, at=at, note=note, rollback=bool(rollback)):
        say("publish: this bundle is in force already; a service that refused it tries it again")
        return
    pointer = read_pointer(published)
    assert pointer is not None  # just written
    say(f"publish: bundle {pointer.bundle} is in force, version {pointer.version}, by {by}")
    say("publish: a running service tries it and takes it over, within seconds while its log is up")
    root = workspace_root(Path.cwd())
    outbox, store = Outbox(root), store_of(root)
    outbox.put_promotion(Promotion(digest=pointer.digest, by=by, at=at))
    tell(outbox.send(store), store)


def _look_at_verdict(evaluation: Path, bundle: Path, *, despite: bool) -> bool:
    """Say what the evaluation says of a bundle; False if it says nothing of this one.

    Raises:
        BundleError: it speaks against it, and nobody wants it all the same.
        StageFileError: it is no verdict.
    """
    file = evaluation / VERDICT
    if not file.exists():
        return False
    verdict, digest = read_json(file), verify(bundle)[0]
    if verdict.get("bundle") != digest:
        say(f"warning: {evaluation} is of another bundle, so nobody knows how good this one is")
        return False
    with reading(file):
        warnings, against = verdict["warnings"], verdict["against"]
    for warning in warnings:
        say(f"warning: {warning}")
    if against and not despite:
        raise BundleError(f"{' '.join(against)} With --despite it is published.")
    return True


def _show(published: Path) -> None:
    current, lines = pointer_unless_damaged(published), history(published)
    if not lines:
        print(f"Nothing was published in {published} yet.")
    for line in lines:
        in_force = current is not None and current.version == line.version
        marks = ["rolled back"] * line.rollback + ["in force"] * in_force
        told = (str(line.version), line.bundle, f"{line.at:%Y-%m-%d %H:%M}Z", line.by, line.note)
        print("  ".join((*told, ", ".join(marks))).rstrip())
    if lines and current is None:
        why = f"Nothing is in force: {published / POINTER} is missing or damaged."
        raise BundleError(f"{why} {how_to_choose(published) or 'Publish a bundle.'}")


def _login() -> str:
    try:
        login = getpass.getuser()
    except (KeyError, OSError) as error:
        raise ParamsError(
            "Nobody's name is known to publish the bundle under. Give it with --by."
        ) from error
    if login == SHARED_LOGIN:
        raise ParamsError(
            f"The login {login!r} is no person's, and the history has to say who answers for the "
            "bundle. Give a name with --by, and why with --note."
        )
    return login


if __name__ == "__main__":
    command(main)
