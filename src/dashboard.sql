
-- What people look at.

CREATE VIEW falukeys.dashboard WITH (security_barrier) AS
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
			WHEN w.state OPERATOR(pg_catalog.=) 'closed' THEN 'workspace_closed'
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
		JOIN falukeys.visible_workspaces AS v ON v.id OPERATOR(pg_catalog.=) k.workspace_id
		JOIN falukeys.workspaces AS w ON w.id OPERATOR(pg_catalog.=) k.workspace_id
		LEFT JOIN falukeys.sealed_secrets AS s ON s.secret OPERATOR(falukeys.=) k.secret
		LEFT JOIN falukeys.keys AS p ON p.id OPERATOR(pg_catalog.=) k.parent_key_id
		LEFT JOIN falukeys.retired_secrets AS r ON r.secret OPERATOR(falukeys.=) k.parent_secret
		LEFT JOIN falukeys.key_usage AS u ON u.key_id OPERATOR(pg_catalog.=) k.id
		CROSS JOIN LATERAL falukeys.unflushed_usage(k.id) AS m;
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

CREATE VIEW falukeys.event_log WITH (security_barrier) AS
	SELECT e.id, e.at, e.event, e.actor, e.session_actor, e.acting_for, e.workspace_id, e.key_id, e.detail
	FROM falukeys.events AS e
	WHERE e.workspace_id IN (SELECT v.id FROM falukeys.visible_workspaces AS v)
		OR (SELECT pg_catalog.has_function_privilege('falukeys.operator_access()', 'EXECUTE')
			OR pg_catalog.has_function_privilege('falukeys.manager_access()', 'EXECUTE'));
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
