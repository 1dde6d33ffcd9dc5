--
-- The request's identity.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
\set VERBOSITY terse
CREATE ROLE regress_falukeys_app;
SELECT falukeys.grant_access('regress_falukeys_app', 'verifier');
SELECT falukeys.define_permission('messages'), falukeys.define_permission('payments');
SELECT falukeys.create_workspace('Identity') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT id AS id, key AS key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS other_id, key AS other_key FROM falukeys.create_key(:'workspace', 'secret', 'live', permissions => '{messages}', networks => '{10.0.0.0/8}') \gset
SELECT key AS public_key FROM falukeys.create_key(:'workspace', 'public', 'test') \gset
SELECT key AS temporary_key FROM falukeys.create_temporary_key(:'workspace', 'test', '{one,two}') \gset
CREATE FUNCTION identity_is(id text) RETURNS text LANGUAGE sql
	AS $$ SELECT CASE WHEN falukeys.current_key_id() IS NULL THEN 'none' WHEN falukeys.current_key_id() = id THEN 'this' ELSE 'another' END $$;
-- Code and SQLSTATE of an authenticate that fails, and the identity after it
CREATE FUNCTION identity_failure(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
	EXECUTE 'SELECT falukeys.' || call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, detail);
END $$;
SET ROLE regress_falukeys_app;

-- It ends with the transaction.
BEGIN;
SELECT identity_is(:'id'), falukeys.current_workspace_id(), falukeys.current_key_kind(), falukeys.current_key_mode();
SELECT valid, code, key_id = :'id' AS key_id, kind, mode FROM falukeys.authenticate(:'key');
SELECT identity_is(:'id'), falukeys.current_workspace_id() = :'workspace' AS workspace, falukeys.current_key_kind(), falukeys.current_key_mode(), falukeys.current_key_objects();
SELECT * FROM falukeys.current_mode_settings();
COMMIT;
SELECT identity_is(:'id'), falukeys.current_workspace_id(), falukeys.current_key_kind(), falukeys.current_key_mode(), falukeys.current_mode_settings();
SELECT code FROM falukeys.authenticate(:'key');
SELECT identity_is(:'id');
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
ROLLBACK;
SELECT identity_is(:'id');

-- A second one replaces it; deauthenticate ends it.
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
SELECT code FROM falukeys.authenticate(:'other_key', client => '10.1.1.1');
SELECT identity_is(:'other_id'), mode, process_payments FROM falukeys.current_mode_settings();
SELECT falukeys.deauthenticate();
SELECT identity_is(:'other_id');
COMMIT;

-- Savepoints bring back what was before.
BEGIN;
SAVEPOINT a;
SELECT code FROM falukeys.authenticate(:'key');
SAVEPOINT b;
SELECT code FROM falukeys.authenticate(:'other_key', client => '10.1.1.1');
SELECT identity_is(:'other_id');
ROLLBACK TO b;
SELECT identity_is(:'id') AS after_rollback;
SELECT falukeys.deauthenticate();
SELECT identity_is(:'id') AS after_deauthenticate;
ROLLBACK TO b;
SELECT identity_is(:'id') AS after_rollback_of_that;
SELECT code FROM falukeys.authenticate(:'other_key', client => '10.1.1.1');
RELEASE b;
SELECT identity_is(:'other_id') AS after_release;
ROLLBACK TO a;
SELECT identity_is(:'other_id') AS after_rollback_of_all;
RELEASE a;
SELECT identity_is(:'other_id') AS at_the_end;
COMMIT;

-- An aborted subtransaction of a function leaves what was before, or nothing.
BEGIN;
SELECT identity_failure(format('authenticate(%L, permission => %L)', :'key', 'messages')) AS done;
SELECT identity_is(:'id') AS kept_from_the_function;
SELECT identity_failure('authenticate(''fskt_abcdefghijabcdefghijabcd'')');
SELECT identity_is(:'id') AS still_the_one_before;
ROLLBACK;
BEGIN;
SELECT identity_failure('authenticate(''fskt_abcdefghijabcdefghijabcd'')'), identity_is(:'id');
COMMIT;
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
SELECT 1 / 0;
ROLLBACK;
SELECT identity_is(:'id') AS after_an_error;

-- Each failure by its code; the key is nowhere in it.
SELECT identity_failure('authenticate(NULL)') AS null_key,
	identity_failure('authenticate(''x'')') AS malformed,
	identity_failure(format('authenticate(%L)', :'other_key')) AS network,
	identity_failure(format('authenticate(%L, ''payments'', ''10.0.0.1'')', :'other_key')) AS permission,
	identity_failure(format('authenticate(%L, mode => ''live'')', :'key')) AS mode,
	identity_failure(format('authenticate(%L, ''messages'')', :'public_key')) AS public,
	identity_failure(format('authenticate(%L, object_id => ''three'')', :'temporary_key')) AS object;
RESET ROLE;
SELECT falukeys.disable_key(:'id');
SET ROLE regress_falukeys_app;
SELECT identity_failure(format('authenticate(%L)', :'key')) AS disabled;
RESET ROLE;
SELECT falukeys.enable_key(:'id');
SET ROLE regress_falukeys_app;

-- Permissions as it was authenticated
BEGIN;
SELECT falukeys.current_key_allows('messages') AS without;
SELECT code FROM falukeys.authenticate(:'other_key', client => '10.1.1.1');
SELECT falukeys.current_key_allows('messages'), falukeys.current_key_allows('messages.read') AS read, falukeys.current_key_allows('messagesx') AS x,
	falukeys.current_key_allows('payments') AS payments, falukeys.current_key_allows(NULL) AS null;
SELECT falukeys.require_permission('messages.read');
SELECT falukeys.require_permission('payments');
ROLLBACK;
BEGIN;
SELECT code FROM falukeys.authenticate(:'public_key');
SELECT falukeys.current_key_kind(), falukeys.current_key_allows('messages');
SELECT falukeys.require_permission('messages');
ROLLBACK;
SELECT falukeys.require_permission('messages');
SELECT falukeys.require_permission(NULL);

-- Nothing but a key makes one.
SET falukeys.current_key_id = 'x';
SELECT set_config('falukeys.identity', :'id', false);
SET falukeys.acting_for = 'x';
RESET falukeys.acting_for;
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
RESET ROLE;
SELECT identity_is(:'id') AS role_reset;
SET LOCAL SESSION AUTHORIZATION regress_falukeys_app;
SELECT identity_is(:'id') AS other_session_user;
COMMIT;
RESET SESSION AUTHORIZATION;
SET ROLE regress_falukeys_app;

-- Parallel workers do not ask for it themselves.
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL force_parallel_mode = on;
SELECT count(*) > 0 AS rows, bool_and(falukeys.current_key_id() = :'id') AS each_row FROM pg_class;
SELECT mode FROM pg_class, falukeys.current_mode_settings() LIMIT 1;
COMMIT;

-- Temporary keys, created by who holds a secret key
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
SELECT id IS NOT NULL AS made FROM falukeys.create_temporary_key(:'workspace', 'test', '{one}', permissions => '{payments}');
SELECT identity_failure(format('create_temporary_key(%L, ''live'', ''{one}'')', :'workspace')) AS other_mode,
	identity_failure('create_temporary_key(''wksp_of_no_one'', ''test'', ''{one}'')') AS other_workspace,
	identity_failure(format('create_key(%L, ''secret'', ''test'')', :'workspace')) AS secret_key;
COMMIT;
BEGIN;
SELECT code FROM falukeys.authenticate(:'other_key', client => '10.1.1.1');
SELECT identity_failure(format('create_temporary_key(%L, ''live'', ''{one}'', permissions => ''{payments}'')', :'workspace')) AS more_permissions,
	identity_failure(format('create_temporary_key(%L, ''live'', ''{one}'', networks => ''{0.0.0.0/0}'')', :'workspace')) AS more_networks;
SELECT key AS minted FROM falukeys.create_temporary_key(:'workspace', 'live', '{one}') \gset
SELECT key AS narrow FROM falukeys.create_temporary_key(:'workspace', 'live', '{one}', networks => '{10.9.0.0/16}') \gset
COMMIT;
SELECT v.code, w.code, x.code, y.code, z.code FROM falukeys.verify_key(:'minted', 'messages.read', '10.1.1.1', 'one') AS v,
	falukeys.verify_key(:'minted', 'payments', '10.1.1.1', 'one') AS w, falukeys.verify_key(:'minted', 'messages', '11.1.1.1', 'one') AS x,
	falukeys.verify_key(:'narrow', 'messages', '10.1.1.1', 'one') AS y, falukeys.verify_key(:'narrow', 'messages', '10.9.1.1', 'one') AS z;
BEGIN;
SELECT code FROM falukeys.authenticate(:'temporary_key', object_id => 'one');
SELECT falukeys.current_key_objects(), identity_failure(format('create_temporary_key(%L, ''test'', ''{one}'')', :'workspace')) AS by_temporary;
COMMIT;
SELECT identity_failure(format('create_temporary_key(%L, ''test'', ''{one}'')', :'workspace')) AS by_no_one;

RESET ROLE;
DROP FUNCTION identity_is(text), identity_failure(text);
DROP OWNED BY regress_falukeys_app;
DROP ROLE regress_falukeys_app;
