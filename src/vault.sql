
-- What was sealed here before, and is restored, is not bound to here.
CREATE FUNCTION falukeys.renew_binding() RETURNS void
	LANGUAGE C AS 'MODULE_PATHNAME', 'binding_renew';
SELECT falukeys.renew_binding();
DROP FUNCTION falukeys.renew_binding();

-- Sealed secrets. A row is never updated: a reveal changes it in place.

CREATE TABLE falukeys.sealed_secrets (
	secret falukeys.apikey NOT NULL,
	key_id text COLLATE "C" NOT NULL,
	seal bytea NOT NULL,
	revealed_at timestamptz NOT NULL DEFAULT 'infinity',
	revealed_by name NOT NULL DEFAULT '',
	first_saved_in text NOT NULL DEFAULT pg_catalog.repeat(' ', 192),
	CONSTRAINT sealed_secrets_pkey PRIMARY KEY (secret),
	CONSTRAINT sealed_secrets_key_id_fkey FOREIGN KEY (key_id) REFERENCES falukeys.keys (id)
) USING heap;
-- Changed in place, so never compressed, shortened or moved away.
ALTER TABLE falukeys.sealed_secrets
	ALTER COLUMN seal SET STORAGE PLAIN,
	ALTER COLUMN first_saved_in SET STORAGE PLAIN;
CREATE INDEX sealed_secrets_by_key ON falukeys.sealed_secrets (key_id);
COMMENT ON TABLE falukeys.sealed_secrets IS 'Secrets made here, encrypted until they are revealed; a reveal of a live one erases it in place and cannot be rolled back';
COMMENT ON COLUMN falukeys.sealed_secrets.secret IS 'The handle of the secret';
COMMENT ON COLUMN falukeys.sealed_secrets.key_id IS 'The key that it belongs or belonged to';
COMMENT ON COLUMN falukeys.sealed_secrets.seal IS 'The secret under AES-256-GCM, or zeros once a live one is revealed';
COMMENT ON COLUMN falukeys.sealed_secrets.revealed_at IS 'When a live secret was first seen in plaintext; infinity before';
COMMENT ON COLUMN falukeys.sealed_secrets.revealed_by IS 'The role that saw it';
COMMENT ON COLUMN falukeys.sealed_secrets.first_saved_in IS 'Where that one said it keeps it, filled up with spaces';
