--
-- A request as PostgREST hands it over.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
\set VERBOSITY terse
SELECT falukeys.create_workspace('Request') AS workspace \gset
SELECT key AS key FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'open') \gset
SELECT key AS other FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'other') \gset
SELECT key AS office FROM falukeys.create_key(:'workspace', 'secret', 'test', description => 'office', networks => '{10.0.0.0/8,2001:db8::/32}') \gset
CREATE TABLE request_key AS SELECT * FROM (VALUES ('KEY', :'key'), ('OTHER', :'other'), ('OFFICE', :'office')) AS k (name, key);

-- Whose key it was, or the SQLSTATE and the code; never the key itself
CREATE FUNCTION request(headers text, proxies integer DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	context text;
	key record;
BEGIN
	FOR key IN SELECT * FROM request_key LOOP
		headers := replace(replace(headers, 'BASE64(' || key.name || ')', encode(convert_to(key.key || ':', 'UTF8'), 'base64')), key.name, key.key);
	END LOOP;
	-- What encode() breaks into lines
	PERFORM set_config('request.headers', replace(headers, E'\n', ''), true), set_config('falukeys.trusted_proxies', proxies::text, true);
	PERFORM falukeys.deauthenticate();
	PERFORM falukeys.authenticate_request();
	RETURN (SELECT description FROM falukeys.keys WHERE id = falukeys.current_key_id());
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, NULLIF(detail, ''))
		|| CASE WHEN EXISTS (SELECT FROM request_key WHERE position(request_key.key IN SQLERRM || detail || context) > 0) THEN ' LEAKED' ELSE '' END;
END $$;

SELECT headers, request(headers) FROM (VALUES
	('{"authorization": "Bearer KEY"}'), ('{"authorization": "bearer  KEY "}'), ('{"authorization": "Basic KEY"}'),
	('{"authorization": "Basic BASE64(KEY)"}'), ('{"x-api-key": "KEY"}'),
	('{"authorization": "Bearer KEY", "x-api-key": "KEY"}'), ('{"authorization": "Basic BASE64(KEY)", "x-api-key": "KEY"}'),
	('{"authorization": "Bearer KEY", "x-api-key": "OTHER"}'), ('{"authorization": "Bearer a.b.c", "x-api-key": "OTHER"}'),
	('{"authorization": "Digest KEY"}'), ('{"authorization": "Bearer"}'), ('{"authorization": "Bearer "}'), ('{"authorization": "Basic !!!"}'),
	('{"authorization": "Bearer fskt_abcdefghijabcdefghijabcd"}'), ('{"authorization": 7}'), ('{"x-api-key": null}'), ('{"x-api-key": ""}'),
	('{}'), ('[]'), ('"KEY"'), (''), ('{"authorization": "Bearer KEY'), ('{"x-api-key": "KEY", KEY}')) AS h (headers);
SET request.headers = '';
SELECT falukeys.authenticate_request();
RESET request.headers;

-- The client, counted from the right
SELECT proxies, forwarded, request(format('{"x-api-key": "OFFICE", "x-forwarded-for": %s}', to_json(forwarded)), proxies) FROM (VALUES
	(0, '10.1.1.1'), (1, '10.1.1.1'), (1, '10.1.1.1, 192.0.2.1'), (1, '192.0.2.1, 10.1.1.1'), (1, '192.0.2.1,10.1.1.1 '),
	(2, '10.1.1.1, 192.0.2.1'), (2, '10.1.1.1'), (3, '10.1.1.1, 10.1.1.1, 192.0.2.1'), (1, '2001:db8::1'), (1, '[2001:db8::1]:443'), (1, '10.1.1.1:443'),
	(1, '::ffff:10.1.1.1'), (1, '10.0.0.0/8'), (1, 'unknown'), (1, ''), (1, ','), (2, '10.1.1.1,'), (1, repeat('1', 70)), (1, '192.0.2.1')) AS f (proxies, forwarded);

-- Where a platform says how many proxies it has, a client cannot.
CREATE ROLE regress_falukeys_client;
SET ROLE regress_falukeys_client;
SET falukeys.trusted_proxies = 1;
SELECT falukeys.authenticate_request();
RESET ROLE;
DROP ROLE regress_falukeys_client;
DROP FUNCTION request(text, integer);
DROP TABLE request_key;
