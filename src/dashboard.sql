
-- What people look at.

-- OFFSET 0: see every_usage.
CREATE VIEW falukeys_internal.every_key AS
	SELECT k.workspace_id,
		w.name AS workspace,
		k.id AS key_id,
		k.kind,
		k.mode,
		COALESCE(k.public_key, falukeys.redacted(k.secret)) AS key,
		CASE
			WHEN r.valid_until OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()
				AND COALESCE(r.compromised_at OPERATOR(pg_catalog.>=) r.valid_until, true) THEN 'rolled'
			WHEN COALESCE(k.compromised_at, p.compromised_at) IS NOT NULL
				OR r.compromised_at OPERATOR(pg_catalog.<) r.valid_until THEN 'compromised'
			WHEN COALESCE(k.revoked_at, p.revoked_at) IS NOT NULL THEN 'revoked'
			WHEN k.disabled OR p.disabled THEN 'disabled'
			WHEN GREATEST(k.not_before, p.not_before) OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp() THEN 'not_yet_valid'
			WHEN LEAST(k.expires_at, p.expires_at) OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp() THEN 'expired'
			WHEN w.state OPERATOR(pg_catalog.<>) ALL ('{pending,approved,suspended}') THEN 'workspace_closed'
			WHEN w.state OPERATOR(pg_catalog.=) 'suspended'
				AND k.mode OPERATOR(pg_catalog.=) 'live' THEN 'workspace_suspended'
			ELSE 'valid'
		END AS state,
		CASE WHEN k.permissions_restricted THEN ARRAY(
			SELECT p.permission FROM falukeys.key_permissions AS p
			WHERE p.key_id OPERATOR(pg_catalog.=) k.id ORDER BY p.permission)
		END AS permissions,
		CASE WHEN k.networks_restricted THEN ARRAY(
			SELECT n.network FROM falukeys.key_networks AS n
			WHERE n.key_id OPERATOR(pg_catalog.=) k.id ORDER BY n.network)
		END AS networks,
		k.description,
		COALESCE(k.saved_in, NULLIF(pg_catalog.rtrim(s.first_saved_in), '')) AS saved_in,
		k.created_at,
		CASE WHEN pg_catalog.isfinite(s.revealed_at) THEN s.revealed_at END AS revealed_at,
		CASE WHEN pg_catalog.isfinite(s.revealed_at) THEN s.revealed_by END AS revealed_by,
		GREATEST(u.last_used_at, m.last_used_at) AS last_used_at,
		COALESCE(u.uses, 0) OPERATOR(pg_catalog.+) COALESCE(m.uses, 0) AS uses,
		k.expires_at,
		k.parent_key_id
	FROM falukeys.keys AS k
		JOIN falukeys.workspaces AS w ON w.id OPERATOR(pg_catalog.=) k.workspace_id
		LEFT JOIN LATERAL (
			SELECT seal.revealed_at, seal.revealed_by, seal.first_saved_in
			FROM falukeys.sealed_secrets AS seal
			WHERE seal.secret OPERATOR(falukeys.=) k.secret OFFSET 0) AS s ON true
		LEFT JOIN LATERAL (
			SELECT used.uses, used.last_used_at
			FROM falukeys.key_usage AS used
			WHERE used.key_id OPERATOR(pg_catalog.=) k.id OFFSET 0) AS u ON true
		LEFT JOIN LATERAL (
			SELECT minter.compromised_at, minter.revoked_at, minter.disabled, minter.not_before, minter.expires_at
			FROM falukeys.keys AS minter
			WHERE minter.id OPERATOR(pg_catalog.=) k.parent_key_id OFFSET 0) AS p ON true
		LEFT JOIN LATERAL (
			SELECT replaced.valid_until, replaced.compromised_at
			FROM falukeys.retired_secrets AS replaced
			WHERE replaced.secret OPERATOR(falukeys.=) k.parent_secret OFFSET 0) AS r ON true
		CROSS JOIN LATERAL falukeys_internal.unflushed_usage(k.id) AS m;
COMMENT ON VIEW falukeys_internal.every_key IS 'What the view dashboard shows, of every workspace; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_key.workspace_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.workspace IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.key_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.kind IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.mode IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.key IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.state IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.permissions IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.networks IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.description IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.saved_in IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.created_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.revealed_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.revealed_by IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.last_used_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.uses IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.expires_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.parent_key_id IS 'As in dashboard';

CREATE FUNCTION falukeys_internal.own_keys() RETURNS SETOF falukeys_internal.every_key
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_keys';
COMMENT ON FUNCTION falukeys_internal.own_keys() IS 'What the view dashboard shows to members of workspaces. Anyone';

CREATE VIEW falukeys.dashboard WITH (security_barrier) AS
	SELECT e.workspace_id, e.workspace, e.key_id, e.kind, e.mode, e.key, e.state, e.permissions,
		e.networks, e.description, e.saved_in, e.created_at, e.revealed_at, e.revealed_by, e.last_used_at, e.uses, e.expires_at, e.parent_key_id
	FROM falukeys_internal.every_key AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT o.workspace_id, o.workspace, o.key_id, o.kind, o.mode, o.key, o.state, o.permissions,
		o.networks, o.description, o.saved_in, o.created_at, o.revealed_at, o.revealed_by, o.last_used_at, o.uses, o.expires_at, o.parent_key_id
	FROM falukeys_internal.own_keys() AS o;
COMMENT ON VIEW falukeys.dashboard IS 'The keys that the caller may see, a row each; no secret is readable in it';
COMMENT ON COLUMN falukeys.dashboard.workspace_id IS 'The workspace that the key belongs to';
COMMENT ON COLUMN falukeys.dashboard.workspace IS 'Its name';
COMMENT ON COLUMN falukeys.dashboard.key_id IS 'The key';
COMMENT ON COLUMN falukeys.dashboard.kind IS 'public, secret or temporary';
COMMENT ON COLUMN falukeys.dashboard.mode IS 'test or live';
COMMENT ON COLUMN falukeys.dashboard.key IS 'Public keys in full, others redacted';
COMMENT ON COLUMN falukeys.dashboard.state IS 'valid, or the code that verify_key answers for the key as such';
COMMENT ON COLUMN falukeys.dashboard.permissions IS 'What it is restricted to; NULL: unrestricted';
COMMENT ON COLUMN falukeys.dashboard.networks IS 'From where it may be used; NULL: from anywhere';
COMMENT ON COLUMN falukeys.dashboard.description IS 'For people';
COMMENT ON COLUMN falukeys.dashboard.saved_in IS 'Where the owner keeps the secret';
COMMENT ON COLUMN falukeys.dashboard.created_at IS 'When the key was created or registered';
COMMENT ON COLUMN falukeys.dashboard.revealed_at IS 'When the live secret was first seen in plaintext; NULL: not yet, or made elsewhere';
COMMENT ON COLUMN falukeys.dashboard.revealed_by IS 'The role that saw it';
COMMENT ON COLUMN falukeys.dashboard.last_used_at IS 'The last valid verification that was counted';
COMMENT ON COLUMN falukeys.dashboard.uses IS 'Valid verifications that were counted';
COMMENT ON COLUMN falukeys.dashboard.expires_at IS 'From when on it is refused; NULL: no bound';
COMMENT ON COLUMN falukeys.dashboard.parent_key_id IS 'The key whose holder created this temporary key, which lives no longer than that one''s secret';

CREATE FUNCTION falukeys_internal.own_events() RETURNS SETOF falukeys.events
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_events';
COMMENT ON FUNCTION falukeys_internal.own_events() IS 'What the view event_log shows to members of workspaces. Anyone';

CREATE VIEW falukeys.event_log WITH (security_barrier) AS
	SELECT e.id, e.at, e.event, e.actor, e.session_actor, e.acting_for, e.workspace_id, e.key_id, e.detail
	FROM falukeys.events AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT o.id, o.at, o.event, o.actor, o.session_actor, o.acting_for, o.workspace_id, o.key_id, o.detail
	FROM falukeys_internal.own_events() AS o;
COMMENT ON VIEW falukeys.event_log IS 'The events that the caller may see';
COMMENT ON COLUMN falukeys.event_log.id IS 'Its number, also in the notification on channel falukeys';
COMMENT ON COLUMN falukeys.event_log.at IS 'When, by the wall clock';
COMMENT ON COLUMN falukeys.event_log.event IS 'What: workspace.created, key.rolled and so on';
COMMENT ON COLUMN falukeys.event_log.actor IS 'The role that did it: current_user at the call';
COMMENT ON COLUMN falukeys.event_log.session_actor IS 'The role that had logged in: session_user';
COMMENT ON COLUMN falukeys.event_log.acting_for IS 'What the client had set in falukeys.acting_for';
COMMENT ON COLUMN falukeys.event_log.workspace_id IS 'The workspace that it was done to, or whose key';
COMMENT ON COLUMN falukeys.event_log.key_id IS 'The key that it was done to';
COMMENT ON COLUMN falukeys.event_log.detail IS 'What else belongs to it, a reason, say';

-- EXPLAIN shows estimates to everyone, and a condition's would tell from the
-- statistics of a column what is in it. So there are none.
ALTER TABLE falukeys.workspaces
	ALTER COLUMN id SET STATISTICS 0, ALTER COLUMN state SET STATISTICS 0, ALTER COLUMN name SET STATISTICS 0,
	ALTER COLUMN created_at SET STATISTICS 0, ALTER COLUMN created_by SET STATISTICS 0,
	ALTER COLUMN approved_at SET STATISTICS 0, ALTER COLUMN suspended_from SET STATISTICS 0,
	ALTER COLUMN state_changed_at SET STATISTICS 0, ALTER COLUMN state_reason SET STATISTICS 0,
	ALTER COLUMN meta SET STATISTICS 0;
ALTER TABLE falukeys.keys
	ALTER COLUMN id SET STATISTICS 0, ALTER COLUMN workspace_id SET STATISTICS 0, ALTER COLUMN secret SET STATISTICS 0,
	ALTER COLUMN kind SET STATISTICS 0, ALTER COLUMN mode SET STATISTICS 0, ALTER COLUMN disabled SET STATISTICS 0,
	ALTER COLUMN permissions_restricted SET STATISTICS 0, ALTER COLUMN networks_restricted SET STATISTICS 0,
	ALTER COLUMN not_before SET STATISTICS 0, ALTER COLUMN expires_at SET STATISTICS 0,
	ALTER COLUMN revoked_at SET STATISTICS 0, ALTER COLUMN compromised_at SET STATISTICS 0,
	ALTER COLUMN meta SET STATISTICS 0, ALTER COLUMN created_at SET STATISTICS 0,
	ALTER COLUMN created_by SET STATISTICS 0, ALTER COLUMN imported SET STATISTICS 0,
	ALTER COLUMN public_key SET STATISTICS 0, ALTER COLUMN description SET STATISTICS 0,
	ALTER COLUMN saved_in SET STATISTICS 0, ALTER COLUMN revoke_reason SET STATISTICS 0,
	ALTER COLUMN parent_secret SET STATISTICS 0, ALTER COLUMN parent_key_id SET STATISTICS 0;
ALTER TABLE falukeys.retired_secrets
	ALTER COLUMN secret SET STATISTICS 0, ALTER COLUMN key_id SET STATISTICS 0,
	ALTER COLUMN retired_at SET STATISTICS 0, ALTER COLUMN valid_until SET STATISTICS 0,
	ALTER COLUMN compromised_at SET STATISTICS 0;
ALTER TABLE falukeys.sealed_secrets
	ALTER COLUMN secret SET STATISTICS 0, ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN seal SET STATISTICS 0,
	ALTER COLUMN revealed_at SET STATISTICS 0, ALTER COLUMN revealed_by SET STATISTICS 0,
	ALTER COLUMN first_saved_in SET STATISTICS 0;
ALTER TABLE falukeys.key_permissions
	ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN permission SET STATISTICS 0, ALTER COLUMN added_at SET STATISTICS 0;
ALTER TABLE falukeys.key_networks
	ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN network SET STATISTICS 0, ALTER COLUMN added_at SET STATISTICS 0;
ALTER TABLE falukeys.key_usage
	ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN uses SET STATISTICS 0, ALTER COLUMN denials SET STATISTICS 0,
	ALTER COLUMN last_used_at SET STATISTICS 0, ALTER COLUMN last_client SET STATISTICS 0,
	ALTER COLUMN last_retired_at SET STATISTICS 0;
ALTER TABLE falukeys.events
	ALTER COLUMN id SET STATISTICS 0, ALTER COLUMN at SET STATISTICS 0, ALTER COLUMN event SET STATISTICS 0,
	ALTER COLUMN actor SET STATISTICS 0, ALTER COLUMN session_actor SET STATISTICS 0,
	ALTER COLUMN acting_for SET STATISTICS 0, ALTER COLUMN workspace_id SET STATISTICS 0,
	ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN detail SET STATISTICS 0;
