"""Runs the history queries on Spark, for more goods items than one machine should take."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.histories.engine import HistoryEngine, write_parts
from selectivity.errors import ParamsError

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class Spark(HistoryEngine):
    """On a cluster, or with the master `local[2]` on two processors of this machine.

    The workers have to see the folder of the goods items under the same path.
    """

    def __init__(
        self, master: str, *, spill: Path | None = None, settings: Mapping[str, str] = NO_SETTINGS
    ) -> None:
        """Begin a session, with `settings` of Spark besides those in its own files.

        Raises:
            ParamsError: Spark or Java is not installed, or no such master answers.
        """
        self._session = _session(master, settings)
        super().__init__(spill)

    def _name(self, name: str, table: pa.Table) -> None:
        self._session.createDataFrame(table).createOrReplaceTempView(name)

    def _name_file(self, name: str, file: Path) -> None:
        self._session.read.parquet(str(file)).createOrReplaceTempView(name)

    def _keep(self, name: str, query: str) -> None:
        self._session.sql(query).cache().createOrReplaceTempView(name)

    def _ask(self, query: str) -> pa.Table:
        return self._session.sql(query).toArrow()

    def _write(self, query: str, file: Path) -> None:
        parts = self._spill / file.stem
        self._session.sql(query).write.parquet(str(parts), mode="overwrite", compression="zstd")
        in_order = sorted(parts.glob("part-*.parquet"))
        write_parts((pq.read_table(part) for part in in_order), file)

    def _close(self) -> None:
        self._session.stop()


def _session(master: str, more: Mapping[str, str]) -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ParamsError("Spark is not installed. Install it with `make cluster`.") from error
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        **more,
    }
    try:
        builder = SparkSession.builder.master(master).appName("histories")
        return builder.config(map=settings).getOrCreate()
    except Exception as error:  # whatever the Java side says
        raise ParamsError(
            f"No Spark session begins with master {master!r} ({type(error).__name__}). Correct "
            "--spark, and see that Java 17 or newer is installed and JAVA_HOME names it."
        ) from error
