--
-- What changes what a key may do, or who may change it, leaves an event, by whom ever
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

CREATE ROLE regress_falukeys_ada;
CREATE ROLE regress_falukeys_ben;
SELECT falukeys.create_workspace('Recording', 'regress_falukeys_ada') AS workspace \gset
SELECT falukeys.define_permission('recording.read'), falukeys.define_permission('recording.write');
SELECT id AS key_id FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS other_id FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS temporary FROM falukeys.create_temporary_key(:'workspace', 'test', '{one}') \gset

-- What came since this was asked last
CREATE TEMPORARY TABLE seen (id bigint);
INSERT INTO seen SELECT coalesce(max(id), 0) FROM falukeys.events;
CREATE TEMPORARY TABLE named (id text, name text);
INSERT INTO named VALUES (:'key_id', 'key'), (:'other_id', 'other'), (:'temporary', 'temporary'),
	(:'workspace', 'workspace');
CREATE FUNCTION pg_temp.news() RETURNS TABLE (event text, workspace text, key text, detail jsonb) LANGUAGE sql AS $$
	WITH new AS (SELECT * FROM falukeys.events WHERE id > (SELECT max(id) FROM seen)),
		kept AS (INSERT INTO seen SELECT max(id) FROM new)
	SELECT event, w.name, coalesce(k.name, left(key_id, 4)), detail
	FROM new LEFT JOIN named AS w ON w.id = workspace_id LEFT JOIN named AS k ON k.id = key_id
	ORDER BY new.id $$;

--
-- Each call of a function leaves one event of a sort.
--
SELECT falukeys.restrict_key(:'key_id', '{recording.read,recording.write}', '{192.0.2.0/24,198.51.100.0/24}');
SELECT * FROM pg_temp.news();
SELECT falukeys.restrict_key(:'key_id', '{recording.read}');
SELECT * FROM pg_temp.news();
SELECT falukeys.clear_networks(:'key_id');
SELECT * FROM pg_temp.news();
SELECT falukeys.clear_networks(:'key_id');
SELECT * FROM pg_temp.news();
SELECT falukeys.annotate_key(:'key_id', 'Shop fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'vault', '{"tier": 1}');
SELECT * FROM pg_temp.news();
SELECT falukeys.annotate_key(:'key_id', saved_in => 'vault', meta => '{"tier": 1}');
SELECT * FROM pg_temp.news();
SELECT falukeys.set_key_validity(:'key_id', '2001-01-01 00:00+00', '2101-01-01 00:00+00');
SELECT * FROM pg_temp.news();
SELECT falukeys.set_key_validity(:'key_id', expires_at => '2101-01-01 00:00+00');
SELECT * FROM pg_temp.news();
SELECT falukeys.set_key_validity(:'key_id', '-infinity', 'infinity');
SELECT * FROM pg_temp.news();
SELECT falukeys.disable_key(:'key_id'), falukeys.enable_key(:'key_id');
SELECT * FROM pg_temp.news();
SELECT count(*) FROM falukeys.roll_key(:'key_id', '1 hour');
SELECT event, workspace, key FROM pg_temp.news();
SELECT falukeys.end_grace(:'key_id');
SELECT * FROM pg_temp.news();
SELECT falukeys.end_grace(:'key_id');
SELECT * FROM pg_temp.news();
-- A test secret is revealed ever again: only where it is kept is a change.
SELECT falukeys.reveal_key(:'key_id') IS NOT NULL AS revealed,
	falukeys.reveal_key(:'key_id', 'drawer') IS NOT NULL AS revealed;
SELECT * FROM pg_temp.news();
SELECT falukeys.revoke_key(:'other_id', 'over');
SELECT * FROM pg_temp.news();
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_ben', 'member');
SELECT * FROM pg_temp.news();
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_ben', 'member');
SELECT * FROM pg_temp.news();
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_ben', 'developer');
SELECT * FROM pg_temp.news();
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_ben');
SELECT * FROM pg_temp.news();
SELECT falukeys.define_permission('recording.list'), falukeys.define_permission('recording.list', 'Lists'),
	falukeys.define_permission('recording.list');
SELECT * FROM pg_temp.news();
SELECT falukeys.grant_access('regress_falukeys_ada', 'operator'),
	falukeys.revoke_access('regress_falukeys_ada', 'operator');
SELECT * FROM pg_temp.news();
SET client_min_messages = warning;
SELECT falukeys.rotate_master_key() > 0 AS sealed, falukeys.adopt_sealed_secrets() > 0 AS adopted;
RESET client_min_messages;
SELECT event, (detail ->> 'sealed')::bigint > 0 AS sealed FROM pg_temp.news();
SELECT id AS brief FROM falukeys.create_temporary_key(:'workspace', 'test', '{one}', '{recording.read}',
	'{192.0.2.1/32}', ttl => '1 millisecond') \gset
SELECT pg_sleep(0.01);
SELECT event, workspace, key FROM pg_temp.news();
SELECT falukeys.purge_keys('0') > 0 AS purged, falukeys.purge_keys('0');
SELECT event, workspace, key, detail ->> 'older_than' AS older_than FROM pg_temp.news();

--
-- By hand the same is recorded.
--
UPDATE falukeys.keys SET description = NULL, saved_in = 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'
	WHERE id = :'key_id';
UPDATE falukeys.keys SET meta = '{}' WHERE id = :'key_id';
UPDATE falukeys.keys SET meta = '{}', description = NULL WHERE id = :'key_id';
UPDATE falukeys.keys SET revoke_reason = 'known' WHERE id = :'other_id';
SELECT * FROM pg_temp.news();
UPDATE falukeys.keys SET not_before = '2001-01-01 00:00+00' WHERE id = :'key_id';
UPDATE falukeys.keys SET expires_at = '2101-01-01 00:00+00', not_before = NULL WHERE id = :'key_id';
SELECT * FROM pg_temp.news();
UPDATE falukeys.keys SET permissions_restricted = false WHERE id = :'key_id';
UPDATE falukeys.keys SET permissions_restricted = true, networks_restricted = true WHERE id = :'key_id';
UPDATE falukeys.keys SET networks_restricted = false, disabled = true WHERE id = :'key_id';
SELECT * FROM pg_temp.news();
UPDATE falukeys.keys SET revoked_at = now(), revoke_reason = 'by hand' WHERE id = :'key_id';
SELECT * FROM pg_temp.news();
-- Of restrictions, one a key and a statement, and none where nothing was changed
INSERT INTO falukeys.key_permissions
	VALUES (:'key_id', 'recording.write'), (:'temporary', 'recording.read'), (:'key_id', 'recording.list');
SELECT * FROM pg_temp.news() ORDER BY key;
INSERT INTO falukeys.key_networks VALUES (:'key_id', '192.0.2.0/24') ON CONFLICT DO NOTHING;
INSERT INTO falukeys.key_networks VALUES (:'key_id', '192.0.2.0/24') ON CONFLICT DO NOTHING;
SELECT * FROM pg_temp.news();
INSERT INTO falukeys.key_objects SELECT :'temporary', 'object ' || i FROM generate_series(1, 3) AS i;
SELECT * FROM pg_temp.news();
DELETE FROM falukeys.key_objects WHERE object_id = 'object 2' AND key_id = :'temporary';
DELETE FROM falukeys.key_networks WHERE key_id IN (:'key_id', :'other_id');
DELETE FROM falukeys.key_permissions WHERE key_id = :'key_id';
DELETE FROM falukeys.key_permissions WHERE key_id = :'key_id';
SELECT * FROM pg_temp.news();
-- Of others, one a row
INSERT INTO falukeys.members VALUES (:'workspace', 'regress_falukeys_ben', 'developer');
UPDATE falukeys.members SET role = 'administrator' WHERE workspace_id = :'workspace';
DELETE FROM falukeys.members WHERE member = 'regress_falukeys_ben'::regrole;
SELECT * FROM pg_temp.news();
INSERT INTO falukeys.permissions (name) VALUES ('recording.one'), ('recording.two') ON CONFLICT DO NOTHING;
INSERT INTO falukeys.permissions (name) VALUES ('recording.one') ON CONFLICT DO NOTHING;
UPDATE falukeys.permissions SET description = 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'
	WHERE name IN ('recording.one', 'recording.two');
DELETE FROM falukeys.permissions WHERE name IN ('recording.one', 'recording.two');
SELECT * FROM pg_temp.news();
-- A role that is gone is named by its number.
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_ben', 'member');
SELECT 'regress_falukeys_ben'::regrole::oid AS ben \gset
DROP ROLE regress_falukeys_ben;
SELECT falukeys.remove_member(:'workspace', :'ben');
SELECT event, detail ->> 'member' IN ('regress_falukeys_ben', :'ben') AS the_member FROM pg_temp.news();

--
-- Nothing is recorded of what was rolled back, and what came before stays.
--
BEGIN;
SELECT falukeys.annotate_key(:'temporary', 'before');
SAVEPOINT here;
INSERT INTO falukeys.key_permissions VALUES (:'temporary', 'recording.write');
SELECT falukeys.restrict_key(:'temporary', '{recording.unknown}');
ROLLBACK TO here;
INSERT INTO falukeys.key_permissions VALUES (:'temporary', 'recording.list');
COMMIT;
SELECT * FROM pg_temp.news();
-- A function that failed leaves nothing by which the next change would not be recorded.
DO $$ BEGIN
	PERFORM falukeys.restrict_key((SELECT id FROM named WHERE name = 'temporary'),
		array_fill('recording.read'::text, ARRAY[1001]));
EXCEPTION WHEN invalid_parameter_value THEN NULL; END $$;
DELETE FROM falukeys.key_permissions WHERE permission = 'recording.list';
SELECT * FROM pg_temp.news();

--
-- A restored row has the time of its own, and is recorded by nobody.
--
INSERT INTO falukeys.permissions VALUES ('recording.restored', NULL, '2001-01-01');
INSERT INTO falukeys.members VALUES (:'workspace', current_user::regrole, 'member', '2001-01-01');
INSERT INTO falukeys.key_permissions VALUES (:'temporary', 'recording.restored', '2001-01-01');
INSERT INTO falukeys.key_networks VALUES (:'temporary', '192.0.2.0/24', '2001-01-01');
INSERT INTO falukeys.key_objects VALUES (:'temporary', 'restored', '2001-01-01');
SELECT * FROM pg_temp.news();
INSERT INTO falukeys.key_objects VALUES (:'temporary', 'restored too', '2001-01-01'), (:'temporary', 'new', DEFAULT);
SELECT * FROM pg_temp.news();

--
-- In bulk, as many keys are recorded one by one as imports are, and the rest is counted.
--
BEGIN;
INSERT INTO falukeys.keys (workspace_id, secret)
	SELECT :'workspace', falukeys.apikey_of('fskt_' || md5('recording' || i)) FROM generate_series(1, 1003) AS i;
SELECT event, count(*), count(key), string_agg(DISTINCT detail ->> 'count', '') AS and_more FROM pg_temp.news()
	GROUP BY event;
INSERT INTO falukeys.key_permissions
	SELECT id, 'recording.read' FROM falukeys.keys WHERE workspace_id = :'workspace' AND imported AND kind = 'secret';
SELECT event, detail, count(*), count(key) FROM pg_temp.news() GROUP BY 1, 2 ORDER BY 3;
DELETE FROM falukeys.key_permissions
	WHERE key_id IN (SELECT id FROM falukeys.keys WHERE workspace_id = :'workspace' AND imported);
SELECT event, detail, count(*), count(key) FROM pg_temp.news() GROUP BY 1, 2 ORDER BY 3;
-- Other tests need not read all that.
ROLLBACK;

-- No key is in what was recorded.
SELECT count(*) FROM falukeys.events AS e WHERE e::text ~ 'f[spt]k[tl]_[0-9A-Za-z]{8}';

SET client_min_messages = warning;
SELECT falukeys.close_workspace(:'workspace');
DROP OWNED BY regress_falukeys_ada;
DROP ROLE regress_falukeys_ada;
