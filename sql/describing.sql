--
-- describe_workspace: the name and the meta of a workspace
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY terse

CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_verifier;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager'),
	falukeys.grant_access('regress_falukeys_verifier', 'verifier');
SELECT falukeys.create_workspace('Describing', 'regress_falukeys_administrator') AS workspace \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_developer', 'developer'),
	falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
SELECT falukeys.create_workspace('Describing, foreign') AS foreign \gset
SELECT max(id) AS before FROM falukeys.events \gset

-- NULL leaves as it is.
SELECT falukeys.describe_workspace(:'workspace', 'Described');
SELECT name, meta FROM falukeys.workspaces WHERE id = :'workspace';
SELECT falukeys.describe_workspace(:'workspace', meta => '{"plan": "large"}');
SELECT name, meta FROM falukeys.workspaces WHERE id = :'workspace';
SELECT falukeys.describe_workspace(:'workspace', 'Twice', '{}');
SELECT name, meta FROM falukeys.workspaces WHERE id = :'workspace';
-- What is not changed leaves no event.
SELECT falukeys.describe_workspace(:'workspace', 'Twice', '{}');
-- Keys in the name are masked, in the record too.
SELECT falukeys.describe_workspace(:'workspace', 'pasted fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
SELECT event, detail, key_id FROM falukeys.events WHERE id > :before AND workspace_id = :'workspace' ORDER BY id;

-- The same by direct DML, with what else is changed; what is rolled back is not told.
SELECT max(id) AS before FROM falukeys.events \gset
UPDATE falukeys.workspaces SET name = 'By hand', meta = '[1]' WHERE id = :'workspace';
UPDATE falukeys.workspaces SET meta = NULL WHERE id = :'workspace';
UPDATE falukeys.workspaces SET name = 'By hand fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', state = 'suspended',
	state_reason = 'both' WHERE id = :'workspace';
UPDATE falukeys.workspaces SET name = name, meta = meta WHERE id = :'workspace';
BEGIN;
SAVEPOINT s;
SELECT falukeys.describe_workspace(:'workspace', 'Undone');
ROLLBACK TO s;
SELECT falukeys.describe_workspace(:'workspace', 'Kept');
COMMIT;
SELECT event, detail FROM falukeys.events WHERE id > :before AND workspace_id = :'workspace' ORDER BY id;
SELECT falukeys.resume_workspace(:'workspace');

-- Limits, as create_workspace and create_key have them
SELECT falukeys.describe_workspace(:'workspace');
SELECT falukeys.describe_workspace(:'workspace', NULL, NULL);
SELECT falukeys.describe_workspace(NULL, 'x');
SELECT falukeys.describe_workspace(:'workspace', '');
SELECT falukeys.describe_workspace(:'workspace', repeat('x', 201));
SELECT falukeys.describe_workspace(:'workspace', meta => to_jsonb(repeat('x', 65536)));
UPDATE falukeys.workspaces SET name = '' WHERE id = :'workspace';
UPDATE falukeys.workspaces SET name = repeat('x', 201) WHERE id = :'workspace';
UPDATE falukeys.workspaces SET meta = to_jsonb(repeat('x', 65536)) WHERE id = :'workspace';
INSERT INTO falukeys.workspaces (name, meta) VALUES ('Too much', to_jsonb(repeat('x', 65536)));
SELECT falukeys.describe_workspace('wksp_000000000000000000000000000', 'x');
SELECT falukeys.describe_workspace('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'x');
SELECT falukeys.describe_workspace(repeat('x', 1000000), 'x');
SELECT name, meta FROM falukeys.workspaces WHERE id = :'workspace';

-- Who may: operators, managers and administrators; of a closed one too
CREATE FUNCTION pg_temp.outcome(role text, workspace text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	PERFORM falukeys.describe_workspace(workspace, 'by ' || role);
	RESET ROLE;
	RETURN (SELECT name FROM falukeys.workspaces WHERE id = workspace);
EXCEPTION WHEN OTHERS THEN
	RETURN replace(SQLSTATE || ': ' || SQLERRM, workspace, '...');
END $$;
SELECT role, pg_temp.outcome(role, :'workspace') AS own, pg_temp.outcome(role, :'foreign') AS foreign,
	pg_temp.outcome(role, 'wksp_000000000000000000000000000') AS missing
FROM unnest('{administrator,developer,member,nobody,verifier,operator,manager}'::text[]) AS role;
-- Who may not, is told who may.
SET ROLE regress_falukeys_developer;
\set VERBOSITY default
SELECT falukeys.describe_workspace('wksp_000000000000000000000000000', 'x');
\set VERBOSITY terse
RESET ROLE;
SELECT falukeys.close_workspace(:'foreign');
SELECT pg_temp.outcome('operator', :'foreign');

DROP FUNCTION pg_temp.outcome;
DROP OWNED BY regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_verifier;
SET client_min_messages = warning;
DROP ROLE regress_falukeys_administrator, regress_falukeys_developer, regress_falukeys_member, regress_falukeys_nobody,
	regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_verifier;
