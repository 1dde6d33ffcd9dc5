
-- Verification.

CREATE TYPE falukeys.verdict AS (
	valid boolean,
	code text,
	key_id text,
	workspace_id text,
	kind falukeys.key_kind,
	mode falukeys.key_mode,
	expires_at timestamptz,
	meta jsonb
);
COMMENT ON TYPE falukeys.verdict IS 'What verify_key answers: the code says why a key is not valid; ids, kind, mode, expiry and meta are set once the key is known';

CREATE FUNCTION falukeys.verify_key(key text, permission text DEFAULT NULL, client inet DEFAULT NULL,
	object_id text DEFAULT NULL, mode falukeys.key_mode DEFAULT NULL) RETURNS falukeys.verdict
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'verify_key';
COMMENT ON FUNCTION falukeys.verify_key IS 'Is this plaintext key valid now, for a permission, from a client address, on an object, in a mode? NULL: not asked. Never raises an error for its arguments. Verifiers';

CREATE FUNCTION falukeys.key_allows(key text, permission text, client inet) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'verify_key_allows';
COMMENT ON FUNCTION falukeys.key_allows(text, text, inet) IS 'The valid of verify_key for a permission and a client address. Verifiers';

CREATE FUNCTION falukeys.handle_allows(key falukeys.apikey, permission text, client inet) RETURNS boolean
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'verify_handle_allows';
COMMENT ON FUNCTION falukeys.handle_allows(falukeys.apikey, text, inet) IS 'As key_allows, of a stored handle, for deferred work: what the key may do, no proof that anyone holds it. Verifiers';
