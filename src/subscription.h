/*
 * subscription.h
 *		Whether the keys of this database are managed in another one, and how
 *		far it is behind that one.
 */
#ifndef FALUKEYS_SUBSCRIPTION_H
#define FALUKEYS_SUBSCRIPTION_H

#include "postgres.h"

#include "store_reader.h"

/* The tables that verification needs, which travel from one database to others */
#define SUBSCRIPTION_TABLES	9

extern const CatalogRelation subscription_tables[SUBSCRIPTION_TABLES];

/* Do the keys of this database arrive by a subscription? */
extern bool subscription_is_here(void);

/* Did they, and nobody has decided yet that they are managed here from now on? */
extern bool subscription_was_here(void);

/* Raises 55000 where they do, or did. */
extern void subscription_refuse_changes(void);

/* Is this one of the tables that are not changed then? */
extern bool subscription_refuses(Oid table);

/*
 * For a verification: has not everything arrived yet, or is it older than
 * falukeys.max_standby_lag allows?
 */
extern bool subscription_is_stale(StoreReader *reader);

#endif							/* FALUKEYS_SUBSCRIPTION_H */
