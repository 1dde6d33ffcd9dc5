/*
 * row.h
 *		The names that trigger_row.h had, until nothing uses them any more.
 */
#include "trigger_row.h"
