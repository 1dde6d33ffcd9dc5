--
-- Keys in other text, and whose they are
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
SELECT falukeys.define_permission('find_keys');
RESET client_min_messages;
SELECT falukeys.create_workspace('Find keys') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
CREATE ROLE regress_find_anyone;
CREATE ROLE regress_find_verifier;
SELECT falukeys.grant_access('regress_find_verifier', 'verifier');

-- Without any key of ours: places count characters, and a checksum is there for one length only.
SELECT start, key, checksum_ok, key_id, state FROM falukeys.find_keys(
	'é fskt_notofthisdatabaseNorOfAnyOther0000000u8Ys, ftkl_short, '
	'"fskt_00000000000000000000000000000000000000000001f5UoO" '
	'fskt_00000000000000000000000000000000000000000001f5UoX/fpkl_01234567890123456789');
SELECT count(*) FROM falukeys.find_keys('');
SELECT count(*) FROM falukeys.find_keys(NULL);
SELECT count(*) FROM falukeys.find_keys(repeat('fskt_', 100000) || repeat('fsk_ _k_', 100000));
-- Each of a thousand, and glued to each other
SELECT count(*), count(DISTINCT key), min(start), max(start) FROM falukeys.find_keys(
	(SELECT string_agg('fskt_' || md5(i::text), ',' ORDER BY i) FROM generate_series(1, 1000) AS i));
SELECT count(*), count(DISTINCT key) FROM falukeys.find_keys(
	(SELECT string_agg('fskt_' || md5(i::text), '') FROM generate_series(1, 1000) AS i));

-- Every state that a key can be in
SELECT id AS valid_id, key AS valid FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT id AS bound_id, key AS bound FROM falukeys.create_key(:'workspace', 'secret', 'live', NULL, '{find_keys}',
	'{192.0.2.0/24}') \gset
SELECT id AS temporary_id, key AS temporary FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}')
	\gset
SELECT id AS public_id, key AS public FROM falukeys.create_key(:'workspace', 'public', 'live') \gset
SELECT id AS rolled_id, key AS rolled FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT key AS current FROM falukeys.roll_key(:'rolled_id') \gset
SELECT id AS graced_id, key AS graced FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT FROM falukeys.roll_key(:'graced_id', '1 day');
SELECT id AS revoked_id, key AS revoked FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT falukeys.revoke_key(:'revoked_id');
SELECT id AS disabled_id, key AS disabled FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT falukeys.disable_key(:'disabled_id');
SELECT id AS early_id, key AS early FROM falukeys.create_key(:'workspace', 'secret', 'live', not_before => 'tomorrow')
	\gset
SELECT falukeys.report_compromised_key(:'temporary') = :'temporary_id' AS reported;
SELECT id AS other_id, key AS other FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}') \gset
CREATE TABLE find_keys_message (id integer, name text, key_id text, key text, body text);
INSERT INTO find_keys_message SELECT number, name, id, key, format('My key %s is %s, why does it fail?', name, key)
	FROM (VALUES (1, 'valid', :'valid_id', :'valid'), (2, 'bound', :'bound_id', :'bound'),
	(3, 'public', :'public_id', :'public'), (4, 'rolled', :'rolled_id', :'rolled'),
	(5, 'current', :'rolled_id', :'current'), (6, 'graced', :'graced_id', :'graced'),
	(7, 'revoked', :'revoked_id', :'revoked'), (8, 'disabled', :'disabled_id', :'disabled'),
	(9, 'early', :'early_id', :'early'), (10, 'reported', :'temporary_id', :'temporary'),
	(11, 'temporary', :'other_id', :'other'), (12, 'unknown', NULL, 'fskt_neverheardofneverheardof'))
	AS v (number, name, id, key);
GRANT SELECT ON find_keys_message TO regress_find_anyone, regress_find_verifier;
SELECT m.name, start - length('My key  is ') - length(m.name) AS start,
	f.key OPERATOR(falukeys.=) falukeys.apikey_of(m.key) AS same, checksum_ok,
	f.key_id IS NOT DISTINCT FROM m.key_id AS its_id, state
FROM find_keys_message AS m, falukeys.find_keys(body) AS f ORDER BY m.id;
-- As the dashboard has it
SELECT count(*) FILTER (WHERE f.state = d.state) AS same,
	string_agg(name, ' ' ORDER BY id) FILTER (WHERE f.state <> d.state) AS by_an_old_secret
FROM find_keys_message AS m, falukeys.find_keys(body) AS f JOIN falukeys.dashboard AS d ON d.key_id = f.key_id;
-- Nobody has presented them.
SELECT count(*) FROM falukeys.usage WHERE workspace_id = :'workspace' AND uses + denials > 0;

-- Who may not verify learns nothing of whose they are.
SET ROLE regress_find_anyone;
SELECT m.name, checksum_ok, f.key_id, state FROM find_keys_message AS m, falukeys.find_keys(body) AS f ORDER BY m.id;
SET ROLE regress_find_verifier;
SELECT count(f.key_id), string_agg(state, ' ' ORDER BY m.id) FROM find_keys_message AS m, falukeys.find_keys(body) AS f;
RESET ROLE;

-- A file of the server: bytes as text
SELECT count(*) AS keys, bool_and(state = 'valid') AS valid FROM falukeys.find_keys(encode(
	convert_to('INSERT INTO settings VALUES (1, ''' || :'valid' || ''');', 'UTF8'), 'escape'));

-- It can be cancelled, also where it finds nothing.
SET statement_timeout = '100ms';
SELECT count(*) FROM generate_series(1, 1000000) AS i, falukeys.find_keys(repeat('fskt_0123456789 ', 5000000) || i);
RESET statement_timeout;

DROP TABLE find_keys_message;
SELECT falukeys.revoke_access('regress_find_verifier', 'verifier');
DROP ROLE regress_find_anyone, regress_find_verifier;
