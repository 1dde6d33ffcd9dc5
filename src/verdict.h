/*
 * verdict.h
 *		What a key may do, now.
 */
#ifndef FALUKEYS_VERDICT_H
#define FALUKEYS_VERDICT_H

#include "postgres.h"

#include "utils/inet.h"

#include "store.h"

/* In order of precedence */
typedef enum VerdictCode
{
	VERDICT_MALFORMED,
	VERDICT_STALE_STANDBY,
	VERDICT_UNKNOWN,
	VERDICT_ROLLED,				/* from here on, facts are set */
	VERDICT_COMPROMISED,
	VERDICT_REVOKED,
	VERDICT_DISABLED,
	VERDICT_NOT_YET_VALID,
	VERDICT_EXPIRED,
	VERDICT_WORKSPACE_CLOSED,
	VERDICT_WORKSPACE_SUSPENDED,
	VERDICT_WRONG_MODE,
	VERDICT_NETWORK_DENIED,
	VERDICT_SECRET_KEY_REQUIRED,
	VERDICT_PERMISSION_DENIED,
	VERDICT_OBJECT_DENIED,
	VERDICT_VALID
} VerdictCode;

/*
 * Called for a valid key with the reader that found it; a second time if the
 * first reading was outdated
 */
typedef void (*VerdictWhenValid) (StoreReader *reader, const ApiKey *secret,
								  const KeyFacts *facts, void *context);

/* What is asked of a key; NULL pointers and an invalid mode: not asked. */
typedef struct VerdictRequest
{
	const text *permission;
	const inet *client;
	const text *object_id;
	Oid			mode;
	bool		with_meta;		/* the answer hands out the key's meta */
	bool		uncounted;		/* the key is judged, but not presented */
	VerdictWhenValid when_valid;	/* or NULL */
	void	   *context;		/* for that one */
} VerdictRequest;

typedef struct Verdict
{
	VerdictCode code;
	bool		retired;		/* by a secret that the key had before */
	TimestampTz at;				/* when it was reached */
	KeyFacts	facts;
} Verdict;

extern const char *verdict_code_name(VerdictCode code);

/* Does what a key has cover what is asked of it? */
extern bool verdict_covers(const text *permission, const text *asked);

/* The same for networks; IPv4 in IPv6 counts as IPv4 */
extern bool verdict_covers_network(const inet *network, const inet *asked);

/* Is it the code of a living key that may not do what was asked of it? */
extern bool verdict_is_denial(VerdictCode code);

/* The handle of a plaintext key, which may be toasted; false, with the verdict, for anything else */
extern bool verdict_parse(Datum key, bool null, ApiKey *secret, Verdict *verdict);

/* Judges a key as of now, and counts its use. */
extern void verdict_reach(const ApiKey *secret, const VerdictRequest *request, Verdict *verdict);

#endif							/* FALUKEYS_VERDICT_H */
