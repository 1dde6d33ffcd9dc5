
-- A request as PostgREST hands it over.

CREATE FUNCTION falukeys.authenticate_request() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'request_authenticate';
COMMENT ON FUNCTION falukeys.authenticate_request() IS 'For the db-pre-request of PostgREST: authenticates the key in request.headers (Authorization: Bearer or Basic, or X-API-Key), from the client that X-Forwarded-For names by falukeys.trusted_proxies; PT401 without a key, with two different ones or where it is not valid, PT403 where it does not allow this. Verifiers';
