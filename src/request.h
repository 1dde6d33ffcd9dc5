/*
 * request.h
 *		A request as PostgREST hands it over.
 */
#ifndef FALUKEYS_REQUEST_H
#define FALUKEYS_REQUEST_H

/* Setting: how many proxies in front of the server are ours; 0: unknown */
extern int	request_trusted_proxies;

#endif							/* FALUKEYS_REQUEST_H */
