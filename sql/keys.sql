--
-- Keys: create, import, reveal, annotate
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission('keys.read');
SELECT falukeys.create_workspace('Keys') AS workspace \gset

--
-- create_key
--
SELECT id AS secret, key AS secret_key
  FROM falukeys.create_key(:'workspace', 'secret', 'test', 'for the billing service', '{keys.read}',
      '{192.0.2.0/24,2001:db8::/32}',
	clock_timestamp() + interval '1 day', clock_timestamp() - interval '1 day', '{"team": "billing"}') \gset
SELECT :'secret' ~ '^key_[0-9A-Za-z]{27}$' AS id, :'secret_key' ~ '^fskt_[0-9A-Za-z]{49}$' AS key;
SELECT kind, mode, public_key, description, saved_in, meta,
	secret OPERATOR(falukeys.=) falukeys.apikey_of(:'secret_key') AS digest, created_by = current_user AS created_by_me,
       created_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp() AS created_now,
       expires_at - not_before > interval '47 hours' AS bounds, disabled, permissions_restricted,
       networks_restricted, revoked_at
  FROM falukeys.keys WHERE id = :'secret';
SELECT permission FROM falukeys.key_permissions WHERE key_id = :'secret';
SELECT network FROM falukeys.key_networks WHERE key_id = :'secret' ORDER BY network;
SELECT valid, code, key_id = :'secret' AS key_id, workspace_id = :'workspace' AS workspace_id, kind, mode,
	expires_at > now() AS expires_at, meta
  FROM falukeys.verify_key(:'secret_key', 'keys.read', '192.0.2.1');

SELECT id AS public, key AS public_key FROM falukeys.create_key(:'workspace', kind => 'public', mode => 'test') \gset
SELECT kind, mode, public_key = :'public_key' AS key, public_key ~ '^fpkt_[0-9A-Za-z]{49}$' AS matching, expires_at,
	not_before, meta, description
  FROM falukeys.keys WHERE id = :'public';

-- reveal => false: no key in the answer
SELECT id AS sealed, key IS NULL AS hidden FROM falukeys.create_key(:'workspace', 'secret', 'test', reveal => false)
	\gset
\echo :hidden
SELECT id IS NOT NULL AS id, key FROM falukeys.create_key(:'workspace', 'public', 'test', reveal => false);
SELECT count(*) FROM falukeys.sealed_secrets WHERE key_id = :'sealed';

-- Refusals
SELECT * FROM falukeys.create_key(:'workspace', 'temporary', 'test');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key(NULL, 'secret', 'test');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key(:'workspace', NULL, 'test');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key(:'workspace', 'secret', NULL);
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key('wksp_000000000000000000000000000', 'secret', 'test');
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{}');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', networks => '{}');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{keys.read,NULL}');
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', networks => '{192.0.2.0/24,NULL}');
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{keys.unknown}');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{Keys.read}');
SELECT * FROM falukeys.create_key(:'workspace', 'public', 'test', permissions => '{keys.read}');
SELECT * FROM falukeys.create_key(:'workspace', 'public', 'test', networks => '{192.0.2.0/24}');
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'test', expires_at => now(),
	not_before => now() + interval '1 hour');
\echo :LAST_ERROR_MESSAGE
-- a live key in a workspace never approved, of any make
SELECT * FROM falukeys.create_key(:'workspace', 'secret', 'live');
SELECT * FROM falukeys.create_key(:'workspace', 'public', 'live');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}');
SELECT falukeys.import_key(:'workspace', 'fskl_neverapprovedneverapproved');
SELECT falukeys.import_key_digest(:'workspace', 'fskl_neverapprovedneverapproved');
-- A refusal leaves nothing behind.
SELECT count(*) AS keys FROM falukeys.keys WHERE workspace_id = :'workspace';

-- Names and notes are kept with any key in them masked; meta is the application's own.
SELECT id AS noted FROM falukeys.create_key(:'workspace', 'secret', 'test',
	'was fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys before') \gset
SELECT description FROM falukeys.keys WHERE id = :'noted';
-- repeated permissions and networks are kept once
SELECT id AS repeated FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{keys.read,keys.read}',
	networks => '{192.0.2.0/24,192.0.2.0/24}') \gset
SELECT count(*) FROM falukeys.key_permissions WHERE key_id = :'repeated';
SELECT count(*) FROM falukeys.key_networks WHERE key_id = :'repeated';

--
-- create_temporary_key
--
SELECT id AS temporary, key AS temporary_key
  FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1,message_2,message_1}', '{keys.read}',
      '{192.0.2.0/24}', '2 hours') \gset
SELECT kind, mode, public_key, :'temporary_key' ~ '^ftkt_[0-9A-Za-z]{49}$' AS matching,
       expires_at BETWEEN created_at + interval '1 hour 59 minutes' AND created_at + interval '2 hours 1 minute' AS ttl,
       permissions_restricted, networks_restricted
  FROM falukeys.keys WHERE id = :'temporary';
SELECT object_id FROM falukeys.key_objects WHERE key_id = :'temporary' ORDER BY object_id;
-- an hour by default, up to 24
SELECT id AS hourly FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}') \gset
SELECT expires_at BETWEEN created_at + interval '59 minutes' AND created_at + interval '61 minutes' AS an_hour
	FROM falukeys.keys WHERE id = :'hourly';
SELECT id IS NOT NULL AS made FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}',
	ttl => '24 hours');
SELECT id IS NOT NULL AS made FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', ttl => '1 day');

SELECT * FROM falukeys.create_temporary_key(NULL, 'test', '{message_1}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', NULL, '{message_1}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', NULL);
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1,NULL}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', permissions => '{}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', permissions => '{keys.unknown}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', networks => '{}');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', ttl => '24 hours 1 second');
\echo :LAST_ERROR_MESSAGE
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', ttl => '1 month');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', ttl => '0');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', ttl => '-1 hour');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}',
	ttl => '-12 months 360 days 1 microsecond');
SELECT * FROM falukeys.create_temporary_key(:'workspace', 'test', '{message_1}', ttl => NULL);
SELECT * FROM falukeys.create_temporary_key('wksp_000000000000000000000000000', 'test', '{message_1}');
SELECT falukeys.reveal_key(:'temporary');
SELECT * FROM falukeys.roll_key(:'temporary');

--
-- import_key, import_key_digest: keys made elsewhere, the description's two examples among them
--
SELECT falukeys.import_key(:'workspace', 'fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg') AS imported_public \gset
SELECT falukeys.import_key(:'workspace', 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'from before',
	'{keys.read}', '{192.0.2.0/24}', now() + interval '1 day', '{"old": true}') AS imported_secret \gset
SELECT kind, mode, public_key, secret, description, permissions_restricted, networks_restricted,
	expires_at > now() AS expires, meta
  FROM falukeys.keys WHERE id IN (:'imported_public', :'imported_secret') ORDER BY kind;
SELECT valid, code, key_id = :'imported_public' AS key_id, kind, mode
	FROM falukeys.verify_key('fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg');
SELECT valid, code, key_id = :'imported_secret' AS key_id, kind, mode, meta
  FROM falukeys.verify_key('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'keys.read', '192.0.2.1');

SELECT falukeys.import_key_digest(:'workspace',
	('fskt_****0042:' || encode(sha256('fskt_importedbydigestimportedbydigest0042'), 'hex'))::falukeys.apikey,
	'by digest',
	'{keys.read}', '{192.0.2.0/24}', now() + interval '1 day', '{"old": true}') AS imported_digest \gset
SELECT kind, mode, public_key, description, permissions_restricted, networks_restricted,
	expires_at > now() AS expires, meta
  FROM falukeys.keys WHERE id = :'imported_digest';
SELECT code, key_id = :'imported_digest' AS key_id
	FROM falukeys.verify_key('fskt_importedbydigestimportedbydigest0042', 'keys.read', '192.0.2.1');
-- A key that is whole is as good as its digest.
SELECT falukeys.import_key_digest(:'workspace', 'fskt_importedbyhandleimportedbyhandle') IS NOT NULL AS imported;
SELECT code FROM falukeys.verify_key('fskt_importedbyhandleimportedbyhandle');

-- Nothing here was ever sealed, so there is nothing to reveal.
SELECT falukeys.reveal_key(:'imported_secret');
SELECT falukeys.reveal_key(:'imported_digest');

-- Malformed: 22P02.  A generated key's length must have the right checksum.
SELECT falukeys.import_key(:'workspace', 'garbage');
SELECT falukeys.import_key(:'workspace', 'fskt_Made0up0random0part0for0the0tests0of0types02nusTi');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.import_key(:'workspace', 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys ');
SELECT falukeys.import_key(:'workspace',
	'fskt_****u8Ys:2ef22809b2cabdb9e209bf9c3bda12e94b452f72aa14166668ba17df08c9cf6c');
SELECT falukeys.import_key_digest(:'workspace', 'fskt_Made0up0random0part0for0the0tests0of0types02nusTi');
SELECT falukeys.import_key(:'workspace',
	'fskt_Made0up0random0part0for0the0tests0of0types02nusTh') IS NOT NULL AS imported;
-- Temporary keys are not imported.
SELECT falukeys.import_key(:'workspace', 'ftkt_temporarytemporarytemporary');
\echo :LAST_ERROR_MESSAGE
SELECT falukeys.import_key_digest(:'workspace', 'ftkt_temporarytemporarytemporary');
SELECT falukeys.import_key(NULL, 'fskt_nowherenowherenowherenowhere');
SELECT falukeys.import_key(:'workspace', NULL);
SELECT falukeys.import_key_digest(NULL, 'fskt_nowherenowherenowherenowhere');
SELECT falukeys.import_key_digest(:'workspace', NULL);
SELECT falukeys.import_key('wksp_000000000000000000000000000', 'fskt_nowherenowherenowherenowhere');
SELECT falukeys.import_key(:'workspace', 'fskt_nowherenowherenowherenowhere', permissions => '{}');
SELECT falukeys.import_key(:'workspace', 'fskt_nowherenowherenowherenowhere', networks => '{}');
SELECT falukeys.import_key(:'workspace', 'fskt_nowherenowherenowherenowhere', permissions => '{keys.unknown}');
SELECT falukeys.import_key_digest(:'workspace', 'fskt_nowherenowherenowherenowhere', permissions => '{}');
SELECT falukeys.import_key_digest(:'workspace', 'fskt_nowherenowherenowherenowhere', networks => '{}');
SELECT falukeys.import_key(:'workspace', 'fpkt_nowherenowherenowherenowhere', permissions => '{keys.read}');
SELECT falukeys.import_key(:'workspace', 'fpkt_nowherenowherenowherenowhere', networks => '{192.0.2.0/24}');
SELECT code FROM falukeys.verify_key('fskt_nowherenowherenowherenowhere');

--
-- A digest belongs to one key for ever: 23505, and no DETAIL that would show it
--
CREATE FUNCTION pg_temp.duplicate(statement text, OUT code text, OUT message text, OUT detail text, OUT shown boolean)
	LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	code := '00000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	shown := concat(message, detail, hint) ~ 'f[spt]k[tl]_[0-9A-Za-z]|[0-9a-f]{32}';
END $$;
SELECT * FROM pg_temp.duplicate(format('SELECT falukeys.import_key(%L, %L)', :'workspace',
	'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'));
SELECT falukeys.create_workspace('Keys, other') AS other \gset
SELECT duplicate.code, duplicate.detail, shown
  FROM unnest(ARRAY[
	-- in another workspace, by digest, as a public key, as generated here
	format('SELECT falukeys.import_key(%L, %L)', :'other', 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'),
	format('SELECT falukeys.import_key_digest(%L, %L)', :'other', 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'),
	format('SELECT falukeys.import_key(%L, %L)', :'other', 'fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg'),
	format('SELECT falukeys.import_key(%L, %L)', :'other', :'secret_key'),
	format('SELECT falukeys.import_key(%L, %L)', :'other', :'public_key'),
	-- the same digest under other marks
	format('SELECT falukeys.import_key_digest(%L, %L)', :'other',
		'fskt_****0000:' || encode(sha256(convert_to(:'secret_key', 'UTF8')), 'hex')),
	format('SELECT falukeys.import_key_digest(%L, %L)', :'other',
		'fskt_****0000:' || encode(sha256(convert_to(:'temporary_key', 'UTF8')), 'hex')),
	-- by hand
	format('INSERT INTO falukeys.keys (workspace_id, kind, mode, secret) VALUES (%L, %L, %L, %L)', :'other', 'secret',
		'test', :'secret_key'),
	format('INSERT INTO falukeys.keys (workspace_id, kind, mode, secret) VALUES (%L, %L, %L, %L)', :'other',
		'secret', 'test',
	       'fskt_****0000:' || encode(sha256(convert_to(:'secret_key', 'UTF8')), 'hex'))
	]) statement, pg_temp.duplicate(statement);
SELECT count(*) AS keys FROM falukeys.keys WHERE workspace_id = :'other';

--
-- annotate_key: NULL leaves as it is
--
SELECT id AS noted FROM falukeys.create_key(:'workspace', 'secret', 'test', 'first', meta => '{"a": 1}') \gset
SELECT falukeys.annotate_key(:'noted', saved_in => 'vault at fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
SELECT description, saved_in, meta FROM falukeys.keys WHERE id = :'noted';
SELECT falukeys.annotate_key(:'noted', 'second, fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg');
SELECT falukeys.annotate_key(:'noted', meta => '{"b": 2}');
SELECT description, saved_in, meta FROM falukeys.keys WHERE id = :'noted';
SELECT falukeys.annotate_key(:'noted');
SELECT description, saved_in, meta FROM falukeys.keys WHERE id = :'noted';
SELECT falukeys.annotate_key(NULL, 'nothing');
SELECT falukeys.annotate_key('key_000000000000000000000000000', 'nothing');

-- No text of a key is anywhere in the tables, but for public keys in their column.
SELECT count(*) FROM falukeys.keys k
 WHERE (to_jsonb(k) - 'public_key')::text ~ 'f[spt]k[tl]_[0-9A-Za-z]{20}'
   AND workspace_id IN (:'workspace', :'other');
