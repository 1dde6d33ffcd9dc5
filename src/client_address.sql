
-- The client's address, from what proxies say.

CREATE FUNCTION falukeys.client_address(header text, hops integer DEFAULT 1) RETURNS inet
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'client_address';
COMMENT ON FUNCTION falukeys.client_address(text, integer) IS 'The client in an X-Forwarded-For or Forwarded header, counted from the right by hops; NULL for what is no address. Never raises an error. Verifiers';
