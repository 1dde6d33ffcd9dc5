--
-- Who may do what: members, levels, and what each of them sees
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY sqlstate

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
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.create_workspace('Access, foreign') AS foreign \gset
SELECT id AS foreign_key FROM falukeys.create_key(:'foreign', 'secret', 'test') \gset

-- What a call comes to for a role: 'done', or the SQLSTATE and the words, without
-- what was asked about.  Nothing of it stays.
CREATE SCHEMA access;
GRANT USAGE, CREATE ON SCHEMA access TO PUBLIC;
CREATE FUNCTION access.words(role name, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
	detail text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE 'SELECT falukeys.' || call;
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN
		RETURN 'done';
	WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, detail = PG_EXCEPTION_DETAIL;
		RETURN concat_ws(' / ', SQLSTATE, regexp_replace(SQLERRM, '"[^"]*"', '"..."', 'g'), nullif(detail, ''),
			nullif(hint, ''));
END $$;
CREATE FUNCTION access.outcome(role name, call text) RETURNS text LANGUAGE sql AS $$
	SELECT split_part(access.words(role, call), ' ', 1) $$;

--
-- The views show what the caller may see.
--
CREATE FUNCTION access.seen(role name, OUT of_workspaces text, OUT keys bigint, OUT of_events text) LANGUAGE plpgsql
	AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	SELECT string_agg(DISTINCT workspace, '; '), count(*) INTO of_workspaces, keys FROM falukeys.dashboard
		WHERE workspace ~ '^Access';
	SELECT string_agg(detail ->> 'name', '; ' ORDER BY id) INTO of_events FROM falukeys.event_log
		WHERE event = 'workspace.created' AND detail ->> 'name' ~ '^Access';
	RESET ROLE;
END $$;
SELECT role, s.*
FROM unnest('{nobody,member,verifier,developer,administrator,operator,manager}'::text[]) WITH ORDINALITY AS u (role, n),
	access.seen('regress_falukeys_' || role) AS s ORDER BY n;

-- A function of the reader's, however cheap, is not called for rows that it may not see,
CREATE FUNCTION access.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	RAISE WARNING 'called';
	RETURN true;
END $$;
SET ROLE regress_falukeys_nobody;
SELECT count(*) FROM falukeys.dashboard WHERE access.leak(key);
SELECT count(*) FROM falukeys.event_log WHERE access.leak(event);
SELECT count(*) FROM falukeys_internal.visible_workspaces WHERE access.leak(id);
-- nor does a cast fail over them.
SELECT count(*) FROM falukeys.dashboard WHERE key::integer = 1;
SELECT count(*) FROM falukeys.event_log WHERE event::integer = 1;
SELECT count(*) FROM falukeys_internal.visible_workspaces WHERE id::integer = 1;
-- It is called for those that it may see.
SET ROLE regress_falukeys_developer;
SELECT count(*) FROM falukeys_internal.visible_workspaces WHERE access.leak(id);
SELECT count(*) FROM falukeys_internal.visible_workspaces WHERE id::integer = 1;
RESET ROLE;

-- No secret is readable in them.
SELECT count(*) > 0 AS some, bool_and(key ~ CASE kind WHEN 'public' THEN '^fpkt_[0-9A-Za-z]{49}$'
	ELSE '^f[st]k[tl]_\*{4}[0-9A-Za-z]{4}$' END) AS redacted FROM falukeys.dashboard WHERE workspace ~ '^Access';

--
-- A role counts as another where it has that one's privileges.
--
CREATE ROLE regress_falukeys_heir IN ROLE regress_falukeys_developer, regress_falukeys_verifier;
CREATE ROLE regress_falukeys_guest NOINHERIT IN ROLE regress_falukeys_developer, regress_falukeys_verifier;
CREATE ROLE regress_falukeys_grandchild IN ROLE regress_falukeys_heir;
CREATE ROLE regress_falukeys_stranger IN ROLE regress_falukeys_guest;
CREATE VIEW access.tried AS SELECT call FROM unnest(ARRAY[
	format('roll_key(%L)', :'key_id'), format('verify_key(%L)', :'key'),
	format('add_member(%L, %L, %L)', :'workspace', 'regress_falukeys_nobody', 'developer')]) AS call;
SELECT split_part(call, '(', 1) AS function,
	access.outcome('regress_falukeys_heir', call) AS heir,
	access.outcome('regress_falukeys_grandchild', call) AS grandchild,
	access.outcome('regress_falukeys_guest', call) AS guest,
	access.outcome('regress_falukeys_stranger', call) AS stranger
FROM access.tried ORDER BY 1;
SELECT role, s.* FROM unnest('{heir,grandchild,guest,stranger}'::text[]) AS role,
	access.seen('regress_falukeys_' || role) AS s;
-- Membership is looked at on each call.
REVOKE regress_falukeys_developer FROM regress_falukeys_heir;
GRANT regress_falukeys_administrator TO regress_falukeys_heir;
SELECT split_part(call, '(', 1) AS function, access.outcome('regress_falukeys_heir', call) AS heir,
	access.outcome('regress_falukeys_grandchild', call) AS grandchild
FROM access.tried ORDER BY 1;
REVOKE regress_falukeys_administrator FROM regress_falukeys_heir;
SELECT split_part(call, '(', 1) AS function, access.outcome('regress_falukeys_heir', call) AS heir FROM access.tried
	ORDER BY 1;
-- Having a role is not being it: a developer has nothing of the roles that have its own.
CREATE ROLE regress_falukeys_boss;
GRANT regress_falukeys_nobody TO regress_falukeys_boss;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_boss', 'developer');
SELECT access.outcome('regress_falukeys_nobody', format('roll_key(%L)', :'key_id')) AS nobody,
	access.outcome('regress_falukeys_boss', format('roll_key(%L)', :'key_id')) AS boss;
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_boss');
-- The higher role counts where there are two.
GRANT regress_falukeys_member, regress_falukeys_administrator TO regress_falukeys_boss;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_boss', 'member');
SELECT split_part(call, '(', 1) AS function, access.outcome('regress_falukeys_boss', call) AS boss FROM access.tried
	ORDER BY 1;
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_boss');

--
-- Inside a function of someone else that runs as its owner, the owner counts.
--
CREATE FUNCTION access.by_developer(text) RETURNS boolean LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT falukeys.reveal_key($1) IS NOT NULL $$;
ALTER FUNCTION access.by_developer(text) OWNER TO regress_falukeys_developer;
CREATE FUNCTION access.by_nobody(text) RETURNS boolean LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT falukeys.reveal_key($1) IS NOT NULL $$;
ALTER FUNCTION access.by_nobody(text) OWNER TO regress_falukeys_nobody;
CREATE FUNCTION access.as_caller(text) RETURNS boolean LANGUAGE sql
	AS $$ SELECT falukeys.reveal_key($1) IS NOT NULL $$;
ALTER FUNCTION access.as_caller(text) OWNER TO regress_falukeys_developer;
CREATE FUNCTION access.seen_by_developer() RETURNS bigint LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT count(*) FROM falukeys.dashboard WHERE workspace ~ '^Access' $$;
ALTER FUNCTION access.seen_by_developer() OWNER TO regress_falukeys_developer;
CREATE VIEW access.of_developer AS SELECT key_id FROM falukeys.dashboard WHERE workspace ~ '^Access';
ALTER VIEW access.of_developer OWNER TO regress_falukeys_developer;
GRANT SELECT ON access.of_developer TO PUBLIC;
SET ROLE regress_falukeys_nobody;
SELECT access.by_developer(:'key_id');
SELECT access.by_developer(:'foreign_key');
SELECT access.as_caller(:'key_id');
SELECT access.seen_by_developer();
-- A view is no such function: who reads it counts.
SELECT count(*) FROM access.of_developer;
SET ROLE regress_falukeys_developer;
SELECT access.by_nobody(:'key_id');
SELECT access.as_caller(:'key_id');
SELECT count(*) FROM access.of_developer;
RESET ROLE;

--
-- Events tell who did it, who had logged in, and for whom.
--
CREATE FUNCTION access.disable(text) RETURNS void LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT falukeys.disable_key($1) $$;
ALTER FUNCTION access.disable(text) OWNER TO regress_falukeys_developer;
SELECT max(id) AS before FROM falukeys.events \gset
SET ROLE regress_falukeys_developer;
SET falukeys.acting_for = 'ann with fskt_abcdefghijabcdefghijabcd';
SELECT falukeys.disable_key(:'key_id');
RESET falukeys.acting_for;
SELECT falukeys.enable_key(:'key_id');
SET ROLE regress_falukeys_nobody;
SELECT access.disable(:'key_id');
RESET ROLE;
SELECT falukeys.enable_key(:'key_id');
SET SESSION AUTHORIZATION regress_falukeys_heir;
SELECT set_config('falukeys.acting_for', 'ben', false) AS acting_for;
BEGIN;
SET LOCAL falukeys.acting_for = 'carol';
SELECT access.disable(:'key_id');
ROLLBACK;
BEGIN;
SET LOCAL falukeys.acting_for = 'carol';
SELECT access.disable(:'key_id');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT falukeys.enable_key(:'key_id');
SET SESSION AUTHORIZATION regress_falukeys_heir;
SET ROLE regress_falukeys_verifier;
SELECT falukeys.report_compromised_key(:'key', 'a repository') = :'key_id' AS reported;
RESET SESSION AUTHORIZATION;
RESET falukeys.acting_for;
SELECT event, CASE actor WHEN current_user THEN 'superuser' ELSE actor END AS actor,
	CASE session_actor WHEN session_user THEN 'superuser' ELSE session_actor END AS session_actor, acting_for
FROM falukeys.event_log WHERE id > :before AND key_id = :'key_id' ORDER BY id;
-- created_by and revealed_by are the one who did it, too.
SET ROLE regress_falukeys_developer;
SELECT id AS mine FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
RESET ROLE;
SELECT created_by FROM falukeys.keys WHERE id = :'mine';

--
-- Who runs the platform is told what does not exist; an operator has no key of it.
--
\set missing_key key_zzzzzzzzzzzzzzzzzzzzzzzzzzz
\set missing wksp_zzzzzzzzzzzzzzzzzzzzzzzzzzz
SELECT role, call, access.words('regress_falukeys_' || role,
	replace(replace(replace(replace(call, ':missing_key', :'missing_key'), ':missing', :'missing'), ':foreign_key',
		:'foreign_key'), ':foreign', :'foreign')) AS words
FROM unnest('{operator,manager}'::text[]) WITH ORDINALITY AS r (role, n),
	unnest(ARRAY['roll_key('':missing_key'')', 'roll_key('':foreign_key'')', 'revoke_key('':missing_key'')',
		'revoke_key('':foreign_key'')',
		'create_key('':missing'', ''secret'', ''test'')', 'create_key('':foreign'', ''secret'', ''test'')',
		'add_member('':missing'', ''regress_falukeys_nobody'', ''member'')',
		'add_member('':foreign'', ''regress_falukeys_nobody'', ''member'')']) WITH ORDINALITY AS c (call, m)
ORDER BY n, m;
SELECT access.words('regress_falukeys_operator', format('suspend_workspace(%L)', :'missing')) AS operator;

--
-- An operator makes no one an administrator that it could act as.
--
CREATE ROLE regress_falukeys_front;
CREATE ROLE regress_falukeys_back;
GRANT regress_falukeys_back TO regress_falukeys_front;
GRANT regress_falukeys_front TO regress_falukeys_operator;
CREATE ROLE regress_falukeys_operating NOINHERIT IN ROLE regress_falukeys_front;
SELECT falukeys.grant_access('regress_falukeys_operating', 'operator');
SELECT role, administrator, access.outcome('regress_falukeys_' || role,
	format('create_workspace(%L, %L)', 'x', 'regress_falukeys_' || administrator)) AS outcome
FROM (VALUES ('operator', 'operator'), ('operator', 'front'), ('operator', 'back'), ('operating', 'operating'),
	('operating', 'front'), ('operating', 'back'),
	('operator', 'operating'), ('operator', 'nobody'), ('operator', 'developer')) AS v (role, administrator);
SELECT access.outcome('regress_falukeys_operator', 'create_workspace(''x'')') AS without_one;
-- A manager that runs the platform is administrator of all anyhow.
SELECT falukeys.grant_access('regress_falukeys_operating', 'manager');
SELECT access.outcome('regress_falukeys_operating',
	'create_workspace(''x'', ''regress_falukeys_operating'')') AS manager_too;

--
-- Levels are privileges on functions: given, seen, taken back, and lost with a role.
--
SELECT falukeys.grant_access('regress_falukeys_nobody', 'verifier'),
	falukeys.grant_access('regress_falukeys_nobody', 'verifier'),
	falukeys.grant_access('regress_falukeys_nobody', 'operator');
SELECT p.proname, a.privilege_type, a.is_grantable FROM pg_proc AS p, aclexplode(proacl) AS a
WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
	AND a.grantee = 'regress_falukeys_nobody'::regrole ORDER BY proname COLLATE "C";
SELECT falukeys.revoke_access('regress_falukeys_nobody', 'operator');
SELECT access.outcome('regress_falukeys_nobody', 'verify_key(''x'')') AS verifier,
	access.outcome('regress_falukeys_nobody', 'create_workspace(''x'')') AS operator;
-- It holds from the next call on, of a prepared statement too.
PREPARE verification AS SELECT code FROM falukeys.verify_key('x');
SET ROLE regress_falukeys_nobody;
EXECUTE verification;
RESET ROLE;
SELECT falukeys.revoke_access('regress_falukeys_nobody', 'verifier'),
	falukeys.revoke_access('regress_falukeys_nobody', 'verifier'),
	falukeys.revoke_access('regress_falukeys_nobody', 'manager');
SET ROLE regress_falukeys_nobody;
EXECUTE verification;
RESET ROLE;
DEALLOCATE verification;
SELECT count(*) AS privileges FROM pg_proc AS p, aclexplode(proacl) AS a
WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
	AND a.grantee = 'regress_falukeys_nobody'::regrole;
-- Undone with its transaction
BEGIN;
SELECT falukeys.grant_access('regress_falukeys_nobody', 'manager');
ROLLBACK;
SELECT has_function_privilege('regress_falukeys_nobody', 'falukeys_internal.manager_access()', 'EXECUTE') AS manager;
-- Names that want quoting
CREATE ROLE "regress_falukeys ""Quoted"", x";
SELECT falukeys.grant_access('"regress_falukeys ""Quoted"", x"', 'verifier');
SELECT access.outcome('regress_falukeys "Quoted", x', 'verify_key(''x'')') AS quoted;
SELECT falukeys.revoke_access('"regress_falukeys ""Quoted"", x"', 'verifier');
DROP ROLE "regress_falukeys ""Quoted"", x";
-- What is no role or no level
SELECT call, access.outcome(current_user, call) AS outcome
FROM unnest('{"grant_access(NULL, ''verifier'')","grant_access(''regress_falukeys_nobody'', '
	'NULL)","grant_access(0, ''verifier'')","grant_access(4294967294, ''verifier'')",
	"grant_access(''public'', ''verifier'')","grant_access(''regress_falukeys_none'', '
		'''verifier'')","grant_access(''regress_falukeys_nobody'', ''owner'')",
	"revoke_access(NULL, ''verifier'')","revoke_access(''regress_falukeys_nobody'', '
		'NULL)","revoke_access(4294967294, ''verifier'')"}'::text[]) AS call;
-- A role that has a level is not dropped, until what it has is.
DROP ROLE regress_falukeys_operator;
DROP OWNED BY regress_falukeys_operator, regress_falukeys_operating;
SELECT role, access.outcome('regress_falukeys_' || role, 'create_workspace(''x'')') AS "create",
	access.outcome('regress_falukeys_' || role, 'purge_keys(''1 day'')') AS purge,
	access.outcome('regress_falukeys_' || role, format('revoke_key(%L)', :'foreign_key')) AS revoke, s.*
FROM unnest('{operator,operating}'::text[]) AS role, access.seen('regress_falukeys_' || role) AS s;
DROP ROLE regress_falukeys_operator, regress_falukeys_operating;

--
-- A member whose role is gone matches no one.
--
CREATE ROLE regress_falukeys_leaver;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_leaver', 'administrator');
SELECT 'regress_falukeys_leaver'::regrole::oid AS leaver \gset
DROP ROLE regress_falukeys_leaver;
SELECT member::oid = :leaver AS still_there, role FROM falukeys.members
	WHERE workspace_id = :'workspace' AND member = :leaver::oid;
CREATE ROLE regress_falukeys_leaver;
SELECT role, access.outcome('regress_falukeys_' || role, format('roll_key(%L)', :'key_id')) AS roll, s.*
FROM unnest('{leaver,nobody,verifier}'::text[]) AS role, access.seen('regress_falukeys_' || role) AS s;
-- Nor is it an administrator that could be left alone.
SELECT access.outcome('regress_falukeys_administrator',
	format('remove_member(%L, ''regress_falukeys_administrator'')', :'workspace')) AS last;
SELECT access.outcome('regress_falukeys_administrator',
	format('add_member(%L, %s, ''developer'')', :'workspace', :leaver)) AS no_role;
SELECT access.outcome('regress_falukeys_administrator',
	format('remove_member(%L, %s)', :'workspace', :leaver)) AS removed;
-- A role that is renamed stays a member.
ALTER ROLE regress_falukeys_developer RENAME TO regress_falukeys_programmer;
SELECT access.outcome('regress_falukeys_programmer', format('roll_key(%L)', :'key_id')) AS renamed;

-- Access ends with membership, and what the member has is the administrator's to say.
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_programmer', 'member');
SELECT access.outcome('regress_falukeys_programmer', format('roll_key(%L)', :'key_id')) AS demoted;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_programmer', 'administrator'),
	falukeys.remove_member(:'workspace', 'regress_falukeys_administrator');
SELECT access.outcome('regress_falukeys_administrator', format('roll_key(%L)', :'key_id')) AS removed,
	access.outcome('regress_falukeys_programmer',
		format('add_member(%L, ''regress_falukeys_nobody'', ''developer'')', :'workspace')) AS promoted;

SET client_min_messages = warning;
DROP SCHEMA access CASCADE;
SELECT falukeys.close_workspace(:'workspace'), falukeys.close_workspace(:'foreign');
DROP OWNED BY regress_falukeys_verifier, regress_falukeys_manager;
DROP ROLE regress_falukeys_grandchild, regress_falukeys_stranger, regress_falukeys_heir, regress_falukeys_guest,
	regress_falukeys_boss, regress_falukeys_front,
	regress_falukeys_back, regress_falukeys_leaver, regress_falukeys_nobody, regress_falukeys_member,
	regress_falukeys_programmer,
	regress_falukeys_administrator, regress_falukeys_verifier, regress_falukeys_manager;
