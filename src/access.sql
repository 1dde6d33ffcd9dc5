
-- Who may do what.

CREATE TYPE falukeys.access_level AS ENUM ('verifier', 'operator', 'manager');
COMMENT ON TYPE falukeys.access_level IS 'What grant_access gives: verifying keys, running the platform, or acting as administrator of every workspace';

CREATE FUNCTION falukeys.verifier_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys.verifier_access() IS 'Does nothing: who may call it is a verifier';
CREATE FUNCTION falukeys.operator_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys.operator_access() IS 'Does nothing: who may call it is an operator';
CREATE FUNCTION falukeys.manager_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys.manager_access() IS 'Does nothing: who may call it is a manager';

CREATE FUNCTION falukeys.grant_access(role regrole, access falukeys.access_level) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'access_grant';
COMMENT ON FUNCTION falukeys.grant_access(regrole, falukeys.access_level) IS 'Lets a role verify keys, run the platform, or be administrator of every workspace; 22023 for an unknown role. Superusers';
CREATE FUNCTION falukeys.revoke_access(role regrole, access falukeys.access_level) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'access_revoke';
COMMENT ON FUNCTION falukeys.revoke_access(regrole, falukeys.access_level) IS 'Takes back what grant_access gave. Superusers';

-- Workspaces whose keys the caller may see: its own, or, for who runs the
-- platform, all. Only functions of pg_catalog: a view's functions are called
-- with its reader's privileges.
CREATE VIEW falukeys.visible_workspaces WITH (security_barrier) AS
	SELECT w.id
	FROM falukeys.workspaces AS w
	WHERE (SELECT pg_catalog.has_function_privilege('falukeys.operator_access()', 'EXECUTE')
			OR pg_catalog.has_function_privilege('falukeys.manager_access()', 'EXECUTE'))
		OR EXISTS (
			SELECT FROM falukeys.members AS m
			WHERE m.workspace_id OPERATOR(pg_catalog.=) w.id
				AND m.role OPERATOR(pg_catalog.<>) 'member'
				AND pg_catalog.pg_has_role(m.member, 'USAGE'));
COMMENT ON VIEW falukeys.visible_workspaces IS 'The workspaces whose keys the caller may see';
COMMENT ON COLUMN falukeys.visible_workspaces.id IS 'The workspace';
