"""What each of squawk's rules means here: how bad, what it costs, which action it speaks of, what to do.

squawk judges the text; a rule that is not listed here is shown as a warning in squawk's own words.
"""

from dataclasses import dataclass

from tuning.contract import Outcome
from tuning.migrations.actions import Kind
from tuning.migrations.findings import Effect

DOCUMENTATION = "https://squawkhq.com/docs/"


@dataclass(frozen=True, slots=True)
class SquawkRule:
    """``kinds`` finds the action in the statement that squawk points at; ``opt_in`` says why it is off by default."""

    name: str
    outcome: Outcome
    effect: Effect
    remedy: str
    kinds: frozenset[Kind] = frozenset()
    opt_in: str = ""


def _fail(name: str, effect: Effect, remedy: str, *kinds: Kind) -> SquawkRule:
    return SquawkRule(name, Outcome.FAIL, effect, remedy, frozenset(kinds))


def _warn(name: str, remedy: str, *kinds: Kind, opt_in: str = "") -> SquawkRule:
    return SquawkRule(name, Outcome.WARN, Effect.STYLE, remedy, frozenset(kinds), opt_in)


_OPERATION_HAS_IT = "the kit's operations set timeouts by the lock that a statement takes, not the file"

RULES = (
    _fail(
        "adding-field-with-default",
        Effect.REWRITE,
        "Add the column without the default, set a default for new rows, fill the old ones in batches.",
        Kind.ADD_COLUMN,
    ),
    _fail(
        "adding-foreign-key-constraint",
        Effect.SCAN,
        "Add the foreign key NOT VALID, then validate it in a migration of its own.",
        Kind.ADD_CONSTRAINT,
        Kind.ADD_COLUMN,
    ),
    _fail(
        "adding-required-field",
        Effect.BREAKS,
        "Give the column a default that stays (db_default), or add it nullable and make it NOT NULL later.",
        Kind.ADD_COLUMN,
    ),
    _fail(
        "adding-not-nullable-field",
        Effect.SCAN,
        "Prove it with a CHECK that is added NOT VALID and validated; then SET NOT NULL reads nothing.",
        Kind.SET_NOT_NULL,
    ),
    _fail(
        "adding-serial-primary-key-field",
        Effect.BUILD,
        "Build the unique index concurrently, then add the primary key USING INDEX.",
        Kind.ADD_CONSTRAINT,
        Kind.ADD_COLUMN,
    ),
    _fail(
        "ban-alter-domain-with-add-constraint",
        Effect.BREAKS,
        "Add the constraint NOT VALID and validate it later: each table with the domain is read.",
    ),
    _warn("ban-char-field", "Use text: char(n) pads with blanks and saves nothing."),
    _fail(
        "ban-concurrent-index-creation-in-transaction",
        Effect.FAILS,
        "Set atomic = False on the migration and leave the concurrent operation alone in it.",
        Kind.CREATE_INDEX,
        Kind.DROP_INDEX,
        Kind.REINDEX,
    ),
    _warn("ban-create-domain-with-constraint", "Put the CHECK on the table: a domain's cannot be changed in steps."),
    _fail(
        "ban-drop-column",
        Effect.BREAKS,
        "Release code that does not name the column first; drop it with the release after.",
        Kind.DROP_COLUMN,
    ),
    _fail("ban-drop-database", Effect.BREAKS, "No migration drops a database."),
    _fail(
        "ban-drop-function",
        Effect.BREAKS,
        "Make the next version beside it; drop this one when no release calls it.",
        Kind.DROP_FUNCTION,
    ),
    _warn("ban-drop-constraint", "See that no code counts on the rule that goes.", Kind.DROP_CONSTRAINT),
    _warn("ban-drop-default", "Code that runs leaves the column out and counts on the default.", Kind.DROP_DEFAULT),
    _warn(
        "ban-drop-not-null", "Readers that count on a value must cope with NULL before this runs.", Kind.DROP_NOT_NULL
    ),
    _fail(
        "ban-drop-table",
        Effect.BREAKS,
        "Release code that does not name the table first; drop it with the release after.",
        Kind.DROP_TABLE,
    ),
    _fail("ban-drop-trigger", Effect.BREAKS, "Release code that does not count on the trigger first."),
    _fail("ban-duplicate-column-assignments", Effect.FAILS, "Set each column once.", Kind.WRITE),
    _fail(
        "ban-set-schema",
        Effect.BREAKS,
        "Make a view of the old name, or move the table with the code stopped.",
        Kind.SET_SCHEMA,
    ),
    _fail("ban-truncate-cascade", Effect.BREAKS, "Name each table that is to be emptied.", Kind.TRUNCATE),
    _fail("ban-uncommitted-transaction", Effect.FAILS, "End the script with COMMIT."),
    _fail(
        "changing-column-type",
        Effect.REWRITE,
        "Add a column of the new type, write both, fill in batches, read the new one, drop the old one.",
        Kind.ALTER_TYPE,
    ),
    _fail(
        "constraint-missing-not-valid",
        Effect.SCAN,
        "Add the constraint NOT VALID, then validate it in a migration of its own.",
        Kind.ADD_CONSTRAINT,
        Kind.VALIDATE_CONSTRAINT,
    ),
    _fail(
        "disallowed-unique-constraint",
        Effect.BUILD,
        "Build the unique index concurrently, then add the constraint USING INDEX.",
        Kind.ADD_CONSTRAINT,
        Kind.ADD_COLUMN,
    ),
    _fail("identifier-too-long", Effect.FAILS, "Stay within 63 bytes: PostgreSQL cuts the rest off."),
    _warn("prefer-bigint-over-int", "Use bigint: an integer key ends at 2,147,483,647."),
    _warn("prefer-bigint-over-smallint", "Use bigint or integer where the value may grow."),
    _warn("prefer-identity", "Use GENERATED BY DEFAULT AS IDENTITY: a serial's sequence has rights of its own."),
    _warn(
        "prefer-robust-stmts",
        "Make the statement repeatable.",
        opt_in="IF NOT EXISTS accepts an invalid index; the kit's operations look before and verify after",
    ),
    _warn(
        "prefer-text-field",
        "Use text with a CHECK: a longer varchar is a new type.",
        opt_in="Django's CharField writes varchar(n)",
    ),
    _warn("prefer-timestamp-tz", "Use timestamptz: a timestamp without a zone means another moment to each reader."),
    _fail("renaming-column", Effect.BREAKS, "Add a new column, write both, then drop the old one.", Kind.RENAME_COLUMN),
    _fail(
        "renaming-object",
        Effect.BREAKS,
        "Make the new name beside the old one; drop the old one a release later.",
        Kind.RENAME_OTHER,
    ),
    _fail(
        "renaming-table",
        Effect.BREAKS,
        "Keep the table's name (db_table), or leave a view of the old name for the release that runs.",
        Kind.RENAME_TABLE,
    ),
    _fail(
        "require-concurrent-index-creation",
        Effect.BUILD,
        "Build it CONCURRENTLY in a migration of its own.",
        Kind.CREATE_INDEX,
    ),
    SquawkRule(
        "require-concurrent-index-deletion",
        Outcome.WARN,
        Effect.CATALOG,
        "Drop it CONCURRENTLY: the plain form waits for ACCESS EXCLUSIVE and lets everybody wait behind it.",
        frozenset({Kind.DROP_INDEX}),
    ),
    SquawkRule(
        "require-concurrent-partition-detach",
        Outcome.WARN,
        Effect.CATALOG,
        "Detach the partition CONCURRENTLY in a migration of its own.",
        frozenset({Kind.DETACH_PARTITION}),
    ),
    _fail("require-concurrent-reindex", Effect.BUILD, "Rebuild it CONCURRENTLY.", Kind.REINDEX),
    _warn("require-concurrent-refresh-matview", "Refresh it CONCURRENTLY; that needs a unique index.", Kind.REFRESH),
    _warn("require-enum-value-ordering", "Say BEFORE or AFTER which value the new one stands."),
    _warn("require-lock-timeout", "SET lock_timeout before the statement.", opt_in=_OPERATION_HAS_IT),
    _warn("require-statement-timeout", "SET statement_timeout before the statement.", opt_in=_OPERATION_HAS_IT),
    _warn("require-table-schema", "Name the table's schema.", opt_in="Django names tables without their schema"),
    _fail("syntax-error", Effect.FAILS, "Mend the statement: squawk judges nothing of a file that it cannot read."),
    _fail("transaction-nesting", Effect.FAILS, "Begin one transaction: the inner BEGIN does nothing but warn."),
)

BY_NAME = {rule.name: rule for rule in RULES}
OPT_IN = {rule.name: rule.opt_in for rule in RULES if rule.opt_in}
