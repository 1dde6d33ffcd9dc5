
-- How often keys are used.

CREATE FUNCTION falukeys_internal.unflushed_usage(key_id text, OUT uses bigint, OUT denials bigint,
	OUT last_used_at timestamptz, OUT last_client inet, OUT last_retired_at timestamptz, OUT last_retired_client inet)
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'usage_unflushed';
COMMENT ON FUNCTION falukeys_internal.unflushed_usage(text) IS 'What was counted of a key here and is not in key_usage yet; NULLs where there is nothing, and for a key that the caller may not see. Anyone';

-- OFFSET 0: a row a key is looked up by its index.  Without statistics the planner
-- takes a workspace for larger than it is, and would read the whole table.
CREATE VIEW falukeys_internal.every_usage AS
	SELECT k.workspace_id,
		k.id AS key_id,
		COALESCE(u.uses, 0) OPERATOR(pg_catalog.+) COALESCE(m.uses, 0) AS uses,
		COALESCE(u.denials, 0) OPERATOR(pg_catalog.+) COALESCE(m.denials, 0) AS denials,
		GREATEST(u.last_used_at, m.last_used_at) AS last_used_at,
		COALESCE(m.last_client, u.last_client) AS last_client,
		GREATEST(u.last_retired_at, m.last_retired_at) AS last_retired_at,
		COALESCE(m.last_retired_client, u.last_retired_client) AS last_retired_client
	FROM falukeys.keys AS k
		LEFT JOIN LATERAL (
			SELECT used.uses, used.denials, used.last_used_at, used.last_client, used.last_retired_at, used.last_retired_client
			FROM falukeys.key_usage AS used
			WHERE used.key_id OPERATOR(pg_catalog.=) k.id OFFSET 0) AS u ON true
		CROSS JOIN LATERAL falukeys_internal.unflushed_usage(k.id) AS m;
COMMENT ON VIEW falukeys_internal.every_usage IS 'What the view usage shows, of every workspace; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_usage.workspace_id IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.key_id IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.uses IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.denials IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.last_used_at IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.last_client IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.last_retired_at IS 'As in usage';
COMMENT ON COLUMN falukeys_internal.every_usage.last_retired_client IS 'As in usage';

CREATE FUNCTION falukeys_internal.own_usage() RETURNS SETOF falukeys_internal.every_usage
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_usage';
COMMENT ON FUNCTION falukeys_internal.own_usage() IS 'What the view usage shows to members of workspaces. Anyone';

CREATE VIEW falukeys.usage WITH (security_barrier) AS
	SELECT e.workspace_id, e.key_id, e.uses, e.denials, e.last_used_at, e.last_client, e.last_retired_at, e.last_retired_client
	FROM falukeys_internal.every_usage AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.workspace_id, a.key_id, a.uses, a.denials, a.last_used_at, a.last_client, a.last_retired_at, a.last_retired_client
	FROM falukeys_internal.every_usage AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.workspace_id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
	UNION ALL
	SELECT o.workspace_id, o.key_id, o.uses, o.denials, o.last_used_at, o.last_client, o.last_retired_at, o.last_retired_client
	FROM falukeys_internal.own_usage() AS o;
COMMENT ON VIEW falukeys.usage IS 'How often the keys that the caller may see are used, up to now';
COMMENT ON COLUMN falukeys.usage.workspace_id IS 'The workspace that the key belongs to';
COMMENT ON COLUMN falukeys.usage.key_id IS 'The key';
COMMENT ON COLUMN falukeys.usage.uses IS 'Verifications that ended in valid';
COMMENT ON COLUMN falukeys.usage.denials IS 'Verifications that ended in anything else';
COMMENT ON COLUMN falukeys.usage.last_used_at IS 'The last valid verification';
COMMENT ON COLUMN falukeys.usage.last_client IS 'The client of the last valid verification that named one';
COMMENT ON COLUMN falukeys.usage.last_retired_at IS 'The last time that a secret was presented which the key had before, valid or not';
COMMENT ON COLUMN falukeys.usage.last_retired_client IS 'The client of the last such verification that named one';
