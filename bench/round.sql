-- One round of what runs in one backend.  round: its number.
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
SET jit = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT hot FROM client \gset
SELECT workspace_id AS workspace FROM message WHERE id = 10 \gset
CREATE TEMP TABLE sample AS SELECT key FROM plaintext ORDER BY random() LIMIT 200000;
CREATE TEMP TABLE malformed AS SELECT 'fskt_' || repeat('x', 48) || i % 10 AS key FROM generate_series(1, 200000) AS i;
CREATE TEMP TABLE same AS SELECT :'hot'::text AS key FROM generate_series(1, 200000);
SELECT count(*) FROM sample;

SELECT clock_timestamp() AS t0 \gset
SELECT count(*) FROM sample JOIN join_keys AS k ON k.digest = sha256(convert_to(key, 'UTF8')) WHERE NOT k.disabled AND k.revoked_at IS NULL;
SELECT clock_timestamp() AS t1 \gset
SELECT count(*) FROM sample WHERE falukeys.key_allows(key, NULL, NULL);
SELECT clock_timestamp() AS t2 \gset
SELECT count(*) FROM same WHERE falukeys.key_allows(key, NULL, NULL);
SELECT clock_timestamp() AS t3 \gset
SELECT count(*) FROM malformed WHERE falukeys.key_allows(key, NULL, NULL);
SELECT clock_timestamp() AS t4 \gset
SELECT count(*) FROM sample WHERE plpgsql_allows(key);
SELECT clock_timestamp() AS t5 \gset
INSERT INTO result SELECT what, bound, :round, extract(epoch FROM b::timestamptz - a::timestamptz) / extract(epoch FROM :'t1'::timestamptz - :'t0'::timestamptz)
FROM (VALUES ('random keys in one backend / the index join, time', '<= 0.55', :'t1', :'t2'), ('one hot key in one backend / the index join, time', '<= 0.20', :'t2', :'t3'),
	('malformed keys in one backend / the index join, time', '<= 0.05', :'t3', :'t4'), ('PL/pgSQL over pgcrypto / the index join, time', '', :'t4', :'t5')) AS v (what, bound, a, b);

-- Both in memory, and visible to all
SELECT (SELECT count(*) FROM message), (SELECT count(*) FROM open_message);
SET ROLE app;
BEGIN;
SELECT code FROM falukeys.authenticate(:'hot');
SELECT clock_timestamp() AS t0 \gset
SELECT count(*) FROM open_message WHERE workspace_id = :'workspace' AND mode = 'test';
SELECT clock_timestamp() AS t1 \gset
SELECT count(*) FROM message;
SELECT clock_timestamp() AS t2 \gset
COMMIT;
INSERT INTO result SELECT 'scan of an isolated table / the same filter with constants, time', '<= 1.15', :round, extract(epoch FROM :'t2'::timestamptz - :'t1'::timestamptz) / extract(epoch FROM :'t1'::timestamptz - :'t0'::timestamptz);

-- 74 MB without a key, stored as they are: what redact() takes is the difference to reading them.
CREATE TEMP TABLE chat (body text);
ALTER TABLE chat ALTER body SET STORAGE EXTERNAL;
INSERT INTO chat SELECT repeat(md5('1') || ' lorem_ipsum dolor sit amet, consectetur. ', 1000000);
SELECT octet_length(falukeys.redact(body)) + (SELECT count(*) FROM falukeys.find_keys(body)) FROM chat;
SELECT clock_timestamp() AS t0 \gset
SELECT octet_length(body || '') FROM chat;
SELECT clock_timestamp() AS t1 \gset
SELECT octet_length(falukeys.redact(body || '')) FROM chat;
SELECT clock_timestamp() AS t2 \gset
SELECT count(*) FROM chat, falukeys.find_keys(body || '');
SELECT clock_timestamp() AS t3 \gset
INSERT INTO result SELECT what, '>= 0.50', :round, 0.074 / greatest(extract(epoch FROM b::timestamptz - a::timestamptz) - extract(epoch FROM :'t1'::timestamptz - :'t0'::timestamptz), 0.001)
FROM (VALUES ('redact() of text without keys, GB a second', :'t1', :'t2'), ('find_keys() in text without keys, GB a second', :'t2', :'t3')) AS v (what, a, b);
