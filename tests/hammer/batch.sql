-- Twenty requests of one product each; one key in ten is shared with other batches.
SELECT count(*) FROM reserve_stock_many_v1(
    (SELECT array_agg(gen_random_uuid()) FROM generate_series(1, 20)),
    (SELECT array_agg(1 + n % 3) FROM generate_series(1, 20) AS n),
    (SELECT array_agg(CASE WHEN random() < 0.1 THEN 'shared-' || :first || '-' || (random() * 50)::int ELSE gen_random_uuid()::text END)
       FROM generate_series(1, 20)),
    (SELECT array_agg(:first + (random() * 9)::int) FROM generate_series(1, 20)),
    (SELECT array_agg(1 + (random() * 2)::int) FROM generate_series(1, 20)), 600);
