--
-- A label that someone added to an enum means nothing: it gives no right, whatever
-- it begins with
--
-- Added labels stay, so in a database of its own.
SELECT current_database() AS before \gset
CREATE DATABASE regress_falukeys_labels TEMPLATE template0;
\c regress_falukeys_labels
CREATE EXTENSION falukeys;
\set VERBOSITY terse

CREATE ROLE regress_falukeys_auditor;
CREATE ROLE regress_falukeys_administrator;
SELECT falukeys.create_workspace('Labels', 'regress_falukeys_administrator') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
ALTER TYPE falukeys.access_level ADD VALUE 'auditor';
ALTER TYPE falukeys.access_level ADD VALUE 'ops';
ALTER TYPE falukeys.access_level ADD VALUE 'delegates';
ALTER TYPE falukeys.access_level ADD VALUE 'dele';
ALTER TYPE falukeys.access_level ADD VALUE 'viewer';
ALTER TYPE falukeys.workspace_role ADD VALUE 'auditor';
ALTER TYPE falukeys.workspace_role ADD VALUE 'designer';
ALTER TYPE falukeys.workspace_state ADD VALUE 'archived';
ALTER TYPE falukeys.workspace_state ADD VALUE 'paused';
ALTER TYPE falukeys.key_kind ADD VALUE 'partner';
ALTER TYPE falukeys.key_kind ADD VALUE 'shared';
ALTER TYPE falukeys.key_mode ADD VALUE 'lab';
ALTER TYPE falukeys.key_mode ADD VALUE 'trial';

-- access_level
SELECT falukeys.grant_access('regress_falukeys_auditor', 'auditor');
SELECT falukeys.grant_access('regress_falukeys_auditor', 'ops');
SELECT falukeys.grant_access('regress_falukeys_auditor', 'delegates');
SELECT falukeys.grant_access('regress_falukeys_auditor', 'dele');
SELECT falukeys.revoke_access('regress_falukeys_auditor', 'viewer');
SELECT proname FROM pg_proc WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
	AND proname ~ '_access$' AND has_function_privilege('regress_falukeys_auditor', oid, 'EXECUTE');

-- workspace_role: not by functions, nor by direct DML,
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_auditor', 'auditor');
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_administrator', 'designer');
INSERT INTO falukeys.members VALUES (:'workspace', 'regress_falukeys_auditor', 'auditor');
-- and where it got in all the same, it counts for nothing.
SET session_replication_role = replica;
INSERT INTO falukeys.members VALUES (:'workspace', 'regress_falukeys_auditor', 'auditor');
RESET session_replication_role;
SET ROLE regress_falukeys_auditor;
SELECT count(*) FROM falukeys.dashboard;
SELECT count(*) FROM falukeys_internal.visible_workspaces;
\set VERBOSITY sqlstate
SELECT falukeys.disable_key(:'key_id');
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_auditor', 'developer');
\set VERBOSITY terse
RESET ROLE;
UPDATE falukeys.members SET role = 'designer' WHERE member = 'regress_falukeys_auditor'::regrole;
-- Nor is it an administrator that could stay alone.
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_administrator');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_auditor');

-- workspace_state
UPDATE falukeys.workspaces SET state = 'archived' WHERE id = :'workspace';
INSERT INTO falukeys.workspaces (name, state) VALUES ('Archived', 'archived');
INSERT INTO falukeys.workspaces (id, name, state) VALUES ('wksp_000000000000000000000000000', 'Archived', 'paused');
SELECT code FROM falukeys.verify_key(:'key');
-- Where it got in all the same, nothing is permitted.
SET session_replication_role = replica;
UPDATE falukeys.workspaces SET state = 'archived' WHERE id = :'workspace';
RESET session_replication_role;
\c -
SELECT code FROM falukeys.verify_key(:'key');
SELECT DISTINCT state FROM falukeys.dashboard;
SELECT falukeys.approve_workspace(:'workspace');
\set VERBOSITY sqlstate
SELECT id FROM falukeys.create_key(:'workspace', 'secret', 'test');
SET session_replication_role = replica;
UPDATE falukeys.workspaces SET state = 'approved' WHERE id = :'workspace';
RESET session_replication_role;
\c -
\set VERBOSITY terse
SELECT code FROM falukeys.verify_key(:'key');

-- key_kind and key_mode
SELECT falukeys.create_key(:'workspace', 'partner', 'test');
SELECT falukeys.create_key(:'workspace', 'shared', 'test');
SELECT falukeys.create_key(:'workspace', 'secret', 'lab');
SELECT falukeys.create_temporary_key(:'workspace', 'trial', '{object}');
SELECT code FROM falukeys.verify_key(:'key', mode => 'trial');
INSERT INTO falukeys.keys (workspace_id, secret, kind) VALUES (:'workspace', 'fskt_labelslabelslabelslabels', 'shared');
INSERT INTO falukeys.keys (workspace_id, secret, mode) VALUES (:'workspace', 'fskt_labelslabelslabelslabels', 'trial');
SELECT kind, mode, count(*) FROM falukeys.dashboard GROUP BY kind, mode ORDER BY kind, mode;

\c :before
DROP DATABASE regress_falukeys_labels;
DROP ROLE regress_falukeys_auditor, regress_falukeys_administrator;
