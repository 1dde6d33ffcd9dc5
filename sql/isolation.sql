--
-- Application tables whose rows only their own workspace and mode touch
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT count(falukeys.define_permission(name)) AS defined
	FROM unnest('{isolation,isolation.read,isolation.write,isolation_other}'::text[]) name;
SELECT falukeys.create_workspace('Isolation, a') AS a, falukeys.create_workspace('Isolation, b') AS b \gset
SELECT count(falukeys.approve_workspace(id)) AS approved FROM unnest(ARRAY[:'a', :'b']) id;

CREATE ROLE isolation_owner;
CREATE ROLE isolation_app;
CREATE ROLE isolation_someone;
GRANT CREATE ON SCHEMA public TO isolation_owner;
SELECT falukeys.grant_access('isolation_app', 'verifier'), falukeys.grant_access('isolation_owner', 'verifier');

-- Keys by name, as in the columns of what follows
CREATE TABLE isolation_keys AS
	SELECT 'a test' AS name, key FROM falukeys.create_key(:'a', 'secret', 'test')
	UNION ALL SELECT 'a live', key FROM falukeys.create_key(:'a', 'secret', 'live')
	UNION ALL SELECT 'b live', key FROM falukeys.create_key(:'b', 'secret', 'live')
	UNION ALL SELECT 'public', key FROM falukeys.create_key(:'a', 'public', 'test')
	UNION ALL SELECT 'reader', key FROM falukeys.create_key(:'a', 'secret', 'test', permissions => '{isolation.read}')
	UNION ALL SELECT 'writer', key FROM falukeys.create_key(:'a', 'secret', 'test', permissions => '{isolation.write}')
	UNION ALL SELECT 'both', key FROM falukeys.create_key(:'a', 'secret', 'test', permissions => '{isolation}')
	UNION ALL SELECT 'temporary', key FROM falukeys.create_temporary_key(:'a', 'test', '{object_1,object_9}')
	UNION ALL SELECT 'temporary live', key FROM falukeys.create_temporary_key(:'a', 'live', '{object_1,object_9}')
	UNION ALL SELECT 'temporary reader', key
	FROM falukeys.create_temporary_key(:'a', 'test', '{object_1,object_9}', '{isolation.read}');
CREATE TABLE isolation_rows AS SELECT * FROM (VALUES
	(1, :'a', 'test'::falukeys.key_mode, 'object_1', 'a test 1'),
	(2, :'a', 'test', 'object_2', 'a test 2'),
	(3, :'a', 'live', 'object_1', 'a live 3'),
	(4, :'a', 'live', 'object_2', 'a live 4'),
	(5, :'b', 'test', 'object_1', 'b test 5'),
	(6, :'b', 'live', 'object_1', 'b live 6'),
	(7, :'b', 'live', 'object_1', 'b live 7'),
	(8, :'b', 'live', NULL, 'b live 8')) AS r(id, workspace_id, mode, object_id, body);
GRANT SELECT ON isolation_keys, isolation_rows TO PUBLIC;

CREATE FUNCTION pg_temp.take(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM falukeys.deauthenticate();
	IF name = 'nobody' THEN
		RETURN 'nobody';
	END IF;
	RETURN (falukeys.authenticate((SELECT key FROM isolation_keys k WHERE k.name = take.name),
		object_id => 'object_1')).code;
END $$;
-- What a statement does with an identity: how many rows, or its SQLSTATE; it is rolled back.
CREATE FUNCTION pg_temp.outcome(name text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE touched bigint;
BEGIN
	PERFORM pg_temp.take(name);
	EXECUTE statement;
	GET DIAGNOSTICS touched = ROW_COUNT;
	RAISE SQLSTATE 'DONE0';
EXCEPTION
	WHEN SQLSTATE 'DONE0' THEN RETURN touched;
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
-- The bodies of the rows that a query finds
CREATE FUNCTION pg_temp.seen(name text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE bodies text;
BEGIN
	PERFORM pg_temp.take(name);
	EXECUTE format('SELECT string_agg(body, '', '' ORDER BY body) FROM (%s) AS q', query) INTO bodies;
	RETURN bodies;
END $$;
-- What is not the identity's; without one, anything
CREATE FUNCTION pg_temp.other_workspace() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT min(workspace_id) FROM isolation_rows WHERE workspace_id IS DISTINCT FROM falukeys.current_workspace_id()
$$;
CREATE FUNCTION pg_temp.other_mode() RETURNS falukeys.key_mode LANGUAGE sql STABLE AS $$
	SELECT CASE falukeys.current_key_mode() WHEN 'test' THEN 'live' ELSE 'test' END::falukeys.key_mode
$$;

-- Statements on a table %1$s
CREATE TABLE isolation_statements (number integer GENERATED ALWAYS AS IDENTITY, what text, statement text);
GRANT SELECT ON isolation_statements TO PUBLIC;
INSERT INTO isolation_statements (what, statement) VALUES
	('select', 'SELECT FROM %1$s'),
	('select others''', 'SELECT FROM %1$s WHERE workspace_id = pg_temp.other_workspace() OR mode::text = '
		'pg_temp.other_mode()::text'),
	('select for update', 'SELECT FROM %1$s FOR UPDATE'),
	('insert', 'INSERT INTO %1$s (id, object_id) VALUES (10, ''object_1'')'),
	('insert returning', 'INSERT INTO %1$s (id, object_id) VALUES (10, ''object_1'') RETURNING body'),
	('insert for workspace', 'INSERT INTO %1$s (id, object_id, workspace_id) VALUES (10, ''object_1'', '
		'pg_temp.other_workspace())'),
	('insert for mode', 'INSERT INTO %1$s (id, object_id, mode) VALUES (10, ''object_1'', pg_temp.other_mode())'),
	('insert for no one', 'INSERT INTO %1$s (id, object_id, workspace_id, mode) VALUES (10, ''object_1'', NULL, NULL)'),
	('insert for object', 'INSERT INTO %1$s (id, object_id) VALUES (10, ''object_3'')'),
	('insert several', 'INSERT INTO %1$s (id, object_id, workspace_id) SELECT 10, ''object_1'', w '
		'FROM (VALUES (falukeys.current_workspace_id()), (pg_temp.other_workspace())) v(w)'),
	('update', 'UPDATE %1$s SET body = ''changed'''),
	('update where', 'UPDATE %1$s SET body = ''changed'' WHERE id > 0'),
	('update to workspace', 'UPDATE %1$s SET workspace_id = pg_temp.other_workspace()'),
	('update to mode', 'UPDATE %1$s SET mode = pg_temp.other_mode()'),
	('update to object', 'UPDATE %1$s SET object_id = ''object_3'''),
	('update from others', 'UPDATE %1$s SET workspace_id = falukeys.current_workspace_id(), '
		'mode = falukeys.current_key_mode() WHERE id > 0'),
	('delete', 'DELETE FROM %1$s'),
	('delete where', 'DELETE FROM %1$s WHERE id > 0'),
	('upsert 1', 'INSERT INTO %1$s (id, object_id) VALUES (1, ''object_1'') ON CONFLICT (id) DO UPDATE '
		'SET body = ''changed'''),
	('upsert 2', 'INSERT INTO %1$s (id, object_id) VALUES (2, ''object_1'') ON CONFLICT (id) DO UPDATE '
		'SET body = ''changed'''),
	('upsert new', 'INSERT INTO %1$s (id, object_id) VALUES (10, ''object_1'') ON CONFLICT (id) DO UPDATE '
		'SET body = ''changed'''),
	('upsert to mode', 'INSERT INTO %1$s (id, object_id) VALUES (1, ''object_1'') ON CONFLICT (id) DO UPDATE '
		'SET mode = pg_temp.other_mode()'),
	('merge', 'MERGE INTO %1$s AS t USING isolation_rows AS r ON t.id = r.id WHEN MATCHED THEN UPDATE '
		'SET body = ''changed'''),
	('merge delete', 'MERGE INTO %1$s AS t USING isolation_rows AS r ON t.id = r.id WHEN MATCHED THEN DELETE'),
	('merge insert', 'MERGE INTO %1$s AS t USING (VALUES (10)) AS r(id) ON t.id = r.id WHEN NOT MATCHED THEN '
		'INSERT (id, object_id) VALUES (10, ''object_1'')'),
	('merge to mode', 'MERGE INTO %1$s AS t USING isolation_rows AS r ON t.id = r.id WHEN MATCHED THEN UPDATE '
		'SET mode = pg_temp.other_mode()');

CREATE FUNCTION pg_temp.filled(name text, mode text DEFAULT 'falukeys.key_mode') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE %s (id integer PRIMARY KEY, workspace_id text, mode %s, object_id text, body text)',
		name, mode);
	EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO isolation_app', name);
	EXECUTE format('INSERT INTO %s SELECT id, workspace_id, mode::text::%s, object_id, body FROM isolation_rows', name,
		mode);
END $$;

--
-- Every statement by every kind of identity
--
SET ROLE isolation_owner;
SELECT pg_temp.filled('isolation_plain'), pg_temp.filled('isolation_limited'), pg_temp.filled('isolation_objects');
SELECT falukeys.isolate_table('isolation_plain');
SELECT falukeys.isolate_table('isolation_limited', read_permission => 'isolation.read',
	write_permission => 'isolation.write');
SELECT falukeys.isolate_table('isolation_objects', object_column => 'object_id', read_permission => 'isolation.read');
SET ROLE isolation_app;
CREATE FUNCTION pg_temp.matrix(target text)
RETURNS TABLE (what text, nobody text, public text, a_test text, a_live text, b_live text, reader text, writer text,
	"both" text, temporary text, temp_live text, temp_reader text)
LANGUAGE sql AS $$
	SELECT s.what, pg_temp.outcome('nobody', f), pg_temp.outcome('public', f), pg_temp.outcome('a test', f),
		pg_temp.outcome('a live', f),
	       pg_temp.outcome('b live', f), pg_temp.outcome('reader', f), pg_temp.outcome('writer', f),
	       pg_temp.outcome('both', f),
	       pg_temp.outcome('temporary', f), pg_temp.outcome('temporary live', f), pg_temp.outcome('temporary reader', f)
	  FROM isolation_statements s, format(s.statement, target) f ORDER BY s.number
$$;
SELECT * FROM pg_temp.matrix('isolation_plain');
SELECT * FROM pg_temp.matrix('isolation_limited');
SELECT * FROM pg_temp.matrix('isolation_objects');
-- The owner, by FORCE: the same
SET ROLE isolation_owner;
CREATE TABLE isolation_owned AS
	SELECT t AS target, m.* FROM unnest('{isolation_plain,isolation_limited,isolation_objects}'::text[]) t,
		pg_temp.matrix(t) m;
GRANT SELECT ON isolation_owned TO isolation_app;
SET ROLE isolation_app;
SELECT count(*) AS compared, count(*) FILTER (WHERE o IS DISTINCT FROM ROW(o.target, m.*)::isolation_owned) AS differing
  FROM isolation_owned o, pg_temp.matrix(o.target) m WHERE m.what = o.what;

-- What they see, and what new rows get
SET ROLE isolation_app;
SELECT name, pg_temp.seen(name, 'SELECT * FROM isolation_plain') AS plain,
	pg_temp.seen(name, 'SELECT * FROM isolation_limited') AS limited,
       pg_temp.seen(name, 'SELECT * FROM isolation_objects') AS objects
  FROM unnest('{nobody,public,a test,a live,b live,reader,writer,both,temporary,temporary live,temporary '
      'reader}'::text[]) name;
BEGIN;
SELECT pg_temp.take('a live');
INSERT INTO isolation_plain (id, body) VALUES (20, 'a live 20');
INSERT INTO isolation_plain (id, workspace_id, mode, body) VALUES (21, DEFAULT, DEFAULT, 'a live 21');
INSERT INTO isolation_plain (id, workspace_id, mode, body) VALUES (22, :'a', 'live', 'a live 22');
SELECT pg_temp.take('b live');
INSERT INTO isolation_plain (id, body) VALUES (23, 'b live 23') RETURNING workspace_id = :'b' AS workspace, mode, body;
UPDATE isolation_plain SET body = body || ', changed' WHERE body LIKE 'b live 2%' RETURNING body;
DELETE FROM isolation_plain WHERE id IN (6, 20) RETURNING body;
COMMIT;
SELECT body FROM isolation_plain;
RESET ROLE;
SELECT workspace_id = :'b' AS b, mode, body FROM isolation_plain ORDER BY id;

-- COPY: out, only what is seen; in, not at all, since PostgreSQL has no such thing under row security
RESET ROLE;
GRANT pg_read_server_files TO isolation_app, isolation_owner;
SET ROLE isolation_app;
COPY isolation_plain TO STDOUT;
BEGIN;
SELECT pg_temp.take('a test');
COPY isolation_plain (body) TO STDOUT;
COPY (SELECT body FROM isolation_plain ORDER BY body DESC) TO STDOUT;
COPY isolation_plain (id, body) FROM '/dev/null';
ROLLBACK;
SET ROLE isolation_owner;
BEGIN;
SELECT pg_temp.take('a test');
COPY isolation_plain (id, workspace_id, mode, body) FROM '/dev/null';
ROLLBACK;
RESET ROLE;
REVOKE pg_read_server_files FROM isolation_app, isolation_owner;
SET ROLE isolation_app;

-- Nothing is let through without row security.
SET row_security = off;
SELECT body FROM isolation_plain;
BEGIN;
SELECT pg_temp.take('a test');
DELETE FROM isolation_plain;
ROLLBACK;
RESET row_security;

-- Views: with security_invoker as the table is
SET ROLE isolation_owner;
CREATE VIEW isolation_view WITH (security_invoker = true) AS SELECT * FROM isolation_plain;
GRANT SELECT, INSERT, UPDATE, DELETE ON isolation_view TO isolation_app;
RESET ROLE;
CREATE VIEW isolation_view_of_superuser WITH (security_invoker = true) AS SELECT * FROM isolation_plain;
GRANT SELECT ON isolation_view_of_superuser TO isolation_app;
SET ROLE isolation_app;
SELECT name, pg_temp.seen(name, 'SELECT * FROM isolation_view') AS view,
	pg_temp.seen(name, 'SELECT * FROM isolation_view_of_superuser') AS of_superuser
  FROM unnest('{nobody,public,a test,b live,temporary}'::text[]) name;
SELECT s.what, pg_temp.outcome('nobody', f) AS nobody, pg_temp.outcome('a test', f) AS a_test,
	pg_temp.outcome('b live', f) AS b_live
  FROM isolation_statements s, format(s.statement, 'isolation_view') f
 WHERE s.what IN ('update', 'update to mode', 'update to workspace', 'delete', 'upsert 1', 'insert for mode')
 ORDER BY s.number;

-- A function that tells what it is given is given nothing else.
CREATE FUNCTION pg_temp.tell(body text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
	AS $$ BEGIN RAISE NOTICE '%', body; RETURN true; END $$;
\set VERBOSITY terse
BEGIN;
SELECT pg_temp.take('a test');
SELECT count(*) FROM isolation_plain WHERE pg_temp.tell(body);
COMMIT;
SELECT count(*) FROM isolation_plain WHERE pg_temp.tell(body);
\set VERBOSITY sqlstate

-- A trigger moves no row.
SET ROLE isolation_owner;
CREATE FUNCTION pg_temp.move() RETURNS trigger LANGUAGE plpgsql
	AS $$ BEGIN NEW.mode = pg_temp.other_mode(); RETURN NEW; END $$;
CREATE TRIGGER move BEFORE INSERT OR UPDATE ON isolation_plain FOR EACH ROW WHEN (NEW.body = 'move')
	EXECUTE FUNCTION pg_temp.move();
SET ROLE isolation_app;
SELECT pg_temp.outcome('a test', 'INSERT INTO isolation_plain (id, body) VALUES (10, ''stay'')') AS stay,
       pg_temp.outcome('a test', 'INSERT INTO isolation_plain (id, body) VALUES (10, ''move'')') AS inserted,
       pg_temp.outcome('a test', 'UPDATE isolation_plain SET body = ''move''') AS updated;
SET ROLE isolation_owner;
DROP TRIGGER move ON isolation_plain;

--
-- One statement has one identity: its workspace is never mixed with another one's mode, kind or objects.
--
SET ROLE isolation_app;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_bitmapscan = off;
CREATE FUNCTION pg_temp.mixed(first text, second text, other_row integer, target text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.seen(first, format(
		'SELECT t.* FROM (SELECT n, CASE n WHEN 2 THEN pg_temp.take(%L) END FROM generate_series(1, 9) n OFFSET 0) o,'
		' LATERAL (SELECT * FROM %s WHERE id = CASE o.n WHEN 1 THEN %s ELSE o.n END OFFSET 0) t', second,
			target, other_row))
$$;
-- With a's test key and a live key of b's no live row of a's is found, and so on.
SELECT pg_temp.mixed('a test', 'b live', 7, 'isolation_plain') ~ 'a live' IS TRUE AS live_by_test_key,
       pg_temp.mixed('b live', 'a test', 1, 'isolation_plain') ~ 'b test' IS TRUE AS test_by_live_key,
       pg_temp.mixed('temporary live', 'b live', 7, 'isolation_objects') ~ 'a live 4' IS TRUE AS other_object,
       pg_temp.mixed('writer', 'a live', 7, 'isolation_limited') ~ 'a test' IS TRUE AS without_permission;
CREATE FUNCTION pg_temp.mixed_delete() RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.outcome('a test',
		'DELETE FROM isolation_plain t USING (SELECT n, CASE n WHEN 2 THEN pg_temp.take(''b live'') END '
		'FROM generate_series(1, 4) n OFFSET 0) o'
		' WHERE t.id = CASE o.n WHEN 1 THEN 7 WHEN 2 THEN 3 ELSE o.n END AND t.mode = ''live''')
$$;
SELECT pg_temp.mixed_delete() AS deleted;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_bitmapscan;

--
-- Plans: by an index on the workspace column; made once, right for whoever comes
--
SET ROLE isolation_owner;
CREATE TABLE isolation_many (id integer PRIMARY KEY, workspace_id text NOT NULL, mode falukeys.key_mode NOT NULL,
	object_id text, body text);
INSERT INTO isolation_many SELECT n, CASE WHEN n % 1000 = 0 THEN :'a' ELSE 'wksp_' || n % 1000 END,
	CASE n % 2000 WHEN 0 THEN 'test' ELSE 'live' END::falukeys.key_mode,
	'object_' || n % 7, 'many ' || n FROM generate_series(1, 20000) n;
CREATE INDEX isolation_many_by_workspace ON isolation_many (workspace_id);
ANALYZE isolation_many;
GRANT SELECT, UPDATE, DELETE ON isolation_many TO isolation_app;
SELECT falukeys.isolate_table('isolation_many', read_permission => 'isolation.read', object_column => 'object_id');
SET ROLE isolation_app;
-- The index condition of a plan; what stands for a parameter differs between versions.
CREATE FUNCTION pg_temp.conditions(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		line := regexp_replace(line, '\$\d+|\(InitPlan \d+\)\.col\d+', '?', 'g');
		IF line ~ 'Index Cond|Seq Scan|Index.* using|Index Scan on' THEN
			RETURN NEXT trim(line, ' ->');
		END IF;
	END LOOP;
END $$;
SELECT pg_temp.conditions('SELECT * FROM isolation_many');
SELECT pg_temp.conditions('SELECT * FROM isolation_many WHERE body LIKE ''%9''');
SELECT pg_temp.conditions('UPDATE isolation_many SET body = ''changed''');
SELECT pg_temp.conditions('DELETE FROM isolation_many');
SET plan_cache_mode = force_generic_plan;
PREPARE isolation_count AS SELECT count(*) FROM isolation_many;
EXECUTE isolation_count;
BEGIN;
SELECT pg_temp.take('a test');
EXECUTE isolation_count;
SELECT pg_temp.take('a live');
EXECUTE isolation_count;
SELECT pg_temp.take('b live');
EXECUTE isolation_count;
SAVEPOINT s;
SELECT pg_temp.take('temporary');
EXECUTE isolation_count;
ROLLBACK TO s;
SELECT pg_temp.take('a test');
SELECT falukeys.deauthenticate();
EXECUTE isolation_count;
COMMIT;
EXECUTE isolation_count;
RESET plan_cache_mode;
-- In parallel, or as if
SELECT count(set_config(name, 'on', false)) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
BEGIN;
SELECT pg_temp.take('a test');
SELECT count(*) FROM isolation_many;
SELECT pg_temp.take('a live');
SELECT count(*) FROM isolation_many WHERE length(body) > 0;
COMMIT;
SELECT count(*) FROM isolation_many;
SELECT count(set_config(name, 'off', false)) FROM pg_settings
	WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET enable_indexscan;
RESET enable_bitmapscan;

--
-- Beside policies that the table has, and others that it gets
--
SET ROLE isolation_owner;
SELECT pg_temp.filled('isolation_policed'), pg_temp.filled('isolation_dormant'), pg_temp.filled('isolation_closed');
CREATE POLICY own_all ON isolation_policed USING (true) WITH CHECK (true);
CREATE POLICY own_odd ON isolation_policed AS RESTRICTIVE USING (id % 2 = 1);
ALTER TABLE isolation_policed ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_all ON isolation_dormant USING (true) WITH CHECK (true);
CREATE POLICY own_read ON isolation_closed FOR SELECT USING (true);
ALTER TABLE isolation_closed ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT falukeys.isolate_table('isolation_policed'), falukeys.isolate_table('isolation_dormant'),
	falukeys.isolate_table('isolation_closed');
CREATE POLICY own_later ON isolation_policed TO isolation_app USING (true) WITH CHECK (true);
CREATE POLICY own_later ON isolation_dormant FOR UPDATE TO isolation_app USING (true) WITH CHECK (true);
SET ROLE isolation_app;
SELECT name, pg_temp.seen(name, 'SELECT * FROM isolation_policed') AS policed,
	pg_temp.seen(name, 'SELECT * FROM isolation_dormant') AS dormant,
       pg_temp.seen(name, 'SELECT * FROM isolation_closed') AS closed
  FROM unnest('{nobody,public,a test,a live,b live,temporary}'::text[]) name;
SELECT t, s.what, pg_temp.outcome('nobody', f) AS nobody, pg_temp.outcome('a test', f) AS a_test,
	pg_temp.outcome('b live', f) AS b_live
  FROM unnest('{isolation_policed,isolation_dormant,isolation_closed}'::text[]) t, isolation_statements s,
      format(s.statement, t) f
 WHERE s.what IN ('update', 'update to mode', 'update to workspace', 'delete', 'upsert 1', 'insert', 'insert for mode',
     'insert for workspace')
 ORDER BY t, s.number;

--
-- Other shapes of tables: mode as text, names that need quotes, partitions
--
SET ROLE isolation_owner;
SELECT pg_temp.filled('isolation_text', 'text');
SELECT falukeys.isolate_table('isolation_text', read_permission => 'x'') OR true --', write_permission => 'isolation');
SELECT falukeys.isolate_table('isolation_text', read_permission => 'isolation_other', write_permission => 'isolation');
CREATE TABLE "Isolation ""odd"" table" ("Select" text DEFAULT 'nobody''s', "The Mode" text,
	"Object"" " text, body text);
INSERT INTO "Isolation ""odd"" table" SELECT workspace_id, mode, object_id, body FROM isolation_rows;
GRANT ALL ON "Isolation ""odd"" table" TO isolation_app;
REVOKE TRUNCATE ON "Isolation ""odd"" table" FROM isolation_app;
SELECT falukeys.isolate_table('"Isolation ""odd"" table"', 'Select', 'The Mode', object_column => 'Object" ');
CREATE TABLE isolation_parts (workspace_id text, mode falukeys.key_mode, body text) PARTITION BY LIST (mode);
CREATE TABLE isolation_parts_test PARTITION OF isolation_parts FOR VALUES IN ('test');
CREATE TABLE isolation_parts_live PARTITION OF isolation_parts FOR VALUES IN ('live');
INSERT INTO isolation_parts SELECT workspace_id, mode, body FROM isolation_rows;
GRANT SELECT, INSERT, UPDATE ON isolation_parts TO isolation_app;
SELECT falukeys.isolate_table('isolation_parts');
SET ROLE isolation_app;
SELECT name, pg_temp.seen(name, 'SELECT * FROM isolation_text') AS text,
	pg_temp.seen(name, 'SELECT * FROM "Isolation ""odd"" table"') AS odd,
       pg_temp.seen(name, 'SELECT * FROM isolation_parts') AS parts
  FROM unnest('{nobody,public,a test,b live,reader,temporary}'::text[]) name;
SELECT s.what, pg_temp.outcome('nobody', f) AS nobody, pg_temp.outcome('a test', f) AS a_test,
	pg_temp.outcome('b live', f) AS b_live, pg_temp.outcome('reader', f) AS reader, pg_temp.outcome('both', f) AS "both"
  FROM isolation_statements s, format(replace(s.statement, 'pg_temp.other_mode()', 'pg_temp.other_mode()::text'),
      'isolation_text') f
 WHERE s.what IN ('insert', 'insert for mode', 'insert for workspace', 'update', 'update to mode', 'delete')
 ORDER BY s.number;
BEGIN;
SELECT pg_temp.take('a live');
INSERT INTO isolation_text (id) VALUES (10) RETURNING workspace_id = :'a' AS workspace, mode;
INSERT INTO "Isolation ""odd"" table" (body) VALUES ('new') RETURNING "Select" = :'a' AS workspace, "The Mode";
INSERT INTO isolation_parts (body) VALUES ('new') RETURNING workspace_id = :'a' AS workspace, mode;
UPDATE isolation_parts SET mode = 'test' WHERE body = 'new';
ROLLBACK;

--
-- What is refused, and of what is warned
--
SET ROLE isolation_owner;
CREATE TABLE isolation_refused (workspace_id text, mode falukeys.key_mode, number integer,
	made text GENERATED ALWAYS AS ('x') STORED);
CREATE VIEW isolation_refused_view AS SELECT * FROM isolation_refused;
GRANT ALL ON isolation_refused TO isolation_someone;
REVOKE TRUNCATE ON isolation_refused FROM isolation_someone;
SELECT falukeys.isolate_table(NULL);
SELECT falukeys.isolate_table(1);
SELECT falukeys.isolate_table('isolation_refused_view');
SELECT falukeys.isolate_table('isolation_refused', NULL);
SELECT falukeys.isolate_table('isolation_refused', mode_column => NULL);
SELECT falukeys.isolate_table('isolation_refused', 'missing');
SELECT falukeys.isolate_table('isolation_refused', mode_column => 'missing');
SELECT falukeys.isolate_table('isolation_refused', object_column => 'missing');
SELECT falukeys.isolate_table('isolation_refused', 'number');
SELECT falukeys.isolate_table('isolation_refused', 'mode');
SELECT falukeys.isolate_table('isolation_refused', 'made');
SELECT falukeys.isolate_table('isolation_refused', 'ctid');
SELECT falukeys.isolate_table('isolation_refused', mode_column => 'number');
SELECT falukeys.isolate_table('isolation_refused', object_column => 'number');
SELECT falukeys.release_table('isolation_refused');
SELECT falukeys.release_table(NULL);
SET ROLE isolation_someone;
SELECT falukeys.isolate_table('isolation_refused');
SELECT falukeys.isolate_table('falukeys.keys');
SELECT falukeys.isolate_table('pg_class');
SELECT falukeys.release_table('isolation_text');
RESET ROLE;
SELECT falukeys.isolate_table('falukeys.workspaces', 'id', 'name');
SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies,
       (SELECT count(*) FROM pg_attrdef WHERE adrelid = c.oid) AS defaults FROM pg_class c
           WHERE relname = 'isolation_refused';
-- not so a superuser and who has the owner's privileges; not twice
GRANT isolation_owner TO isolation_someone;
SET ROLE isolation_someone;
SELECT falukeys.isolate_table('isolation_refused');
SELECT falukeys.isolate_table('isolation_refused');
SELECT falukeys.release_table('isolation_refused');
RESET ROLE;
REVOKE isolation_owner FROM isolation_someone;
SELECT falukeys.isolate_table('isolation_refused');
SELECT falukeys.release_table('isolation_refused');
SELECT falukeys.release_table('isolation_refused');
SET ROLE isolation_owner;
\set VERBOSITY terse
GRANT TRUNCATE ON isolation_refused TO isolation_owner;
SELECT falukeys.isolate_table('isolation_refused'), falukeys.release_table('isolation_refused');
GRANT TRUNCATE ON isolation_refused TO isolation_app;
SELECT falukeys.isolate_table('isolation_refused'), falukeys.release_table('isolation_refused');
REVOKE TRUNCATE ON isolation_refused FROM isolation_app;
GRANT TRUNCATE ON isolation_refused TO PUBLIC;
SELECT falukeys.isolate_table('isolation_refused'), falukeys.release_table('isolation_refused');
\set VERBOSITY sqlstate

--
-- release_table restores what was
--
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.state(target regclass) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity,
		(SELECT jsonb_object_agg(a.attname, pg_get_expr(d.adbin, d.adrelid)) FROM pg_attribute a
			LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		  WHERE a.attrelid = c.oid AND a.attnum > 0),
		(SELECT jsonb_agg(to_jsonb(p) - 'oid' ORDER BY polname) FROM pg_policy p WHERE polrelid = c.oid), c.relacl)
	  FROM pg_class c WHERE c.oid = target
$$;
CREATE SEQUENCE isolation_sequence;
CREATE TABLE isolation_plain_table (workspace_id text, mode falukeys.key_mode, body text);
CREATE TABLE isolation_defaults (workspace_id text DEFAULT 'wksp_' || nextval('isolation_sequence'),
	mode text DEFAULT E'it''s \\ "quoted"', body text DEFAULT 'body');
CREATE TABLE isolation_secured (workspace_id text DEFAULT CURRENT_USER,
	mode falukeys.key_mode DEFAULT 'test', body text);
ALTER TABLE isolation_secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON isolation_secured FOR SELECT TO isolation_app USING (body = 'x');
CREATE TABLE isolation_forced (LIKE isolation_secured INCLUDING DEFAULTS);
ALTER TABLE isolation_forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE isolation_half (workspace_id text, mode text NOT NULL);
ALTER TABLE isolation_half FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON isolation_half AS RESTRICTIVE USING (mode = 'x') WITH CHECK (mode = 'y');
CREATE TABLE isolation_states AS SELECT t, pg_temp.state(t::regclass) AS before
  FROM unnest('{isolation_plain_table,isolation_defaults,isolation_secured,isolation_forced,isolation_half}'::text[]) t;
SELECT count(*) AS isolated FROM isolation_states, falukeys.isolate_table(t::regclass);
SELECT t, before = pg_temp.state(t::regclass) AS same,
	(SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = t::regclass) AS forced
	FROM isolation_states;
SELECT count(*) AS released FROM isolation_states, falukeys.release_table(t::regclass);
SELECT t, before = pg_temp.state(t::regclass) AS same FROM isolation_states;
-- again and again, and undone by ROLLBACK
SELECT count(*) AS isolated FROM isolation_states, falukeys.isolate_table(t::regclass);
SELECT count(*) AS released FROM isolation_states, falukeys.release_table(t::regclass);
BEGIN;
SELECT falukeys.isolate_table('isolation_defaults');
ROLLBACK;
SELECT t, before = pg_temp.state(t::regclass) AS same FROM isolation_states;
INSERT INTO isolation_defaults DEFAULT VALUES RETURNING *;
-- Rows are seen as before, too.
SELECT falukeys.release_table('isolation_dormant'), falukeys.release_table('isolation_policed');
SET ROLE isolation_app;
SELECT pg_temp.seen('nobody', 'SELECT * FROM isolation_dormant') AS dormant,
	pg_temp.seen('nobody', 'SELECT * FROM isolation_policed') AS policed;

--
-- Nothing that the owner can write becomes a statement or a setting of who releases the table.
--
RESET ROLE;
DROP TABLE isolation_states;
SET ROLE isolation_owner;
CREATE TABLE isolation_hostile (workspace_id text DEFAULT E'back\\slash '' ; quote' || ('2020-02-01'::date + 1),
	mode text DEFAULT ('{a,NULL}'::text[])[2] = NULL, body text);
CREATE TABLE isolation_states AS SELECT 'isolation_hostile' AS t, pg_temp.state('isolation_hostile') AS before;
SET standard_conforming_strings = off;
SET datestyle = 'German';
SET transform_null_equals = on;
SELECT falukeys.isolate_table('isolation_hostile');
RESET standard_conforming_strings;
RESET datestyle;
RESET transform_null_equals;
COMMENT ON POLICY falukeys_isolation_read ON isolation_hostile IS
	'{"workspace_column": "workspace_id", "workspace_default": "1; SET SESSION AUTHORIZATION DEFAULT; '
		'CREATE TABLE isolation_captured AS SELECT session_user; SET search_path = isolation", "mode_column": "mode", '
		'"mode_default": "1; SET work_mem = 1234", "row_security": "true", "forced": "true"}';
RESET ROLE;
BEGIN;
SELECT falukeys.release_table('isolation_hostile');
SELECT to_regclass('isolation_captured') AS captured, current_setting('work_mem') <> '1234kB' AS kept,
	current_setting('search_path') AS search_path, current_user = session_user AS same;
SELECT t, before = pg_temp.state(t::regclass) AS same FROM isolation_states;
COMMIT;
-- nor what is set while acting as the owner
CREATE FUNCTION isolation_setting() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('falukeys.acting_for', 'left behind', true), set_config('search_path', 'left_behind', true);
END $$;
CREATE EVENT TRIGGER isolation_setting ON ddl_command_end EXECUTE FUNCTION isolation_setting();
BEGIN;
SELECT falukeys.isolate_table('isolation_hostile');
SELECT current_setting('falukeys.acting_for') AS acting_for, current_setting('search_path') AS search_path;
SELECT falukeys.release_table('isolation_hostile');
SELECT current_setting('falukeys.acting_for') AS acting_for, current_setting('search_path') AS search_path;
COMMIT;
DROP EVENT TRIGGER isolation_setting;
DROP FUNCTION isolation_setting();
-- What was before is nobody's to write, and is one expression even if it were.
SET ROLE isolation_owner;
SELECT falukeys.isolate_table('isolation_hostile');
UPDATE falukeys.isolated_tables SET mode_default = 'true';
RESET ROLE;
GRANT pg_write_all_data, pg_read_all_data TO isolation_someone;
SET ROLE isolation_someone;
UPDATE falukeys.isolated_tables SET mode_default = 'true' WHERE target = 'isolation_hostile'::regclass;
TRUNCATE falukeys.isolated_tables;
RESET ROLE;
TRUNCATE falukeys.isolated_tables;
REVOKE pg_write_all_data, pg_read_all_data FROM isolation_someone;
CREATE FUNCTION pg_temp.released_with(expression text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE falukeys.isolated_tables SET workspace_default = expression WHERE target = 'isolation_hostile'::regclass;
	PERFORM falukeys.release_table('isolation_hostile');
	RAISE SQLSTATE 'DONE0';
EXCEPTION
	WHEN SQLSTATE 'DONE0' THEN RETURN 'released';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT expression, pg_temp.released_with(expression)
  FROM unnest(ARRAY['upper(''x'')', '''x''; CREATE TABLE isolation_captured ()',
      '''x'', ALTER COLUMN body SET DEFAULT 1', '''x'', ''y''', '''x'' AS y', '''x'' FROM pg_class',
	'(SELECT ''x'')', 'body', '*', '''x'' UNION SELECT ''y''', '''x'' LIMIT 1', '', 'isolation_missing()']) expression;
SELECT falukeys.release_table('isolation_hostile');
SELECT t, before = pg_temp.state(t::regclass) AS same FROM isolation_states;

--
-- What happens to a table while it is isolated
--
SET ROLE isolation_owner;
CREATE TABLE isolation_moved (dropped integer, workspace_id text DEFAULT 'a workspace',
	mode text DEFAULT 'a mode', body text);
ALTER TABLE isolation_moved DROP COLUMN dropped;
SELECT falukeys.isolate_table('isolation_moved');
ALTER TABLE isolation_moved RENAME COLUMN workspace_id TO swapped;
ALTER TABLE isolation_moved RENAME COLUMN mode TO workspace_id;
ALTER TABLE isolation_moved RENAME COLUMN swapped TO mode;
ALTER TABLE isolation_moved RENAME TO "Isolation; moved";
CREATE TABLE isolation_moved (workspace_id text, mode text);
SELECT falukeys.release_table('isolation_moved');
SELECT falukeys.release_table('"Isolation; moved"');
INSERT INTO "Isolation; moved" DEFAULT VALUES RETURNING mode, workspace_id;
-- Flags are restored in both directions.
ALTER TABLE isolation_moved FORCE ROW LEVEL SECURITY;
SELECT falukeys.isolate_table('isolation_moved');
ALTER TABLE isolation_moved NO FORCE ROW LEVEL SECURITY;
SELECT falukeys.release_table('isolation_moved');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname = 'isolation_moved';
-- Where its policies were changed or dropped, what is still known is restored.
\set VERBOSITY terse
SELECT falukeys.isolate_table('isolation_moved');
ALTER POLICY falukeys_isolation_read ON isolation_moved USING (true);
SELECT falukeys.release_table('isolation_moved');
SELECT falukeys.isolate_table('isolation_moved');
ALTER TABLE isolation_moved DROP COLUMN mode CASCADE;
SELECT falukeys.release_table('isolation_moved');
SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies
	FROM pg_class c WHERE relname = 'isolation_moved';
\set VERBOSITY sqlstate
-- Policies of its own by these names are in the way, and are not dropped.
ALTER TABLE isolation_moved ADD COLUMN mode text;
CREATE POLICY falukeys_isolation ON isolation_moved USING (true);
ALTER TABLE isolation_moved ENABLE ROW LEVEL SECURITY;
SELECT falukeys.isolate_table('isolation_moved');
SELECT falukeys.release_table('isolation_moved');
SELECT count(*) AS policies FROM pg_policy WHERE polrelid = 'isolation_moved'::regclass;
-- Its partitions keep their defaults.
CREATE TABLE isolation_parent (workspace_id text DEFAULT 'parent', mode text DEFAULT 'parent') PARTITION BY LIST (mode);
CREATE TABLE isolation_child PARTITION OF isolation_parent (workspace_id DEFAULT 'child', mode DEFAULT 'parent') FOR
	VALUES IN ('parent');
SELECT falukeys.isolate_table('isolation_parent');
SELECT falukeys.release_table('isolation_parent');
INSERT INTO isolation_child DEFAULT VALUES RETURNING *;
INSERT INTO isolation_parent DEFAULT VALUES RETURNING *;
-- A table that is gone is forgotten when another one is isolated.
CREATE TEMPORARY TABLE isolation_temporary (workspace_id text, mode text);
SELECT falukeys.isolate_table('isolation_temporary');
DROP TABLE isolation_temporary, isolation_child, isolation_parent;
SELECT falukeys.isolate_table('"Isolation; moved"', 'mode', 'workspace_id');
RESET ROLE;
SELECT count(*) AS gone FROM falukeys.isolated_tables i
	WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = i.target);
-- A table may come from a dump without what was kept of it.
DELETE FROM falukeys.isolated_tables WHERE target = '"Isolation; moved"'::regclass;
\set VERBOSITY default
SELECT falukeys.release_table('"Isolation; moved"');
SELECT falukeys.isolate_table('"Isolation; moved"', 'mode', 'workspace_id');

--
-- Foreign keys act past row security: of those that can cross workspaces is warned.
--
SET ROLE isolation_owner;
CREATE TABLE isolation_orders (id integer PRIMARY KEY, workspace_id text, mode text, UNIQUE (workspace_id, mode, id));
CREATE TABLE isolation_items (item_id integer PRIMARY KEY,
	order_id integer CONSTRAINT items_crossing REFERENCES isolation_orders ON DELETE CASCADE, workspace_id text,
	mode text, parent integer CONSTRAINT items_self REFERENCES isolation_items ON DELETE SET NULL,
	CONSTRAINT items_within FOREIGN KEY (workspace_id, mode, order_id) REFERENCES isolation_orders (workspace_id, mode,
		id) ON DELETE CASCADE ON UPDATE CASCADE,
	CONSTRAINT items_harmless FOREIGN KEY (order_id) REFERENCES isolation_orders);
SELECT falukeys.isolate_table('isolation_orders');
\set VERBOSITY terse
SELECT falukeys.isolate_table('isolation_items');
SELECT falukeys.release_table('isolation_items');
ALTER TABLE isolation_items DROP CONSTRAINT items_crossing, DROP CONSTRAINT items_self;
SELECT falukeys.isolate_table('isolation_items');
SELECT falukeys.release_table('isolation_items'), falukeys.release_table('isolation_orders');
ALTER TABLE isolation_items ADD CONSTRAINT items_update FOREIGN KEY (order_id) REFERENCES isolation_orders ON UPDATE
	CASCADE;
CREATE TABLE isolation_parent (order_id integer REFERENCES isolation_orders ON DELETE
	SET DEFAULT, workspace_id text, mode text) PARTITION BY LIST (mode);
CREATE TABLE isolation_child PARTITION OF isolation_parent DEFAULT;
SELECT falukeys.isolate_table('isolation_parent');
SELECT falukeys.isolate_table('isolation_child');
SELECT falukeys.isolate_table('isolation_orders');
SELECT falukeys.release_table('isolation_orders'), falukeys.release_table('isolation_parent'),
	falukeys.release_table('isolation_child');
DROP TABLE isolation_hostile, isolation_moved, "Isolation; moved", isolation_items, isolation_parent, isolation_orders;
\set VERBOSITY sqlstate

-- What takes the policies that restrict takes the one that permits, so nothing opens.
CREATE TABLE isolation_cascade (id integer, workspace_id text, mode text);
SELECT falukeys.isolate_table('isolation_cascade');
SELECT polname, count(*) FILTER (WHERE refclassid = 'pg_proc'::regclass) > 0 AS ours,
	count(DISTINCT refobjsubid) FILTER (WHERE refobjsubid > 0 AND refobjid = polrelid) AS columns
FROM pg_policy JOIN pg_depend ON classid = 'pg_policy'::regclass AND objid = pg_policy.oid
WHERE polrelid = 'isolation_cascade'::regclass GROUP BY polname ORDER BY polname;
ALTER TABLE isolation_cascade DROP COLUMN mode CASCADE;
SELECT polname FROM pg_policy WHERE polrelid = 'isolation_cascade'::regclass;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'isolation_cascade'::regclass;
DROP TABLE isolation_cascade;

RESET ROLE;
DROP VIEW isolation_view, isolation_view_of_superuser;
DROP TABLE isolation_owned, isolation_plain, isolation_limited, isolation_objects, isolation_many;
DROP TABLE isolation_keys, isolation_rows, isolation_statements;
DROP TABLE isolation_states, isolation_plain_table, isolation_defaults, isolation_secured,
	isolation_forced, isolation_half;
DROP TABLE isolation_policed, isolation_dormant, isolation_closed, isolation_text, isolation_parts,
	"Isolation ""odd"" table", isolation_refused CASCADE;
DROP SEQUENCE isolation_sequence;
DROP OWNED BY isolation_owner, isolation_app, isolation_someone;
DROP ROLE isolation_owner, isolation_app, isolation_someone;
