--
-- Who may do what.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
\set VERBOSITY terse
CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager');

SELECT falukeys.create_workspace('Access', 'regress_falukeys_administrator') AS workspace \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_developer', 'developer'),
	falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
SELECT id AS key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.define_permission('access');

--
-- Every function by every kind of role.  A function without a call here is told
-- in the first result.
--
CREATE TABLE access_call (function text PRIMARY KEY, call text);
GRANT SELECT ON access_call TO PUBLIC;
INSERT INTO access_call VALUES
	('add_member', $$add_member(:w, 'regress_falukeys_nobody', 'member')$$),
	('adopt_sealed_secrets', $$adopt_sealed_secrets()$$),
	('annotate_key', $$annotate_key(:k, 'x')$$),
	('apikey_of', $$apikey_of('fskt_abcdefghijabcdefghijabcd')$$),
	('approve_workspace', $$approve_workspace(:w)$$),
	('authenticate', $$authenticate('x')$$),
	('authenticate_request', $$authenticate_request()$$),
	('clear_networks', $$clear_networks(:k)$$),
	('clear_permissions', $$clear_permissions(:k)$$),
	('close_workspace', $$close_workspace(:w)$$),
	('create_key', $$create_key(:w, 'secret', 'test')$$),
	('create_temporary_key', $$create_temporary_key(:w, 'test', '{a}')$$),
	('create_workspace', $$create_workspace('x')$$),
	('current_key_allows', $$current_key_allows('access')$$),
	('current_key_id', $$current_key_id()$$),
	('current_key_kind', $$current_key_kind()$$),
	('current_key_mode', $$current_key_mode()$$),
	('current_key_objects', $$current_key_objects()$$),
	('current_mode_settings', $$current_mode_settings()$$),
	('current_workspace_id', $$current_workspace_id()$$),
	('deauthenticate', $$deauthenticate()$$),
	('define_permission', $$define_permission('access.more')$$),
	('disable_key', $$disable_key(:k)$$),
	('enable_key', $$enable_key(:k)$$),
	('end_grace', $$end_grace(:k)$$),
	('grant_access', $$grant_access('regress_falukeys_nobody', 'verifier')$$),
	('handle_allows', $$handle_allows('fskt_abcdefghijabcdefghijabcd', NULL, NULL)$$),
	('import_key', $$import_key(:w, 'fskt_abcdefghijabcdefghijaccess')$$),
	('import_key_digest', $$import_key_digest(:w, 'fskt_abcdefghijabcdefghijaccess')$$),
	('is_well_formed', $$is_well_formed('x')$$),
	('isolate_table', $$isolate_table('access_call')$$),
	('isolated_workspace', $$isolated_workspace(NULL, false)$$),
	('key_allows', $$key_allows('x', NULL, NULL)$$),
	('kind_of', $$kind_of('fskt_abcdefghijabcdefghijabcd')$$),
	('manager_access', $$manager_access()$$),
	('mode_of', $$mode_of('fskt_abcdefghijabcdefghijabcd')$$),
	('operator_access', $$operator_access()$$),
	('purge_keys', $$purge_keys('1 day')$$),
	('redact', $$redact('x')$$),
	('redacted', $$redacted('fskt_abcdefghijabcdefghijabcd')$$),
	('release_table', $$release_table('access_call')$$),
	('remove_member', $$remove_member(:w, 'regress_falukeys_member')$$),
	('report_compromised_key', $$report_compromised_key('fskt_abcdefghijabcdefghijabcd')$$),
	('require_permission', $$require_permission('access')$$),
	('restrict_key', $$restrict_key(:k, '{access}')$$),
	('resume_workspace', $$resume_workspace(:w)$$),
	('reveal_key', $$reveal_key(:k)$$),
	('revoke_access', $$revoke_access('regress_falukeys_nobody', 'verifier')$$),
	('revoke_key', $$revoke_key(:k)$$),
	('roll_key', $$roll_key(:k)$$),
	('rotate_master_key', $$rotate_master_key()$$),
	('set_key_validity', $$set_key_validity(:k, NULL, NULL)$$),
	('suspend_workspace', $$suspend_workspace(:w)$$),
	('verifier_access', $$verifier_access()$$),
	('verify_key', $$verify_key('x')$$),
	('wait_for_key', $$wait_for_key(:k)$$);
UPDATE access_call SET call = replace(replace(call, ':w', quote_literal(:'workspace')), ':k', quote_literal(:'key'));

-- Allowed is whatever is not refused as a privilege; nothing of it stays.
CREATE FUNCTION access_outcome(role name, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE 'SELECT falukeys.' || call;
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN insufficient_privilege THEN RETURN '-';
	WHEN OTHERS THEN RETURN 'allowed';
END $$;

CREATE VIEW access_function AS
	SELECT DISTINCT proname::text AS function FROM pg_proc
	WHERE pronamespace = 'falukeys'::regnamespace
		AND prorettype <> 'trigger'::regtype
		AND NOT EXISTS (SELECT FROM pg_type AS t WHERE pg_proc.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
		AND NOT EXISTS (SELECT FROM pg_operator AS o WHERE o.oprcode = pg_proc.oid)
		AND NOT EXISTS (SELECT FROM pg_amproc AS a WHERE a.amproc = pg_proc.oid);
SELECT function AS without_a_call FROM access_function WHERE function NOT IN (SELECT function FROM access_call);
SELECT function AS without_a_function FROM access_call WHERE function NOT IN (SELECT function FROM access_function);

SELECT function,
	access_outcome('regress_falukeys_nobody', call) AS nobody,
	access_outcome('regress_falukeys_member', call) AS member,
	access_outcome('regress_falukeys_developer', call) AS developer,
	access_outcome('regress_falukeys_administrator', call) AS administrator,
	access_outcome('regress_falukeys_verifier', call) AS verifier,
	access_outcome('regress_falukeys_operator', call) AS operator,
	access_outcome('regress_falukeys_manager', call) AS manager,
	access_outcome(current_user, call) AS superuser
FROM access_call ORDER BY function COLLATE "C";

-- No one has a privilege on a table.
SELECT r, t.relname FROM unnest('{regress_falukeys_verifier,regress_falukeys_operator,regress_falukeys_manager,regress_falukeys_administrator}'::name[]) AS r, pg_class AS t
WHERE t.relnamespace = 'falukeys'::regnamespace AND t.relkind = 'r'
	AND has_table_privilege(r, t.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');

--
-- The views show what the caller may see.
--
CREATE FUNCTION access_seen(role name, OUT keys bigint, OUT events bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	SELECT count(*) INTO keys FROM falukeys.dashboard WHERE workspace = 'Access';
	SELECT count(*) INTO events FROM falukeys.event_log WHERE detail ->> 'name' = 'Access';
	RESET ROLE;
END $$;
SELECT r AS role, s.* FROM unnest('{nobody,member,verifier,developer,administrator,operator,manager}'::text[]) WITH ORDINALITY AS u (r, n),
	access_seen('regress_falukeys_' || r) AS s ORDER BY n;

-- A cheap function of the reader's is not called for rows that it may not see.
CREATE FUNCTION access_leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN RAISE WARNING 'leaked'; RETURN true; END $$;
SET ROLE regress_falukeys_nobody;
SELECT key_id FROM falukeys.dashboard WHERE access_leak(key);
SELECT id FROM falukeys.event_log WHERE access_leak(event);
RESET ROLE;

--
-- A role counts as another where it has that one's privileges.
--
CREATE ROLE regress_falukeys_heir IN ROLE regress_falukeys_developer, regress_falukeys_verifier;
CREATE ROLE regress_falukeys_guest NOINHERIT IN ROLE regress_falukeys_developer, regress_falukeys_verifier;
SELECT access_outcome('regress_falukeys_heir', call) AS inherits, access_outcome('regress_falukeys_guest', call) AS does_not, function
FROM access_call WHERE function IN ('roll_key', 'verify_key') ORDER BY function;

-- Inside a function of someone else that runs as its owner, the owner counts.
CREATE FUNCTION access_by_owner(text) RETURNS boolean LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT falukeys.reveal_key($1) IS NOT NULL $$;
ALTER FUNCTION access_by_owner(text) OWNER TO regress_falukeys_developer;
SET ROLE regress_falukeys_nobody;
SELECT access_by_owner(:'key');
RESET ROLE;

-- What is foreign and what does not exist are told in the same words.
SELECT falukeys.create_workspace('Foreign') AS foreign \gset
SELECT id AS foreign_key FROM falukeys.create_key(:'foreign', 'secret', 'test') \gset
CREATE FUNCTION access_words(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
	EXECUTE 'SELECT falukeys.' || call;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '"[^"]*"', '""') || ' / ' || hint;
END $$;
SET ROLE regress_falukeys_developer;
SELECT access_words(format('roll_key(%L)', :'foreign_key')) = access_words('roll_key(''key_of_no_one'')') AS same_for_a_key,
	access_words(format('create_key(%L, ''secret'', ''test'')', :'foreign')) = access_words('create_key(''wksp_of_no_one'', ''secret'', ''test'')') AS same_for_a_workspace,
	access_words('roll_key(''key_of_no_one'')') AS words;
SET ROLE regress_falukeys_manager;
SELECT access_words('roll_key(''key_of_no_one'')');
SET ROLE regress_falukeys_operator;
SELECT access_words('revoke_key(''key_of_no_one'')'), access_words(format('roll_key(%L)', :'foreign_key'));
-- An operator makes no one an administrator that it could act as.
RESET ROLE;
CREATE ROLE regress_falukeys_front;
GRANT regress_falukeys_front TO regress_falukeys_operator;
SET ROLE regress_falukeys_operator;
SELECT access_words('create_workspace(''x'', ''regress_falukeys_operator'')');
SELECT access_words('create_workspace(''x'', ''regress_falukeys_front'')');
SELECT access_words('create_workspace(''x'', ''regress_falukeys_nobody'')');
RESET ROLE;

-- Events tell who did it, who had logged in, and for whom.
SET ROLE regress_falukeys_developer;
SET falukeys.acting_for = 'ann with fskt_abcdefghijabcdefghijabcd';
SELECT falukeys.disable_key(:'key');
RESET falukeys.acting_for;
RESET ROLE;
SELECT actor, session_actor = session_user AS session_actor, acting_for FROM falukeys.events WHERE key_id = :'key' AND event = 'key.disabled';

-- Levels are taken back, also with what their role owned.
SELECT falukeys.revoke_access('regress_falukeys_verifier', 'verifier');
DROP OWNED BY regress_falukeys_operator;
SELECT access_outcome('regress_falukeys_verifier', 'verify_key(''x'')') AS verifier, access_outcome('regress_falukeys_operator', 'create_workspace(''x'')') AS operator,
	access_outcome('regress_falukeys_operator', 'purge_keys(''1 day'')') AS purge;

-- Roles that do not exist get nothing.
SELECT access_words('grant_access(0, ''verifier'')'), access_words(format('add_member(%L, 4294967294, ''developer'')', :'workspace'));

DROP FUNCTION access_words(text), access_by_owner(text), access_leak(text), access_seen(name), access_outcome(name, text);
DROP VIEW access_function;
DROP TABLE access_call;
SELECT falukeys.add_member(:'workspace', CURRENT_USER::regrole, 'administrator');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_administrator'), falukeys.remove_member(:'workspace', 'regress_falukeys_developer'),
	falukeys.remove_member(:'workspace', 'regress_falukeys_member');
DROP OWNED BY regress_falukeys_manager;
DROP ROLE regress_falukeys_heir, regress_falukeys_guest, regress_falukeys_front, regress_falukeys_nobody, regress_falukeys_member, regress_falukeys_developer,
	regress_falukeys_administrator, regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager;
