--
-- The views: a row a key, without a key that must not be seen
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SELECT falukeys.define_permission(name) FROM unnest('{dashboard,dashboard.read}'::text[]) name;
SELECT falukeys.create_workspace('Dashboard') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');

-- The four keys that a workspace has by default
SELECT workspace, d.kind, d.mode,
       CASE d.kind WHEN 'public' THEN d.key = k.public_key ELSE d.key = falukeys.redacted(k.secret) END AS key,
       d.key ~ CASE d.kind WHEN 'public' THEN '^fpk[tl]_[0-9A-Za-z]{49}$'
           ELSE '^fsk[tl]_\*{4}[0-9A-Za-z]{4}$' END AS matching,
       state, permissions, networks, d.description, d.saved_in, d.created_at = k.created_at AS created_at,
       revealed_at, revealed_by, last_used_at, uses, d.expires_at
  FROM falukeys.dashboard d JOIN falukeys.keys k ON k.id = key_id AND k.workspace_id = d.workspace_id
      AND k.kind = d.kind AND k.mode = d.mode
 WHERE d.workspace_id = :'workspace' ORDER BY d.mode, d.kind;
SELECT (SELECT count(*) FROM falukeys.dashboard) = (SELECT count(*) FROM falukeys.keys) AS all_shown,
       (SELECT count(DISTINCT key_id) FROM falukeys.dashboard) = (SELECT count(*) FROM falukeys.keys) AS once_each;

--
-- state: what the key is, as of now
--
CREATE TABLE dashboard_named (number integer GENERATED ALWAYS AS IDENTITY, name text, id text, key text);
INSERT INTO dashboard_named (name, id, key)
SELECT name, created.* FROM unnest(
	'{good,disabled,revoked,revoked and disabled,expired,expired and disabled,reported,reported when '
	'disabled,rolled,graced}'::text[]) name,
       LATERAL falukeys.create_key(:'workspace', 'secret', 'live', name) created;
INSERT INTO dashboard_named (name, id, key)
SELECT 'not yet valid', created.* FROM falukeys.create_key(:'workspace', 'secret', 'live', not_before => now()
	+ interval '1 day') created;
INSERT INTO dashboard_named (name, id) SELECT 'not revealed', id
	FROM falukeys.create_key(:'workspace', 'secret', 'live', reveal => false);
INSERT INTO dashboard_named (name, id, key) SELECT 'temporary', created.*
	FROM falukeys.create_temporary_key(:'workspace', 'live', '{object}') created;
INSERT INTO dashboard_named (name, id)
	SELECT 'imported', falukeys.import_key(:'workspace', 'fskl_dashboardimporteddashboardimported0042');
SELECT falukeys.create_workspace('Dashboard, suspended') AS suspended \gset
SELECT falukeys.create_workspace('Dashboard, closed') AS closed \gset
SELECT falukeys.approve_workspace(id) FROM unnest(ARRAY[:'suspended', :'closed']) id;
INSERT INTO dashboard_named (name, id) SELECT w.name || ', ' || k.kind || ' ' || k.mode, k.id
  FROM falukeys.workspaces w JOIN falukeys.keys k ON k.workspace_id = w.id WHERE w.id IN (:'suspended', :'closed')
  ORDER BY w.name, k.kind, k.mode;
SELECT falukeys.suspend_workspace(:'suspended');
SELECT falukeys.close_workspace(:'closed');
SELECT falukeys.disable_key(id) FROM dashboard_named WHERE name LIKE '%disabled';
SELECT falukeys.revoke_key(id) FROM dashboard_named WHERE name LIKE 'revoked%';
SELECT falukeys.set_key_validity(id, NULL, clock_timestamp() + interval '200 milliseconds') FROM dashboard_named
	WHERE name LIKE 'expired%';
SELECT count(falukeys.report_compromised_key(key)) FROM dashboard_named WHERE name LIKE 'reported%';
SELECT count(falukeys.roll_key(id, CASE name WHEN 'graced' THEN '1 day'::interval ELSE '0' END)) FROM dashboard_named
	WHERE name IN ('rolled', 'graced');
SELECT pg_sleep(0.3);
SELECT n.name, d.state, d.revealed_at IS NOT NULL AS revealed, d.revealed_by::text = current_user AS by_me,
	d.expires_at IS NOT NULL AS expires
  FROM dashboard_named n JOIN falukeys.dashboard d ON d.key_id = n.id ORDER BY n.number;
-- by the wall clock, in a transaction too
SELECT id AS brief FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
BEGIN;
SELECT state FROM falukeys.dashboard WHERE key_id = :'brief';
SELECT falukeys.set_key_validity(:'brief', NULL, clock_timestamp() + interval '200 milliseconds');
SELECT pg_sleep(0.3);
SELECT state FROM falukeys.dashboard WHERE key_id = :'brief';
COMMIT;

--
-- What it is restricted to, and what is noted about it
--
SELECT id AS noted, key AS noted_key
	FROM falukeys.create_key(:'workspace', 'secret', 'live', 'pasted fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys',
	'{dashboard.read,dashboard}', '{2001:db8::/32,192.0.2.0/24}', now() + interval '1 day', reveal => false) \gset
SELECT permissions, networks, description, saved_in, revealed_at, revealed_by FROM falukeys.dashboard
	WHERE key_id = :'noted';
SELECT falukeys.reveal_key(:'noted', 'vault, beside fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys') AS noted_key \gset
SELECT saved_in, revealed_at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp() AS revealed_now,
	revealed_by::text = current_user AS by_me,
       key = 'fskl_****' || right(:'noted_key', 4) AS key
  FROM falukeys.dashboard WHERE key_id = :'noted';
SELECT falukeys.annotate_key(:'noted', 'second', 'moved');
SELECT falukeys.clear_networks(:'noted');
SELECT permissions, networks, description, saved_in FROM falukeys.dashboard WHERE key_id = :'noted';
-- Where restriction rows are lost, the key is not shown as unrestricted.
DELETE FROM falukeys.key_permissions WHERE key_id = :'noted';
SELECT permissions, permissions IS NULL AS unrestricted FROM falukeys.dashboard WHERE key_id = :'noted';
SELECT falukeys.clear_permissions(:'noted');
SELECT permissions IS NULL AS unrestricted FROM falukeys.dashboard WHERE key_id = :'noted';
-- A roll starts anew: the new secret is shown, and not yet revealed.
SELECT key FROM falukeys.roll_key(:'noted', reveal => false);
SELECT key <> 'fskl_****' || right(:'noted_key', 4) AS key, revealed_at, revealed_by FROM falukeys.dashboard
	WHERE key_id = :'noted';
-- Test secrets and public keys have no first reveal that counts, but where they are kept is noted.
SELECT id AS test FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT falukeys.reveal_key(:'test', 'the test vault') IS NOT NULL AS revealed;
SELECT saved_in FROM falukeys.dashboard WHERE key_id = :'test';
SELECT id AS public, key AS public_key FROM falukeys.create_key(:'workspace', 'public', 'live') \gset
SELECT key = :'public_key' AS key FROM falukeys.dashboard WHERE key_id = :'public';
SELECT key AS public_key FROM falukeys.roll_key(:'public') \gset
SELECT key = :'public_key' AS key FROM falukeys.dashboard WHERE key_id = :'public';

--
-- What is going on with it
--
SELECT id AS going, key AS going_key
	FROM falukeys.create_key(:'workspace', 'secret', 'live', not_before => now() - interval '1 hour',
		expires_at => now() + interval '1 hour', meta => '{"a": [1]}') \gset
SELECT state, not_before < now() AS not_before, old_secret_until, compromised_at, waits_for_reveal,
	parent_key_id, objects, meta
  FROM falukeys.dashboard WHERE key_id = :'going';
-- An old secret in its grace, never past the key's expiry; both are good meanwhile.
SELECT key IS NULL AS sealed FROM falukeys.roll_key(:'going', '20 minutes', reveal => false);
SELECT state, old_secret_until > clock_timestamp()
	AND old_secret_until <= clock_timestamp() + interval '20 minutes' AS in_grace, waits_for_reveal
	FROM falukeys.dashboard WHERE key_id = :'going';
SELECT falukeys.set_key_validity(:'going', expires_at => clock_timestamp() + interval '10 minutes');
SELECT old_secret_until = expires_at AS until_the_end FROM falukeys.dashboard WHERE key_id = :'going';
SELECT falukeys.end_grace(:'going');
SELECT old_secret_until, waits_for_reveal FROM falukeys.dashboard WHERE key_id = :'going';
SELECT falukeys.reveal_key(:'going') AS going_key \gset
SELECT waits_for_reveal, revealed_at IS NOT NULL AS revealed FROM falukeys.dashboard WHERE key_id = :'going';
-- A grace that is over by itself, and two at once: the later one
SELECT count(*) FROM falukeys.roll_key(:'going', '100 milliseconds');
SELECT pg_sleep(0.2);
SELECT old_secret_until FROM falukeys.dashboard WHERE key_id = :'going';
SELECT key AS going_key FROM falukeys.roll_key(:'going', '5 minutes') \gset
-- A leaked secret that is reissued: the key goes on, and waits.
SELECT falukeys.report_compromised_key(:'going_key') = :'going' AS reported;
SELECT state, old_secret_until, compromised_at > clock_timestamp() - interval '1 minute' AS compromised_now,
	waits_for_reveal FROM falukeys.dashboard WHERE key_id = :'going';
SELECT falukeys.reveal_key(:'going') ~ '^fskl_' AS revealed;
SELECT state, compromised_at IS NOT NULL AS compromised, waits_for_reveal FROM falukeys.dashboard
	WHERE key_id = :'going';
-- One that has ended has nothing left to wait for, and no old secret that is good.
SELECT count(*) FROM falukeys.roll_key(:'going', '5 minutes', reveal => false);
SELECT old_secret_until IS NOT NULL AS in_grace, waits_for_reveal FROM falukeys.dashboard WHERE key_id = :'going';
SELECT falukeys.revoke_key(:'going');
SELECT state, old_secret_until, waits_for_reveal FROM falukeys.dashboard WHERE key_id = :'going';
-- That holds for one that was disabled before, too, whose state says no more than that.
SELECT id AS over FROM falukeys.create_key(:'workspace', 'secret', 'live', expires_at => now() + interval '1 hour')
	\gset
SELECT count(*) FROM falukeys.roll_key(:'over', '5 minutes', reveal => false);
SELECT falukeys.disable_key(:'over');
SELECT state, old_secret_until IS NOT NULL AS in_grace, waits_for_reveal FROM falukeys.dashboard WHERE key_id = :'over';
SELECT falukeys.set_key_validity(:'over', '2001-01-01', '2001-01-02');
SELECT state, old_secret_until IS NOT NULL AS in_grace, waits_for_reveal FROM falukeys.dashboard WHERE key_id = :'over';
BEGIN;
SELECT id AS stopped FROM falukeys.create_key(:'workspace', 'secret', 'live') \gset
SELECT count(*) FROM falukeys.roll_key(:'stopped', '5 minutes', reveal => false);
SELECT falukeys.disable_key(:'stopped');
SELECT falukeys.close_workspace(:'workspace');
SELECT state, old_secret_until IS NOT NULL AS in_grace, waits_for_reveal FROM falukeys.dashboard
	WHERE key_id = :'stopped';
ROLLBACK;
SELECT id AS leaked, key AS leaked_key FROM falukeys.create_temporary_key(:'workspace', 'live', '{leaked}') \gset
SELECT falukeys.report_compromised_key(:'leaked_key') = :'leaked' AS reported;
SELECT state, compromised_at IS NOT NULL AS compromised, waits_for_reveal, objects FROM falukeys.dashboard
	WHERE key_id = :'leaked';
-- Neither test secrets nor public or imported keys wait.
SELECT DISTINCT d.kind, d.mode, waits_for_reveal FROM falukeys.dashboard AS d WHERE workspace_id = :'workspace'
	ORDER BY 1, 2, 3;
-- A temporary key with its objects and its parent
SELECT id AS parent, key AS parent_key
	FROM falukeys.create_key(:'workspace', 'secret', 'test', meta => '{"parent": true}') \gset
CREATE ROLE regress_falukeys_minter;
SELECT falukeys.grant_access('regress_falukeys_minter', 'verifier');
BEGIN;
SET LOCAL ROLE regress_falukeys_minter;
SELECT code FROM falukeys.authenticate(:'parent_key');
SELECT id AS child FROM falukeys.create_temporary_key(:'workspace', 'test', '{b,a,c d}') \gset
COMMIT;
DROP OWNED BY regress_falukeys_minter;
DROP ROLE regress_falukeys_minter;
SELECT d.kind, parent_key_id = :'parent' AS parent, objects, meta FROM falukeys.dashboard AS d WHERE key_id = :'child';
SELECT objects IS NULL AS none, meta FROM falukeys.dashboard WHERE key_id = :'parent';

-- No secret, and no digest, is in it.
SELECT count(*) FROM falukeys.dashboard d
 CROSS JOIN LATERAL (SELECT (to_jsonb(d) - 'meta')::text AS shown) s
 WHERE shown ~ 'f[st]k[tl]_[0-9A-Za-z]' OR shown ~ '[0-9a-f]{64}' OR strpos(shown, substr(:'noted_key', 10, 16)) > 0;

--
-- event_log
--
SELECT event, actor = current_user AS actor, session_actor = session_user AS session_actor, acting_for,
	key_id = :'noted' AS key_id
  FROM falukeys.event_log WHERE key_id = :'noted' AND workspace_id = :'workspace' ORDER BY id;
SELECT count(*) = (SELECT count(*) FROM falukeys.events) AS all_of_them,
       bool_and(ROW(l.*) IS NOT DISTINCT FROM ROW(e.id, e.at, e.event, e.actor, e.session_actor, e.acting_for,
           e.workspace_id, e.key_id, e.detail)) AS as_they_are
  FROM falukeys.event_log l JOIN falukeys.events e USING (id);
-- Nothing is changed through a view.
UPDATE falukeys.dashboard SET description = 'by view' WHERE key_id = :'noted';
DELETE FROM falukeys.event_log WHERE key_id = :'noted';
UPDATE falukeys.event_log SET actor = 'nobody' WHERE key_id = :'noted';
SELECT relname, reloptions FROM pg_class
	WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND relkind = 'v' ORDER BY relname;

DROP TABLE dashboard_named;
