
-- Application tables whose rows only their own workspace and mode touch.

CREATE FUNCTION falukeys_internal.isolated_workspace(permission text, by_object boolean) RETURNS text
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'isolation_isolated_workspace';
COMMENT ON FUNCTION falukeys_internal.isolated_workspace(text, boolean) IS 'For policies of isolate_table: the workspace whose rows the identity may touch, NULL for none; by_object tells whether there is a column of objects. For everyone';

CREATE FUNCTION falukeys_internal.isolated_mode(permission text, by_object boolean) RETURNS falukeys.key_mode
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'isolation_isolated_mode';
COMMENT ON FUNCTION falukeys_internal.isolated_mode(text, boolean) IS 'For policies of isolate_table: the mode whose rows the identity may touch, NULL for none, as isolated_workspace. For everyone';

CREATE FUNCTION falukeys_internal.isolated_object(workspace text, mode text, object text) RETURNS boolean
	LANGUAGE C STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'isolation_isolated_object';
COMMENT ON FUNCTION falukeys_internal.isolated_object(text, text, text) IS 'For policies of isolate_table with an object_column: is a row of this workspace and mode the identity''s, and, for a temporary key, its object one of its own? For everyone';

CREATE FUNCTION falukeys.isolate_table(target regclass, workspace_column name DEFAULT 'workspace_id',
	mode_column name DEFAULT 'mode', read_permission text DEFAULT NULL, write_permission text DEFAULT NULL,
	object_column name DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'isolation_isolate_table';
COMMENT ON FUNCTION falukeys.isolate_table IS 'Forces row security on a table: only rows of the identity''s workspace and mode are seen or touched. 22023 for a wrong column or permission, 55000 where it is isolated already. The table''s owner';

CREATE FUNCTION falukeys.release_table(target regclass) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'isolation_release_table';
COMMENT ON FUNCTION falukeys.release_table(regclass) IS 'Takes isolate_table back: defaults, policies and flags are as before; 55000 where the table is not isolated, or what was before is not known. The owner of the table';

-- What an owner could write must not become a statement of who releases the table, so it is not kept with it.
CREATE TABLE falukeys.isolated_tables (
	target regclass NOT NULL,
	row_security boolean NOT NULL,
	forced boolean NOT NULL,
	permitted boolean NOT NULL,
	workspace_default text,
	mode_default text,
	CONSTRAINT isolated_tables_pkey PRIMARY KEY (target)
);
COMMENT ON TABLE falukeys.isolated_tables IS 'How tables were before isolate_table, for release_table';
COMMENT ON COLUMN falukeys.isolated_tables.target IS 'The table';
COMMENT ON COLUMN falukeys.isolated_tables.row_security IS 'Was row security enabled?';
COMMENT ON COLUMN falukeys.isolated_tables.forced IS 'Was it forced?';
COMMENT ON COLUMN falukeys.isolated_tables.permitted IS 'Did it get the policy falukeys_isolation, for want of permissive ones?';
COMMENT ON COLUMN falukeys.isolated_tables.workspace_default IS 'The default of the workspace column; NULL for none';
COMMENT ON COLUMN falukeys.isolated_tables.mode_default IS 'The default of the mode column; NULL for none';

CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.isolated_tables
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.isolated_tables
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.isolated_tables ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.isolated_tables
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();
