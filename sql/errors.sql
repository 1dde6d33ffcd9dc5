--
-- Errors: what they leave behind is not looked at by what comes after
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
CREATE EXTENSION IF NOT EXISTS plpgsql;
RESET client_min_messages;

CREATE ROLE regress_falukeys_failing SUPERUSER;
CREATE ROLE regress_falukeys_going_on SUPERUSER;
SELECT falukeys.create_workspace('Errors') AS workspace \gset
SELECT falukeys.import_key(:'workspace', 'fskt_errorserrorserrorserrors') AS imported \gset

-- Inside one of our functions, then the end of the subtransaction
CREATE TEMP TABLE errors_isolated (workspace_id text, mode text);
SELECT falukeys.isolate_table('errors_isolated');
BEGIN;
SAVEPOINT before;
EXPLAIN (ANALYZE, COSTS off) SELECT falukeys.isolate_table('errors_isolated');
ROLLBACK TO before;
SAVEPOINT again;
SELECT falukeys.import_key(:'workspace', 'fskt_errorserrorserrorserrors');
ROLLBACK TO before;
SELECT falukeys.create_workspace('Errors, after savepoints') IS NOT NULL AS created;
COMMIT;

-- The same where callbacks of others, and many frames, come in between
CREATE FUNCTION pg_temp.deeply(frames integer) RETURNS integer LANGUAGE plpgsql AS
$$ BEGIN RETURN CASE WHEN frames = 0 THEN 0 ELSE 1 + pg_temp.deeply(frames - 1) END; END $$;
CREATE FUNCTION pg_temp.failing(workspace text, call text, frames integer) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
	IF frames > 0 THEN
		RETURN pg_temp.failing(workspace, call, frames - 1);
	END IF;
	EXECUTE call USING workspace;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	PERFORM pg_temp.deeply(50);
	RETURN SQLSTATE;
END
$$;
CREATE TEMP TABLE errors_remote (note text);
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'postgres_fdw') THEN
		SET LOCAL client_min_messages = warning;
		CREATE EXTENSION IF NOT EXISTS postgres_fdw;
		CREATE TABLE errors_local (note text);
		EXECUTE format('CREATE SERVER errors_server FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, '
			'dbname %L)',
			coalesce(host(inet_server_addr()), trim(split_part(current_setting('unix_socket_directories'), ',', 1))),
			current_setting('port'), current_database());
		EXECUTE format('CREATE USER MAPPING FOR PUBLIC SERVER errors_server OPTIONS (user %L)', session_user);
		DROP TABLE errors_remote;
		CREATE FOREIGN TABLE errors_remote (note text) SERVER errors_server OPTIONS (schema_name 'public',
			table_name 'errors_local');
	END IF;
END
$$;
SELECT id AS revoked FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.revoke_key(:'revoked');
CREATE TEMP TABLE errors_outcomes (outcome text);
DO $$
DECLARE
	workspace text := (SELECT id FROM falukeys.workspaces WHERE name = 'Errors');
	outcomes text[];
BEGIN
	PERFORM falukeys.create_workspace('Errors, before');
	BEGIN
		INSERT INTO errors_remote VALUES ('remote');
		PERFORM falukeys.import_key(workspace, 'fskt_errorserrorserrorserrors');
	EXCEPTION WHEN OTHERS THEN
		PERFORM pg_temp.deeply(100);
	END;
	PERFORM falukeys.create_workspace('Errors, after');
	FOR i IN 0..20 LOOP
		outcomes := outcomes || ARRAY[
			pg_temp.failing(workspace, 'SELECT falukeys.import_key($1, ''fskt_errorserrorserrorserrors'')', i),
			pg_temp.failing(workspace, 'SELECT falukeys.isolate_table(''errors_isolated'') FROM (SELECT $1) AS w', i),
			pg_temp.failing(workspace, 'SELECT falukeys.create_key($1, ''secret'', ''test'', '
				'permissions => ''{errors.unknown}'')', i),
			pg_temp.failing(workspace, 'UPDATE falukeys.workspaces SET state = ''pending'' '
				'WHERE id = $1 OR 1 / (id <> $1)::int = 0', i),
			pg_temp.failing(workspace, 'SELECT falukeys.roll_key(id) FROM falukeys.keys WHERE revoked_at IS NOT NULL '
				'AND workspace_id = $1', i)];
	END LOOP;
	PERFORM falukeys.create_workspace('Errors, after all');
	INSERT INTO errors_outcomes SELECT DISTINCT unnest(outcomes);
END
$$;
SELECT outcome FROM errors_outcomes ORDER BY outcome;
SELECT name FROM falukeys.workspaces WHERE name LIKE 'Errors, %' ORDER BY name;

-- The record names who did it, and not who failed before.
BEGIN;
SET ROLE regress_falukeys_failing;
SAVEPOINT before;
SELECT falukeys.import_key(:'workspace', 'fskt_errorserrorserrorserrors');
ROLLBACK TO before;
SET ROLE regress_falukeys_going_on;
SELECT falukeys.create_workspace('Errors, going on') AS going_on \gset
COMMIT;
RESET ROLE;
SELECT DISTINCT actor FROM falukeys.events WHERE workspace_id = :'going_on';
-- Nor does it find the error's settings.
SHOW search_path;

-- A row that was being made and was rolled back is no new one.
CREATE TEMP TABLE errors_ids (id text);
CREATE FUNCTION pg_temp.note() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'F0001', MESSAGE = NEW.id; END $$;
CREATE TRIGGER zz_note BEFORE INSERT ON falukeys.workspaces FOR EACH ROW WHEN (NEW.name = 'Errors, noted')
	EXECUTE FUNCTION pg_temp.note();
BEGIN;
DO $$
BEGIN
	BEGIN
		INSERT INTO falukeys.workspaces (name) VALUES ('Errors, noted');
	EXCEPTION WHEN SQLSTATE 'F0001' THEN
		INSERT INTO errors_ids VALUES (SQLERRM);
	END;
END
$$;
INSERT INTO falukeys.workspaces (id, name, state, created_at, created_by, state_changed_at)
	SELECT id, 'Errors, restored', 'pending', now(), 'someone', now() FROM errors_ids;
COMMIT;
SELECT (SELECT count(*) FROM falukeys.keys AS k WHERE k.workspace_id = i.id) AS keys,
	(SELECT count(*) FROM falukeys.events AS e WHERE e.workspace_id = i.id) AS events FROM errors_ids AS i;
-- The context of an error has the caller's statements and what an administrator's trigger adds, and none of ours.
CREATE FUNCTION pg_temp.context_of(call text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	context text;
BEGIN
	EXECUTE call;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RETURN SQLSTATE || E'\n' || regexp_replace(context, 'pg_temp_\d+', 'pg_temp', 'g');
END
$$;
SELECT falukeys.create_workspace('Errors, administered', 'regress_falukeys_failing') AS administered \gset
\pset format unaligned
SELECT pg_temp.context_of($$SELECT falukeys.remove_member(id, 'regress_falukeys_failing')
	FROM falukeys.workspaces WHERE name = 'Errors, administered'$$);
SELECT pg_temp.context_of($$SELECT falukeys.create_workspace('Errors, noted')$$);
ALTER TABLE falukeys.workspaces ADD CONSTRAINT odd CHECK (name <> 'Errors, odd');
SELECT pg_temp.context_of($$SELECT falukeys.create_workspace('Errors, odd')$$);
ALTER TABLE falukeys.workspaces DROP CONSTRAINT odd;
CREATE TABLE "errors
odd" (workspace_id text, mode falukeys.key_mode);
CREATE FUNCTION pg_temp.refuse_policies() RETURNS event_trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no policies'; END $$;
CREATE EVENT TRIGGER errors_policies ON ddl_command_start WHEN TAG IN ('CREATE POLICY')
	EXECUTE FUNCTION pg_temp.refuse_policies();
SELECT pg_temp.context_of(format('SELECT falukeys.isolate_table(%L)', E'"errors\nodd"'));
DROP EVENT TRIGGER errors_policies;
DROP TABLE "errors
odd";
\pset format aligned
DROP TRIGGER zz_note ON falukeys.workspaces;

-- No memory of the session's gets into the record: behind a name there are zeros.
SELECT count(falukeys.create_workspace('Errors, zeros ' || n)) AS workspaces FROM generate_series(1, 20) AS n;
CHECKPOINT;
SELECT current_setting('block_size')::integer AS block_size, min(block) AS from_block, max(block) AS to_block
FROM (SELECT (ctid::text::point)[0]::integer AS block FROM falukeys.events WHERE event = 'workspace.created'
	ORDER BY id DESC LIMIT 20) AS latest \gset
SELECT count(*) > 10 AND count(*) <= (SELECT count(*)
	FROM regexp_matches(encode(pg_read_binary_file(pg_relation_filepath('falukeys.events'), :from_block * :block_size,
		(:to_block - :from_block + 1) * :block_size), 'hex'),
		encode('workspace.created', 'hex') || '(' || rpad(encode(convert_to(session_user, 'UTF8'), 'hex'), 128, '0')
			|| '){2}', 'g')) AS all_zeros
FROM falukeys.events WHERE event = 'workspace.created' AND actor = session_user AND session_actor = session_user
	AND (ctid::text::point)[0] BETWEEN :from_block AND :to_block;

SET client_min_messages = warning;
SELECT falukeys.release_table('errors_isolated');
DROP EXTENSION IF EXISTS postgres_fdw CASCADE;
DROP TABLE IF EXISTS errors_local;
DROP ROLE regress_falukeys_failing, regress_falukeys_going_on;
SELECT count(falukeys.close_workspace(id)) AS closed FROM falukeys.workspaces WHERE name LIKE 'Errors%';
