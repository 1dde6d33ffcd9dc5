
-- Triggers that hold the rules of the tables against any DML.

CREATE FUNCTION falukeys_internal.refuse_statement() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_refuse_statement';
COMMENT ON FUNCTION falukeys_internal.refuse_statement() IS 'Trigger: refuses TRUNCATE';
CREATE FUNCTION falukeys_internal.owner_only() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_owner_only';
COMMENT ON FUNCTION falukeys_internal.owner_only() IS 'Trigger: refuses changes by anyone but the owner of the table, and by him too where its rows arrive by a subscription';
CREATE FUNCTION falukeys_internal.owner_only_row() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_owner_only_row';
COMMENT ON FUNCTION falukeys_internal.owner_only_row() IS 'Trigger: refuses rows that anyone but the owner of the table has arrive by a subscription';
CREATE FUNCTION falukeys_internal.refuse_change() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_refuse_change';
COMMENT ON FUNCTION falukeys_internal.refuse_change() IS 'Trigger: refuses UPDATE or DELETE of rows that stay as they are';
CREATE FUNCTION falukeys_internal.invalidate() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_invalidate';
COMMENT ON FUNCTION falukeys_internal.invalidate() IS 'Trigger: tells sessions that remember states of workspaces that one has changed';
CREATE FUNCTION falukeys_internal.guard_workspaces() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_workspaces_before';
COMMENT ON FUNCTION falukeys_internal.guard_workspaces() IS 'Trigger: rules of workspaces';
CREATE FUNCTION falukeys_internal.complete_workspaces() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_workspaces_after';
COMMENT ON FUNCTION falukeys_internal.complete_workspaces() IS 'Trigger: makes the pairs of keys that workspaces get, and records what was done to them';
CREATE FUNCTION falukeys_internal.guard_members() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_members_before';
COMMENT ON FUNCTION falukeys_internal.guard_members() IS 'Trigger: rules of members';
CREATE FUNCTION falukeys_internal.record_members() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'recording_members';
COMMENT ON FUNCTION falukeys_internal.record_members() IS 'Trigger: records changes of members';
CREATE FUNCTION falukeys_internal.record_permissions() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'recording_permissions';
COMMENT ON FUNCTION falukeys_internal.record_permissions() IS 'Trigger: records changes of the catalog of permissions';
CREATE FUNCTION falukeys_internal.record_restrictions() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'recording_restrictions';
COMMENT ON FUNCTION falukeys_internal.record_restrictions() IS 'Trigger: records changes by hand of what keys are restricted to, an event a key';
CREATE FUNCTION falukeys_internal.guard_keys() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_keys_before';
COMMENT ON FUNCTION falukeys_internal.guard_keys() IS 'Trigger: rules of keys';
CREATE FUNCTION falukeys_internal.record_keys() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_keys_after';
COMMENT ON FUNCTION falukeys_internal.record_keys() IS 'Trigger: records changes of keys, and looks that no digest is used twice';
CREATE FUNCTION falukeys_internal.begin_insert_of_keys() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_keys_inserting';
COMMENT ON FUNCTION falukeys_internal.begin_insert_of_keys() IS 'Trigger: begins to count the keys that an INSERT registers';
CREATE FUNCTION falukeys_internal.end_insert_of_keys() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_keys_inserted';
COMMENT ON FUNCTION falukeys_internal.end_insert_of_keys() IS 'Trigger: records how many keys an INSERT registered, beyond those recorded one by one';
CREATE FUNCTION falukeys_internal.guard_retired_secrets() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_retired_before';
COMMENT ON FUNCTION falukeys_internal.guard_retired_secrets() IS 'Trigger: rules of retired secrets';
CREATE FUNCTION falukeys_internal.check_retired_secrets() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_retired_after';
COMMENT ON FUNCTION falukeys_internal.check_retired_secrets() IS 'Trigger: looks that no digest is used twice, and records changes by hand';
CREATE FUNCTION falukeys_internal.guard_sealed_secrets() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_sealed_before';
COMMENT ON FUNCTION falukeys_internal.guard_sealed_secrets() IS 'Trigger: rules of sealed secrets';
CREATE FUNCTION falukeys_internal.guard_restrictions() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_restrictions_before';
COMMENT ON FUNCTION falukeys_internal.guard_restrictions() IS 'Trigger: rules of what keys are restricted to';
CREATE FUNCTION falukeys_internal.guard_permissions() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_permissions';
COMMENT ON FUNCTION falukeys_internal.guard_permissions() IS 'Trigger: rules of the catalog of permissions';
CREATE FUNCTION falukeys_internal.guard_events() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_events_before';
COMMENT ON FUNCTION falukeys_internal.guard_events() IS 'Trigger: numbers events that are inserted by hand';
CREATE FUNCTION falukeys_internal.end_insert_of_events() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_events_inserted';
COMMENT ON FUNCTION falukeys_internal.end_insert_of_events() IS 'Trigger: lets others number events again';
CREATE FUNCTION falukeys_internal.guard_mode_settings() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_mode_settings';
COMMENT ON FUNCTION falukeys_internal.guard_mode_settings() IS 'Trigger: rules of mode settings; a restored row replaces the one that is there';
CREATE FUNCTION falukeys_internal.merge_mode_settings() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'guards_merge_mode_settings';
COMMENT ON FUNCTION falukeys_internal.merge_mode_settings() IS 'Trigger: leaves one row a mode in mode_settings, the one that was written last';

CREATE FUNCTION falukeys_internal.guard_heartbeat() RETURNS trigger
	LANGUAGE C AS 'MODULE_PATHNAME', 'subscription_heartbeat_arrives';
COMMENT ON FUNCTION falukeys_internal.guard_heartbeat() IS 'Trigger: marks a heartbeat that arrives by a subscription, and takes its time away while not all tables do';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON falukeys.workspaces
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_workspaces();
CREATE TRIGGER complete AFTER INSERT OR UPDATE ON falukeys.workspaces
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.complete_workspaces();
CREATE TRIGGER invalidate AFTER UPDATE OR DELETE ON falukeys.workspaces
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.invalidate();
-- Remembered states must go even where other triggers are switched off.
ALTER TABLE falukeys.workspaces ENABLE ALWAYS TRIGGER invalidate;
CREATE TRIGGER keep BEFORE DELETE ON falukeys.workspaces
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.workspaces
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.workspaces
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.workspaces ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.workspaces
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON falukeys.members
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_members();
CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON falukeys.members
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.record_members();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.members
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.members
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.members ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.members
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON falukeys.permissions
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_permissions();
CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON falukeys.permissions
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.record_permissions();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.permissions
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.permissions
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.permissions ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.permissions
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON falukeys.keys
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_keys();
CREATE TRIGGER begin_insert BEFORE INSERT ON falukeys.keys
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.begin_insert_of_keys();
CREATE TRIGGER end_insert AFTER INSERT ON falukeys.keys
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.end_insert_of_keys();
CREATE TRIGGER record AFTER INSERT OR UPDATE ON falukeys.keys
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.record_keys();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.keys
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.keys
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.keys ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.keys
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON falukeys.retired_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_retired_secrets();
CREATE TRIGGER check_digest AFTER INSERT OR UPDATE ON falukeys.retired_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.check_retired_secrets();
CREATE TRIGGER keep BEFORE DELETE ON falukeys.retired_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.retired_secrets
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.retired_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.retired_secrets ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.retired_secrets
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT ON falukeys.sealed_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_sealed_secrets();
-- Rotations rely on being told of whatever arrives.
ALTER TABLE falukeys.sealed_secrets ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON falukeys.sealed_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.sealed_secrets
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.sealed_secrets
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.sealed_secrets ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.sealed_secrets
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR DELETE ON falukeys.key_permissions
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_restrictions('secret');
CREATE TRIGGER keep BEFORE UPDATE ON falukeys.key_permissions
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER record_insert AFTER INSERT ON falukeys.key_permissions REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.record_restrictions('permissions', 'permission');
CREATE TRIGGER record_delete AFTER DELETE ON falukeys.key_permissions REFERENCING OLD TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.record_restrictions('permissions', 'permission');
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_permissions
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_permissions
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.key_permissions ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.key_permissions
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR DELETE ON falukeys.key_networks
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_restrictions('secret');
CREATE TRIGGER keep BEFORE UPDATE ON falukeys.key_networks
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER record_insert AFTER INSERT ON falukeys.key_networks REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.record_restrictions('networks', 'network');
CREATE TRIGGER record_delete AFTER DELETE ON falukeys.key_networks REFERENCING OLD TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.record_restrictions('networks', 'network');
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_networks
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_networks
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.key_networks ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.key_networks
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR DELETE ON falukeys.key_objects
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_restrictions('temporary');
CREATE TRIGGER keep BEFORE UPDATE ON falukeys.key_objects
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER record_insert AFTER INSERT ON falukeys.key_objects REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.record_restrictions('objects', 'object_id');
CREATE TRIGGER record_delete AFTER DELETE ON falukeys.key_objects REFERENCING OLD TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.record_restrictions('objects', 'object_id');
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_objects
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_objects
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.key_objects ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.key_objects
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT ON falukeys.events
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_events();
CREATE TRIGGER end_insert AFTER INSERT ON falukeys.events
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.end_insert_of_events();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON falukeys.events
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.events
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.events
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.events ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.events
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_usage
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.key_usage
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.key_usage ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.key_usage
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON falukeys.mode_settings
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_mode_settings();
-- Rows that are restored or replicated replace those that are there.
ALTER TABLE falukeys.mode_settings ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER merge AFTER INSERT OR UPDATE ON falukeys.mode_settings
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.merge_mode_settings();
CREATE TRIGGER keep BEFORE DELETE ON falukeys.mode_settings
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.refuse_change();
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.mode_settings
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.mode_settings
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.mode_settings ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.mode_settings
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON falukeys.heartbeat
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.guard_heartbeat();
-- Where it arrives, only such triggers fire.
ALTER TABLE falukeys.heartbeat ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER authorize BEFORE INSERT OR UPDATE OR DELETE ON falukeys.heartbeat
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.owner_only();
CREATE TRIGGER authorize_row BEFORE INSERT OR UPDATE OR DELETE ON falukeys.heartbeat
	FOR EACH ROW EXECUTE FUNCTION falukeys_internal.owner_only_row();
ALTER TABLE falukeys.heartbeat ENABLE ALWAYS TRIGGER authorize_row;
CREATE TRIGGER keep_all BEFORE TRUNCATE ON falukeys.heartbeat
	FOR EACH STATEMENT EXECUTE FUNCTION falukeys_internal.refuse_statement();
