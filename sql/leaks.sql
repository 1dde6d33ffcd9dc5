--
-- Keys that leak: reporting one, and masking them in text
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission('leaks');
SELECT falukeys.create_workspace('Leaks') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
CREATE FUNCTION pg_temp.refusal(statement text, argument text, OUT code text, OUT message text, OUT hint text)
	LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement USING argument;
	code := '00000';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
	message := replace(message, argument, 'ARGUMENT');
END $$;

--
-- A live secret that is current: cancelled, and the key reissued under the same id
--
SELECT id AS live, key AS live_key FROM falukeys.create_key(:'workspace', 'secret', 'live', 'for the messages',
	'{leaks}', '{192.0.2.0/24}', meta => '{"a": 1}') \gset
SELECT falukeys.report_compromised_key(:'live_key',
	'a public repository, as fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys') = :'live' AS its_id;
SELECT valid, code, key_id = :'live' AS key_id, kind, mode, meta
	FROM falukeys.verify_key(:'live_key', 'leaks', '192.0.2.1');
SELECT description, meta, permissions_restricted, networks_restricted, disabled, revoked_at,
	secret OPERATOR(falukeys.<>) falukeys.apikey_of(:'live_key') AS new_secret
  FROM falukeys.keys WHERE id = :'live';
-- The new secret is sealed until the workspace reveals it, once.
SELECT revealed_at, revealed_by FROM falukeys.dashboard WHERE key_id = :'live';
SELECT falukeys.reveal_key(:'live', 'another place') AS reissued \gset
SELECT :'reissued' ~ '^fskl_[0-9A-Za-z]{49}$' AS matching, :'reissued' <> :'live_key' AS other;
SELECT valid, code, key_id = :'live' AS key_id, meta FROM falukeys.verify_key(:'reissued', 'leaks', '192.0.2.1');
SELECT code FROM falukeys.verify_key(:'reissued', 'leaks', '192.0.3.1');
SELECT code, message FROM pg_temp.refusal('SELECT falukeys.reveal_key($1)', :'live');
-- Twice: nothing more happens.
SELECT count(*) AS events FROM falukeys.events WHERE key_id = :'live' \gset
SELECT falukeys.report_compromised_key(:'live_key', 'another repository') = :'live' AS its_id;
SELECT count(*) = :events AS no_more FROM falukeys.events WHERE key_id = :'live';
SELECT k.name, code FROM (VALUES (1, 'reported', :'live_key'), (2, 'reissued', :'reissued')) k(number, name, key),
	falukeys.verify_key(key, 'leaks', '192.0.2.1') ORDER BY number;
SELECT event, detail::text LIKE '%a public repository, as fskt\_****u8Ys%' AS source FROM falukeys.events
	WHERE key_id = :'live' AND event = 'key.compromised';
-- Its digest stays taken.
SELECT code FROM pg_temp.refusal(format('SELECT falukeys.import_key(%L, $1)', :'workspace'), :'live_key');
-- A reissued key is as good as any: it can be rolled, and reported again.
SELECT key AS next FROM falukeys.roll_key(:'live') \gset
SELECT falukeys.report_compromised_key(:'next') = :'live' AS its_id;
SELECT k.name, code FROM (VALUES (1, 'first', :'live_key'), (2, 'second', :'reissued'),
	(3, 'third', :'next')) k(number, name, key),
       falukeys.verify_key(key, 'leaks', '192.0.2.1') ORDER BY number;
SELECT code FROM falukeys.verify_key(falukeys.reveal_key(:'live'), 'leaks', '192.0.2.1');

-- A report that is rolled back did not happen.
SELECT id AS kept, key AS kept_key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
BEGIN;
SELECT falukeys.report_compromised_key(:'kept_key') = :'kept' AS its_id;
SELECT code FROM falukeys.verify_key(:'kept_key');
ROLLBACK;
SELECT code FROM falukeys.verify_key(:'kept_key');

-- A test secret, and one that was imported
SELECT id AS test, key AS test_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.import_key(:'workspace', 'fskl_leaksimportedleaksimported') AS imported \gset
SELECT falukeys.report_compromised_key(:'test_key') = :'test' AS its_id,
	falukeys.report_compromised_key('fskl_leaksimportedleaksimported') = :'imported' AS imported_id;
SELECT k.name, code FROM (VALUES (1, 'test', :'test_key'), (2, 'imported', 'fskl_leaksimportedleaksimported'),
	(3, 'test, reissued', falukeys.reveal_key(:'test')),
		(4, 'imported, reissued', falukeys.reveal_key(:'imported'))) k(number, name, key),
       falukeys.verify_key(key) ORDER BY number;

--
-- A retired secret: only that one ends.
--
SELECT id AS graced, key AS old FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT key AS new FROM falukeys.roll_key(:'graced', '1 day') \gset
SELECT falukeys.report_compromised_key(:'old') = :'graced' AS its_id;
SELECT k.name, code, key_id = :'graced' AS key_id
	FROM (VALUES (1, 'retired', :'old'), (2, 'current', :'new')) k(number, name, key), falukeys.verify_key(key)
	ORDER BY number;
SELECT compromised_at <= clock_timestamp() AS compromised FROM falukeys.retired_secrets WHERE key_id = :'graced';
SELECT falukeys.report_compromised_key(:'old') = :'graced' AS again;
SELECT count(*) FROM falukeys.events WHERE key_id = :'graced' AND event = 'key.compromised';
-- Where its grace is over, it is rolled as before.
SELECT key AS newer FROM falukeys.roll_key(:'graced') \gset
SELECT falukeys.report_compromised_key(:'new') = :'graced' AS its_id;
SELECT k.name, code FROM (VALUES (1, 'first', :'old'), (2, 'second', :'new'), (3, 'current', :'newer')) k(number, name,
	key), falukeys.verify_key(key) ORDER BY number;

--
-- A temporary key, or one that no longer verifies: ended, and not reissued
--
SELECT id AS temporary, key AS temporary_key FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}') \gset
SELECT id AS disabled, key AS disabled_key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT falukeys.disable_key(:'disabled');
SELECT id AS expired, key AS expired_key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT falukeys.set_key_validity(:'expired', NULL, clock_timestamp() + interval '200 milliseconds');
SELECT id AS revoked, key AS revoked_key FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT falukeys.revoke_key(:'revoked', 'over');
SELECT pg_sleep(0.3);
CREATE TABLE leaks_ended (number integer, name text, id text, key text);
INSERT INTO leaks_ended VALUES (1, 'temporary', :'temporary', :'temporary_key'),
	(2, 'disabled', :'disabled', :'disabled_key'),
	(3, 'expired', :'expired', :'expired_key'), (4, 'revoked', :'revoked', :'revoked_key');
SELECT e.name, falukeys.report_compromised_key(key) = id AS its_id FROM leaks_ended e ORDER BY number;
SELECT e.name, v.code, v.key_id = id AS key_id, k.secret OPERATOR(falukeys.=) falukeys.apikey_of(key) AS same_secret
  FROM leaks_ended e JOIN falukeys.keys k USING (id), falukeys.verify_key(key, object_id => 'object') v ORDER BY number;
SELECT falukeys.enable_key(:'disabled');
SELECT code FROM falukeys.verify_key(:'disabled_key');
SELECT e.name, refusal.code AS roll FROM leaks_ended e, pg_temp.refusal('SELECT falukeys.roll_key($1)', id)
	ORDER BY number;
SELECT e.name, falukeys.report_compromised_key(key) = id AS again FROM leaks_ended e ORDER BY number;
SELECT e.name, count(*) FILTER (WHERE event = 'key.compromised') AS events FROM leaks_ended e
	JOIN falukeys.events v ON v.key_id = e.id GROUP BY number, e.name ORDER BY number;
-- A key that ended by a report can be purged as others can, and none of its secrets is sealed.
SELECT count(*) FROM falukeys.sealed_secrets WHERE key_id = :'temporary';
SELECT falukeys.purge_keys('0') > 0 AS purged;
SELECT count(*) FROM falukeys.keys WHERE id = :'temporary';

--
-- What is not reported
--
SELECT id AS public, key AS public_key FROM falukeys.create_key(:'workspace', 'public', 'live') \gset
SELECT falukeys.report_compromised_key(:'public_key');
\echo :LAST_ERROR_MESSAGE
SELECT code FROM falukeys.verify_key(:'public_key');
SELECT falukeys.report_compromised_key('fskl_neverheardofneverheardof') IS NULL AS unknown;
SELECT falukeys.report_compromised_key(:'temporary_key') IS NULL AS purged;
SELECT falukeys.report_compromised_key('garbage');
SELECT falukeys.report_compromised_key(NULL);

-- A key that is given where something else belongs is in no message.
CREATE FUNCTION pg_temp.message(statement text, argument text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement USING argument;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT call, replace(pg_temp.message('SELECT falukeys.' || replace(call, 'WORKSPACE', quote_literal(:'workspace')),
	'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'), :'workspace', 'WORKSPACE') AS message
  FROM unnest(ARRAY['approve_workspace($1)', 'suspend_workspace($1)', 'resume_workspace($1)', 'close_workspace($1)',
	'add_member($1, current_user::regrole, ''member'')', 'remove_member($1, current_user::regrole)',
	'define_permission($1)', 'define_permission(upper($1))',
	'create_key($1, ''secret'', ''test'')', 'create_key(WORKSPACE, ''secret'', ''test'', permissions => ARRAY[$1])',
	'create_temporary_key($1, ''test'', ''{object}'')',
	'create_temporary_key(WORKSPACE, ''test'', ''{object}'', ARRAY[$1])',
	'import_key($1, $1)', 'import_key(WORKSPACE, $1 || ''-'')', 'import_key(WORKSPACE, $1, NULL, ARRAY[$1])',
	'import_key_digest($1, falukeys.apikey_of($1))',
	'reveal_key($1)', 'roll_key($1)', 'end_grace($1)', 'disable_key($1)', 'enable_key($1)', 'revoke_key($1)',
	'restrict_key($1, ''{leaks}'')',
	'clear_permissions($1)', 'clear_networks($1)', 'annotate_key($1)', 'set_key_validity($1, NULL, NULL)',
	'report_compromised_key($1 || ''-'')']) call;

--
-- redact: every key in a text, as redacted() masks it
--
CREATE TABLE leaks_text (number integer GENERATED ALWAYS AS IDENTITY, source text);
INSERT INTO leaks_text (source) VALUES
	(''), ('no key'), ('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'),
		('fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg'),
	('secret fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys, '
		'public fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg.'),
	('{"key":"fskl_0123456789abcdefghij"}'), ('https://example.com/?key=ftkl_0123456789abcdefghij&x=1'),
	('Bearer fskl_0123456789abcdefghij'),
	('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ysfskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'),
	(E'fskl_0123456789abcdefghij\nfskl_0123456789ABCDEFGHIJ\tfpkl_0123456789abcdefghij'),
	('xfskl_0123456789abcdefghij'), ('my_fskl_0123456789abcdefghij_key'),
	(chr(233) || 'fskl_0123456789abcdefghij' || chr(233)),
	('fskl_' || repeat('0', 50)),
	-- no keys: too short, other prefixes, already masked
	('fskl_0123456789abcdefghi'), ('fskx_0123456789abcdefghij'), ('FSKL_0123456789abcdefghij'),
		('fskl-0123456789abcdefghij'), ('fskt_****u8Ys'),
	('fskt_****u8Ys:2ef22809b2cabdb9e209bf9c3bda12e94b452f72aa14166668ba17df08c9cf6c');
SELECT source, falukeys.redact(source),
	falukeys.redact(falukeys.redact(source)) = falukeys.redact(source) AS once_is_enough FROM leaks_text
	ORDER BY number;
-- Where too much is glued together, nothing of it is shown.
SELECT falukeys.redact('fskl_' || repeat('0123456789', 6)) !~ '0123456789' AS masked;
SELECT falukeys.redact(NULL) IS NULL AS strict, length(falukeys.redact(repeat('x', 1048576))) AS long,
       falukeys.redact(repeat('fskl_0123456789abcdefghij ', 40000)) = repeat('fskl_****ghij ', 40000) AS many;
SELECT count(*) AS keys, count(*) FILTER (WHERE falukeys.redact('> ' || falukeys.redact(key) || ' < ' || key) = '> '
	|| falukeys.redacted(falukeys.apikey_of(key)) || ' < ' || falukeys.redacted(falukeys.apikey_of(key))) AS agree
  FROM unnest(ARRAY[:'live_key', :'test_key', :'public_key', :'temporary_key']) key;

-- It can be cancelled: what stands behind it in the statement is not reached.
CREATE SEQUENCE leaks_reached;
CREATE TABLE leaks_long AS SELECT repeat('x', 1000000) AS source;
SELECT pg_cancel_backend(pg_backend_pid()), length(falukeys.redact(source)), nextval('leaks_reached') FROM leaks_long;
SELECT is_called FROM leaks_reached;
DROP SEQUENCE leaks_reached;

DROP TABLE leaks_ended, leaks_text, leaks_long;
