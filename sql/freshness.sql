--
-- Verification sees what was changed before it started, changes nothing
-- itself, and needs next to nothing.  What other sessions do is for the
-- isolation tests.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission('freshness'), falukeys.define_permission('freshness.read'),
	falukeys.define_permission('freshly');
SELECT falukeys.create_workspace('Freshness') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT id AS restricted_id, key AS restricted
	FROM falukeys.create_key(:'workspace', 'secret', 'live', NULL, '{freshness}', '{192.0.2.0/24}') \gset

-- In a cached plan
SET plan_cache_mode = force_generic_plan;
PREPARE ask(text) AS SELECT code FROM falukeys.verify_key($1, 'freshness.read', '192.0.2.1');
EXECUTE ask(:'key');
SELECT falukeys.disable_key(:'key_id');
EXECUTE ask(:'key');
SELECT falukeys.enable_key(:'key_id');
EXECUTE ask(:'key');
SELECT falukeys.suspend_workspace(:'workspace');
EXECUTE ask(:'key');
SELECT falukeys.resume_workspace(:'workspace');
EXECUTE ask(:'key');
SELECT falukeys.restrict_key(:'key_id', networks => '{198.51.100.0/24}');
EXECUTE ask(:'key');
SELECT falukeys.clear_networks(:'key_id');
EXECUTE ask(:'key');
EXECUTE ask(:'restricted');
SELECT falukeys.restrict_key(:'restricted_id', '{freshly}');
EXECUTE ask(:'restricted');
SELECT falukeys.clear_permissions(:'restricted_id');
EXECUTE ask(:'restricted');
SELECT falukeys.restrict_key(:'restricted_id', '{freshness}');
EXECUTE ask(:'restricted');
EXECUTE ask('fskl_freshnessfreshnessfreshness');
SELECT falukeys.import_key(:'workspace', 'fskl_freshnessfreshnessfreshness') AS imported \gset
EXECUTE ask('fskl_freshnessfreshnessfreshness');
SELECT falukeys.revoke_key(:'imported');
EXECUTE ask('fskl_freshnessfreshnessfreshness');
RESET plan_cache_mode;

-- In the transaction that makes the change, at any level, and back again
BEGIN ISOLATION LEVEL REPEATABLE READ;
EXECUTE ask(:'key');
SELECT key AS rolled FROM falukeys.roll_key(:'key_id') \gset
EXECUTE ask(:'key');
EXECUTE ask(:'rolled');
ROLLBACK;
EXECUTE ask(:'key');
EXECUTE ask(:'rolled');
BEGIN ISOLATION LEVEL SERIALIZABLE;
EXECUTE ask(:'key');
SAVEPOINT before;
SELECT falukeys.close_workspace(:'workspace');
EXECUTE ask(:'key');
ROLLBACK TO before;
EXECUTE ask(:'key');
COMMIT;

-- In the middle of one statement, read by a cursor
BEGIN;
DECLARE reading NO SCROLL CURSOR FOR
	SELECT number, falukeys.key_allows(:'key', NULL, NULL) FROM generate_series(1, 6) number;
FETCH 2 FROM reading;
SELECT falukeys.disable_key(:'key_id');
FETCH 2 FROM reading;
SELECT falukeys.enable_key(:'key_id');
FETCH 2 FROM reading;
COMMIT;
-- likewise what it is restricted to
BEGIN;
DECLARE reading NO SCROLL CURSOR FOR
	SELECT number, (falukeys.verify_key(:'restricted', 'freshness.read', '192.0.2.1')).code
	FROM generate_series(1, 14) number;
FETCH 2 FROM reading;
SELECT falukeys.restrict_key(:'restricted_id', '{freshly}');
FETCH 2 FROM reading;
SELECT falukeys.restrict_key(:'restricted_id', '{freshness.read,freshly}');
FETCH 2 FROM reading;
SAVEPOINT before;
SELECT falukeys.restrict_key(:'restricted_id', networks => '{198.51.100.0/24}');
FETCH 2 FROM reading;
SELECT falukeys.restrict_key(:'restricted_id', '{freshly}', '{192.0.2.1}');
FETCH 2 FROM reading;
ROLLBACK TO before;
FETCH 2 FROM reading;
SELECT falukeys.restrict_key(:'restricted_id', '{freshness}', '{192.0.2.0/24}');
FETCH 2 FROM reading;
COMMIT;
-- and in a loop
CREATE FUNCTION pg_temp.loop(key_id text, key text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	FOR round IN 1 .. 4 LOOP
		RETURN NEXT (SELECT code FROM falukeys.verify_key(key));
		IF round % 2 = 1 THEN
			PERFORM falukeys.disable_key(key_id);
		ELSE
			PERFORM falukeys.enable_key(key_id);
		END IF;
	END LOOP;
END $$;
SELECT * FROM pg_temp.loop(:'key_id', :'key');
-- Each row is asked for by itself: nothing is answered once for all.
EXPLAIN (COSTS OFF, VERBOSE) SELECT falukeys.key_allows('fskl_freshnessfreshnessfreshness', 'freshness', '192.0.2.1')
	FROM generate_series(1, 2);

--
-- It writes nothing and takes no row lock.
--
CREATE TABLE freshness_key AS
SELECT key FROM unnest(ARRAY[:'key', :'restricted', :'rolled', 'fskl_freshnessfreshnessfreshness', 'garbage']) key;
-- (in a new session, which has counted nothing yet)
\c -
BEGIN READ ONLY;
SELECT code FROM freshness_key, falukeys.verify_key(key, 'freshness', '192.0.2.1') ORDER BY code;
SELECT falukeys.key_allows(:'key', NULL, NULL) AS key_allows,
	falukeys.handle_allows(falukeys.apikey_of(:'key'), NULL, NULL) AS handle_allows;
SELECT pg_current_xact_id_if_assigned() IS NULL AS no_transaction_id;
SELECT DISTINCT mode FROM pg_locks
 WHERE pid = pg_backend_pid() AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace);
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS written FROM pg_stat_xact_user_tables WHERE schemaname = 'falukeys';
COMMIT;

-- A malformed key costs no access to a table; a good one probes by index.
\c -
BEGIN;
SELECT code FROM falukeys.verify_key('fskl_Made0up0random0part0for0the0tests0of0types0000000');
SELECT sum(coalesce(seq_scan, 0) + coalesce(idx_scan, 0)) AS scans FROM pg_stat_xact_user_tables
	WHERE schemaname = 'falukeys';
SELECT code FROM falukeys.verify_key(:'key', 'freshness', '192.0.2.1');
SELECT sum(seq_scan) AS sequential, sum(idx_scan) > 0 AS by_index FROM pg_stat_xact_user_tables
	WHERE schemaname = 'falukeys';
COMMIT;

PREPARE ask(text) AS SELECT code FROM falukeys.verify_key($1, 'freshness.read', '192.0.2.1');
-- The same answers whatever the planner was told, and with rebuilt indexes
SET enable_indexscan = off;
SET enable_bitmapscan = off;
EXECUTE ask(:'key');
RESET enable_indexscan;
RESET enable_bitmapscan;
REINDEX TABLE falukeys.keys;
REINDEX TABLE CONCURRENTLY falukeys.keys;
VACUUM FULL falukeys.keys;
CLUSTER falukeys.workspaces USING workspaces_pkey;
EXECUTE ask(:'key');
EXECUTE ask(:'restricted');
SELECT code FROM falukeys.verify_key(:'restricted', 'freshness', '192.0.3.1');

-- What a change that is rolled back had made of a workspace is not remembered,
-- even if somebody's trigger verifies before ours has told of the change.
CREATE FUNCTION freshness_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM falukeys.verify_key(current_setting('freshness.key'));
	RAISE EXCEPTION 'not today';
END $$;
CREATE TRIGGER audit AFTER UPDATE ON falukeys.workspaces FOR EACH ROW WHEN (NEW.state = 'approved')
	EXECUTE FUNCTION freshness_audit();
SELECT set_config('freshness.key', :'key', false) IS NOT NULL AS set;
SELECT falukeys.suspend_workspace(:'workspace');
SELECT falukeys.resume_workspace(:'workspace');
EXECUTE ask(:'key');
DROP TRIGGER audit ON falukeys.workspaces;
DROP FUNCTION freshness_audit();
SELECT falukeys.resume_workspace(:'workspace');
EXECUTE ask(:'key');

-- and under any search_path
CREATE SCHEMA freshness_hostile;
CREATE FUNCTION freshness_hostile.equal(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE OPERATOR freshness_hostile.= (FUNCTION = freshness_hostile.equal, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION freshness_hostile.sha256(bytea) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
CREATE TABLE freshness_hostile.keys (LIKE falukeys.keys);
CREATE TABLE freshness_hostile.key_networks (LIKE falukeys.key_networks);
SET search_path = freshness_hostile, pg_temp, pg_catalog;
SELECT falukeys.restrict_key(:'restricted_id', networks => '{198.51.100.0/24}');
SELECT client, code FROM unnest('{192.0.2.1,198.51.100.1}'::inet[]) client,
	falukeys.verify_key(:'restricted', 'freshness', client) ORDER BY client;
SELECT code FROM falukeys.verify_key('fskl_freshnessfreshnessfreshnes0');
SELECT falukeys.create_workspace('Freshness, hostile') IS NOT NULL AS created;
SET search_path = '';
SELECT client, code FROM unnest('{192.0.2.1,198.51.100.1}'::inet[]) client,
	falukeys.verify_key(:'restricted', 'freshness', client) ORDER BY client;
RESET search_path;
SELECT count(*) FROM freshness_hostile.keys;
SET client_min_messages = warning;
DROP SCHEMA freshness_hostile CASCADE;
RESET client_min_messages;
DROP TABLE freshness_key;
