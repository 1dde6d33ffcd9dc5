--
-- Where rows stood is remembered, and nothing depends on it.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission(name) FROM unnest('{hints,hints.read,hinted}'::text[]) name;
SELECT falukeys.create_workspace('Hints') AS workspace \gset
SELECT id AS a_id, key AS a FROM falukeys.create_key(:'workspace', 'secret', 'test', NULL, '{hints}', '{192.0.2.0/24}')
	\gset
SELECT id AS b_id, key AS b FROM falukeys.create_key(:'workspace', 'secret', 'test', NULL, '{hinted}',
	'{198.51.100.0/24}') \gset
PREPARE ask(text, text, inet) AS SELECT code FROM falukeys.verify_key($1, $2, $3);
-- Twice: the second time the row that fitted is looked at first.  (In FROM, a
-- function whose arguments do not change is called once.)
PREPARE twice(text, text, inet) AS SELECT i, (falukeys.verify_key($1, $2, $3)).code FROM generate_series(1, 2) i;
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
EXECUTE twice(:'b', 'hinted', '198.51.100.1');

-- What was taken away is gone at once, and what was given is there.
SELECT falukeys.restrict_key(:'a_id', '{hinted}');
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
EXECUTE twice(:'a', 'hinted', '192.0.2.1');
SELECT falukeys.restrict_key(:'a_id', '{hints.read,hinted}');
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
EXECUTE twice(:'a', 'hints', '192.0.2.1');
EXECUTE twice(:'a', 'hinted', '192.0.2.1');
SELECT falukeys.restrict_key(:'a_id', networks => '{203.0.113.0/24,192.0.2.7}');
EXECUTE twice(:'a', 'hinted', '192.0.2.1');
EXECUTE twice(:'a', 'hinted', '192.0.2.7');
EXECUTE twice(:'a', 'hinted', '203.0.113.1');

-- One key's row is not another's.
EXECUTE ask(:'b', 'hints.read', '198.51.100.1');
EXECUTE ask(:'b', 'hinted', '203.0.113.1');
SELECT bool_and(code = CASE WHEN i % 2 = 0 THEN 'valid' ELSE 'permission_denied' END) AS alternating
  FROM generate_series(1, 100) i, falukeys.verify_key(CASE WHEN i % 2 = 0 THEN :'a' ELSE :'b' END, 'hints.read',
       CASE WHEN i % 2 = 0 THEN inet '203.0.113.1' ELSE inet '198.51.100.1' END);

-- Nor where two keys are remembered in one place, as those are whose digests
-- start with the same byte.
SELECT min(key) AS first, max(key) AS second FROM
	(SELECT key FROM generate_series(1000, 2999) i, concat('fskt_hintsinthesameplace', i) key
	WHERE get_byte(sha256(key::bytea), 0) = 7 ORDER BY i LIMIT 2) same_place \gset
SELECT falukeys.import_key(:'workspace', :'first', NULL, '{hints}', '{192.0.2.0/24}') IS NOT NULL AS first,
	falukeys.import_key(:'workspace', :'second', NULL, '{hinted}',
		'{192.0.2.0/25,198.51.100.0/24}') IS NOT NULL AS second;
EXECUTE twice(:'first', 'hints.read', '192.0.2.1');
EXECUTE twice(:'second', 'hints.read', '192.0.2.1');
EXECUTE twice(:'first', 'hints.read', '192.0.2.200');
EXECUTE twice(:'second', 'hinted', '192.0.2.200');
EXECUTE twice(:'second', 'hinted', '198.51.100.1');
EXECUTE twice(:'first', 'hints.read', '198.51.100.1');
EXECUTE twice(:'first', 'hinted', '192.0.2.1');

-- Within a transaction, in whatever isolation, and when it is rolled back
BEGIN;
SELECT falukeys.restrict_key(:'a_id', '{hinted}');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
SAVEPOINT s;
SELECT falukeys.restrict_key(:'a_id', '{hints}');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK TO s;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
-- Taken away and given again, and the other way round
BEGIN;
SELECT falukeys.restrict_key(:'a_id', '{hinted}');
SELECT falukeys.restrict_key(:'a_id', '{hints}', '{192.0.2.0/24}');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
SAVEPOINT s;
SELECT falukeys.restrict_key(:'a_id', '{hinted}');
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
ROLLBACK TO s;
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
SELECT falukeys.restrict_key(:'a_id', networks => '{203.0.113.0/24}');
RELEASE s;
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK;
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
-- The tables are emptied, and not emptied after all.
BEGIN;
SET LOCAL session_replication_role = replica;
TRUNCATE falukeys.key_permissions;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
INSERT INTO falukeys.key_permissions VALUES (:'b_id', 'hints'), (:'a_id', 'hinted');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
INSERT INTO falukeys.key_permissions VALUES (:'a_id', 'hints');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
TRUNCATE falukeys.key_networks;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
BEGIN ISOLATION LEVEL REPEATABLE READ;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
SELECT falukeys.restrict_key(:'a_id', '{hinted}');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
SELECT falukeys.restrict_key(:'a_id', '{hinted}');
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
COMMIT;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
EXECUTE twice(:'a', 'hinted', '203.0.113.1');

-- The tables are written anew, and so are single rows.  Then the place of a row
-- is given to another key's.
VACUUM FULL falukeys.key_permissions;
CLUSTER falukeys.key_networks USING key_networks_pkey;
VACUUM FULL falukeys.keys;
EXECUTE twice(:'a', 'hinted', '203.0.113.1');
SELECT falukeys.restrict_key(:'b_id', '{hints}');
SELECT falukeys.restrict_key(:'a_id', '{hints.read}');
VACUUM FULL falukeys.key_permissions;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
SET session_replication_role = replica;
UPDATE falukeys.key_permissions SET permission = permission WHERE key_id = :'a_id';
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
UPDATE falukeys.key_permissions SET permission = 'hinted' WHERE key_id = :'a_id';
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
EXECUTE twice(:'a', 'hinted', '203.0.113.1');
DELETE FROM falukeys.key_permissions WHERE key_id = :'a_id';
EXECUTE twice(:'a', 'hinted', '203.0.113.1');
-- (VACUUM removes what was rolled back whatever snapshots there are; told so, it
-- skips no page and frees every place.)
VACUUM (FREEZE, INDEX_CLEANUP ON) falukeys.key_permissions;
BEGIN;
INSERT INTO falukeys.key_permissions VALUES (:'a_id', 'hints.read');
SELECT ctid AS place FROM falukeys.key_permissions WHERE key_id = :'a_id' \gset
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
VACUUM (FREEZE, INDEX_CLEANUP ON) falukeys.key_permissions;
INSERT INTO falukeys.key_permissions VALUES (:'b_id', 'hints.read');
RESET session_replication_role;
SELECT ctid = :'place' AS same_place FROM falukeys.key_permissions WHERE key_id = :'b_id' AND permission = 'hints.read';
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
EXECUTE twice(:'b', 'hints.read', '198.51.100.1');
-- and so with networks
SELECT falukeys.restrict_key(:'a_id', '{hints.read}', '{192.0.2.0/24}');
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
SET session_replication_role = replica;
DELETE FROM falukeys.key_networks WHERE key_id = :'a_id';
EXECUTE twice(:'a', 'hints.read', '192.0.2.1');
VACUUM (FREEZE, INDEX_CLEANUP ON) falukeys.key_networks;
BEGIN;
INSERT INTO falukeys.key_networks VALUES (:'a_id', '203.0.113.0/24');
SELECT ctid AS place FROM falukeys.key_networks WHERE key_id = :'a_id' \gset
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
ROLLBACK;
VACUUM (FREEZE, INDEX_CLEANUP ON) falukeys.key_networks;
INSERT INTO falukeys.key_networks VALUES (:'b_id', '203.0.113.0/24');
RESET session_replication_role;
SELECT ctid = :'place' AS same_place FROM falukeys.key_networks WHERE key_id = :'b_id' AND network = '203.0.113.0/24';
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
EXECUTE twice(:'b', 'hints.read', '203.0.113.1');

-- Objects of temporary keys
SELECT id AS t_id, key AS t FROM falukeys.create_temporary_key(:'workspace', 'test', '{one,two}') \gset
SELECT i, object, (falukeys.verify_key(:'t', object_id => object)).code
	FROM generate_series(1, 2) i, unnest('{one,two,three}'::text[]) object ORDER BY i, object;
SET session_replication_role = replica;
DELETE FROM falukeys.key_objects WHERE key_id = :'t_id' AND object_id = 'one';
RESET session_replication_role;
SELECT i, object, (falukeys.verify_key(:'t', object_id => object)).code
	FROM generate_series(1, 2) i, unnest('{one,two,three}'::text[]) object ORDER BY i, object;
SELECT key AS u FROM falukeys.create_temporary_key(:'workspace', 'test', '{one}') \gset
VACUUM FULL falukeys.key_objects;
SELECT i, object, (falukeys.verify_key(:'t', object_id => object)).code AS t,
	(falukeys.verify_key(:'u', object_id => object)).code AS u
  FROM generate_series(1, 2) i, unnest('{one,two,three}'::text[]) object ORDER BY i, object;

-- A key that was rolled, or whose row went elsewhere, is not found where it stood.
EXECUTE twice(:'b', 'hints.read', '198.51.100.1');
SELECT key AS rolled FROM falukeys.roll_key(:'b_id') \gset
EXECUTE twice(:'b', 'hints.read', '198.51.100.1');
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');
SELECT falukeys.annotate_key(:'b_id', repeat('x', 1000));
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');
VACUUM falukeys.keys;
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');
SELECT falukeys.revoke_key(:'b_id');
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');

-- Nor is one whose creation was rolled back any of those that stand there now.
VACUUM FULL falukeys.keys;
BEGIN;
SELECT id AS gone_id, key AS gone FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
EXECUTE twice(:'gone', 'hints', '192.0.2.1');
SELECT ctid AS place FROM falukeys.keys WHERE id = :'gone_id' \gset
ROLLBACK;
VACUUM (FREEZE, INDEX_CLEANUP ON) falukeys.keys;
SELECT count((falukeys.create_key(:'workspace', 'secret', 'test')).id) FROM generate_series(1, 100);
SELECT count(*) AS same_place FROM falukeys.keys WHERE ctid = :'place';
EXECUTE twice(:'gone', 'hints', '192.0.2.1');

-- More keys than one session remembers
CREATE TABLE hints_key AS SELECT 'fskt_hintshintshintshints' || i AS key FROM generate_series(10000, 13000) i;
INSERT INTO falukeys.keys (workspace_id, secret) SELECT :'workspace', falukeys.apikey_of(key) FROM hints_key;
SELECT i, count(*) FROM generate_series(1, 3) i, hints_key WHERE falukeys.key_allows(key || left('', i), NULL, NULL)
	GROUP BY i ORDER BY i;
DROP TABLE hints_key;
