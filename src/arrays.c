/*
 * arrays.c
 *		Arrays made of lists.
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "arrays.h"

ArrayType *
arrays_of_list(const List *values, Oid element)
{
	Datum	   *elements = palloc(Max(list_length(values), 1) * sizeof(Datum));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, values)
		elements[count++] = PointerGetDatum(lfirst(cell));
	return construct_array(elements, count, element, -1, false, TYPALIGN_INT);
}
