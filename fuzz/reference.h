/*
 * reference.h
 *		What the fuzzers share: keys as a slow reader knows them, and how a check fails.
 *
 * A CRC-32 bit by bit, a table-free look at each character: nothing of this is
 * src/key_format.c's, which is compared with it.
 */
#ifndef FUZZ_REFERENCE_H
#define FUZZ_REFERENCE_H

#include "key_format.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int			LLVMFuzzerInitialize(int *argc, char ***argv);

/* The fuzzer's own: how often its checks came along each of their paths */
extern unsigned long reached[];
extern const char *const path_names[];
extern const int path_count;

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

static void
check(bool right, const char *condition, const char *file, int line)
{
	if (right)
		return;
	fprintf(stderr, "%s:%d: %s\n", file, line, condition);
	abort();
}

static void
check_paths(void)
{
	for (int i = 0; i < path_count; i++)
	{
		if (reached[i] > 0)
			continue;
		fprintf(stderr, "never %s\n", path_names[i]);
		_exit(1);
	}
}

/* With FUZZ_ALL_PATHS in the environment, a run that did not reach all that there is to reach fails. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void) argc;
	(void) argv;
	if (getenv("FUZZ_ALL_PATHS") != NULL)
		atexit(check_paths);
	return 0;
}

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const char *const prefixes[] = {"fpkt_", "fpkl_", "fskt_", "fskl_", "ftkt_", "ftkl_"};

#define PREFIX_COUNT (sizeof(prefixes) / sizeof(prefixes[0]))

static bool
is_digit(char c)
{
	return c != '\0' && strchr(digits, c) != NULL;
}

static bool
prefix_at(const char *text, size_t length, size_t at)
{
	size_t		i;

	if (at > length || length - at < 5)
		return false;
	for (i = 0; i < PREFIX_COUNT; i++)
		if (memcmp(text + at, prefixes[i], 5) == 0)
			return true;
	return false;
}

static size_t
run_at(const char *text, size_t length, size_t at)
{
	size_t		end = at;

	while (end < length && is_digit(text[end]))
		end++;
	return end - at;
}

static void
expected_checksum(const char *text, size_t length, char checksum[6])
{
	uint32_t	crc = 0xffffffff;
	size_t		i;
	int			bit;

	for (i = 0; i < length; i++)
	{
		crc ^= (unsigned char) text[i];
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320 : 0);
	}
	crc ^= 0xffffffff;
	for (i = 6; i-- > 0;)
	{
		checksum[i] = digits[crc % 62];
		crc /= 62;
	}
}

static KeyChecksum
expected_state(const char *key, size_t body_length)
{
	char		checksum[6];

	if (body_length != 49)
		return KEY_CHECKSUM_NONE;
	expected_checksum(key, 48, checksum);
	return memcmp(key + 48, checksum, 6) == 0 ? KEY_CHECKSUM_RIGHT : KEY_CHECKSUM_WRONG;
}

/* Is the whole of text a key, as src/key_format.h has it? */
static KeyFormatError
expected_error(const char *text, size_t length)
{
	if (!prefix_at(text, length, 0))
		return KEY_FORMAT_BAD_PREFIX;
	if (length < 25 || length > 55)
		return KEY_FORMAT_BAD_LENGTH;
	if (run_at(text, length, 5) != length - 5)
		return KEY_FORMAT_BAD_CHARACTER;
	if (expected_state(text, length - 5) == KEY_CHECKSUM_WRONG)
		return KEY_FORMAT_BAD_CHECKSUM;
	return KEY_FORMAT_OK;
}

#endif							/* FUZZ_REFERENCE_H */
