
-- How often keys are used.

CREATE FUNCTION falukeys.unflushed_usage(key_id text, OUT uses bigint, OUT denials bigint,
	OUT last_used_at timestamptz, OUT last_client inet, OUT last_retired_at timestamptz)
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'usage_unflushed';
COMMENT ON FUNCTION falukeys.unflushed_usage(text) IS 'What was counted of a key on this server and is not in key_usage yet. All NULL where memory holds nothing of it, and for a key that the caller may not see. Anyone, of the keys of their workspaces';

CREATE VIEW falukeys.usage WITH (security_barrier) AS
	SELECT k.workspace_id,
		k.id AS key_id,
		COALESCE(u.uses, 0) OPERATOR(pg_catalog.+) COALESCE(m.uses, 0) AS uses,
		COALESCE(u.denials, 0) OPERATOR(pg_catalog.+) COALESCE(m.denials, 0) AS denials,
		GREATEST(u.last_used_at, m.last_used_at) AS last_used_at,
		COALESCE(m.last_client, u.last_client) AS last_client,
		GREATEST(u.last_retired_at, m.last_retired_at) AS last_retired_at
	FROM falukeys.keys AS k
		JOIN falukeys.visible_workspaces AS v ON v.id OPERATOR(pg_catalog.=) k.workspace_id
		LEFT JOIN falukeys.key_usage AS u ON u.key_id OPERATOR(pg_catalog.=) k.id
		CROSS JOIN LATERAL falukeys.unflushed_usage(k.id) AS m;
COMMENT ON VIEW falukeys.usage IS 'How often the keys that the caller may see are used, up to now';
COMMENT ON COLUMN falukeys.usage.workspace_id IS 'The workspace that the key belongs to';
COMMENT ON COLUMN falukeys.usage.key_id IS 'The key';
COMMENT ON COLUMN falukeys.usage.uses IS 'Verifications that ended in valid';
COMMENT ON COLUMN falukeys.usage.denials IS 'Verifications that ended in anything else';
COMMENT ON COLUMN falukeys.usage.last_used_at IS 'The last valid verification';
COMMENT ON COLUMN falukeys.usage.last_client IS 'The client of the last valid verification that named one';
COMMENT ON COLUMN falukeys.usage.last_retired_at IS 'The last time that a secret was presented which the key had before, valid or not';
