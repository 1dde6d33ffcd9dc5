
-- A request as PostgREST hands it over.

CREATE FUNCTION falukeys.authenticate_request() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'request_authenticate';
COMMENT ON FUNCTION falukeys.authenticate_request() IS 'For the db-pre-request of PostgREST: authenticates by the headers of the request. PT401 without a valid key, PT403 where it does not allow this. Verifiers';
