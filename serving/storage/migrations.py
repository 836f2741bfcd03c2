"""The tables of the decision log, as they came to be: one step per version, never changed again.

The text is SQLite's. PostgreSQL takes the same with other words for numbers, see `in_postgresql`.
"""

from collections.abc import Mapping

from serving.storage import acts, chain

FIRST = 2
"""Version 1 was not chained and lay in files alone."""

RECORDS = """
CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY,
    declaration_id TEXT NOT NULL,
    version_no INTEGER NOT NULL,
    lineage_id TEXT NOT NULL,
    snapshot_sha256 TEXT NOT NULL,
    lane INTEGER NOT NULL,
    record TEXT NOT NULL,
    UNIQUE (declaration_id, version_no)
);
CREATE INDEX decisions_by_lineage ON decisions (lineage_id, lane);
CREATE TABLE inspections (
    seq INTEGER PRIMARY KEY,
    inspection_id TEXT NOT NULL UNIQUE,
    declaration_id TEXT NOT NULL,
    content_sha256 TEXT NOT NULL,
    inspection TEXT NOT NULL,
    decision_seq INTEGER REFERENCES decisions (seq)  -- NULL while parked: no decision is known yet
);
CREATE INDEX inspections_by_declaration ON inspections (declaration_id);
"""

DRAINS = """
CREATE TABLE drains (
    seq INTEGER PRIMARY KEY,
    spool_id TEXT NOT NULL,
    upto_no INTEGER NOT NULL,
    upto_hash TEXT NOT NULL,
    conflicts TEXT NOT NULL,
    UNIQUE (spool_id, upto_no)
);
"""

STEPS: Mapping[int, str] = {
    FIRST: RECORDS + chain.TABLES,
    3: DRAINS,
    4: acts.TABLES,
}
"""What each version adds to the one before."""
VERSION = max(STEPS)

GUARD = """
CREATE FUNCTION keep_what_was_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'inspections' THEN
        IF to_jsonb(OLD) ->> 'decision_seq' IS NULL
           AND to_jsonb(OLD) - 'decision_seq' = to_jsonb(NEW) - 'decision_seq' THEN
            RETURN NEW;  -- a parked inspection is put to its decision
        END IF;
    END IF;
    RAISE EXCEPTION 'records of the decision log are never changed nor deleted (%, table %)',
        TG_OP, TG_TABLE_NAME;
END $$
"""
"""PostgreSQL alone: whoever uses the service's own role by mistake changes nothing."""


def in_postgresql(step: str) -> list[str]:
    """The statements of a step in PostgreSQL's words, with a guard on each new table."""
    words = step.replace(
        "seq INTEGER PRIMARY KEY", "seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    ).replace("INTEGER", "BIGINT")
    statements = [each for each in words.split(";\n") if each.strip()]
    made = [each.split()[2] for each in statements if each.split()[:2] == ["CREATE", "TABLE"]]
    return statements + [guard for table in made for guard in _guards(table)]


def _guards(table: str) -> list[str]:
    then = "EXECUTE FUNCTION keep_what_was_written()"
    return [
        f"CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {then}",
        f"CREATE TRIGGER not_emptied BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {then}",
    ]
