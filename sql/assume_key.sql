--
-- The identity by a stored handle, for work that goes on after the request
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
SELECT falukeys.define_permission('assumed');
SELECT falukeys.create_workspace('Assumed') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');

CREATE ROLE assume_worker;
CREATE ROLE assume_verifier;
CREATE ROLE assume_manager;
SELECT falukeys.grant_access('assume_worker', 'delegate'), falukeys.grant_access('assume_verifier', 'verifier'),
	falukeys.grant_access('assume_manager', 'manager');

-- What the application keeps of a request: the handle of its key
CREATE SCHEMA assume;
GRANT USAGE ON SCHEMA assume TO PUBLIC;
CREATE TABLE assume.job (name text PRIMARY KEY, id text, handle falukeys.apikey);
GRANT SELECT ON assume.job TO PUBLIC;
INSERT INTO assume.job
	SELECT 'test', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'live', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'secret', 'live')
	UNION ALL SELECT 'public', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'public', 'test')
	UNION ALL SELECT 'restricted', id, falukeys.apikey_of(key)
	FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{assumed}', networks => '{10.0.0.0/8}')
	UNION ALL SELECT 'temporary', id, falukeys.apikey_of(key)
	FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}')
	UNION ALL SELECT 'disabled', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'revoked', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'in grace', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL SELECT 'rolled', id, falukeys.apikey_of(key) FROM falukeys.create_key(:'workspace', 'secret', 'test')
	UNION ALL VALUES ('unknown', NULL, 'fskt_assumedassumedassumed'::falukeys.apikey), ('nothing', NULL, NULL);
-- The digest of one key with the kind, mode or last four of another is no key.
INSERT INTO assume.job SELECT 'forged ' || what, id, overlay(handle::text placing with_it from at)::falukeys.apikey
	FROM assume.job, (VALUES ('kind', 'p', 2), ('mode', 'l', 4)) AS f (what, with_it, at) WHERE name = 'test'
	UNION ALL SELECT 'forged last four', id,
		overlay(handle::text placing CASE WHEN handle::text ~ 'AAAA:' THEN 'BBBB'
			ELSE 'AAAA' END from 10)::falukeys.apikey
	FROM assume.job WHERE name = 'test';
SELECT falukeys.disable_key(id) FROM assume.job WHERE name = 'disabled';
SELECT falukeys.revoke_key(id) FROM assume.job WHERE name = 'revoked';
SELECT falukeys.roll_key(id, '1 day') IS NOT NULL AS rolled FROM assume.job WHERE name = 'in grace';
SELECT falukeys.roll_key(id) IS NOT NULL AS rolled FROM assume.job WHERE name = 'rolled';

-- Who the identity is, or how it was refused
CREATE FUNCTION assume.outcome(wanted text, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL,
	mode falukeys.key_mode DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	verdict falukeys.verdict;
	outcome text;
BEGIN
	verdict := falukeys.assume_key((SELECT handle FROM assume.job WHERE name = wanted), permission, client,
		object_id, mode);
	outcome := concat_ws(' ', verdict.code, verdict.kind, verdict.mode,
		(SELECT 'as ' || name FROM assume.job AS j WHERE j.id = falukeys.current_key_id() AND name !~ 'forged'));
	PERFORM falukeys.deauthenticate();
	RETURN outcome;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS outcome = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, outcome, 'as ' || falukeys.current_key_id());
END $$;

SET ROLE assume_worker;
SELECT name, assume.outcome(name) FROM assume.job ORDER BY name COLLATE "C";
SELECT assume.outcome('restricted', 'assumed', '10.1.1.1') AS fits,
	assume.outcome('restricted', 'assumed', '192.0.2.1') AS network,
	assume.outcome('restricted', 'other', '10.1.1.1') AS permission, assume.outcome('public', 'assumed') AS public,
	assume.outcome('temporary', object_id => 'object') AS object,
	assume.outcome('temporary', object_id => 'other') AS other_object,
	assume.outcome('live', mode => 'test') AS mode;

-- It ends with the transaction, and a savepoint's rollback brings back what was before.
BEGIN;
SELECT valid, code FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'test'));
SELECT falukeys.current_workspace_id() = :'workspace' AS workspace, falukeys.current_key_kind() AS kind,
	falukeys.current_key_mode() AS mode,
	falukeys.current_key_allows('assumed') AS allows;
SAVEPOINT a;
SELECT valid FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'public'));
SELECT falukeys.current_key_kind() AS kind;
SELECT valid FROM falukeys.assume_key(NULL);
ROLLBACK TO a;
SELECT falukeys.current_key_kind() AS kind;
SELECT falukeys.deauthenticate();
SELECT falukeys.current_key_kind() AS kind;
COMMIT;
SELECT falukeys.current_key_id();
-- It is an identity as any other: isolated tables show its rows, and a temporary key that it makes
-- lives as long as it does.
RESET ROLE;
CREATE TABLE assume.message (workspace_id text NOT NULL, mode falukeys.key_mode NOT NULL, body text);
SELECT falukeys.isolate_table('assume.message', read_permission => 'assumed');
GRANT SELECT, INSERT ON assume.message TO assume_worker;
SET ROLE assume_worker;
BEGIN;
SELECT valid FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'test'));
INSERT INTO assume.message (body) VALUES ('of test') RETURNING workspace_id = :'workspace' AS workspace, mode, body;
SELECT key AS minted FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}') \gset
SELECT valid FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'live'));
SELECT count(*) AS of_live FROM assume.message;
SELECT valid FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'restricted'), 'assumed', '10.1.1.1');
SELECT count(*) AS of_test FROM assume.message;
COMMIT;
SELECT count(*) AS of_no_one FROM assume.message;
RESET ROLE;
BEGIN;
SELECT code FROM falukeys.verify_key(:'minted', object_id => 'object');
SELECT falukeys.revoke_key(id) FROM assume.job WHERE name = 'test';
SELECT code FROM falukeys.verify_key(:'minted', object_id => 'object');
SELECT assume.outcome('test');
ROLLBACK;
SET ROLE assume_worker;
\set VERBOSITY default
SELECT valid FROM falukeys.assume_key(NULL);
SELECT valid FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'rolled'));
SELECT valid FROM falukeys.assume_key((SELECT handle FROM assume.job WHERE name = 'live'), mode => 'test');
SELECT valid FROM falukeys.assume_key('no handle');
\set VERBOSITY sqlstate

-- A delegate may do nothing else: neither verify keys, nor see or manage any.
SELECT count(*) AS sees FROM falukeys.dashboard;
SELECT code FROM falukeys.verify_key('fskt_assumedassumedassumed');
SELECT falukeys.handle_allows(handle, NULL, NULL) FROM assume.job WHERE name = 'test';
SELECT code FROM falukeys.authenticate('fskt_assumedassumedassumed');
SELECT code FROM falukeys.try_authenticate('fskt_assumedassumedassumed');
SELECT falukeys.authenticate_request();
SELECT falukeys.report_compromised_key('fskt_assumedassumedassumed');
SELECT falukeys.revoke_key(id) FROM assume.job WHERE name = 'test';
SELECT falukeys.create_key(:'workspace', 'secret', 'test');
SELECT count(*) FROM falukeys.keys;

-- Nor does another level give this one.
SET ROLE assume_verifier;
SELECT assume.outcome('test');
SET ROLE assume_manager;
SELECT assume.outcome('test');
RESET ROLE;
SELECT falukeys.revoke_access('assume_worker', 'delegate');
SET ROLE assume_worker;
SELECT assume.outcome('test');
RESET ROLE;
-- A role that inherits from a delegate is one.
SELECT falukeys.grant_access('assume_worker', 'delegate');
CREATE ROLE assume_heir IN ROLE assume_worker;
SET ROLE assume_heir;
SELECT assume.outcome('test');
RESET ROLE;

SELECT falukeys.close_workspace(:'workspace');
SELECT assume.outcome('test');
SET client_min_messages = warning;
DROP SCHEMA assume CASCADE;
DROP OWNED BY assume_worker, assume_verifier, assume_manager;
DROP ROLE assume_heir, assume_worker, assume_verifier, assume_manager;
