\echo Use "CREATE EXTENSION falukeys" to load this file. \quit

-- The schema's owner could drop or replace what is in it, so it must be ours.
CREATE FUNCTION falukeys.assert_schema_is_ours() RETURNS void
	LANGUAGE C AS 'MODULE_PATHNAME', 'catalog_assert_schema_is_ours';
SELECT falukeys.assert_schema_is_ours();
DROP FUNCTION falukeys.assert_schema_is_ours();

GRANT USAGE ON SCHEMA falukeys TO PUBLIC;
COMMENT ON SCHEMA falukeys IS 'API keys: workspaces, keys, verification';
