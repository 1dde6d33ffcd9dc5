--
-- What changed what keys may do, for who verifies them
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_tenant;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_nobody;
CREATE ROLE regress_falukeys_both;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier'),
	falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager'),
	falukeys.grant_access('regress_falukeys_both', 'verifier');
SELECT falukeys.create_workspace('Changes', 'regress_falukeys_tenant') AS own \gset
SELECT falukeys.create_workspace('Changes, another') AS another \gset
SELECT falukeys.add_member(:'own', 'regress_falukeys_member', 'member'),
	falukeys.add_member(:'own', 'regress_falukeys_both', 'developer');
SELECT falukeys.define_permission('changes');
SELECT coalesce(max(id), 0) AS start FROM falukeys.events \gset

-- Everything by which a key may do more or less than before, and nothing else
SELECT id AS key_id FROM falukeys.create_key(:'own', 'secret', 'test') \gset
SELECT falukeys.annotate_key(:'key_id', 'Noted'), falukeys.add_member(:'own', 'regress_falukeys_nobody', 'member');
SELECT falukeys.restrict_key(:'key_id', '{changes}'), falukeys.clear_permissions(:'key_id');
SELECT falukeys.set_key_validity(:'key_id', expires_at => '2101-01-01');
SELECT falukeys.disable_key(:'key_id'), falukeys.enable_key(:'key_id');
SELECT key FROM falukeys.roll_key(:'key_id', '1 hour') \gset
SELECT falukeys.end_grace(:'key_id');
SELECT falukeys.report_compromised_key(:'key') = :'key_id' AS reported;
SELECT falukeys.revoke_key(:'key_id');
SELECT falukeys.approve_workspace(:'another'), falukeys.suspend_workspace(:'another', 'late');
SELECT falukeys.resume_workspace(:'another'), falukeys.close_workspace(:'another');
SELECT c.event, c.key_id = :'key_id' AS the_key,
	CASE c.workspace_id WHEN :'own' THEN 'own' WHEN :'another' THEN 'another' END AS workspace, c.at = e.at AS at
FROM falukeys.key_changes AS c JOIN falukeys.event_log AS e ON e.id = event_id WHERE event_id > :start
ORDER BY event_id;
-- A temporary key that another one made ends with it; of that one, the workspace tells.
SELECT max(id) AS start_of_minted FROM falukeys.events \gset
BEGIN;
SELECT id AS minter, key FROM falukeys.create_key(:'own', 'secret', 'test') \gset
SELECT code FROM falukeys.authenticate(:'key');
SET LOCAL ROLE regress_falukeys_nobody;
SELECT key AS minted FROM falukeys.create_temporary_key(:'own', 'test', '{a}') \gset
RESET ROLE;
SELECT falukeys.revoke_key(:'minter');
SELECT v.code, v.workspace_id = c.workspace_id AS workspace, v.key_id = c.key_id AS named
FROM falukeys.key_changes AS c, falukeys.verify_key(:'minted', object_id => 'a') AS v WHERE event_id > :start_of_minted;
ROLLBACK;
-- A bulk that is only counted is of any key of the workspace, whose members see it, too.
SELECT max(id) AS start_of_bulk FROM falukeys.events \gset
BEGIN;
INSERT INTO falukeys.keys (workspace_id, secret) SELECT :'own', falukeys.apikey_of('fskt_' || md5('changes' || i))
	FROM generate_series(1, 1001) AS i;
INSERT INTO falukeys.key_permissions SELECT id, 'changes' FROM falukeys.keys WHERE workspace_id = :'own' AND imported;
SELECT event, count(*), count(key_id) AS keys, count(workspace_id) AS workspaces FROM falukeys.key_changes
	WHERE event_id > :start_of_bulk GROUP BY event;
SET LOCAL falukeys.acting_in = :'own';
SET LOCAL ROLE regress_falukeys_tenant;
SELECT count(*), count(key_id) AS keys FROM falukeys.key_changes
	WHERE event_id > :start_of_bulk AND workspace_id = :'own';
ROLLBACK;

-- Who sees which
CREATE FUNCTION pg_temp.seen(role text, start bigint, OUT events bigint, OUT workspaces bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	SELECT count(*), count(DISTINCT workspace_id) INTO events, workspaces FROM falukeys.key_changes
		WHERE event_id > start;
	RESET ROLE;
END $$;
SELECT role, s.* FROM unnest('{verifier,operator,manager,both,tenant,member,nobody}'::text[]) AS role,
	pg_temp.seen(role, :start) AS s;
-- Narrowed to one workspace, each sees no more of it than before, and nothing of another.
SET falukeys.acting_in = :'own';
SELECT role, s.* FROM unnest('{verifier,operator,manager,both,tenant,member,nobody}'::text[]) AS role,
	pg_temp.seen(role, :start) AS s;
SET falukeys.acting_in = :'another';
SELECT role, s.* FROM unnest('{verifier,operator,manager,both,tenant,member,nobody}'::text[]) AS role,
	pg_temp.seen(role, :start) AS s;
SET falukeys.acting_in = 'nowhere';
SELECT role, s.* FROM unnest('{verifier,operator,manager,both,tenant,member,nobody}'::text[]) AS role,
	pg_temp.seen(role, :start) AS s;
RESET falukeys.acting_in;
-- A level that ends, ends it, in a plan that is kept too.
PREPARE changes AS SELECT count(*) FROM falukeys.key_changes WHERE event_id > $1;
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_falukeys_verifier;
EXECUTE changes(:start);
RESET ROLE;
SELECT falukeys.revoke_access('regress_falukeys_verifier', 'verifier');
SET ROLE regress_falukeys_verifier;
EXECUTE changes(:start);
-- What is behind the view is no one's, nor is the rest of the record a verifier's.
SELECT count(*) FROM falukeys_internal.every_key_change;
RESET ROLE;
SELECT falukeys.grant_access('regress_falukeys_verifier', 'verifier');
SET ROLE regress_falukeys_verifier;
EXECUTE changes(:start);
SELECT count(*) FROM falukeys_internal.every_key_change;
SELECT count(*) FROM falukeys.event_log;
INSERT INTO falukeys.key_changes VALUES (1, now(), 'key.revoked', 'key', 'wksp');
RESET ROLE;
RESET plan_cache_mode;
DEALLOCATE changes;

-- What came after a number is found by the index, for who verifies, and the tables are not read for others.
CREATE FUNCTION pg_temp.plan(role text) RETURNS TABLE (line text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SET LOCAL ROLE %I', 'regress_falukeys_' || role);
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM falukeys.key_changes '
		'WHERE event_id > 9007199254740000' LOOP
		IF line ~ 'Index Cond|events' THEN
			line = regexp_replace(line, '^[ >-]*|\(actual.*\)', '', 'g');
			RETURN NEXT;
		END IF;
	END LOOP;
	RESET ROLE;
END $$;
SELECT role, bool_or(line ~ 'Index Cond: \(id > ') AS by_index,
	bool_and(line ~ 'never executed') FILTER (WHERE line ~ 'events') AS unread
FROM unnest('{verifier,nobody,tenant}'::text[]) AS role, pg_temp.plan(role) GROUP BY role ORDER BY role;

-- The announcement can be left out.
SHOW falukeys.notify;
\getenv abs_builddir PG_ABS_BUILDDIR
\cd :abs_builddir
LISTEN falukeys;
\o results/key_changes.announced
SET falukeys.notify = off;
SELECT falukeys.create_workspace('Not announced') AS not_announced \gset
RESET falukeys.notify;
SET SESSION AUTHORIZATION regress_falukeys_nobody;
BEGIN;
SET LOCAL falukeys.notify = off;
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT falukeys.create_workspace('Announced, then') IS NOT NULL AS announced;
\o
UNLISTEN falukeys;
\set announced `grep -c Asynchronous results/key_changes.announced`
\echo :announced
SELECT count(*) FROM falukeys.events WHERE workspace_id = :'not_announced';

SET client_min_messages = warning;
SELECT falukeys.close_workspace(:'own');
DROP OWNED BY regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_both;
DROP ROLE regress_falukeys_verifier, regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_tenant,
	regress_falukeys_member, regress_falukeys_nobody, regress_falukeys_both;
