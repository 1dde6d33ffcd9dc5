--
-- Where rows stood is remembered, and nothing depends on it.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission(name) FROM unnest('{hints,hints.read,hinted}'::text[]) name;
SELECT falukeys.create_workspace('Hints') AS workspace \gset
SELECT id AS a_id, key AS a FROM falukeys.create_key(:'workspace', 'secret', 'test', NULL, '{hints}', '{192.0.2.0/24}') \gset
SELECT id AS b_id, key AS b FROM falukeys.create_key(:'workspace', 'secret', 'test', NULL, '{hinted}', '{198.51.100.0/24}') \gset
PREPARE ask(text, text, inet) AS SELECT code FROM falukeys.verify_key($1, $2, $3);
-- Twice: the second time the row that fitted is looked at first.
PREPARE twice(text, text, inet) AS SELECT i, code FROM generate_series(1, 2) i, falukeys.verify_key($1, $2, $3) WHERE i > 0;
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

-- Its place is given to a row of another key, after both tables were written anew.
VACUUM FULL falukeys.key_permissions;
CLUSTER falukeys.key_networks USING key_networks_pkey;
VACUUM FULL falukeys.keys;
EXECUTE twice(:'a', 'hinted', '203.0.113.1');
SELECT falukeys.restrict_key(:'b_id', '{hints}');
SELECT falukeys.restrict_key(:'a_id', '{hints.read}');
VACUUM FULL falukeys.key_permissions;
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
SELECT ctid AS place FROM falukeys.key_permissions WHERE key_id = :'a_id' \gset
SET session_replication_role = replica;
DELETE FROM falukeys.key_permissions WHERE key_id = :'a_id';
VACUUM falukeys.key_permissions;
INSERT INTO falukeys.key_permissions VALUES (:'b_id', 'hints.read');
RESET session_replication_role;
SELECT ctid = :'place' AS same_place FROM falukeys.key_permissions WHERE key_id = :'b_id' AND permission = 'hints.read';
EXECUTE twice(:'a', 'hints.read', '203.0.113.1');
EXECUTE twice(:'b', 'hints.read', '198.51.100.1');

-- Objects of temporary keys
SELECT id AS t_id, key AS t FROM falukeys.create_temporary_key(:'workspace', 'test', '{one,two}') \gset
SELECT i, object, code FROM generate_series(1, 2) i, unnest('{one,two,three}'::text[]) object, falukeys.verify_key(:'t', object_id => object) WHERE i > 0 ORDER BY i, object;
SET session_replication_role = replica;
DELETE FROM falukeys.key_objects WHERE key_id = :'t_id' AND object_id = 'one';
RESET session_replication_role;
SELECT i, object, code FROM generate_series(1, 2) i, unnest('{one,two,three}'::text[]) object, falukeys.verify_key(:'t', object_id => object) WHERE i > 0 ORDER BY i, object;

-- A key that was rolled, or whose row went elsewhere, is not found where it stood.
EXECUTE twice(:'b', 'hints.read', '198.51.100.1');
SELECT key AS rolled FROM falukeys.roll_key(:'b_id') \gset
EXECUTE twice(:'b', 'hints.read', '198.51.100.1');
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');
SELECT falukeys.annotate_key(:'b_id', repeat('x', 5000));
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');
VACUUM falukeys.keys;
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');
SELECT falukeys.revoke_key(:'b_id');
EXECUTE twice(:'rolled', 'hints.read', '198.51.100.1');

-- More keys than one session remembers
CREATE TABLE hints_key AS SELECT 'fskt_hintshintshintshints' || i AS key FROM generate_series(10000, 13000) i;
INSERT INTO falukeys.keys (workspace_id, secret) SELECT :'workspace', falukeys.apikey_of(key) FROM hints_key;
SELECT i, count(*) FROM generate_series(1, 3) i, hints_key WHERE falukeys.key_allows(key || left('', i), NULL, NULL) GROUP BY i ORDER BY i;
DROP TABLE hints_key;
