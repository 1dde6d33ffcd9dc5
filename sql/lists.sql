--
-- workspace_list, member_list and permission_list
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY terse
SET jit = off;

CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_gone;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager');
SELECT falukeys.define_permission('lists', 'for the test of lists'), falukeys.define_permission('lists.read');

-- One of each state
CREATE TEMP TABLE list (name text PRIMARY KEY, id text);
GRANT SELECT ON list TO PUBLIC;
INSERT INTO list SELECT name, falukeys.create_workspace('Lists, ' || name, 'regress_falukeys_administrator')
	FROM unnest('{pending,approved,suspended,suspended when pending,closed,closed when '
		'suspended,resumed}'::text[]) AS name;
INSERT INTO list SELECT 'foreign', falukeys.create_workspace('Lists, foreign');
SELECT count(falukeys.approve_workspace(id)) FROM list WHERE name !~ 'pending';
SELECT count(falukeys.suspend_workspace(id, 'because fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys leaked')) FROM list
	WHERE name ~ 'suspended|resumed';
SELECT count(falukeys.close_workspace(id, 'the end')) FROM list WHERE name ~ 'closed';
SELECT count(falukeys.resume_workspace(id)) FROM list WHERE name ~ 'resumed';
SELECT falukeys.describe_workspace(id, meta => '{"plan": "large"}') FROM list WHERE name = 'approved';
SELECT id AS workspace FROM list WHERE name = 'approved' \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_developer', 'developer'),
	falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member'),
	falukeys.add_member(:'workspace', 'regress_falukeys_gone', 'member');
DROP ROLE regress_falukeys_gone;

--
-- workspace_list
--
SELECT l.name, l.state, l.created_at = w.created_at AS created_at, l.approved_at = w.approved_at AS approved_at,
	suspended_at = w.state_changed_at AS suspended_at,
	closed_at = w.state_changed_at AS closed_at, reason, live_keys, test_keys, l.meta
FROM falukeys.workspace_list AS l JOIN list USING (id) JOIN falukeys.workspaces AS w USING (id)
ORDER BY l.name COLLATE "C";
-- Keys that are usable: those that the dashboard has as valid
SELECT id AS spare FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT count(falukeys.create_key(:'workspace', 'secret', 'test', not_before => not_before, expires_at => expires_at))
	FROM (VALUES (NULL::timestamptz, now() + interval '1 hour'),
		(now() + interval '1 hour', NULL)) AS v (not_before, expires_at);
SELECT id AS temporary FROM falukeys.create_temporary_key(:'workspace', 'live', '{a}') \gset
SELECT live_keys, test_keys FROM falukeys.workspace_list WHERE id = :'workspace';
SELECT falukeys.disable_key(:'spare'), falukeys.revoke_key(:'temporary');
SELECT live_keys, test_keys FROM falukeys.workspace_list WHERE id = :'workspace';
SELECT count(*) AS compared, bool_and(live_keys
	= (SELECT count(*) FROM falukeys.dashboard AS d WHERE workspace_id = w.id AND mode = 'live' AND d.state = 'valid')
	AND test_keys = (SELECT count(*) FROM falukeys.dashboard AS d
		WHERE workspace_id = w.id AND mode = 'test' AND d.state = 'valid')) AS same
FROM falukeys.workspace_list AS w JOIN list USING (id);

--
-- Who sees what
--
CREATE FUNCTION pg_temp.seen(role text, OUT workspaces text, OUT counted text, OUT meta text, OUT members text,
	OUT permissions text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	SELECT string_agg(list.name, ', ' ORDER BY list.name COLLATE "C"),
		string_agg(concat_ws('/', live_keys, test_keys), ', ' ORDER BY list.name COLLATE "C"),
		string_agg(w.meta::text, ', ')
	INTO workspaces, counted, meta FROM falukeys.workspace_list AS w JOIN pg_temp.list USING (id);
	SELECT count(*) || ' of ' || count(DISTINCT workspace_id) INTO members FROM falukeys.member_list
		WHERE workspace ~ '^Lists';
	SELECT string_agg(name, ', ') INTO permissions FROM falukeys.permission_list WHERE name ~ '^lists';
	RESET ROLE;
END $$;
\x on
SELECT role, s.* FROM unnest('{nobody,member,developer,administrator,verifier,operator,manager}'::text[]) AS role,
	pg_temp.seen(role) AS s;
\x off
SET ROLE regress_falukeys_member;
SELECT workspace_id = :'workspace' AS workspace_id, workspace,
	CASE WHEN member::text ~ '^regress' THEN member::text ELSE 'gone' END AS member, role FROM falukeys.member_list
	ORDER BY 3;
-- As one of several roles, and once
RESET ROLE;
CREATE ROLE regress_falukeys_both IN ROLE regress_falukeys_member, regress_falukeys_developer;
SELECT s.* FROM pg_temp.seen('both') AS s;
-- The role that is gone can be taken out as the list names it.
SELECT count(*) AS of_the_gone FROM falukeys.member_list
	WHERE workspace_id = :'workspace' AND member::text ~ '^[0-9]+$';
SELECT falukeys.remove_member(workspace_id, member) FROM falukeys.member_list
	WHERE workspace_id = :'workspace' AND member::text ~ '^[0-9]+$';
SELECT count(*) AS of_the_gone FROM falukeys.member_list
	WHERE workspace_id = :'workspace' AND member::text ~ '^[0-9]+$';
-- What is seen ends with the membership, in an old snapshot too.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT workspaces, members, permissions FROM pg_temp.seen('member') AS s;
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_member');
SELECT workspaces, members, permissions FROM pg_temp.seen('member') AS s;
ROLLBACK;
-- Nothing is changed through them.
\set VERBOSITY sqlstate
UPDATE falukeys.workspace_list SET name = 'x';
DELETE FROM falukeys.member_list;
INSERT INTO falukeys.permission_list VALUES ('x');
\set VERBOSITY terse

SET client_min_messages = warning;
SELECT count(falukeys.close_workspace(id)) FROM list;
DROP FUNCTION pg_temp.seen;
DROP TABLE list;
DROP OWNED BY regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager;
DROP ROLE regress_falukeys_administrator, regress_falukeys_developer, regress_falukeys_member, regress_falukeys_nobody,
	regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_both;
DELETE FROM falukeys.permissions WHERE name ~ '^lists';
