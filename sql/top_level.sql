--
-- A WARNING where the identity ends with the statement that authenticated it
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
CREATE SCHEMA top_level;
SELECT falukeys.create_workspace('Top level') AS workspace \gset
SELECT key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT set_config('top_level.key', :'key', false) IS NULL AS nothing;

-- Outside a transaction block there is one,
SELECT code FROM falukeys.authenticate(:'key');
\set VERBOSITY terse
SELECT code FROM falukeys.try_authenticate(:'key');
SELECT code FROM falukeys.assume_key(:'key');
SELECT (falukeys.authenticate(key => :'key')).code;
SELECT (SELECT valid FROM falukeys.authenticate(:'key')) AS valid;
SELECT code FROM "falukeys"."authenticate"(:'key');
SET search_path = falukeys, public;
SELECT code FROM authenticate(:'key');
RESET search_path;
-- in one statement with what uses the identity, too: nothing says which of them comes first.
WITH a AS MATERIALIZED (SELECT valid FROM falukeys.authenticate(:'key')) SELECT valid, falukeys.current_key_kind()
	FROM a;
SELECT code FROM (SELECT :'key' AS key FROM generate_series(1, 3)) AS k, LATERAL falukeys.authenticate(key);

-- So it is where the statement changes something, or was prepared.
CREATE TABLE top_level.log (code text, kind falukeys.key_kind);
INSERT INTO top_level.log SELECT code, falukeys.current_key_kind() FROM falukeys.authenticate(:'key');
INSERT INTO top_level.log VALUES ('none') RETURNING (falukeys.authenticate(:'key')).code;
WITH a AS MATERIALIZED (SELECT code FROM falukeys.authenticate(:'key')) INSERT INTO top_level.log SELECT code FROM a;
UPDATE top_level.log SET code = a.code FROM falukeys.authenticate(:'key') AS a WHERE log.code = 'none';
DELETE FROM top_level.log USING falukeys.try_authenticate(:'key') AS a WHERE log.code = a.code;
CREATE TABLE top_level.made AS SELECT code FROM falukeys.authenticate(:'key');
PREPARE verified (text) AS SELECT code FROM falukeys.authenticate($1);
EXECUTE verified (:'key');
BEGIN;
EXECUTE verified (:'key');
COMMIT;

-- but none without an identity,
SELECT code FROM falukeys.try_authenticate('fskt_toplevelabcdefghijklmno');
SELECT code FROM falukeys.authenticate('fskt_toplevelabcdefghijklmno');
SELECT code, falukeys.deauthenticate() FROM falukeys.authenticate(:'key');
-- in a block, also one of several statements that are sent at once,
BEGIN;
SELECT code FROM falukeys.authenticate(:'key');
COMMIT;
SELECT code FROM falukeys.authenticate(:'key') \; SELECT falukeys.current_key_kind();
SELECT falukeys.current_key_kind() \; SELECT code FROM falukeys.authenticate(:'key');
-- nor where a function goes on to use the identity, in whatever language and however it calls.
CREATE FUNCTION top_level.inlined(key text) RETURNS text LANGUAGE sql AS $$
	SELECT (falukeys.authenticate(key)).code || ' ' || falukeys.current_key_kind() $$;
CREATE FUNCTION top_level.atomic(key text) RETURNS text BEGIN ATOMIC
	SELECT (falukeys.authenticate(key)).code || ' ' || falukeys.current_key_kind(); END;
CREATE FUNCTION top_level.several(key text) RETURNS text LANGUAGE sql AS $$
	SELECT code FROM falukeys.authenticate(key);
	SELECT falukeys.current_key_kind()::text $$;
CREATE FUNCTION top_level.expression(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE verdict falukeys.verdict := falukeys.try_authenticate(key);
BEGIN
	PERFORM falukeys.authenticate(key);
	RETURN falukeys.current_key_kind();
END $$;
CREATE FUNCTION top_level.query(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM code FROM falukeys.authenticate(key);
	RETURN falukeys.current_key_kind();
END $$;
CREATE FUNCTION top_level.dynamic(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE 'SELECT code FROM falukeys.authenticate($1)' USING key;
	RETURN falukeys.current_key_kind();
END $$;
CREATE FUNCTION top_level.loop(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE verdict record;
BEGIN
	FOR verdict IN SELECT code FROM falukeys.authenticate(key) LOOP
		RETURN falukeys.current_key_kind();
	END LOOP;
END $$;
CREATE FUNCTION top_level.cursor(key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	cursor refcursor;
	verdict record;
BEGIN
	OPEN cursor FOR SELECT code FROM falukeys.authenticate(key);
	FETCH cursor INTO verdict;
	CLOSE cursor;
	RETURN falukeys.current_key_kind();
END $$;
CREATE FUNCTION top_level.rows(key text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT code FROM falukeys.authenticate(key);
	RETURN NEXT falukeys.current_key_kind();
END $$;
CREATE FUNCTION top_level.block(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM code FROM falukeys.authenticate(key);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END;
	RETURN falukeys.current_key_kind();
END $$;
SELECT top_level.inlined(:'key'), top_level.atomic(:'key'), top_level.several(:'key'), top_level.expression(:'key'),
	top_level.query(:'key'), top_level.dynamic(:'key'),
	top_level.loop(:'key'), top_level.cursor(:'key'), top_level.block(:'key');
SELECT top_level.inlined(:'key');
SELECT * FROM top_level.inlined(:'key');
SELECT top_level.rows(:'key');
SELECT * FROM top_level.rows(:'key');
CREATE VIEW top_level.view AS SELECT code, falukeys.current_key_kind()
	FROM falukeys.authenticate(current_setting('top_level.key'));
SELECT * FROM top_level.view;
CREATE PROCEDURE top_level.procedure(key text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM falukeys.authenticate(key);
	COMMIT;
	PERFORM code FROM falukeys.authenticate(key);
END $$;
CALL top_level.procedure(:'key');
CREATE PROCEDURE top_level.go_on(code text) LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING '% %', code, falukeys.current_key_kind();
END $$;
CALL top_level.go_on((falukeys.authenticate(:'key')).code);
CREATE FUNCTION top_level.inserts(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO top_level.log SELECT code FROM falukeys.authenticate(key);
	RETURN falukeys.current_key_kind();
END $$;
SELECT top_level.inserts(:'key');
CREATE FUNCTION top_level.inserts_in_sql(key text) RETURNS text LANGUAGE sql AS $$
	INSERT INTO top_level.log SELECT code FROM falukeys.authenticate(key);
	SELECT falukeys.current_key_kind()::text $$;
SELECT top_level.inserts_in_sql(:'key');
CREATE FUNCTION top_level.executes(key text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('EXECUTE verified (%L)', key);
	RETURN falukeys.current_key_kind();
END $$;
SELECT top_level.executes(:'key');
DO $$ BEGIN PERFORM code FROM falukeys.authenticate(current_setting('top_level.key')); END $$;
-- PostgREST has a transaction.
BEGIN;
SELECT set_config('request.headers', json_build_object('x-api-key', :'key')::text, true) IS NULL AS nothing;
SELECT falukeys.authenticate_request();
COMMIT;

-- A transaction that fails says so by itself, and the next one has forgotten it.
SELECT 1 / (code <> 'valid')::integer FROM falukeys.authenticate(:'key');
SELECT falukeys.current_key_id() IS NULL AS nobody;

DEALLOCATE verified;
DROP SCHEMA top_level CASCADE;
