-- falukeys: API keys inside the database. All of this can be typed into psql.
CREATE EXTENSION falukeys;

-- 1. A customer gets a workspace, and with it a pair of test keys.
SELECT falukeys.create_workspace('Acme') AS acme \gset
SELECT kind, mode, key, state FROM falukeys.dashboard ORDER BY kind;
--> public, test, valid, secret, test, valid

-- 2. Live keys come with approval, not before.
SELECT * FROM falukeys.create_key(:'acme', 'secret', 'live');
--> refused with 55000
SELECT falukeys.approve_workspace(:'acme');
SELECT key_id AS live_id FROM falukeys.dashboard WHERE kind = 'secret' AND mode = 'live' \gset

-- 3. A live secret is shown once. Who has seen it has seen it: ROLLBACK changes nothing.
BEGIN;
SELECT falukeys.reveal_key(:'live_id', saved_in => 'password manager') AS live_key \gset
\echo :live_key
ROLLBACK;
SELECT falukeys.reveal_key(:'live_id');
--> refused with 55000
SELECT key, revealed_at < now() AS revealed FROM falukeys.dashboard WHERE key_id = :'live_id';
--> t

-- 4. Verification says whether a key is good, and if not, why.
SELECT valid, code, kind, mode, key_id FROM falukeys.verify_key(:'live_key');
--> t, valid, secret, live
SELECT code FROM falukeys.verify_key(:'live_key', mode => 'test');
--> wrong_mode
SELECT code FROM falukeys.verify_key(overlay(:'live_key' PLACING 'ab' FROM 10));
--> malformed
SELECT code FROM falukeys.verify_key('fskl_0000000000000000000000000000000');
--> unknown

-- 5. A key for messages, from one network. No other use of it is good.
SELECT falukeys.define_permission('messages', 'Read and send messages');
SELECT id AS monitor_id, key AS monitor FROM falukeys.create_key(:'acme', 'secret', 'live',
	'Message monitor', permissions => '{messages}', networks => '{198.51.100.0/24}') \gset
SELECT asked, client, code FROM (VALUES ('messages.read', '198.51.100.7'::inet),
	('payments', '198.51.100.7'), ('messages.read', '203.0.113.9')) AS request (asked, client),
	falukeys.verify_key(:'monitor', asked, client);
--> messages.read, valid, payments, permission_denied, messages.read, network_denied

-- 6. Rolling: a new secret for the same key. The old one ends at once, or after a grace.
SELECT key AS new_key FROM falukeys.roll_key(:'live_id') \gset
SELECT code FROM falukeys.verify_key(:'live_key');
--> rolled
SELECT code, key_id = :'live_id' AS same_key FROM falukeys.verify_key(:'new_key');
--> valid, t

-- 7. A key made elsewhere is imported. Only its digest is kept, which does not verify.
\set elsewhere 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys'
SELECT falukeys.import_key(:'acme', :'elsewhere') AS old_id \gset
SELECT secret FROM falukeys.keys WHERE id = :'old_id';
--> fskt_****u8Ys:2ef22809b2cabdb9e209bf9c3bda12e94b452f72aa14166668ba17df08c9cf6c
SELECT code FROM falukeys.keys, falukeys.verify_key(secret::text) WHERE id = :'old_id';
--> malformed

-- 8. A secret has leaked: it is cancelled, and the key gets another one, to be shown once.
SELECT falukeys.report_compromised_key(:'new_key', 'a public repository') = :'live_id' AS known;
--> t
SELECT code FROM falukeys.verify_key(:'new_key');
--> compromised
SELECT falukeys.reveal_key(:'live_id', saved_in => 'vault') AS reissued \gset

-- 9. An API server works as a role that may verify, on a table that is isolated by key.
CREATE ROLE api;
SELECT falukeys.grant_access('api', 'verifier');
CREATE TABLE message (workspace_id text, mode falukeys.key_mode, body text);
CREATE INDEX ON message (workspace_id, mode);
GRANT SELECT, INSERT ON message TO api;
SELECT falukeys.isolate_table('message', read_permission => 'messages');
SET ROLE api;

-- A request names neither workspace nor mode: they are its key's.
BEGIN;
SELECT code FROM falukeys.authenticate(:'reissued', 'messages');
INSERT INTO message (body) VALUES ('Your parcel is on its way') RETURNING mode, body;
COMMIT;
--> valid, live, Your parcel is on its way

-- A test key sees no live row, and makes none.
RESET ROLE;
SELECT key AS test_key FROM falukeys.create_key(:'acme', 'secret', 'test') \gset
SET ROLE api;
BEGIN;
SELECT code FROM falukeys.authenticate(:'test_key');
SELECT count(*) FROM message;
--> valid, 0
INSERT INTO message (mode, body) VALUES ('live', 'smuggled');
--> refused with 42501
ROLLBACK;

-- Without a good key there is nothing, and the role does nothing else with keys.
SELECT count(*) FROM message;
--> 0
SELECT falukeys.authenticate(:'new_key');
--> refused with 28000
SELECT * FROM falukeys.roll_key(:'live_id');
--> refused with 42501
RESET ROLE;

-- 10. The library is preloaded here, so uses were counted, in memory.
SELECT uses, denials, last_client FROM falukeys.usage WHERE key_id = :'monitor_id';
--> 1, 2, 198.51.100.7

-- 11. The dashboard: secrets are redacted for good.
SELECT kind, mode, key, state, uses, permissions, networks FROM falukeys.dashboard
	WHERE kind = 'secret' AND workspace_id = :'acme' ORDER BY mode, created_at;
--> secret, test, secret, live, valid, {messages}, {198.51.100.0/24}

-- 12. What happened, in a record that nobody rewrites.
-- (Not the first reveal: its event was rolled back with step 3. The dashboard has it.)
SELECT id, event, actor, detail FROM falukeys.event_log WHERE key_id = :'live_id' ORDER BY id;
--> key.created, key.rolled, key.compromised, key.revealed
DELETE FROM falukeys.events;
--> refused with 55000

-- End of the tour.
