/*
 * master_key.c
 *		The key outside the database under which secrets are sealed.
 *
 * It is read at each use, which is rare, and cleansed after it, so that no
 * backend holds it while it runs other SQL.
 *
 * A file, or a command's output, holds one or more keys of 64 hexadecimal
 * digits, set apart by white space.  A file is shared by all databases of the
 * server.  It is only ever replaced as a whole, and who reads it to replace it
 * holds one lock for the server from before.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "command.h"
#include "lock_tag.h"
#include "master_key.h"

#define MASTER_KEY_DIGITS		(2 * CRYPTO_KEY_LENGTH)
#define MASTER_KEY_MAX_CONTENT	(MASTER_KEY_MAX_COUNT * (MASTER_KEY_DIGITS + 2))

/* Not a name that a person would give to a copy */
#define BESIDE					".new."

char	   *master_key_file = NULL;
char	   *master_key_command = NULL;

/* What a file or a command gave */
typedef struct Content
{
	size_t		length;
	char		text[MASTER_KEY_MAX_CONTENT + 1];
} Content;

void
master_key_lock(LOCKMODE mode)
{
	LOCKTAG		tag;

	lock_tag_of_server(&tag, LOCK_MASTER_KEY);
	(void) LockAcquire(&tag, mode, false, false);
	/* So that we see what the previous holder committed in the shared catalogs */
	AcceptInvalidationMessages();
}

static bool
command_is_set(void)
{
	return master_key_command != NULL && master_key_command[0] != '\0';
}

static void
derive(MasterKey *key, const uint8 master[CRYPTO_KEY_LENGTH])
{
	crypto_derive(master, "falukeys sealed secrets", key->sealing_key, CRYPTO_KEY_LENGTH);
	crypto_derive(master, "falukeys fingerprint", key->fingerprint,
				  MASTER_KEY_FINGERPRINT_LENGTH);
}

/* The digits of the next key, or NULL. *good is false where there is something else. */
static const char *
next_key(const Content *content, size_t *at, bool *good)
{
	const char *key;

	while (*at < content->length && isspace((unsigned char) content->text[*at]))
		(*at)++;
	*good = true;
	if (*at == content->length)
		return NULL;

	key = content->text + *at;
	*good = content->length - *at >= MASTER_KEY_DIGITS;
	for (int i = 0; *good && i < MASTER_KEY_DIGITS; i++)
		*good = isxdigit((unsigned char) key[i]);
	if (*good)
		*at += MASTER_KEY_DIGITS;
	*good = *good && (*at == content->length || isspace((unsigned char) content->text[*at]));
	return *good ? key : NULL;
}

/* False where the content has anything else than keys. */
static bool
parse(const Content *content, MasterKeys *keys)
{
	uint8		master[CRYPTO_KEY_LENGTH];
	const char *key;
	size_t		at = 0;
	bool		good;

	keys->count = 0;
	while ((key = next_key(content, &at, &good)) != NULL)
	{
		if (keys->count == MASTER_KEY_MAX_COUNT)
		{
			good = false;
			break;
		}
		(void) hex_decode(key, MASTER_KEY_DIGITS, (char *) master);
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

	/*
	 * The same rule as the server's for TLS keys: a file of root's may be
	 * readable by its group.
	 */
	if (status.st_mode & (status.st_uid == geteuid() ? 0077 : 0037))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("master key file \"%s\" has group or world access", master_key_file),
				 errhint("Set its permissions to u=rw (0600), or, where root owns it, to u=rw,g=r (0640); if others may have read it, call falukeys.rotate_master_key().")));
}

/*
 * False where there is no file.  O_NONBLOCK, since opening a FIFO, for
 * example, would wait.
 */
static bool
read_file(Content *content)
{
	int			fd = OpenTransientFile(master_key_file, O_RDONLY | O_NONBLOCK | PG_BINARY);
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
	int			result = command_run(master_key_command, content->text,
									 MASTER_KEY_MAX_CONTENT, &content->length);

	if (result == 0)
		return;
	crypto_cleanse(content, sizeof(Content));
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not run the command of \"%s\": %m", "falukeys.master_key_command")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the command of \"%s\" failed", "falukeys.master_key_command"),
			 errdetail_internal("%s", wait_result_to_str(result))));
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
	content->length += hex_encode((const char *) master, CRYPTO_KEY_LENGTH,
								  content->text + content->length);
	content->text[content->length++] = '\n';
	crypto_cleanse(master, sizeof(master));
}

static char *
beside_path(pid_t process)
{
	return psprintf("%s" BESIDE "%d", master_key_file, (int) process);
}

static void
file_directory(char directory[MAXPGPATH])
{
	strlcpy(directory, master_key_file, MAXPGPATH);
	get_parent_directory(directory);
	if (directory[0] == '\0')
		strlcpy(directory, ".", MAXPGPATH);
}

/* The process that a file beside the master key's was being written by, or 0 */
static pid_t
writer_of(const char *name)
{
	const char *base = last_dir_separator(master_key_file);
	char	   *end;
	long		process;

	base = base == NULL ? master_key_file : base + 1;
	if (strncmp(name, base, strlen(base)) != 0 ||
		strncmp(name + strlen(base), BESIDE, strlen(BESIDE)) != 0)
		return 0;
	name += strlen(base) + strlen(BESIDE);
	if (*name < '1' || *name > '9')
		return 0;
	process = strtol(name, &end, 10);
	return *end == '\0' && process <= INT_MAX ? (pid_t) process : 0;
}

/* Removes files with a key in them that were left by processes which were killed. */
static void
remove_stale(void)
{
	char		directory[MAXPGPATH];
	DIR		   *files;
	struct dirent *entry;

	file_directory(directory);
	files = AllocateDir(directory);
	while (files != NULL && (entry = ReadDirExtended(files, directory, LOG)) != NULL)
	{
		pid_t		writer = writer_of(entry->d_name);

		if (writer == 0 || (writer != MyProcPid && (kill(writer, 0) == 0 || errno != ESRCH)))
			continue;
		(void) unlink(beside_path(writer));
	}
	if (files != NULL)
		FreeDir(files);
}

static int
hint_of_directory(void)
{
	return errhint("Its directory must have room and be writable for the server's user; \"falukeys.master_key_file\" can name a file in another one.");
}

/* All of it, durably; else false, with errno */
static bool
write_all(int fd, const Content *content)
{
	ssize_t		written = write(fd, content->text, content->length);

	if (written == (ssize_t) content->length)
		return pg_fsync(fd) == 0;
	if (written >= 0)
		errno = ENOSPC;
	return false;
}

/*
 * Writes the content durably to a file of our own beside the master key's, and
 * returns its path; leaves no file after an error.  Cleanses the content.
 */
static char *
write_beside(Content *content)
{
	char	   *path = beside_path(MyProcPid);
	int			fd;
	bool		written;
	int			error;

	remove_stale();
	fd = OpenTransientFilePerm(path, O_CREAT | O_EXCL | O_WRONLY | PG_BINARY, 0600);
	written = fd >= 0 && write_all(fd, content);
	error = errno;
	crypto_cleanse(content, sizeof(Content));
	if (fd >= 0 && CloseTransientFile(fd) != 0 && written)
	{
		error = errno;
		written = false;
	}
	if (written)
		return path;

	if (fd >= 0)
		(void) unlink(path);
	errno = error;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("could not write master key file \"%s\": %m", path),
			 hint_of_directory()));
	return NULL;
}

/* If two sessions make one at the same time, that of the first one stays. */
void
master_key_create(void)
{
	Content		content = {.length = 0};
	char	   *path;
	char		directory[MAXPGPATH];
	bool		linked;
	int			error;

	append_generated(&content);
	path = write_beside(&content);

	linked = link(path, master_key_file) == 0;
	error = errno;
	(void) unlink(path);
	if (!linked && error != EEXIST)
	{
		errno = error;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not make master key file \"%s\": %m", master_key_file),
				 hint_of_directory()));
	}

	/* Not fsync_fname, whose failure is a PANIC: no data of the server's is lost. */
	file_directory(directory);
	if (fsync_fname_ext(directory, true, false, LOG) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not make master key file \"%s\" durable", master_key_file),
				 errdetail("The server's log says why its directory could not be written to disk."),
				 errhint("Look after the disk, and try again.")));
}

static void
replace_file(Content *content)
{
	char	   *path = write_beside(content);

	PG_TRY();
	{
		durable_rename(path, master_key_file, ERROR);
	}
	PG_CATCH();
	{
		(void) unlink(path);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Up to this many of the file's keys, one a line */
static void
append_from_file(Content *content, int count)
{
	Content		old;
	const char *key;
	size_t		at = 0;
	bool		good;

	if (!read_file(&old))
		master_key_report_missing();
	while (count-- > 0 && (key = next_key(&old, &at, &good)) != NULL)
	{
		memcpy(content->text + content->length, key, MASTER_KEY_DIGITS);
		content->length += MASTER_KEY_DIGITS;
		content->text[content->length++] = '\n';
	}
	crypto_cleanse(&old, sizeof(old));
}

void
master_key_put_new_first(void)
{
	Content		content = {.length = 0};

	append_generated(&content);
	append_from_file(&content, MASTER_KEY_MAX_COUNT - 1);
	replace_file(&content);
}

void
master_key_keep(int count)
{
	Content		content = {.length = 0};

	append_from_file(&content, count);
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
