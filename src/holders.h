/*
 * holders.h
 *		Which running transactions act by a key, for who waits for them.
 */
#ifndef FALUKEYS_HOLDERS_H
#define FALUKEYS_HOLDERS_H

#include "postgres.h"

#include "access/xact.h"
#include "storage/lock.h"

#include "apikey.h"

/* How a transaction is seen that is about to act by a secret */
typedef struct Holding
{
	bool		locked;			/* by a lock, else by its note */
	LOCKTAG		tag;
} Holding;

/* Asks for memory, while the library is being preloaded. */
extern void holders_request(void);

/*
 * Before a secret is verified, and after: it stays to the end of the
 * transaction, with the secret that made it (or NULL), or nobody has to wait for
 * it.
 */
extern void holders_enter(const ApiKey *secret, Holding *holding);
extern void holders_stay(const Holding *holding, const ApiKey *parent);
extern void holders_leave(const Holding *holding);

/* To be called at the end of each transaction, and when a subtransaction is rolled back */
extern void holders_end_transaction(XactEvent event);
extern void holders_abort_subtransaction(void);

/* Waits for the end of all other transactions that act by a secret now. */
extern void holders_wait(const ApiKey *secret);

#endif							/* FALUKEYS_HOLDERS_H */
