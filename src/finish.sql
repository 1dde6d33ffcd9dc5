
-- What is dumped, and what PUBLIC may do.

SELECT pg_catalog.pg_extension_config_dump('falukeys.workspaces', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.members', 'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.oid OPERATOR(pg_catalog.=) member)');
SELECT pg_catalog.pg_extension_config_dump('falukeys.mode_settings', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.permissions', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.keys', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.retired_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.sealed_secrets', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_permissions', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_networks', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_objects', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.key_usage', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.events', '');
SELECT pg_catalog.pg_extension_config_dump('falukeys.events_id_seq', '');

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA falukeys FROM PUBLIC;

-- The type and its functions are everyone's.
GRANT EXECUTE ON FUNCTION
	falukeys.apikey_in(cstring), falukeys.apikey_out(falukeys.apikey),
	falukeys.apikey_recv(internal), falukeys.apikey_send(falukeys.apikey),
	falukeys.apikey_eq(falukeys.apikey, falukeys.apikey), falukeys.apikey_ne(falukeys.apikey, falukeys.apikey),
	falukeys.apikey_lt(falukeys.apikey, falukeys.apikey), falukeys.apikey_le(falukeys.apikey, falukeys.apikey),
	falukeys.apikey_gt(falukeys.apikey, falukeys.apikey), falukeys.apikey_ge(falukeys.apikey, falukeys.apikey),
	falukeys.apikey_cmp(falukeys.apikey, falukeys.apikey), falukeys.apikey_hash(falukeys.apikey),
	falukeys.apikey_hash_extended(falukeys.apikey, bigint),
	falukeys.kind_of(falukeys.apikey), falukeys.mode_of(falukeys.apikey), falukeys.redacted(falukeys.apikey),
	falukeys.apikey_of(text), falukeys.is_well_formed(text), falukeys.redact(text)
TO PUBLIC;
