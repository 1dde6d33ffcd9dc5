--
-- What someone without the privilege tries.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
\set VERBOSITY terse
CREATE ROLE regress_falukeys_attacker;
CREATE ROLE regress_falukeys_writer IN ROLE pg_write_all_data, pg_read_all_data;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_developer;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator');
SELECT falukeys.create_workspace('Attacks', 'regress_falukeys_developer') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT key_id AS sealed FROM falukeys.dashboard WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'live' \gset
SELECT id AS id, key AS key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;

-- An operator neither reveals, creates nor rolls, and cannot make itself a member.
SET SESSION AUTHORIZATION regress_falukeys_operator;
SELECT attempt(format('SELECT falukeys.reveal_key(%L)', :'sealed')) AS reveal,
	attempt(format('SELECT falukeys.create_key(%L, ''secret'', ''live'')', :'workspace')) AS create,
	attempt(format('SELECT falukeys.roll_key(%L)', :'sealed')) AS roll,
	attempt(format('SELECT falukeys.enable_key(%L)', :'sealed')) AS enable,
	attempt(format('SELECT falukeys.add_member(%L, ''regress_falukeys_operator'', ''administrator'')', :'workspace')) AS add_itself,
	attempt('SELECT falukeys.grant_access(''regress_falukeys_operator'', ''manager'')') AS grant_itself,
	attempt('GRANT EXECUTE ON FUNCTION falukeys.manager_access() TO regress_falukeys_operator') AS grant_by_hand,
	attempt('CREATE OR REPLACE FUNCTION falukeys.manager_access() RETURNS void LANGUAGE sql AS ''''') AS replace_marker,
	attempt('CREATE FUNCTION falukeys.mine() RETURNS void LANGUAGE sql AS ''''') AS create_in_schema,
	attempt('SET ROLE regress_falukeys_developer') AS set_role;
RESET SESSION AUTHORIZATION;
SELECT revealed_at IS NULL AS still_sealed FROM falukeys.dashboard WHERE key_id = :'sealed';

-- Who may write all data does not write this.
SET ROLE regress_falukeys_writer;
SELECT attempt('INSERT INTO falukeys.workspaces (name) VALUES (''x'')') AS workspace,
	attempt('UPDATE falukeys.keys SET disabled = false') AS keys,
	attempt('UPDATE falukeys.keys SET disabled = false WHERE false') AS no_keys,
	attempt(format('INSERT INTO falukeys.members VALUES (%L, ''regress_falukeys_writer'', ''administrator'')', :'workspace')) AS members,
	attempt('DELETE FROM falukeys.key_permissions') AS permissions,
	attempt('DELETE FROM falukeys.events') AS events,
	attempt('UPDATE falukeys.sealed_secrets SET revealed_by = ''x''') AS sealed,
	attempt('TRUNCATE falukeys.events') AS truncated,
	attempt('ALTER TABLE falukeys.keys DISABLE TRIGGER ALL') AS triggers,
	attempt('SET session_replication_role = replica') AS replica;
-- Reading all data shows digests only, which are no credentials.
SELECT count(*) > 0 AS sees, bool_or(secret::text LIKE '%' || substr(:'key', 6, 20) || '%') AS plaintext FROM falukeys.keys;
RESET ROLE;
SELECT v.code FROM falukeys.keys AS k, falukeys.verify_key(k.secret::text) AS v WHERE k.id = :'id';

-- A search path full of look-alikes, in the caller's session and in pg_temp
CREATE SCHEMA attacks AUTHORIZATION regress_falukeys_attacker;
SET ROLE regress_falukeys_attacker;
CREATE FUNCTION attacks.yes(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'text operator called as %', current_user; RETURN true; END $$;
CREATE OPERATOR attacks.= (FUNCTION = attacks.yes, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR attacks.<> (FUNCTION = attacks.yes, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION attacks.yes_key(falukeys.apikey, falukeys.apikey) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'key operator called as %', current_user; RETURN true; END $$;
CREATE OPERATOR attacks.= (FUNCTION = attacks.yes_key, LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey);
CREATE FUNCTION attacks.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'clock called as %', current_user; RETURN '2000-01-01'; END $$;
CREATE FUNCTION attacks.unnest(text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'unnest called as %', current_user; RETURN; END $$;
CREATE FUNCTION attacks.pg_has_role(oid, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'pg_has_role called as %', current_user; RETURN true; END $$;
CREATE FUNCTION attacks.redacted(falukeys.apikey) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'redacted called as %', current_user; RETURN 'x'; END $$;
CREATE DOMAIN attacks.text AS pg_catalog.text;
CREATE TYPE attacks.apikey AS (x integer);
CREATE TEMP TABLE keys (id text, secret text);
CREATE TEMP TABLE members (workspace_id text, member regrole, role text);
CREATE TEMP TABLE pg_roles (oid oid);
CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'temporary clock called as %', current_user; RETURN '2000-01-01'; END $$;
GRANT USAGE ON SCHEMA attacks TO PUBLIC;
RESET ROLE;
SET search_path = attacks, pg_temp, pg_catalog, falukeys;
SELECT falukeys.define_permission('attacks');
SELECT key AS hostile_key, id AS hostile_id FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{attacks}', networks => '{10.0.0.0/8}') \gset
SELECT code FROM falukeys.verify_key(:'hostile_key', 'attacks', '10.0.0.1');
SELECT code FROM falukeys.verify_key(:'hostile_key', 'other', '10.0.0.1');
SELECT key AS hostile_rolled FROM falukeys.roll_key(:'hostile_id', '1 hour') \gset
SELECT falukeys.end_grace(:'hostile_id'), falukeys.restrict_key(:'hostile_id', '{attacks}'), falukeys.clear_networks(:'hostile_id'), falukeys.revoke_key(:'hostile_id'), falukeys.purge_keys('1 day') >= 0 AS purged;
SELECT falukeys.report_compromised_key(:'hostile_rolled') OPERATOR(pg_catalog.=) :'hostile_id' AS reported;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_attacker', 'member'), falukeys.remove_member(:'workspace', 'regress_falukeys_attacker');
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 0 AS seen FROM falukeys.dashboard;
SET ROLE regress_falukeys_attacker;
SELECT pg_catalog.count(*) AS seen FROM falukeys.dashboard;
SELECT pg_catalog.count(*) AS seen FROM falukeys.event_log;
RESET ROLE;
RESET search_path;

-- Key ids are not told apart by errors.
CREATE FUNCTION words(call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT falukeys.' || call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE || regexp_replace(SQLERRM, '"[^"]*"', '');
END $$;
SET ROLE regress_falukeys_attacker;
SELECT f AS function, words(format(f, :'id')) = words(format(f, 'key_of_no_one')) AS same, words(format(f, :'id')) AS words
FROM unnest(ARRAY['reveal_key(%L)', 'roll_key(%L)', 'end_grace(%L)', 'disable_key(%L)', 'enable_key(%L)', 'revoke_key(%L)', 'wait_for_key(%L)',
	'restrict_key(%L, ''{nothing}'')', 'clear_permissions(%L)', 'clear_networks(%L)', 'annotate_key(%L)', 'set_key_validity(%L, NULL, NULL)']) AS f;
SELECT f AS function, words(format(f, :'workspace')) = words(format(f, 'wksp_of_no_one')) AS same, words(format(f, :'workspace')) AS words
FROM unnest(ARRAY['create_key(%L, ''secret'', ''live'')', 'create_temporary_key(%L, ''live'', ''{a}'')', 'import_key(%L, ''fskt_abcdefghijabcdefghijabcd'')', 'import_key_digest(%L, ''fskt_abcdefghijabcdefghijabcd'')',
	'add_member(%L, ''regress_falukeys_attacker'', ''administrator'')', 'remove_member(%L, ''regress_falukeys_developer'')']) AS f;
RESET ROLE;

SET client_min_messages = error;
DROP SCHEMA attacks CASCADE;
DROP FUNCTION words(text), attempt(text);
DROP TABLE pg_temp.keys, pg_temp.members, pg_temp.pg_roles;
DROP FUNCTION pg_temp.clock_timestamp();
SELECT falukeys.add_member(:'workspace', CURRENT_USER::regrole, 'administrator'), falukeys.remove_member(:'workspace', 'regress_falukeys_developer');
DROP OWNED BY regress_falukeys_attacker, regress_falukeys_operator;
DROP ROLE regress_falukeys_attacker, regress_falukeys_writer, regress_falukeys_operator, regress_falukeys_developer;
