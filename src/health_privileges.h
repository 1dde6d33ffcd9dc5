/*
 * health_privileges.h
 *		What opens more than installation and grant_access do.
 */
#ifndef FALUKEYS_HEALTH_PRIVILEGES_H
#define FALUKEYS_HEALTH_PRIVILEGES_H

#include "postgres.h"

#include "spi_owner.h"

/* Their rows are sentences with the statement that takes back what should not be. */
extern const char *const health_privileges_query;
extern const char *const health_default_privileges_query;

/* The parameters of the former: what each level may call */
#define HEALTH_PRIVILEGES_LEVELS	4
extern void health_privileges_levels(Parameter levels[HEALTH_PRIVILEGES_LEVELS]);

#endif							/* FALUKEYS_HEALTH_PRIVILEGES_H */
