"""A fault for each rule about a server, and how it is mended; what takes days is changed in the snapshot."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tuning.observe.snapshot import DAY_S, Snapshot

Change = Callable[[Snapshot], Snapshot]


def same(snapshot: Snapshot) -> Snapshot:
    return snapshot


def aged(snapshot: Snapshot) -> Snapshot:
    assert snapshot.database is not None
    return replace(snapshot, database=replace(snapshot.database, statistics_age_s=30 * DAY_S))


def tables(**figures: Any) -> Change:
    """Change the figures of lab.t."""

    def change(snapshot: Snapshot) -> Snapshot:
        changed = (replace(each, **figures) if each.name == "lab.t" else each for each in snapshot.tables)
        return replace(snapshot, tables=tuple(changed))

    return change


def indexes(**figures: Any) -> Change:
    """Change the figures of lab.t_v."""

    def change(snapshot: Snapshot) -> Snapshot:
        changed = (replace(each, **figures) if each.name == "lab.t_v" else each for each in snapshot.indexes)
        return replace(snapshot, indexes=tuple(changed))

    return change


def database(**figures: Any) -> Change:
    def change(snapshot: Snapshot) -> Snapshot:
        assert snapshot.database is not None
        return replace(snapshot, database=replace(snapshot.database, **figures))

    return change


def settings(**values: str | float) -> Change:
    return lambda snapshot: replace(snapshot, settings={**snapshot.settings, **values})


@dataclass(frozen=True, slots=True)
class Case:
    """``mend`` is SQL, or nothing where the finding's own SQL mends it. ``view`` holds for all three readings.

    ``fault`` is what is changed in the snapshot for the fault alone.
    """

    rule: str
    about: str
    setup: tuple[str, ...] = ()
    plant: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()
    view: Change = same
    fault: Change = same


ROWS = "CREATE TABLE lab.t AS SELECT n AS id, n % 100 AS v, n::text AS t FROM generate_series(1, 20000) AS n"
OFF = "ALTER TABLE lab.t SET (autovacuum_enabled = off)"
BY_INDEX = """DO $$ BEGIN SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
    FOR i IN 1..{} LOOP PERFORM * FROM lab.t WHERE {} = i LIMIT 1; END LOOP; END $$"""
WHOLE = "DO $$ BEGIN FOR i IN 1..150 LOOP PERFORM count(*) FROM lab.t WHERE id = i; END LOOP; END $$"
INDEX = "CREATE INDEX t_v ON lab.t (v)"
PARENT = (
    "CREATE TABLE lab.parent AS SELECT n AS id FROM generate_series(1, 2000) AS n",
    "ALTER TABLE lab.parent ADD PRIMARY KEY (id)",
    "CREATE TABLE lab.t AS SELECT n AS id, n % 2000 + 1 AS v, repeat('x', 250) AS t FROM generate_series(1, 45000) n",
)
KEY = "ALTER TABLE lab.t ADD CONSTRAINT t_v_fk FOREIGN KEY (v) REFERENCES lab.parent"
SPILL = """DO $$ BEGIN SET LOCAL work_mem = '64kB'; FOR i IN 1..25 LOOP
    PERFORM n FROM lab.t AS n ORDER BY n.t; END LOOP; END $$"""
SLOW = "DO $$ BEGIN FOR i IN 1..101 LOOP PERFORM pg_sleep(0.021); END LOOP; END $$"
# What pg_qualstats shows, by its documentation: no package of it is here.
QUALSTATS = """CREATE VIEW lab.pg_qualstats AS SELECT d.oid AS dbid, 'lab.t'::regclass::oid AS lrelid,
    2::int2 AS lattnum, 96::oid AS opno, 10::bigint AS occurences, 200000::bigint AS execution_count,
    190000::bigint AS nbfiltered FROM pg_database AS d WHERE d.datname = current_database()"""

CASES = (
    Case("unused-index", "lab.t_v", (ROWS,), (INDEX,), view=aged),
    Case(
        "rarely-used-index",
        "lab.t_v",
        (ROWS, "CREATE INDEX t_id ON lab.t (id)", BY_INDEX.format(1500, "id")),
        (INDEX, BY_INDEX.format(60, "v")),
        ("DROP INDEX lab.t_v",),
        view=aged,
    ),
    Case("duplicate-index", "lab.t_w", (ROWS, INDEX), ("CREATE INDEX t_w ON lab.t (v)",)),
    Case(
        "duplicate-index",
        "lab.t_w",
        (ROWS, "ALTER TABLE lab.t ADD PRIMARY KEY (id)"),
        ("CREATE INDEX t_w ON lab.t (id)",),
    ),
    Case("redundant-index", "lab.t_v", (ROWS, "CREATE INDEX t_w ON lab.t (v, id)"), (INDEX,)),
    Case(
        "redundant-index",
        "lab.t_v",
        (ROWS, "CREATE INDEX t_w ON lab.t (lower(t) DESC, id) INCLUDE (v) WHERE v > 3"),
        ("CREATE INDEX t_v ON lab.t (lower(t) DESC) INCLUDE (v) WHERE v > 3",),
    ),
    Case(
        "invalid-index",
        "lab.t_v",
        (ROWS,),
        ("! CREATE UNIQUE INDEX CONCURRENTLY t_v ON lab.t (v)", "DELETE FROM lab.t WHERE id > 99"),
    ),
    Case("unindexed-foreign-key", "lab.t.t_v_fk", PARENT, (KEY,)),
    Case(
        "sequential-scans",
        "lab.t",
        (ROWS, "ANALYZE lab.t"),
        (WHOLE,),
        ("CREATE INDEX t_id ON lab.t (id)", BY_INDEX.format(3500, "id")),
        view=aged,
    ),
    Case(
        "index-bloat",
        "lab.t_v",
        (
            "CREATE TABLE lab.t AS SELECT n AS id, n AS v FROM generate_series(1, 520000) AS n",
            OFF,
            INDEX,
            "ANALYZE lab.t",
        ),
        ("DELETE FROM lab.t WHERE v % 5 <> 0", "VACUUM ANALYZE lab.t"),
    ),
    Case("dead-rows", "lab.t", (ROWS, OFF), ("UPDATE lab.t SET v = v + 1",)),
    Case(
        "hot-updates",
        "lab.t",
        (ROWS, OFF, INDEX),
        ("UPDATE lab.t SET v = v + 1",),
        (
            "DROP INDEX lab.t_v",
            "ALTER TABLE lab.t SET (fillfactor = 30)",
            "VACUUM FULL lab.t",
            "SELECT pg_stat_reset_single_table_counters('lab.t'::regclass)",
            "UPDATE lab.t SET v = v + 1",
        ),
        view=tables(rows=2_000_000),
    ),
    Case("vacuum-due", "lab.t", (ROWS, "ANALYZE lab.t", OFF), ("UPDATE lab.t SET v = v + 1",)),
    Case("vacuum-scale-factor", "lab.t", plant=(ROWS,), view=tables(rows=20_000_000)),
    Case("wraparound", "lab.t", (ROWS,), fault=tables(frozen_xid_age=600_000_000)),
    Case(
        "sequence-exhaustion",
        "lab.t.id",
        ("CREATE TABLE lab.t (id int)", "CREATE SEQUENCE lab.s AS bigint OWNED BY lab.t.id"),
        ("SELECT setval('lab.s', 1800000000)",),
        ("ALTER TABLE lab.t ALTER id TYPE bigint",),
    ),
    Case("cache-hits", "", fault=tables(blocks_hit=900_000, blocks_read=100_000), setup=(ROWS,)),
    Case(
        "temp-files",
        "",
        (ROWS, "SELECT pg_stat_reset()"),
        (SPILL,),
        ("SELECT pg_stat_reset()",),
    ),
    Case("statistics-age", "", view=aged, fault=database(statistics_age_s=DAY_S)),
    Case(
        "slow-statements",
        "SELECT pg_sleep ( $ 1 )",
        ("SELECT pg_stat_statements_reset()", "SET pg_stat_statements.track = 'all'"),
        (SLOW,),
        ("SELECT pg_stat_statements_reset()",),
    ),
    Case("unindexed-predicate", "lab.t.v", (ROWS,), (QUALSTATS,)),
    Case(
        "server-settings",
        "random_page_cost",
        ("ALTER SYSTEM SET random_page_cost = 1.1", "SELECT pg_reload_conf()"),
        ("ALTER SYSTEM RESET random_page_cost", "SELECT pg_reload_conf()"),
    ),
)
