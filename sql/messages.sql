--
-- Messages: they say what to do, and show no key
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
CREATE EXTENSION IF NOT EXISTS plpgsql;
RESET client_min_messages;

CREATE ROLE regress_falukeys_owner;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_stranger;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator');
SELECT falukeys.create_workspace('Messages', 'regress_falukeys_owner') AS workspace \gset
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset

-- What an error says, line by line; ids and what no one but the reader of a test knows are left out.
CREATE FUNCTION pg_temp.message_of(call text, role text DEFAULT session_user) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	EXECUTE 'SELECT falukeys.' || call;
	RESET ROLE;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(E'\n', SQLSTATE || '  ' || message, 'DETAIL: ' || nullif(detail, ''),
		'HINT: ' || nullif(hint, '')),
		'(key|wksp)_\w{27}', '\1_', 'g');
END
$$;
\pset format unaligned
\pset tuples_only on

-- A key where an id is due, whatever becomes of it and whoever asks
SELECT pg_temp.message_of(format('revoke_key(%L)', :'key'));
SELECT pg_temp.message_of(format('revoke_key(%L)', :'key'), 'regress_falukeys_stranger');
SELECT pg_temp.message_of('revoke_key(''fskt_nosuchkeynosuchkeynosuchkey'')', 'regress_falukeys_stranger');
SELECT pg_temp.message_of(format('revoke_key(%L)', 'x' || :'key'), 'regress_falukeys_stranger') LIKE '%'
	|| left(:'key', 20) || '%' AS shown;
SELECT pg_temp.message_of(format('reveal_key(%L)', falukeys.redacted(:'key')));
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'')', :'key'));
SELECT pg_temp.message_of(format('add_member(%L, ''regress_falukeys_owner'', ''developer'')', :'key'));

-- The id of the other sort, right or not
SELECT pg_temp.message_of(format('roll_key(%L)', :'workspace'));
SELECT pg_temp.message_of(format('roll_key(%L)', :'workspace'), 'regress_falukeys_stranger');
SELECT pg_temp.message_of('roll_key(''wksp_nosuch'')', 'regress_falukeys_stranger');
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'')', :'id'));
SELECT pg_temp.message_of('suspend_workspace(''key_nosuch'')', 'regress_falukeys_operator');
-- No function that takes an id goes without, but for what policies and views call.
SELECT p.proname AS missed
FROM pg_proc AS p,
	LATERAL (SELECT string_agg(CASE
			WHEN p.proargnames[n] IN ('key_id', 'workspace') THEN quote_literal(CASE p.proargnames[n]
				WHEN 'key_id' THEN 'wksp_' ELSE 'key_' END || repeat('x', 27))
			WHEN t = 'regrole'::regtype THEN '''regress_falukeys_owner'''
			WHEN t = 'interval'::regtype THEN '''1 hour'''
			WHEN t = 'boolean'::regtype THEN 'true'
			WHEN t = 'text[]'::regtype THEN '''{x}'''
			WHEN t = 'text'::regtype THEN '''fskt_othersothersothersothers'''
			WHEN t = 'falukeys.apikey'::regtype THEN '''fskt_othersothersothersothers'''
			WHEN t = 'falukeys.key_kind'::regtype THEN '''secret'''
			WHEN t = 'falukeys.key_mode'::regtype THEN '''test'''
			WHEN t = 'falukeys.workspace_role'::regtype THEN '''developer'''
			ELSE 'NULL' END, ', ' ORDER BY n) AS arguments
		FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n)) AS l
WHERE pronamespace = 'falukeys'::regnamespace AND p.prokind = 'f'
	AND p.proargnames[1] IN ('key_id', 'workspace') AND p.proname NOT IN ('isolated_object', 'unflushed_usage')
	AND pg_temp.message_of(p.proname || '(' || arguments || ')') NOT LIKE '22023  argument "' || p.proargnames[1]
		|| '" must be the id of a %, not of a %';

-- Whoever does not see a workspace is told the same of one that is there, and of one that is not.
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'')', :'workspace'), 'regress_falukeys_stranger');
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'')', 'wksp_' || repeat('0', 27)),
	'regress_falukeys_stranger');
SELECT pg_temp.message_of(format('reveal_key(%L)', :'id'), 'regress_falukeys_stranger');
SELECT pg_temp.message_of(format('reveal_key(%L)', 'key_' || repeat('0', 27)), 'regress_falukeys_stranger');
SELECT pg_temp.message_of(format('add_member(%L, ''regress_falukeys_owner'', ''developer'')', :'workspace'),
	'regress_falukeys_stranger');
SELECT pg_temp.message_of('reveal_key(''Messages'')');
SELECT pg_temp.message_of('approve_workspace(''Messages'')', 'regress_falukeys_operator');
SELECT pg_temp.message_of('create_key(''Messages'', ''secret'', ''test'')');

SELECT pg_temp.message_of(format('describe_workspace(%L, ''x'')', :'workspace'), 'regress_falukeys_stranger');

-- An operator who tries what members do
SELECT DISTINCT pg_temp.message_of(call, 'regress_falukeys_operator')
FROM unnest(ARRAY[format('reveal_key(%L)', :'id'), format('roll_key(%L)', :'id'), format('enable_key(%L)', :'id'),
	format('annotate_key(%L, ''x'')', :'id'), format('restrict_key(%L, networks => ''{10.0.0.0/8}'')', :'id')]) AS call;
SELECT DISTINCT pg_temp.message_of(call, 'regress_falukeys_operator')
FROM unnest(ARRAY[format('create_key(%L, ''secret'', ''test'')', :'workspace'),
	format('create_temporary_key(%L, ''test'', ''{x}'')', :'workspace'),
	format('import_key(%L, ''fskt_messagesmessagesmessages'')', :'workspace')]) AS call;
SELECT DISTINCT pg_temp.message_of(call, 'regress_falukeys_operator')
FROM unnest(ARRAY[format('add_member(%L, ''regress_falukeys_owner'', ''developer'')', :'workspace'),
	format('remove_member(%L, ''regress_falukeys_owner'')', :'workspace')]) AS call;

-- Permissions that are not defined
SELECT falukeys.define_permission(name)
	FROM unnest(ARRAY['messages_test', 'messages_test.read', 'messages_test.write']) AS name;
SELECT pg_temp.message_of(format('restrict_key(%L, ''{messages_test.raed}'')', :'id'), 'regress_falukeys_owner');
SELECT pg_temp.message_of(format('restrict_key(%L, ''{messages_test.read, Messages_Test}'')', :'id'),
	'regress_falukeys_owner');
SELECT pg_temp.message_of(format('restrict_key(%L, ''{something.else.altogether}'')', :'id'), 'regress_falukeys_owner');
SELECT pg_temp.message_of(format('restrict_key(%L, ''{""}'')', :'id'), 'regress_falukeys_owner');
SELECT pg_temp.message_of(format('restrict_key(%L, ARRAY[%L])', :'id', :'key'), 'regress_falukeys_owner') LIKE '%'
	|| :'key' || '%' AS shown;
SELECT pg_temp.message_of(format('restrict_key(%L, ARRAY[repeat(chr(233), 200)])', :'id'),
	'regress_falukeys_owner') LIKE '22023%' AS refused;
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'', permissions => ''{messages_test.wirte}'')',
	:'workspace'), 'regress_falukeys_owner');
-- An address has the form of one, nearly.
SELECT pg_temp.message_of(format('restrict_key(%L, ARRAY[%L])', :'id', address), 'regress_falukeys_owner')
FROM unnest(ARRAY['10.0.0.1', '10.0.0.0/8', '2001:db8::/32', '::1']) AS address;
SELECT pg_temp.message_of(format('define_permission(%L)', address), 'regress_falukeys_operator')
	FROM unnest(ARRAY['10.0.0.1', 'fe80::1']) AS address;
SELECT pg_temp.message_of('define_permission(''Messages Read'')', 'regress_falukeys_operator');
SELECT pg_temp.message_of(format('authenticate(%L, ''203.0.113.7'')', :'key'));
SELECT pg_temp.message_of('require_permission(''203.0.113.7'')');
SELECT pg_temp.message_of(format('assume_key(%L, ''203.0.113.7'')', :'key'));
SELECT valid FROM falukeys.verify_key(:'key', '203.0.113.7');
-- Words that could be hexadecimal digits are no address.
SELECT falukeys.define_permission('dead.beef');
SELECT pg_temp.message_of(format('authenticate(%L, ''dead.beef'')', :'key'));

-- An id where a key is due
SELECT pg_temp.message_of(format('report_compromised_key(%L)', :'id'), 'regress_falukeys_operator');

-- What cannot be resumed, and what is closed and not deleted
SELECT falukeys.create_workspace('Closed') AS closed \gset
SELECT pg_temp.message_of(format('resume_workspace(%L)', :'closed'), 'regress_falukeys_operator');
SELECT falukeys.close_workspace(:'closed');
SELECT pg_temp.message_of(format('resume_workspace(%L)', :'closed'), 'regress_falukeys_operator');
\set VERBOSITY default
DELETE FROM falukeys.workspaces WHERE id = :'closed';
\set VERBOSITY sqlstate

-- Nothing to change
SELECT pg_temp.message_of(format('restrict_key(%L)', :'id'));
SELECT pg_temp.message_of(format('annotate_key(%L)', :'id'));
SELECT pg_temp.message_of(format('annotate_key(%L, '''')', :'id'));

-- A key that has ended is not enabled any more.
SELECT id AS compromised, key AS leaked FROM falukeys.create_temporary_key(:'workspace', 'test', '{x}') \gset
SELECT falukeys.report_compromised_key(:'leaked') = :'compromised';
SELECT id AS revoked FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.disable_key(:'revoked');
SELECT pg_temp.message_of(format('enable_key(%L)', :'revoked'));
SELECT falukeys.disable_key(:'revoked'), falukeys.revoke_key(:'revoked');
SELECT id AS expired FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.disable_key(:'expired'),
	falukeys.set_key_validity(:'expired', expires_at => clock_timestamp() - interval '1 second');
SELECT pg_temp.message_of(format('enable_key(%L)', ended))
	FROM unnest(ARRAY[:'compromised', :'revoked', :'expired']) AS ended;
SELECT disabled FROM falukeys.keys WHERE id = :'revoked';
SELECT falukeys.create_workspace('Messages, closed') AS closed \gset
SELECT id AS in_closed FROM falukeys.create_key(:'closed', 'secret', 'test') \gset
SELECT falukeys.close_workspace(:'closed');
SELECT pg_temp.message_of(format('enable_key(%L)', :'in_closed'));

-- Tables without the columns
CREATE SCHEMA messages_test AUTHORIZATION regress_falukeys_owner;
GRANT CREATE ON SCHEMA messages_test TO regress_falukeys_stranger;
GRANT USAGE ON SCHEMA messages_test TO PUBLIC;
SET ROLE regress_falukeys_stranger;
CREATE TABLE messages_test."Odd; table" (note text, mode text);
RESET ROLE;
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"')$$, 'regress_falukeys_stranger');
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"', 'Select "x"', 'Mode',
	object_column => 'order')$$, 'regress_falukeys_stranger');
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"', 'note', 'mode', object_column => 'ctid')$$,
	'regress_falukeys_stranger');
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"',
	'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'note')$$, 'regress_falukeys_stranger');
ALTER TABLE messages_test."Odd; table" ADD COLUMN "Select ""x""" text, ADD COLUMN "Mode" falukeys.key_mode,
	ADD COLUMN "order" text;
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"', 'Select "x"', 'Mode', 'messages_test.raed')$$);
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"', 'Select "x"', 'Mode',
	write_permission => 'messages_test.wirte')$$, 'regress_falukeys_stranger');
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"', 'Select "x"', 'Mode', '10.0.0.1')$$,
	'regress_falukeys_stranger');
SELECT pg_temp.message_of($$isolate_table('messages_test."Odd; table"', 'Select "x"', 'Mode', 'messages_test.read',
	'messages_test.write', 'order')$$, 'regress_falukeys_stranger');

-- The form of a digest
SELECT pg_temp.message_of(format('import_key_digest(%L, %L)', :'workspace', input))
FROM (VALUES ('fskt_****u8Ys'), ('fskt_****u8Ys:' || repeat('A', 64)), ('fskt_****u8Ys:' || repeat('a', 63)),
	(repeat('a', 64)), ('')) AS v (input);

-- Bounds
SELECT pg_temp.message_of(format('create_temporary_key(%L, ''test'', ''{x}'', ttl => %L)', :'workspace', ttl))
	FROM unnest(ARRAY['0', '-1 second', '25 hours']) AS ttl;
SELECT pg_temp.message_of(format('roll_key(%L, %L)', :'id', grace)) FROM unnest(ARRAY['-1 second', '31 days']) AS grace;
SELECT pg_temp.message_of(format('purge_keys(%L)', older_than))
	FROM unnest(ARRAY['-1 second', '1001 years']) AS older_than;
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'', permissions => ''{}'')', :'workspace'));
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''test'', expires_at => ''2000-01-01'')', :'workspace'));
SELECT pg_temp.message_of(format('annotate_key(%L, repeat(''x'', 1025))', :'id'));

-- The first day
SELECT pg_temp.message_of(format('create_key(%L, ''secret'', ''live'')', :'workspace'));
SELECT pg_temp.message_of(format('create_key(%L, ''test'', ''secret'')', :'workspace'));
SELECT pg_temp.message_of('create_key(NULL, ''secret'', ''test'')');
SELECT pg_temp.message_of(format('create_key(%L, ''temporary'', ''test'')', :'workspace'));
SELECT pg_temp.message_of(format('verify_key(%L)', :'key'), 'regress_falukeys_stranger');
SELECT pg_temp.message_of('create_workspace('''')');
SELECT pg_temp.message_of(format('add_member(%L, ''regress_falukeys_owner'', ''admin'')', :'workspace'));
SELECT pg_temp.message_of(format('reveal_key(%L)', :'compromised'));
SELECT pg_temp.message_of('authenticate(''fskt_nosuchkeynosuchkeynosuchkey'')');
SELECT pg_temp.message_of('grant_access(''regress_falukeys_owner'', ''admin'')');
SELECT pg_temp.message_of('import_key(''x'', ''sk_live_51H8xyz'')');
SELECT pg_temp.message_of('require_permission(''messages_test'')');
SELECT pg_temp.message_of(format('create_key(%L, ''public'', ''test'', permissions => ''{messages_test}'')',
	:'workspace'));

\pset tuples_only off
\pset format aligned
SET client_min_messages = warning;
DROP SCHEMA messages_test CASCADE;
SELECT falukeys.close_workspace(:'workspace');
DROP OWNED BY regress_falukeys_operator;
DELETE FROM falukeys.key_permissions WHERE permission LIKE 'messages_test%';
DELETE FROM falukeys.permissions WHERE name LIKE 'messages_test%' OR name = 'dead.beef';
DROP ROLE regress_falukeys_owner, regress_falukeys_operator, regress_falukeys_stranger;
