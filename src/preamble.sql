\echo Use "CREATE EXTENSION falukeys" to load this file. \quit

-- The schema's owner could drop or replace what is in it, so it must be ours,
-- and what is in it already could be taken for ours.
CREATE FUNCTION falukeys.assert_schema_is_ours() RETURNS void
	LANGUAGE C AS 'MODULE_PATHNAME', 'install_assert_schema_is_ours';
SELECT falukeys.assert_schema_is_ours();
DROP FUNCTION falukeys.assert_schema_is_ours();

COMMENT ON SCHEMA falukeys IS 'API keys: workspaces, keys, verification';

-- What nobody is meant to call, so that \df falukeys.* lists only what is.
CREATE SCHEMA falukeys_internal;
COMMENT ON SCHEMA falukeys_internal IS 'What falukeys needs for itself: nothing in it is to be called';
