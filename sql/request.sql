--
-- A request as PostgREST hands it over.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
\set VERBOSITY terse
SELECT falukeys.create_workspace('Request') AS workspace \gset
SELECT key AS key FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'open') \gset
SELECT key AS other FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'other') \gset
SELECT key AS office FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'office',
	networks => '{10.0.0.0/8,2001:db8::/32}') \gset
CREATE TABLE request_key AS SELECT *
	FROM (VALUES ('KEY', :'key'), ('OTHER', :'other'), ('OFFICE', :'office')) AS k (name, key);

-- Whose key it was, or the SQLSTATE and the code; never the key itself
CREATE FUNCTION request(headers text, proxies integer DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	context text;
	key record;
BEGIN
	FOR key IN SELECT * FROM request_key LOOP
		headers := replace(replace(headers, 'BASE64(' || key.name || ')',
			encode(convert_to(key.key || ':', 'UTF8'), 'base64')), key.name, key.key);
	END LOOP;
	-- What encode() breaks into lines
	PERFORM set_config('request.headers', replace(headers, E'\n', ''), true),
		set_config('falukeys.trusted_proxies', proxies::text, true);
	PERFORM falukeys.deauthenticate();
	PERFORM falukeys.authenticate_request();
	RETURN (SELECT description FROM falukeys.keys WHERE id = falukeys.current_key_id());
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, NULLIF(detail, ''))
		|| CASE WHEN EXISTS (SELECT FROM request_key
			WHERE position(request_key.key IN SQLERRM || detail || context) > 0) THEN ' LEAKED' ELSE '' END;
END $$;

SELECT headers, request(headers) FROM (VALUES
	('{"authorization": "Bearer KEY"}'), ('{"authorization": "bearer  KEY "}'), ('{"authorization": "Basic KEY"}'),
	('{"authorization": "Basic BASE64(KEY)"}'), ('{"x-api-key": "KEY"}'),
	('{"authorization": "Bearer KEY", "x-api-key": "KEY"}'),
	('{"authorization": "Basic BASE64(KEY)", "x-api-key": "KEY"}'),
	('{"authorization": "Bearer KEY", "x-api-key": "OTHER"}'),
	('{"authorization": "Bearer a.b.c", "x-api-key": "OTHER"}'),
	('{"authorization": "Digest KEY"}'), ('{"authorization": "Bearer"}'), ('{"authorization": "Bearer "}'),
	('{"authorization": "Basic !!!"}'),
	('{"authorization": "Bearer fskt_abcdefghijabcdefghijabcd"}'), ('{"authorization": 7}'), ('{"x-api-key": null}'),
	('{"x-api-key": ""}'),
	('{}'), ('[]'), ('"KEY"'), (''), ('{"authorization": "Bearer KEY'), ('{"x-api-key": "KEY", KEY}')) AS h (headers);
SET request.headers = '';
SELECT falukeys.authenticate_request();
RESET request.headers;

-- The client, counted from the right
SELECT proxies, forwarded, request(format('{"x-api-key": "OFFICE", "x-forwarded-for": %s}', to_json(forwarded)),
	proxies) FROM (VALUES
	(0, '10.1.1.1'), (1, '10.1.1.1'), (1, '10.1.1.1, 192.0.2.1'), (1, '192.0.2.1, 10.1.1.1'),
		(1, '192.0.2.1,10.1.1.1 '),
	(2, '10.1.1.1, 192.0.2.1'), (2, '10.1.1.1'), (3, '10.1.1.1, 10.1.1.1, 192.0.2.1'), (1, '2001:db8::1'),
		(1, '[2001:db8::1]:443'), (1, '10.1.1.1:443'),
	(1, '::ffff:10.1.1.1'), (1, '10.0.0.0/8'), (1, 'unknown'), (1, ''), (1, ','), (2, '10.1.1.1,'),
		(1, repeat('1', 70)), (1, '192.0.2.1')) AS f (proxies, forwarded);

-- Where a platform says how many proxies it has, a client cannot.
CREATE ROLE regress_falukeys_client;
SET ROLE regress_falukeys_client;
SET falukeys.trusted_proxies = 1;
SELECT falukeys.authenticate_request();
RESET ROLE;
DROP ROLE regress_falukeys_client;

-- Bad input is no key; an error that is not of the input is not taken for it, and what goes on after is sound.
SELECT request(headers) FROM unnest(ARRAY['{"x-api-key": "\ud800 KEY"}', '{"x-api-key": "\u0000KEY"}',
	'{"x-api-key": 1e400000}', '{"x-api-key": KEY}']) headers;
SELECT request('{"x-api-key": ' || repeat('[', 1000000)) AS nested;
SELECT request('{"x-api-key": "KEY"}') AS key;

-- Keys of other kinds and states; a temporary one needs an object, which no header names
SELECT falukeys.define_permission('request');
INSERT INTO request_key
	SELECT 'PUBLIC', key FROM falukeys.create_key(:'workspace', 'public', 'test', description => 'public')
	UNION ALL SELECT 'RESTRICTED', key FROM falukeys.create_key(:'workspace', 'secret', 'test',
		description => 'restricted', permissions => '{request}')
	UNION ALL SELECT 'TEMPORARY', key FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}')
	UNION ALL SELECT 'DISABLED', key FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'disabled')
	UNION ALL SELECT 'REVOKED', key FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'revoked')
	UNION ALL SELECT 'ROLLED', key FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'rolled')
	UNION ALL SELECT 'STORED', secret::text FROM falukeys.keys
	WHERE workspace_id = :'workspace' AND description = 'open';
SELECT falukeys.disable_key(id) FROM falukeys.keys WHERE workspace_id = :'workspace' AND description = 'disabled';
SELECT falukeys.revoke_key(id) FROM falukeys.keys WHERE workspace_id = :'workspace' AND description = 'revoked';
SELECT falukeys.roll_key(id) IS NOT NULL AS rolled FROM falukeys.keys
	WHERE workspace_id = :'workspace' AND description = 'rolled';
SELECT name, request(format('{"x-api-key": "%s"}', name)) AS x_api_key,
	request(format('{"authorization": "Basic BASE64(%s)"}', name)) AS basic
  FROM request_key ORDER BY name COLLATE "C";
SELECT user_and_password, request(format('{"authorization": "Basic %s"}',
	translate(encode(convert_to(replace(user_and_password, 'KEY', :'key'), 'UTF8'), 'base64'), E'\n', '')))
  FROM unnest('{KEY:,KEY:password,KEY,user:KEY,user:,:}'::text[]) AS user_and_password;
SELECT request('{"Authorization": "Bearer KEY"}') AS upper_case_name,
	request('{"authorization": ["Bearer KEY"]}') AS array_of_it,
	request(format('{"x-api-key": "%s"}', repeat('KEY', 10000))) AS long;

-- A request as a whole: the key is the identity from the pre-request on, and gone with its transaction.
CREATE ROLE regress_falukeys_web;
SELECT falukeys.grant_access('regress_falukeys_web', 'verifier');
SET ROLE regress_falukeys_web;
BEGIN;
SELECT set_config('request.headers',
	json_build_object('authorization', 'Bearer ' || :'key', 'x-forwarded-for', '10.1.1.1')::text,
	true) IS NULL AS nothing;
SELECT falukeys.authenticate_request();
SELECT falukeys.current_workspace_id() = :'workspace' AS workspace, falukeys.current_key_kind(),
	falukeys.current_key_mode(), falukeys.current_key_allows('request');
COMMIT;
SELECT falukeys.current_key_id() IS NULL AS no_one, current_setting('request.headers') AS headers;
SELECT falukeys.authenticate_request();
-- One that is refused leaves none, and none that was there before.
BEGIN;
SELECT valid FROM falukeys.authenticate(:'key');
SELECT set_config('request.headers', json_build_object('x-api-key', :'office')::text, true) IS NULL AS nothing;
SELECT falukeys.authenticate_request();
SELECT falukeys.current_key_id();
ROLLBACK;
SELECT falukeys.current_key_id() IS NULL AS no_one;
RESET ROLE;
DROP OWNED BY regress_falukeys_web;
DROP ROLE regress_falukeys_web;
DROP FUNCTION request(text, integer);
DROP TABLE request_key;
