
-- The request's identity, for application tables.

CREATE FUNCTION falukeys.authenticate(key text, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL, mode falukeys.key_mode DEFAULT NULL) RETURNS falukeys.verdict
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'identity_authenticate';
COMMENT ON FUNCTION falukeys.authenticate IS 'Verifies as verify_key does, and makes the key the transaction''s identity. Not valid: 42501 or 28000, with the code in DETAIL. Verifiers';

CREATE FUNCTION falukeys.try_authenticate(key text, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL, mode falukeys.key_mode DEFAULT NULL) RETURNS falukeys.verdict
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'identity_try_authenticate';
COMMENT ON FUNCTION falukeys.try_authenticate IS 'As authenticate, but answers instead of raising: where the code is not valid, the transaction has no identity. Never raises an error for its arguments. Verifiers';

CREATE FUNCTION falukeys.assume_key(key falukeys.apikey, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL, mode falukeys.key_mode DEFAULT NULL) RETURNS falukeys.verdict
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'identity_assume_key';
COMMENT ON FUNCTION falukeys.assume_key IS 'As authenticate, by the stored handle instead of the key, for work that goes on after the request: verifies, and raises 42501 or 28000, as that does. Delegates';

CREATE FUNCTION falukeys.deauthenticate() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'identity_deauthenticate';
COMMENT ON FUNCTION falukeys.deauthenticate() IS 'The transaction has no identity from here on. For everyone';

CREATE FUNCTION falukeys.current_key_id() RETURNS text
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_key_id';
COMMENT ON FUNCTION falukeys.current_key_id() IS 'The key that is the transaction''s identity; NULL without one. For everyone';
CREATE FUNCTION falukeys.current_workspace_id() RETURNS text
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_workspace_id';
COMMENT ON FUNCTION falukeys.current_workspace_id() IS 'The workspace of the transaction''s identity; NULL without one. For everyone';
CREATE FUNCTION falukeys.current_key_kind() RETURNS falukeys.key_kind
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_key_kind';
COMMENT ON FUNCTION falukeys.current_key_kind() IS 'The kind of the transaction''s identity; NULL without one. For everyone';
CREATE FUNCTION falukeys.current_key_mode() RETURNS falukeys.key_mode
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_key_mode';
COMMENT ON FUNCTION falukeys.current_key_mode() IS 'The mode of the transaction''s identity; NULL without one. For everyone';
CREATE FUNCTION falukeys.current_key_objects() RETURNS text[]
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_key_objects';
COMMENT ON FUNCTION falukeys.current_key_objects() IS 'The objects that a temporary key, being the transaction''s identity, is for; NULL for others. For everyone';

CREATE FUNCTION falukeys.current_key_allows(permission text) RETURNS boolean
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_key_allows';
COMMENT ON FUNCTION falukeys.current_key_allows(text) IS 'Has the transaction''s identity this permission, as it was authenticated? False without one and for public keys. For everyone';
-- VOLATILE, so that no plan leaves it out.
CREATE FUNCTION falukeys.require_permission(permission text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'identity_require_permission';
COMMENT ON FUNCTION falukeys.require_permission(text) IS 'Raises 42501 unless current_key_allows. For everyone';

CREATE FUNCTION falukeys.wait_for_key(key_id text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'identity_wait_for_key';
COMMENT ON FUNCTION falukeys.wait_for_key(text) IS 'After the commit of a revocation: returns when no other transaction that took the key as its identity before is running. Developers of the workspace, and operators';

CREATE FUNCTION falukeys.current_mode_settings() RETURNS falukeys.mode_settings
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'identity_mode_settings';
COMMENT ON FUNCTION falukeys.current_mode_settings() IS 'In what the mode of the transaction''s identity differs from the other one; NULL without an identity. For everyone';
