
-- What people look at.

-- OFFSET 0: see every_usage.
CREATE VIEW falukeys_internal.every_state AS
	SELECT k.workspace_id,
		w.name AS workspace,
		k.id AS key_id,
		k.kind,
		k.mode,
		k.secret,
		k.public_key,
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
		COALESCE(k.compromised_at, k.revoked_at) IS NOT NULL
			OR COALESCE(k.expires_at OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp(), false)
			OR w.state OPERATOR(pg_catalog.<>) ALL ('{pending,approved,suspended}') AS ended,
		k.permissions_restricted,
		k.networks_restricted,
		k.description,
		k.saved_in,
		k.created_at,
		k.expires_at,
		k.not_before,
		k.compromised_at,
		k.parent_key_id,
		k.meta
	FROM falukeys.keys AS k
		JOIN LATERAL (
			SELECT holder.name, holder.state
			FROM falukeys.workspaces AS holder
			WHERE holder.id OPERATOR(pg_catalog.=) k.workspace_id OFFSET 0) AS w ON true
		LEFT JOIN LATERAL (
			SELECT minter.compromised_at, minter.revoked_at, minter.disabled, minter.not_before, minter.expires_at
			FROM falukeys.keys AS minter
			WHERE minter.id OPERATOR(pg_catalog.=) k.parent_key_id OFFSET 0) AS p ON true
		LEFT JOIN LATERAL (
			SELECT replaced.valid_until, replaced.compromised_at
			FROM falukeys.retired_secrets AS replaced
			WHERE replaced.secret OPERATOR(falukeys.=) k.parent_secret OFFSET 0) AS r ON true;
COMMENT ON VIEW falukeys_internal.every_state IS 'The keys of every workspace with their state; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_state.workspace_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.workspace IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.key_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.kind IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.mode IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.secret IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_state.public_key IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_state.state IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.ended IS 'For good, also where state names what comes before: disabled, for example';
COMMENT ON COLUMN falukeys_internal.every_state.permissions_restricted IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_state.networks_restricted IS 'As in keys';
COMMENT ON COLUMN falukeys_internal.every_state.description IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.saved_in IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.created_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.expires_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.not_before IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.compromised_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.parent_key_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_state.meta IS 'As in dashboard';

CREATE VIEW falukeys_internal.every_key AS
	SELECT k.workspace_id,
		k.workspace,
		k.key_id,
		k.kind,
		k.mode,
		COALESCE(k.public_key, falukeys.redacted(k.secret)) AS key,
		k.state,
		CASE WHEN k.permissions_restricted THEN ARRAY(
			SELECT p.permission FROM falukeys.key_permissions AS p
			WHERE p.key_id OPERATOR(pg_catalog.=) k.key_id ORDER BY p.permission)
		END AS permissions,
		CASE WHEN k.networks_restricted THEN ARRAY(
			SELECT n.network FROM falukeys.key_networks AS n
			WHERE n.key_id OPERATOR(pg_catalog.=) k.key_id ORDER BY n.network)
		END AS networks,
		k.description,
		COALESCE(k.saved_in, NULLIF(pg_catalog.rtrim(s.first_saved_in), '')) AS saved_in,
		k.created_at,
		CASE WHEN pg_catalog.isfinite(s.revealed_at) THEN s.revealed_at END AS revealed_at,
		CASE WHEN pg_catalog.isfinite(s.revealed_at) THEN s.revealed_by END AS revealed_by,
		GREATEST(u.last_used_at, m.last_used_at) AS last_used_at,
		COALESCE(u.uses, 0) OPERATOR(pg_catalog.+) COALESCE(m.uses, 0) AS uses,
		k.expires_at,
		k.not_before,
		CASE WHEN o.valid_until IS NOT NULL AND NOT k.ended THEN LEAST(o.valid_until, k.expires_at)
		END AS old_secret_until,
		COALESCE(k.compromised_at, o.compromised_at) AS compromised_at,
		COALESCE(s.revealed_at OPERATOR(pg_catalog.=) 'infinity', false)
			AND k.kind OPERATOR(pg_catalog.=) 'secret' AND k.mode OPERATOR(pg_catalog.=) 'live'
			AND NOT k.ended AS waits_for_reveal,
		k.parent_key_id,
		CASE WHEN k.kind OPERATOR(pg_catalog.=) 'temporary' THEN ARRAY(
			SELECT b.object_id FROM falukeys.key_objects AS b
			WHERE b.key_id OPERATOR(pg_catalog.=) k.key_id ORDER BY b.object_id)
		END AS objects,
		k.meta
	FROM falukeys_internal.every_state AS k
		LEFT JOIN LATERAL (
			SELECT seal.revealed_at, seal.revealed_by, seal.first_saved_in
			FROM falukeys.sealed_secrets AS seal
			WHERE seal.secret OPERATOR(falukeys.=) k.secret OFFSET 0) AS s ON true
		LEFT JOIN LATERAL (
			SELECT used.uses, used.last_used_at
			FROM falukeys.key_usage AS used
			WHERE used.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0) AS u ON true
		CROSS JOIN LATERAL (
			SELECT pg_catalog.max(old.valid_until) FILTER (WHERE old.compromised_at IS NULL
					AND old.valid_until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()) AS valid_until,
				pg_catalog.max(old.compromised_at) AS compromised_at
			FROM falukeys.retired_secrets AS old
			WHERE old.key_id OPERATOR(pg_catalog.=) k.key_id) AS o
		CROSS JOIN LATERAL falukeys_internal.unflushed_usage(k.key_id) AS m;
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
COMMENT ON COLUMN falukeys_internal.every_key.not_before IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.old_secret_until IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.compromised_at IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.waits_for_reveal IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.parent_key_id IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.objects IS 'As in dashboard';
COMMENT ON COLUMN falukeys_internal.every_key.meta IS 'As in dashboard';

CREATE FUNCTION falukeys_internal.own_keys() RETURNS SETOF falukeys_internal.every_key
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_keys';
COMMENT ON FUNCTION falukeys_internal.own_keys() IS 'What the view dashboard shows to members of workspaces. Anyone';

CREATE VIEW falukeys.dashboard WITH (security_barrier) AS
	SELECT e.workspace_id, e.workspace, e.key_id, e.kind, e.mode, e.key, e.state, e.permissions, e.networks,
		e.description, e.saved_in, e.created_at, e.revealed_at, e.revealed_by, e.last_used_at, e.uses,
		e.expires_at, e.not_before, e.old_secret_until, e.compromised_at, e.waits_for_reveal,
		e.parent_key_id, e.objects, e.meta
	FROM falukeys_internal.every_key AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.workspace_id, a.workspace, a.key_id, a.kind, a.mode, a.key, a.state, a.permissions, a.networks,
		a.description, a.saved_in, a.created_at, a.revealed_at, a.revealed_by, a.last_used_at, a.uses,
		a.expires_at, a.not_before, a.old_secret_until, a.compromised_at, a.waits_for_reveal,
		a.parent_key_id, a.objects, a.meta
	FROM falukeys_internal.every_key AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.workspace_id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
	UNION ALL
	SELECT o.workspace_id, o.workspace, o.key_id, o.kind, o.mode, o.key, o.state, o.permissions, o.networks,
		o.description, o.saved_in, o.created_at, o.revealed_at, o.revealed_by, o.last_used_at, o.uses,
		o.expires_at, o.not_before, o.old_secret_until, o.compromised_at, o.waits_for_reveal,
		o.parent_key_id, o.objects, o.meta
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
COMMENT ON COLUMN falukeys.dashboard.not_before IS 'From when on it is good; NULL: no bound';
COMMENT ON COLUMN falukeys.dashboard.old_secret_until IS 'Until when the secret is good, too, that it had before the last roll; NULL: no old one is';
COMMENT ON COLUMN falukeys.dashboard.compromised_at IS 'When a secret of it was last reported as leaked; where the state is not compromised, it has another one now';
COMMENT ON COLUMN falukeys.dashboard.waits_for_reveal IS 'Is it a live secret that can still be revealed, once?';
COMMENT ON COLUMN falukeys.dashboard.parent_key_id IS 'The key whose holder created this temporary key, which lives no longer than that one''s secret';
COMMENT ON COLUMN falukeys.dashboard.objects IS 'The objects that a temporary key is for; NULL for others';
COMMENT ON COLUMN falukeys.dashboard.meta IS 'The application''s own, handed out by verify_key';

CREATE FUNCTION falukeys_internal.own_events() RETURNS SETOF falukeys.events
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_events';
COMMENT ON FUNCTION falukeys_internal.own_events() IS 'What the view event_log shows to members of workspaces. Anyone';

CREATE VIEW falukeys.event_log WITH (security_barrier) AS
	SELECT e.id, e.at, e.event, e.actor, e.session_actor, e.acting_for, e.workspace_id, e.key_id, e.detail
	FROM falukeys.events AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.id, a.at, a.event, a.actor, a.session_actor, a.acting_for, a.workspace_id, a.key_id, a.detail
	FROM falukeys.events AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.workspace_id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
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

-- Who does not ask for the counts reads no key: the planner drops the join.
CREATE VIEW falukeys_internal.every_workspace AS
	SELECT w.id,
		w.name,
		w.state,
		w.created_at,
		w.approved_at,
		CASE WHEN w.state OPERATOR(pg_catalog.=) 'suspended' THEN w.state_changed_at END AS suspended_at,
		CASE WHEN w.state OPERATOR(pg_catalog.=) 'closed' THEN w.state_changed_at END AS closed_at,
		CASE WHEN w.state OPERATOR(pg_catalog.=) ANY ('{suspended,closed}') THEN w.state_reason END AS reason,
		c.live_keys,
		c.test_keys,
		w.meta
	FROM falukeys.workspaces AS w
		LEFT JOIN LATERAL (
			SELECT pg_catalog.count(*) FILTER (WHERE k.mode OPERATOR(pg_catalog.=) 'live') AS live_keys,
				pg_catalog.count(*) FILTER (WHERE k.mode OPERATOR(pg_catalog.=) 'test') AS test_keys
			FROM falukeys_internal.every_state AS k
			WHERE k.workspace_id OPERATOR(pg_catalog.=) w.id
				AND k.state OPERATOR(pg_catalog.=) 'valid') AS c ON true;
COMMENT ON VIEW falukeys_internal.every_workspace IS 'What the view workspace_list shows, of every workspace; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_workspace.id IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.name IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.state IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.created_at IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.approved_at IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.suspended_at IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.closed_at IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.reason IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.live_keys IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.test_keys IS 'As in workspace_list';
COMMENT ON COLUMN falukeys_internal.every_workspace.meta IS 'As in workspace_list';

CREATE FUNCTION falukeys_internal.own_workspace_list() RETURNS SETOF falukeys_internal.every_workspace
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_workspace_list';
COMMENT ON FUNCTION falukeys_internal.own_workspace_list() IS 'What the view workspace_list shows to members of workspaces. Anyone';

CREATE VIEW falukeys.workspace_list WITH (security_barrier) AS
	SELECT e.id, e.name, e.state, e.created_at, e.approved_at, e.suspended_at, e.closed_at, e.reason, e.live_keys, e.test_keys, e.meta
	FROM falukeys_internal.every_workspace AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.id, a.name, a.state, a.created_at, a.approved_at, a.suspended_at, a.closed_at, a.reason, a.live_keys, a.test_keys, a.meta
	FROM falukeys_internal.every_workspace AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
	UNION ALL
	SELECT o.id, o.name, o.state, o.created_at, o.approved_at, o.suspended_at, o.closed_at, o.reason, o.live_keys, o.test_keys, o.meta
	FROM falukeys_internal.own_workspace_list() AS o;
COMMENT ON VIEW falukeys.workspace_list IS 'The workspaces that the caller sees, a row each: as a member of any role, or all';
COMMENT ON COLUMN falukeys.workspace_list.id IS 'The workspace';
COMMENT ON COLUMN falukeys.workspace_list.name IS 'For people; need not be unique';
COMMENT ON COLUMN falukeys.workspace_list.state IS 'pending: it waits for approval; approved, suspended or closed';
COMMENT ON COLUMN falukeys.workspace_list.created_at IS 'When it was created';
COMMENT ON COLUMN falukeys.workspace_list.approved_at IS 'When it was approved; NULL: not yet';
COMMENT ON COLUMN falukeys.workspace_list.suspended_at IS 'Since when it is suspended; NULL: it is not';
COMMENT ON COLUMN falukeys.workspace_list.closed_at IS 'When it was closed; NULL: it is not';
COMMENT ON COLUMN falukeys.workspace_list.reason IS 'Why it was suspended or closed';
COMMENT ON COLUMN falukeys.workspace_list.live_keys IS 'How many of its live keys have the state valid; NULL where the caller may not see its keys';
COMMENT ON COLUMN falukeys.workspace_list.test_keys IS 'The same of its test keys';
COMMENT ON COLUMN falukeys.workspace_list.meta IS 'The platform''s own';

CREATE VIEW falukeys_internal.every_member AS
	SELECT m.workspace_id, w.name AS workspace, m.member, m.role
	FROM falukeys.members AS m
		JOIN LATERAL (
			SELECT named.name
			FROM falukeys.workspaces AS named
			WHERE named.id OPERATOR(pg_catalog.=) m.workspace_id OFFSET 0) AS w ON true;
COMMENT ON VIEW falukeys_internal.every_member IS 'What the view member_list shows, of every workspace; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_member.workspace_id IS 'As in member_list';
COMMENT ON COLUMN falukeys_internal.every_member.workspace IS 'As in member_list';
COMMENT ON COLUMN falukeys_internal.every_member.member IS 'As in member_list';
COMMENT ON COLUMN falukeys_internal.every_member.role IS 'As in member_list';

CREATE FUNCTION falukeys_internal.own_members() RETURNS SETOF falukeys_internal.every_member
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_members';
COMMENT ON FUNCTION falukeys_internal.own_members() IS 'What the view member_list shows to members of workspaces. Anyone';

CREATE VIEW falukeys.member_list WITH (security_barrier) AS
	SELECT e.workspace_id, e.workspace, e.member, e.role
	FROM falukeys_internal.every_member AS e
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.workspace_id, a.workspace, a.member, a.role
	FROM falukeys_internal.every_member AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.workspace_id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
	UNION ALL
	SELECT o.workspace_id, o.workspace, o.member, o.role
	FROM falukeys_internal.own_members() AS o;
COMMENT ON VIEW falukeys.member_list IS 'The members of the workspaces that the caller sees';
COMMENT ON COLUMN falukeys.member_list.workspace_id IS 'The workspace';
COMMENT ON COLUMN falukeys.member_list.workspace IS 'Its name';
COMMENT ON COLUMN falukeys.member_list.member IS 'A database role; its number where it is gone';
COMMENT ON COLUMN falukeys.member_list.role IS 'administrator: its keys and members; developer: its keys; member: no key';

-- Who sees a workspace sees all of them, so there is one branch; nothing is written through it.
CREATE VIEW falukeys.permission_list WITH (security_barrier) AS
	SELECT p.name, p.description
	FROM falukeys.permissions AS p
	WHERE (SELECT falukeys_internal.sees_a_workspace())
	OFFSET 0;
COMMENT ON VIEW falukeys.permission_list IS 'The catalog of permissions, for whoever sees a workspace';
COMMENT ON COLUMN falukeys.permission_list.name IS 'Lower-case words joined by dots; messages covers messages.read';
COMMENT ON COLUMN falukeys.permission_list.description IS 'For people';

-- A bulk of restrictions that is only counted has neither key nor workspace.
CREATE VIEW falukeys_internal.every_key_change AS
	SELECT e.id AS event_id, e.at, e.event, e.key_id, e.workspace_id
	FROM falukeys.events AS e
	WHERE e.event OPERATOR(pg_catalog.=) ANY ('{key.rolled,key.grace_ended,key.restricted,key.validity_changed,key.disabled,key.enabled,key.revoked,key.compromised,workspace.approved,workspace.suspended,workspace.resumed,workspace.closed}');
COMMENT ON VIEW falukeys_internal.every_key_change IS 'What the view key_changes shows, of every workspace; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_key_change.event_id IS 'As in key_changes';
COMMENT ON COLUMN falukeys_internal.every_key_change.at IS 'As in key_changes';
COMMENT ON COLUMN falukeys_internal.every_key_change.event IS 'As in key_changes';
COMMENT ON COLUMN falukeys_internal.every_key_change.key_id IS 'As in key_changes';
COMMENT ON COLUMN falukeys_internal.every_key_change.workspace_id IS 'As in key_changes';

CREATE FUNCTION falukeys_internal.own_key_changes() RETURNS SETOF falukeys_internal.every_key_change
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_key_changes';
COMMENT ON FUNCTION falukeys_internal.own_key_changes() IS 'What the view key_changes shows to members of workspaces. Anyone';

CREATE VIEW falukeys.key_changes WITH (security_barrier) AS
	SELECT e.event_id, e.at, e.event, e.key_id, e.workspace_id
	FROM falukeys_internal.every_key_change AS e
	WHERE (SELECT falukeys_internal.sees_every_key_change())
	UNION ALL
	SELECT a.event_id, a.at, a.event, a.key_id, a.workspace_id
	FROM falukeys_internal.every_key_change AS a
	WHERE (SELECT falukeys_internal.key_changes_workspace()) IS NOT NULL
		AND a.workspace_id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.key_changes_workspace())
	UNION ALL
	SELECT o.event_id, o.at, o.event, o.key_id, o.workspace_id
	FROM falukeys_internal.own_key_changes() AS o;
COMMENT ON VIEW falukeys.key_changes IS 'What changed what keys may do: every change for verifiers, for others those that they may see';
COMMENT ON COLUMN falukeys.key_changes.event_id IS 'Its number in event_log, also in the notification on channel falukeys';
COMMENT ON COLUMN falukeys.key_changes.at IS 'When, by the wall clock';
COMMENT ON COLUMN falukeys.key_changes.event IS 'What: key.revoked, workspace.suspended and so on';
COMMENT ON COLUMN falukeys.key_changes.key_id IS 'The key; NULL: any key of the workspace';
COMMENT ON COLUMN falukeys.key_changes.workspace_id IS 'The workspace; NULL with no key either: any key at all';

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
	ALTER COLUMN last_retired_at SET STATISTICS 0, ALTER COLUMN last_retired_client SET STATISTICS 0;
ALTER TABLE falukeys.events
	ALTER COLUMN id SET STATISTICS 0, ALTER COLUMN at SET STATISTICS 0, ALTER COLUMN event SET STATISTICS 0,
	ALTER COLUMN actor SET STATISTICS 0, ALTER COLUMN session_actor SET STATISTICS 0,
	ALTER COLUMN acting_for SET STATISTICS 0, ALTER COLUMN workspace_id SET STATISTICS 0,
	ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN detail SET STATISTICS 0;
ALTER TABLE falukeys.members
	ALTER COLUMN workspace_id SET STATISTICS 0, ALTER COLUMN member SET STATISTICS 0, ALTER COLUMN role SET STATISTICS 0,
	ALTER COLUMN added_at SET STATISTICS 0;
ALTER TABLE falukeys.permissions
	ALTER COLUMN name SET STATISTICS 0, ALTER COLUMN description SET STATISTICS 0,
	ALTER COLUMN added_at SET STATISTICS 0;
ALTER TABLE falukeys.key_objects
	ALTER COLUMN key_id SET STATISTICS 0, ALTER COLUMN object_id SET STATISTICS 0,
	ALTER COLUMN added_at SET STATISTICS 0;
ALTER TABLE falukeys.mode_settings
	ALTER COLUMN mode SET STATISTICS 0, ALTER COLUMN process_payments SET STATISTICS 0,
	ALTER COLUMN deliver_messages SET STATISTICS 0, ALTER COLUMN verify_identities SET STATISTICS 0,
	ALTER COLUMN webhook_max_attempts SET STATISTICS 0, ALTER COLUMN webhook_retry_window SET STATISTICS 0;
