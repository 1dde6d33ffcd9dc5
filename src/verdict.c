/*
 * verdict.c
 *		What a key may do, now.
 *
 * The one path of every verification.  It opens no SPI and writes nothing.  Its
 * only locks are shared ones on tables in which a row is not where it was last
 * time, and that of a counter in memory.  If a table was just being changed, it
 * reads once more.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/detoast.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "hints.h"
#include "standby.h"
#include "subscription.h"
#include "usage_counters.h"
#include "verdict.h"

static const char *const code_names[] = {
	[VERDICT_MALFORMED] = "malformed",
	[VERDICT_STALE_STANDBY] = "stale_standby",
	[VERDICT_UNKNOWN] = "unknown",
	[VERDICT_ROLLED] = "rolled",
	[VERDICT_COMPROMISED] = "compromised",
	[VERDICT_REVOKED] = "revoked",
	[VERDICT_DISABLED] = "disabled",
	[VERDICT_NOT_YET_VALID] = "not_yet_valid",
	[VERDICT_EXPIRED] = "expired",
	[VERDICT_WORKSPACE_CLOSED] = "workspace_closed",
	[VERDICT_WORKSPACE_SUSPENDED] = "workspace_suspended",
	[VERDICT_WRONG_MODE] = "wrong_mode",
	[VERDICT_NETWORK_DENIED] = "network_denied",
	[VERDICT_SECRET_KEY_REQUIRED] = "secret_key_required",
	[VERDICT_PERMISSION_DENIED] = "permission_denied",
	[VERDICT_OBJECT_DENIED] = "object_denied",
	[VERDICT_VALID] = "valid",
};

/* An address or network; IPv4 in IPv6 counts as IPv4 */
typedef struct Network
{
	int			family;
	int			bits;
	const unsigned char *address;
} Network;

const char *
verdict_code_name(VerdictCode code)
{
	return code_names[code];
}

bool
verdict_is_denial(VerdictCode code)
{
	return code >= VERDICT_WRONG_MODE && code < VERDICT_VALID;
}

static Network
network_of(const inet *value)
{
	static const unsigned char mapped[12] = {[10] = 0xff,[11] = 0xff};
	Network		network = {
		.family = ip_family(value),
		.bits = ip_bits(value),
		.address = ip_addr(value)
	};

	if (network.family == PGSQL_AF_INET6 && network.bits >= 96 &&
		memcmp(network.address, mapped, sizeof(mapped)) == 0)
	{
		network.family = PGSQL_AF_INET;
		network.bits -= 96;
		network.address += 12;
	}
	return network;
}

static bool
is_single_address(const Network *network)
{
	return network->bits == (network->family == PGSQL_AF_INET ? 32 : 128);
}

static bool
covers_network(const Network *network, const Network *asked)
{
	return network->family == asked->family && network->bits <= asked->bits &&
		bitncmp(network->address, asked->address, network->bits) == 0;
}

bool
verdict_covers_network(const inet *network, const inet *asked)
{
	Network		wide = network_of(network);
	Network		narrow = network_of(asked);

	return covers_network(&wide, &narrow);
}

static bool
network_fits(Datum value, const void *asked)
{
	Network		network = network_of(DatumGetInetPP(value));

	return covers_network(&network, asked);
}

static bool
is_in_a_network(StoreReader *reader, const KeyFacts *facts, const inet *client)
{
	Network		address;

	if (client == NULL)
		return false;
	address = network_of(client);
	return is_single_address(&address) &&
		store_restriction_fits(reader, STORE_NETWORKS, facts, network_fits, &address);
}

/* A permission covers itself, and whatever continues it after a dot. */
bool
verdict_covers(const text *permission, const text *asked)
{
	int			length = VARSIZE_ANY_EXHDR(permission);
	int			asked_length = VARSIZE_ANY_EXHDR(asked);

	return length <= asked_length &&
		memcmp(VARDATA_ANY(permission), VARDATA_ANY(asked), length) == 0 &&
		(length == asked_length || VARDATA_ANY(asked)[length] == '.');
}

static bool
permission_fits(Datum value, const void *asked)
{
	return verdict_covers(DatumGetTextPP(value), asked);
}

static bool
object_fits(Datum value, const void *asked)
{
	const text *object = DatumGetTextPP(value);
	const text *object_id = asked;

	return VARSIZE_ANY_EXHDR(object) == VARSIZE_ANY_EXHDR(object_id) &&
		memcmp(VARDATA_ANY(object), VARDATA_ANY(object_id), VARSIZE_ANY_EXHDR(object)) == 0;
}

/* Are the key and its workspace alive?  VALID where they are */
static VerdictCode
judge_life(StoreReader *reader, const KeyFacts *facts, TimestampTz now)
{
	WorkspaceState state;

	if (facts->compromised)
		return VERDICT_COMPROMISED;
	if (facts->revoked)
		return VERDICT_REVOKED;
	if (facts->disabled)
		return VERDICT_DISABLED;
	if (now < facts->not_before)
		return VERDICT_NOT_YET_VALID;
	if (now >= facts->expires_at)
		return VERDICT_EXPIRED;
	if (!store_workspace_state(reader, &facts->workspace_id, &state) ||
		state == WORKSPACE_CLOSED)
		return VERDICT_WORKSPACE_CLOSED;
	if (facts->secret.mode == 'l' && state != WORKSPACE_APPROVED)
		return VERDICT_WORKSPACE_SUSPENDED;
	return VERDICT_VALID;
}

/* May it do what is asked of it?  Restrictions are read only where it has any. */
static VerdictCode
judge_request(StoreReader *reader, const KeyFacts *facts, const VerdictRequest *request)
{
	if (OidIsValid(request->mode) && request->mode != facts->mode_oid)
		return VERDICT_WRONG_MODE;
	if (facts->networks_restricted && !is_in_a_network(reader, facts, request->client))
		return VERDICT_NETWORK_DENIED;
	if (request->permission != NULL)
	{
		if (facts->secret.kind == 'p')
			return VERDICT_SECRET_KEY_REQUIRED;
		if (facts->permissions_restricted &&
			!store_restriction_fits(reader, STORE_PERMISSIONS, facts,
									permission_fits, request->permission))
			return VERDICT_PERMISSION_DENIED;
	}
	if (facts->secret.kind == 't' &&
		(request->object_id == NULL ||
		 !store_restriction_fits(reader, STORE_OBJECTS, facts, object_fits, request->object_id)))
		return VERDICT_OBJECT_DENIED;
	return VERDICT_VALID;
}

/* For a secret that its key had before, which is good during its grace */
static VerdictCode
judge_retired(StoreReader *reader, const ApiKey *secret, TimestampTz now, KeyFacts *facts)
{
	RetiredFacts retired;
	VerdictCode code = VERDICT_VALID;

	if (!store_retired(reader, secret, &retired))
		return VERDICT_UNKNOWN;
	/* The digest of a purged temporary key stays here. */
	if (!store_key_by_id(reader, cstring_to_text(retired.key_id.text), facts))
		return VERDICT_UNKNOWN;

	if (now >= retired.valid_until)
		code = VERDICT_ROLLED;
	if (retired.compromised_at < retired.valid_until)
		code = VERDICT_COMPROMISED;
	return code;
}

/*
 * A temporary key that was made with a secret is alive only while that secret
 * is.  Of the two codes, the one that comes first in the order is the answer.
 */
static VerdictCode
judge_family(StoreReader *reader, const KeyFacts *facts, TimestampTz now)
{
	VerdictCode code = judge_life(reader, facts, now);
	VerdictCode parent_code = VERDICT_VALID;
	KeyFacts	parent;

	if (!facts->has_parent)
		return code;
	if (!store_key_by_secret(reader, &facts->parent, &parent))
		parent_code = judge_retired(reader, &facts->parent, now, &parent);
	if (parent_code == VERDICT_VALID)
		parent_code = judge_life(reader, &parent, now);
	return Min(code, parent_code);
}

static void
reach(StoreReader *reader, const ApiKey *secret, const VerdictRequest *request, Verdict *verdict)
{
	verdict->code = VERDICT_STALE_STANDBY;
	if (subscription_is_stale(reader))
		return;
	verdict->code = VERDICT_VALID;
	verdict->retired = !store_key_by_secret(reader, secret, &verdict->facts);
	verdict->at = GetCurrentTimestamp();
	if (verdict->retired)
		verdict->code = judge_retired(reader, secret, verdict->at, &verdict->facts);
	if (verdict->code == VERDICT_VALID)
		verdict->code = judge_family(reader, &verdict->facts, verdict->at);
	if (verdict->code == VERDICT_VALID)
		verdict->code = judge_request(reader, &verdict->facts, request);
	if (verdict->code == VERDICT_VALID && request->when_valid != NULL)
		request->when_valid(reader, secret, &verdict->facts, request->context);
}

void
verdict_reach(const ApiKey *secret, const VerdictRequest *request, Verdict *verdict)
{
	StoreReader reader;

	verdict->code = VERDICT_STALE_STANDBY;
	if (standby_is_stale())
		return;
	store_reader_begin_brief(&reader, request->with_meta);
	reach(&reader, secret, request, verdict);
	if (unlikely(store_reader_is_outdated(&reader)))
	{
		store_reader_begin_anew(&reader);
		reach(&reader, secret, request, verdict);
	}
	store_reader_end(&reader);
	if (verdict->code >= VERDICT_ROLLED && !request->uncounted)
		usage_count(&verdict->facts.id, verdict->code == VERDICT_VALID, verdict->retired,
					verdict->at, request->client);
}

bool
verdict_parse(Datum key, bool null, ApiKey *secret, Verdict *verdict)
{
	text	   *value;
	KeyFormatError error;

	/* What is too long for a key is not even detoasted. */
	verdict->code = VERDICT_MALFORMED;
	if (null || toast_raw_datum_size(key) - VARHDRSZ > KEY_MAX_LENGTH)
		return false;

	value = DatumGetTextPP(key);
	error = apikey_from_text(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), secret);
	if ((Pointer) value != DatumGetPointer(key))
	{
		crypto_cleanse(value, VARSIZE_ANY(value));
		pfree(value);
	}
	if (error != KEY_FORMAT_OK)
		return false;
	hints_prefetch(secret);
	return true;
}
