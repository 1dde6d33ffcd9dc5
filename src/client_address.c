/*
 * client_address.c
 *		The client's address, from what proxies say of whom they were called by.
 *
 * Each proxy appends to the header, so what is on the left was sent by the client.
 * The header is read from the right, and what comes before the wanted element has
 * no influence, not even a quotation mark that a client left open.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "fmgr.h"

#include "client_address.h"
#include "compat.h"

/* Also with a zone and a port */
#define MAX_NODE_LENGTH		128

PG_FUNCTION_INFO_V1(client_address);

/* Part of a header */
typedef struct Span
{
	const char *start;
	const char *end;
} Span;

static bool
is_blank(char character)
{
	return character == ' ' || character == '\t';
}

static Span
trimmed(Span span)
{
	while (span.start < span.end && is_blank(*span.start))
		span.start++;
	while (span.start < span.end && is_blank(span.end[-1]))
		span.end--;
	return span;
}

/* Is it preceded by a backslash that is not itself preceded by one? */
static bool
is_escaped(Span header, const char *character)
{
	const char *before = character;

	while (before > header.start && before[-1] == '\\')
		before--;
	return (character - before) % 2 == 1;
}

/*
 * Takes the last element off the header.  Commas in quoted strings do not
 * separate elements.
 */
static Span
take_last(Span *header)
{
	Span		element = {header->end, header->end};
	bool		quoted = false;

	while (element.start > header->start)
	{
		const char *character = element.start - 1;

		if (*character == '"')
			quoted = !quoted || is_escaped(*header, character);
		else if (*character == ',' && !quoted)
		{
			header->end = character;
			return element;
		}
		element.start = character;
	}
	header->end = NULL;
	return element;
}

static bool
find_element(Span header, int hops, Span *element)
{
	for (int i = 0; i < hops; i++)
	{
		if (header.end == NULL)
			return false;
		*element = take_last(&header);
	}
	return hops > 0;
}

/* The end of a token, or of a quoted string with its quotes; NULL if that has none. */
static const char *
end_of_value(Span span)
{
	const char *end = span.start;

	if (end == span.end || *end != '"')
	{
		while (end < span.end && *end != ';' && *end != '"' && !is_blank(*end))
			end++;
		return end;
	}
	for (end++; end < span.end; end++)
	{
		if (*end == '"')
			return end + 1;
		if (*end == '\\')
			end++;
	}
	return NULL;
}

/* Takes one name=value, with its semicolon, off the element. */
static bool
take_pair(Span *element, Span *name, Span *value)
{
	*element = trimmed(*element);
	*name = *element;
	name->end = memchr(name->start, '=', element->end - element->start);
	if (name->end == NULL)
		return false;
	value->start = name->end + 1;
	value->end = end_of_value((Span) {value->start, element->end});
	if (value->end == NULL)
		return false;
	*element = trimmed((Span) {value->end, element->end});
	if (element->start == element->end)
		return true;
	return *element->start++ == ';';
}

/* The one value of "for" in an element of Forwarded */
static bool
find_for(Span element, Span *node)
{
	bool		found = false;
	Span		name;
	Span		value;

	while (trimmed(element).start < element.end)
	{
		if (!take_pair(&element, &name, &value))
			return false;
		if (name.end - name.start != 3 || pg_strncasecmp(name.start, "for", 3) != 0)
			continue;
		if (found)
			return false;
		*node = value;
		found = true;
	}
	return found;
}

/* The content of a quoted string, or a value as it is; false if it is too long */
static bool
unquote(Span value, char *node)
{
	int			length = 0;

	if (value.end - value.start >= 2 && *value.start == '"')
	{
		value.start++;
		value.end--;
	}
	for (const char *c = value.start; c < value.end; c++)
	{
		if (*c == '\\' && c + 1 < value.end)
			c++;
		if (*c == '\0' || length == MAX_NODE_LENGTH)
			return false;
		node[length++] = *c;
	}
	node[length] = '\0';
	return true;
}

/* A port, or a name that hides it */
static bool
is_port(const char *port)
{
	size_t		digits = strspn(port, "0123456789");

	if (port[0] == '_')
		return port[1] != '\0';
	return digits >= 1 && digits <= 5 && port[digits] == '\0';
}

/* Removes brackets and a port; false where they are malformed. */
static bool
cut_port(char **node)
{
	char	   *end;

	if ((*node)[0] == '[')
	{
		end = strchr(++*node, ']');
		if (end == NULL || strchr(*node, ':') == NULL || strchr(*node, ':') > end)
			return false;
		*end++ = '\0';
		return *end == '\0' || (*end == ':' && is_port(end + 1));
	}
	end = strchr(*node, ':');
	if (end == NULL || strchr(end + 1, ':') != NULL)
		return true;
	*end = '\0';
	return is_port(end + 1);
}

static inet *
make_inet(int family, int bits, const unsigned char *address)
{
	inet	   *value = palloc0(sizeof(inet));

	ip_family(value) = family;
	ip_bits(value) = bits;
	memcpy(ip_addr(value), address, bits / 8);
	SET_INET_VARSIZE(value);
	return value;
}

/* An address, perhaps with brackets and a port; NULL for anything else */
static inet *
parse_node(char *node)
{
	unsigned char address[16];
	char	   *zone;

	if (!cut_port(&node))
		return NULL;
	if (inet_pton(AF_INET, node, address) == 1)
		return make_inet(PGSQL_AF_INET, 32, address);
	zone = strchr(node, '%');
	if (zone != NULL)
	{
		if (zone[1] == '\0')
			return NULL;
		*zone = '\0';
	}
	if (inet_pton(AF_INET6, node, address) == 1)
		return make_inet(PGSQL_AF_INET6, 128, address);
	return NULL;
}

inet *
client_address_of(const char *header, size_t length, int hops)
{
	char		node[MAX_NODE_LENGTH + 1];
	Span		element;

	if (!find_element((Span) {header, header + length}, hops, &element))
		return NULL;
	element = trimmed(element);
	/* Elements of X-Forwarded-For have none. */
	if (memchr(element.start, '=', element.end - element.start) != NULL &&
		!find_for(element, &element))
		return NULL;
	return unquote(element, node) ? parse_node(node) : NULL;
}

Datum
client_address(PG_FUNCTION_ARGS)
{
	text	   *header = PG_GETARG_TEXT_PP(0);
	inet	   *address = client_address_of(VARDATA_ANY(header), VARSIZE_ANY_EXHDR(header),
											PG_GETARG_INT32(1));

	if (address == NULL)
		PG_RETURN_NULL();
	PG_RETURN_INET_P(address);
}
