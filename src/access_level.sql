
-- What grant_access gives.

CREATE TYPE falukeys.access_level AS ENUM ('verifier', 'operator', 'manager', 'delegate');
COMMENT ON TYPE falukeys.access_level IS 'What grant_access gives: verifying keys, running the platform, acting as administrator of every workspace, or going on with the work of a key by its handle';

CREATE FUNCTION falukeys_internal.verifier_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys_internal.verifier_access() IS 'Does nothing: who may call it is a verifier';
CREATE FUNCTION falukeys_internal.operator_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys_internal.operator_access() IS 'Does nothing: who may call it is an operator';
CREATE FUNCTION falukeys_internal.manager_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys_internal.manager_access() IS 'Does nothing: who may call it is a manager';
CREATE FUNCTION falukeys_internal.delegate_access() RETURNS void
	LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'access_level_marker';
COMMENT ON FUNCTION falukeys_internal.delegate_access() IS 'Does nothing: who may call it is a delegate';

CREATE FUNCTION falukeys.grant_access(role regrole, access falukeys.access_level) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'access_level_grant';
COMMENT ON FUNCTION falukeys.grant_access(regrole, falukeys.access_level) IS 'Lets a role verify keys, run the platform, be administrator of every workspace, or go on with a key''s work by its handle; 22023 for an unknown role. Superusers';
CREATE FUNCTION falukeys.revoke_access(role regrole, access falukeys.access_level) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'access_level_revoke';
COMMENT ON FUNCTION falukeys.revoke_access(regrole, falukeys.access_level) IS 'Takes back what grant_access gave. Superusers';
