
-- What someone should look at, and the statement that settles it.

-- Keys that are not over: temporary ones are so within a day. OFFSET 0: see every_usage.
CREATE VIEW falukeys_internal.every_standing_key AS
	SELECT k.id AS key_id,
		k.workspace_id,
		k.secret,
		k.kind,
		k.mode,
		k.permissions_restricted,
		k.networks_restricted,
		k.created_at,
		k.created_by,
		k.not_before,
		k.expires_at,
		NOT k.disabled
			AND COALESCE(k.not_before OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp(), true)
			AND (w.state OPERATOR(pg_catalog.<>) 'suspended' OR k.mode OPERATOR(pg_catalog.<>) 'live') AS valid
	FROM falukeys.keys AS k
		CROSS JOIN LATERAL (
			SELECT holder.state
			FROM falukeys.workspaces AS holder
			WHERE holder.id OPERATOR(pg_catalog.=) k.workspace_id OFFSET 0) AS w
	WHERE k.kind OPERATOR(pg_catalog.=) ANY ('{public,secret}')
		AND k.revoked_at IS NULL
		AND k.compromised_at IS NULL
		AND COALESCE(k.expires_at OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp(), true)
		AND w.state OPERATOR(pg_catalog.=) ANY ('{pending,approved,suspended}');
COMMENT ON VIEW falukeys_internal.every_standing_key IS 'The public and secret keys of every workspace that have not ended; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_standing_key.key_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_standing_key.workspace_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_standing_key.secret IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.kind IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.mode IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.permissions_restricted IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.networks_restricted IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.created_at IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.created_by IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.not_before IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.expires_at IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_standing_key.valid IS 'Is its state in the dashboard valid?';

-- A branch a reason. A condition with OFFSET 0 stays one and does not become a
-- join: it is looked up for the few rows that the others leave, and before
-- anything is joined to these.
CREATE VIEW falukeys_internal.every_attention AS
	SELECT k.key_id,
		k.workspace_id,
		'unrevealed'::text AS reason,
		GREATEST(k.created_at, o.retired_at) AS at,
		NULL::inet AS client,
		pg_catalog.format('SELECT falukeys.reveal_key(%L);', k.key_id) AS remedy
	FROM falukeys_internal.every_standing_key AS k
		CROSS JOIN LATERAL (
			SELECT pg_catalog.max(old.retired_at) AS retired_at
			FROM falukeys.retired_secrets AS old
			WHERE old.key_id OPERATOR(pg_catalog.=) k.key_id) AS o
	WHERE k.kind OPERATOR(pg_catalog.=) 'secret' AND k.mode OPERATOR(pg_catalog.=) 'live'
		AND k.created_at OPERATOR(pg_catalog.<) (pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '7 days'::interval)
		AND EXISTS (
			SELECT FROM falukeys.sealed_secrets AS seal
			WHERE seal.secret OPERATOR(falukeys.=) k.secret
				AND seal.revealed_at OPERATOR(pg_catalog.=) 'infinity' OFFSET 0)
		AND COALESCE(o.retired_at OPERATOR(pg_catalog.<)
			(pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '7 days'::interval), true)
	UNION ALL
	SELECT k.key_id,
		k.workspace_id,
		'unrestricted',
		k.created_at,
		c.client,
		CASE
			WHEN EXISTS (SELECT FROM falukeys.permissions)
				THEN pg_catalog.format('SELECT falukeys.restrict_key(%L, permissions => ARRAY(SELECT name FROM falukeys.permission_list));', k.key_id)
			WHEN c.client IS NOT NULL
				THEN pg_catalog.format('SELECT falukeys.restrict_key(%L, networks => %L);', k.key_id, ARRAY[c.client::cidr])
			ELSE pg_catalog.format('SELECT falukeys.disable_key(%L);', k.key_id)
		END
	FROM falukeys_internal.every_standing_key AS k
		LEFT JOIN LATERAL (
			SELECT used.last_client
			FROM falukeys.key_usage AS used
			WHERE used.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0) AS u ON true
		CROSS JOIN LATERAL falukeys_internal.unflushed_usage(k.key_id) AS m
		CROSS JOIN LATERAL (SELECT COALESCE(m.last_client, u.last_client) AS client) AS c
	WHERE k.kind OPERATOR(pg_catalog.=) 'secret' AND k.mode OPERATOR(pg_catalog.=) 'live'
		AND NOT k.permissions_restricted AND NOT k.networks_restricted
		AND k.valid
	UNION ALL
	SELECT k.key_id,
		k.workspace_id,
		'unused',
		GREATEST(u.last_used_at, m.last_used_at),
		COALESCE(m.last_client, u.last_client),
		pg_catalog.format('SELECT falukeys.disable_key(%L);', k.key_id)
	FROM falukeys_internal.every_standing_key AS k
		LEFT JOIN LATERAL (
			SELECT used.last_used_at, used.last_client
			FROM falukeys.key_usage AS used
			WHERE used.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0) AS u ON true
		CROSS JOIN LATERAL falukeys_internal.unflushed_usage(k.key_id) AS m
	WHERE GREATEST(k.created_at, k.not_before) OPERATOR(pg_catalog.<)
			(pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '90 days'::interval)
		AND NOT EXISTS (
			SELECT FROM falukeys.key_usage AS late
			WHERE late.key_id OPERATOR(pg_catalog.=) k.key_id
				AND late.last_used_at OPERATOR(pg_catalog.>=)
					(pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '90 days'::interval) OFFSET 0)
		AND COALESCE(m.last_used_at OPERATOR(pg_catalog.<)
			(pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '90 days'::interval), true)
		AND k.valid
	UNION ALL
	SELECT k.key_id,
		k.workspace_id,
		'expiring',
		k.expires_at,
		NULL,
		pg_catalog.format('SELECT falukeys.set_key_validity(%L, expires_at => now() + ''90 days'');', k.key_id)
	FROM falukeys_internal.every_standing_key AS k
	WHERE k.expires_at OPERATOR(pg_catalog.<) (pg_catalog.statement_timestamp() OPERATOR(pg_catalog.+) '7 days'::interval)
		AND k.valid
	UNION ALL
	SELECT k.key_id,
		k.workspace_id,
		'retired_secret',
		GREATEST(u.last_retired_at, m.last_retired_at),
		COALESCE(m.last_retired_client, u.last_retired_client),
		CASE
			WHEN o.good THEN pg_catalog.format('SELECT falukeys.end_grace(%L);', k.key_id)
			ELSE pg_catalog.format('SELECT * FROM falukeys.roll_key(%L, grace => ''1 day'');', k.key_id)
		END
	FROM falukeys_internal.every_standing_key AS k
		CROSS JOIN LATERAL (
			SELECT pg_catalog.bool_or(old.compromised_at IS NULL
					AND old.valid_until OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp()) AS good,
				pg_catalog.max(CASE
					WHEN old.compromised_at OPERATOR(pg_catalog.<) old.valid_until THEN old.compromised_at
					WHEN old.valid_until OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp() THEN old.retired_at
					ELSE old.valid_until
				END) AS since
			FROM falukeys.retired_secrets AS old
			WHERE old.key_id OPERATOR(pg_catalog.=) k.key_id) AS o
		LEFT JOIN LATERAL (
			SELECT used.last_retired_at, used.last_retired_client
			FROM falukeys.key_usage AS used
			WHERE used.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0) AS u ON true
		CROSS JOIN LATERAL falukeys_internal.unflushed_usage(k.key_id) AS m
	WHERE EXISTS (
			SELECT FROM falukeys.retired_secrets AS any_old
			WHERE any_old.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0)
		AND GREATEST(u.last_retired_at, m.last_retired_at) OPERATOR(pg_catalog.>)
			GREATEST(o.since, pg_catalog.statement_timestamp() OPERATOR(pg_catalog.-) '7 days'::interval)
	UNION ALL
	SELECT k.key_id,
		k.workspace_id,
		'creator_gone',
		k.created_at,
		NULL,
		pg_catalog.format('SELECT * FROM falukeys.roll_key(%L, grace => ''1 day'');', k.key_id)
	FROM falukeys_internal.every_standing_key AS k
	WHERE NOT (k.created_by OPERATOR(pg_catalog.=) ANY (SELECT r.rolname FROM pg_catalog.pg_roles AS r))
		AND NOT EXISTS (
			SELECT FROM falukeys.retired_secrets AS any_old
			WHERE any_old.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0);
COMMENT ON VIEW falukeys_internal.every_attention IS 'What the view attention shows, of every workspace; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_attention.key_id IS 'As in attention';
COMMENT ON COLUMN falukeys_internal.every_attention.workspace_id IS 'As in attention';
COMMENT ON COLUMN falukeys_internal.every_attention.reason IS 'As in attention';
COMMENT ON COLUMN falukeys_internal.every_attention.at IS 'As in attention';
COMMENT ON COLUMN falukeys_internal.every_attention.client IS 'As in attention';
COMMENT ON COLUMN falukeys_internal.every_attention.remedy IS 'As in attention';

CREATE FUNCTION falukeys_internal.own_attention() RETURNS SETOF falukeys_internal.every_attention
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_attention';
COMMENT ON FUNCTION falukeys_internal.own_attention() IS 'What the view attention shows to members of workspaces. Anyone';

CREATE VIEW falukeys.attention WITH (security_barrier) AS
	SELECT e.key_id, e.workspace_id, e.reason, e.remedy, e.at, e.client
	FROM falukeys_internal.every_attention AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.key_id, a.workspace_id, a.reason, a.remedy, a.at, a.client
	FROM falukeys_internal.every_attention AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.workspace_id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
	UNION ALL
	SELECT o.key_id, o.workspace_id, o.reason, o.remedy, o.at, o.client
	FROM falukeys_internal.own_attention() AS o;
COMMENT ON VIEW falukeys.attention IS 'What someone should look at, of the keys that the caller may see: a row a key and reason';
COMMENT ON COLUMN falukeys.attention.key_id IS 'The key';
COMMENT ON COLUMN falukeys.attention.workspace_id IS 'The workspace that the key belongs to';
COMMENT ON COLUMN falukeys.attention.reason IS 'unrevealed, unrestricted, unused, expiring, retired_secret or creator_gone';
COMMENT ON COLUMN falukeys.attention.remedy IS 'A statement that settles it, for a developer of the workspace to read and run';
COMMENT ON COLUMN falukeys.attention.at IS 'Since when, or when: see the reference for each reason';
COMMENT ON COLUMN falukeys.attention.client IS 'unrestricted, unused: the client of the last use; retired_secret: of the last presentation; NULL: not known';
