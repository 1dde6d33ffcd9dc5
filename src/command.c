/*
 * command.c
 *		The output of a shell command that may hang.
 *
 * The server's own OpenPipeStream() waits without looking at interrupts, and
 * its child may ignore the signals that are passed on to it.  So the child gets
 * a process group of its own, which is killed by whatever ends the wait too
 * early.
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "command.h"

#define LONGEST_NAP		100		/* milliseconds */

extern char **environ;

typedef struct Child
{
	pid_t		process;
	int			output;			/* to read from, or -1 */
	int			status;
	char	   *printed;		/* what was read: nobody else's business */
	size_t		size;
} Child;

static void
close_output(Child *child)
{
	if (child->output >= 0)
		close(child->output);
	child->output = -1;
}

/* SIGKILL cannot be ignored, so the wait is short. */
static void
kill_child(int code, Datum arg)
{
	Child	   *child = (Child *) DatumGetPointer(arg);

	close_output(child);
	explicit_bzero(child->printed, child->size);
	kill(-child->process, SIGKILL);
	while (waitpid(child->process, &child->status, 0) < 0 && errno == EINTR)
		;
}

/* The child has no use for the signals that a backend blocks or ignores. */
static int
spawn(pid_t *process, const char *command, const int ends[2])
{
	char	   *const arguments[] = {"sh", "-c", unconstify(char *, command), NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t	none;
	sigset_t	ignored;
	int			error;

	sigemptyset(&none);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &ignored);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
							 POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);

	error = posix_spawn(process, "/bin/sh", &actions, &attributes, arguments, environ);

	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return error;
}

static bool
start(Child *child, const char *command)
{
	int			ends[2];
	int			error;

	if (pipe(ends) != 0)
		return false;
	error = fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ? errno :
		spawn(&child->process, command, ends);
	close(ends[1]);
	child->output = ends[0];
	if (error != 0)
		close_output(child);
	errno = error;
	return error == 0;
}

static void
wait_for(int events, pgsocket output, long timeout)
{
	(void) WaitLatchOrSocket(MyLatch, events | WL_LATCH_SET | WL_EXIT_ON_PM_DEATH,
							 output, timeout, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static size_t
read_output(const Child *child)
{
	size_t		length = 0;

	while (length < child->size)
	{
		ssize_t		got = read(child->output, child->printed + length, child->size - length);

		if (got > 0)
			length += got;
		else if (got == 0)
			break;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			wait_for(WL_SOCKET_READABLE, child->output, -1);
		else if (errno != EINTR)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read from a command: %m")));
	}
	return length;
}

/* Nothing wakes us when a child ends. */
static void
await_end(Child *child)
{
	long		nap = 1;

	for (;;)
	{
		pid_t		ended = waitpid(child->process, &child->status, WNOHANG);

		if (ended == child->process)
			return;
		if (ended < 0 && errno != EINTR)
			elog(ERROR, "could not wait for a command: %m");
		wait_for(WL_TIMEOUT, PGINVALID_SOCKET, nap);
		nap = Min(2 * nap, LONGEST_NAP);
	}
}

int
command_run(const char *command, char *output, size_t size, size_t *length)
{
	Child		child = {.output = -1,.printed = output,.size = size};

	if (!start(&child, command))
		return -1;
	PG_ENSURE_ERROR_CLEANUP(kill_child, PointerGetDatum(&child));
	{
		*length = read_output(&child);
		/* Who still writes gets SIGPIPE. */
		close_output(&child);
		await_end(&child);
	}
	PG_END_ENSURE_ERROR_CLEANUP(kill_child, PointerGetDatum(&child));
	return child.status;
}
