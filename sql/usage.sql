--
-- How often keys are used.  The server that this runs on does not preload the
-- library, so nothing is counted: t/011_usage.pl is about the counting.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;
SELECT current_setting('shared_preload_libraries') ~ 'falukeys' AS preloaded;

CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_nobody;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator'), falukeys.grant_access('regress_falukeys_manager', 'manager');
SELECT falukeys.create_workspace('Usage') AS workspace \gset
SELECT falukeys.create_workspace('Usage, other') AS other \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_developer', 'developer'), falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS other_id, key AS other_key FROM falukeys.create_key(:'other', 'secret', 'test') \gset

-- Settings
SELECT name, setting, unit, context, vartype, min_val FROM pg_settings WHERE name ~ '^falukeys\.(track|usage|max_tracked)' ORDER BY name;
SET falukeys.track_usage = maybe;
SET falukeys.usage_flush_interval = '1s';
SET falukeys.max_tracked_keys = 100;
SET ROLE regress_falukeys_manager;
SET falukeys.track_usage = off;
RESET ROLE;
SET falukeys.track_usage = off;
RESET falukeys.track_usage;

-- Without the memory that preloading gives there is nothing that is not flushed.
SELECT falukeys.key_allows(:'key', NULL, '192.0.2.1'), falukeys.key_allows(:'other_key', NULL, NULL);
SELECT * FROM falukeys.unflushed_usage(:'key_id');
SELECT count(*) FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id');
SELECT uses, denials, last_used_at, last_client, last_retired_at FROM falukeys.usage WHERE key_id = :'key_id';
-- A row whatever is asked for
SELECT n, u.* FROM unnest(ARRAY[NULL, '', 'key_', 'key_000000000000000000000000000', repeat('key_', 1000), 'wksp_' || repeat('0', 27)]) WITH ORDINALITY AS a(asked, n),
	LATERAL falukeys.unflushed_usage(asked) u ORDER BY n;

-- What was flushed is seen in the views.
INSERT INTO falukeys.key_usage VALUES
	(:'key_id', 7, 2, '2026-01-02 03:04:05+00', '192.0.2.7', '2026-01-01 00:00:00+00'),
	(:'other_id', 1, 0, '2026-01-02 00:00:00+00', NULL, NULL);
SET timezone = 'UTC';
SELECT workspace_id = :'workspace' AS workspace, uses, denials, last_used_at, last_client, last_retired_at FROM falukeys.usage WHERE key_id = :'key_id';
SELECT uses, last_used_at FROM falukeys.dashboard WHERE key_id = :'key_id';
SELECT (SELECT count(*) FROM falukeys.usage) = (SELECT count(*) FROM falukeys.keys) AS all_shown,
	(SELECT sum(uses) FROM falukeys.usage) = (SELECT sum(uses) FROM falukeys.key_usage) AS all_counted;

-- Everyone sees the usage of the keys that they may see.
PREPARE seen(text, text, text) AS SELECT $1 AS role, count(*) FILTER (WHERE workspace_id = $2) > 0 AS own, count(*) FILTER (WHERE workspace_id = $3) > 0 AS other,
	sum(uses) FILTER (WHERE workspace_id IN ($2, $3)) AS uses FROM falukeys.usage;
SET ROLE regress_falukeys_nobody;
EXECUTE seen('nobody', :'workspace', :'other');
SET ROLE regress_falukeys_member;
EXECUTE seen('member', :'workspace', :'other');
SET ROLE regress_falukeys_developer;
EXECUTE seen('developer', :'workspace', :'other');
SET ROLE regress_falukeys_operator;
EXECUTE seen('operator', :'workspace', :'other');
SET ROLE regress_falukeys_manager;
EXECUTE seen('manager', :'workspace', :'other');
SET ROLE regress_falukeys_nobody;
SELECT * FROM falukeys.unflushed_usage(:'key_id');
SELECT * FROM falukeys.key_usage;
UPDATE falukeys.usage SET uses = 0;
RESET ROLE;

-- The usage of a purged key is gone with it, that of others stays.
SELECT id AS temporary FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}', ttl => '1 millisecond') \gset
INSERT INTO falukeys.key_usage (key_id, uses) VALUES (:'temporary', 3);
SELECT pg_sleep(0.01);
SELECT falukeys.purge_keys('0') > 0 AS purged;
SELECT count(*) FROM falukeys.key_usage WHERE key_id = :'temporary';
SELECT sum(uses) FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id');

-- The path is of no concern.
CREATE SCHEMA usage_hostile;
CREATE FUNCTION usage_hostile.plus(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 666::bigint';
CREATE OPERATOR usage_hostile.+ (FUNCTION = usage_hostile.plus, LEFTARG = bigint, RIGHTARG = bigint);
CREATE TABLE usage_hostile.key_usage (LIKE falukeys.key_usage);
SET search_path = usage_hostile, pg_catalog;
SELECT uses FROM falukeys.usage WHERE key_id = :'key_id';
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA usage_hostile CASCADE;
RESET client_min_messages;

DELETE FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_developer'), falukeys.remove_member(:'workspace', 'regress_falukeys_member');
DROP OWNED BY regress_falukeys_operator, regress_falukeys_manager;
DROP ROLE regress_falukeys_developer, regress_falukeys_member, regress_falukeys_operator, regress_falukeys_manager, regress_falukeys_nobody;
