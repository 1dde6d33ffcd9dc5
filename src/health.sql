
-- Whether all is well.

CREATE FUNCTION falukeys.health(invariants boolean DEFAULT true, OUT item text, OUT state text, OUT hint text) RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'health';
COMMENT ON FUNCTION falukeys.health(boolean) IS 'Whether all is well: a row an item, or several, with ok, off, warning or error, and what to do. Raises nothing for what is broken. false: without reading every table. Superusers and operators';
