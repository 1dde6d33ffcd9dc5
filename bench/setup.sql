-- What is measured, and what it is measured against.  keys: how many.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION falukeys;
CREATE EXTENSION pgcrypto;
CREATE TABLE result (what text, bound text, round integer, ratio double precision);
SELECT falukeys.create_workspace('Bench') AS workspace \gset
CREATE TABLE plaintext AS SELECT 'fskt_' || md5(i::text) || 'bench' AS key FROM generate_series(1, :keys) AS i ORDER BY random();

-- A bulk registration against the same rows into a plain table with the same indexes
CREATE TABLE staging AS SELECT 'key_' || substr(md5(key), 1, 27) AS id, falukeys.apikey_of(key) AS secret FROM plaintext;
CREATE TABLE plain_keys (LIKE falukeys.keys INCLUDING DEFAULTS INCLUDING INDEXES);
CHECKPOINT;
SELECT clock_timestamp() AS start \gset
INSERT INTO plain_keys (id, workspace_id, secret, kind, mode, created_at, created_by) SELECT id, :'workspace', secret, 'secret', 'test', now(), CURRENT_USER FROM staging;
SELECT extract(epoch FROM clock_timestamp() - :'start') AS plain \gset
DROP TABLE plain_keys;
CHECKPOINT;
SELECT clock_timestamp() AS start \gset
INSERT INTO falukeys.keys (workspace_id, secret) SELECT :'workspace', secret FROM staging;
INSERT INTO result SELECT 'bulk registration / the same rows into a plain table, time', '<= 3.00', 1, extract(epoch FROM clock_timestamp() - :'start') / :plain;
DROP TABLE staging;

-- The executor's own index join, and a function in PL/pgSQL over pgcrypto
CREATE TABLE join_keys AS SELECT sha256(convert_to(key, 'UTF8')) AS digest, 'key' || row_number() OVER () AS id, :'workspace'::text AS workspace_id, false AS disabled, NULL::timestamptz AS revoked_at, NULL::timestamptz AS expires_at FROM plaintext;
CREATE UNIQUE INDEX join_keys_digest ON join_keys (digest);
CREATE UNIQUE INDEX join_keys_id ON join_keys (id);
CREATE FUNCTION plpgsql_allows(key text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE found join_keys;
BEGIN
	IF key !~ '^f[ps]k[tl]_[0-9A-Za-z]{20,50}$' THEN RETURN false; END IF;
	SELECT * INTO found FROM join_keys WHERE digest = public.digest(key, 'sha256');
	RETURN found.id IS NOT NULL AND NOT found.disabled AND found.revoked_at IS NULL AND (found.expires_at IS NULL OR found.expires_at > clock_timestamp());
END $$;

-- Keys for the clients: one as it is, one with 5 permissions and 5 networks
SELECT falukeys.define_permission(p) FROM unnest('{a,b,c,d,messages}'::text[]) AS p;
CREATE TABLE client (hot text, restricted text);
INSERT INTO client SELECT o.key, r.key FROM falukeys.create_key(:'workspace', 'secret', 'test') AS o,
	falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{a,b,c,d,messages}', networks => '{192.0.2.0/24,198.51.100.0/24,203.0.113.0/24,172.16.0.0/12,10.0.0.0/8}') AS r;

-- Keys that another session rolls and revokes without pause
CREATE TABLE rolled AS SELECT (falukeys.create_key(:'workspace', 'secret', 'test')).id FROM generate_series(1, 100);

-- An application's table, isolated, and the same without
CREATE TABLE message AS SELECT i AS id, CASE i % 10 WHEN 0 THEN :'workspace' ELSE 'wksp_' || i % 10 END AS workspace_id, 'test'::falukeys.key_mode AS mode, repeat('x', 50) AS body FROM generate_series(1, 1000000) AS i;
CREATE TABLE open_message AS SELECT * FROM message;

-- A whole request: the ten messages of a thread, by an index, of a table that is isolated or of one that is not
CREATE TABLE thread_message AS SELECT id, workspace_id, mode, id % 10000 AS thread, body FROM message WHERE id <= 100000;
CREATE TABLE open_thread_message AS SELECT * FROM thread_message;
CREATE INDEX ON thread_message (workspace_id, mode, thread, id);
CREATE INDEX ON open_thread_message (workspace_id, mode, thread, id);
CREATE FUNCTION request(key text, wanted integer) RETURNS TABLE (id integer, body text) LANGUAGE plpgsql AS $$
DECLARE verdict falukeys.verdict;
BEGIN
	verdict := falukeys.authenticate(key);
	RETURN QUERY SELECT m.id, m.body FROM thread_message AS m WHERE m.thread = wanted ORDER BY m.id DESC;
END $$;
CREATE FUNCTION open_request(workspace text, wanted integer) RETURNS TABLE (id integer, body text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT m.id, m.body FROM open_thread_message AS m
		WHERE m.workspace_id = workspace AND m.mode = 'test' AND m.thread = wanted ORDER BY m.id DESC;
END $$;
SELECT to_regrole('app') IS NULL AS first \gset
\if :first
CREATE ROLE app;
\endif
SELECT falukeys.grant_access('app', 'verifier');
GRANT SELECT ON message, open_message, thread_message, open_thread_message, client TO app;
GRANT INSERT ON result TO app;
SELECT falukeys.isolate_table('message'), falukeys.isolate_table('thread_message');
VACUUM ANALYZE;
CHECKPOINT;
-- As on a server that has run for a while
SELECT count(*) FROM plaintext WHERE falukeys.key_allows(key, NULL, NULL);
