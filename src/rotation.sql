-- Sealing anew

CREATE FUNCTION falukeys.rotate_master_key() RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rotation_rotate_master_key';
COMMENT ON FUNCTION falukeys.rotate_master_key() IS 'Seals every sealed secret anew and answers how many: under a new master key, under that of a rotation in another database that this one follows, or under the first that the command prints; drops the old ones where no database of the server may need them; not undone by ROLLBACK. 55000 where the master key is missing, the file is full, or the transaction made or rewrote the table. Superusers';

CREATE FUNCTION falukeys.adopt_sealed_secrets() RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rotation_adopt_sealed_secrets';
COMMENT ON FUNCTION falukeys.adopt_sealed_secrets() IS 'Binds live secrets that were sealed in another database, or in this one before a restore, to this one, and answers how many; only for who is sure that the other copy is gone; not undone by ROLLBACK. 55000 where the master key is missing. Superusers';
