-- neveroversell 0.1.0: its own function on its own tables.
\set n :n + 1
\set buyer random(1, 100000)
\set product random(:first, :last)
SELECT status FROM nos_hold('p' || :product, 1, 'u' || :buyer, :run || '-' || :client_id || '-' || :n);
