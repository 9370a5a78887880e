"""The products that are measured, each with a stock and a ledger that add up."""

from dataclasses import dataclass

import psycopg

from tuning.bench.matrix import HOT_ONLY, Case
from tuning.bench.rig import ROLE, Rig, one

# Never sold out, and far from what bigint holds.
UNITS = 10**12
SPREAD_PRODUCTS = 1_000
BUCKETS = 16
# Units of a product that has a row for each; a machine that sells more in a second is told so.
UNITS_PER_S = 20_000
# What set_stock_mode takes at the most.
MAX_ROW_UNITS = 1_000_000
MODES = "set_stock_mode_v1(bigint,text,integer)"

_SCHEMA = """
    CREATE SCHEMA bench;
    CREATE UNLOGGED TABLE bench.inp (id bigint PRIMARY KEY, o uuid[], u bigint[], k text[], p bigint[], q integer[]);
    ALTER TABLE bench.inp ALTER o SET STORAGE EXTERNAL, ALTER u SET STORAGE EXTERNAL, ALTER k SET STORAGE EXTERNAL,
        ALTER p SET STORAGE EXTERNAL, ALTER q SET STORAGE EXTERNAL;
    CREATE SEQUENCE bench.inp_seq;
    CREATE FUNCTION bench.order_id() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT {order_id}()';
    -- reserve_and_commit_v1 without its reservation, so that its first commit has nothing to write.
    CREATE PROCEDURE bench.commit_alone(
        order_id uuid, user_id bigint, key text, product_ids bigint[], quantities integer[], ttl_s integer,
        INOUT outcome text DEFAULT NULL, INOUT log_position bigint DEFAULT NULL)
    LANGUAGE plpgsql AS $$
    BEGIN
        outcome := set_config('synchronous_commit', 'off', true);
        COMMIT;
        log_position := pg_wal_lsn_diff(pg_logical_emit_message(true, 'hotrow', ''), '0/0')::bigint;
    END $$;
    GRANT USAGE ON SCHEMA bench TO {role};
    GRANT ALL ON ALL TABLES IN SCHEMA bench TO {role};
    GRANT ALL ON ALL SEQUENCES IN SCHEMA bench TO {role}"""

_PRODUCTS = """
    WITH made AS (
        INSERT INTO product (sku, name, price, category_id, is_active)
        SELECT 'bench-' || %(label)s || '-' || n, 'Bench ' || n, 1, (SELECT min(id) FROM product_category), true
          FROM generate_series(1, %(count)s) AS n
        RETURNING id),
    stocked AS (
        INSERT INTO product_stock (product_id, warehouse_id, available, version)
        SELECT id, 1, %(units)s, 1 FROM made RETURNING id, product_id, available),
    written AS (
        INSERT INTO stock_transaction (product_stock_id, kind, delta_available, delta_held, delta_sold, version)
        SELECT id, 'restock', available, 0, 0, 1 FROM stocked RETURNING 1)
    SELECT min(product_id), max(product_id) FROM stocked"""

_LAST_UNIT = "SELECT outcome FROM reserve_stock_v1(gen_random_uuid(), 1, 'last', ARRAY[%s::bigint], '{1}', 86400)"


@dataclass(frozen=True, slots=True)
class Range:
    """Products by id, the last included."""

    first: int
    last: int


def units_of_rows(seconds: int) -> int:
    """How many units a product gets that has a row for each and is sold for so long."""
    return min(MAX_ROW_UNITS, UNITS_PER_S * (seconds + 1))


class Shop:
    """Makes the benchmark's products in one database and knows which of them a row is measured on."""

    def __init__(self, rig: Rig, dbname: str | None = None) -> None:
        self._rig = rig
        self._dbname = dbname
        self._made: dict[str, Range] = {}
        with self.connect() as connection:
            is_new = connection.info.server_version >= 180000
            order_id = "uuidv7" if is_new else "gen_random_uuid"
            connection.execute(_SCHEMA.format(order_id=order_id, role=ROLE))
            self.has_modes = one(connection, "SELECT to_regprocedure(%s) IS NOT NULL", [MODES])

    def connect(self) -> psycopg.Connection:
        """The superuser, on this shop's database."""
        return self._rig.connect(self._dbname)

    def products(self, label: str, count: int = 1, units: int = UNITS) -> Range:
        """Products with so many units each, made at the first call with this label."""
        if label not in self._made:
            with self.connect() as connection:
                row = connection.execute(_PRODUCTS, {"label": label, "count": count, "units": units}).fetchone()
            assert row is not None
            self._made[label] = Range(*row)
        return self._made[label]

    def sold_out(self) -> Range:
        """A product whose only unit is held."""
        if "sold-out" not in self._made:
            product = self.products("sold-out", units=1)
            with self.connect() as connection:
                assert one(connection, _LAST_UNIT, [product.first]) == "reserved"
        return self._made["sold-out"]

    def target(self, case: Case, seconds: int) -> Range:
        """What this row reserves, its mode set: one product, or a thousand."""
        if case.refused:
            return self.sold_out()
        if case.scope == "spread":
            return self.products("spread", SPREAD_PRODUCTS)
        if case.strategy not in HOT_ONLY:
            return self.products(f"hot-{case.strategy}")
        if case.strategy == "units":  # a row for each unit: as many as can be sold, and new ones each time
            label = f"hot-units-{self._rig.next_run()}"
            return self._in_mode(self.products(label, units=units_of_rows(seconds)), "units", 1)
        if (label := "hot-buckets") in self._made:
            return self._made[label]
        return self._in_mode(self.products(label), "buckets", BUCKETS)

    def _in_mode(self, product: Range, mode: str, buckets: int) -> Range:
        with self.connect() as connection:
            connection.execute("SELECT set_stock_mode_v1(%s, %s, %s)", [product.first, mode, buckets])
        return product
