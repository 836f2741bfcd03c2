"""Application log: one JSON object per line on standard error, ids and codes only.

Declared values belong in the decision log alone. Messages of exceptions may carry them, so an
exception is logged by its kind and place.
"""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
FRAMES = 5


class JsonLines(logging.Formatter):
    """Time, level, where, what, and the fields given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the values hold."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["error"] = type(error).__name__
            line["where"] = [
                f"{frame.filename}:{frame.lineno}"
                for frame in traceback.extract_tb(error.__traceback__)[-FRAMES:]
            ]
        return json.dumps(line, default=str)


class NewestCritical(logging.Handler):
    """Notes when something was logged that somebody has to look at now: alarms go by metrics."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)
        self.seconds = 0.0
        """Of the newest such line, since 1970; 0 before the first."""

    def emit(self, record: logging.LogRecord) -> None:
        """Note its time."""
        self.seconds = record.created


def log_json_lines(level: int = logging.INFO) -> NewestCritical:
    """Send everything that is logged to standard error as JSON lines."""
    handler, critical = logging.StreamHandler(), NewestCritical()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler, critical], force=True)
    return critical


def tell_in_full() -> None:
    """What commands warn of comes with its fields; without this, the event would stand alone."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(JsonLines())
