
-- Publishing keys to other databases.

CREATE FUNCTION falukeys.publish_keys(name text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'publication_publish_keys';
COMMENT ON FUNCTION falukeys.publish_keys(text) IS 'Makes or completes a publication of what verification in other databases needs, never of sealed secrets. 42501 unless the caller may create one, and owns the tables. Superusers';
