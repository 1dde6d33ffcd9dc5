/*
 * clock.c
 *		For LD_PRELOAD: the time, and as many seconds as the file TEST_CLOCK says.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *seconds;

__attribute__((constructor)) static void
find_clock(void)
{
	const char *path = getenv("TEST_CLOCK");
	int			file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (file >= 0)
		seconds = mmap(NULL, sizeof(*seconds), PROT_READ, MAP_SHARED, file, 0);
	if (seconds == MAP_FAILED)
		abort();
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec now;

	(void) tz;
	clock_gettime(CLOCK_REALTIME, &now);
	tv->tv_sec = now.tv_sec + (seconds ? *seconds : 0);
	tv->tv_usec = now.tv_nsec / 1000;
	return 0;
}
