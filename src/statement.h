/*
 * statement.h
 *		The names that spi_owner.h had, until nothing uses them any more.
 */
#include "spi_owner.h"
