
-- Keys that turned up where they should not be.

CREATE FUNCTION falukeys.report_compromised_key(key text, source text DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_report_compromised';
COMMENT ON FUNCTION falukeys.report_compromised_key(text, text) IS 'Cancels a secret that leaked, and reissues its key, sealed until it is revealed; the key''s id, or NULL. 22P02 for a malformed key, 22023 for a public one. Verifiers and operators';
