--
-- Application tables, isolated by workspace and mode.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
\set VERBOSITY terse
CREATE ROLE regress_falukeys_owner;
CREATE ROLE regress_falukeys_app;
SELECT falukeys.grant_access('regress_falukeys_app', 'verifier'), falukeys.grant_access('regress_falukeys_owner', 'verifier');
SELECT falukeys.define_permission('messages'), falukeys.define_permission('messages.read');
SELECT falukeys.create_workspace('One') AS one \gset
SELECT falukeys.create_workspace('Two') AS two \gset
SELECT falukeys.approve_workspace(:'one');
SELECT key AS test_key FROM falukeys.create_key(:'one', 'secret', 'test') \gset
SELECT key AS live_key FROM falukeys.create_key(:'one', 'secret', 'live') \gset
SELECT key AS two_key FROM falukeys.create_key(:'two', 'secret', 'test') \gset
SELECT key AS public_key FROM falukeys.create_key(:'one', 'public', 'test') \gset
SELECT key AS reading_key FROM falukeys.create_key(:'one', 'secret', 'test', permissions => '{messages.read}') \gset
SELECT key AS writing_key FROM falukeys.create_key(:'one', 'secret', 'test', permissions => '{messages}') \gset
SELECT key AS object_key FROM falukeys.create_temporary_key(:'one', 'test', '{a}') \gset
CREATE SCHEMA isolation AUTHORIZATION regress_falukeys_owner;
GRANT USAGE ON SCHEMA isolation TO regress_falukeys_app;
SET ROLE regress_falukeys_owner;
SET search_path = isolation;
CREATE TABLE message (name text PRIMARY KEY, workspace_id text NOT NULL DEFAULT 'none', mode falukeys.key_mode NOT NULL, body text);
CREATE INDEX message_by_workspace ON message (workspace_id, mode);
CREATE POLICY everything ON message USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON message TO regress_falukeys_app;
SELECT falukeys.isolate_table('message');
CREATE VIEW message_view WITH (security_invoker) AS SELECT * FROM message;
GRANT SELECT, INSERT, UPDATE, DELETE ON message_view TO regress_falukeys_app;

-- New rows are the identity's; in each workspace and mode one
SET ROLE regress_falukeys_app;
BEGIN;
SELECT code FROM falukeys.authenticate(:'test_key');
INSERT INTO message (name, body) VALUES ('one test', 'a') RETURNING name, workspace_id = :'one' AS workspace, mode;
COMMIT;
BEGIN;
SELECT code FROM falukeys.authenticate(:'live_key');
INSERT INTO message (name, body) VALUES ('one live', 'a') RETURNING name, workspace_id = :'one' AS workspace, mode;
COMMIT;
BEGIN;
SELECT code FROM falukeys.authenticate(:'two_key');
INSERT INTO message_view (name, workspace_id, mode, body) VALUES ('two test', :'two', 'test', 'a') RETURNING name, workspace_id = :'two' AS workspace, mode;
COMMIT;

-- What a key sees and touches, by SELECT, UPDATE and DELETE, and through a view
CREATE FUNCTION pg_temp.touched(key text, OUT seen text, OUT seen_in_view text, OUT updated bigint, OUT deleted bigint) LANGUAGE plpgsql AS $$
BEGIN
	IF key IS NOT NULL THEN PERFORM falukeys.authenticate(key, object_id => 'a'); END IF;
	SELECT string_agg(name, ', ' ORDER BY name) INTO seen FROM message;
	SELECT string_agg(name, ', ' ORDER BY name) INTO seen_in_view FROM message_view;
	UPDATE message SET body = body;
	GET DIAGNOSTICS updated = ROW_COUNT;
	DELETE FROM message_view;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION WHEN SQLSTATE 'ZZ999' THEN NULL;
END $$;
SELECT who, t.* FROM (VALUES (1, 'test', :'test_key'), (2, 'live', :'live_key'), (3, 'two', :'two_key'), (4, 'public', :'public_key'), (5, 'temporary', :'object_key'), (6, 'no one', NULL)) AS k (n, who, key),
	pg_temp.touched(key) AS t ORDER BY n;
-- Its owner too
SET ROLE regress_falukeys_owner;
SELECT who, t.* FROM (VALUES (1, 'test', :'test_key'), (2, 'no one', NULL)) AS k (n, who, key), pg_temp.touched(key) AS t ORDER BY n;

-- No row comes into, or goes to, another workspace or mode.
SET ROLE regress_falukeys_app;
CREATE FUNCTION pg_temp.attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE touched bigint;
BEGIN
	EXECUTE statement;
	GET DIAGNOSTICS touched = ROW_COUNT;
	RETURN touched || ' rows';
EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
BEGIN;
SELECT code FROM falukeys.authenticate(:'test_key');
SELECT pg_temp.attempt(format($$INSERT INTO message VALUES ('x', %L, 'test')$$, :'two')) AS insert_other_workspace,
	pg_temp.attempt(format($$INSERT INTO message VALUES ('x', %L, 'live')$$, :'one')) AS insert_other_mode,
	pg_temp.attempt(format($$UPDATE message SET workspace_id = %L$$, :'two')) AS move_to_workspace,
	pg_temp.attempt($$UPDATE message SET mode = 'live'$$) AS move_to_mode,
	pg_temp.attempt($$UPDATE message SET body = 'x' WHERE name = 'one live'$$) AS update_other_mode,
	pg_temp.attempt($$DELETE FROM message WHERE name = 'two test'$$) AS delete_other_workspace,
	pg_temp.attempt($$INSERT INTO message (name) VALUES ('one live') ON CONFLICT (name) DO UPDATE SET body = 'x'$$) AS upsert_other_mode,
	pg_temp.attempt($$INSERT INTO message (name) VALUES ('one test') ON CONFLICT (name) DO UPDATE SET body = 'upserted'$$) AS upsert_own,
	pg_temp.attempt($$INSERT INTO message (name) VALUES ('one test') ON CONFLICT (name) DO UPDATE SET mode = 'live'$$) AS upsert_away,
	pg_temp.attempt($$TRUNCATE message$$) AS truncate;
COPY message (name) FROM STDIN;
copied
\.
ROLLBACK;
SELECT pg_temp.attempt($$INSERT INTO message (name) VALUES ('x')$$) AS insert_by_no_one;

-- By an index on the workspace column
BEGIN;
SET LOCAL enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM message WHERE body = 'a';
COMMIT;

-- Released, it is as it was.
SET ROLE regress_falukeys_owner;
SELECT falukeys.isolate_table('message');
SELECT falukeys.release_table('message');
SELECT relrowsecurity, relforcerowsecurity, (SELECT string_agg(polname, ', ') FROM pg_policy WHERE polrelid = pg_class.oid) AS policies,
	(SELECT string_agg(attname || ': ' || coalesce(pg_get_expr(adbin, adrelid), 'no default'), ', ' ORDER BY attnum)
		FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = pg_class.oid AND attname IN ('workspace_id', 'mode')) AS defaults
FROM pg_class WHERE oid = 'message'::regclass;
SELECT falukeys.release_table('message');

-- Row security that was there stays, within the isolation.
ALTER TABLE message ENABLE ROW LEVEL SECURITY;
DROP POLICY everything ON message;
CREATE POLICY only_a ON message USING (body = 'a');
UPDATE message SET body = 'b' WHERE name = 'one test';
SELECT falukeys.isolate_table('message');
SELECT who, t.seen FROM (VALUES (1, 'test', :'test_key'), (2, 'live', :'live_key')) AS k (n, who, key), pg_temp.touched(key) AS t ORDER BY n;
SELECT falukeys.release_table('message');
SELECT relrowsecurity, relforcerowsecurity, (SELECT string_agg(polname, ', ') FROM pg_policy WHERE polrelid = pg_class.oid) AS policies
FROM pg_class WHERE oid = 'message'::regclass;

-- Permissions, objects, a mode column of type text, columns with names of their own
CREATE TABLE note ("Workspace" text, "in mode" text, object text, body text);
GRANT SELECT, INSERT, UPDATE, DELETE ON note TO regress_falukeys_app;
GRANT TRUNCATE ON note TO regress_falukeys_app;
SELECT falukeys.isolate_table('note', 'Workspace', 'in mode', 'messages.read', 'messages.write', 'object');
SET ROLE regress_falukeys_app;
BEGIN;
SELECT code FROM falukeys.authenticate(:'writing_key');
INSERT INTO note (object) VALUES ('a'), ('b') RETURNING "Workspace" = :'one' AS workspace, "in mode", object;
COMMIT;
CREATE FUNCTION pg_temp.noted(key text, OUT seen text, OUT inserted text, OUT updated text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM falukeys.authenticate(key, object_id => 'a');
	SELECT string_agg(object, ', ' ORDER BY object) INTO seen FROM note;
	inserted := pg_temp.attempt($i$INSERT INTO note (object) VALUES ('c')$i$);
	updated := pg_temp.attempt($u$UPDATE note SET body = 'x'$u$);
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION WHEN SQLSTATE 'ZZ999' THEN NULL;
END $$;
SELECT who, t.* FROM (VALUES (1, 'unrestricted', :'test_key'), (2, 'reads', :'reading_key'), (3, 'writes', :'writing_key'), (4, 'temporary', :'object_key'), (5, 'live', :'live_key')) AS k (n, who, key),
	pg_temp.noted(key) AS t ORDER BY n;

-- Not by others than the owner, and not what cannot be isolated
SELECT falukeys.isolate_table('message');
SELECT falukeys.release_table('note');
SET ROLE regress_falukeys_owner;
CREATE TABLE odd (workspace_id integer, mode falukeys.key_mode, w text COLLATE "C", g text GENERATED ALWAYS AS ('x') STORED);
SELECT falukeys.isolate_table('odd');
SELECT falukeys.isolate_table('odd', 'w', 'nothing');
SELECT falukeys.isolate_table('odd', 'g');
SELECT falukeys.isolate_table('odd', 'w', object_column => 'mode');
SELECT falukeys.isolate_table('message_view');
SELECT falukeys.isolate_table(NULL);
SELECT falukeys.isolate_table('odd', 'w');
DROP TABLE odd;

RESET search_path;
RESET ROLE;
SELECT falukeys.isolate_table('falukeys.keys');
SELECT falukeys.isolate_table('pg_class');
DROP SCHEMA isolation CASCADE;
DROP OWNED BY regress_falukeys_app, regress_falukeys_owner;
DROP ROLE regress_falukeys_app, regress_falukeys_owner;
