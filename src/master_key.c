/*
 * master_key.c
 *		The key outside the database under which secrets are sealed.
 *
 * Storage floor: calls crypto.  It is read at each use, which is rare, and
 * cleansed after it, so that no backend holds it while it runs other SQL.
 *
 * A file, or a command's output, holds one or more keys of 64 hexadecimal
 * digits, set apart by white space.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "master_key.h"

#define MASTER_KEY_DIGITS		(2 * CRYPTO_KEY_LENGTH)
#define MASTER_KEY_MAX_CONTENT	(MASTER_KEY_MAX_COUNT * (MASTER_KEY_DIGITS + 2))

char	   *master_key_file = NULL;
char	   *master_key_command = NULL;

/* What a file or a command gave */
typedef struct Content
{
	size_t		length;
	char		text[MASTER_KEY_MAX_CONTENT + 1];
} Content;

static bool
command_is_set(void)
{
	return master_key_command != NULL && master_key_command[0] != '\0';
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static void
derive(MasterKey *key, const uint8 master[CRYPTO_KEY_LENGTH])
{
	crypto_derive(master, "falukeys sealed secrets", key->sealing_key, CRYPTO_KEY_LENGTH);
	crypto_derive(master, "falukeys fingerprint", key->fingerprint,
				  MASTER_KEY_FINGERPRINT_LENGTH);
}

/* False where the content is anything but keys. */
static bool
parse(const Content *content, MasterKeys *keys)
{
	const char *at = content->text;
	const char *end = content->text + content->length;
	uint8		master[CRYPTO_KEY_LENGTH];
	bool		good = true;

	keys->count = 0;
	while (good)
	{
		while (at < end && isspace((unsigned char) *at))
			at++;
		if (at == end)
			break;
		good = end - at >= MASTER_KEY_DIGITS && keys->count < MASTER_KEY_MAX_COUNT;
		for (int i = 0; good && i < CRYPTO_KEY_LENGTH; i++, at += 2)
		{
			int			high = hex_value(at[0]);
			int			low = hex_value(at[1]);

			good = high >= 0 && low >= 0;
			if (good)
				master[i] = (uint8) (high << 4 | low);
		}
		good = good && (at == end || isspace((unsigned char) *at));
		if (good)
			derive(&keys->keys[keys->count++], master);
	}
	crypto_cleanse(master, sizeof(master));
	return good && keys->count > 0;
}

static void
check_file(int fd)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not stat master key file \"%s\": %m", master_key_file)));
	if (!S_ISREG(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key file \"%s\" is not a regular file", master_key_file)));
	if (status.st_uid != geteuid() && status.st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key file \"%s\" must be owned by the server's user or root",
						master_key_file)));

	/* As the server has it for its TLS keys: root's may be read by a group. */
	if (status.st_mode & (status.st_uid == geteuid() ? 0077 : 0037))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key file \"%s\" has group or world access", master_key_file),
				 errhint("Set its permissions to u=rw (0600), or, where root owns it, to u=rw,g=r (0640); if others may have read it, call falukeys.rotate_master_key().")));
}

/* False where there is no file. */
static bool
read_file(Content *content)
{
	int			fd = OpenTransientFile(master_key_file, O_RDONLY | PG_BINARY);
	ssize_t		got;

	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not open master key file \"%s\": %m", master_key_file)));
	check_file(fd);

	content->length = 0;
	while ((got = read(fd, content->text + content->length,
					   MASTER_KEY_MAX_CONTENT - content->length)) > 0)
		content->length += got;
	if (got < 0)
	{
		int			error = errno;

		crypto_cleanse(content, sizeof(Content));
		errno = error;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not read master key file \"%s\": %m", master_key_file)));
	}
	CloseTransientFile(fd);
	return true;
}

static void
run_command(Content *content)
{
	FILE	   *pipe = OpenPipeStream(master_key_command, PG_BINARY_R);
	int			result;

	if (pipe == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not run the command of \"%s\": %m", "falukeys.master_key_command")));

	/* A buffer of stdio's would keep the key. */
	setvbuf(pipe, NULL, _IONBF, 0);
	content->length = fread(content->text, 1, MASTER_KEY_MAX_CONTENT, pipe);
	result = ClosePipeStream(pipe);
	if (result != 0)
	{
		crypto_cleanse(content, sizeof(Content));
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the command of \"%s\" failed", "falukeys.master_key_command"),
				 errdetail_internal("%s", wait_result_to_str(result))));
	}
}

bool
master_key_load(MasterKeys *keys)
{
	Content		content;
	bool		good;

	if (command_is_set())
		run_command(&content);
	else if (!read_file(&content))
		return false;

	good = parse(&content, keys);
	crypto_cleanse(&content, sizeof(content));
	if (good)
		return true;

	master_key_cleanse(keys);
	if (command_is_set())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the command of \"%s\" did not print a master key",
						"falukeys.master_key_command"),
				 errhint("A master key is %d hexadecimal digits.", MASTER_KEY_DIGITS)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("master key file \"%s\" does not hold a master key", master_key_file),
			 errhint("A master key is %d hexadecimal digits.", MASTER_KEY_DIGITS)));
	return false;
}

void
master_key_report_missing(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("master key file \"%s\" does not exist", master_key_file),
			 errdetail("Secrets are sealed under the key that it held, so no other one is made."),
			 errhint("Put the file back, mode 0600. If it is lost, write another key into it, as \"openssl rand -hex 32\" prints one, and roll the keys whose secrets are sealed.")));
}

static void
append_generated(Content *content)
{
	uint8		master[CRYPTO_KEY_LENGTH];

	crypto_random(master, sizeof(master));
	for (int i = 0; i < CRYPTO_KEY_LENGTH; i++)
	{
		content->text[content->length++] = "0123456789abcdef"[master[i] >> 4];
		content->text[content->length++] = "0123456789abcdef"[master[i] & 0x0f];
	}
	content->text[content->length++] = '\n';
	crypto_cleanse(master, sizeof(master));
}

/* Writes a file of our own beside the master key's, durably; cleanses the content. */
static void
write_beside(const char *path, Content *content)
{
	int			fd;
	bool		written;

	(void) unlink(path);
	fd = OpenTransientFilePerm(path, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY, 0600);
	written = fd >= 0 &&
		write(fd, content->text, content->length) == (ssize_t) content->length &&
		pg_fsync(fd) == 0;
	crypto_cleanse(content, sizeof(Content));
	if (written)
	{
		CloseTransientFile(fd);
		return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not write master key file \"%s\": %m", path)));
}

static void
beside_path(char path[MAXPGPATH])
{
	snprintf(path, MAXPGPATH, "%s.%d", master_key_file, MyProcPid);
}

/* Where two sessions make one at once, the first one's stays. */
void
master_key_create(void)
{
	Content		content = {.length = 0};
	char		path[MAXPGPATH];
	char		directory[MAXPGPATH];
	bool		linked;
	int			error;

	beside_path(path);
	append_generated(&content);
	write_beside(path, &content);

	linked = link(path, master_key_file) == 0;
	error = errno;
	(void) unlink(path);
	if (!linked && error != EEXIST)
	{
		errno = error;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not make master key file \"%s\": %m", master_key_file)));
	}

	strlcpy(directory, master_key_file, MAXPGPATH);
	get_parent_directory(directory);
	fsync_fname(directory[0] == '\0' ? "." : directory, true);
}

static void
replace_file(Content *content)
{
	char		path[MAXPGPATH];

	beside_path(path);
	write_beside(path, content);
	durable_rename(path, master_key_file, ERROR);
}

void
master_key_begin_rotation(void)
{
	Content		old;
	Content		both = {.length = 0};

	if (command_is_set())
		return;
	if (!read_file(&old))
		master_key_report_missing();
	append_generated(&both);
	if (both.length + old.length <= MASTER_KEY_MAX_CONTENT)
	{
		memcpy(both.text + both.length, old.text, old.length);
		both.length += old.length;
		crypto_cleanse(&old, sizeof(old));
		replace_file(&both);
		return;
	}

	crypto_cleanse(&old, sizeof(old));
	crypto_cleanse(&both, sizeof(both));
	ereport(WARNING,
			(errmsg("master key file \"%s\" is full", master_key_file),
			 errdetail("No new key is added: rotations that did not finish left many. Secrets are sealed anew under the first of them.")));
}

void
master_key_end_rotation(void)
{
	Content		content;

	if (command_is_set())
		return;
	if (!read_file(&content))
		master_key_report_missing();
	content.length = Min(content.length, MASTER_KEY_DIGITS);
	content.text[content.length++] = '\n';
	replace_file(&content);
}

bool
master_key_is_in_file(void)
{
	return !command_is_set();
}

const MasterKey *
master_key_find(const MasterKeys *keys, const uint8 *fingerprint)
{
	for (int i = 0; i < keys->count; i++)
	{
		if (crypto_equal(keys->keys[i].fingerprint, fingerprint, MASTER_KEY_FINGERPRINT_LENGTH))
			return &keys->keys[i];
	}
	return NULL;
}

void
master_key_cleanse(MasterKeys *keys)
{
	crypto_cleanse(keys, sizeof(MasterKeys));
}
