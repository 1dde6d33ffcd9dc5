
-- What a key is restricted to.

CREATE TABLE falukeys.permissions (
	name text COLLATE "C" NOT NULL,
	description text,
	added_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT permissions_pkey PRIMARY KEY (name),
	CONSTRAINT permissions_name_check CHECK (name OPERATOR(pg_catalog.~) '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$')
);
COMMENT ON TABLE falukeys.permissions IS 'The catalog of what can be permitted';
COMMENT ON COLUMN falukeys.permissions.name IS 'Lower-case words joined by dots; messages covers messages.read';
COMMENT ON COLUMN falukeys.permissions.description IS 'For people';
COMMENT ON COLUMN falukeys.permissions.added_at IS 'Since when; given only by a restore, which is not recorded';

CREATE TABLE falukeys.key_permissions (
	key_id text COLLATE "C" NOT NULL,
	permission text COLLATE "C" NOT NULL,
	added_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT key_permissions_pkey PRIMARY KEY (key_id, permission),
	CONSTRAINT key_permissions_key_id_fkey FOREIGN KEY (key_id) REFERENCES falukeys.keys (id) ON DELETE CASCADE,
	CONSTRAINT key_permissions_permission_fkey FOREIGN KEY (permission) REFERENCES falukeys.permissions (name)
) USING heap;
CREATE INDEX key_permissions_by_permission ON falukeys.key_permissions (permission);
COMMENT ON TABLE falukeys.key_permissions IS 'The permissions that restricted keys have';
COMMENT ON COLUMN falukeys.key_permissions.key_id IS 'The key';
COMMENT ON COLUMN falukeys.key_permissions.permission IS 'A permission that it has, with all that it covers';
COMMENT ON COLUMN falukeys.key_permissions.added_at IS 'Since when; given only by a restore, which is not recorded';

CREATE TABLE falukeys.key_networks (
	key_id text COLLATE "C" NOT NULL,
	network cidr NOT NULL,
	added_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT key_networks_pkey PRIMARY KEY (key_id, network),
	CONSTRAINT key_networks_key_id_fkey FOREIGN KEY (key_id) REFERENCES falukeys.keys (id) ON DELETE CASCADE
) USING heap;
COMMENT ON TABLE falukeys.key_networks IS 'The networks from which restricted keys may be used';
COMMENT ON COLUMN falukeys.key_networks.key_id IS 'The key';
COMMENT ON COLUMN falukeys.key_networks.network IS 'A network that its client may be in';
COMMENT ON COLUMN falukeys.key_networks.added_at IS 'Since when; given only by a restore, which is not recorded';

CREATE FUNCTION falukeys.define_permission(name text, description text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'restrictions_define_permission';
COMMENT ON FUNCTION falukeys.define_permission(text, text) IS 'Puts a permission into the catalog, or updates its description; 22023 for a name that is not lower-case words joined by dots. Superusers and operators';

CREATE FUNCTION falukeys.restrict_key(key_id text, permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'restrictions_restrict_key';
COMMENT ON FUNCTION falukeys.restrict_key IS 'Replaces what a secret key is restricted to; NULL leaves as it is. 22023 with nothing to change, and for an empty array, an unknown permission or a public key. Developers of the workspace';

CREATE FUNCTION falukeys.clear_permissions(key_id text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'restrictions_clear_permissions';
COMMENT ON FUNCTION falukeys.clear_permissions(text) IS 'The key may do anything again that its kind may. Developers of the workspace';

CREATE FUNCTION falukeys.clear_networks(key_id text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'restrictions_clear_networks';
COMMENT ON FUNCTION falukeys.clear_networks(text) IS 'The key may be used from anywhere again. Developers of the workspace';
