"""Create the SQL functions of this release, and make the ledger append-only."""

from typing import ClassVar

from django.db import migrations

from service.db.operations import RunSQLFile

FUNCTIONS = (
    "adjust_stock",
    "begin_payment",
    "check_stock",
    "confirm_reservation",
    "expire_reservations",
    "extend_reservation",
    "grant_access",
    "join_waitlist",
    "leave_waitlist",
    "release_reservation",
    "repair_stock",
    "reserve_stock_many",
    "reserve_stock",
    "reserve_and_commit",
    "restock",
    "set_stock_mode",
    # The first two are bodies that later ones inline.
    "stock_pooled_units",
    "stock_free_units",
    "stock_availability",
    "stock_change",
    "stock_decide",
    "stock_free",
    "stock_gather",
    "stock_lapse",
    "stock_offer",
    "stock_order_state",
    "stock_plan",
    "stock_reacquire",
    "stock_reclaim",
    "stock_refuse_change",
    "stock_refusal",
    "stock_spread",
    "stock_supply",
    "stock_take",
    "stock_tell_sold_out",
    "stock_unpool",
)


class Migration(migrations.Migration):
    dependencies: ClassVar = [("stock", "0002_storage")]
    operations: ClassVar = [
        *(RunSQLFile(f"functions/{name}_v1.sql") for name in FUNCTIONS),
        migrations.RunSQL(
            "CREATE TRIGGER stock_transaction_is_final BEFORE UPDATE OR DELETE ON stock_transaction"
            " FOR EACH ROW EXECUTE FUNCTION stock_refuse_change_v1()",
            "DROP TRIGGER stock_transaction_is_final ON stock_transaction",
        ),
    ]
