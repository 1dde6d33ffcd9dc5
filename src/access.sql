
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
