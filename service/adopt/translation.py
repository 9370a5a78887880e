"""The SQL that makes one row serve two languages: the project's columns and the kit's (ADR 17).

A trigger on the project's counter carries each side's change over to the other, on that row: it locks
nothing else, and nobody waits for it.
"""

from psycopg import sql

from service.adopt.facts import Table
from service.adopt.mapping import Map, StockMeans
from service.adopt.naming import column, text

# The last by name fires last: what the project's own triggers change is seen.
TRANSLATE = "zz_hotrow_translate"
TELL = "zz_hotrow_tell"
TRANSLATE_FUNCTION = "hotrow_translate"
TELL_FUNCTION = "hotrow_tell"


def free(mapping: Map, row: str | None = None) -> sql.Composable:
    """The free units of a counter, as the project counts them; ``row`` is NEW, OLD or an alias."""
    counter = mapping.counter
    stock = column(counter.stock, row)
    if counter.stock_means is StockMeans.FREE:
        return stock
    return sql.SQL("{} - {}").format(stock, column(counter.reserved, row))


def translate_function(mapping: Map) -> str:
    """The trigger BEFORE INSERT OR UPDATE. What it writes is the row itself and the ledger."""
    counter = mapping.counter
    counts = [name for name in (counter.stock, counter.reserved) if name]
    fills = {
        **({counter.reserved: "NEW.hotrow_held"} if counter.reserved else {}),
        counter.stock: "NEW.hotrow_available + NEW.hotrow_held"
        if counter.stock_means is StockMeans.ON_HAND
        else "NEW.hotrow_available",
        **({counter.version: "0"} if counter.version else {}),
        **({counter.updated_at: "clock_timestamp()"} if counter.updated_at else {}),
        **counter.fill,
    }
    stock_delta = "NEW.hotrow_available - OLD.hotrow_available"
    held_delta = "NEW.hotrow_held - OLD.hotrow_held"
    if counter.stock_means is StockMeans.ON_HAND:
        stock_delta += f" + {held_delta}"
    carried = [_assign(counter.stock, stock_delta)]
    if counter.reserved:
        carried.append(_assign(counter.reserved, held_delta))
    if counter.version:
        carried.append(_assign(counter.version, "1"))
    if counter.updated_at:
        carried.append(sql.SQL("        NEW.{} := clock_timestamp();").format(sql.Identifier(counter.updated_at)))
    lost_update = (
        sql.SQL(
            """
    IF {new_reserved} < NEW.hotrow_held THEN
        RAISE EXCEPTION '% of counter % would be %, and holds of the kit alone are % units: the row was read without'
            ' a lock, and written after others had changed it', {name}, NEW.{id}, {new_reserved}, NEW.hotrow_held
            USING ERRCODE = '23514', CONSTRAINT = 'hotrow_holds_kept';
    END IF;"""
        ).format(
            new_reserved=column(counter.reserved, "NEW"),
            name=sql.Literal(counter.reserved),
            id=sql.Identifier(counter.id),
        )
        if counter.reserved
        else sql.SQL("")
    )
    return text(
        sql.SQL(_TRANSLATE).format(
            function=sql.Identifier("public", TRANSLATE_FUNCTION),
            fills=sql.SQL("\n").join(
                sql.SQL("        NEW.{0} := coalesce(NEW.{0}, {1});").format(sql.Identifier(name), sql.SQL(expression))
                for name, expression in fills.items()
            ),
            new_counts=sql.SQL(", ").join(column(name, "NEW") for name in counts),
            old_counts=sql.SQL(", ").join(column(name, "OLD") for name in counts),
            carried=sql.SQL("\n").join(carried),
            lost_update=lost_update,
            free=free(mapping, "NEW"),
            free_before=free(mapping, "OLD"),
            id=sql.Identifier(counter.id),
        )
    )


def tell_function(mapping: Map) -> str:
    """The trigger AFTER INSERT: the ledger row of a counter that the project made."""
    return text(
        sql.SQL(_TELL).format(function=sql.Identifier("public", TELL_FUNCTION), id=sql.Identifier(mapping.counter.id))
    )


def triggers(table: Table) -> dict[str, str]:
    on = table.identifier
    return {
        TRANSLATE: text(
            sql.SQL("CREATE TRIGGER {} BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION {}()").format(
                sql.Identifier(TRANSLATE), on, sql.Identifier("public", TRANSLATE_FUNCTION)
            )
        ),
        TELL: text(
            sql.SQL(
                "CREATE TRIGGER {} AFTER INSERT ON {} FOR EACH ROW WHEN (NEW.hotrow_version = 1) EXECUTE FUNCTION {}()"
            ).format(sql.Identifier(TELL), on, sql.Identifier("public", TELL_FUNCTION))
        ),
    }


def _assign(name: str, delta: str) -> sql.Composable:
    return sql.SQL("        NEW.{0} := OLD.{0} + {1};").format(sql.Identifier(name), sql.SQL(delta))


_TRANSLATE = """\
CREATE OR REPLACE FUNCTION {function}()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
DECLARE
    v_free bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- NULL where the kit made the counter and the table has no default.
{fills}
    ELSIF (NEW.hotrow_available, NEW.hotrow_held, NEW.hotrow_sold, NEW.hotrow_version)
          IS DISTINCT FROM (OLD.hotrow_available, OLD.hotrow_held, OLD.hotrow_sold, OLD.hotrow_version) THEN
        -- The kit wrote, and its ledger row follows: the project's columns go along.
        IF ROW({new_counts}) IS DISTINCT FROM ROW({old_counts}) THEN
            RAISE EXCEPTION 'one statement changes the counter % in the project''s columns and in the kit''s: use two',
                NEW.{id} USING ERRCODE = '23514', CONSTRAINT = 'hotrow_one_language';
        ELSIF NEW.hotrow_held < 0 OR NEW.hotrow_sold < 0
              OR NEW.hotrow_available < 0 AND NEW.hotrow_available < OLD.hotrow_available THEN
            RAISE EXCEPTION 'counter % would have % available, % held, % sold', NEW.{id}, NEW.hotrow_available,
                NEW.hotrow_held, NEW.hotrow_sold
                USING ERRCODE = '23514', CONSTRAINT = 'product_stock_counters_not_negative';
        END IF;
{carried}
        RETURN NEW;
    END IF;
    -- The project wrote. Only what this means for free units concerns the kit, and a ledger row tells of it.
    v_free := {free};{lost_update}
    IF v_free = NEW.hotrow_available THEN
        RETURN NEW;
    ELSIF v_free < 0 AND v_free < coalesce({free_before}, 0) THEN
        RAISE EXCEPTION 'counter % would have % free units', NEW.{id}, v_free
            USING ERRCODE = '23514', CONSTRAINT = 'product_stock_counters_not_negative';
    END IF;
    NEW.hotrow_version := NEW.hotrow_version + 1;
    NEW.hotrow_updated_at := clock_timestamp();
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO stock_transaction
            (product_stock_id, kind, delta_available, delta_held, delta_sold, version, created_at)
        VALUES (NEW.{id}, 'adjust', v_free - NEW.hotrow_available, 0, 0, NEW.hotrow_version, NEW.hotrow_updated_at);
    END IF;
    NEW.hotrow_available := v_free;
    RETURN NEW;
END
$function$;
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"""

_TELL = """\
CREATE OR REPLACE FUNCTION {function}()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp
AS $function$
BEGIN
    -- Not in the trigger before it, which also fires for a row that ON CONFLICT then leaves out.
    INSERT INTO stock_transaction
        (product_stock_id, kind, delta_available, delta_held, delta_sold, version, created_at)
    VALUES (NEW.{id}, 'adjust', NEW.hotrow_available, 0, 0, 1, NEW.hotrow_updated_at);
    RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"""
