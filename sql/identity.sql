--
-- The transaction's identity: a verified key sets it, and nothing else can
--
\set VERBOSITY sqlstate
-- Where each cache is discarded whenever it could be, as make matrix has it, making keys is slow, and not the point.
SET debug_discard_caches = 0;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT count(falukeys.define_permission(name)) AS defined
	FROM unnest('{identity,identity.read,identity_other}'::text[]) name;
SELECT falukeys.create_workspace('Identity') AS workspace, falukeys.create_workspace('Identity, other') AS other \gset
SELECT falukeys.create_workspace('Identity, suspended') AS suspended,
	falukeys.create_workspace('Identity, closed') AS closed \gset
SELECT count(falukeys.approve_workspace(id)) AS approved
	FROM unnest(ARRAY[:'workspace', :'other', :'suspended', :'closed']) id;

CREATE ROLE identity_app;
SELECT falukeys.grant_access('identity_app', 'verifier');
CREATE ROLE identity_nobody;

-- Keys by name
CREATE TABLE identity_named (name text PRIMARY KEY, id text, key text);
GRANT SELECT ON identity_named TO PUBLIC;
CREATE FUNCTION pg_temp.make(name text, workspace text, kind falukeys.key_kind DEFAULT 'secret',
	mode falukeys.key_mode DEFAULT 'test',
	permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL, not_before timestamptz DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
	INSERT INTO identity_named
	SELECT make.name, made.* FROM falukeys.create_key(workspace, make.kind, make.mode, NULL,
		make.permissions, make.networks,
		not_before => make.not_before) made
$$;
CREATE FUNCTION pg_temp.id_of(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT id FROM identity_named n WHERE n.name = id_of.name $$;
CREATE FUNCTION pg_temp.key_of(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT key FROM identity_named n WHERE n.name = key_of.name $$;
CREATE FUNCTION pg_temp.take(name text) RETURNS text LANGUAGE sql
	AS $$ SELECT code FROM falukeys.authenticate(pg_temp.key_of(name)) $$;
-- The identity by name, so that no id is in the output
CREATE FUNCTION pg_temp.who() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF num_nulls(falukeys.current_key_id(), falukeys.current_workspace_id(), falukeys.current_key_kind(),
		falukeys.current_key_mode()) = 4 THEN
		RETURN 'nobody';
	END IF;
	RETURN coalesce((SELECT name FROM identity_named WHERE id = falukeys.current_key_id()), 'someone unknown');
END $$;

SELECT pg_temp.make('first', :'workspace'), pg_temp.make('second', :'workspace'),
	pg_temp.make('other', :'other', mode => 'live');
SELECT pg_temp.make('public', :'workspace', 'public', 'live');
SELECT pg_temp.make('permission', :'workspace', permissions => '{identity.read}');
SELECT pg_temp.make('network', :'workspace', networks => '{192.0.2.0/24}');
SELECT pg_temp.make('both', :'workspace', permissions => '{identity}', networks => '{192.0.2.0/24,2001:db8::/32}');
INSERT INTO identity_named SELECT 'temporary', made.*
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{object_1,object_2}', '{identity.read}') made;

RESET debug_discard_caches;

--
-- Who the identity is
--
SELECT pg_temp.who();
BEGIN;
SELECT v.valid, v.code, v.key_id = pg_temp.id_of('first') AS key,
	v.workspace_id = :'workspace' AS workspace, v.kind, v.mode
  FROM falukeys.authenticate(pg_temp.key_of('first')) v;
SELECT falukeys.current_key_id() = pg_temp.id_of('first') AS key,
	falukeys.current_workspace_id() = :'workspace' AS workspace,
       falukeys.current_key_kind() AS kind, falukeys.current_key_mode() AS mode;
SELECT pg_temp.take('other');
SELECT falukeys.current_key_id() = pg_temp.id_of('other') AS key,
	falukeys.current_workspace_id() = :'other' AS workspace,
       falukeys.current_key_kind() AS kind, falukeys.current_key_mode() AS mode;
SELECT pg_temp.take('public');
SELECT falukeys.current_key_id() = pg_temp.id_of('public') AS key,
	falukeys.current_workspace_id() = :'workspace' AS workspace,
       falukeys.current_key_kind() AS kind, falukeys.current_key_mode() AS mode;
SELECT code FROM falukeys.authenticate(pg_temp.key_of('temporary'), object_id => 'object_1');
SELECT falukeys.current_key_id() = pg_temp.id_of('temporary') AS key,
	falukeys.current_workspace_id() = :'workspace' AS workspace,
       falukeys.current_key_kind() AS kind, falukeys.current_key_mode() AS mode;
SELECT falukeys.deauthenticate();
SELECT pg_temp.who();
SELECT falukeys.deauthenticate();
SELECT pg_temp.who();
SELECT pg_temp.take('first');
SELECT pg_temp.who();
COMMIT;
SELECT pg_temp.who();

-- What one column tells does not change when another column changes the identity.
BEGIN;
SELECT pg_temp.take('first');
SELECT falukeys.current_key_id() AS before, pg_temp.take('other') AS code, falukeys.current_key_id() AS after \gset
SELECT :'before' = pg_temp.id_of('first') AS before, :'after' = pg_temp.id_of('other') AS after;
SELECT falukeys.current_workspace_id() AS before, falukeys.deauthenticate() AS nothing, pg_temp.who() AS after \gset
SELECT :'before' = :'other' AS before, :'after' AS after;
COMMIT;

SELECT proname, provolatile, proparallel FROM pg_proc
 WHERE pronamespace = 'falukeys'::regnamespace
   AND proname IN ('authenticate', 'try_authenticate', 'assume_key', 'current_key_id', 'current_workspace_id',
       'current_key_kind', 'current_key_mode', 'current_key_allows')
 ORDER BY proname;

--
-- What is refused, with the code in DETAIL, no key in any text, and no identity left
--
CREATE FUNCTION pg_temp.refusal(key text, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL,
	mode falukeys.key_mode DEFAULT NULL, OUT state text, OUT code text, OUT shows_key boolean, OUT identity text)
LANGUAGE plpgsql AS $$
DECLARE message text; hint text; context text;
BEGIN
	BEGIN
		code := (falukeys.authenticate(key, permission, client, object_id, mode)).code;
		state := '00000';
		shows_key := false;
		PERFORM falukeys.deauthenticate();
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, code = PG_EXCEPTION_DETAIL,
			hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
		shows_key := concat_ws(' ', message, code, hint, context) ~ 'f[pst]k[tl]_[0-9A-Za-z]';
	END;
	identity := pg_temp.who();
END $$;

SET debug_discard_caches = 0;
SELECT count(*) AS made FROM unnest('{rolled,compromised,revoked,disabled,expired}'::text[]) name,
	pg_temp.make(name, :'workspace');
SELECT pg_temp.make('not_yet_valid', :'workspace', not_before => now() + interval '1 day');
SELECT pg_temp.make('suspended', :'suspended', mode => 'live'), pg_temp.make('closed', :'closed');
SELECT falukeys.roll_key(pg_temp.id_of('rolled')) IS NOT NULL AS rolled;
SELECT falukeys.report_compromised_key(pg_temp.key_of('compromised')) IS NOT NULL AS reported;
SELECT falukeys.revoke_key(pg_temp.id_of('revoked')), falukeys.disable_key(pg_temp.id_of('disabled'));
SELECT falukeys.set_key_validity(pg_temp.id_of('expired'), NULL, clock_timestamp() + interval '300 milliseconds'),
	pg_sleep(0.4);
SELECT falukeys.suspend_workspace(:'suspended'), falukeys.close_workspace(:'closed');
BEGIN;
SELECT pg_temp.make('unknown', :'workspace');
SELECT pg_temp.key_of('unknown') AS unknown \gset
ROLLBACK;
SELECT secret::text AS stored FROM falukeys.keys WHERE id = pg_temp.id_of('first') \gset
INSERT INTO identity_named VALUES ('nothing', NULL, NULL), ('empty', NULL, ''), ('unknown', NULL, :'unknown'),
	('stored form', NULL, :'stored'),
	('wrong checksum', NULL, overlay(:'unknown' placing CASE WHEN substr(:'unknown', 20, 1) = 'x' THEN 'y'
		ELSE 'x' END from 20));

CREATE TABLE identity_case (name text, permission text, client inet, object_id text, mode falukeys.key_mode);
GRANT SELECT ON identity_case TO PUBLIC;
INSERT INTO identity_case VALUES
	('nothing', NULL, NULL, NULL, NULL),
	('empty', NULL, NULL, NULL, NULL),
	('wrong checksum', NULL, NULL, NULL, NULL),
	('stored form', NULL, NULL, NULL, NULL),
	('unknown', NULL, NULL, NULL, NULL),
	('rolled', NULL, NULL, NULL, NULL),
	('compromised', NULL, NULL, NULL, NULL),
	('revoked', NULL, NULL, NULL, NULL),
	('disabled', NULL, NULL, NULL, NULL),
	('not_yet_valid', NULL, NULL, NULL, NULL),
	('expired', NULL, NULL, NULL, NULL),
	('closed', NULL, NULL, NULL, NULL),
	('suspended', NULL, NULL, NULL, NULL),
	('first', NULL, NULL, NULL, 'live'),
	('network', NULL, '198.51.100.1', NULL, NULL),
	('network', NULL, NULL, NULL, NULL),
	('public', 'identity', NULL, NULL, NULL),
	('permission', 'identity', NULL, NULL, NULL),
	('temporary', NULL, NULL, 'object_3', NULL),
	('temporary', NULL, NULL, NULL, NULL),
	('first', 'identity', '192.0.2.1', 'object_1', 'test'),
	('public', NULL, NULL, NULL, 'live'),
	('network', NULL, '::ffff:192.0.2.1', NULL, NULL),
	('permission', 'identity.read', NULL, NULL, NULL),
	('temporary', 'identity.read', NULL, 'object_2', 'test');
RESET debug_discard_caches;

SET ROLE identity_app;
SELECT a.name, r.state, r.code, r.shows_key, r.identity
  FROM identity_case a
 CROSS JOIN LATERAL pg_temp.refusal(pg_temp.key_of(a.name), a.permission, a.client, a.object_id, a.mode) r;

RESET ROLE;
SET debug_discard_caches = 0;
SET ROLE identity_app;
-- Without raising: the same codes, and whoever was the identity before is not any more.
CREATE FUNCTION pg_temp.tried(name text, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL,
	mode falukeys.key_mode DEFAULT NULL, OUT code text, OUT identity text)
LANGUAGE plpgsql AS $$
DECLARE verdict falukeys.verdict;
BEGIN
	PERFORM pg_temp.take('second');
	verdict := falukeys.try_authenticate(pg_temp.key_of(name), permission, client, object_id, mode);
	code := concat_ws(' ', verdict.code,
		'for the wrong key' || CASE WHEN verdict.key_id <> pg_temp.id_of(name) THEN '' END);
	identity := pg_temp.who();
END $$;
SELECT a.name, t.code, t.code = r.code AS same, t.identity
  FROM identity_case a
 CROSS JOIN LATERAL pg_temp.refusal(pg_temp.key_of(a.name), a.permission, a.client, a.object_id, a.mode) r
 CROSS JOIN LATERAL pg_temp.tried(a.name, a.permission, a.client, a.object_id, a.mode) t;
-- Nothing that it is given raises an error.
SELECT v.code, count(*) FROM unnest(ARRAY[NULL, '', repeat('x', 1000000), 'fskt_' || repeat('x', 49), E'\x01', '%s%n',
	:'unknown']) k (key),
	unnest(ARRAY[NULL, '', '.', repeat('x', 1000000)]) p (permission),
	unnest('{NULL,::/0,10.0.0.1}'::inet[]) c (client),
	unnest(ARRAY[NULL, '', repeat('x', 1000000)]) o (object), unnest('{NULL,test,live}'::falukeys.key_mode[]) m (mode),
	falukeys.try_authenticate(key, permission, client, object, mode) v GROUP BY v.code ORDER BY v.code;
SELECT pg_temp.who();
RESET ROLE;
RESET debug_discard_caches;
SET ROLE identity_app;
-- The transaction goes on, and a savepoint brings back who it was before.
BEGIN;
SELECT pg_temp.take('first');
SAVEPOINT a;
SELECT valid, code, key_id IS NULL AS no_id FROM falukeys.try_authenticate(:'unknown');
SELECT pg_temp.who() AS nobody;
SELECT valid, code, key_id = pg_temp.id_of('disabled') AS id FROM falukeys.try_authenticate(pg_temp.key_of('disabled'));
SELECT valid, code FROM falukeys.try_authenticate(pg_temp.key_of('second'));
SELECT pg_temp.who() AS second;
SELECT valid, code FROM falukeys.try_authenticate(NULL, NULL, NULL, NULL, NULL);
SELECT pg_temp.who() AS nobody;
ROLLBACK TO a;
SELECT pg_temp.who() AS first;
SELECT code FROM falukeys.try_authenticate(:'unknown');
COMMIT;
SELECT pg_temp.who();

-- In the open, where it ends the transaction
\set VERBOSITY default
BEGIN;
SELECT pg_temp.take('first');
SELECT valid FROM falukeys.authenticate(:'unknown');
SELECT pg_temp.who();
ROLLBACK;
SELECT pg_temp.who();
SELECT valid FROM falukeys.authenticate(pg_temp.key_of('permission'), 'identity');
\set VERBOSITY sqlstate
BEGIN;
SELECT pg_temp.take('first');
SELECT valid FROM falukeys.authenticate(NULL);
COMMIT;
SELECT pg_temp.who();

-- Only verifiers may try.
SET ROLE identity_nobody;
SELECT valid FROM falukeys.authenticate(pg_temp.key_of('first'));
SELECT valid FROM falukeys.try_authenticate(pg_temp.key_of('first'));
SELECT falukeys.authenticate_request();
SELECT pg_temp.who(), falukeys.deauthenticate(), falukeys.current_key_allows('identity') AS allows;
SET ROLE identity_app;

--
-- It ends with its transaction
--
SELECT pg_temp.take('first');
SELECT pg_temp.who();
SELECT pg_temp.take('first') \; SELECT pg_temp.who();
SELECT pg_temp.who();
BEGIN;
SELECT pg_temp.take('first');
ROLLBACK;
SELECT pg_temp.who();
BEGIN;
SELECT pg_temp.take('first');
COMMIT AND CHAIN;
SELECT pg_temp.who();
SELECT pg_temp.take('second');
ROLLBACK AND CHAIN;
SELECT pg_temp.who();
COMMIT;
BEGIN;
SELECT pg_temp.take('first');
SELECT 1 / 0;
SELECT pg_temp.who();
COMMIT;
SELECT pg_temp.who();
-- also inside a procedure
CREATE PROCEDURE pg_temp.several() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.take('first');
	RAISE NOTICE 'taken: %', pg_temp.who();
	COMMIT;
	RAISE NOTICE 'after COMMIT: %', pg_temp.who();
	PERFORM pg_temp.take('second');
	ROLLBACK;
	RAISE NOTICE 'after ROLLBACK: %', pg_temp.who();
	PERFORM pg_temp.take('other');
END $$;
\set VERBOSITY terse
CALL pg_temp.several();
\set VERBOSITY sqlstate
SELECT pg_temp.who();
-- with DISCARD ALL, which no transaction has in it
BEGIN;
SELECT pg_temp.take('first');
DISCARD ALL;
SELECT pg_temp.who();
ROLLBACK;
SELECT pg_temp.who();
-- but not before what is deferred to its end
RESET ROLE;
CREATE TABLE identity_deferred (n integer, identity text);
CREATE FUNCTION identity_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE identity_deferred SET identity = pg_temp.who() WHERE n = NEW.n;
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON identity_deferred DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION identity_note();
BEGIN;
SELECT pg_temp.take('first');
INSERT INTO identity_deferred VALUES (1);
COMMIT;
INSERT INTO identity_deferred VALUES (2);
SELECT * FROM identity_deferred ORDER BY n;

--
-- It follows savepoints
--
BEGIN;
SAVEPOINT a;
SELECT pg_temp.take('first');
ROLLBACK TO a;
SELECT pg_temp.who() AS nobody;
SELECT pg_temp.take('first');
RELEASE a;
SELECT pg_temp.who() AS first;
SAVEPOINT a;
SELECT pg_temp.take('second');
SAVEPOINT b;
SELECT pg_temp.take('other');
SAVEPOINT c;
SELECT falukeys.deauthenticate();
SELECT pg_temp.who() AS nobody;
ROLLBACK TO c;
SELECT pg_temp.who() AS other;
ROLLBACK TO b;
SELECT pg_temp.who() AS second;
SELECT pg_temp.take('public');
ROLLBACK TO b;
SELECT pg_temp.who() AS second_again;
SELECT pg_temp.take('other');
RELEASE b;
SELECT pg_temp.who() AS other;
ROLLBACK TO a;
SELECT pg_temp.who() AS first;
-- released with the one around it, twice taken in one, and one name used twice
SAVEPOINT b;
SELECT pg_temp.take('second');
SELECT pg_temp.take('other');
SAVEPOINT b;
SELECT pg_temp.take('public');
SAVEPOINT b;
SELECT falukeys.deauthenticate();
RELEASE b;
SELECT pg_temp.who() AS nobody;
ROLLBACK TO b;
SELECT pg_temp.who() AS other;
RELEASE a;
SELECT pg_temp.who() AS other;
-- an error, and the way back from it
SAVEPOINT a;
SELECT pg_temp.take('second');
SELECT valid FROM falukeys.authenticate('');
SELECT pg_temp.who();
ROLLBACK TO a;
SELECT pg_temp.who() AS other;
SELECT falukeys.deauthenticate();
SAVEPOINT b;
SELECT pg_temp.take('first');
SELECT 1 / 0;
ROLLBACK TO b;
SELECT pg_temp.who() AS nobody;
ROLLBACK TO a;
SELECT pg_temp.who() AS other;
COMMIT;
SELECT pg_temp.who() AS nobody;
-- left open at the end
BEGIN;
SAVEPOINT a;
SELECT pg_temp.take('first');
SAVEPOINT b;
SELECT pg_temp.take('second');
COMMIT;
SELECT pg_temp.who() AS nobody;
BEGIN;
SAVEPOINT a;
SELECT pg_temp.take('first');
SAVEPOINT b;
SELECT falukeys.deauthenticate();
ROLLBACK;
SELECT pg_temp.who() AS nobody;

-- A block that is rolled back takes what it did with it.
\set VERBOSITY terse
DO $$
BEGIN
	BEGIN
		PERFORM pg_temp.take('first');
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'in the handler: %', pg_temp.who();
	END;
	PERFORM pg_temp.take('second');
	BEGIN
		PERFORM falukeys.deauthenticate();
		BEGIN
			PERFORM pg_temp.take('other');
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
			RAISE NOTICE 'without one inside: %', pg_temp.who();
			PERFORM pg_temp.take('public');
		END;
		RAISE NOTICE 'taken in the handler: %', pg_temp.who();
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RAISE NOTICE 'as before: %', pg_temp.who();
	END;
	BEGIN
		PERFORM falukeys.authenticate('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Y');
	EXCEPTION WHEN invalid_authorization_specification THEN
		RAISE NOTICE 'another one refused: %', pg_temp.who();
	END;
	BEGIN
		PERFORM pg_temp.take('first');
	EXCEPTION WHEN division_by_zero THEN
		NULL;
	END;
	RAISE NOTICE 'kept: %', pg_temp.who();
END $$;
DO $$
BEGIN
	-- As many rounds as end alike, and few where each cache is discarded whenever it could be
	FOR i IN 1..CASE WHEN current_setting('debug_discard_caches')::integer > 0 THEN 22 ELSE 1000 END LOOP
		BEGIN
			PERFORM pg_temp.take(CASE i % 3 WHEN 0 THEN 'first' WHEN 1 THEN 'second' ELSE 'other' END);
			IF i % 2 = 0 THEN
				RAISE division_by_zero;
			END IF;
		EXCEPTION WHEN division_by_zero THEN
			IF pg_temp.who() IS DISTINCT FROM (CASE (i - 1) % 3 WHEN 0 THEN 'first' WHEN 1 THEN 'second'
				ELSE 'other' END) THEN
				RAISE 'step %: %', i, pg_temp.who();
			END IF;
		END;
	END LOOP;
	RAISE NOTICE 'after a thousand: %', pg_temp.who();
END $$;
\set VERBOSITY sqlstate
SELECT pg_temp.who();

--
-- Nothing else sets it
--
SET ROLE identity_nobody;
SET falukeys.current_key_id = 'x';
SET LOCAL falukeys.identity = 'x';
SELECT set_config('falukeys.current_workspace_id', :'workspace', false);
SELECT set_config('falukeys.key', pg_temp.key_of('first'), true);
SET falukeys.acting_for = 'first';
SELECT pg_temp.who();
RESET falukeys.acting_for;
SELECT set_config('request.headers', json_build_object('x-api-key', pg_temp.key_of('first'))::text,
	false) IS NOT NULL AS header;
SELECT set_config('request.jwt.claims',
	json_build_object('workspace_id', :'workspace', 'key_id', pg_temp.id_of('first'))::text,
	false) IS NOT NULL AS claim;
SELECT pg_temp.who();
RESET request.headers;
-- what looks like one of ours and stands earlier in the path
CREATE FUNCTION pg_temp.current_key_id() RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.id_of('first') $$;
RESET ROLE;
CREATE SCHEMA identity_hostile AUTHORIZATION identity_nobody;
SET ROLE identity_nobody;
CREATE FUNCTION identity_hostile.current_key_id() RETURNS text LANGUAGE sql AS $$ SELECT pg_temp.id_of('first') $$;
SET search_path = identity_hostile, falukeys, pg_temp, pg_catalog;
SELECT falukeys.current_key_id() IS NULL AS nobody, falukeys.current_key_allows('identity') AS allows;
RESET search_path;
RESET ROLE;
DROP FUNCTION identity_hostile.current_key_id();

-- A plan that was made for one identity answers for the one there is.
SET plan_cache_mode = force_generic_plan;
PREPARE identity_now AS SELECT pg_temp.who(), falukeys.current_key_id() = pg_temp.id_of('first') AS first,
	falukeys.current_key_allows('identity') AS allows;
PREPARE identity_take (text) AS SELECT pg_temp.take($1);
BEGIN;
EXECUTE identity_take ('first');
EXECUTE identity_now;
EXECUTE identity_take ('permission');
EXECUTE identity_now;
SAVEPOINT a;
EXECUTE identity_take ('first');
ROLLBACK TO a;
EXECUTE identity_now;
COMMIT;
EXECUTE identity_now;
RESET plan_cache_mode;
-- A cursor that was opened with one, and one that is kept
BEGIN;
SELECT pg_temp.take('first');
DECLARE identity_kept CURSOR WITH HOLD FOR SELECT pg_temp.who() FROM generate_series(1, 2);
COMMIT;
FETCH 1 FROM identity_kept;
SELECT pg_temp.who();
CLOSE identity_kept;

-- It is the transaction's, not a role's: a function of a verifier may take it for others.
GRANT CREATE ON SCHEMA public TO identity_app;
SET ROLE identity_app;
CREATE FUNCTION identity_enter(name text) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT code FROM falukeys.authenticate((SELECT n.key FROM public.identity_named n WHERE n.name = $1)) $$;
SET ROLE identity_nobody;
BEGIN;
SELECT identity_enter('first');
SELECT pg_temp.who();
SET ROLE identity_app;
SELECT pg_temp.who();
RESET ROLE;
SET SESSION AUTHORIZATION identity_nobody;
SELECT pg_temp.who();
COMMIT;
SELECT pg_temp.who();
RESET SESSION AUTHORIZATION;

--
-- What it is allowed: the restrictions as authenticated
--
BEGIN;
SELECT falukeys.current_key_allows('identity') AS nobody;
SELECT falukeys.require_permission('identity');
ROLLBACK;
CREATE FUNCTION pg_temp.allowed(name text, client inet DEFAULT NULL, object_id text DEFAULT NULL, OUT who text,
	OUT allowed text[], OUT required text[])
LANGUAGE plpgsql AS $$
DECLARE permission text;
BEGIN
	PERFORM falukeys.authenticate(pg_temp.key_of(name), client => client, object_id => object_id);
	who := pg_temp.who();
	FOREACH permission IN ARRAY
		'{identity,identity.read,identity.read.deep,identity.readers,identity_other,nothing.defined}'::text[] LOOP
		IF falukeys.current_key_allows(permission) THEN
			allowed := allowed || permission;
		END IF;
		BEGIN
			PERFORM falukeys.require_permission(permission);
			required := required || permission;
		EXCEPTION WHEN insufficient_privilege THEN
			NULL;
		END;
	END LOOP;
END $$;
SELECT a.* FROM unnest('{first,permission,public}'::text[]) name, pg_temp.allowed(name) a;
SELECT * FROM pg_temp.allowed('both', client => '2001:db8::1');
SELECT * FROM pg_temp.allowed('temporary', object_id => 'object_1');
BEGIN;
SELECT pg_temp.take('first');
SELECT falukeys.current_key_allows(NULL) IS TRUE AS allows_null;
SELECT falukeys.require_permission('identity');
SELECT falukeys.require_permission(NULL);
ROLLBACK;
BEGIN;
SELECT pg_temp.take('permission');
SELECT falukeys.require_permission('identity.read');
SELECT falukeys.require_permission('identity');
ROLLBACK;
BEGIN;
SELECT pg_temp.take('public');
SELECT falukeys.require_permission('identity.read');
ROLLBACK;
-- The plan of a query that needs no row still asks.
SELECT falukeys.require_permission('identity') FROM generate_series(1, 1);
SELECT count(*) FROM (SELECT falukeys.require_permission('identity')) AS asked;
-- What changes afterwards, changes the next authentication.
BEGIN;
SELECT pg_temp.take('permission');
SELECT falukeys.restrict_key(pg_temp.id_of('permission'), '{identity_other}');
SELECT falukeys.current_key_allows('identity.read') AS read, falukeys.current_key_allows('identity_other') AS other;
SELECT pg_temp.take('permission');
SELECT falukeys.current_key_allows('identity.read') AS read, falukeys.current_key_allows('identity_other') AS other;
SELECT falukeys.revoke_key(pg_temp.id_of('permission'));
SELECT pg_temp.who(), falukeys.current_key_allows('identity_other') AS other;
SELECT pg_temp.take('permission');
ROLLBACK;
-- A restriction whose rows are lost permits nothing.
BEGIN;
DELETE FROM falukeys.key_permissions WHERE key_id = pg_temp.id_of('permission');
SELECT pg_temp.take('permission');
SELECT falukeys.current_key_allows('identity.read') AS read;
ROLLBACK;

--
-- In what the modes differ
--
SELECT falukeys.current_mode_settings() IS NULL AS nothing;
BEGIN;
SELECT pg_temp.take('first');
SELECT s.mode, s.process_payments, s.deliver_messages, s.verify_identities, s.webhook_max_attempts,
	s.webhook_retry_window
  FROM falukeys.current_mode_settings() s;
SELECT pg_temp.take('other');
SELECT s.mode, s.process_payments, s.deliver_messages, s.verify_identities, s.webhook_max_attempts,
	s.webhook_retry_window
  FROM falukeys.current_mode_settings() s;
COMMIT;

--
-- In parallel
--
CREATE TABLE identity_many AS SELECT n, CASE n % 4 WHEN 0 THEN pg_temp.id_of('first') ELSE 'key_' || n % 3 END AS key_id
	FROM generate_series(1, 10000) n;
ANALYZE identity_many;
ALTER TABLE identity_many SET (parallel_workers = 2);
-- The second is this one's name from PostgreSQL 16 on.
SELECT count(set_config(name, 'on', false)) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION pg_temp.is_parallel(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text; found boolean := false;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		found := found OR line ~ '\mGather';
	END LOOP;
	RETURN found;
END $$;
SELECT pg_temp.is_parallel('SELECT count(*) FROM identity_many') AS without,
       pg_temp.is_parallel('SELECT count(*) FROM identity_many WHERE key_id = falukeys.current_key_id()') AS direct,
       pg_temp.is_parallel('SELECT falukeys.current_key_id(), count(*) FROM identity_many') AS beside;
SELECT count(*) FROM identity_many WHERE key_id = falukeys.current_key_id();
BEGIN;
SELECT pg_temp.take('first');
SELECT count(*) FROM identity_many WHERE key_id = falukeys.current_key_id();
SELECT count(*) FROM identity_many WHERE key_id = (SELECT falukeys.current_key_id());
SELECT count(*) FROM identity_many WHERE falukeys.current_key_mode() = 'test'
	AND falukeys.current_key_allows('identity');
SELECT falukeys.current_key_id() = pg_temp.id_of('first') AS first, falukeys.current_key_kind() AS kind,
	falukeys.current_key_mode() AS mode,
       falukeys.current_workspace_id() = :'workspace' AS workspace, count(*) FROM identity_many;
COMMIT;
SELECT count(*) FROM identity_many WHERE key_id = falukeys.current_key_id();
SELECT count(set_config(name, 'off', false)) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

--
-- wait_for_key: for those who may end the key, and at once where no one else acts by it
--
SELECT falukeys.wait_for_key(pg_temp.id_of('first'));
BEGIN;
SELECT pg_temp.take('first');
SELECT falukeys.wait_for_key(pg_temp.id_of('first'));
COMMIT;
SELECT falukeys.wait_for_key('key_000000000000000000000000000');
SELECT falukeys.wait_for_key(NULL);
-- What everyone sees of a lock shows nothing of the digest.  Of a second key there always is one.
BEGIN;
SELECT pg_temp.take('other');
SELECT pg_temp.take('first');
WITH digests AS (
	SELECT substring(split_part(falukeys.apikey_of(pg_temp.key_of('first'))::text, ':', 2) FROM i FOR 8) AS digits
	  FROM generate_series(1, 57) i),
locks AS (
	SELECT lpad(to_hex(half), 8, '0') AS digits
	  FROM pg_locks, unnest(ARRAY[classid, objid]::bigint[]) half
	 WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid NOT IN (1, 2))
SELECT count(*) > 0 AS halves,
       count(*) FILTER (WHERE digits IN (SELECT digits FROM digests)
                           OR regexp_replace(digits, '(..)(..)(..)(..)', '\4\3\2\1') IN (SELECT digits
                               FROM digests)) AS of_the_digest
  FROM locks;
COMMIT;
SELECT falukeys.add_member(:'other', 'identity_app', 'developer');
SET ROLE identity_app;
SELECT falukeys.wait_for_key(pg_temp.id_of('other'));
SELECT falukeys.wait_for_key(pg_temp.id_of('first'));
SELECT falukeys.wait_for_key('key_000000000000000000000000000');
RESET ROLE;

DROP FUNCTION identity_enter(text);
DROP TABLE identity_named, identity_case, identity_deferred, identity_many;
DROP FUNCTION identity_note();
DROP SCHEMA identity_hostile;
SELECT falukeys.remove_member(:'other', 'identity_app');
DROP OWNED BY identity_app, identity_nobody;
DROP ROLE identity_app, identity_nobody;
