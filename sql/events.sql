--
-- The record of what was done
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

SET falukeys.acting_for = 'alice@example.com';
SELECT coalesce(max(id), 0) AS before FROM falukeys.events \gset
CREATE ROLE regress_falukeys_alice;

-- Every event by name, in the order in which it was done
SELECT falukeys.create_workspace('Events', 'regress_falukeys_alice') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.suspend_workspace(:'workspace', 'unpaid since fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
SELECT falukeys.resume_workspace(:'workspace');
SELECT falukeys.add_member(:'workspace', current_user::regrole, 'administrator');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_alice');
SELECT falukeys.define_permission('events.read');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'live',
	'noted fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', reveal => false) \gset
SELECT falukeys.reveal_key(:'key_id', 'kept beside fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys') AS key \gset
SELECT falukeys.restrict_key(:'key_id', '{events.read}', '{192.0.2.0/24}');
SELECT falukeys.clear_permissions(:'key_id');
SELECT falukeys.disable_key(:'key_id');
SELECT falukeys.enable_key(:'key_id');
SELECT key AS next_key FROM falukeys.roll_key(:'key_id', '1 hour') \gset
SELECT falukeys.import_key(:'workspace', 'fskt_eventsimportedeventsimported') AS imported \gset
SELECT key AS temporary_key FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}') \gset
SELECT falukeys.report_compromised_key(:'next_key', 'pasted as fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys')
	= :'key_id' AS reported;
SELECT falukeys.revoke_key(:'key_id', 'was fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');
SELECT falukeys.close_workspace(:'workspace', 'left with fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys');

SELECT e.event, k.kind, k.mode, e.key_id = :'key_id' AS the_key
  FROM falukeys.events e LEFT JOIN falukeys.keys k ON k.id = e.key_id
 WHERE e.workspace_id = :'workspace' ORDER BY e.id;

-- Who, for whom, when and about what
SELECT count(*) FILTER (WHERE actor = current_user AND session_actor = session_user
	AND acting_for = 'alice@example.com') = count(*) AS actors,
       count(*) FILTER (WHERE at BETWEEN clock_timestamp() - interval '1 minute' AND clock_timestamp())
           = count(*) AS at,
       count(*) FILTER (WHERE (workspace_id = :'workspace') IS NOT FALSE) = count(*) AS workspaces,
       count(*) FILTER (WHERE (key_id IS NOT NULL) = (event LIKE 'key.%')) = count(*) AS keys
  FROM falukeys.events WHERE id > :before;
-- Reasons, sources and places are in it, and no key, in any form.
SELECT event FROM falukeys.events WHERE id > :before AND detail::text LIKE '%fskt\_****u8Ys%' ORDER BY id;
SELECT count(*) FROM falukeys.events e
 WHERE id > :before
   AND (e::text ~ 'f[spt]k[tl]_[0-9A-Za-z]{8}'
        OR strpos(e::text, substr(:'key', 10, 16)) > 0 OR strpos(e::text, substr(:'next_key', 10, 16)) > 0);

-- What is refused or rolled back is no event.
SELECT max(id) AS before FROM falukeys.events \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.create_key(:'workspace', 'secret', 'test');
SELECT falukeys.roll_key(:'key_id');
BEGIN;
SELECT falukeys.create_workspace('Rolled back') IS NOT NULL AS created;
ROLLBACK;
SELECT count(*) FROM falukeys.events WHERE id > :before;

-- Verification is none either.
SELECT code FROM falukeys.verify_key(:'key');
SELECT count(*) FROM falukeys.events WHERE id > :before;

-- By hand, the same is recorded as by function.
RESET falukeys.acting_for;
INSERT INTO falukeys.workspaces (name) VALUES ('Events, by hand') RETURNING id AS by_hand \gset
UPDATE falukeys.workspaces SET state = 'approved' WHERE id = :'by_hand';
SELECT e.event, k.kind, k.mode, e.acting_for
  FROM falukeys.events e LEFT JOIN falukeys.keys k ON k.id = e.key_id
 WHERE e.workspace_id = :'by_hand' ORDER BY e.id;

-- What describes a workspace, once a change, with no key in it
SELECT max(id) AS before FROM falukeys.events \gset
UPDATE falukeys.workspaces SET name = 'Events, renamed fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys',
	meta = '{"plan": "small"}' WHERE id = :'by_hand';
UPDATE falukeys.workspaces SET name = name, meta = '{"plan":  "small"}' WHERE id = :'by_hand';
UPDATE falukeys.workspaces SET meta = NULL, state = 'suspended' WHERE id = :'by_hand';
UPDATE falukeys.workspaces SET meta = to_jsonb(repeat('x', 70000)) WHERE id = :'by_hand';
SELECT event, workspace_id = :'by_hand' AS the_workspace, detail FROM falukeys.events WHERE id > :before ORDER BY id;

-- acting_for is masked like other texts of callers.
SET falukeys.acting_for = 'fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys';
SELECT falukeys.create_workspace('Acting') AS acting \gset
SELECT DISTINCT acting_for FROM falukeys.events WHERE workspace_id = :'acting';
RESET falukeys.acting_for;

-- The actor is current_user, beside who logged in.
CREATE ROLE regress_falukeys_root SUPERUSER;
SET ROLE regress_falukeys_root;
SELECT falukeys.create_workspace('By another') AS another \gset
RESET ROLE;
SELECT DISTINCT actor, session_actor = session_user AS logged_in FROM falukeys.events WHERE workspace_id = :'another';

-- Each is announced at commit by its number, and what is rolled back is not.
\getenv abs_builddir PG_ABS_BUILDDIR
\cd :abs_builddir
SELECT max(id) AS before FROM falukeys.events \gset
LISTEN falukeys;
\o results/events.announced
BEGIN;
SELECT falukeys.create_workspace('Announced') AS announced \gset
SELECT id AS announced_key FROM falukeys.create_key(:'announced', 'secret', 'test') \gset
COMMIT;
BEGIN;
SELECT falukeys.create_workspace('Not announced') AS not_announced \gset
ROLLBACK;
SELECT code AS code FROM falukeys.verify_key('garbage') \gset
UPDATE falukeys.keys SET disabled = true WHERE id = :'announced_key';
\o
UNLISTEN falukeys;
\set announced `sed 's/received.*//; s/[0-9][0-9]*/N/' results/events.announced`
\echo :announced
\set numbers `sed 's/received.*//; s/[^0-9]//g' results/events.announced`
SELECT array_agg(id ORDER BY id) = string_to_array(:'numbers', E'\n')::bigint[] AS numbers FROM falukeys.events
	WHERE id > :before;

-- Append-only, for a superuser too
UPDATE falukeys.events SET actor = 'nobody' WHERE workspace_id = :'workspace';
UPDATE falukeys.events SET event = event WHERE workspace_id = :'workspace';
DELETE FROM falukeys.events WHERE workspace_id = :'workspace';
TRUNCATE falukeys.events;
TRUNCATE falukeys.events CASCADE;
SELECT count(*) > 20 AS all_there FROM falukeys.events WHERE workspace_id = :'workspace';

-- Numbers come from the record itself: there is no sequence that another could set.
SELECT count(*) AS sequences FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace AND relkind = 'S';
SELECT max(id) AS last FROM falukeys.events \gset
INSERT INTO falukeys.events (event, actor, session_actor)
	VALUES ('events.first', 'someone', 'someone'), ('events.second', 'someone', 'someone')
	RETURNING id - :last AS number, event;
-- By whom a number is given, is over with the statement.
BEGIN;
INSERT INTO falukeys.events (event, actor, session_actor) VALUES ('events.third', 'someone', 'someone')
	RETURNING id - :last AS number;
SELECT falukeys.create_workspace('Events, numbered') IS NOT NULL AS created;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;
SELECT falukeys.create_workspace('Events, numbered') AS numbered \gset
BEGIN;
SAVEPOINT before;
INSERT INTO falukeys.events (event, actor, session_actor) VALUES ('events.fourth', NULL, 'someone');
ROLLBACK TO before;
SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;
SELECT count(*) = max(id) - :last AS without_gaps FROM falukeys.events WHERE id > :last;
-- What JSON has no number for is none.
INSERT INTO falukeys.events (id, event, actor, session_actor)
	VALUES (9007199254740992, 'events.last', 'someone', 'someone');
INSERT INTO falukeys.events (id, event, actor, session_actor) VALUES (0, 'events.last', 'someone', 'someone');
-- Nor may one take what later ones need, even if it is rolled back; those that are restored follow each other.
INSERT INTO falukeys.events (id, event, actor, session_actor)
	VALUES (9007199254740991, 'events.last', 'someone', 'someone');
BEGIN;
INSERT INTO falukeys.events (id, event, actor, session_actor)
	VALUES (4503599627370495, 'events.high', 'someone', 'someone');
INSERT INTO falukeys.events (id, event, actor, session_actor)
	VALUES (4503599627370496, 'events.higher', 'someone', 'someone');
INSERT INTO falukeys.events (id, event, actor, session_actor)
	VALUES (4503599627370500, 'events.higher', 'someone', 'someone');
INSERT INTO falukeys.events (event, actor, session_actor) VALUES ('events.highest', 'someone', 'someone') RETURNING id;
ROLLBACK;
INSERT INTO falukeys.events (id, event, actor, session_actor)
	VALUES (4503599627370495 + 2 * 4294967296, 'events.far', 'someone', 'someone');
SELECT falukeys.define_permission('events.after');

-- event_log shows a superuser all of it.
SELECT (SELECT count(*) FROM falukeys.event_log) = (SELECT count(*) FROM falukeys.events) AS all_shown;
SELECT event FROM falukeys.event_log WHERE workspace_id = :'another' ORDER BY id;

DROP ROLE regress_falukeys_root;
DROP ROLE regress_falukeys_alice;
