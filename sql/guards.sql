--
-- Guards: what direct DML may do, and what it may not, by a superuser too
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission('guards.read');
SELECT falukeys.define_permission('guards.write');
SELECT falukeys.create_workspace('Guards') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.create_workspace('Guards, pending') AS pending \gset
SELECT id AS public FROM falukeys.keys WHERE workspace_id = :'workspace' AND kind = 'public' AND mode = 'test' \gset
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test', permissions => '{guards.read}',
	networks => '{192.0.2.0/24}') \gset
SELECT id AS temporary FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}') \gset
SELECT id AS revoked FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.revoke_key(:'revoked', 'over');
SELECT id AS spent FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false) \gset
SELECT falukeys.reveal_key(:'spent', 'safe') IS NOT NULL AS revealed;
SELECT id AS rolled, key AS rolled_key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.roll_key(:'rolled') IS NOT NULL AS rolled;

--
-- INSERT INTO workspaces(name) is create_workspace
--
SELECT coalesce(max(id), 0) AS before FROM falukeys.events \gset
INSERT INTO falukeys.workspaces (name) VALUES ('Guards, by hand fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys')
	RETURNING id AS by_hand \gset
SELECT name, state, id ~ '^wksp_[0-9A-Za-z]{27}$' AS id, created_at BETWEEN clock_timestamp() - interval '1 minute'
	AND clock_timestamp() AS created_now, approved_at
  FROM falukeys.workspaces WHERE id = :'by_hand';
SELECT kind, mode, public_key ~ '^fpkt_[0-9A-Za-z]{49}$' AS public_key FROM falukeys.keys
	WHERE workspace_id = :'by_hand' ORDER BY kind;
SELECT falukeys.reveal_key(id) ~ '^fskt_[0-9A-Za-z]{49}$' AS revealed FROM falukeys.keys
	WHERE workspace_id = :'by_hand' AND kind = 'secret';
-- and setting the state to approved is approve_workspace
UPDATE falukeys.workspaces SET state = 'approved' WHERE id = :'by_hand';
SELECT state, approved_at IS NOT NULL AS approved FROM falukeys.workspaces WHERE id = :'by_hand';
SELECT kind, mode, left(public_key, 5) AS public_key FROM falukeys.keys WHERE workspace_id = :'by_hand'
	ORDER BY mode, kind;
SELECT id AS live FROM falukeys.keys WHERE workspace_id = :'by_hand' AND kind = 'secret' AND mode = 'live' \gset
SELECT falukeys.reveal_key(:'live') ~ '^fskl_[0-9A-Za-z]{49}$' AS revealed;
SELECT falukeys.reveal_key(:'live');
-- a second time makes no second pair, nor do suspending and resuming
UPDATE falukeys.workspaces SET state = 'approved' WHERE id = :'by_hand';
SELECT falukeys.suspend_workspace(:'by_hand');
SELECT falukeys.resume_workspace(:'by_hand');
SELECT count(*) AS keys FROM falukeys.keys WHERE workspace_id = :'by_hand';
SELECT event FROM falukeys.events WHERE workspace_id = :'by_hand' AND id > :before ORDER BY id;
-- several at once
WITH inserted AS (INSERT INTO falukeys.workspaces (name) VALUES ('Guards, first'), ('Guards, second') RETURNING id)
SELECT count(DISTINCT id) FROM inserted;
SELECT w.name, count(*) FROM falukeys.workspaces w JOIN falukeys.keys k ON k.workspace_id = w.id
	WHERE w.name IN ('Guards, first', 'Guards, second') GROUP BY w.name ORDER BY 1;

--
-- What has an id is restored: nothing is made for it, and nothing is recorded.
--
SELECT max(id) AS before FROM falukeys.events \gset
INSERT INTO falukeys.workspaces (id, name, state, created_at, created_by, approved_at, state_changed_at)
VALUES ('wksp_restored0000000000000000000', 'Guards, restored', 'approved', now() - interval '1 year', 'someone',
	now() - interval '1 year', now() - interval '1 year')
RETURNING name, state, created_at < now() - interval '364 days' AS created_then,
	approved_at < now() - interval '364 days' AS approved_then, created_by;
SELECT count(*) AS keys FROM falukeys.keys WHERE workspace_id = 'wksp_restored0000000000000000000';
INSERT INTO falukeys.keys (id, workspace_id, kind, mode, secret, created_at, created_by, imported)
VALUES ('key_restored0000000000000000000', 'wksp_restored0000000000000000000', 'secret', 'live',
	'fskl_restoredrestoredrestoredrestored', now() - interval '1 year', 'someone', true)
RETURNING kind, mode, created_at < now() - interval '364 days' AS created_then, created_by;
SELECT count(*) AS seals FROM falukeys.sealed_secrets WHERE key_id = 'key_restored0000000000000000000';
SELECT count(*) AS events FROM falukeys.events WHERE id > :before;
SELECT code, key_id FROM falukeys.verify_key('fskl_restoredrestoredrestoredrestored');
-- A restored workspace that is not approved is not given the live pair by its state alone.
INSERT INTO falukeys.workspaces (id, name, state, created_at, created_by, approved_at, suspended_from, state_changed_at)
VALUES ('wksp_restored0000000000000000001', 'Guards, restored too', 'suspended', now() - interval '1 year', 'someone',
	now() - interval '1 year', 'approved', now());
SELECT falukeys.resume_workspace('wksp_restored0000000000000000001');
SELECT state, (SELECT count(*) FROM falukeys.keys WHERE workspace_id = w.id) AS keys FROM falukeys.workspaces w
	WHERE id = 'wksp_restored0000000000000000001';
-- The same row twice
INSERT INTO falukeys.workspaces (id, name, state, created_at, created_by, approved_at, state_changed_at)
VALUES ('wksp_restored0000000000000000000', 'Guards, restored', 'approved', now(), 'someone', now(), now());

--
-- workspaces
--
UPDATE falukeys.workspaces SET id = 'wksp_restored0000000000000000009' WHERE id = :'workspace';
UPDATE falukeys.workspaces SET created_at = created_at - interval '1 day' WHERE id = :'workspace';
UPDATE falukeys.workspaces SET created_by = 'someone' WHERE id = :'workspace';
UPDATE falukeys.workspaces SET approved_at = NULL WHERE id = :'workspace';
UPDATE falukeys.workspaces SET state = 'pending' WHERE id = :'workspace';
DELETE FROM falukeys.workspaces WHERE id = :'workspace';
DELETE FROM falukeys.workspaces WHERE id = 'wksp_restored0000000000000000001';
SELECT falukeys.close_workspace('wksp_restored0000000000000000001');
UPDATE falukeys.workspaces SET state = 'approved' WHERE id = 'wksp_restored0000000000000000001';
UPDATE falukeys.workspaces SET state = 'pending' WHERE id = 'wksp_restored0000000000000000001';
-- what may change
UPDATE falukeys.workspaces SET name = 'Guards, renamed fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'
	WHERE id = :'workspace';
SELECT name, state FROM falukeys.workspaces WHERE id IN (:'workspace', 'wksp_restored0000000000000000001')
	ORDER BY name;

--
-- keys
--
UPDATE falukeys.keys SET id = 'key_restored0000000000000000009' WHERE id = :'key_id';
UPDATE falukeys.keys SET workspace_id = :'pending' WHERE id = :'key_id';
UPDATE falukeys.keys SET secret = 'fskt_madeupmadeupmadeupmadeupmadeup' WHERE id = :'key_id';
UPDATE falukeys.keys SET kind = 'temporary' WHERE id = :'key_id';
UPDATE falukeys.keys SET mode = 'live' WHERE id = :'key_id';
UPDATE falukeys.keys SET public_key = 'fpkt_madeupmadeupmadeupmadeupmadeup' WHERE id = :'public';
UPDATE falukeys.keys SET public_key = NULL WHERE id = :'public';
UPDATE falukeys.keys SET public_key = :'key' WHERE id = :'key_id';
UPDATE falukeys.keys SET created_at = created_at - interval '1 day' WHERE id = :'key_id';
UPDATE falukeys.keys SET created_by = 'someone' WHERE id = :'key_id';
UPDATE falukeys.keys SET imported = NOT imported WHERE id = :'key_id';
-- A revocation is never undone.
UPDATE falukeys.keys SET revoked_at = NULL WHERE id = :'revoked';
UPDATE falukeys.keys SET revoked_at = revoked_at + interval '1 year' WHERE id = :'revoked';
SELECT count(*) FROM falukeys.keys WHERE id = :'revoked' AND revoked_at < clock_timestamp() AND revoke_reason = 'over';
-- Nor is the end of a key's time.
SELECT id AS over FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}', ttl => '1 millisecond') \gset
SELECT pg_sleep(0.01);
UPDATE falukeys.keys SET expires_at = NULL WHERE id = :'over';
UPDATE falukeys.keys SET expires_at = now() + interval '1 day' WHERE id = :'over';
SELECT id AS expired FROM falukeys.create_key(:'workspace', 'secret', 'test',
	expires_at => clock_timestamp() + interval '200 milliseconds') \gset
SELECT pg_sleep(0.3);
UPDATE falukeys.keys SET expires_at = NULL WHERE id = :'expired';
UPDATE falukeys.keys SET expires_at = now() + interval '1 day' WHERE id = :'expired';
-- Keys are not deleted.
DELETE FROM falukeys.keys WHERE id = :'key_id';
DELETE FROM falukeys.keys WHERE id = :'revoked';
DELETE FROM falukeys.keys WHERE id = :'temporary';
-- Restrictions on a public key
UPDATE falukeys.keys SET permissions_restricted = true WHERE id = :'public';
UPDATE falukeys.keys SET networks_restricted = true WHERE id = :'public';
INSERT INTO falukeys.key_permissions VALUES (:'public', 'guards.read');
INSERT INTO falukeys.key_networks VALUES (:'public', '192.0.2.0/24');
INSERT INTO falukeys.key_objects VALUES (:'public', 'object');
INSERT INTO falukeys.key_objects VALUES (:'key_id', 'object');
-- A live key in a workspace never approved
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret)
	VALUES (:'pending', 'secret', 'live', 'fskl_neverapprovedbyhandneverapproved');
INSERT INTO falukeys.keys (id, workspace_id, kind, mode, secret, created_at, created_by)
VALUES ('key_restored0000000000000000001', :'pending', 'secret', 'live', 'fskl_neverapprovedbyhandneverapproved',
	now(), 'someone');
-- A kind or mode that its secret does not have, a public key without its text
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret)
	VALUES (:'workspace', 'secret', 'live', 'fskt_otherkindormodeotherkindormode');
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret)
	VALUES (:'workspace', 'temporary', 'test', 'fskt_otherkindormodeotherkindormode');
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret, public_key)
	VALUES (:'workspace', 'public', 'test', 'fpkt_otherkindormodeotherkindormode',
		'fpkt_anotherkeyanotherkeyanotherkey');
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret, public_key)
	VALUES (:'workspace', 'secret', 'test', 'fskt_otherkindormodeotherkindormode',
		'fskt_otherkindormodeotherkindormode');
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret)
	VALUES ('wksp_000000000000000000000000000', 'secret', 'test', 'fskt_otherkindormodeotherkindormode');
-- A digest that is taken, by a current secret and by a retired one
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret) VALUES (:'workspace', 'secret', 'test', :'key');
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret) VALUES (:'workspace', 'secret', 'test', :'rolled_key');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until) VALUES (:'key', :'rolled', now(), now());
SELECT code FROM falukeys.verify_key('fskt_otherkindormodeotherkindormode');
-- what may change
UPDATE falukeys.keys SET disabled = true, description = 'by hand fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys',
	saved_in = 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', meta = '{}' WHERE id = :'key_id';
SELECT disabled, description, saved_in, meta FROM falukeys.keys WHERE id = :'key_id';
SELECT code FROM falukeys.verify_key(:'key', 'guards.read', '192.0.2.1');
UPDATE falukeys.keys SET disabled = false WHERE id = :'key_id';
SELECT code FROM falukeys.verify_key(:'key', 'guards.read', '192.0.2.1');

--
-- permissions and restrictions
--
INSERT INTO falukeys.key_permissions VALUES (:'key_id', 'guards.unknown');
UPDATE falukeys.key_permissions SET permission = 'guards.unknown' WHERE key_id = :'key_id';
UPDATE falukeys.keys SET permissions_restricted = true WHERE id = :'key_id';
DELETE FROM falukeys.permissions WHERE name = 'guards.read';
DELETE FROM falukeys.permissions WHERE name = 'guards.write';

--
-- retired_secrets, sealed_secrets: nothing comes back
--
UPDATE falukeys.retired_secrets SET valid_until = 'infinity' WHERE key_id = :'rolled';
-- Nor is one made up that is good for longer than a roll's, or unseen.
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now(), 'infinity');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', '-infinity', 'infinity');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now(), now() + interval '31 days');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now() - interval '1 day', now() + interval '30 days');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now() + interval '1 year',
		now() + interval '1 year 1 day');
-- Nor by a report that comes after the end
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until, compromised_at)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now(), 'infinity', 'infinity');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until, compromised_at)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now(), now() + interval '40 days',
		now() + interval '40 days');
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until, compromised_at)
	VALUES ('fskt_madeupmadeupmadeupmadeupmadeup', :'rolled', now() - interval '40 days', now() + interval '1 hour',
		now() + interval '2 hours');
UPDATE falukeys.retired_secrets SET compromised_at = 'infinity' WHERE key_id = :'rolled';
SELECT code FROM falukeys.verify_key('fskt_madeupmadeupmadeupmadeupmadeup');
SELECT max(id) AS before FROM falukeys.events \gset
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_insertedinsertedinsertedinserted', :'key_id', now() - interval '1 day', now() + interval '1 day');
SELECT event, key_id = :'key_id' AS the_key, workspace_id = :'workspace' AS the_workspace,
	detail ->> 'secret' AS secret, actor = current_user AS actor FROM falukeys.events WHERE id > :before;
UPDATE falukeys.retired_secrets SET valid_until = now() WHERE key_id = :'key_id';
UPDATE falukeys.retired_secrets SET compromised_at = now() WHERE key_id = :'key_id';
SELECT event, workspace_id = :'workspace' AS the_workspace, detail ->> 'secret' AS secret FROM falukeys.events
	WHERE id > :before ORDER BY id OFFSET 1;
-- What a roll has left, and a restore brings back, is in the record already.
SELECT id AS graced FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.roll_key(:'graced', '30 days') IS NOT NULL AS rolled;
SELECT max(id) AS before FROM falukeys.events \gset
BEGIN;
ALTER TABLE falukeys.retired_secrets DISABLE TRIGGER keep;
WITH deleted AS (DELETE FROM falukeys.retired_secrets WHERE key_id = :'graced' RETURNING *)
	SELECT secret AS secret, key_id, retired_at, valid_until FROM deleted \gset graced_
ALTER TABLE falukeys.retired_secrets ENABLE TRIGGER keep;
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES (:'graced_secret', :'graced_key_id', :'graced_retired_at', :'graced_valid_until');
COMMIT;
SELECT count(*) AS events FROM falukeys.events WHERE id > :before;
UPDATE falukeys.retired_secrets SET secret = 'fskt_madeupmadeupmadeupmadeupmadeup' WHERE key_id = :'rolled';
UPDATE falukeys.retired_secrets SET key_id = :'key_id' WHERE key_id = :'rolled';
DELETE FROM falukeys.retired_secrets WHERE key_id = :'rolled';
SELECT code FROM falukeys.verify_key(:'rolled_key');
UPDATE falukeys.sealed_secrets SET seal = seal WHERE key_id = :'spent';
UPDATE falukeys.sealed_secrets SET seal = (SELECT seal FROM falukeys.sealed_secrets WHERE key_id = :'live')
	WHERE key_id = :'spent';
UPDATE falukeys.sealed_secrets SET key_id = :'key_id' WHERE key_id = :'spent';
DELETE FROM falukeys.sealed_secrets WHERE key_id = :'spent';
INSERT INTO falukeys.sealed_secrets SELECT * FROM falukeys.sealed_secrets WHERE key_id = :'spent';
INSERT INTO falukeys.sealed_secrets (secret, key_id, seal) SELECT secret, key_id, '\x00' FROM falukeys.sealed_secrets
	WHERE key_id = :'spent';
SELECT falukeys.reveal_key(:'spent');

--
-- mode_settings: the platform may change them; a restore brings rows that are there already
--
BEGIN;
UPDATE falukeys.mode_settings SET webhook_max_attempts = 5 WHERE mode = 'test';
INSERT INTO falukeys.mode_settings VALUES ('live', true, true, false, 7, '1 hour');
SELECT * FROM falukeys.mode_settings ORDER BY mode;
ROLLBACK;
UPDATE falukeys.mode_settings SET mode = 'live' WHERE mode = 'test';
DELETE FROM falukeys.mode_settings WHERE mode = 'test';

--
-- members: one row a role, and none of a workspace that is not there
--
CREATE ROLE regress_falukeys_member;
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_member', 'developer');
UPDATE falukeys.members SET workspace_id = :'pending' WHERE member = 'regress_falukeys_member'::regrole;
UPDATE falukeys.members SET member = 'pg_monitor' WHERE member = 'regress_falukeys_member'::regrole;
INSERT INTO falukeys.members VALUES (:'workspace', 'regress_falukeys_member', 'member');
INSERT INTO falukeys.members VALUES (:'workspace', 4294967000::oid::regrole, 'member');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_member');
DROP ROLE regress_falukeys_member;

--
-- TRUNCATE: no table that holds what must not be lost
--
SELECT relname FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace AND relkind = 'r' ORDER BY relname;
SET client_min_messages = warning;
TRUNCATE falukeys.workspaces CASCADE;
TRUNCATE falukeys.members;
TRUNCATE falukeys.permissions CASCADE;
TRUNCATE falukeys.keys CASCADE;
TRUNCATE falukeys.retired_secrets;
TRUNCATE falukeys.sealed_secrets;
TRUNCATE falukeys.key_permissions;
TRUNCATE falukeys.key_networks;
TRUNCATE falukeys.key_objects;
TRUNCATE falukeys.events;
TRUNCATE falukeys.key_usage;
TRUNCATE falukeys.mode_settings;
RESET client_min_messages;
SELECT code FROM falukeys.verify_key(:'key', 'guards.read', '192.0.2.1');
SELECT code FROM falukeys.verify_key(:'key', 'guards.write', '192.0.2.1');

--
-- pg_write_all_data is no way in: whatever is tried is 42501.  (Rolled back, so
-- that a way in would not spoil other tests.)
--
\set ON_ERROR_ROLLBACK on
BEGIN;
CREATE ROLE regress_falukeys_writer IN ROLE pg_write_all_data, pg_read_all_data;
SET ROLE regress_falukeys_writer;
INSERT INTO falukeys.workspaces (name) VALUES ('Guards, written');
UPDATE falukeys.workspaces SET name = 'Guards, written';
DELETE FROM falukeys.workspaces;
INSERT INTO falukeys.members VALUES (:'workspace', 'regress_falukeys_writer', 'administrator');
UPDATE falukeys.members SET role = 'administrator';
DELETE FROM falukeys.members;
INSERT INTO falukeys.permissions (name) VALUES ('guards.written');
UPDATE falukeys.permissions SET description = 'written';
DELETE FROM falukeys.permissions WHERE name = 'guards.write';
INSERT INTO falukeys.keys (workspace_id, kind, mode, secret)
	VALUES (:'workspace', 'secret', 'test', 'fskt_writtenwrittenwrittenwritten');
UPDATE falukeys.keys SET disabled = true;
DELETE FROM falukeys.keys;
INSERT INTO falukeys.retired_secrets (secret, key_id, retired_at, valid_until)
	VALUES ('fskt_writtenwrittenwrittenwritten', :'key_id', now(), 'infinity');
UPDATE falukeys.retired_secrets SET valid_until = now();
DELETE FROM falukeys.retired_secrets;
INSERT INTO falukeys.sealed_secrets (secret, key_id, seal)
	VALUES ('fskt_writtenwrittenwrittenwritten', :'key_id', '\x00');
UPDATE falukeys.sealed_secrets SET seal = '\x00';
DELETE FROM falukeys.sealed_secrets;
INSERT INTO falukeys.key_permissions VALUES (:'key_id', 'guards.write');
UPDATE falukeys.key_permissions SET permission = 'guards.write';
DELETE FROM falukeys.key_permissions;
INSERT INTO falukeys.key_networks VALUES (:'key_id', '0.0.0.0/0');
UPDATE falukeys.key_networks SET network = '0.0.0.0/0';
DELETE FROM falukeys.key_networks;
INSERT INTO falukeys.key_objects VALUES (:'temporary', 'another');
UPDATE falukeys.key_objects SET object_id = 'another';
DELETE FROM falukeys.key_objects;
INSERT INTO falukeys.events (event, actor, session_actor) VALUES ('key.created', 'nobody', 'nobody');
UPDATE falukeys.events SET actor = 'nobody';
DELETE FROM falukeys.events;
INSERT INTO falukeys.key_usage (key_id) VALUES (:'key_id');
UPDATE falukeys.key_usage SET uses = 0;
DELETE FROM falukeys.key_usage;
UPDATE falukeys.mode_settings SET process_payments = true;
DELETE FROM falukeys.mode_settings;
INSERT INTO falukeys.mode_settings VALUES ('test', true, true, true, NULL, '1 hour');
RESET ROLE;
ROLLBACK;
\set ON_ERROR_ROLLBACK off
SELECT code FROM falukeys.verify_key(:'key', 'guards.read', '192.0.2.1');

-- Every table has its guard, against TRUNCATE too, and none is switched off.
SELECT c.relname, count(*) FILTER (WHERE t.tgenabled <> 'A' AND t.tgenabled <> 'O') AS off,
       bool_or(t.tgtype & 32 > 0) AS guards_truncate
  FROM pg_class c LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
 WHERE c.relnamespace = 'falukeys'::regnamespace AND c.relkind = 'r'
 GROUP BY c.relname ORDER BY c.relname;
