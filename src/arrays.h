/*
 * arrays.h
 *		Arrays made of lists.
 */
#ifndef FALUKEYS_ARRAYS_H
#define FALUKEYS_ARRAYS_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "utils/array.h"

/* In the current memory context; the elements are pointers to varlenas, such as text. */
extern ArrayType *arrays_of_list(const List *values, Oid element);

#endif							/* FALUKEYS_ARRAYS_H */
