--
-- Workspaces, their states and members, and the catalog of permissions
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

CREATE ROLE regress_falukeys_alice;
CREATE ROLE regress_falukeys_bob;
CREATE ROLE regress_falukeys_carol;

SELECT enum_range(NULL::falukeys.workspace_state) AS workspace_state,
	enum_range(NULL::falukeys.workspace_role) AS workspace_role;

--
-- create_workspace: an id, and a public and a secret test key
--
SELECT falukeys.create_workspace('Workspaces', 'regress_falukeys_alice') AS workspace \gset
SELECT name, state, approved_at, id ~ '^wksp_[0-9A-Za-z]{27}$' AS id,
       created_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp() AS created_now
  FROM falukeys.workspaces WHERE id = :'workspace';
SELECT kind, mode, id ~ '^key_[0-9A-Za-z]{27}$' AS id, public_key ~ '^fpkt_[0-9A-Za-z]{49}$' AS public_key,
       falukeys.kind_of(secret) = kind AND falukeys.mode_of(secret) = mode AS agrees,
       created_by = current_user AS created_by_me, not_before, expires_at, disabled,
       permissions_restricted, networks_restricted, revoked_at, revoke_reason
  FROM falukeys.keys WHERE workspace_id = :'workspace' ORDER BY kind;
SELECT member, role FROM falukeys.members WHERE workspace_id = :'workspace';

-- without an administrator, and by position, by name and by default
SELECT falukeys.create_workspace(name => 'Alone') AS alone \gset
SELECT count(*) FROM falukeys.members WHERE workspace_id = :'alone';
SELECT count(*) FROM falukeys.keys WHERE workspace_id = :'alone';
SELECT :'alone' <> :'workspace' AS distinct;

-- A name need not be unique, and any key in it is masked.
SELECT falukeys.create_workspace('Pasted fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys here') AS pasted \gset
SELECT name FROM falukeys.workspaces WHERE id = :'pasted';
SELECT falukeys.create_workspace('Alone') <> :'alone' AS distinct;

SELECT falukeys.create_workspace(NULL);
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.create_workspace('');
SELECT falukeys.create_workspace('Nobody', 'regress_falukeys_no_such_role');
SELECT falukeys.create_workspace('Nobody', 4294967000::oid::regrole);

--
-- approve_workspace: the live pair, once
--
SELECT falukeys.approve_workspace(:'workspace');
SELECT state, approved_at BETWEEN created_at AND clock_timestamp() AS approved_now FROM falukeys.workspaces
	WHERE id = :'workspace';
SELECT kind, mode, public_key ~ '^fpkl_[0-9A-Za-z]{49}$' AS public_key FROM falukeys.keys
	WHERE workspace_id = :'workspace' ORDER BY mode, kind;
SELECT id AS live_secret FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'live'
	\gset
SELECT id AS test_secret FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'test'
	\gset

-- The live secret is sealed until its first reveal.
SELECT count(*) AS sealed FROM falukeys.sealed_secrets
	JOIN falukeys.keys ON keys.id = key_id AND keys.secret OPERATOR(falukeys.=) sealed_secrets.secret
	WHERE key_id = :'live_secret';
SELECT falukeys.reveal_key(:'live_secret') AS live_key \gset
SELECT falukeys.reveal_key(:'test_secret') AS test_key \gset
SELECT :'live_key' ~ '^fskl_[0-9A-Za-z]{49}$' AS live, :'test_key' ~ '^fskt_[0-9A-Za-z]{49}$' AS test;
SELECT falukeys.reveal_key(:'live_secret');

-- Again: a notice, and no second pair
SELECT approved_at AS approved_at FROM falukeys.workspaces WHERE id = :'workspace' \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT count(*) AS keys FROM falukeys.keys WHERE workspace_id = :'workspace';
SELECT state, approved_at = :'approved_at' AS as_before FROM falukeys.workspaces WHERE id = :'workspace';

SELECT falukeys.approve_workspace(NULL);
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.approve_workspace('wksp_000000000000000000000000000');
SELECT falukeys.approve_workspace('no id at all');

--
-- suspend_workspace, resume_workspace: live keys are refused, test keys work
--
CREATE TABLE workspaces_key (mode text, key text);
INSERT INTO workspaces_key VALUES ('live', :'live_key'), ('test', :'test_key');
SELECT w.mode, code FROM workspaces_key w, falukeys.verify_key(key) ORDER BY 1;
SELECT falukeys.suspend_workspace(:'workspace', 'unpaid, see fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
SELECT state FROM falukeys.workspaces WHERE id = :'workspace';
SELECT w.mode, code FROM workspaces_key w, falukeys.verify_key(key) ORDER BY 1;
SELECT falukeys.approve_workspace(:'workspace');
-- a second time: a notice, and the reason stays
SELECT falukeys.suspend_workspace(:'workspace', 'again');
SELECT state, state_reason FROM falukeys.workspaces WHERE id = :'workspace';
SELECT falukeys.resume_workspace(workspace => :'workspace');
SELECT state, approved_at = :'approved_at' AS as_before FROM falukeys.workspaces WHERE id = :'workspace';
SELECT w.mode, code FROM workspaces_key w, falukeys.verify_key(key) ORDER BY 1;

-- There is nothing to resume then.
SELECT falukeys.resume_workspace(:'workspace');

-- Resuming restores the state before: a pending workspace is not approved by it.
SELECT falukeys.suspend_workspace(:'alone');
SELECT falukeys.approve_workspace(:'alone');
SELECT falukeys.resume_workspace(:'alone');
SELECT state, approved_at FROM falukeys.workspaces WHERE id = :'alone';
SELECT count(*) AS keys FROM falukeys.keys WHERE workspace_id = :'alone';

SELECT falukeys.suspend_workspace(NULL);
SELECT falukeys.suspend_workspace('wksp_000000000000000000000000000');
SELECT falukeys.resume_workspace(NULL);
SELECT falukeys.resume_workspace('wksp_000000000000000000000000000');

--
-- close_workspace: for good, and every key is refused
--
SELECT falukeys.close_workspace(:'workspace', reason => 'left');
SELECT state FROM falukeys.workspaces WHERE id = :'workspace';
SELECT w.mode, code FROM workspaces_key w, falukeys.verify_key(key) ORDER BY 1;
-- a second time: a notice
SELECT falukeys.close_workspace(:'workspace');
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.suspend_workspace(:'workspace');
SELECT falukeys.resume_workspace(:'workspace');
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}');
SELECT falukeys.import_key(:'workspace', 'fskt_closedclosedclosedclosed');
SELECT state FROM falukeys.workspaces WHERE id = :'workspace';

-- A pending and a suspended one can be closed too.
SELECT falukeys.suspend_workspace(:'alone');
SELECT falukeys.close_workspace(:'alone');
SELECT falukeys.close_workspace(:'pasted');
SELECT falukeys.resume_workspace(:'alone');
SELECT falukeys.approve_workspace(:'pasted');
SELECT name, state FROM falukeys.workspaces WHERE id IN (:'alone', :'pasted') ORDER BY name;

SELECT falukeys.close_workspace(NULL);
SELECT falukeys.close_workspace('wksp_000000000000000000000000000');

--
-- Members
--
SELECT falukeys.create_workspace('Members', 'regress_falukeys_alice') AS workspace \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_bob', 'developer');
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_carol', 'member');
SELECT member, role FROM falukeys.members WHERE workspace_id = :'workspace' ORDER BY member::text;

-- The last administrator is neither removed nor demoted.
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_alice');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_alice', 'developer');
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_alice', 'member');
-- once more what it is: nothing to refuse
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_alice', 'administrator');
-- With a second administrator the first may go.
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_bob', 'administrator');
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_alice', 'member');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_bob');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_alice');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_carol');
SELECT member, role FROM falukeys.members WHERE workspace_id = :'workspace' ORDER BY member::text;
-- Nor by hand
DELETE FROM falukeys.members WHERE workspace_id = :'workspace';
UPDATE falukeys.members SET role = 'member' WHERE workspace_id = :'workspace';
-- A workspace that never had an administrator has none to lose.
SELECT falukeys.create_workspace('Without') AS without \gset
SELECT falukeys.add_member(:'without', 'regress_falukeys_carol', 'developer');
SELECT falukeys.remove_member(:'without', 'regress_falukeys_carol');
SELECT count(*) FROM falukeys.members WHERE workspace_id = :'without';

SELECT falukeys.add_member(NULL, 'regress_falukeys_bob', 'member');
SELECT falukeys.add_member(:'workspace', NULL, 'member');
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_bob', NULL);
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_bob', 'owner');
SELECT falukeys.add_member(:'workspace', 4294967000::oid::regrole, 'member');
SELECT falukeys.add_member('wksp_000000000000000000000000000', 'regress_falukeys_bob', 'member');
SELECT falukeys.remove_member(NULL, 'regress_falukeys_bob');
SELECT falukeys.remove_member(:'workspace', NULL);
SELECT falukeys.remove_member('wksp_000000000000000000000000000', 'regress_falukeys_bob');
INSERT INTO falukeys.members (workspace_id, member, role)
	VALUES ('wksp_000000000000000000000000000', 'regress_falukeys_bob', 'member');
SELECT member, role FROM falukeys.members WHERE workspace_id = :'workspace' ORDER BY member::text;

--
-- The catalog of permissions
--
SELECT falukeys.define_permission('workspaces.test', 'first');
SELECT falukeys.define_permission('workspaces.test', 'second');
SELECT falukeys.define_permission('workspaces');
SELECT falukeys.define_permission('workspaces.pasted', 'see fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
SELECT name, description FROM falukeys.permissions WHERE name LIKE 'workspaces%' ORDER BY name;

SELECT falukeys.define_permission(NULL);
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.define_permission('');
SELECT falukeys.define_permission('Workspaces');
SELECT falukeys.define_permission('workspaces.');
SELECT falukeys.define_permission('.workspaces');
SELECT falukeys.define_permission('workspaces..test');
SELECT falukeys.define_permission('workspaces test');
SELECT falukeys.define_permission('workspaces,test');
SELECT falukeys.define_permission(E'workspaces\n');
SELECT falukeys.define_permission('*');
INSERT INTO falukeys.permissions (name) VALUES ('Workspaces');
INSERT INTO falukeys.permissions (name) VALUES ('workspaces.');
SELECT count(*) FROM falukeys.permissions WHERE name LIKE 'workspaces%';

DELETE FROM falukeys.permissions WHERE name LIKE 'workspaces%';
SELECT count(*) FROM falukeys.permissions WHERE name LIKE 'workspaces%';

DROP TABLE workspaces_key;
DROP ROLE regress_falukeys_alice, regress_falukeys_bob, regress_falukeys_carol;
