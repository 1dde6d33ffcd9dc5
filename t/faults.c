/*
 * faults.c
 *		A library to preload into a server, whose files then fail as they are told to.
 *
 * The file that FALUKEYS_FAULTS names has a line "OPERATION PART ERRNO" for each
 * fault: an operation on a file whose path, with a "$" at its end, has that part
 * in it fails so. It is read at each call, so faults come and go while the server
 * runs. Operations are "write", which is also making a file longer, "sync" and "link".
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not through the functions below */
static bool
read_faults(char *faults, size_t size)
{
	const char *file = getenv("FALUKEYS_FAULTS");
	int			fd = file == NULL ? -1 : (int) syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
	ssize_t		got = fd < 0 ? -1 : read(fd, faults, size - 1);

	if (fd >= 0)
		syscall(SYS_close, fd);
	if (got <= 0)
		return false;
	faults[got] = '\0';
	return true;
}

/* Sets errno where it is to fail, and leaves it alone where not. */
static bool
fails_at(const char *operation, const char *path)
{
	int			before = errno;
	char		faults[1024];
	char	   *rest = faults;
	char	   *line;

	if (!read_faults(faults, sizeof(faults)))
		faults[0] = '\0';
	errno = before;
	while ((line = strsep(&rest, "\n")) != NULL)
	{
		char		wanted[16];
		char		part[512];
		int			error;

		if (sscanf(line, "%15s %511s %d", wanted, part, &error) == 3 &&
			strcmp(wanted, operation) == 0 && strstr(path, part) != NULL)
		{
			errno = error;
			return true;
		}
	}
	return false;
}

static bool
fails(const char *operation, int fd)
{
	char		link[64];
	char		path[PATH_MAX];
	ssize_t		length;
	int			before = errno;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 2);
	errno = before;
	if (length <= 0)
		return false;
	path[length] = '$';
	path[length + 1] = '\0';
	return fails_at(operation, path);
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

#define REPLACE(type, name, operation, fd, failed, parameters, arguments) \
	type name parameters { return fails(operation, fd) ? (type) (failed) : REAL(name) arguments; }

REPLACE(ssize_t, write, "write", fd, -1, (int fd, const void *data, size_t size), (fd, data, size))
REPLACE(ssize_t, pwrite, "write", fd, -1, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at))
REPLACE(ssize_t, pwrite64, "write", fd, -1, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at))
REPLACE(ssize_t, pwritev, "write", fd, -1, (int fd, const struct iovec *data, int count, off_t at), (fd, data, count, at))
REPLACE(ssize_t, pwritev64, "write", fd, -1, (int fd, const struct iovec *data, int count, off64_t at), (fd, data, count, at))
REPLACE(int, posix_fallocate, "write", fd, errno, (int fd, off_t at, off_t size), (fd, at, size))
REPLACE(int, posix_fallocate64, "write", fd, errno, (int fd, off64_t at, off64_t size), (fd, at, size))
REPLACE(size_t, fwrite, "write", fileno(file), 0, (const void *data, size_t size, size_t count, FILE *file), (data, size, count, file))
REPLACE(int, fsync, "sync", fd, -1, (int fd), (fd))
REPLACE(int, fdatasync, "sync", fd, -1, (int fd), (fd))

int
link(const char *from, const char *to)
{
	return fails_at("link", to) ? -1 : REAL(link) (from, to);
}
