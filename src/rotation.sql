-- Sealing anew

CREATE FUNCTION falukeys.rotate_master_key() RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rotation_rotate_master_key';
COMMENT ON FUNCTION falukeys.rotate_master_key() IS 'Seals every sealed secret anew, under a new master key or the one of a rotation elsewhere; how many. Not undone by ROLLBACK. 55000 without the master key. Superusers';

CREATE FUNCTION falukeys.adopt_sealed_secrets() RETURNS bigint
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'rotation_adopt_sealed_secrets';
COMMENT ON FUNCTION falukeys.adopt_sealed_secrets() IS 'Lets live secrets that were sealed before a restore or a copy open here; how many. Only where the other copy is gone. 55000 without the master key. Superusers';
