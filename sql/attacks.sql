--
-- Attempts to get more than the contract gives
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY sqlstate

CREATE ROLE regress_falukeys_attacker;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_writer IN ROLE pg_write_all_data, pg_read_all_data;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_manager', 'manager');

SELECT falukeys.define_permission('attacks');
SELECT falukeys.create_workspace('Attacks', 'regress_falukeys_developer') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT id AS sealed FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT id AS test_id, key AS test_key
	FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{attacks}') \gset

CREATE SCHEMA attacks;
GRANT USAGE, CREATE ON SCHEMA attacks TO PUBLIC;
-- The SQLSTATE of a statement, which is undone
CREATE FUNCTION attacks.outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN RETURN 'done';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
-- What must be as it was when an attack is over
CREATE FUNCTION attacks.harm(key text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(', ',
		(SELECT 'the key is ' || code FROM falukeys.verify_key(key) WHERE code <> 'valid'),
		(SELECT 'a secret was revealed' FROM falukeys.dashboard
			WHERE workspace = 'Attacks' AND mode = 'live' AND kind = 'secret' AND revealed_at IS NOT NULL
			HAVING count(*) <> 1),
		(SELECT 'there are ' || count(*) || ' keys' FROM falukeys.keys AS k
			JOIN falukeys.workspaces AS w ON w.id = workspace_id WHERE name = 'Attacks' HAVING count(*) <> 7),
		(SELECT 'there are ' || count(*) || ' members' FROM falukeys.members
			JOIN falukeys.workspaces AS w ON w.id = workspace_id WHERE name = 'Attacks' HAVING count(*) <> 1)) $$;
SELECT attacks.harm(:'key');

--
-- Becoming someone else
--
SET SESSION AUTHORIZATION regress_falukeys_attacker;
SET ROLE regress_falukeys_developer;
SET ROLE regress_falukeys_manager;
SELECT set_config('role', 'regress_falukeys_manager', false);
SELECT attacks.outcome('GRANT regress_falukeys_developer TO regress_falukeys_attacker') AS "grant",
	attacks.outcome($$SELECT falukeys.grant_access('regress_falukeys_attacker', 'manager')$$) AS grant_access,
	attacks.outcome('CREATE OR REPLACE FUNCTION falukeys_internal.manager_access() RETURNS void LANGUAGE sql '
		'AS $_$ $_$') AS replace,
	attacks.outcome('CREATE FUNCTION falukeys.mine() RETURNS void LANGUAGE sql AS $_$ $_$') AS add,
	attacks.outcome('ALTER FUNCTION falukeys_internal.manager_access() OWNER TO regress_falukeys_attacker') AS owner,
	attacks.outcome('ALTER EXTENSION falukeys ADD SCHEMA attacks') AS extension,
	attacks.outcome('DROP EXTENSION falukeys CASCADE') AS "drop";
GRANT EXECUTE ON FUNCTION falukeys_internal.manager_access() TO regress_falukeys_attacker;
SELECT has_function_privilege('falukeys_internal.manager_access()', 'EXECUTE') AS manager;
-- Claims are not identities.
SET falukeys.acting_for = 'regress_falukeys_developer';
SELECT attacks.outcome(format('SELECT falukeys.roll_key(%L)', :'key_id')) AS acting_for;
RESET falukeys.acting_for;
RESET SESSION AUTHORIZATION;
-- A function that runs as its owner may not be told to be someone else.
CREATE FUNCTION attacks.become() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	SET LOCAL ROLE regress_falukeys_developer;
	RETURN current_user;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
ALTER FUNCTION attacks.become() OWNER TO regress_falukeys_attacker;
SELECT attacks.become();
-- Inheritance is decided by the role that inherits, not asked for.
CREATE ROLE regress_falukeys_guest NOINHERIT IN ROLE regress_falukeys_developer;
SET SESSION AUTHORIZATION regress_falukeys_guest;
SELECT attacks.outcome(format('SELECT falukeys.roll_key(%L)', :'test_id')) AS not_inherited;
SET ROLE regress_falukeys_developer;
SELECT attacks.outcome(format('SELECT falukeys.roll_key(%L)', :'test_id')) AS as_the_role;
RESET SESSION AUTHORIZATION;

--
-- An operator that wants keys
--
CREATE TABLE attacks.of_operator AS
SELECT n, split_part(call, '(', 1) AS function, call
FROM unnest(ARRAY[
	format('reveal_key(%L)', :'sealed'), format('reveal_key(%L)', :'test_id'), format('roll_key(%L)', :'key_id'),
	format('create_key(%L, ''secret'', ''test'')', :'workspace'),
	format('create_key(%L, ''public'', ''test'')', :'workspace'),
	format('create_temporary_key(%L, ''live'', ''{a}'')', :'workspace'),
	format('import_key(%L, ''fskt_attacksattacksattacks'')', :'workspace'),
	format('import_key_digest(%L, ''fskt_attacksattacksattacks'')', :'workspace'),
	format('restrict_key(%L, ''{attacks}'')', :'key_id'), format('clear_permissions(%L)', :'test_id'),
	format('clear_networks(%L)', :'test_id'),
	format('annotate_key(%L, ''x'')', :'key_id'), format('set_key_validity(%L, NULL, NULL)', :'key_id'),
	format('enable_key(%L)', :'key_id'), format('end_grace(%L)', :'key_id'),
	format('add_member(%L, ''regress_falukeys_operator'', ''administrator'')', :'workspace'),
	format('remove_member(%L, ''regress_falukeys_developer'')', :'workspace'),
	format('verify_key(%L)', :'key'), format('handle_allows(%L, NULL, NULL)', :'key'),
	format('authenticate(%L)', :'key'),
	format('try_authenticate(%L)', :'key'), format('assume_key(%L)', :'key'),
	'grant_access(''regress_falukeys_operator'', ''manager'')', 'rotate_master_key()', 'adopt_sealed_secrets()'])
		WITH ORDINALITY AS u (call, n);
GRANT SELECT ON attacks.of_operator TO PUBLIC;
SET SESSION AUTHORIZATION regress_falukeys_operator;
SELECT function, attacks.outcome('SELECT falukeys.' || call) AS outcome FROM attacks.of_operator ORDER BY n;
-- In a workspace that it has made itself, too
SELECT falukeys.create_workspace('Attacks, own') AS own \gset
SELECT key_id AS own_key FROM falukeys.event_log
	WHERE workspace_id = :'own' AND event = 'key.created' AND detail ->> 'kind' = 'secret' \gset
SELECT attacks.outcome(format('SELECT falukeys.reveal_key(%L)', :'own_key')) AS reveal,
	attacks.outcome(format('SELECT falukeys.roll_key(%L)', :'own_key')) AS roll,
	attacks.outcome(format('SELECT falukeys.create_key(%L, ''secret'', ''test'')', :'own')) AS "create",
	attacks.outcome(format('SELECT falukeys.add_member(%L, ''regress_falukeys_operator'', ''administrator'')',
		:'own')) AS add_member,
	attacks.outcome($$SELECT falukeys.create_workspace('x', 'regress_falukeys_operator')$$) AS administrator;
-- What it disables, it does not enable again.
SELECT falukeys.disable_key(:'own_key');
SELECT attacks.outcome(format('SELECT falukeys.enable_key(%L)', :'own_key')) AS enable;
-- Someone that acts as the group of operators is not the group, but itself.
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_falukeys_clerk IN ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_group;
GRANT regress_falukeys_group TO regress_falukeys_clerk;
SET SESSION AUTHORIZATION regress_falukeys_clerk;
SET ROLE regress_falukeys_operator;
SELECT attacks.outcome($$SELECT falukeys.create_workspace('x', 'regress_falukeys_clerk')$$) AS itself,
	attacks.outcome($$SELECT falukeys.create_workspace('x', 'regress_falukeys_group')$$) AS its_group,
	attacks.outcome($$SELECT falukeys.create_workspace('x', 'regress_falukeys_operator')$$) AS the_group,
	attacks.outcome($$SELECT falukeys.create_workspace('x', 'regress_falukeys_attacker')$$) AS someone_else;
RESET SESSION AUTHORIZATION;
-- Through a function of an operator's, a customer may have a workspace of its own.
CREATE FUNCTION attacks.sign_up(regrole) RETURNS boolean LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT falukeys.create_workspace('Attacks, signed up', $1) IS NOT NULL $$;
ALTER FUNCTION attacks.sign_up(regrole) OWNER TO regress_falukeys_operator;
SET SESSION AUTHORIZATION regress_falukeys_attacker;
SELECT attacks.sign_up('regress_falukeys_attacker');
RESET SESSION AUTHORIZATION;
SELECT attacks.harm(:'key');

--
-- Privileges on all tables are none on what the tables are for.
--
SET SESSION AUTHORIZATION regress_falukeys_writer;
SELECT statement, attacks.outcome(statement) AS outcome FROM unnest(ARRAY[
	'INSERT INTO falukeys.workspaces (name) VALUES (''x'')', 'UPDATE falukeys.workspaces SET state = ''approved''',
	'DELETE FROM falukeys.workspaces',
	'UPDATE falukeys.members SET role = ''member''',
	'INSERT INTO falukeys.members SELECT id, ''regress_falukeys_writer'', ''administrator'' '
		'FROM falukeys.workspaces', 'DELETE FROM falukeys.members WHERE false',
	'UPDATE falukeys.keys SET disabled = true', 'UPDATE falukeys.keys SET permissions_restricted = false',
	'DELETE FROM falukeys.keys', 'DELETE FROM falukeys.key_permissions',
	'DELETE FROM falukeys.retired_secrets', 'UPDATE falukeys.sealed_secrets SET revealed_at = ''infinity''',
	'DELETE FROM falukeys.sealed_secrets',
	'DELETE FROM falukeys.events',
	'INSERT INTO falukeys.events (event, actor, session_actor) VALUES (''x'', ''x'', ''x'')',
	'UPDATE falukeys.mode_settings SET deliver_messages = true', 'INSERT INTO falukeys.permissions VALUES (''x'')',
	'DELETE FROM falukeys.key_usage WHERE false',
	-- through the views, of which some could be written to
	'DELETE FROM falukeys_internal.visible_workspaces',
		'INSERT INTO falukeys_internal.visible_workspaces VALUES (NULL)',
		'UPDATE falukeys_internal.visible_workspaces SET id = ''x''',
	'DELETE FROM falukeys.event_log',
	'INSERT INTO falukeys.event_log (event, actor, session_actor) VALUES (''x'', ''x'', ''x'')',
	'DELETE FROM falukeys.dashboard',
	-- other ways to write
	'MERGE INTO falukeys.keys USING (VALUES (1)) AS v ON true WHEN MATCHED THEN UPDATE SET disabled = true',
	'MERGE INTO falukeys.workspaces USING (VALUES (1)) AS v ON false WHEN NOT MATCHED THEN INSERT (name) '
		'VALUES (''x'')',
	'WITH d AS (DELETE FROM falukeys.key_permissions RETURNING 1) SELECT FROM d',
	'INSERT INTO falukeys.permissions VALUES (''attacks'') ON CONFLICT (name) DO UPDATE SET description = ''x''',
	'COPY falukeys.permissions FROM PROGRAM ''echo x''',
	'TRUNCATE falukeys.key_permissions', 'ALTER TABLE falukeys.keys DISABLE TRIGGER ALL',
	'SET LOCAL session_replication_role = replica',
	'CREATE TRIGGER mine BEFORE INSERT ON falukeys.keys EXECUTE FUNCTION suppress_redundant_updates_trigger()',
	'CREATE RULE mine AS ON UPDATE TO falukeys.keys DO ALSO NOTHING', 'CREATE POLICY mine ON falukeys.keys',
	'CREATE INDEX ON falukeys.keys (id)']) WITH ORDINALITY AS u (statement, n) ORDER BY n;
-- It may read, and find no secret; and it has no function and no row of a view.
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE k::text ~ 'f[st]k[tl]_[0-9A-Za-z]{20}') AS secrets
	FROM falukeys.keys AS k;
SELECT (SELECT count(*) FROM falukeys.dashboard) AS keys, (SELECT count(*) FROM falukeys.event_log) AS events,
	attacks.outcome(format('SELECT falukeys.reveal_key(%L)', :'test_id')) AS reveal,
	attacks.outcome('SELECT falukeys.verify_key(''x'')') AS verify,
	attacks.outcome(format('SELECT falukeys.disable_key(%L)', :'test_id')) AS disable;
RESET SESSION AUTHORIZATION;
SELECT attacks.harm(:'key');

--
-- Functions that one may not call, called by something else
--
CREATE TABLE attacks.mine (id text, name text, state falukeys.workspace_state, state_reason text);
ALTER TABLE attacks.mine OWNER TO regress_falukeys_attacker;
SET SESSION AUTHORIZATION regress_falukeys_attacker;
SELECT count(*) > 10 AS many, string_agg(DISTINCT outcome, ' ') AS outcomes
FROM pg_proc, LATERAL attacks.outcome(
	format('CREATE TRIGGER mine BEFORE INSERT ON attacks.mine FOR EACH ROW EXECUTE FUNCTION %s.%I()',
		pronamespace::regnamespace, proname)) AS outcome
WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND prorettype = 'trigger'::regtype;
SELECT statement, attacks.outcome(statement) AS outcome FROM unnest(ARRAY[
	'CREATE OPERATOR attacks.@@@ (FUNCTION = falukeys.approve_workspace, RIGHTARG = text)',
	'CREATE AGGREGATE attacks.verify(text) (SFUNC = falukeys.close_workspace, STYPE = text)',
	'SELECT count(*) FILTER (WHERE falukeys.key_allows(relname, NULL, NULL)) FROM pg_class',
	'WITH made AS (SELECT falukeys.create_workspace(''x'')) SELECT FROM made, (VALUES (1)) AS v WHERE made IS NOT NULL',
	'DO $_$ BEGIN PERFORM falukeys.suspend_workspace(''x''); END $_$',
	'CREATE FUNCTION attacks.look_alike(text) RETURNS falukeys.verdict LANGUAGE c AS ''falukeys'', ''verify_key''',
	'CREATE FUNCTION attacks.look_alike() RETURNS trigger LANGUAGE c AS ''falukeys'', ''guards_refuse_change'''])
		WITH ORDINALITY AS u (statement, n) ORDER BY n;
-- A table that is someone else's, or the extension's
SELECT attacks.outcome($$SELECT falukeys.isolate_table('falukeys.keys')$$) AS isolate_ours,
	attacks.outcome($$SELECT falukeys.release_table('falukeys.keys')$$) AS release_ours,
	attacks.outcome($$SELECT falukeys.isolate_table('attacks.of_operator')$$) AS isolate_foreign,
	attacks.outcome($$SELECT falukeys.isolate_table('pg_class')$$) AS isolate_catalog;
RESET SESSION AUTHORIZATION;
SELECT attacks.outcome($$SELECT falukeys.isolate_table('falukeys.keys')$$) AS isolate_ours,
	attacks.outcome($$SELECT falukeys.isolate_table('pg_class')$$) AS isolate_catalog;
SELECT attacks.harm(:'key');

--
-- Probing for ids
--
-- What one is told of a foreign key or workspace, and of one that does not exist,
-- is the same in every word, for every function that everyone may call.
SELECT falukeys.create_workspace('Attacks, prober''s', 'regress_falukeys_attacker') AS probers \gset
SELECT falukeys.create_key(:'probers', 'secret', 'test') IS NOT NULL AS made;
CREATE FUNCTION attacks.told(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
	of_what text;
BEGIN
	EXECUTE statement;
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN
		RETURN 'done';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, of_what = TABLE_NAME;
		RETURN concat_ws(' / ', SQLSTATE, SQLERRM, detail, hint, of_what);
END $$;
CREATE TABLE attacks.probe AS
SELECT p.proname, a.argument, format('SELECT %s.%I(%s)', pronamespace::regnamespace, p.proname, string_agg(
	CASE g.given
		WHEN a.argument THEN '%1$L'
		WHEN 'kind' THEN '''secret''' WHEN 'mode' THEN '''test''' WHEN 'objects' THEN '''{a}'''
		WHEN 'key' THEN '''fskt_attacksattacksattacks''' WHEN 'member' THEN '''regress_falukeys_attacker'''
			WHEN 'role' THEN '''member'''
		ELSE 'NULL' END, ', ' ORDER BY n)) AS call
FROM (VALUES ('key_id'), ('workspace')) AS a (argument), pg_proc AS p,
	generate_series(1, pronargs - pronargdefaults) AS n, LATERAL (SELECT proargnames[n] AS given) AS g
WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND proargnames[1] = a.argument
	AND has_function_privilege('regress_falukeys_attacker', p.oid, 'EXECUTE')
GROUP BY p.oid, pronamespace, p.proname, a.argument;
GRANT SELECT ON attacks.probe TO PUBLIC;
CREATE FUNCTION attacks.probed(role text, OUT functions bigint, OUT "differ" text, OUT outcomes text) LANGUAGE plpgsql
	AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	SELECT count(*), string_agg(proname, ' ') FILTER (WHERE NOT same),
		string_agg(DISTINCT split_part(told, ' ', 1), ' ')
	INTO functions, "differ", outcomes
	FROM attacks.probe, LATERAL (
		SELECT current_setting('attacks.' || argument) AS there,
			overlay(current_setting('attacks.' || argument) placing 'zzzz' from 20) AS missing) AS i,
		LATERAL (SELECT attacks.told(format(call, there)) AS told,
			attacks.told(format(call, missing)) AS of_missing) AS t,
		LATERAL (SELECT replace(told, there, '') = replace(of_missing, missing, '') AS same) AS s;
	RESET ROLE;
END $$;
SELECT set_config('attacks.key_id', :'key_id', false) = :'key_id' AS key_id,
	set_config('attacks.workspace', :'workspace', false) = :'workspace' AS workspace;
CREATE ROLE regress_falukeys_member;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
SELECT role, functions > 15 AS many, p."differ", outcomes
FROM unnest('{attacker,member,verifier,writer}'::text[]) WITH ORDINALITY AS u (role, n),
	attacks.probed('regress_falukeys_' || role) AS p ORDER BY n;
-- A developer of the workspace is told something else, so the probe does see what there is to see.
SELECT "differ" IS NOT NULL AS seen FROM attacks.probed('regress_falukeys_developer');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_member');
-- Other ways to ask whether something is there
SET SESSION AUTHORIZATION regress_falukeys_attacker;
SELECT statement, attacks.outcome(statement) AS outcome FROM unnest(ARRAY[
	'CREATE TABLE attacks.probe_keys (id text REFERENCES falukeys.keys (id))',
	'CREATE TABLE attacks.probe_keys () INHERITS (falukeys.keys)',
	'SELECT FROM falukeys.keys', 'SELECT ctid FROM falukeys.keys', 'LOCK TABLE falukeys.keys IN ACCESS SHARE MODE',
	'LOCK TABLE falukeys.dashboard IN ROW EXCLUSIVE MODE',
	'SELECT FROM falukeys.dashboard FOR UPDATE', 'SELECT FROM falukeys_internal.visible_workspaces FOR SHARE'])
		WITH ORDINALITY AS u (statement, n) ORDER BY n;
SELECT count(*) AS statistics FROM pg_stats WHERE schemaname = 'falukeys';
RESET SESSION AUTHORIZATION;
SELECT attacks.harm(:'key');

SET client_min_messages = warning;
DROP SCHEMA attacks CASCADE;
SELECT falukeys.close_workspace(id) FROM falukeys.workspaces WHERE name ~ '^Attacks' AND state <> 'closed';
DROP OWNED BY regress_falukeys_operator, regress_falukeys_verifier, regress_falukeys_manager, regress_falukeys_attacker;
DROP ROLE regress_falukeys_clerk, regress_falukeys_group, regress_falukeys_guest, regress_falukeys_member,
	regress_falukeys_writer, regress_falukeys_attacker,
	regress_falukeys_developer, regress_falukeys_operator, regress_falukeys_verifier, regress_falukeys_manager;
