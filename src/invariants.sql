
-- What must hold between the rows of the tables, whoever wrote them.

-- The triggers see to all of it, so a row here means that they were switched off,
-- that a restore was not finished, or that something is damaged.  What only the
-- record can tell is asked of keys and workspaces whose beginning it has: a
-- subscriber has no record.  Each branch is one invariant.
CREATE VIEW falukeys_internal.every_broken_invariant AS
	WITH told AS MATERIALIZED (
		SELECT e.key_id,
			pg_catalog.bool_or(e.event OPERATOR(pg_catalog.=) ANY ('{key.created,key.imported}')) AS began,
			pg_catalog.bool_or(e.event OPERATOR(pg_catalog.=) 'key.revoked') AS revoked,
			pg_catalog.bool_or(e.event OPERATOR(pg_catalog.=) 'key.compromised'
				AND e.detail OPERATOR(pg_catalog.->>) 'secret' OPERATOR(pg_catalog.=) 'ended') AS compromised,
			pg_catalog.bool_or(e.event OPERATOR(pg_catalog.=) 'key.restricted'
				AND (e.detail OPERATOR(pg_catalog.->>) 'objects_removed') IS NOT NULL) AS bared,
			pg_catalog.max(e.id) FILTER (WHERE e.event OPERATOR(pg_catalog.=) 'key.disabled') AS disabled,
			pg_catalog.max(e.id) FILTER (WHERE e.event OPERATOR(pg_catalog.=) 'key.enabled') AS enabled
		FROM falukeys.events AS e
		WHERE e.key_id IS NOT NULL
		GROUP BY e.key_id),
	-- Of the rest of a bulk only the number is told.
	bulks AS MATERIALIZED (
		SELECT e.event, e.workspace_id
		FROM falukeys.events AS e
		WHERE e.key_id IS NULL AND e.event OPERATOR(pg_catalog.=) ANY ('{key.imported,key.restricted}')
		GROUP BY e.event, e.workspace_id),
	-- A role that is gone is removed by its number: whatever it was called before, another may be called now.
	nameless AS MATERIALIZED (
		SELECT e.workspace_id, pg_catalog.max(e.id) AS id
		FROM falukeys.events AS e
		WHERE e.event OPERATOR(pg_catalog.=) 'member.removed'
			AND e.detail OPERATOR(pg_catalog.->>) 'member' OPERATOR(pg_catalog.~) '^[0-9]+$'
		GROUP BY e.workspace_id),
	-- The last that is told of a role in a workspace
	memberships AS MATERIALIZED (
		SELECT DISTINCT ON (e.workspace_id, e.detail OPERATOR(pg_catalog.->>) 'member') e.workspace_id,
			e.detail OPERATOR(pg_catalog.->>) 'member' AS member,
			e.detail OPERATOR(pg_catalog.->>) 'role' AS role
		FROM falukeys.events AS e
			LEFT JOIN nameless AS n ON n.workspace_id OPERATOR(pg_catalog.=) e.workspace_id
		WHERE e.event OPERATOR(pg_catalog.=) ANY ('{member.added,member.removed}')
			AND e.id OPERATOR(pg_catalog.>) COALESCE(n.id, 0)
		ORDER BY e.workspace_id, e.detail OPERATOR(pg_catalog.->>) 'member', e.id DESC)

	SELECT 'identifier' AS invariant, k.id
	FROM falukeys.keys AS k
	WHERE k.id OPERATOR(pg_catalog.!~) '^key_[0-9A-Za-z]{27}$'
	UNION ALL
	SELECT 'identifier', w.id
	FROM falukeys.workspaces AS w
	WHERE w.id OPERATOR(pg_catalog.!~) '^wksp_[0-9A-Za-z]{27}$'

	UNION ALL
	SELECT 'one_key_a_digest', pg_catalog.unnest(pg_catalog.array_agg(DISTINCT d.key_id))
	FROM (SELECT k.secret, k.id AS key_id FROM falukeys.keys AS k
		UNION ALL SELECT r.secret, r.key_id FROM falukeys.retired_secrets AS r) AS d
	GROUP BY pg_catalog.substr(falukeys_internal.apikey_send(d.secret), 1, 32)
	HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1

	UNION ALL
	SELECT 'secret', k.id
	FROM falukeys.keys AS k
	WHERE falukeys.kind_of(k.secret) OPERATOR(pg_catalog.<>) k.kind
		OR falukeys.mode_of(k.secret) OPERATOR(pg_catalog.<>) k.mode
		OR CASE
			WHEN k.public_key IS NULL THEN k.kind OPERATOR(pg_catalog.=) 'public' AND NOT k.imported
			WHEN falukeys.is_well_formed(k.public_key)
				THEN k.kind OPERATOR(pg_catalog.<>) 'public'
					OR falukeys.apikey_of(k.public_key) OPERATOR(falukeys.<>) k.secret
			ELSE true
		END

	UNION ALL
	SELECT 'validity', k.id
	FROM falukeys.keys AS k
	WHERE k.not_before OPERATOR(pg_catalog.>=) k.expires_at
		OR (k.kind OPERATOR(pg_catalog.=) 'temporary' AND k.expires_at IS NULL)

	UNION ALL
	SELECT 'workspace', k.id
	FROM falukeys.keys AS k
	WHERE NOT EXISTS (SELECT FROM falukeys.workspaces AS w WHERE w.id OPERATOR(pg_catalog.=) k.workspace_id)
	UNION ALL
	SELECT 'workspace', m.workspace_id
	FROM falukeys.members AS m
	WHERE NOT EXISTS (SELECT FROM falukeys.workspaces AS w WHERE w.id OPERATOR(pg_catalog.=) m.workspace_id)

	UNION ALL
	SELECT 'approval', k.id
	FROM falukeys.keys AS k
		JOIN falukeys.workspaces AS w ON w.id OPERATOR(pg_catalog.=) k.workspace_id
	WHERE k.mode OPERATOR(pg_catalog.=) 'live' AND w.approved_at IS NULL

	UNION ALL
	SELECT 'workspace_state', w.id
	FROM falukeys.workspaces AS w
	WHERE (w.state OPERATOR(pg_catalog.=) 'suspended') OPERATOR(pg_catalog.<>) (w.suspended_from IS NOT NULL)
		OR w.suspended_from OPERATOR(pg_catalog.=) ANY ('{suspended,closed}')
		OR (COALESCE(w.suspended_from, w.state) OPERATOR(pg_catalog.=) 'approved' AND w.approved_at IS NULL)
		OR (COALESCE(w.suspended_from, w.state) OPERATOR(pg_catalog.=) 'pending' AND w.approved_at IS NOT NULL)

	UNION ALL
	SELECT 'pair', w.id
	FROM falukeys.workspaces AS w
		LEFT JOIN (
			SELECT k.workspace_id,
				pg_catalog.count(DISTINCT k.kind) FILTER (WHERE k.mode OPERATOR(pg_catalog.=) 'test') AS test,
				pg_catalog.count(DISTINCT k.kind) FILTER (WHERE k.mode OPERATOR(pg_catalog.=) 'live') AS live
			FROM falukeys.keys AS k
			WHERE k.kind OPERATOR(pg_catalog.=) ANY ('{public,secret}')
			GROUP BY k.workspace_id) AS p ON p.workspace_id OPERATOR(pg_catalog.=) w.id
	WHERE COALESCE(p.test, 0) OPERATOR(pg_catalog.<) 2
		OR (w.approved_at IS NOT NULL AND COALESCE(p.live, 0) OPERATOR(pg_catalog.<) 2)

	-- A role that was dropped is no administrator, and may be removed.
	UNION ALL
	SELECT DISTINCT 'administrator', t.workspace_id
	FROM memberships AS t
		JOIN pg_catalog.pg_roles AS r ON r.rolname::text OPERATOR(pg_catalog.=) t.member
	WHERE t.role OPERATOR(pg_catalog.=) 'administrator'
		AND NOT EXISTS (SELECT FROM falukeys.members AS m
			WHERE m.workspace_id OPERATOR(pg_catalog.=) t.workspace_id
				AND m.role OPERATOR(pg_catalog.=) 'administrator')

	UNION ALL
	SELECT 'public_unrestricted', k.id
	FROM falukeys.keys AS k
	WHERE k.kind OPERATOR(pg_catalog.=) 'public' AND (k.permissions_restricted OR k.networks_restricted)

	UNION ALL
	SELECT 'restricted', k.id
	FROM falukeys.keys AS k
	WHERE (NOT k.permissions_restricted AND EXISTS (SELECT FROM falukeys.key_permissions AS p
			WHERE p.key_id OPERATOR(pg_catalog.=) k.id))
		OR (NOT k.networks_restricted AND EXISTS (SELECT FROM falukeys.key_networks AS n
			WHERE n.key_id OPERATOR(pg_catalog.=) k.id))
	UNION ALL
	SELECT DISTINCT 'restricted', b.key_id
	FROM (SELECT p.key_id FROM falukeys.key_permissions AS p
		UNION ALL SELECT n.key_id FROM falukeys.key_networks AS n
		UNION ALL SELECT o.key_id FROM falukeys.key_objects AS o) AS b
	WHERE NOT EXISTS (SELECT FROM falukeys.keys AS k WHERE k.id OPERATOR(pg_catalog.=) b.key_id)

	UNION ALL
	SELECT DISTINCT 'permission', p.key_id
	FROM falukeys.key_permissions AS p
	WHERE NOT EXISTS (SELECT FROM falukeys.permissions AS d WHERE d.name OPERATOR(pg_catalog.=) p.permission)

	-- Objects may be removed by hand, which is recorded and opens nothing.
	UNION ALL
	SELECT 'objects', k.id
	FROM falukeys.keys AS k
		LEFT JOIN told AS t ON t.key_id OPERATOR(pg_catalog.=) k.id
	WHERE (k.kind OPERATOR(pg_catalog.=) 'temporary') OPERATOR(pg_catalog.<>)
			EXISTS (SELECT FROM falukeys.key_objects AS o WHERE o.key_id OPERATOR(pg_catalog.=) k.id)
		AND (k.kind OPERATOR(pg_catalog.<>) 'temporary'
			OR NOT (COALESCE(t.bared, false) OR EXISTS (SELECT FROM bulks AS b
				WHERE b.event OPERATOR(pg_catalog.=) 'key.restricted'
					AND COALESCE(b.workspace_id OPERATOR(pg_catalog.=) k.workspace_id, true))))

	-- A parent is never deleted.
	UNION ALL
	SELECT 'parent', k.id
	FROM falukeys.keys AS k
		LEFT JOIN falukeys.keys AS p ON p.id OPERATOR(pg_catalog.=) k.parent_key_id
		LEFT JOIN falukeys.retired_secrets AS r ON r.secret OPERATOR(falukeys.=) k.parent_secret
	WHERE NOT (k.parent_key_id IS NULL AND k.parent_secret IS NULL)
		AND NOT COALESCE(k.kind OPERATOR(pg_catalog.=) 'temporary'
			AND p.kind OPERATOR(pg_catalog.=) 'secret'
			AND p.mode OPERATOR(pg_catalog.=) k.mode
			AND p.workspace_id OPERATOR(pg_catalog.=) k.workspace_id
			AND (p.secret OPERATOR(falukeys.=) k.parent_secret OR r.key_id OPERATOR(pg_catalog.=) p.id), false)

	-- Only temporary keys are purged.
	UNION ALL
	SELECT 'retired_secret', r.key_id
	FROM falukeys.retired_secrets AS r
		LEFT JOIN falukeys.keys AS k ON k.id OPERATOR(pg_catalog.=) r.key_id
	WHERE falukeys.kind_of(r.secret) OPERATOR(pg_catalog.<>) COALESCE(k.kind, 'temporary')
		OR falukeys.mode_of(r.secret) OPERATOR(pg_catalog.<>) k.mode
		OR (r.valid_until OPERATOR(pg_catalog.>) (r.retired_at OPERATOR(pg_catalog.+) interval '720 hours')
			AND COALESCE(r.compromised_at OPERATOR(pg_catalog.>=) r.valid_until, true))

	-- Its seal has 104 bytes: a version, 1 for closed or 2 for spent, and the rest, zeros once it is spent.
	UNION ALL
	SELECT 'sealed_secret', s.key_id
	FROM falukeys.sealed_secrets AS s
		LEFT JOIN falukeys.keys AS k ON k.id OPERATOR(pg_catalog.=) s.key_id
		LEFT JOIN falukeys.retired_secrets AS r ON r.secret OPERATOR(falukeys.=) s.secret
	WHERE falukeys.kind_of(s.secret) OPERATOR(pg_catalog.<>) 'secret'
		OR NOT COALESCE(k.secret OPERATOR(falukeys.=) s.secret OR r.key_id OPERATOR(pg_catalog.=) k.id, false)
		OR pg_catalog.octet_length(s.first_saved_in) OPERATOR(pg_catalog.<>) 192
		OR CASE
			WHEN pg_catalog.octet_length(s.seal) OPERATOR(pg_catalog.<>) 104 THEN true
			WHEN pg_catalog.substr(s.seal, 1, 2) OPERATOR(pg_catalog.=) '\x0101'
				THEN s.revealed_at OPERATOR(pg_catalog.<>) 'infinity'
					OR s.revealed_by OPERATOR(pg_catalog.<>) ''
			ELSE s.seal OPERATOR(pg_catalog.<>) pg_catalog.decode(pg_catalog.rpad('0102', 208, '0'), 'hex')
				OR NOT pg_catalog.isfinite(s.revealed_at)
				OR falukeys.mode_of(s.secret) OPERATOR(pg_catalog.<>) 'live'
		END
	UNION ALL
	SELECT 'sealed_secret', k.id
	FROM falukeys.keys AS k
		JOIN told AS t ON t.key_id OPERATOR(pg_catalog.=) k.id
	WHERE t.began AND k.kind OPERATOR(pg_catalog.=) 'secret' AND NOT k.imported
		AND NOT EXISTS (SELECT FROM falukeys.sealed_secrets AS s WHERE s.secret OPERATOR(falukeys.=) k.secret)

	UNION ALL
	SELECT 'usage', u.key_id
	FROM falukeys.key_usage AS u
	WHERE u.uses OPERATOR(pg_catalog.<) 0 OR u.denials OPERATOR(pg_catalog.<) 0
		OR NOT EXISTS (SELECT FROM falukeys.keys AS k WHERE k.id OPERATOR(pg_catalog.=) u.key_id)

	UNION ALL
	SELECT 'recorded', k.id
	FROM falukeys.keys AS k
		LEFT JOIN told AS t ON t.key_id OPERATOR(pg_catalog.=) k.id
	WHERE NOT COALESCE(t.began, false)
		AND EXISTS (SELECT FROM falukeys.events AS e
			WHERE e.workspace_id OPERATOR(pg_catalog.=) k.workspace_id
				AND e.event OPERATOR(pg_catalog.=) 'workspace.created')
		AND NOT (k.imported AND EXISTS (SELECT FROM bulks AS b
			WHERE b.event OPERATOR(pg_catalog.=) 'key.imported'))
	UNION ALL
	SELECT 'recorded', t.key_id
	FROM told AS t
	WHERE NOT EXISTS (SELECT FROM falukeys.keys AS k WHERE k.id OPERATOR(pg_catalog.=) t.key_id)
		AND NOT EXISTS (SELECT FROM falukeys.retired_secrets AS r WHERE r.key_id OPERATOR(pg_catalog.=) t.key_id)

	-- A key may be registered as revoked or disabled.
	UNION ALL
	SELECT 'state', k.id
	FROM falukeys.keys AS k
		JOIN told AS t ON t.key_id OPERATOR(pg_catalog.=) k.id
	WHERE (t.revoked AND k.revoked_at IS NULL)
		OR (COALESCE(t.compromised, false) AND k.compromised_at IS NULL)
		OR (t.began AND NOT k.imported AND NOT t.revoked AND k.revoked_at IS NOT NULL)
		OR (t.began AND NOT k.imported AND NOT COALESCE(t.compromised, false) AND k.compromised_at IS NOT NULL)
		OR k.disabled OPERATOR(pg_catalog.<>)
			(COALESCE(t.disabled, t.enabled) OPERATOR(pg_catalog.>) COALESCE(t.enabled, 0))

	UNION ALL
	SELECT 'mode_settings', m.mode
	FROM pg_catalog.unnest('{live,test}'::text[]) AS m (mode)
	WHERE NOT EXISTS (SELECT FROM falukeys.mode_settings AS s WHERE s.mode::text OPERATOR(pg_catalog.=) m.mode);
COMMENT ON VIEW falukeys_internal.every_broken_invariant IS 'What broken_invariants shows; no one''s but its owner''s';
COMMENT ON COLUMN falukeys_internal.every_broken_invariant.invariant IS 'Which one, by the names in the reference of broken_invariants';
COMMENT ON COLUMN falukeys_internal.every_broken_invariant.id IS 'The key or the workspace for which it does not hold; a mode for mode_settings';

CREATE FUNCTION falukeys.broken_invariants(OUT invariant text, OUT id text) RETURNS SETOF record
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'invariants_broken';
COMMENT ON FUNCTION falukeys.broken_invariants() IS 'What does not hold between the rows of the tables, though the triggers see to it: no row where all is well. Reads every table once. Superusers, operators and managers';
