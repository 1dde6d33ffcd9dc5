/*
 * server.c
 *		As much of a server as src/apikey.c needs, see server.h.
 *
 * Memory is malloc's, each piece by itself, so that the address sanitizer sees
 * what is read or written outside it.
 */
#include "server.h"

#include <setjmp.h>
#include <stdlib.h>

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog.h"
#include "compat.h"

/* Those of the server must not be called here. */
#undef snprintf
#undef vsnprintf
#undef fprintf

typedef struct Piece
{
	struct Piece *next;
	int64		memory[];
} Piece;

static Piece *pieces = NULL;
static MemoryContextCallback *callbacks = NULL;
static sigjmp_buf *caller = NULL;

MemoryContext CurrentMemoryContext = NULL;
volatile sig_atomic_t InterruptPending = false;
ServerError server_error;

/* Where the server has assertions, so have its headers. */
void
ExceptionalCondition(COMPAT_ASSERTION_PARAMETERS)
{
	fprintf(stderr, "failed assertion: %s\n", condition);
	abort();
}

/* Memory */

void *
palloc(Size size)
{
	Piece	   *piece = malloc(sizeof(Piece) + size);

	if (piece == NULL)
		abort();
	piece->next = pieces;
	pieces = piece;
	return piece->memory;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *callback)
{
	callback->next = callbacks;
	callbacks = callback;
}

void
server_forget(void)
{
	for (; callbacks != NULL; callbacks = callbacks->next)
		callbacks->func(callbacks->arg);
	while (pieces != NULL)
	{
		Piece	   *piece = pieces;

		pieces = piece->next;
		free(piece);
	}
}

/* Errors */

#define SAYS(name) \
	int \
	name(const char *format, ...) \
	{ \
		size_t		said = strlen(server_error.text); \
		va_list		arguments; \
		\
		va_start(arguments, format); \
		vsnprintf(server_error.text + said, sizeof(server_error.text) - said, format, arguments); \
		va_end(arguments); \
		return 0; \
	}

SAYS(errmsg)
SAYS(errmsg_internal)
SAYS(errdetail)
SAYS(errhint)

bool
errstart(int level, const char *domain)
{
	/* No room that is called here has anything else to say. */
	if (level != ERROR)
		abort();
	memset(&server_error, 0, sizeof(server_error));
	return true;
}

bool
errstart_cold(int level, const char *domain)
{
	return errstart(level, domain);
}

int
errcode(int sqlstate)
{
	server_error.sqlstate = sqlstate;
	return 0;
}

void
errfinish(const char *file, int line, const char *function)
{
	siglongjmp(*caller, 1);
}

#if PG_VERSION_NUM >= 160000
bool
errsave_start(struct Node *context, const char *domain)
{
	return errstart(ERROR, domain);
}

void
errsave_finish(struct Node *context, const char *file, int line, const char *function)
{
	errfinish(file, line, function);
}
#endif

bool
server_call(PGFunction function, int count, const Datum *arguments, Datum *result)
{
	LOCAL_FCINFO(fcinfo, 2);
	sigjmp_buf	here;
	bool		done = false;

	InitFunctionCallInfoData(*fcinfo, NULL, count, InvalidOid, NULL, NULL);
	for (int i = 0; i < count; i++)
		fcinfo->args[i] = (NullableDatum) {arguments[i], false};
	caller = &here;
	if (sigsetjmp(here, 0) == 0)
	{
		*result = function(fcinfo);
		done = true;
	}
	caller = NULL;
	return done;
}

/* What else src/apikey.c calls, in its simplest form */

int
pg_snprintf(char *out, size_t size, const char *format, ...)
{
	va_list		arguments;
	int			length;

	va_start(arguments, format);
	length = vsnprintf(out, size, format, arguments);
	va_end(arguments);
	return length;
}

void
ProcessInterrupts(void)
{
	abort();
}

struct varlena *
pg_detoast_datum_packed(struct varlena *value)
{
	return value;
}

text *
cstring_to_text_with_len(const char *string, int length)
{
	text	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), string, length);
	return result;
}

static int
hex_value(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Only of lower-case digits, which the caller has made sure of */
uint64
hex_decode(const char *source, size_t length, char *out)
{
	for (size_t i = 0; i < length / 2; i++)
		out[i] = (char) (hex_value(source[2 * i]) * 16 + hex_value(source[2 * i + 1]));
	return length / 2;
}

uint64
hex_encode(const char *source, size_t length, char *out)
{
	for (size_t i = 0; i < 2 * length; i++)
		out[i] = "0123456789abcdef"[(unsigned char) source[i / 2] >> (i % 2 ? 0 : 4) & 15];
	return 2 * length;
}

/* Any function of the bytes and the seed will do. */
uint64
hash_bytes_extended(const unsigned char *bytes, int length, uint64 seed)
{
	for (int i = 0; i < length; i++)
		seed = (seed ^ bytes[i]) * UINT64CONST(1099511628211);
	return seed;
}

#if PG_VERSION_NUM < 180000
void
pq_copymsgbytes(StringInfo message, char *out, int length)
#else
void
pq_copymsgbytes(StringInfo message, void *out, int length)
#endif
{
	if (length < 0 || length > message->len - message->cursor)
		abort();
	memcpy(out, message->data + message->cursor, length);
	message->cursor += length;
}

void
pq_begintypsend(StringInfo buffer)
{
	buffer->maxlen = 1024;
	buffer->data = palloc(buffer->maxlen);
	buffer->len = VARHDRSZ;
	buffer->cursor = 0;
}

#if PG_VERSION_NUM < 160000
void
pq_sendbytes(StringInfo buffer, const char *data, int length)
#else
void
pq_sendbytes(StringInfo buffer, const void *data, int length)
#endif
{
	if (length > buffer->maxlen - buffer->len)
		abort();
	memcpy(buffer->data + buffer->len, data, length);
	buffer->len += length;
}

bytea *
pq_endtypsend(StringInfo buffer)
{
	SET_VARSIZE(buffer->data, buffer->len);
	return (bytea *) buffer->data;
}

/* Labels are rows of the catalog: here each is its own letter. */

Oid
catalog_kind_oid(char kind)
{
	return (Oid) kind;
}

Oid
catalog_mode_oid(char mode)
{
	return (Oid) mode;
}
