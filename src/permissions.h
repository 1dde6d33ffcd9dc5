/*
 * permissions.h
 *		The names of permissions, and those that are defined.
 */
#ifndef FALUKEYS_PERMISSIONS_H
#define FALUKEYS_PERMISSIONS_H

#include "postgres.h"

#include "utils/array.h"

/* Lower-case words joined by dots? */
extern bool permissions_is_name(const text *name);

/* An IP address or network, given where a permission is due? */
extern bool permissions_is_address(const text *name);

/* 22023 where an address is asked for as a permission */
extern void permissions_refuse_address(const text *permission);

/* Within a spi_owner_begin: 22023 unless all names in a text[] are defined */
extern void permissions_check(const char *argument, ArrayType *names);

#endif							/* FALUKEYS_PERMISSIONS_H */
