/*
 * client_address.h
 *		The client's address, from what proxies say of whom they were called by.
 */
#ifndef FALUKEYS_CLIENT_ADDRESS_H
#define FALUKEYS_CLIENT_ADDRESS_H

#include "postgres.h"

#include "utils/inet.h"

/*
 * The address in an element of X-Forwarded-For or Forwarded, counted from the
 * right from 1; NULL where that element has no address
 */
extern inet *client_address_of(const char *header, size_t length, int hops);

#endif							/* FALUKEYS_CLIENT_ADDRESS_H */
