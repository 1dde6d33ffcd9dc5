/*
 * command.h
 *		The output of a shell command that may hang.
 */
#ifndef FALUKEYS_COMMAND_H
#define FALUKEYS_COMMAND_H

#include "postgres.h"

/*
 * Runs a command in the shell, and returns how it ended, as waitpid() has it,
 * with up to size bytes of what it printed; the rest of it is not waited for.
 * -1, with errno, where it could not be started.  Whoever cancels or terminates
 * this session kills the command and all that it started.
 */
extern int	command_run(const char *command, char *output, size_t size, size_t *length);

#endif							/* FALUKEYS_COMMAND_H */
