--
-- What is remembered between calls: short enough to be run where every cache
-- is discarded whenever it could be (debug_discard_caches), which the matrix does
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.create_workspace('Caches') AS workspace \gset
SELECT falukeys.create_workspace('Other caches') AS other \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.define_permission('caches');
SELECT id, key FROM falukeys.create_key(:'workspace', 'secret', 'live', permissions => '{caches}',
	networks => '{192.0.2.0/24}', meta => '{"a": 1}') \gset
SELECT key AS other_key FROM falukeys.create_key(:'other', 'secret', 'test') \gset

-- Verification, with all that it reads, twice for what the first one remembers
PREPARE verify AS SELECT code, meta FROM falukeys.verify_key($1, $2, $3);
EXECUTE verify(:'key', 'caches.read', '192.0.2.1');
EXECUTE verify(:'key', 'caches.read', '192.0.2.1');
EXECUTE verify(:'key', 'other', '192.0.2.1');
EXECUTE verify(:'key', 'caches', '198.51.100.1');
BEGIN ISOLATION LEVEL SERIALIZABLE;
EXECUTE verify(:'key', 'caches.read', '192.0.2.1');
COMMIT;
SELECT falukeys.suspend_workspace(:'workspace');
EXECUTE verify(:'key', 'caches', '192.0.2.1');
SELECT falukeys.resume_workspace(:'workspace');
SELECT key AS rolled FROM falukeys.roll_key(:'id') \gset
EXECUTE verify(:'key', 'caches', '192.0.2.1');
EXECUTE verify(:'rolled', 'caches', '192.0.2.1');

-- The identity, and a table that it isolates
CREATE ROLE regress_falukeys_cached;
CREATE TABLE cached (workspace_id text, mode falukeys.key_mode, object text, body text);
SELECT falukeys.isolate_table('cached', write_permission => 'caches', object_column => 'object');
GRANT ALL ON cached TO regress_falukeys_cached;
SELECT falukeys.grant_access('regress_falukeys_cached', 'verifier');
SET ROLE regress_falukeys_cached;
BEGIN;
SELECT code FROM falukeys.authenticate(:'rolled', 'caches', '192.0.2.1');
INSERT INTO cached (object, body) VALUES ('one', 'first'), ('two', 'second');
SELECT workspace_id = :'workspace' AS ours, mode, object, body FROM cached ORDER BY object;
SAVEPOINT temporary;
SELECT key AS temporary FROM falukeys.create_temporary_key(:'workspace', 'live', '{two}') \gset
SELECT code FROM falukeys.authenticate(:'temporary', 'caches', '192.0.2.1', 'two');
SELECT object FROM cached;
ROLLBACK TO temporary;
SELECT falukeys.current_key_id() = :'id' AS as_before, count(*) FROM cached;
COMMIT;
BEGIN;
SELECT code FROM falukeys.authenticate(:'other_key');
SELECT count(*) FROM cached;
UPDATE cached SET body = 'other';
ROLLBACK;
SELECT count(*) FROM cached;
RESET ROLE;
ALTER TABLE cached RENAME COLUMN workspace_id TO tenant;
SELECT falukeys.release_table('cached');
SELECT relrowsecurity FROM pg_class WHERE oid = 'cached'::regclass;

DROP TABLE cached;
DROP OWNED BY regress_falukeys_cached;
DROP ROLE regress_falukeys_cached;
