
-- What is dumped, and what PUBLIC may do.

SELECT pg_catalog.pg_extension_config_dump('falukeys.workspaces', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.members', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) member)');
-- What is as installed is there already where it is restored.
SELECT pg_catalog.pg_extension_config_dump('falukeys.mode_settings', 'WHERE ROW(mode, process_payments, deliver_messages, verify_identities, webhook_max_attempts, webhook_retry_window) IS DISTINCT FROM ROW(''live''::falukeys.key_mode, true, true, true, NULL::integer, ''72 hours''::interval) AND ROW(mode, process_payments, deliver_messages, verify_identities, webhook_max_attempts, webhook_retry_window) IS DISTINCT FROM ROW(''test''::falukeys.key_mode, false, false, false, 3, ''3 hours''::interval)');
SELECT pg_catalog.pg_extension_config_dump('falukeys.permissions', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.keys', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.retired_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.sealed_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_permissions', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_networks', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_objects', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_usage', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.events', '');
-- Not of tables that are gone, nor of temporary ones, which are not dumped
SELECT pg_catalog.pg_extension_config_dump('falukeys.isolated_tables', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid OPERATOR(pg_catalog.=) target AND c.relpersistence OPERATOR(pg_catalog.<>) ''t'')');

-- Default privileges and a schema that was there before open nothing.
CREATE FUNCTION falukeys.take_privileges() RETURNS void
	LANGUAGE C AS 'MODULE_PATHNAME', 'install_take_privileges';
SELECT falukeys.take_privileges();
DROP FUNCTION falukeys.take_privileges();

GRANT USAGE ON SCHEMA falukeys TO PUBLIC;
-- Policies of isolated tables name what is in it, also where their owner restores them.
GRANT USAGE ON SCHEMA falukeys_internal TO PUBLIC;

-- The type and its functions are everyone's.
GRANT EXECUTE ON FUNCTION
	falukeys_internal.apikey_in(cstring), falukeys_internal.apikey_out(falukeys.apikey),
	falukeys_internal.apikey_recv(internal), falukeys_internal.apikey_send(falukeys.apikey),
	falukeys_internal.apikey_eq(falukeys.apikey, falukeys.apikey), falukeys_internal.apikey_ne(falukeys.apikey, falukeys.apikey),
	falukeys_internal.apikey_lt(falukeys.apikey, falukeys.apikey), falukeys_internal.apikey_le(falukeys.apikey, falukeys.apikey),
	falukeys_internal.apikey_gt(falukeys.apikey, falukeys.apikey), falukeys_internal.apikey_ge(falukeys.apikey, falukeys.apikey),
	falukeys_internal.apikey_cmp(falukeys.apikey, falukeys.apikey), falukeys_internal.apikey_hash(falukeys.apikey),
	falukeys_internal.apikey_hash_extended(falukeys.apikey, bigint),
	falukeys.kind_of(falukeys.apikey), falukeys.mode_of(falukeys.apikey), falukeys.redacted(falukeys.apikey),
	falukeys.apikey_of(text), falukeys.is_well_formed(text), falukeys.redact(text), falukeys.find_keys(text)
TO PUBLIC;

-- These look for themselves who calls them.
GRANT EXECUTE ON FUNCTION
	falukeys.describe_workspace(text, text, jsonb),
	falukeys.add_member(text, regrole, falukeys.workspace_role), falukeys.remove_member(text, regrole),
	falukeys.create_key(text, falukeys.key_kind, falukeys.key_mode, text, text[], cidr[], timestamptz, timestamptz, jsonb, boolean),
	falukeys.create_temporary_key(text, falukeys.key_mode, text[], text[], cidr[], interval),
	falukeys.import_key(text, text, text, text[], cidr[], timestamptz, jsonb),
	falukeys.import_key_digest(text, falukeys.apikey, text, text[], cidr[], timestamptz, jsonb),
	falukeys.reveal_key(text, text), falukeys.annotate_key(text, text, text, jsonb),
	falukeys.roll_key(text, interval, boolean), falukeys.end_grace(text),
	falukeys.disable_key(text), falukeys.enable_key(text), falukeys.revoke_key(text, text),
	falukeys.wait_for_key(text),
	falukeys.restrict_key(text, text[], cidr[]), falukeys.clear_permissions(text), falukeys.clear_networks(text),
	falukeys.set_key_validity(text, timestamptz, timestamptz),
	falukeys.report_compromised_key(text, text), falukeys.purge_keys(interval),
	falukeys.broken_invariants(),
	falukeys.isolate_table(regclass, name, name, text, text, name), falukeys.release_table(regclass)
TO PUBLIC;

-- These tell the transaction's own identity.  isolated_workspace and isolated_mode are everyone's already.
GRANT EXECUTE ON FUNCTION
	falukeys.deauthenticate(),
	falukeys.current_key_id(), falukeys.current_workspace_id(), falukeys.current_key_kind(),
	falukeys.current_key_mode(), falukeys.current_key_objects(), falukeys.current_key_allows(text),
	falukeys.require_permission(text), falukeys_internal.isolated_object(text, text, text),
	falukeys.current_mode_settings()
TO PUBLIC;

-- These show what the caller may see.
GRANT EXECUTE ON FUNCTION
	falukeys_internal.unflushed_usage(text), falukeys_internal.sees_every_workspace(),
	falukeys_internal.acting_workspace(), falukeys_internal.sees_a_workspace(), falukeys_internal.own_workspace_list(), falukeys_internal.own_members(), falukeys_internal.own_workspaces(),
	falukeys_internal.own_usage(), falukeys_internal.own_keys(), falukeys_internal.own_events(), falukeys_internal.own_attention(),
	falukeys_internal.sees_every_key_change(), falukeys_internal.key_changes_workspace(), falukeys_internal.own_key_changes()
TO PUBLIC;
GRANT SELECT ON falukeys_internal.visible_workspaces, falukeys.usage, falukeys.dashboard, falukeys.attention, falukeys.event_log, falukeys.key_changes,
	falukeys.workspace_list, falukeys.member_list, falukeys.permission_list TO PUBLIC;
