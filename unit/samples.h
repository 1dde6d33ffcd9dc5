/*
 * samples.h
 *		What the unit tests share: counting of checks, and keys to check.
 *
 * Texts are copied to buffers of exactly their length, so that a sanitizer or
 * valgrind sees a byte read outside them.
 */
#ifndef UNIT_SAMPLES_H
#define UNIT_SAMPLES_H

#include "key_format.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long passed = 0;
static unsigned long failed = 0;

#define CHECK(condition) check((condition), #condition, __LINE__)

static void
check(bool right, const char *condition, int line)
{
	if (right)
		passed++;
	else
	{
		failed++;
		printf("line %d: %s\n", line, condition);
	}
}

/* Bodies, named for their lengths */
#define B16 "0123456789ABCDEF"
#define B19 B16 "xyz"
#define B20 B16 "wxyz"
#define B45 B20 B20 "UVWXY"
#define B46 B45 "Z"
#define B49 B20 B20 "RSTUVWXYZ"
#define B50 B20 B20 "QRSTUVWXYZ"
#define B51 B50 "a"

/* With checksums computed by Python's zlib */
#define GENERATED "fpkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg0PiEzp"
#define GENERATED_REDACTED "fpkl_****iEzp"
#define GENERATED_SECRET "fskt_00000000000000000000000000000000000000000001f5UoO"
#define GENERATED_SECRET_REDACTED "fskt_****5UoO"

/* Its right checksum ends in the first letters of a prefix. */
#define LOOKALIKE "fskt_dE5T51ku4jCeXWrILmKdei4yGgtZNMYVDzJZXfSvlVI00fskt"

/* Those of the description */
#define EXAMPLE_PUBLIC "fpkt_rFBfqDcayL3PigQ7xA2Ipy5NsUzr9q9Ld8TxBn3HCvg"
#define EXAMPLE_SECRET "fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys"

static const char *const prefixes[] = {"fpkt_", "fpkl_", "fskt_", "fskl_", "ftkt_", "ftkl_"};

#define PREFIX_COUNT (sizeof(prefixes) / sizeof(prefixes[0]))

static char *
copy(const char *text, size_t length)
{
	/* A buffer of no bytes at all may be NULL, which no one asked about. */
	char	   *exact = malloc(length > 0 ? length : 1);

	if (exact == NULL)
	{
		printf("out of memory\n");
		exit(2);
	}
	memcpy(exact, text, length);
	return exact;
}

/* The last line of a test, and its exit status */
static int
report(void)
{
	printf("%lu passed, %lu failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

#endif							/* UNIT_SAMPLES_H */
