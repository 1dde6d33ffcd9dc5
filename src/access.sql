
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
