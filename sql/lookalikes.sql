--
-- A search_path and a temporary schema full of look-alikes
--
-- Every look-alike raises an error, so that whatever calls one fails; and each is
-- in front of what it looks like.  All of falukeys is gone through, as a developer
-- who made them and as a superuser who walks into them.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY sqlstate

CREATE ROLE regress_falukeys_attacker;
SELECT falukeys.grant_access('regress_falukeys_attacker', 'verifier'),
	falukeys.grant_access('regress_falukeys_attacker', 'operator');
SELECT falukeys.define_permission('lookalikes');
SELECT falukeys.create_workspace('Look-alikes', 'regress_falukeys_attacker') AS workspace \gset

CREATE SCHEMA lookalikes;
CREATE FUNCTION lookalikes.spring() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'ZZTRP', MESSAGE = 'a look-alike was called';
END $$;

GRANT USAGE ON SCHEMA lookalikes TO PUBLIC;
SELECT oid AS attacker, (SELECT oid FROM pg_roles WHERE rolname = current_user) AS superuser FROM pg_roles
	WHERE rolname = 'regress_falukeys_attacker' \gset

-- A cast of a type of one's own, which is taken wherever such a value is given
CREATE TYPE lookalikes.bait AS (bait text);
CREATE FUNCTION lookalikes.bait_as_text(lookalikes.bait) RETURNS text LANGUAGE sql
	AS $$ SELECT pg_catalog.format('%s as %s', ($1).bait, current_user) $$;
CREATE CAST (lookalikes.bait AS text) WITH FUNCTION lookalikes.bait_as_text(lookalikes.bait) AS IMPLICIT;

-- Functions: all of falukeys, and those of pg_catalog that are called by their names
DO $$
DECLARE
	f record;
BEGIN
	FOR f IN
		SELECT proname, pg_get_function_identity_arguments(oid) AS arguments,
			CASE WHEN proretset THEN 'SETOF ' ELSE '' END || format_type(prorettype, NULL) AS result
		FROM pg_proc
		WHERE prokind = 'f' AND proargmodes IS NULL
			AND NOT EXISTS (SELECT FROM pg_type AS t
				WHERE t.oid = ANY (proargtypes::oid[] || prorettype)
				AND typname IN ('internal', 'cstring', 'trigger', 'any', 'record'))
			AND (pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
				OR (pronamespace = 'pg_catalog'::regnamespace AND proname IN (
				'unnest', 'clock_timestamp', 'now', 'rtrim', 'btrim', 'isfinite', 'pg_has_role',
				'has_function_privilege', 'nextval', 'obj_description', 'pg_get_expr', 'aclexplode',
				'to_jsonb', 'lower', 'length', 'left', 'right', 'substr', 'format', 'quote_ident', 'quote_literal',
				'pg_notify', 'texteq', 'array_append', 'array_length', 'int8', 'text')))
	LOOP
		EXECUTE format('CREATE FUNCTION lookalikes.%I(%s) RETURNS %s LANGUAGE plpgsql '
			'AS $_$ BEGIN PERFORM lookalikes.spring(); END $_$', f.proname, f.arguments, f.result);
	END LOOP;
END $$;
SELECT count(*) > 80 AS many FROM pg_proc WHERE pronamespace = 'lookalikes'::regnamespace;

-- Operators: those of falukeys, of pg_catalog for the types that our tables have,
-- and one for each enum, for which pg_catalog has but a polymorphic one
DO $$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT row_number() OVER () AS n, * FROM (
			SELECT oprname AS name, oprleft::regtype AS of_left, oprright::regtype AS of_right,
				oprresult::regtype AS result
			FROM pg_operator
			WHERE oprnamespace IN ('pg_catalog'::regnamespace, 'falukeys'::regnamespace)
				AND oprname IN ('=', '<>', '<', '<=', '>', '>=', '~', '||', '-', '+', '->>', '<<=', '>>=',
					'&&', '@>', '<@')
				AND oprleft = ANY ('{text,name,boolean,timestamptz,interval,inet,jsonb,oid,int4,int8,'
					'anyenum,anyarray,falukeys.apikey}'::regtype[])
				AND oprright = ANY ('{text,name,boolean,timestamptz,interval,inet,jsonb,oid,int4,int8,'
					'anyenum,anyarray,falukeys.apikey}'::regtype[])
			UNION ALL
			SELECT name, oid::regtype, oid::regtype, 'boolean'
			FROM pg_type, unnest('{=,<>,<,>}'::text[]) AS name
			WHERE (typnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND typtype = 'e')
				OR oid IN ('regrole'::regtype, 'regclass'::regtype, 'cidr'::regtype)) AS u
	LOOP
		EXECUTE format('CREATE FUNCTION lookalikes.%I(%s, %s) RETURNS %s LANGUAGE plpgsql '
			'AS $_$ BEGIN PERFORM lookalikes.spring(); END $_$', 'operator_' || o.n, o.of_left, o.of_right, o.result);
		EXECUTE format('CREATE OPERATOR lookalikes.%s (FUNCTION = lookalikes.%I, LEFTARG = %s, RIGHTARG = %s)', o.name,
			'operator_' || o.n, o.of_left, o.of_right);
	END LOOP;
END $$;
SELECT count(*) > 80 AS many FROM pg_operator WHERE oprnamespace = 'lookalikes'::regnamespace;

-- What is gone through.  It names all that it uses itself by schema.
CREATE TABLE lookalikes.application (id integer PRIMARY KEY, workspace_id text, mode falukeys.key_mode, owner text);
ALTER TABLE lookalikes.application OWNER TO regress_falukeys_attacker;
CREATE FUNCTION lookalikes.go_through(workspace pg_catalog.text, member regrole) RETURNS pg_catalog.text
	LANGUAGE plpgsql AS $$
DECLARE
	own pg_catalog.text;
	made_id pg_catalog.text;
	made_key pg_catalog.text;
	rolled pg_catalog.text;
	temporary pg_catalog.text;
	said pg_catalog.text;
	codes pg_catalog.text[];
BEGIN
	own := falukeys.create_workspace('Look-alikes, own', NULL);
	PERFORM falukeys.approve_workspace(own);
	PERFORM falukeys.suspend_workspace(own, 'reason');
	PERFORM falukeys.resume_workspace(own);
	PERFORM falukeys.close_workspace(own, 'reason');
	PERFORM falukeys.define_permission('lookalikes.read', 'reading');
	PERFORM falukeys.add_member(workspace, member, 'developer');
	PERFORM falukeys.add_member(workspace, member, 'administrator');
	SELECT * INTO made_id, made_key FROM falukeys.create_key(workspace, 'secret', 'test', 'description', '{lookalikes}',
		'{10.0.0.0/8}', expires_at => pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) '1 day', meta => '{}');
	SELECT pg_catalog.array_append(codes, code) INTO codes
		FROM falukeys.verify_key(made_key, 'lookalikes.read', '10.0.0.1', NULL, 'test');
	SELECT pg_catalog.array_append(codes, code) INTO codes FROM falukeys.verify_key(made_key, 'other', '10.0.0.1');
	SELECT pg_catalog.array_append(codes, code) INTO codes FROM falukeys.verify_key(made_key, NULL, '11.0.0.1');
	PERFORM falukeys.key_allows(made_key, 'lookalikes', '10.0.0.1'),
		falukeys.handle_allows(falukeys.apikey_of(made_key), 'lookalikes', '10.0.0.1');
	PERFORM falukeys.reveal_key(made_id, 'a place'), falukeys.annotate_key(made_id, 'x', 'y', '{"a": 1}'),
		falukeys.set_key_validity(made_id, NULL, pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) '2 days');
	PERFORM falukeys.restrict_key(made_id, '{lookalikes.read}', '{192.0.2.0/24}'), falukeys.clear_networks(made_id),
		falukeys.disable_key(made_id), falukeys.enable_key(made_id);
	SELECT r.key INTO rolled FROM falukeys.roll_key(made_id, '1 hour') AS r;
	SELECT pg_catalog.array_append(codes, code) INTO codes
		FROM falukeys.verify_key(made_key, 'lookalikes.read', '10.0.0.1');
	PERFORM falukeys.report_compromised_key(made_key, 'a repository'), falukeys.end_grace(made_id);
	SELECT pg_catalog.array_append(codes, code) INTO codes FROM falukeys.verify_key(made_key);
	SELECT r.key INTO temporary FROM falukeys.create_temporary_key(workspace, 'test', '{1}', '{lookalikes.read}',
		'{10.0.0.0/8}', '1 minute') AS r;
	SELECT pg_catalog.array_append(codes, code) INTO codes
		FROM falukeys.verify_key(temporary, 'lookalikes.read', '10.0.0.1', '2');
	PERFORM falukeys.import_key(workspace, pg_catalog.concat('fskt_', pg_catalog.md5(own)), 'x',
		'{lookalikes}', '{10.0.0.0/8}');
	PERFORM falukeys.import_key_digest(workspace,
		falukeys.apikey_of(pg_catalog.concat('fskt_', pg_catalog.md5(made_id))));
	PERFORM falukeys.isolate_table('lookalikes.application', 'workspace_id', 'mode', 'lookalikes.read',
		'lookalikes.read', 'owner');
	PERFORM falukeys.authenticate(rolled);
	PERFORM falukeys.current_key_id(), falukeys.current_key_allows('lookalikes'), falukeys.current_mode_settings(),
		falukeys.require_permission('lookalikes.read');
	INSERT INTO lookalikes.application (id, owner) VALUES (1, 'ann');
	SELECT pg_catalog.array_append(codes, id::pg_catalog.text) INTO codes FROM lookalikes.application
		WHERE owner OPERATOR(pg_catalog.=) 'ann';
	UPDATE lookalikes.application SET owner = 'ben';
	DELETE FROM lookalikes.application;
	PERFORM falukeys.deauthenticate();
	PERFORM falukeys.release_table('lookalikes.application');
	PERFORM falukeys.report_compromised_key(temporary), falukeys.purge_keys('0'),
		falukeys.revoke_key(made_id, 'reason'), falukeys.wait_for_key(made_id);
	PERFORM FROM falukeys_internal.visible_workspaces;
	PERFORM FROM falukeys.event_log;
	SELECT pg_catalog.array_append(codes, d.state) INTO codes FROM falukeys.dashboard AS d
	WHERE d.key_id OPERATOR(pg_catalog.=) made_id
		AND d.key OPERATOR(pg_catalog.=) falukeys.redacted(falukeys.apikey_of(rolled));
	PERFORM falukeys.remove_member(workspace, member);
	RETURN codes::pg_catalog.text;
EXCEPTION
	WHEN SQLSTATE 'ZZTRP' THEN
		GET STACKED DIAGNOSTICS said = PG_EXCEPTION_CONTEXT;
		RETURN said;
END $$;
GRANT EXECUTE ON FUNCTION lookalikes.go_through(pg_catalog.text, regrole) TO PUBLIC;

-- Tables and types, in a schema and as temporary ones
DO $$
DECLARE
	relation name;
	type name;
BEGIN
	FOR relation IN SELECT relname FROM pg_class
		WHERE relkind IN ('r', 'v') AND (relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
		OR relname IN ('pg_roles', 'pg_policy', 'pg_attribute', 'pg_attrdef', 'pg_class', 'pg_proc', 'pg_database',
			'pg_namespace', 'pg_type'))
	LOOP
		EXECUTE format('CREATE TABLE lookalikes.%I (trap integer)', relation);
		EXECUTE format('CREATE TEMP TABLE %I (trap integer)', relation);
	END LOOP;
	FOREACH type IN ARRAY
		'{apikey,key_kind,workspace_state,workspace_role,access_level,verdict,'
		'timestamptz,jsonb,inet,cidr,regrole,name,oid,text}'::name[]
	LOOP
		EXECUTE format('CREATE DOMAIN lookalikes.%I AS boolean', type);
		EXECUTE format('CREATE DOMAIN pg_temp.%I AS boolean', type);
	END LOOP;
END $$;
-- Temporary functions and operators, which are found by a qualified name only
CREATE FUNCTION pg_temp.redacted(falukeys.apikey) RETURNS pg_catalog.text LANGUAGE plpgsql
	AS $$ BEGIN RETURN lookalikes.spring(); END $$;
CREATE FUNCTION pg_temp.clock_timestamp() RETURNS pg_catalog.timestamptz LANGUAGE plpgsql
	AS $$ BEGIN RETURN lookalikes.spring(); END $$;
CREATE FUNCTION pg_temp.equal(pg_catalog.text, pg_catalog.text) RETURNS boolean LANGUAGE plpgsql
	AS $$ BEGIN RETURN lookalikes.spring(); END $$;
CREATE OPERATOR pg_temp.= (FUNCTION = pg_temp.equal, LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text);

SET search_path = lookalikes, falukeys, pg_catalog;
-- They are live.
SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text;
SELECT 'test'::falukeys.key_mode = 'live'::falukeys.key_mode;
SELECT 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'::falukeys.apikey
	= 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys';
SELECT clock_timestamp();
SELECT trap FROM keys;
SELECT trap FROM pg_roles;
SELECT 'x'::text;
-- Nothing of falukeys calls one.
SET ROLE regress_falukeys_attacker;
SELECT lookalikes.go_through(:'workspace', :'superuser');
RESET ROLE;
SELECT lookalikes.go_through(:'workspace', :'superuser');
SET search_path = lookalikes, pg_temp, pg_catalog, falukeys;
SELECT lookalikes.go_through(:'workspace', :'superuser');
SET search_path = '';
SELECT lookalikes.go_through(:'workspace', :'superuser');
-- Settings that change how statements are read
SET search_path = lookalikes, falukeys, pg_catalog;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET transform_null_equals = on;
SET quote_all_identifiers = on;
SET array_nulls = off;
SET default_transaction_isolation = 'repeatable read';
SET check_function_bodies = off;
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET TimeZone = '+12:34';
SET bytea_output = 'escape';
SET role = regress_falukeys_attacker;
SELECT lookalikes.go_through(:'workspace', :'superuser');
RESET role;
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET transform_null_equals;
RESET quote_all_identifiers;
RESET array_nulls;
RESET default_transaction_isolation;
RESET check_function_bodies;
RESET DateStyle;
RESET IntervalStyle;
RESET TimeZone;
RESET bytea_output;

-- A cast of one's own runs as who gave the value, before the function does.
SET ROLE regress_falukeys_attacker;
SELECT falukeys.redact(ROW('x')::lookalikes.bait);
SELECT falukeys.create_workspace(ROW('Look-alikes, bait')::lookalikes.bait) OPERATOR(pg_catalog.~) '^wksp_' AS created;
RESET ROLE;
RESET search_path;
SELECT name FROM falukeys.workspaces WHERE name OPERATOR(pg_catalog.~) 'bait';

DISCARD TEMP;
SET client_min_messages = warning;
DROP SCHEMA lookalikes CASCADE;
SELECT falukeys.close_workspace(:'workspace');
DROP OWNED BY regress_falukeys_attacker;
DROP ROLE regress_falukeys_attacker;
