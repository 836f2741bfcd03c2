"""Shows the service at work: starts it, sends the sample declarations, prints their lanes."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selectivity.errors import SelectivityError, SourceError
from serving.commands import table
from serving.commands.client import Target, send_declarations, send_inspections
from serving.settings import Settings

DECLARATIONS, INSPECTIONS = "declarations.ndjson", "inspections.ndjson"


def show(samples: Path, to: Target, say: Callable[[str], None]) -> None:
    """Send the samples and print what comes back, one line per declaration.

    Raises:
        SourceError: there are no samples.
        SelectivityError: some of them got no lane.
    """
    say(table.head())
    refused = 0
    for answer in send_declarations(_lines(samples / DECLARATIONS), to):
        say(table.row(answer))
        refused += "lane" not in answer
    if (samples / INSPECTIONS).exists():
        refused += _show_inspections(samples / INSPECTIONS, to, say)
    if refused:
        raise SelectivityError(
            f"{refused} of the samples were refused; the lines above say why. If they were "
            "changed since they were first sent, take another LANES_STATE."
        )


def _show_inspections(file: Path, to: Target, say: Callable[[str], None]) -> int:
    receipts: dict[str, int] = {}
    refused = 0
    for number, answer in send_inspections(_lines(file), to):
        if "receipt" not in answer:
            say(f"inspection in line {number} refused: {table.what_is_wrong(answer)}")
            refused += 1
        else:
            receipts[answer["receipt"]] = receipts.get(answer["receipt"], 0) + 1
    counted = ", ".join(f"{number} {receipt}" for receipt, number in receipts.items())
    say(f"\ninspections: {counted or 'none'}")
    return refused


def where_to_look(url: str | None, settings: Settings) -> str:
    """Where a newcomer goes from here; `url` is None where the service ends with these words."""
    made, key = settings.report.exists(), settings.demo_key_file
    asks = f"the browser asks for a name, any, and a password, the key in {key}"
    served = f"report    {url}/reports  ({asks})\n" if made else ""
    runs = (
        "\nThe service ends with these lines; `lanes serve` starts it again.\n"
        if url is None
        else f"\nwhile this service runs\n{served}API       {url}/docs\n"
        f"health    {url}/health/ready\n"
    )
    return (
        f"{runs}\nat any time\n"
        f"report    {settings.report if made else 'not made yet: make report'}\n"
        "MLflow    make mlflow, which says where"
    )


def _lines(file: Path) -> list[bytes]:
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(
            f"The samples {file} cannot be read ({error.strerror}). Start the command in the "
            "project's folder, or give their folder with --samples."
        ) from error


@contextmanager
def ended_by_a_signal() -> Iterator[None]:
    """Meanwhile SIGTERM ends this process as Ctrl-C does: what was begun is finished and closed."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def keep_running(say: Callable[[str], None]) -> None:
    """Wait for Ctrl-C, and say so."""
    try:
        say("\nCtrl-C ends the service.")
        threading.Event().wait()
    except KeyboardInterrupt:
        return
