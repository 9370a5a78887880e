-- What must hold in every snapshot of the stock tables: each statement returns a sentence for every breach.
-- `hotrow verify` runs them one by one, and the check of a backup as a whole, with psql.

-- invariant: counters_not_negative
SELECT format('stock %s: available %s, held %s, sold %s', id, available, held, sold)
  FROM product_stock WHERE available < 0 OR held < 0 OR sold < 0;

-- invariant: counters_equal_ledger
SELECT format('stock %s: counters %s/%s/%s, ledger %s/%s/%s', s.id, s.available, s.held, s.sold,
              coalesce(l.available, 0), coalesce(l.held, 0), coalesce(l.sold, 0))
  FROM product_stock AS s
  LEFT JOIN (SELECT product_stock_id, sum(delta_available) AS available, sum(delta_held) AS held,
                    sum(delta_sold) AS sold
               FROM stock_transaction WHERE version IS NOT NULL GROUP BY product_stock_id) AS l
    ON l.product_stock_id = s.id
 WHERE (s.available, s.held, s.sold)
       <> (coalesce(l.available, 0), coalesce(l.held, 0), coalesce(l.sold, 0));

-- invariant: stocked_equals_available_held_sold
SELECT format('product %s: %s stocked, %s accounted for', s.product_id, sum(coalesce(l.stocked, 0)),
              sum(s.available + s.held + s.sold + coalesce(u.free, 0) + coalesce(r.pooled, 0)))
  FROM product_stock AS s
  LEFT JOIN (SELECT product_stock_id, sum(delta_available + delta_held + delta_sold) AS stocked
               FROM stock_transaction WHERE kind IN ('restock', 'adjust', 'repair')
              GROUP BY product_stock_id) AS l ON l.product_stock_id = s.id
  LEFT JOIN (SELECT product_stock_id, count(*) AS free FROM stock_unit GROUP BY product_stock_id) AS u
    ON u.product_stock_id = s.id
  LEFT JOIN (SELECT product_stock_id, sum(quantity) AS pooled FROM stock_reservation
              WHERE is_pooled AND status IN ('held', 'paying') GROUP BY product_stock_id) AS r
    ON r.product_stock_id = s.id
 GROUP BY s.product_id
HAVING sum(s.available + s.held + s.sold + coalesce(u.free, 0) + coalesce(r.pooled, 0))
       <> sum(coalesce(l.stocked, 0));

-- invariant: moves_cancel_out
SELECT format('product %s: moves between its counters add up to %s', s.product_id, sum(t.delta_available))
  FROM stock_transaction AS t JOIN product_stock AS s ON s.id = t.product_stock_id
 WHERE t.kind = 'move' GROUP BY s.product_id HAVING sum(t.delta_available) <> 0;

-- invariant: free_rows_equal_ledger
SELECT format('stock %s: %s free rows, %s in the ledger', s.id, coalesce(u.free, 0), coalesce(l.free, 0))
  FROM product_stock AS s
  LEFT JOIN (SELECT product_stock_id, count(*) AS free FROM stock_unit GROUP BY product_stock_id) AS u
    ON u.product_stock_id = s.id
  LEFT JOIN (SELECT product_stock_id,
                    sum(CASE kind WHEN 'pool' THEN -delta_available ELSE delta_available END) AS free
               FROM stock_transaction WHERE kind = 'pool' OR version IS NULL
              GROUP BY product_stock_id) AS l ON l.product_stock_id = s.id
 WHERE coalesce(u.free, 0) <> coalesce(l.free, 0);

-- invariant: held_equals_open_reservations
SELECT format('stock %s: %s held, %s in open reservations', s.id, s.held, coalesce(r.held, 0))
  FROM product_stock AS s
  LEFT JOIN (SELECT product_stock_id, sum(quantity) AS held
               FROM stock_reservation WHERE status IN ('held', 'paying') AND NOT is_pooled
              GROUP BY product_stock_id) AS r
    ON r.product_stock_id = s.id
 WHERE s.held <> coalesce(r.held, 0);

-- invariant: one_version_for_each_change
SELECT format('stock %s: version %s after %s changes, %s of them distinct', s.id, s.version, l.changes,
              l.versions)
  FROM product_stock AS s
  JOIN (SELECT product_stock_id, count(*) AS changes, count(DISTINCT version) AS versions,
               max(version) AS newest
          FROM stock_transaction WHERE version IS NOT NULL GROUP BY product_stock_id) AS l
    ON l.product_stock_id = s.id
 WHERE s.version <> l.changes OR l.versions <> l.changes OR l.newest <> s.version;

-- invariant: ledger_row_equals_its_reservations
SELECT format('ledger row %s of stock %s: %s units taken, %s in its reservations', t.id, t.product_stock_id,
              t.delta_held, coalesce(r.units, 0))
  FROM stock_transaction AS t
  LEFT JOIN (SELECT transaction_id, product_stock_id, sum(quantity) AS units FROM stock_reservation
              WHERE transaction_id IS NOT NULL GROUP BY transaction_id, product_stock_id) AS r
    ON r.transaction_id = t.id AND r.product_stock_id = t.product_stock_id
 WHERE t.kind = 'reserve' AND (t.reservation_id IS NULL OR r.units IS NOT NULL)
   AND t.delta_held <> coalesce(r.units, 0);

-- invariant: every_reservation_is_in_the_ledger
SELECT format('reservation %s of %s units is in no ledger row', r.id, r.quantity)
  FROM stock_reservation AS r
 WHERE NOT EXISTS (SELECT FROM stock_transaction AS t
                    WHERE t.kind = 'reserve' AND t.product_stock_id = r.product_stock_id
                      AND t.id = r.transaction_id)
   AND NOT EXISTS (SELECT FROM stock_transaction AS t
                    WHERE t.kind = 'reserve' AND t.product_stock_id = r.product_stock_id
                      AND t.reservation_id = r.id AND t.delta_held = r.quantity);
