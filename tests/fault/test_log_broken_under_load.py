"""The decision log breaks down under load: every answer is kept, once, as it was given."""

import random
from pathlib import Path

from tests import torture
from tests.postgresql import PostgreSql
from tests.torture import Patient


def test_no_answer_is_lost_or_doubled_when_the_database_breaks_down(
    tmp_path: Path, bundle: Path, postgresql: PostgreSql
) -> None:
    patient = Patient(tmp_path, bundle, postgresql, random.Random(5))
    faults = (
        torture.kill_server,
        torture.lock_table,
        torture.cut_connections,
        torture.hang_server_and_kill_service,
    )
    survived = torture.torture(patient, faults, print)
    assert survived.unharmed, survived
    assert survived.refused == 0, survived  # callers notice nothing but the service's own end
    assert survived.declarations > 50
    assert survived.drained > 10


def test_no_answer_is_lost_or_doubled_when_the_file_is_held(tmp_path: Path, bundle: Path) -> None:
    patient = Patient(tmp_path, bundle, None, random.Random(6))
    survived = torture.torture(patient, (torture.lock_file_and_kill_service,), print)
    assert survived.unharmed, survived
    assert survived.refused == 0, survived
    assert survived.drained > 10
