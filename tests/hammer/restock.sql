\set product random(0, 9)
\set delta random(1, 20)
SELECT outcome FROM restock_v1(gen_random_uuid()::text, :first + :product, 'MAIN', :delta);
