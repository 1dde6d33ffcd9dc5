
-- Keys in other text: chat messages, logs, dumps.

CREATE FUNCTION falukeys.find_keys(source text)
	RETURNS TABLE (start integer, key falukeys.apikey, checksum_ok boolean, key_id text, state text)
	LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'find_keys';
COMMENT ON FUNCTION falukeys.find_keys(text) IS 'The keys in a text: where each starts, in characters, and for those who may verify whose it is and its state as in dashboard, or unknown or malformed. For everyone';
