--
-- Every function by every kind of role
--
-- The calls are made from the catalog: a new function brings a row of its own,
-- which is expected here with what each role may, or the test fails.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
\set VERBOSITY terse

CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_delegate;
CREATE ROLE regress_falukeys_superuser SUPERUSER;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager'),
	falukeys.grant_access('regress_falukeys_delegate', 'delegate');

SELECT falukeys.create_workspace('Matrix', 'regress_falukeys_administrator') AS workspace \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_developer', 'developer'),
	falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.define_permission('matrix');

-- Each role has a table that it might isolate.
CREATE SCHEMA matrix;
GRANT USAGE, CREATE ON SCHEMA matrix TO PUBLIC;
SELECT format('CREATE TABLE matrix.%I (workspace_id text, mode text)', role) AS statement,
	format('ALTER TABLE matrix.%I OWNER TO %I', role, 'regress_falukeys_' || role) AS and_then
FROM unnest('{nobody,member,developer,administrator,verifier,operator,manager,delegate,superuser}'::text[]) AS role
\gexec

-- What an argument is given by its name, for all functions or for one
CREATE TABLE matrix.argument (name text, function text, value text, UNIQUE (name, function));
INSERT INTO matrix.argument VALUES
	('access', NULL, $$'verifier'$$),
	('apikey', NULL, quote_literal(:'key')),
	('by_object', NULL, 'false'),
	('client', NULL, 'NULL'),
	('description', 'annotate_key', $$'x'$$),
	('expires_at', NULL, 'NULL'),
	('header', NULL, $$'192.0.2.1'$$),
	('key', NULL, quote_literal(:'key')),
	('key', 'import_key', $$'fskt_matrixmatrixmatrixmatrix'$$),
	('key', 'import_key_digest', $$'fskt_matrixmatrixmatrixmatrix'$$),
	('key_id', NULL, quote_literal(:'key_id')),
	('kind', NULL, $$'secret'$$),
	('member', NULL, $$'regress_falukeys_nobody'$$),
	('member', 'remove_member', $$'regress_falukeys_member'$$),
	('mode', NULL, $$'test'$$),
	('name', NULL, $$'matrix.more'$$),
	('name', 'describe_workspace', $$'x'$$),
	('networks', 'restrict_key', $$'{10.0.0.0/8}'$$),
	('not_before', NULL, 'NULL'),
	('object', NULL, $$'a'$$),
	('objects', NULL, $$'{a}'$$),
	('older_than', NULL, $$'1 day'$$),
	('permission', NULL, $$'matrix'$$),
	('role', NULL, $$'regress_falukeys_nobody'$$),
	('role', 'add_member', $$'member'$$),
	('source', NULL, $$'x'$$),
	('target', NULL, $$'matrix.%s'$$),
	('workspace', NULL, quote_literal(:'workspace'));

-- What a superuser does first, so that nothing but privileges is in the way
CREATE TABLE matrix.preparation (function text PRIMARY KEY, statement text);
INSERT INTO matrix.preparation VALUES
	('authenticate_request', format('SELECT set_config(''request.headers'', %L, true)',
		json_build_object('x-api-key', :'key'))),
	('release_table', $$SELECT falukeys.isolate_table('matrix.%s')$$),
	('require_permission', format('SELECT falukeys.authenticate(%L)', :'key')),
	('resume_workspace', format('SELECT falukeys.suspend_workspace(%L)', :'workspace'));

-- What is called by the type, its operators and indexes, and by triggers, is left
-- to what calls it.
CREATE VIEW matrix.function AS
	SELECT p.oid, proname::text AS name,
		CASE
			WHEN prorettype = 'trigger'::regtype THEN 'trigger'
			WHEN EXISTS (SELECT FROM pg_type AS t WHERE p.oid IN (t.typinput, t.typoutput, t.typreceive, t.typsend))
				OR EXISTS (SELECT FROM pg_operator AS o WHERE o.oprcode = p.oid)
				OR EXISTS (SELECT FROM pg_amproc AS a WHERE a.amproc = p.oid) THEN 'support'
			ELSE 'call'
		END AS use
	FROM pg_proc AS p WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]);

-- Arguments that have no default, by name, and of the others those without which there is nothing to do
CREATE VIEW matrix.call AS
	SELECT f.name AS function,
		format('SELECT %I.%I(%s)', nspname, f.name, string_agg(format('%I => %s', given, a.value), ', ' ORDER BY n)
			FILTER (WHERE n <= pronargs - pronargdefaults OR a.value IS NOT NULL)) AS call,
		string_agg(coalesce(given, '?'), ', ' ORDER BY n)
			FILTER (WHERE n <= pronargs - pronargdefaults AND a.value IS NULL) AS unknown_arguments
	FROM matrix.function AS f
		JOIN pg_proc AS p USING (oid)
		JOIN pg_namespace AS s ON s.oid = pronamespace
		LEFT JOIN LATERAL generate_series(1, pronargs) AS n ON true
		LEFT JOIN LATERAL (SELECT proargnames[n] AS given) AS g ON true
		LEFT JOIN LATERAL (SELECT value FROM matrix.argument AS m
			WHERE m.name = given AND (m.function = f.name OR (m.function IS NULL AND n <= pronargs - pronargdefaults))
			ORDER BY m.function NULLS LAST LIMIT 1) AS a ON true
	WHERE f.use = 'call'
	GROUP BY f.oid, nspname, f.name;
SELECT function, unknown_arguments FROM matrix.call WHERE unknown_arguments IS NOT NULL;

-- The call is really made, as the role, and undone.
CREATE FUNCTION matrix.outcome(role text, function text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	preparation text = (SELECT statement FROM matrix.preparation AS p WHERE p.function = outcome.function);
BEGIN
	IF preparation IS NOT NULL THEN
		EXECUTE replace(preparation, '%s', role);
	END IF;
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	EXECUTE replace(call, '%s', role);
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN RETURN 'allowed';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SET client_min_messages = error;
SELECT function,
	matrix.outcome('nobody', function, call) AS nobody,
	matrix.outcome('member', function, call) AS member,
	matrix.outcome('developer', function, call) AS developer,
	matrix.outcome('administrator', function, call) AS administrator,
	matrix.outcome('verifier', function, call) AS verifier,
	matrix.outcome('operator', function, call) AS operator,
	matrix.outcome('manager', function, call) AS manager,
	matrix.outcome('delegate', function, call) AS delegate,
	matrix.outcome('superuser', function, call) AS superuser
FROM matrix.call ORDER BY function COLLATE "C";
RESET client_min_messages;

-- What the type and its indexes call is everyone's, what triggers call no one's.
SELECT use, role, count(*) > 0 AS some,
	bool_or(has_function_privilege('regress_falukeys_' || role, oid, 'EXECUTE')) AS may_any,
	bool_and(has_function_privilege('regress_falukeys_' || role, oid, 'EXECUTE')) AS may_all
FROM matrix.function, unnest(
	'{nobody,member,developer,administrator,verifier,operator,manager,delegate}'::text[]) AS role
WHERE use <> 'call' GROUP BY use, role ORDER BY use, role;

-- The same for what is no function: views are everyone's, tables no one's.
CREATE FUNCTION matrix.read(role text, relation regclass) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	EXECUTE format('SELECT FROM %s LIMIT 1', relation);
	RAISE EXCEPTION USING ERRCODE = 'ZZ999';
EXCEPTION
	WHEN SQLSTATE 'ZZ999' THEN RETURN 'allowed';
	WHEN OTHERS THEN RETURN SQLSTATE;
END $$;
SELECT relname,
	matrix.read('nobody', oid) AS nobody,
	matrix.read('member', oid) AS member,
	matrix.read('developer', oid) AS developer,
	matrix.read('administrator', oid) AS administrator,
	matrix.read('verifier', oid) AS verifier,
	matrix.read('operator', oid) AS operator,
	matrix.read('manager', oid) AS manager,
	matrix.read('delegate', oid) AS delegate,
	matrix.read('superuser', oid) AS superuser
FROM pg_class WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND relkind NOT IN ('i', 'c')
ORDER BY relname COLLATE "C";
SELECT role, relname AS has_a_privilege
FROM unnest('{nobody,member,developer,administrator,verifier,operator,manager,delegate}'::text[]) AS role, pg_class
WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND relkind NOT IN ('i', 'c', 'v', 'S')
	AND (has_table_privilege('regress_falukeys_' || role, oid,
		'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
		OR has_any_column_privilege('regress_falukeys_' || role, oid, 'SELECT, INSERT, UPDATE, REFERENCES'));

-- What they show: of the workspace that the members are members of, and of another
-- one. A manager who acts in one of them sees that one. Each view is found in the
-- catalog; one whose rows have no workspace just has some or none.
SET client_min_messages = warning;
SELECT falukeys.create_workspace('Elsewhere') AS elsewhere \gset
SELECT falukeys.approve_workspace(:'workspace'), falukeys.approve_workspace(:'elsewhere'),
	falukeys.add_member(:'elsewhere', 'regress_falukeys_superuser', 'member');
RESET client_min_messages;
CREATE FUNCTION matrix.seen(role text, relation regclass, own text, other text, acting_in text DEFAULT '') RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	workspace text = (SELECT attname FROM pg_attribute
		WHERE attrelid = relation AND attname IN ('workspace_id', 'id') ORDER BY attname DESC LIMIT 1);
	shown text;
BEGIN
	PERFORM set_config('falukeys.acting_in', acting_in, true);
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	EXECUTE format('SELECT string_agg(DISTINCT CASE %s WHEN %L THEN ''own'' WHEN %L THEN ''other'' WHEN '''' '
		'THEN ''some'' END,'
		' '' '') FROM %s', coalesce(quote_ident(workspace), ''''''), own, other, relation) INTO shown;
	RESET ROLE;
	PERFORM set_config('falukeys.acting_in', '', true);
	RETURN coalesce(shown, 'none');
END $$;
SELECT relname,
	matrix.seen('nobody', oid, :'workspace', :'elsewhere') AS nobody,
	matrix.seen('member', oid, :'workspace', :'elsewhere') AS member,
	matrix.seen('developer', oid, :'workspace', :'elsewhere') AS developer,
	matrix.seen('administrator', oid, :'workspace', :'elsewhere') AS administrator,
	matrix.seen('verifier', oid, :'workspace', :'elsewhere') AS verifier,
	matrix.seen('delegate', oid, :'workspace', :'elsewhere') AS delegate,
	matrix.seen('operator', oid, :'workspace', :'elsewhere') AS operator,
	matrix.seen('manager', oid, :'workspace', :'elsewhere') AS manager,
	matrix.seen('manager', oid, :'workspace', :'elsewhere', :'workspace') AS in_own,
	matrix.seen('manager', oid, :'workspace', :'elsewhere', :'elsewhere') AS in_other,
	matrix.seen('superuser', oid, :'workspace', :'elsewhere') AS superuser
FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace AND relkind = 'v' ORDER BY relname COLLATE "C";

-- Nothing of it has stayed.
SELECT code FROM falukeys.verify_key(:'key');
SELECT count(*) AS members FROM falukeys.members WHERE workspace_id = :'workspace';

SET client_min_messages = warning;
DROP SCHEMA matrix CASCADE;
SELECT falukeys.close_workspace(:'workspace'), falukeys.close_workspace(:'elsewhere');
DROP OWNED BY regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_delegate;
DROP ROLE regress_falukeys_nobody, regress_falukeys_member, regress_falukeys_developer, regress_falukeys_administrator,
	regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_delegate,
	regress_falukeys_superuser;
