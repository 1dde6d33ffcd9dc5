/*
 * request.c
 *		A request as PostgREST hands it over: the key and the client in its headers.
 *
 * Headers hold the key, so no error of this room, nor of what parses them,
 * shows any of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/base64.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "client_address.h"
#include "compat.h"
#include "identity.h"
#include "request.h"

#define ERRCODE_UNAUTHORIZED	MAKE_SQLSTATE('P', 'T', '4', '0', '1')
#define ERRCODE_FORBIDDEN		MAKE_SQLSTATE('P', 'T', '4', '0', '3')

int			request_trusted_proxies = 0;

PG_FUNCTION_INFO_V1(request_authenticate);

/*
 * PostgREST answers with the status in the SQLSTATE, and adds WWW-Authenticate
 * to a 401.  Setting response.headers here would be rolled back with the
 * error.
 */
static void
refuse_without_key(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNAUTHORIZED),
			 errmsg("the request has no key"),
			 errhint("Send it in a header, as \"Authorization: Bearer KEY\" or as \"X-API-Key: KEY\".")));
}

static void
refuse_two_keys(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNAUTHORIZED),
			 errmsg("the request has two different keys"),
			 errhint("Send one of them.")));
}

/* The headers, or NULL where they are missing or no JSON object */
static Jsonb *
read_headers(void)
{
	const char *setting = GetConfigOption("request.headers", true, false);
	Datum		headers;

	/* The parser's error would show the input, which may be a key. */
	if (setting == NULL || setting[0] == '\0' ||
		!compat_input(jsonb_in, unconstify(char *, setting), &headers))
		return NULL;
	return JB_ROOT_IS_OBJECT(DatumGetJsonbP(headers)) ? DatumGetJsonbP(headers) : NULL;
}

/* A header by its lower-case name, without the spaces around it; NULL if there is none. */
static char *
header(Jsonb *headers, const char *name)
{
	JsonbValue	found;
	char	   *value;
	int			length;

	if (getKeyJsonValueFromContainer(&headers->root, name, strlen(name), &found) == NULL ||
		found.type != jbvString)
		return NULL;
	value = pnstrdup(found.val.string.val, found.val.string.len);
	value += strspn(value, " \t");
	length = strlen(value);
	while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
		value[--length] = '\0';
	return value[0] == '\0' ? NULL : value;
}

/* The credentials behind a scheme, or NULL where the value has another scheme */
static char *
credentials(char *value, const char *scheme)
{
	size_t		length = strlen(scheme);

	if (pg_strncasecmp(value, scheme, length) != 0 || value[length] != ' ')
		return NULL;
	value += length;
	return value + strspn(value, " ");
}

/* The key, as it is or as base64 of a user's name with an empty password */
static char *
basic_key(char *value)
{
	int			length = strlen(value);
	int			capacity = pg_b64_dec_len(length);
	char	   *decoded;

	if (strchr(value, '_') != NULL)
		return value;			/* base64 has no '_', and every key has one */
	decoded = palloc0(capacity + 1);
	length = compat_b64_decode(value, length, decoded, capacity);
	if (length <= 0 || memchr(decoded, '\0', length) != NULL || decoded[length - 1] != ':')
		return value;
	decoded[length - 1] = '\0';
	return decoded;
}

static char *
authorization_key(Jsonb *headers)
{
	char	   *value = header(headers, "authorization");
	char	   *key;

	if (value == NULL)
		return NULL;
	key = credentials(value, "Bearer");
	if (key != NULL)
		return key;
	key = credentials(value, "Basic");
	return key != NULL ? basic_key(key) : NULL;
}

static bool
is_key(const char *text)
{
	KeyParts	parts;

	return key_format_parse(text, strlen(text), &parts) == KEY_FORMAT_OK;
}

/* The one key of the request; beside X-API-Key, Authorization may hold something else. */
static char *
request_key(Jsonb *headers)
{
	char	   *authorized = authorization_key(headers);
	char	   *named = header(headers, "x-api-key");

	if (authorized == NULL && named == NULL)
		refuse_without_key();
	if (named == NULL)
		return authorized;
	if (authorized != NULL && is_key(authorized) && strcmp(authorized, named) != 0)
		refuse_two_keys();
	return named;
}

/* Forwarded is not read: with two headers, a client could choose one of them. */
static inet *
request_client(Jsonb *headers)
{
	char	   *forwarded = header(headers, "x-forwarded-for");

	return forwarded == NULL ? NULL :
		client_address_of(forwarded, strlen(forwarded), request_trusted_proxies);
}

Datum
request_authenticate(PG_FUNCTION_ARGS)
{
	Jsonb	   *headers = read_headers();
	VerdictRequest request = {0};
	Verdict		verdict;
	text	   *key;

	if (headers == NULL)
		refuse_without_key();
	key = cstring_to_text(request_key(headers));
	request.client = request_client(headers);
	identity_take(PointerGetDatum(key), false, &request, &verdict);
	crypto_cleanse(VARDATA(key), VARSIZE_ANY_EXHDR(key));

	if (verdict_is_denial(verdict.code))
		ereport(ERROR,
				(errcode(ERRCODE_FORBIDDEN),
				 errmsg("the key does not allow this"),
				 errdetail_internal("%s", verdict_code_name(verdict.code))));
	if (verdict.code != VERDICT_VALID)
		ereport(ERROR,
				(errcode(ERRCODE_UNAUTHORIZED),
				 errmsg("the key is not valid"),
				 errdetail_internal("%s", verdict_code_name(verdict.code))));
	PG_RETURN_VOID();
}
