"""Say what of an adoption is missing or has drifted."""

from django.db.backends.base.base import BaseDatabaseWrapper

from service.adopt import facts, translation
from service.adopt.apply import missing
from service.adopt.inspection import Adopted
from service.adopt.plan import steps

# Enough to see what is wrong.
_SHOWN = 10


def problems(connection: BaseDatabaseWrapper, adopted: Adopted) -> list[str]:
    """A sentence for each; none where the adoption is complete and both sides agree."""
    found = []
    for step in steps(connection, adopted):
        items = missing(connection, step)
        if items:
            names = ", ".join(item.name for item in items[:_SHOWN]) + (" ..." if len(items) > _SHOWN else "")
            found.append(f"{step.name}: missing or changed: {names}")
    disabled = facts.rows(
        connection,
        "SELECT tgname FROM pg_trigger WHERE tgname = ANY (%s) AND tgenabled IN ('D', 'R') ORDER BY 1",
        [[translation.TRANSLATE, translation.TELL]],
    )
    found += [f"trigger {name} is disabled: writes of the project are not seen" for (name,) in disabled]
    if found:
        return found
    drifted = facts.rows(connection, "SELECT stock_id FROM check_stock_v1() ORDER BY 1 LIMIT %s", [_SHOWN])
    found += [
        f"counter {stock_id} differs from its ledger or its holds: repair_stock_v1() mends it"
        for (stock_id,) in drifted
    ]
    return found
