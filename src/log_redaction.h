/*
 * log_redaction.h
 *		Keys are masked where the server writes or shows what it was sent.
 */
#ifndef FALUKEYS_LOG_REDACTION_H
#define FALUKEYS_LOG_REDACTION_H

/* falukeys.redact_logs */
extern bool log_redaction;

/* Asks for it while libraries are preloaded; without, nothing is masked. */
extern void log_redaction_request(void);

/* Are the hooks there, which only preloading brings? */
extern bool log_redaction_is_installed(void);

#endif							/* FALUKEYS_LOG_REDACTION_H */
