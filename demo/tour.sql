-- The story of falukeys, played by scripts/demo. A line that begins with =>
-- says what the statements before it must have shown; demo/check.awk compares.

\set ON_ERROR_STOP off
\echo
\echo '================================================================'
\echo ' falukeys: API keys inside the database'
\echo '================================================================'
\echo
CREATE EXTENSION falukeys;
SELECT extname, extversion FROM pg_extension WHERE extname = 'falukeys';
\echo '=> falukeys'

\echo
\echo '---- 1. A workspace has its test pair from the first moment ----'
\echo
SELECT falukeys.create_workspace('Acme') AS workspace \gset
SELECT kind, mode, key, state FROM falukeys.dashboard WHERE workspace_id = :'workspace' ORDER BY kind, mode;
\echo '=> public, test, valid, secret, test, valid: the public key in full, the secret redacted'
\echo 'Test secrets are for development, and can be read at any time:'
\echo
SELECT key_id AS test_id FROM falukeys.dashboard WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'test' \gset
SELECT falukeys.reveal_key(:'test_id') AS test_key \gset
SELECT falukeys.reveal_key(:'test_id') = :'test_key' AS the_same_again;
\echo '=> t'

\echo
\echo '---- 2. Approval brings the live pair ----'
\echo
SELECT falukeys.create_key(:'workspace', 'secret', 'live');
\echo '=> refused with 55000: no live key before approval'
SELECT falukeys.approve_workspace(:'workspace');
SELECT key_id, kind, mode, key, revealed_at FROM falukeys.dashboard WHERE workspace_id = :'workspace' ORDER BY mode, kind;
\echo '=> public, test, secret, test, public, live, secret, live: four keys, and nobody has seen the live secret yet'

\echo
\echo '---- 3. A live secret is revealed once ----'
\echo
SELECT key_id AS live_id FROM falukeys.dashboard WHERE workspace_id = :'workspace' AND kind = 'secret' AND mode = 'live' \gset
\echo
\echo 'The one reveal, with a note where the secret is kept from now on:'
\echo
SELECT falukeys.reveal_key(:'live_id', saved_in => 'password manager (acme live)') AS live_key \gset
\echo 'The secret is' :live_key
\echo
SELECT key, saved_in, revealed_by, revealed_at IS NOT NULL AS revealed FROM falukeys.dashboard WHERE key_id = :'live_id';
\echo '=> password manager (acme live), postgres, t: redacted from now on'
SELECT falukeys.reveal_key(:'live_id');
\echo '=> refused with 55000'
\echo 'Another key. Its reveal is rolled back, but what was seen was seen:'
\echo
SELECT id AS spare_id FROM falukeys.create_key(:'workspace', 'secret', 'live', 'Spare key', reveal => false) \gset
\echo
BEGIN;
SELECT falukeys.reveal_key(:'spare_id') AS spare_key \gset
\echo 'The secret is' :spare_key
ROLLBACK;
SELECT falukeys.reveal_key(:'spare_id');
\echo '=> refused with 55000'

\echo
\echo '---- 4. Verification ----'
\echo
SELECT valid, code, kind, mode, key_id, workspace_id FROM falukeys.verify_key(:'live_key');
\echo '=> t, valid, secret, live'
SELECT attempt, code FROM (VALUES
		(1, 'the live secret in live mode', :'live_key', 'live'::falukeys.key_mode),
		(2, 'the live secret in test mode', :'live_key', 'test'),
		(3, 'a letter mistyped', overlay(:'live_key' PLACING 'ab' FROM 10), 'live'),
		(4, 'made up', 'fskl_00000000000000000000000000000000', 'live')
	) AS tried (number, attempt, key, mode), falukeys.verify_key(tried.key, mode => tried.mode)
	ORDER BY number;
\echo '=> valid, wrong_mode, malformed, unknown'

\echo
\echo '---- 5. Rolling: a new secret for the same key, the old one is dead ----'
\echo
SELECT id AS rolled_id, key AS new_key FROM falukeys.roll_key(:'live_id') \gset
SELECT :'rolled_id' = :'live_id' AS same_id, :'new_key' <> :'live_key' AS other_secret;
\echo '=> t, t'
SELECT secret, code, key_id FROM (VALUES (1, 'old', :'live_key'), (2, 'new', :'new_key')) AS s (number, secret, key),
	falukeys.verify_key(s.key) ORDER BY number;
\echo '=> old, rolled, new, valid'

\echo
\echo '---- 6. A key that is restricted to messages and to a network ----'
\echo
SELECT falukeys.define_permission('messages', 'Read and send messages');
SELECT falukeys.define_permission('payments', 'Take and refund payments');
SELECT id AS monitor_id, key AS monitor_key FROM falukeys.create_key(:'workspace', 'secret', 'live', 'Message monitor',
	permissions => '{messages}', networks => '{198.51.100.0/24}') \gset
SELECT permission, client, code FROM (VALUES
		(1, 'messages', '198.51.100.7'::inet),
		(2, 'messages.read', '198.51.100.7'),
		(3, 'payments', '198.51.100.7'),
		(4, 'messages', '203.0.113.9'),
		(5, 'messages', NULL)
	) AS request (number, permission, client), falukeys.verify_key(:'monitor_key', permission, client)
	ORDER BY number;
\echo '=> valid, valid, permission_denied, network_denied, network_denied'
\echo 'Clearing restrictions makes it unrestricted again:'
\echo
SELECT falukeys.clear_permissions(:'monitor_id');
SELECT code FROM falukeys.verify_key(:'monitor_key', 'payments', '198.51.100.7');
\echo '=> valid: permissions are cleared'
SELECT code FROM falukeys.verify_key(:'monitor_key', 'payments', '203.0.113.9');
\echo '=> network_denied: networks are not'
SELECT falukeys.clear_networks(:'monitor_id');
SELECT code FROM falukeys.verify_key(:'monitor_key', 'payments', '203.0.113.9');
\echo '=> valid: now they are'
\echo 'An empty list is never taken for "unrestricted":'
\echo
SELECT falukeys.restrict_key(:'monitor_id', permissions => '{}');
\echo '=> refused with 22023'
SELECT falukeys.restrict_key(:'monitor_id', permissions => '{messages}', networks => '{198.51.100.0/24}');

\echo
\echo '---- 7. Keys made elsewhere: the two that the description shows ----'
\echo
SELECT falukeys.import_key(:'workspace', 'fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg', 'Publishable key of the description') AS imported_public \gset
SELECT falukeys.import_key(:'workspace', 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 'Secret key of the description') AS imported_secret \gset
SELECT code, kind, mode FROM falukeys.verify_key('fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg');
\echo '=> valid, public, test'
SELECT code, kind, mode FROM falukeys.verify_key('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
\echo '=> valid, secret, test'
\echo 'A public key only identifies its workspace. It permits nothing:'
\echo
SELECT code FROM falukeys.verify_key('fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg', 'messages');
\echo '=> secret_key_required'
\echo 'What is stored of a secret is its digest; that does not verify:'
\echo
SELECT secret FROM falukeys.keys WHERE id = :'imported_secret';
\echo '=> fskt_****u8Ys:2ef22809b2cabdb9e209bf9c3bda12e94b452f72aa14166668ba17df08c9cf6c'
SELECT code FROM falukeys.keys, falukeys.verify_key(secret::text) WHERE id = :'imported_secret';
\echo '=> malformed'

\echo
\echo '---- 8. A secret leaked: it is cancelled, and the key reissued ----'
\echo
SELECT falukeys.report_compromised_key(:'new_key', source => 'found in a public repository') = :'live_id' AS the_live_key;
\echo '=> t'
SELECT code FROM falukeys.verify_key(:'new_key');
\echo '=> compromised'
\echo 'The workspace reveals the new secret, once, and goes on under the same id:'
\echo
SELECT falukeys.reveal_key(:'live_id', saved_in => 'vault, path acme/live') AS reissued_key \gset
SELECT code, key_id = :'live_id' AS same_id FROM falukeys.verify_key(:'reissued_key');
\echo '=> valid, t'
SELECT falukeys.reveal_key(:'live_id');
\echo '=> refused with 55000'

\echo
\echo '---- 9. The dashboard ----'
\echo
SELECT kind, mode, key, state, permissions, networks, description, saved_in
	FROM falukeys.dashboard WHERE workspace_id = :'workspace' ORDER BY mode, created_at, key_id;
\echo '=> {messages}, {198.51.100.0/24}, Message monitor: public keys in full, secrets redacted'

\echo
\echo '---- 10. What happened ----'
\echo
SELECT id, event, actor, detail FROM falukeys.event_log WHERE workspace_id = :'workspace' ORDER BY id;
\echo '=> workspace.created, workspace.approved, key.rolled, key.created, key.restricted, key.imported, key.compromised, key.revealed'
\echo 'Nobody rewrites it, a superuser neither:'
\echo
DELETE FROM falukeys.events;
\echo '=> refused with 55000'

\echo
\echo '---- 11. An API server, with a role that may only verify ----'
\echo
CREATE ROLE api;
SELECT falukeys.grant_access('api', 'verifier');
CREATE TABLE messages (id bigint GENERATED ALWAYS AS IDENTITY, workspace_id text, mode falukeys.key_mode, body text);
CREATE INDEX ON messages (workspace_id);
GRANT SELECT, INSERT, UPDATE ON messages TO api;
SELECT falukeys.isolate_table('messages', read_permission => 'messages', write_permission => 'messages');
SET ROLE api;
SELECT code FROM falukeys.verify_key(:'reissued_key');
\echo '=> valid'
SELECT falukeys.roll_key(:'live_id');
\echo '=> refused with 42501: it verifies, and does nothing else with keys'

\echo
\echo '---- 12. Rows of one workspace and mode, by the key of the request ----'
\echo
\echo 'A request in live mode. It names neither workspace nor mode:'
\echo
BEGIN;
SELECT code FROM falukeys.authenticate(:'reissued_key', 'messages');
INSERT INTO messages (body) VALUES ('Your parcel is on its way') RETURNING workspace_id = :'workspace' AS of_this_workspace, mode, body;
COMMIT;
\echo '=> valid, t, live, Your parcel is on its way'
\echo 'One in test mode has test rows only, whatever it tries:'
\echo
BEGIN;
SELECT code FROM falukeys.authenticate(:'test_key', 'messages');
INSERT INTO messages (body) VALUES ('Only a test');
UPDATE messages SET body = body || '!' RETURNING mode, body;
\echo '=> valid, test, Only a test!: one row changed, not two'
INSERT INTO messages (mode, body) VALUES ('live', 'Smuggled');
ROLLBACK;
\echo '=> refused with 42501: objects in one mode cannot touch those in the other'
\echo 'Without a key, or after the transaction, there is nothing:'
\echo
SELECT count(*) AS messages FROM messages;
\echo '=> 0'
BEGIN;
SELECT falukeys.authenticate(:'new_key');
\echo '=> refused with 28000: the secret that leaked'
ROLLBACK;
BEGIN;
SELECT falukeys.authenticate(:'monitor_key', 'messages', '203.0.113.9');
\echo '=> refused with 42501: a network that is not its own'
ROLLBACK;
RESET ROLE;

\echo
\echo '---- 13. How often keys are used ----'
\echo
\echo 'The server was started with falukeys preloaded. So every verification of this'
\echo 'tour was counted, in memory. The message monitor was used four times, and'
\echo 'refused four times by verify_key and once by authenticate:'
\echo
SELECT uses, denials, last_client FROM falukeys.usage WHERE key_id = :'monitor_id';
\echo '=> 4, 5, 203.0.113.9'
\echo 'A ROLLBACK does not undo that a key was presented:'
\echo
BEGIN;
SELECT code FROM falukeys.verify_key(:'monitor_key', 'messages', '198.51.100.7');
ROLLBACK;
SELECT uses, last_used_at > created_at AS used_since FROM falukeys.dashboard WHERE key_id = :'monitor_id';
\echo '=> valid, 5, t'
\echo 'Someone still has a secret that the live key had before:'
\echo
SELECT last_retired_at IS NOT NULL AS old_secret_presented FROM falukeys.usage WHERE key_id = :'live_id';
\echo '=> t'
\echo 'A worker writes the counts into a table, here after a tenth of a second:'
\echo
-- Waits for that, for half a minute at most; each statement looks for itself.
\set ECHO none
\o /dev/null
SELECT format('SELECT pg_sleep(0.1) WHERE NOT EXISTS (SELECT FROM falukeys.key_usage WHERE key_id = %L AND uses = 5)', :'monitor_id')
	FROM generate_series(1, 300) \gexec
\o
\set ECHO queries
SELECT uses, denials, last_client FROM falukeys.key_usage WHERE key_id = :'monitor_id';
\echo '=> 5, 5, 198.51.100.7'
SELECT uses, denials, last_client FROM falukeys.usage WHERE key_id = :'monitor_id';
\echo '=> 5, 5, 198.51.100.7: the same as before, and none twice'
SELECT backend_type FROM pg_stat_activity WHERE backend_type LIKE 'falukeys %' ORDER BY backend_type;
\echo '=> falukeys usage launcher, falukeys usage worker'

\echo
\echo 'End of the tour.'
