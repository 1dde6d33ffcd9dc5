--
-- Nothing tells what is someone else's from what does not exist: no condition,
-- plan, estimate or count
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY terse
-- To compile the queries would take longer than to run them.
SET jit = off;

CREATE ROLE regress_falukeys_tenant;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_operator;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_operator', 'operator');
SELECT falukeys.create_workspace('Visibility, own', 'regress_falukeys_tenant') AS own \gset
SELECT falukeys.create_workspace('Visibility, foreign') AS foreign \gset
SELECT falukeys.add_member(:'foreign', 'regress_falukeys_member', 'member');
SELECT falukeys.define_permission('visibility.read');
SELECT id AS own_key FROM falukeys.create_key(:'own', 'secret', 'test', 'own') \gset
SELECT id AS foreign_key FROM falukeys.create_key(:'foreign', 'secret', 'test', 'foreign') \gset
SELECT count(falukeys.create_key(:'foreign', 'secret', 'test', 'often')) FROM generate_series(1, 300);
-- As long, and beside it
SELECT left(:'foreign', -2) || 'zz' AS missing, left(:'foreign_key', -2) || 'zz' AS missing_key \gset
SELECT (SELECT count(*) FROM falukeys.workspaces WHERE id = :'missing')
	+ (SELECT count(*) FROM falukeys.keys WHERE id = :'missing_key') AS there;
VACUUM ANALYZE;

CREATE SCHEMA visibility;
GRANT USAGE ON SCHEMA visibility TO PUBLIC;

--
-- Functions that take an id read as much for the one as for the other.
--
-- All counts of what was read of the extension's tables and indexes
CREATE FUNCTION visibility.counts() RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(c.oid::regclass, jsonb_build_object('scans', pg_stat_get_xact_numscans(c.oid),
		'returned', pg_stat_get_xact_tuples_returned(c.oid), 'fetched', pg_stat_get_xact_tuples_fetched(c.oid),
		'blocks', pg_stat_get_xact_blocks_fetched(c.oid)))
	FROM pg_class AS c
	WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND relkind IN ('r', 'i') $$;
-- What a statement said, without the ids, and read: the second time, when all
-- caches are warm.  Nothing of it stays.
CREATE FUNCTION visibility.reads(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	counted jsonb;
	said text;
BEGIN
	FOR time IN 1 .. 2 LOOP
		counted = visibility.counts();
		BEGIN
			EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
			EXECUTE statement;
			RAISE EXCEPTION USING ERRCODE = 'ZZ999', MESSAGE = 'done';
		EXCEPTION
			WHEN OTHERS THEN said = regexp_replace(SQLERRM, '"[^"]*"', '"..."', 'g');
		END;
	END LOOP;
	RETURN said || ': ' || (
		SELECT coalesce(string_agg(format('%s %s %s', relation, count, n), '; ' ORDER BY relation, count), 'nothing')
		FROM (SELECT relation, count, a.value::bigint - (counted -> relation ->> count)::bigint AS n
			FROM jsonb_each(visibility.counts()) AS r (relation, counts),
				jsonb_each_text(counts) AS a (count, value)) AS difference
		WHERE n <> 0);
END $$;

-- The calls are made from the catalog: what everyone may call and takes an id
CREATE TABLE visibility.argument (name text PRIMARY KEY, value text);
INSERT INTO visibility.argument VALUES
	('key_id', '%1$L'), ('workspace', '%2$L'), ('kind', $$'secret'$$), ('mode', $$'test'$$), ('objects', $$'{a}'$$),
	('key', $$'fskt_visibilityvisibilityvisibility'$$), ('member', $$'regress_falukeys_nobody'$$),
	('role', $$'developer'$$),
	('not_before', 'NULL'), ('expires_at', 'NULL'), ('object', $$'a'$$);
CREATE TABLE visibility.call AS
	SELECT p.proname::text AS function,
		format('SELECT * FROM %s.%I(%s)', pronamespace::regnamespace, proname,
			string_agg(format('%I => %s', given, value), ', ' ORDER BY n)) AS call,
		string_agg(given, ', ') FILTER (WHERE value IS NULL) AS unknown_arguments
	FROM pg_proc AS p, generate_series(1, pronargs - pronargdefaults) AS n,
		LATERAL (SELECT proargnames[n] AS given) AS g
		LEFT JOIN visibility.argument AS a ON a.name = given
	WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
		AND has_function_privilege('regress_falukeys_nobody', p.oid, 'EXECUTE')
		AND proargnames[1:pronargs] && '{key_id,workspace}'
	GROUP BY p.oid, proname, pronamespace;
SELECT function, unknown_arguments FROM visibility.call WHERE unknown_arguments IS NOT NULL;
SELECT function, role,
	split_part(visibility.reads(role, format(call, :'foreign_key', :'foreign')), ':', 1) AS said,
	visibility.reads(role, format(call, :'foreign_key', :'foreign'))
		= visibility.reads(role, format(call, :'missing_key', :'missing')) AS same
FROM visibility.call, unnest('{tenant,member,nobody,verifier}'::text[]) AS role
-- A member, if of nothing else, knows that its workspace exists.
WHERE role <> 'member' OR call ~ 'key_id'
ORDER BY function, role;
-- The test would see it: what is the caller's own is read.
SELECT split_part(visibility.reads('tenant', format(call, :'own_key', :'own')), ':', 1) AS said,
	visibility.reads('tenant', format(call, :'own_key', :'own'))
		= visibility.reads('tenant', format(call, :'missing_key', :'missing')) AS same
FROM visibility.call WHERE function = 'wait_for_key';
-- Who sees every workspace may know.
SELECT split_part(visibility.reads('operator', format(call, :'foreign_key', :'foreign')), ':', 1) AS foreign,
	split_part(visibility.reads('operator', format(call, :'missing_key', :'missing')), ':', 1) AS missing
FROM visibility.call WHERE function IN ('wait_for_key', 'roll_key', 'add_member') ORDER BY function;

--
-- EXPLAIN (ANALYZE, BUFFERS) shows the same for both, costs and estimates included.
--
-- Once two runs are the same, all caches are warm.
CREATE FUNCTION visibility.plan(role text, query text, literal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
	plan text = '';
	before text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	FOR time IN 1 .. 10 LOOP
		before = plan;
		plan = '';
		FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) ' || format(query, literal) LOOP
			plan = plan || regexp_replace(line, ' (dirtied|written)=\d+', '', 'g') || E'\n';
		END LOOP;
		EXIT WHEN plan = before;
	END LOOP;
	RESET ROLE;
	RETURN replace(plan, literal, '?');
END $$;
CREATE TABLE visibility.question (query text, existing text, missing text);
INSERT INTO visibility.question VALUES
	('SELECT FROM falukeys.dashboard WHERE key_id = %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.dashboard WHERE key_id <= %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.attention WHERE key_id = %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.attention WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.dashboard WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.dashboard WHERE workspace = %L', 'Visibility, foreign', 'Visibility, missing'),
	('SELECT FROM falukeys.dashboard WHERE description = %L', 'often', 'oftem'),
	('SELECT FROM falukeys.dashboard WHERE revealed_by = %L', 'regress_falukeys_tenant', 'regress_falukeys_nobody'),
	('SELECT FROM falukeys.dashboard WHERE key_id = %L AND revealed_at IS NULL AND uses IS NOT NULL',
		:'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.dashboard AS d JOIN falukeys.event_log AS e USING (key_id) WHERE key_id = %L',
		:'foreign_key', :'missing_key'),
	('SELECT key_id FROM falukeys.dashboard WHERE key_id < %L ORDER BY key_id LIMIT 1', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.usage WHERE key_id = %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.usage WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.event_log WHERE key_id = %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.event_log WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.key_changes WHERE key_id = %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys.key_changes WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.event_log WHERE event = %L', 'workspace.approved', 'workspace.accepted'),
	('SELECT FROM falukeys_internal.visible_workspaces WHERE id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.dashboard WHERE waits_for_reveal AND workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.dashboard WHERE objects @> ARRAY[%L]', 'often', 'oftem'),
	('SELECT FROM falukeys.workspace_list WHERE id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.workspace_list WHERE name = %L', 'Visibility, foreign', 'Visibility, missing'),
	('SELECT FROM falukeys.workspace_list WHERE state = ''approved'' AND id < %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.member_list WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys.member_list WHERE member::text = %L', 'regress_falukeys_member', 'regress_falukeys_nobody'),
	('SELECT FROM falukeys.member_list WHERE member = %L::oid::regrole', 'regress_falukeys_member'::regrole::oid::text,
		'regress_falukeys_nobody'::regrole::oid::text),
	('SELECT FROM falukeys.permission_list WHERE name = %L', 'visibility.read', 'visibility.road'),
	('SELECT FROM falukeys_internal.own_workspace_list() WHERE id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys_internal.own_members() WHERE workspace_id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys_internal.own_workspaces() AS id WHERE id = %L', :'foreign', :'missing'),
	('SELECT FROM falukeys_internal.own_attention() WHERE key_id = %L', :'foreign_key', :'missing_key'),
	('SELECT FROM falukeys_internal.own_keys() WHERE key_id = %L', :'foreign_key', :'missing_key');
SELECT query, bool_and(visibility.plan(role, query, existing) = visibility.plan(role, query, missing)) AS same
FROM visibility.question, unnest('{tenant,member,nobody,verifier}'::text[]) AS role
-- A member knows what workspace it is in, and who else is; and whoever is in one, the permissions.
WHERE (role <> 'member' OR query !~ 'workspace_list|member_list|own_members')
	AND (role IN ('nobody', 'verifier') OR query !~ 'permission_list')
	AND (role <> 'verifier' OR query !~ 'key_changes') -- which are a verifier's
GROUP BY query ORDER BY query COLLATE "C";
-- Narrowed to one, they all see what there is of it, or of nothing.
SELECT bool_and(visibility.plan(role, query, existing) = visibility.plan(role, query, missing)) AS same
FROM (SELECT set_config('falukeys.acting_in', :'own', false) OFFSET 0) AS narrowed, visibility.question,
	unnest('{tenant,member,nobody,verifier}'::text[]) AS role
WHERE (role IN ('nobody', 'verifier') OR query !~ 'permission_list') AND (role <> 'verifier' OR query !~ 'key_changes');
RESET falukeys.acting_in;
-- Nor does it tell whether what one is narrowed to is there.
CREATE FUNCTION visibility.narrowed(role text, view text, workspace text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('falukeys.acting_in', workspace, true);
	RETURN visibility.plan(role, 'SELECT FROM ' || view || ' WHERE %L IS NOT NULL', workspace);
END $$;
SELECT oid::regclass AS view, bool_and(visibility.narrowed(role, oid::regclass::text, :'foreign')
	= visibility.narrowed(role, oid::regclass::text, :'missing')) AS same
FROM pg_class, unnest('{tenant,nobody,verifier}'::text[]) AS role
WHERE relnamespace = 'falukeys'::regnamespace AND relkind = 'v'
	AND has_table_privilege('regress_falukeys_nobody', oid, 'SELECT')
	AND (role <> 'verifier' OR relname <> 'key_changes') GROUP BY oid ORDER BY oid::regclass::text COLLATE "C";
SELECT function, bool_and(visibility.reads(role, format(call, :'foreign_key', :'foreign'))
	= visibility.reads(role, format(call, :'missing_key', :'missing'))) AS same
FROM (SELECT set_config('falukeys.acting_in', :'own', false) OFFSET 0) AS narrowed, visibility.call,
	unnest('{tenant,member,nobody,verifier,operator}'::text[]) AS role
GROUP BY function HAVING NOT bool_and(visibility.reads(role, format(call, :'foreign_key', :'foreign'))
	= visibility.reads(role, format(call, :'missing_key', :'missing')));
RESET falukeys.acting_in;
-- The tables are not read for who does not see every workspace.
SELECT role, bool_and(visibility.plan(role, query, existing) ~ 'never executed') AS unread,
	bool_or(visibility.plan(role, query, existing) ~ '(Seq|Index|Heap|Index Only) Scan[^\n]* on [^\n]*actual') AS read
FROM visibility.question, unnest('{tenant,nobody,operator}'::text[]) AS role WHERE query !~ 'own_|permission_list'
GROUP BY role ORDER BY role;

-- Estimates come from statistics, so no column that the views read has any,
SELECT DISTINCT a.attrelid::regclass, attname
FROM pg_depend AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
	JOIN pg_class AS v ON r.ev_class = v.oid AND v.relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
	JOIN pg_class AS t ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND t.relkind = 'r'
	JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT attisdropped
WHERE coalesce(attstattarget, -1) <> 0 ORDER BY 1, 2;
-- and ANALYZE makes none.
SELECT DISTINCT tablename FROM pg_stats
	WHERE schemaname = 'falukeys' AND tablename IN ('workspaces', 'members', 'keys', 'events', 'key_usage',
		'sealed_secrets', 'retired_secrets', 'permissions', 'key_permissions', 'key_networks', 'key_objects');

--
-- What is seen is what was seen ever: the caller's own, or all.
--
CREATE FUNCTION visibility.seen(role text, OUT workspaces text, OUT keys bigint, OUT descriptions text, OUT used bigint,
	OUT events text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	SELECT string_agg(DISTINCT workspace, '; '), count(*), string_agg(DISTINCT description, '; ') INTO workspaces, keys,
		descriptions FROM falukeys.dashboard WHERE workspace ~ '^Visibility';
	SELECT count(*) INTO used FROM falukeys.usage
		WHERE key_id IN (SELECT key_id FROM falukeys.dashboard WHERE workspace ~ '^Visibility');
	SELECT string_agg(DISTINCT event || ' ' || coalesce(detail ->> 'name', ''), '; ') INTO events
		FROM falukeys.event_log
		WHERE workspace_id IN (SELECT id FROM falukeys_internal.visible_workspaces)
			AND detail ->> 'name' ~ '^Visibility';
	RESET ROLE;
END $$;
SELECT role, s.* FROM unnest('{tenant,member,nobody,verifier,operator}'::text[]) AS role, visibility.seen(role) AS s;
-- A plan that is kept is not of the role that it was made for.
PREPARE keys AS SELECT count(*) FROM falukeys.dashboard WHERE workspace ~ '^Visibility';
SET plan_cache_mode = force_generic_plan;
EXECUTE keys;
SET ROLE regress_falukeys_tenant;
EXECUTE keys;
SET ROLE regress_falukeys_nobody;
EXECUTE keys;
SET ROLE regress_falukeys_operator;
EXECUTE keys;
RESET ROLE;
DEALLOCATE keys;
RESET plan_cache_mode;
-- Several roles of one workspace show it once.
CREATE ROLE regress_falukeys_both IN ROLE regress_falukeys_tenant;
SELECT falukeys.add_member(:'own', 'regress_falukeys_both', 'developer');
SELECT s.* FROM visibility.seen('both') AS s;
SET ROLE regress_falukeys_both;
SELECT count(*), count(DISTINCT id) FROM falukeys_internal.visible_workspaces;
RESET ROLE;
-- Whoever owns the database has a membership of pg_database_owner.
BEGIN;
SELECT falukeys.add_member(:'foreign', 'pg_database_owner', 'developer');
SELECT format('ALTER DATABASE %I OWNER TO regress_falukeys_nobody', current_database()) \gexec
SELECT workspaces, keys FROM visibility.seen('nobody');
SET ROLE regress_falukeys_nobody;
SELECT falukeys.disable_key(:'foreign_key');
ROLLBACK;
-- In a transaction that began before, what is seen ends with the membership.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT workspaces, keys FROM visibility.seen('both');
SELECT falukeys.remove_member(:'own', 'regress_falukeys_both'),
	falukeys.remove_member(:'foreign', 'regress_falukeys_member');
REVOKE regress_falukeys_tenant FROM regress_falukeys_both;
SELECT workspaces, keys FROM visibility.seen('both');
ROLLBACK;
-- Tables that gain columns break nothing.
BEGIN;
ALTER TABLE falukeys.keys ADD COLUMN note text DEFAULT 'x';
ALTER TABLE falukeys.events ADD COLUMN note text DEFAULT 'x';
ALTER TABLE falukeys.members ADD COLUMN note text DEFAULT 'x';
SELECT workspaces, keys, used, events FROM visibility.seen('tenant');
ROLLBACK;
-- Planner settings of the caller change nothing, and theirs come back.
SET enable_seqscan = on;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT workspaces, keys FROM visibility.seen('tenant');
SELECT current_setting('enable_seqscan') AS seqscan, current_setting('enable_indexscan') AS indexscan,
	current_setting('enable_hashjoin') AS hashjoin;
RESET enable_seqscan;
RESET enable_indexscan;
RESET enable_bitmapscan;
-- Nor do statistics, such as those from when there were fewer workspaces: as many rows are read as the caller has.
BEGIN;
UPDATE pg_class SET reltuples = 2, relpages = 1 WHERE oid = 'falukeys.workspaces'::regclass;
UPDATE pg_class SET reltuples = 1000000, relpages = 20000 WHERE oid = 'falukeys.keys'::regclass;
SELECT keys, substring(visibility.reads('tenant', 'SELECT * FROM falukeys.dashboard')
	FROM 'workspaces_pkey returned (\d+)') AS workspaces FROM visibility.seen('tenant');
ROLLBACK;
-- Who is a member only reads no key, not even to count it.
SELECT role, visibility.reads(role, 'SELECT * FROM falukeys.workspace_list') ~ 'keys_by_workspace scans' AS keys
	FROM unnest('{tenant,member}'::text[]) AS role;
-- What is behind the views is no one's.
SET ROLE regress_falukeys_operator;
SELECT count(*) FROM falukeys_internal.every_key;
SELECT count(*) FROM falukeys_internal.every_usage;
RESET ROLE;

DROP SCHEMA visibility CASCADE;
SET client_min_messages = warning;
SELECT falukeys.revoke_access('regress_falukeys_verifier', 'verifier'),
	falukeys.revoke_access('regress_falukeys_operator', 'operator');
RESET client_min_messages;
DROP ROLE regress_falukeys_tenant, regress_falukeys_member, regress_falukeys_nobody, regress_falukeys_verifier,
	regress_falukeys_operator, regress_falukeys_both;
