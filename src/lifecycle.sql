
-- Keys that turned up where they should not be.

CREATE FUNCTION falukeys.report_compromised_key(key text, source text DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_report_compromised';
COMMENT ON FUNCTION falukeys.report_compromised_key(text, text) IS 'Cancels a secret that leaked, source says where it was seen; a secret key is reissued under the same id, its new secret sealed until the workspace reveals it; a retired secret, a temporary key or one that no longer verifies just ends. The key''s id, NULL for an unknown key. 22P02 for a malformed key, 22023 for a public one. Waits 2 seconds at most for a transaction of someone with fewer rights, and then ends it. Verifiers and operators';
