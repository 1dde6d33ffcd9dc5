--
-- falukeys.acting_in: one workspace is left of all that a role may
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY terse
-- To compile the queries would take longer than to run them.
SET jit = off;

CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_delegate;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_superuser SUPERUSER;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_delegate', 'delegate'),
	falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager');
SELECT falukeys.define_permission('acting', 'for the test of acting_in');

-- Members are members of both workspaces: they choose one, too.
CREATE SCHEMA acting;
GRANT USAGE, CREATE ON SCHEMA acting TO PUBLIC;
CREATE TABLE acting.workspace (name text PRIMARY KEY, id text, key_id text, key text);
INSERT INTO acting.workspace (name, id)
	SELECT name, falukeys.create_workspace('Acting in ' || name, 'regress_falukeys_administrator')
	FROM unnest('{own,other}'::text[]) AS name;
SELECT falukeys.add_member(id, 'regress_falukeys_developer', 'developer'),
	falukeys.add_member(id, 'regress_falukeys_member', 'member'),
	falukeys.approve_workspace(id) FROM acting.workspace;
UPDATE acting.workspace AS w SET key_id = k.id, key = k.key
	FROM acting.workspace AS v, LATERAL falukeys.create_key(v.id, 'secret', 'test', v.name) AS k WHERE v.name = w.name;
-- As long, and beside it
INSERT INTO acting.workspace SELECT 'missing', left(id, -2) || 'zz', left(key_id, -2) || 'zz',
	'fskt_actinginactinginactingin0042' FROM acting.workspace WHERE name = 'other';
SELECT id AS own, key_id AS own_key FROM acting.workspace WHERE name = 'own' \gset
SELECT id AS other, key_id AS other_key, key AS other_secret FROM acting.workspace WHERE name = 'other' \gset
SELECT format('CREATE TABLE acting.%I (workspace_id text, mode text)', role) AS statement,
	format('ALTER TABLE acting.%I OWNER TO %I', role, 'regress_falukeys_' || role) AS and_then
FROM unnest('{developer,administrator,verifier,delegate,operator,manager,superuser}'::text[]) AS role
\gexec

--
-- Every function, made from the catalog: a new one brings a row of its own,
-- which is expected here with what is left of it, or the test fails.
--
-- $w, $i and $k are the id, a key's id and a key of the workspace that is named.
CREATE TABLE acting.argument (name text, function text, value text, UNIQUE (name, function));
INSERT INTO acting.argument VALUES
	('access', NULL, $$'verifier'$$), ('apikey', NULL, $$'$k'$$), ('client', NULL, 'NULL'),
	('expires_at', NULL, 'NULL'), ('header', NULL, $$'192.0.2.1'$$), ('key', NULL, $$'$k'$$),
	('key', 'import_key', $$'fskt_actinginactinginactingin'$$),
	('key', 'import_key_digest', $$'fskt_actinginactinginactingin'$$), ('key_id', NULL, $$'$i'$$),
	('kind', NULL, $$'secret'$$), ('member', NULL, $$'regress_falukeys_nobody'$$),
	('member', 'remove_member', $$'regress_falukeys_member'$$), ('mode', NULL, $$'test'$$),
	('name', NULL, $$'acting.more'$$), ('not_before', NULL, 'NULL'), ('objects', NULL, $$'{a}'$$),
	('older_than', NULL, $$'1 day'$$), ('permission', NULL, $$'acting'$$),
	('role', NULL, $$'regress_falukeys_nobody'$$),
	('role', 'add_member', $$'member'$$), ('source', NULL, $$'x'$$), ('target', NULL, $$'acting.$r'$$),
	('workspace', NULL, $$'$w'$$),
	-- Optional ones, without which there is nothing to do
	('description', 'annotate_key', $$'x'$$), ('name', 'describe_workspace', $$'x'$$),
		('networks', 'restrict_key', $$'{10.0.0.0/8}'$$);
-- What a superuser does first, so that nothing but access is in the way
CREATE TABLE acting.preparation (function text PRIMARY KEY, statement text);
INSERT INTO acting.preparation VALUES
	('authenticate_request', $$SELECT set_config('request.headers', '{"x-api-key": "$k"}', true)$$),
	('release_table', $$SELECT falukeys.isolate_table('acting.$r')$$),
	('require_permission', $$SELECT falukeys.authenticate('$k')$$),
	('resume_workspace', $$SELECT falukeys.suspend_workspace('$w')$$);
CREATE TABLE acting.call AS
	SELECT p.proname::text AS function,
		format('SELECT falukeys.%I(%s)', proname,
			string_agg(format('%I => %s', given, value), ', ' ORDER BY n)
			FILTER (WHERE n <= pronargs - pronargdefaults OR value IS NOT NULL)) AS call,
		string_agg(coalesce(given, '?'), ', ')
			FILTER (WHERE n <= pronargs - pronargdefaults AND value IS NULL) AS unknown_arguments,
		coalesce(bool_or(given IN ('workspace', 'key_id')), false) AS by_id
	FROM pg_proc AS p
		LEFT JOIN LATERAL generate_series(1, pronargs) AS n ON true
		LEFT JOIN LATERAL (SELECT proargnames[n] AS given) AS g ON true
		LEFT JOIN LATERAL (SELECT value FROM acting.argument AS a
			WHERE a.name = given AND (a.function = proname OR (a.function IS NULL AND n <= pronargs - pronargdefaults))
			ORDER BY a.function NULLS LAST LIMIT 1) AS a ON true
	WHERE pronamespace = 'falukeys'::regnamespace AND prorettype <> 'trigger'::regtype
		AND NOT EXISTS (SELECT FROM pg_type AS t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
		AND NOT EXISTS (SELECT FROM pg_operator AS o WHERE o.oprcode = p.oid)
		AND NOT EXISTS (SELECT FROM pg_amproc AS a WHERE a.amproc = p.oid)
	GROUP BY p.oid, proname;
SELECT function, unknown_arguments FROM acting.call WHERE unknown_arguments IS NOT NULL;

-- The call is really made, as the role, and undone; ids are left out of what it said.
CREATE FUNCTION acting.said(role text, function text, narrowed text, named text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	w acting.workspace = (SELECT w FROM acting.workspace AS w WHERE w.name = named);
	statement text = (SELECT call FROM acting.call AS c WHERE c.function = said.function);
	preparation text = (SELECT p.statement FROM acting.preparation AS p WHERE p.function = said.function);
	hint text;
BEGIN
	statement = replace(replace(replace(replace(statement, '$w', w.id), '$i', w.key_id), '$k', w.key), '$r', role);
	IF preparation IS NOT NULL AND named <> 'missing' THEN
		EXECUTE replace(replace(replace(preparation, '$w', w.id), '$k', w.key), '$r', role);
	END IF;
	PERFORM set_config('falukeys.acting_in', narrowed, true);
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN RETURN 'allowed';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
		RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '"[^"]*"', '...', 'g') || ' '
			|| replace(hint, narrowed, '...');
END $$;
-- of another workspace: without acting_in, and narrowed to the other one; and of that one itself
CREATE FUNCTION acting.outcome(role text, function text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', split_part(acting.said(role, function, '', 'other'), ' ', 1),
		split_part(acting.said(role, function, (SELECT id FROM acting.workspace WHERE name = 'own'), 'other'), ' ', 1),
		split_part(acting.said(role, function, (SELECT id FROM acting.workspace WHERE name = 'own'), 'own'), ' ',
			1)) $$;
SET client_min_messages = error;
SELECT function, acting.outcome('developer', function) AS developer,
	acting.outcome('administrator', function) AS administrator, acting.outcome('verifier', function) AS verifier,
	acting.outcome('delegate', function) AS delegate, acting.outcome('operator', function) AS operator,
	acting.outcome('manager', function) AS manager, acting.outcome('superuser', function) AS superuser
FROM acting.call ORDER BY function COLLATE "C";
-- What is refused for it says so, and what is not there is refused with the same words.
SELECT function, role, acting.said(role, function, :'own', 'other') AS said
FROM acting.call, unnest('{developer,administrator,verifier,delegate,operator,manager,superuser}'::text[]) AS role
WHERE by_id AND (acting.said(role, function, :'own', 'other') <> acting.said(role, function, :'own', 'missing')
	OR acting.said(role, function, '', 'other') = 'allowed'
		AND acting.said(role, function, :'own', 'other') !~ '^42501 .*"falukeys.acting_in" narrows')
ORDER BY function, role;
RESET client_min_messages;
SELECT acting.said('superuser', function, :'own', 'other') AS said, count(*) > 10 AS of_many FROM acting.call
	WHERE by_id GROUP BY 1 ORDER BY 1;

--
-- What is no id of a workspace leaves nothing, and so does one that is not there.
--
SELECT n, split_part(acting.said('manager', 'disable_key', narrowed, 'own'), ' ', 1) AS key,
	split_part(acting.said('operator', 'suspend_workspace', narrowed, 'own'), ' ', 1) AS workspace,
	split_part(acting.said('superuser', 'create_key', narrowed, 'own'), ' ', 1) AS create,
	split_part(acting.said('developer', 'create_key', narrowed, 'own'), ' ', 1) AS developer
FROM unnest(ARRAY['none', ' ', '*', '%', 'wksp_', 'wksp_000000000000000000000000000',
	'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXP', lower(:'own'), upper(:'own')]) WITH ORDINALITY AS a (narrowed, n) ORDER BY n;
-- nor is it taken for one, where it is named.
SET falukeys.acting_in = 'none';
SELECT falukeys.resume_workspace('none');
SELECT falukeys.create_key('none', 'secret', 'test');
RESET falukeys.acting_in;
-- Longer than any id
SET falukeys.acting_in = 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys';
SELECT set_config('falukeys.acting_in', repeat('x', 1000000), false);
SELECT set_config('falukeys.acting_in', :'own' || ' ', false);
SHOW falukeys.acting_in;

--
-- The views
--
CREATE FUNCTION acting.seen(role text, narrowed text, OUT keys text, OUT used text, OUT events text,
	OUT workspaces text, OUT counted text, OUT members text, OUT permissions text) LANGUAGE plpgsql AS $$
BEGIN
	GRANT SELECT ON acting.workspace TO PUBLIC;
	PERFORM set_config('falukeys.acting_in', narrowed, true);
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	EXECUTE 'SELECT string_agg(DISTINCT coalesce(w.name, ''more''), '' '') '
		'FROM falukeys.dashboard LEFT JOIN acting.workspace AS w ON w.id = workspace_id' INTO keys;
	EXECUTE 'SELECT string_agg(DISTINCT coalesce(w.name, ''more''), '' '') '
		'FROM falukeys.usage LEFT JOIN acting.workspace AS w ON w.id = workspace_id' INTO used;
	EXECUTE 'SELECT string_agg(DISTINCT coalesce(w.name, ''more''), '' '') '
		'FROM falukeys.event_log LEFT JOIN acting.workspace AS w ON w.id = workspace_id' INTO events;
	EXECUTE 'SELECT string_agg(DISTINCT coalesce(w.name, ''more''), '' ''), string_agg(DISTINCT concat_ws(''/'', '
		'live_keys, test_keys), '' '') FILTER (WHERE w.name IS NOT NULL) FROM falukeys.workspace_list '
		'AS l LEFT JOIN acting.workspace AS w ON w.id = l.id' INTO workspaces, counted;
	EXECUTE 'SELECT string_agg(DISTINCT coalesce(w.name, ''more''), '' '') '
		'FROM falukeys.member_list LEFT JOIN acting.workspace AS w ON w.id = workspace_id' INTO members;
	EXECUTE 'SELECT string_agg(name, '' '') FROM falukeys.permission_list WHERE name ~ ''^acting''' INTO permissions;
	RESET ROLE;
	PERFORM set_config('falukeys.acting_in', '', true);
END $$;
SELECT falukeys.create_workspace('Acting in more', 'regress_falukeys_superuser') AS more \gset
SELECT role, n AS narrowed, s.*
	FROM unnest('{nobody,member,developer,administrator,verifier,delegate,operator,manager,superuser}'::text[])
	WITH ORDINALITY AS r (role, o),
	(VALUES (1, 'not', ''), (2, 'own', :'own'), (3, 'missing', 'wksp_000000000000000000000000000'),
		(4, 'none', 'none')) AS t (i, n, narrowed), acting.seen(role, narrowed) AS s ORDER BY o, i;
-- What changed what keys may do, which a verifier sees too
SELECT falukeys.roll_key(:'own_key', '1 hour') IS NOT NULL AS own,
	falukeys.roll_key(:'other_key', '1 hour') IS NOT NULL AS other;
CREATE FUNCTION acting.changes(role text, narrowed text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	changes text;
BEGIN
	PERFORM set_config('falukeys.acting_in', narrowed, true);
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	EXECUTE 'SELECT string_agg(DISTINCT w.name, '' '')
		FROM falukeys.key_changes JOIN acting.workspace AS w ON w.id = workspace_id' INTO changes;
	RESET ROLE;
	PERFORM set_config('falukeys.acting_in', '', true);
	RETURN changes;
END $$;
SELECT role, acting.changes(role, '') AS not_narrowed, acting.changes(role, :'own') AS own,
	acting.changes(role, 'wksp_000000000000000000000000000') AS missing, acting.changes(role, 'none') AS none
FROM unnest('{nobody,member,developer,administrator,verifier,delegate,operator,manager,superuser}'::text[])
	WITH ORDINALITY AS r (role, o) ORDER BY o;
-- With conditions of the query
SET falukeys.acting_in = :'own';
SELECT count(*) FROM falukeys.dashboard WHERE key_id = :'other_key';
SELECT count(*) FROM falukeys.dashboard WHERE key_id = :'own_key';
SELECT count(*) FROM falukeys.dashboard WHERE workspace_id IN (:'own', :'other');
SELECT count(*) > 0 AS some, bool_and(workspace_id = :'own') AS own FROM falukeys.event_log;
SELECT count(*) FROM falukeys_internal.visible_workspaces;
SELECT w.id = :'own' AS own, count(*) FROM falukeys.workspace_list AS w
	JOIN falukeys.dashboard AS d ON d.workspace_id = w.id GROUP BY 1;
-- They are looked up by the index of the workspace, where who is not narrowed reads all.
CREATE FUNCTION acting.plan(query text) RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	line text;
	plan text = '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		plan = plan || line || E'\n';
	END LOOP;
	RETURN plan;
END $$;
SELECT view, acting.plan('SELECT * FROM falukeys.' || view)
	~ ('Index (Only )?Scan (using|on) ' || index
		|| ' [^\n]*actual[^\n]*\n *Index Cond: \(+(workspace_id|id) = \(*(\$|InitPlan)') AS by_index
FROM (VALUES ('dashboard', 'keys_by_workspace'), ('usage', 'keys_by_workspace'), ('event_log', 'events_by_workspace'),
	('key_changes', 'events_by_workspace'), ('workspace_list', 'workspaces_pkey'),
	('member_list', 'members_pkey')) AS v (view, index);
-- Verification and identity are not narrowed: whose a key is, it says itself.
SELECT code FROM falukeys.verify_key(:'other_secret');
BEGIN;
SELECT code FROM falukeys.authenticate(:'other_secret');
SELECT falukeys.current_workspace_id() = :'other' AS other;
-- What the identity makes is.
\set VERBOSITY sqlstate
SELECT id FROM falukeys.create_temporary_key(:'other', 'test', '{a}');
\set VERBOSITY terse
ROLLBACK;
-- Tables are a superuser's, as they are.
SELECT count(*) FROM falukeys.keys WHERE id = :'other_key';
RESET falukeys.acting_in;

--
-- It is asked for when a query runs, and ends with what set it.
--
SET ROLE regress_falukeys_manager;
SET plan_cache_mode = force_generic_plan;
PREPARE keys AS SELECT count(*) FILTER (WHERE workspace_id = $1) AS own,
	count(*) FILTER (WHERE workspace_id = $2) AS other FROM falukeys.dashboard;
EXECUTE keys (:'own', :'other');
BEGIN;
SET LOCAL falukeys.acting_in = :'own';
EXECUTE keys (:'own', :'other');
SAVEPOINT s;
SET LOCAL falukeys.acting_in = :'other';
EXECUTE keys (:'own', :'other');
ROLLBACK TO s;
EXECUTE keys (:'own', :'other');
SELECT set_config('falukeys.acting_in', '', true);
EXECUTE keys (:'own', :'other');
COMMIT;
EXECUTE keys (:'own', :'other');
BEGIN;
SELECT set_config('falukeys.acting_in', :'other', true) = :'other' AS set;
EXECUTE keys (:'own', :'other');
ROLLBACK;
EXECUTE keys (:'own', :'other');
DEALLOCATE keys;
RESET plan_cache_mode;
RESET ROLE;
-- of a function
CREATE FUNCTION acting.count_in(workspace text) RETURNS bigint LANGUAGE sql SET falukeys.acting_in = 'none'
	AS 'SELECT count(*) FROM falukeys.dashboard WHERE workspace_id = $1';
SELECT acting.count_in(:'own'), count(*) > 0 AS some FROM falukeys.dashboard WHERE workspace_id = :'own';
SET ROLE regress_falukeys_administrator;
SELECT acting.count_in(:'own'), count(*) > 0 AS some FROM falukeys.dashboard WHERE workspace_id = :'own';
RESET ROLE;
-- In parallel workers too, where a query has them
SET falukeys.acting_in = :'own';
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) = (SELECT count(*) FROM falukeys.workspaces) - 1 AS all_but_one FROM falukeys.workspaces
	WHERE id IS DISTINCT FROM falukeys_internal.acting_workspace();
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET falukeys.acting_in;
-- Nor is a longer one kept for later.
ALTER ROLE regress_falukeys_manager SET falukeys.acting_in = 'this is longer than the id of any workspace';
ALTER FUNCTION acting.count_in SET falukeys.acting_in = 'this is longer than the id of any workspace';

--
-- What belongs to every workspace is left to who is not narrowed.
--
SET falukeys.acting_in = :'own';
SELECT falukeys.create_workspace('Another');
SELECT falukeys.disable_key('key_000000000000000000000000000');
SELECT falukeys.define_permission('acting.more');
SELECT falukeys.purge_keys('1 day');
-- A leaked key of another workspace, and one of none, are refused alike: whoever reports it has to know.
\set VERBOSITY sqlstate
SELECT falukeys.report_compromised_key(:'other_secret');
\set VERBOSITY terse
SELECT falukeys.report_compromised_key('fskt_actinginactinginactingin0042');
RESET falukeys.acting_in;
SELECT code FROM falukeys.verify_key(:'other_secret');

SET client_min_messages = warning;
DROP SCHEMA acting CASCADE;
SELECT falukeys.close_workspace(:'own'), falukeys.close_workspace(:'other'), falukeys.close_workspace(:'more');
DROP OWNED BY regress_falukeys_verifier, regress_falukeys_delegate, regress_falukeys_operator, regress_falukeys_manager;
DROP ROLE regress_falukeys_nobody, regress_falukeys_member, regress_falukeys_developer, regress_falukeys_administrator,
	regress_falukeys_verifier, regress_falukeys_delegate, regress_falukeys_operator, regress_falukeys_manager,
	regress_falukeys_superuser;
