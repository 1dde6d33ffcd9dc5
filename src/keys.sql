
-- Keys, their secrets, and what brings them into being.

-- Verification reads the pages of a heap by itself.
CREATE TABLE falukeys.keys (
	id text COLLATE "C" NOT NULL,
	workspace_id text COLLATE "C" NOT NULL,
	secret falukeys.apikey NOT NULL,
	kind falukeys.key_kind NOT NULL,
	mode falukeys.key_mode NOT NULL,
	disabled boolean NOT NULL DEFAULT false,
	permissions_restricted boolean NOT NULL DEFAULT false,
	networks_restricted boolean NOT NULL DEFAULT false,
	not_before timestamptz,
	expires_at timestamptz,
	revoked_at timestamptz,
	compromised_at timestamptz,
	parent_secret falukeys.apikey,
	meta jsonb,
	created_at timestamptz NOT NULL,
	created_by name NOT NULL,
	imported boolean NOT NULL DEFAULT true,
	public_key text,
	description text,
	saved_in text,
	revoke_reason text,
	parent_key_id text COLLATE "C",
	CONSTRAINT keys_pkey PRIMARY KEY (id),
	CONSTRAINT keys_secret_key UNIQUE (secret),
	CONSTRAINT keys_workspace_id_fkey FOREIGN KEY (workspace_id) REFERENCES falukeys.workspaces (id),
	CONSTRAINT keys_validity_check CHECK (not_before OPERATOR(pg_catalog.<) expires_at)
) USING heap;
-- The unique index guards; this one is what verification probes, in half the time.
CREATE INDEX keys_by_secret ON falukeys.keys USING hash (secret falukeys.apikey_hash_ops);
-- By the workspace and then the id: for its members, an id is looked for only in theirs.
CREATE UNIQUE INDEX keys_by_workspace ON falukeys.keys (workspace_id, id);
-- No foreign key: to create a temporary key must not lock its parent.
CREATE INDEX keys_by_parent ON falukeys.keys (parent_key_id) WHERE parent_key_id IS NOT NULL;
COMMENT ON TABLE falukeys.keys IS 'The keys. Their secrets are here as digests only';
COMMENT ON COLUMN falukeys.keys.id IS 'key_ and a KSUID; stays when the key is rolled';
COMMENT ON COLUMN falukeys.keys.workspace_id IS 'The workspace that the key belongs to';
COMMENT ON COLUMN falukeys.keys.secret IS 'The handle of the key''s text as of now; changed by a roll only';
COMMENT ON COLUMN falukeys.keys.kind IS 'public, secret or temporary';
COMMENT ON COLUMN falukeys.keys.mode IS 'test or live';
COMMENT ON COLUMN falukeys.keys.disabled IS 'Refused for now';
COMMENT ON COLUMN falukeys.keys.permissions_restricted IS 'Are only the permissions in key_permissions allowed? True with no rows there permits nothing';
COMMENT ON COLUMN falukeys.keys.networks_restricted IS 'Are only the networks in key_networks allowed? True with no rows there permits nothing';
COMMENT ON COLUMN falukeys.keys.not_before IS 'Refused before this time; NULL: no bound';
COMMENT ON COLUMN falukeys.keys.expires_at IS 'Refused from this time on; NULL: no bound';
COMMENT ON COLUMN falukeys.keys.revoked_at IS 'When the key ended for good';
COMMENT ON COLUMN falukeys.keys.compromised_at IS 'When the key ended for good because it had leaked';
COMMENT ON COLUMN falukeys.keys.parent_secret IS 'The secret whose holder created this temporary key, which is valid only while that one is; NULL where a member did';
COMMENT ON COLUMN falukeys.keys.meta IS 'The application''s own, handed out by verify_key';
COMMENT ON COLUMN falukeys.keys.created_at IS 'When the key was created or registered';
COMMENT ON COLUMN falukeys.keys.created_by IS 'The role that did it';
COMMENT ON COLUMN falukeys.keys.imported IS 'Was it made elsewhere?';
COMMENT ON COLUMN falukeys.keys.public_key IS 'The full text of a public key, NULL for others';
COMMENT ON COLUMN falukeys.keys.description IS 'For people';
COMMENT ON COLUMN falukeys.keys.saved_in IS 'Where the owner keeps the secret';
COMMENT ON COLUMN falukeys.keys.revoke_reason IS 'Why the key ended, as revoke_key or report_compromised_key was told';
COMMENT ON COLUMN falukeys.keys.parent_key_id IS 'The key that parent_secret is or was of';

CREATE TABLE falukeys.retired_secrets (
	secret falukeys.apikey NOT NULL,
	key_id text COLLATE "C" NOT NULL,
	retired_at timestamptz NOT NULL,
	valid_until timestamptz NOT NULL,
	compromised_at timestamptz,
	CONSTRAINT retired_secrets_pkey PRIMARY KEY (secret)
);
CREATE INDEX retired_secrets_by_secret ON falukeys.retired_secrets USING hash (secret falukeys.apikey_hash_ops);
CREATE INDEX retired_secrets_by_key ON falukeys.retired_secrets (key_id);
COMMENT ON TABLE falukeys.retired_secrets IS 'Secrets that their keys had before: no digest is ever used twice';
COMMENT ON COLUMN falukeys.retired_secrets.secret IS 'The handle';
COMMENT ON COLUMN falukeys.retired_secrets.key_id IS 'The key that it belonged to, which for a temporary key may be purged';
COMMENT ON COLUMN falukeys.retired_secrets.retired_at IS 'When it was replaced';
COMMENT ON COLUMN falukeys.retired_secrets.valid_until IS 'The end of its grace, at most 30 days after it was replaced';
COMMENT ON COLUMN falukeys.retired_secrets.compromised_at IS 'When it was reported as leaked';

CREATE TABLE falukeys.key_objects (
	key_id text COLLATE "C" NOT NULL,
	object_id text COLLATE "C" NOT NULL,
	added_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT key_objects_pkey PRIMARY KEY (key_id, object_id),
	CONSTRAINT key_objects_key_id_fkey FOREIGN KEY (key_id) REFERENCES falukeys.keys (id) ON DELETE CASCADE
) USING heap;
COMMENT ON TABLE falukeys.key_objects IS 'The objects that a temporary key is for';
COMMENT ON COLUMN falukeys.key_objects.key_id IS 'The temporary key';
COMMENT ON COLUMN falukeys.key_objects.object_id IS 'An object, as the application names it';
COMMENT ON COLUMN falukeys.key_objects.added_at IS 'Since when; given only by a restore, which is not recorded';

-- No foreign key: to write what was counted must not lock keys.
CREATE TABLE falukeys.key_usage (
	key_id text COLLATE "C" NOT NULL,
	uses bigint NOT NULL DEFAULT 0,
	denials bigint NOT NULL DEFAULT 0,
	last_used_at timestamptz,
	last_client inet,
	last_retired_at timestamptz,
	last_retired_client inet,
	CONSTRAINT key_usage_pkey PRIMARY KEY (key_id)
) WITH (fillfactor = 70);
COMMENT ON TABLE falukeys.key_usage IS 'How often each key was used, as of the last flush';
COMMENT ON COLUMN falukeys.key_usage.key_id IS 'The key';
COMMENT ON COLUMN falukeys.key_usage.uses IS 'Verifications that ended in valid';
COMMENT ON COLUMN falukeys.key_usage.denials IS 'Verifications that ended in anything else';
COMMENT ON COLUMN falukeys.key_usage.last_used_at IS 'The last valid verification';
COMMENT ON COLUMN falukeys.key_usage.last_client IS 'The client of the last valid verification that named one';
COMMENT ON COLUMN falukeys.key_usage.last_retired_at IS 'The last time that a secret was presented which the key had before, valid or not';
COMMENT ON COLUMN falukeys.key_usage.last_retired_client IS 'The client of the last such verification that named one';

CREATE FUNCTION falukeys.create_key(workspace text, kind falukeys.key_kind, mode falukeys.key_mode,
	description text DEFAULT NULL, permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL, not_before timestamptz DEFAULT NULL,
	meta jsonb DEFAULT NULL, reveal boolean DEFAULT true, OUT id text, OUT key text)
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keys_create';
COMMENT ON FUNCTION falukeys.create_key IS 'Creates a public or secret key and shows it, a live secret this once; without reveal it waits for reveal_key. Say SELECT * FROM. 55000 for live keys without approval. Developers of the workspace';

CREATE FUNCTION falukeys.create_temporary_key(workspace text, mode falukeys.key_mode, objects text[],
	permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL, ttl interval DEFAULT '1 hour',
	OUT id text, OUT key text)
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keys_create_temporary';
COMMENT ON FUNCTION falukeys.create_temporary_key IS 'Creates a key for the objects named and at most 24 hours, shown this once. Say SELECT * FROM. Developers of the workspace, and a secret key''s identity within its limits, 42501 beyond';

CREATE FUNCTION falukeys.import_key(workspace text, key text, description text DEFAULT NULL,
	permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
	meta jsonb DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keys_import';
COMMENT ON FUNCTION falukeys.import_key IS 'Registers a public or secret key made elsewhere, kind and mode by its prefix; its id. 22P02 for a malformed key, 23505 where it is or was registered. Developers of the workspace';

CREATE FUNCTION falukeys.import_key_digest(workspace text, key falukeys.apikey, description text DEFAULT NULL,
	permissions text[] DEFAULT NULL, networks cidr[] DEFAULT NULL, expires_at timestamptz DEFAULT NULL,
	meta jsonb DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keys_import_digest';
COMMENT ON FUNCTION falukeys.import_key_digest IS 'Registers a key of which only the SHA-256 digest is known; as import_key. Of a public key the text stays unknown then. Developers of the workspace';

CREATE FUNCTION falukeys.reveal_key(key_id text, saved_in text DEFAULT NULL) RETURNS text
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keys_reveal';
COMMENT ON FUNCTION falukeys.reveal_key(text, text) IS 'The text of a key: of a live secret once ever, even if the transaction rolls back. 55000 for a second reveal and for imported and temporary keys. Developers of the workspace';

CREATE FUNCTION falukeys.annotate_key(key_id text, description text DEFAULT NULL, saved_in text DEFAULT NULL,
	meta jsonb DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keys_annotate';
COMMENT ON FUNCTION falukeys.annotate_key IS 'Changes what a key is described by; NULL leaves as it is. 22023 with nothing to change, or beyond a limit. Developers of the workspace';

CREATE FUNCTION falukeys.roll_key(key_id text, grace interval DEFAULT '0', reveal boolean DEFAULT true,
	OUT id text, OUT key text)
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_roll';
COMMENT ON FUNCTION falukeys.roll_key IS 'A new secret for the same key; the old one ends at once, or after a grace of at most 30 days. Say SELECT * FROM. 55000 where the key has ended or is temporary. Developers of the workspace';

CREATE FUNCTION falukeys.end_grace(key_id text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_end_grace';
COMMENT ON FUNCTION falukeys.end_grace(text) IS 'Ends the grace of the secrets that the key had before. Developers of the workspace';

CREATE FUNCTION falukeys.disable_key(key_id text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_disable';
COMMENT ON FUNCTION falukeys.disable_key(text) IS 'The key is refused until enable_key. Waits 2 seconds at most for a transaction of someone with fewer rights, and then ends it. Developers of the workspace, and operators';

CREATE FUNCTION falukeys.enable_key(key_id text) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_enable';
COMMENT ON FUNCTION falukeys.enable_key(text) IS 'Takes disable_key back. 55000 where the key has ended. Developers of the workspace';

CREATE FUNCTION falukeys.revoke_key(key_id text, reason text DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_revoke';
COMMENT ON FUNCTION falukeys.revoke_key(text, text) IS 'Ends a key for good, with every secret that it had. 22023 for a reason beyond its limit. Developers of the workspace, and operators';

CREATE FUNCTION falukeys.set_key_validity(key_id text, not_before timestamptz DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL) RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_set_validity';
COMMENT ON FUNCTION falukeys.set_key_validity IS 'From when and until when a key is valid. NULL leaves as it is, -infinity and infinity are no bound. 22023 where nothing is between, 55000 once expired. Developers of the workspace';

CREATE FUNCTION falukeys.purge_keys(older_than interval) RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'lifecycle_purge';
COMMENT ON FUNCTION falukeys.purge_keys(interval) IS 'Drops the temporary keys that ended longer ago; how many. Their digests stay taken. 22023 for a negative interval. Superusers and operators';
