--
-- How often keys are used.  Nothing is counted here, whether or not the server
-- preloads the library: t/011_usage.pl is about the counting.
--
\set VERBOSITY sqlstate
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS falukeys;
RESET client_min_messages;

CREATE ROLE regress_falukeys_administrator;
CREATE ROLE regress_falukeys_developer;
CREATE ROLE regress_falukeys_member;
CREATE ROLE regress_falukeys_operator;
CREATE ROLE regress_falukeys_manager;
CREATE ROLE regress_falukeys_verifier;
CREATE ROLE regress_falukeys_nobody;
SELECT falukeys.grant_access('regress_falukeys_operator', 'operator'),
	falukeys.grant_access('regress_falukeys_manager', 'manager'),
	falukeys.grant_access('regress_falukeys_verifier', 'verifier');
SELECT falukeys.create_workspace('Usage', 'regress_falukeys_administrator') AS workspace \gset
SELECT falukeys.create_workspace('Usage, other') AS other \gset
SELECT falukeys.add_member(:'workspace', 'regress_falukeys_developer', 'developer'),
	falukeys.add_member(:'workspace', 'regress_falukeys_member', 'member');
SELECT id AS key_id, key FROM falukeys.create_key(:'workspace', 'secret', 'test') \gset
SELECT id AS other_id, key AS other_key FROM falukeys.create_key(:'other', 'secret', 'test') \gset

-- What it is made of.  Rows are kept without a foreign key.
SELECT table_name, string_agg(concat_ws(' ', column_name, data_type), ', ' ORDER BY ordinal_position) AS columns
  FROM information_schema.columns WHERE table_schema = 'falukeys' AND table_name IN ('key_usage', 'usage')
  GROUP BY table_name ORDER BY table_name;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
	WHERE conrelid = 'falukeys.key_usage'::regclass AND contype <> 'n' ORDER BY conname;

-- Settings.  (max_tracked_keys needs a restart only where it is used, with preloading.)
SELECT name, setting, boot_val, unit, context, vartype, min_val, max_val FROM pg_settings
	WHERE name ~ '^falukeys\.(track|usage)' ORDER BY name;
SELECT setting, boot_val, min_val, max_val,
	context = CASE WHEN current_setting('shared_preload_libraries') ~ 'falukeys' THEN 'postmaster'
	ELSE 'sighup' END AS context
  FROM pg_settings WHERE name = 'falukeys.max_tracked_keys';
SET falukeys.track_usage = maybe;
SET falukeys.usage_flush_interval = '1s';
SET falukeys.max_tracked_keys = 100;
ALTER SYSTEM SET falukeys.usage_flush_interval = 0;
ALTER SYSTEM SET falukeys.max_tracked_keys = 0;
ALTER SYSTEM SET falukeys.max_tracked_keys = 268435457;
SET ROLE regress_falukeys_manager;
SET falukeys.track_usage = off;
RESET ROLE;
SET falukeys.track_usage = off;
SHOW falukeys.track_usage;

-- So there is nothing that is not flushed.
SELECT falukeys.key_allows(:'key', NULL, '192.0.2.1'), falukeys.key_allows(:'other_key', NULL, NULL);
SELECT * FROM falukeys_internal.unflushed_usage(:'key_id');
SELECT count(*) FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id');
SELECT uses, denials, last_used_at, last_client, last_retired_at FROM falukeys.usage WHERE key_id = :'key_id';
-- A row whatever is asked for
SELECT n, u.* FROM unnest(ARRAY[NULL, '', 'key_', 'key_000000000000000000000000000', repeat('key_', 1000000),
	'wksp_' || repeat('0', 27), :'key', :'workspace']) WITH ORDINALITY AS a(asked, n),
	LATERAL falukeys_internal.unflushed_usage(asked) u ORDER BY n;

-- What was flushed is seen in the views.
INSERT INTO falukeys.key_usage VALUES
	(:'key_id', 7, 2, '2026-01-02 03:04:05+00', '192.0.2.7', '2026-01-01 00:00:00+00', '192.0.2.8'),
	(:'other_id', 1, 0, '2026-01-02 00:00:00+00', NULL, NULL, NULL);
SET timezone = 'UTC';
SELECT workspace_id = :'workspace' AS workspace, uses, denials, last_used_at, last_client, last_retired_at,
	last_retired_client
	FROM falukeys.usage WHERE key_id = :'key_id';
SELECT uses, last_used_at FROM falukeys.dashboard WHERE key_id = :'key_id';
SELECT (SELECT count(*) FROM falukeys.usage) = (SELECT count(*) FROM falukeys.keys) AS all_shown,
	(SELECT sum(uses) FROM falukeys.usage WHERE key_id IN (:'key_id', :'other_id'))
		= (SELECT sum(uses) FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id')) AS all_counted;

-- Everyone sees the usage of the keys that they may see.
PREPARE seen(text, text, text) AS SELECT $1 AS role, count(*) FILTER (WHERE workspace_id = $2) > 0 AS own,
	count(*) FILTER (WHERE workspace_id = $3) > 0 AS other,
	sum(uses) FILTER (WHERE workspace_id IN ($2, $3)) AS uses FROM falukeys.usage;
SET ROLE regress_falukeys_nobody;
EXECUTE seen('nobody', :'workspace', :'other');
SET ROLE regress_falukeys_member;
EXECUTE seen('member', :'workspace', :'other');
SET ROLE regress_falukeys_developer;
EXECUTE seen('developer', :'workspace', :'other');
SET ROLE regress_falukeys_administrator;
EXECUTE seen('administrator', :'workspace', :'other');
SET ROLE regress_falukeys_verifier;
EXECUTE seen('verifier', :'workspace', :'other');
SET ROLE regress_falukeys_operator;
EXECUTE seen('operator', :'workspace', :'other');
SET ROLE regress_falukeys_manager;
EXECUTE seen('manager', :'workspace', :'other');
-- Nor does a function in a condition see what its caller may not.
SET ROLE regress_falukeys_developer;
CREATE FUNCTION pg_temp.tell(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
	AS $$ BEGIN ASSERT $1 <> $2; RETURN true; END $$;
SELECT sum(uses) FROM falukeys.usage WHERE pg_temp.tell(key_id, :'other_id');
SELECT u.* FROM unnest(ARRAY[:'key_id', :'other_id']) WITH ORDINALITY AS a(asked, n),
	falukeys_internal.unflushed_usage(asked) u ORDER BY n;
SET ROLE regress_falukeys_nobody;
SELECT * FROM falukeys_internal.unflushed_usage(:'key_id');
SELECT * FROM falukeys.key_usage;
UPDATE falukeys.usage SET uses = 0;
RESET ROLE;

-- The usage of a purged key is gone with it, that of others stays, whatever the path.
CREATE SCHEMA usage_hostile;
CREATE FUNCTION usage_hostile.plus(bigint, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 666::bigint';
CREATE OPERATOR usage_hostile.+ (FUNCTION = usage_hostile.plus, LEFTARG = bigint, RIGHTARG = bigint);
CREATE FUNCTION usage_hostile.always(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR usage_hostile.= (FUNCTION = usage_hostile.always, LEFTARG = text, RIGHTARG = text);
CREATE FUNCTION usage_hostile.always(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR usage_hostile.< (FUNCTION = usage_hostile.always, LEFTARG = timestamptz, RIGHTARG = timestamptz);
CREATE TABLE usage_hostile.keys (LIKE falukeys.keys);
CREATE TABLE usage_hostile.key_usage AS SELECT * FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id');
SELECT id AS ended FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}', ttl => '1 millisecond') \gset
SELECT id AS running FROM falukeys.create_temporary_key(:'workspace', 'test', '{object}') \gset
INSERT INTO falukeys.key_usage (key_id, uses)
	VALUES (:'ended', 3), (:'running', 4), ('key_000000000000000000000000000', 5);
SELECT pg_sleep(0.01);
PREPARE kept AS SELECT key_id = $1 AS ended, sum(uses) FROM falukeys.key_usage
	WHERE key_id IN ($1, $2, $3, $4, 'key_000000000000000000000000000') GROUP BY 1 ORDER BY 1;
SELECT falukeys.purge_keys('1 day');
EXECUTE kept(:'ended', :'running', :'key_id', :'other_id');
SET search_path = usage_hostile, pg_catalog;
SELECT falukeys.purge_keys('0') > 0 AS purged;
SELECT uses FROM falukeys.usage WHERE key_id OPERATOR(pg_catalog.=) :'key_id';
SELECT uses FROM falukeys.dashboard WHERE key_id OPERATOR(pg_catalog.=) :'key_id';
SELECT * FROM falukeys_internal.unflushed_usage(:'key_id');
RESET search_path;
EXECUTE kept(:'ended', :'running', :'key_id', :'other_id');
SELECT count(*) FROM usage_hostile.key_usage;
-- A row without a key is in the table only.
SELECT count(*) FROM falukeys.usage WHERE key_id IN (:'ended', 'key_000000000000000000000000000');
SET client_min_messages = warning;
DROP SCHEMA usage_hostile CASCADE;
RESET client_min_messages;

DELETE FROM falukeys.key_usage WHERE key_id IN (:'key_id', :'other_id', :'running', 'key_000000000000000000000000000');
SELECT falukeys.remove_member(:'workspace', 'regress_falukeys_developer'),
	falukeys.remove_member(:'workspace', 'regress_falukeys_member');
DROP OWNED BY regress_falukeys_developer, regress_falukeys_operator, regress_falukeys_manager,
	regress_falukeys_verifier;
DROP ROLE regress_falukeys_administrator, regress_falukeys_developer, regress_falukeys_member,
	regress_falukeys_operator, regress_falukeys_manager,
	regress_falukeys_verifier, regress_falukeys_nobody;
