-- Microseconds a call for 200,000 random keys in one backend, each perhaps more than once.
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
SET jit = off;
CREATE TEMP TABLE sample AS SELECT p.key FROM plaintext AS p, generate_series(1, greatest(200000 / (SELECT count(*) FROM plaintext), 1)) ORDER BY random() LIMIT 200000;
SELECT count(*) FROM sample WHERE falukeys.key_allows(key, NULL, NULL) \g /dev/null
SELECT clock_timestamp() AS start \gset
SELECT count(*) FROM sample WHERE falukeys.key_allows(key, NULL, NULL) \g /dev/null
SELECT extract(epoch FROM clock_timestamp() - :'start') * 5;
