
-- Who may do what.

-- What the views are made of.  Of their branches, the first is read only by who
-- sees every workspace, and is then as fast as the tables, and the second by who
-- would, but acts in one; the last one is a function in C, which reads nothing
-- but the rows that the caller may see.  So no condition, plan, estimate or count
-- can tell of others: see doc/design.md.  A view's functions are called with its
-- reader's privileges.
CREATE FUNCTION falukeys_internal.sees_every_workspace() RETURNS boolean
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_sees_every';
COMMENT ON FUNCTION falukeys_internal.sees_every_workspace() IS 'Is the caller a superuser, an operator or a manager, and falukeys.acting_in not set? Anyone';

CREATE FUNCTION falukeys_internal.acting_workspace() RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_acting_workspace';
COMMENT ON FUNCTION falukeys_internal.acting_workspace() IS 'What falukeys.acting_in is, for who would see every workspace without it; NULL for others. Anyone';

CREATE FUNCTION falukeys_internal.sees_a_workspace() RETURNS boolean
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'access_sees_a_workspace';
COMMENT ON FUNCTION falukeys_internal.sees_a_workspace() IS 'Does the caller see any workspace, as a member of whatever role or as one who sees all? Anyone';

CREATE FUNCTION falukeys_internal.sees_every_key_change() RETURNS boolean
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_sees_key_changes';
COMMENT ON FUNCTION falukeys_internal.sees_every_key_change() IS 'Is the caller a superuser, a verifier, an operator or a manager, and falukeys.acting_in not set? Anyone';
CREATE FUNCTION falukeys_internal.key_changes_workspace() RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_key_changes_workspace';
COMMENT ON FUNCTION falukeys_internal.key_changes_workspace() IS 'What falukeys.acting_in is, for who would see every key change without it. Anyone';

CREATE FUNCTION falukeys_internal.own_workspaces() RETURNS SETOF text
	LANGUAGE C STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'dashboard_own_workspaces';
COMMENT ON FUNCTION falukeys_internal.own_workspaces() IS 'The workspaces whose keys the caller may see as a member; none for who sees every workspace. Anyone';

CREATE VIEW falukeys_internal.visible_workspaces WITH (security_barrier) AS
	SELECT w.id
	FROM falukeys.workspaces AS w
	WHERE (SELECT falukeys_internal.sees_every_workspace())
	UNION ALL
	SELECT a.id
	FROM falukeys.workspaces AS a
	WHERE (SELECT falukeys_internal.acting_workspace()) IS NOT NULL
		AND a.id OPERATOR(pg_catalog.=) (SELECT falukeys_internal.acting_workspace())
	UNION ALL
	SELECT o.id COLLATE "C"
	FROM falukeys_internal.own_workspaces() AS o (id);
COMMENT ON VIEW falukeys_internal.visible_workspaces IS 'The workspaces whose keys the caller may see';
COMMENT ON COLUMN falukeys_internal.visible_workspaces.id IS 'The workspace';
