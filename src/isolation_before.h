/*
 * isolation_before.h
 *		How tables were before they were isolated.
 */
#ifndef FALUKEYS_ISOLATION_BEFORE_H
#define FALUKEYS_ISOLATION_BEFORE_H

#include "postgres.h"

#include "utils/rel.h"

/* What isolate_table changes of a table, besides its policies */
typedef struct TableBefore
{
	bool		row_security;
	bool		forced;
	bool		permitted;		/* by a policy that was made because there was no other */
	char	   *workspace_default;	/* NULL for none */
	char	   *mode_default;
} TableBefore;

/*
 * These two belong between spi_owner_begin_as the table's owner and
 * spi_owner_end.  A default is written and read under the same settings.
 */
extern char *isolation_before_default(Relation table, AttrNumber column);
extern void isolation_before_restore(Oid table, const TableBefore *before,
									 AttrNumber workspace_column, AttrNumber mode_column);

/* And these outside of it. */
extern bool isolation_before_kept(Oid table);
extern void isolation_before_keep(Oid table, const TableBefore *before);

/* Removes what is kept of the table; false where nothing is. */
extern bool isolation_before_take(Oid table, TableBefore *before);

#endif							/* FALUKEYS_ISOLATION_BEFORE_H */
