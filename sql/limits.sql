--
-- What callers store has limits, which errors name
--
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
SELECT falukeys.define_permission('limits.read');
RESET client_min_messages;

SELECT falukeys.create_workspace(repeat(chr(233), 200)) AS workspace \gset
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test', repeat(chr(233), 1024)) \gset
CREATE TEMP TABLE limits AS SELECT repeat(chr(233), 1025) AS long, array_fill('limits.read'::text, ARRAY[1001]) AS many,
	array_fill('10.0.0.0/8'::cidr, ARRAY[1001]) AS networks,
	jsonb_build_object('a', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2049) AS i)) AS meta;

-- Names and texts
SELECT falukeys.create_workspace(repeat(chr(233), 201));
SELECT falukeys.define_permission(repeat('a', 201));
SELECT falukeys.define_permission(repeat('a', 200));
SELECT falukeys.define_permission('limits.read', long) FROM limits;
SELECT falukeys.suspend_workspace(:'workspace', long) FROM limits;
SELECT falukeys.close_workspace(:'workspace', long) FROM limits;
SELECT falukeys.create_key(:'workspace', 'secret', 'test', long) FROM limits;
SELECT falukeys.import_key(:'workspace', 'fskt_limitslimitslimitslimits', long) FROM limits;
SELECT falukeys.import_key_digest(:'workspace', 'fskt_limitslimitslimitslimits', long) FROM limits;
SELECT falukeys.annotate_key(:'key_id', description => long) FROM limits;
SELECT falukeys.annotate_key(:'key_id', saved_in => long) FROM limits;
SELECT falukeys.reveal_key(:'key_id', saved_in => long) FROM limits;
SELECT falukeys.revoke_key(:'key_id', reason => long) FROM limits;
SELECT falukeys.report_compromised_key(:'key', source => long) FROM limits;

-- Arrays and their elements
SELECT falukeys.create_key(:'workspace', 'secret', 'test', permissions => many) FROM limits;
SELECT falukeys.create_key(:'workspace', 'secret', 'test', networks => networks) FROM limits;
SELECT falukeys.import_key(:'workspace', 'fskt_limitslimitslimitslimits', permissions => many) FROM limits;
SELECT falukeys.import_key_digest(:'workspace', 'fskt_limitslimitslimitslimits', networks => networks) FROM limits;
SELECT falukeys.restrict_key(:'key_id', many) FROM limits;
SELECT falukeys.restrict_key(:'key_id', networks => networks) FROM limits;
SELECT falukeys.create_temporary_key(:'workspace', 'test', many) FROM limits;
SELECT falukeys.create_temporary_key(:'workspace', 'test', '{object}', permissions => many) FROM limits;
SELECT falukeys.create_temporary_key(:'workspace', 'test', '{object}', networks => networks) FROM limits;
SELECT falukeys.create_temporary_key(:'workspace', 'test', ARRAY['object', repeat(chr(233), 201)]);
SELECT falukeys.create_key(:'workspace', 'secret', 'test', permissions => ARRAY[repeat('a', 201)]);
SELECT id IS NOT NULL AS created FROM falukeys.create_temporary_key(:'workspace', 'test',
	(SELECT array_agg(repeat(chr(233), 196) || i) FROM generate_series(1000, 1999) AS i));
SELECT falukeys.restrict_key(:'key_id', many[2:], networks[2:]) FROM limits;

-- What the application keeps with a key
SELECT falukeys.create_key(:'workspace', 'secret', 'test', meta => meta) FROM limits;
SELECT falukeys.import_key(:'workspace', 'fskt_limitslimitslimitslimits', meta => meta) FROM limits;
SELECT falukeys.import_key_digest(:'workspace', 'fskt_limitslimitslimitslimits', meta => meta) FROM limits;
SELECT falukeys.annotate_key(:'key_id', meta => meta) FROM limits;
SELECT falukeys.annotate_key(:'key_id', meta => jsonb_build_object('a', repeat('a', 64000)));

-- The same by hand
INSERT INTO falukeys.workspaces (name) VALUES (repeat(chr(233), 201));
UPDATE falukeys.workspaces SET name = repeat(chr(233), 201) WHERE id = :'workspace';
UPDATE falukeys.workspaces SET state = 'suspended', state_reason = long FROM limits WHERE id = :'workspace';
INSERT INTO falukeys.keys (workspace_id, secret, description) SELECT :'workspace', 'fskt_limitslimitslimitslimits', long
	FROM limits;
INSERT INTO falukeys.keys (workspace_id, secret, meta) SELECT :'workspace', 'fskt_limitslimitslimitslimits', meta
	FROM limits;
UPDATE falukeys.keys SET description = long FROM limits WHERE id = :'key_id';
UPDATE falukeys.keys SET saved_in = long FROM limits WHERE id = :'key_id';
UPDATE falukeys.keys SET revoked_at = now(), revoke_reason = long FROM limits WHERE id = :'key_id';
UPDATE falukeys.keys SET meta = limits.meta FROM limits WHERE id = :'key_id';
UPDATE falukeys.permissions SET description = long FROM limits WHERE name = 'limits.read';
-- A restored row is as it was, and what stays as it is is not looked at.
INSERT INTO falukeys.keys (id, workspace_id, secret, description, meta)
	SELECT 'key_restored0000000000000limits', :'workspace', 'fskt_limitslimitslimitslimits', long, meta FROM limits;
UPDATE falukeys.keys SET disabled = true WHERE id = 'key_restored0000000000000limits';
SELECT length(description), pg_column_size(meta) > 65536 AS large FROM falukeys.keys
	WHERE id = 'key_restored0000000000000limits';

-- acting_for is cut, whatever stands where.
SELECT max(id) AS before FROM falukeys.events \gset
SELECT set_config('falukeys.acting_for', repeat(chr(233), 1025), false) IS NOT NULL AS set;
SELECT falukeys.disable_key(:'key_id');
SELECT set_config('falukeys.acting_for', repeat(chr(233), 16000000), false) IS NOT NULL AS set;
SELECT falukeys.enable_key(:'key_id');
-- No part of a key is left, neither at the end nor where masking has moved it to the front.
SELECT set_config('falukeys.acting_for', repeat('a', 1000) || ' fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys',
	false) IS NOT NULL AS set;
SELECT falukeys.disable_key(:'key_id');
SELECT bool_or(octet_length(masked) < 1024) AS short
	FROM (SELECT falukeys.redact(repeat('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys ', 20)) AS masked) AS m;
SELECT bool_or(set_config('falukeys.acting_for',
	repeat(' ', i) || repeat('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys ', 30000), false) IS NULL) AS unset,
	count(falukeys.enable_key(:'key_id')) + count(falukeys.disable_key(:'key_id')) AS calls
		FROM generate_series(0, 55) AS i;
SELECT count(*), min(length(acting_for)), max(length(acting_for)), bool_or(acting_for ~ 'fskt_LdVyn') AS a_key
	FROM falukeys.events WHERE id > :before;
RESET falukeys.acting_for;
SELECT falukeys.close_workspace(:'workspace');
