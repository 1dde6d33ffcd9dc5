-- The type apikey: a key that cannot be read back.

CREATE TYPE falukeys.key_kind AS ENUM ('public', 'secret', 'temporary');
COMMENT ON TYPE falukeys.key_kind IS 'What a key can do: public ones only identify a workspace, secret ones act for it, temporary ones act on named objects for a short time';

CREATE TYPE falukeys.key_mode AS ENUM ('test', 'live');
COMMENT ON TYPE falukeys.key_mode IS 'Whose objects a key can touch: those of test mode or those of live mode, never both';

CREATE TYPE falukeys.apikey;

CREATE FUNCTION falukeys_internal.apikey_in(cstring) RETURNS falukeys.apikey
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_in';
CREATE FUNCTION falukeys_internal.apikey_out(falukeys.apikey) RETURNS cstring
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_out';
CREATE FUNCTION falukeys_internal.apikey_recv(internal) RETURNS falukeys.apikey
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_recv';
CREATE FUNCTION falukeys_internal.apikey_send(falukeys.apikey) RETURNS bytea
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_send';

CREATE TYPE falukeys.apikey (
	INPUT = falukeys_internal.apikey_in,
	OUTPUT = falukeys_internal.apikey_out,
	RECEIVE = falukeys_internal.apikey_recv,
	SEND = falukeys_internal.apikey_send,
	INTERNALLENGTH = 40,
	ALIGNMENT = char,
	STORAGE = plain,
	CATEGORY = 'U'
);
COMMENT ON TYPE falukeys.apikey IS 'A key that cannot be read back: kind, mode, last four characters and SHA-256 digest of its text';
COMMENT ON FUNCTION falukeys_internal.apikey_in(cstring) IS 'Input of apikey: a plaintext key, hashed at once, or the stored form; 22P02 otherwise';
COMMENT ON FUNCTION falukeys_internal.apikey_out(falukeys.apikey) IS 'Output of apikey: the redacted key, a colon, and the SHA-256 digest in lower-case hexadecimal';
COMMENT ON FUNCTION falukeys_internal.apikey_recv(internal) IS 'Binary input of apikey: its 40 bytes; 22P02 where they are not an apikey';
COMMENT ON FUNCTION falukeys_internal.apikey_send(falukeys.apikey) IS 'Binary output of apikey: its 40 bytes';

CREATE FUNCTION falukeys_internal.apikey_eq(falukeys.apikey, falukeys.apikey) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_eq';
COMMENT ON FUNCTION falukeys_internal.apikey_eq(falukeys.apikey, falukeys.apikey) IS 'Implementation of the = operator of apikey';
CREATE FUNCTION falukeys_internal.apikey_ne(falukeys.apikey, falukeys.apikey) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ne';
COMMENT ON FUNCTION falukeys_internal.apikey_ne(falukeys.apikey, falukeys.apikey) IS 'Implementation of the <> operator of apikey';
CREATE FUNCTION falukeys_internal.apikey_lt(falukeys.apikey, falukeys.apikey) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_lt';
COMMENT ON FUNCTION falukeys_internal.apikey_lt(falukeys.apikey, falukeys.apikey) IS 'Implementation of the < operator of apikey';
CREATE FUNCTION falukeys_internal.apikey_le(falukeys.apikey, falukeys.apikey) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_le';
COMMENT ON FUNCTION falukeys_internal.apikey_le(falukeys.apikey, falukeys.apikey) IS 'Implementation of the <= operator of apikey';
CREATE FUNCTION falukeys_internal.apikey_gt(falukeys.apikey, falukeys.apikey) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_gt';
COMMENT ON FUNCTION falukeys_internal.apikey_gt(falukeys.apikey, falukeys.apikey) IS 'Implementation of the > operator of apikey';
CREATE FUNCTION falukeys_internal.apikey_ge(falukeys.apikey, falukeys.apikey) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ge';
COMMENT ON FUNCTION falukeys_internal.apikey_ge(falukeys.apikey, falukeys.apikey) IS 'Implementation of the >= operator of apikey';
CREATE OPERATOR falukeys.= (
	FUNCTION = falukeys_internal.apikey_eq,
	LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey,
	COMMUTATOR = OPERATOR(falukeys.=), NEGATOR = OPERATOR(falukeys.<>),
	RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel,
	HASHES, MERGES
);
COMMENT ON OPERATOR falukeys.= (falukeys.apikey, falukeys.apikey) IS 'are equal: all 40 bytes, digest first';
CREATE OPERATOR falukeys.<> (
	FUNCTION = falukeys_internal.apikey_ne,
	LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey,
	COMMUTATOR = OPERATOR(falukeys.<>), NEGATOR = OPERATOR(falukeys.=),
	RESTRICT = pg_catalog.neqsel, JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR falukeys.<> (falukeys.apikey, falukeys.apikey) IS 'differ: all 40 bytes, digest first';
CREATE OPERATOR falukeys.< (
	FUNCTION = falukeys_internal.apikey_lt,
	LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey,
	COMMUTATOR = OPERATOR(falukeys.>), NEGATOR = OPERATOR(falukeys.>=),
	RESTRICT = pg_catalog.scalarltsel, JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR falukeys.< (falukeys.apikey, falukeys.apikey) IS 'sorts before: all 40 bytes, digest first';
CREATE OPERATOR falukeys.<= (
	FUNCTION = falukeys_internal.apikey_le,
	LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey,
	COMMUTATOR = OPERATOR(falukeys.>=), NEGATOR = OPERATOR(falukeys.>),
	RESTRICT = pg_catalog.scalarlesel, JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR falukeys.<= (falukeys.apikey, falukeys.apikey) IS 'sorts before or equals: all 40 bytes, digest first';
CREATE OPERATOR falukeys.> (
	FUNCTION = falukeys_internal.apikey_gt,
	LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey,
	COMMUTATOR = OPERATOR(falukeys.<), NEGATOR = OPERATOR(falukeys.<=),
	RESTRICT = pg_catalog.scalargtsel, JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR falukeys.> (falukeys.apikey, falukeys.apikey) IS 'sorts after: all 40 bytes, digest first';
CREATE OPERATOR falukeys.>= (
	FUNCTION = falukeys_internal.apikey_ge,
	LEFTARG = falukeys.apikey, RIGHTARG = falukeys.apikey,
	COMMUTATOR = OPERATOR(falukeys.<=), NEGATOR = OPERATOR(falukeys.<),
	RESTRICT = pg_catalog.scalargesel, JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR falukeys.>= (falukeys.apikey, falukeys.apikey) IS 'sorts after or equals: all 40 bytes, digest first';
CREATE FUNCTION falukeys_internal.apikey_cmp(falukeys.apikey, falukeys.apikey) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_cmp';
COMMENT ON FUNCTION falukeys_internal.apikey_cmp(falukeys.apikey, falukeys.apikey) IS 'Order of two apikeys for btree: -1, 0 or 1';
CREATE FUNCTION falukeys_internal.apikey_hash(falukeys.apikey) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_hash';
COMMENT ON FUNCTION falukeys_internal.apikey_hash(falukeys.apikey) IS 'Hash of an apikey, from its digest';
CREATE FUNCTION falukeys_internal.apikey_hash_extended(falukeys.apikey, bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_hash_extended';
COMMENT ON FUNCTION falukeys_internal.apikey_hash_extended(falukeys.apikey, bigint) IS 'Hash of an apikey with a seed, for partitioning';

CREATE OPERATOR CLASS falukeys.apikey_ops DEFAULT FOR TYPE falukeys.apikey USING btree AS
	OPERATOR 1 falukeys.<,
	OPERATOR 2 falukeys.<=,
	OPERATOR 3 falukeys.=,
	OPERATOR 4 falukeys.>=,
	OPERATOR 5 falukeys.>,
	FUNCTION 1 falukeys_internal.apikey_cmp(falukeys.apikey, falukeys.apikey),
	FUNCTION 4 pg_catalog.btequalimage(oid);
COMMENT ON OPERATOR CLASS falukeys.apikey_ops USING btree IS 'Default btree operator class of apikey';
COMMENT ON OPERATOR FAMILY falukeys.apikey_ops USING btree IS 'Btree operator family of apikey';
CREATE OPERATOR CLASS falukeys.apikey_hash_ops DEFAULT FOR TYPE falukeys.apikey USING hash AS
	OPERATOR 1 falukeys.=,
	FUNCTION 1 falukeys_internal.apikey_hash(falukeys.apikey),
	FUNCTION 2 falukeys_internal.apikey_hash_extended(falukeys.apikey, bigint);
COMMENT ON OPERATOR CLASS falukeys.apikey_hash_ops USING hash IS 'Default hash operator class of apikey';
COMMENT ON OPERATOR FAMILY falukeys.apikey_hash_ops USING hash IS 'Hash operator family of apikey';

CREATE FUNCTION falukeys.kind_of(apikey falukeys.apikey) RETURNS falukeys.key_kind
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_kind_of';
COMMENT ON FUNCTION falukeys.kind_of(falukeys.apikey) IS 'The kind of a key: public, secret or temporary. For everyone';
CREATE FUNCTION falukeys.mode_of(apikey falukeys.apikey) RETURNS falukeys.key_mode
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_mode_of';
COMMENT ON FUNCTION falukeys.mode_of(falukeys.apikey) IS 'The mode of a key: test or live. For everyone';
CREATE FUNCTION falukeys.redacted(apikey falukeys.apikey) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_redacted';
COMMENT ON FUNCTION falukeys.redacted(falukeys.apikey) IS 'A key as it may be shown: its prefix, four stars, its last four characters. For everyone';
CREATE FUNCTION falukeys.apikey_of(key text) RETURNS falukeys.apikey
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_of_text';
COMMENT ON FUNCTION falukeys.apikey_of(text) IS 'The handle of a plaintext key; 22P02 for anything else, the stored form too. For everyone';
CREATE FUNCTION falukeys.is_well_formed(key text) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_is_well_formed';
COMMENT ON FUNCTION falukeys.is_well_formed(text) IS 'Is this a plaintext key with, where it must have one, a right checksum? Says nothing of whether it is registered. For everyone';
CREATE FUNCTION falukeys.redact(source text) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_redact';
COMMENT ON FUNCTION falukeys.redact(text) IS 'A text with every key in it masked as redacted() does. For everyone';
