/*
 * master_key.h
 *		The key outside the database under which secrets are sealed.
 */
#ifndef FALUKEYS_MASTER_KEY_H
#define FALUKEYS_MASTER_KEY_H

#include "postgres.h"

#include "storage/lockdefs.h"

#include "crypto.h"

#define MASTER_KEY_FINGERPRINT_LENGTH	8
#define MASTER_KEY_MAX_COUNT			64

/* What is derived from one master key; the key itself is not kept. */
typedef struct MasterKey
{
	uint8		sealing_key[CRYPTO_KEY_LENGTH];
	uint8		fingerprint[MASTER_KEY_FINGERPRINT_LENGTH];
} MasterKey;

/* The first one seals; the others still open what a rotation has not reached. */
typedef struct MasterKeys
{
	int			count;
	MasterKey	keys[MASTER_KEY_MAX_COUNT];
} MasterKeys;

/* Settings */
extern char *master_key_file;
extern char *master_key_command;

/* False where the file does not exist; raises whatever else is wrong. */
extern bool master_key_load(MasterKeys *keys);
extern void master_key_create(void);
extern void master_key_report_missing(void);

/*
 * A lock for all databases of the server, held to the end of the transaction.
 * It is taken before the keys are read, and protects exchanging them and
 * sealing everything anew.
 */
extern void master_key_lock(LOCKMODE mode);

/* Under the lock: a new key before the others, or only so many of the first ones */
extern void master_key_put_new_first(void);
extern void master_key_keep(int count);
extern bool master_key_is_in_file(void);

extern const MasterKey *master_key_find(const MasterKeys *keys, const uint8 *fingerprint);
extern void master_key_cleanse(MasterKeys *keys);

#endif							/* FALUKEYS_MASTER_KEY_H */
