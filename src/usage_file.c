/*
 * usage_file.c
 *		Keeps what was counted over a restart of the server.
 *
 * As pg_stat_statements does, the postmaster writes what is left in memory to a
 * file when the server stops, and reads it when it starts.  The file stays
 * until that has succeeded, and is gone before anything of it can be flushed.
 *
 * Who starts in recovery may be a copy of another server, which flushes those
 * counts itself: they come with what is replayed.  So then only a file is read
 * that this data directory has had since it was in recovery before.  Others that
 * start from a copy have what was flushed before and no more, and go on.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_control.h"
#include "common/controldata_utils.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include "shared_memory.h"
#include "usage_counters.h"
#include "usage_file.h"

#define KEPT_FILE		"pg_stat/falukeys.usage"
#define KEPT_MAGIC		0xFA1C0002

typedef struct KeptHeader
{
	uint32		magic;
	uint32		record_size;
	uint32		records;
	uint32		in_recovery;	/* did a standby write it? */
	uint64		inode;			/* of the file: a copy has another one */
} KeptHeader;

typedef struct KeptRecord
{
	Oid			database;
	UsageCounts counts;
} KeptRecord;

static DBState
state_of_server(void)
{
	bool		intact;
	ControlFileData *control = get_controlfile(DataDir, &intact);
	DBState		state = intact ? control->state : DB_STARTUP;

	pfree(control);
	return state;
}

static uint64
inode_of(FILE *file)
{
	struct stat about;

	return fstat(fileno(file), &about) == 0 ? (uint64) about.st_ino : 0;
}

static bool
starts_in_recovery(void)
{
	return access(STANDBY_SIGNAL_FILE, F_OK) == 0 || access(RECOVERY_SIGNAL_FILE, F_OK) == 0;
}

static bool
write_records(FILE *file, bool in_recovery)
{
	KeptHeader	header = {.magic = KEPT_MAGIC,.record_size = sizeof(KeptRecord),
		.in_recovery = in_recovery,.inode = inode_of(file)
	};
	KeptRecord	record;
	uint32		position = 0;
	bool		written;

	/* memset also clears padding.  The number of records is written at the end. */
	memset(&record, 0, sizeof(record));
	written = fwrite(&header, sizeof(header), 1, file) == 1;
	while (written && usage_export(&position, &record.database, &record.counts))
	{
		written = fwrite(&record, sizeof(record), 1, file) == 1;
		header.records++;
	}
	return written && fseek(file, 0, SEEK_SET) == 0 &&
		fwrite(&header, sizeof(header), 1, file) == 1;
}

/*
 * In the postmaster, when all other processes have ended.  After a crash or an
 * immediate shutdown some counts may be in the middle of a flush, so nothing
 * is written.
 */
static void
write_file(int code, Datum arg)
{
	DBState		state = state_of_server();
	FILE	   *file;
	bool		written;

	if (code != 0 || (state != DB_SHUTDOWNED && state != DB_SHUTDOWNED_IN_RECOVERY))
		return;
	if (usage_databases() == NIL)
	{
		usage_file_remove();
		return;
	}

	file = AllocateFile(KEPT_FILE ".tmp", PG_BINARY_W);
	written = file != NULL && write_records(file, state == DB_SHUTDOWNED_IN_RECOVERY);
	if (file != NULL && FreeFile(file) != 0)
		written = false;
	if (written)
		(void) durable_rename(KEPT_FILE ".tmp", KEPT_FILE, LOG);
	else
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", KEPT_FILE ".tmp")));
		unlink(KEPT_FILE ".tmp");
	}
}

static bool
read_records(FILE *file)
{
	KeptHeader	header;
	KeptRecord	record;

	if (fread(&header, sizeof(header), 1, file) != 1 ||
		header.magic != KEPT_MAGIC || header.record_size != sizeof(KeptRecord))
		return false;
	if (starts_in_recovery() && !(header.in_recovery && header.inode == inode_of(file)))
	{
		ereport(LOG,
				(errmsg("ignoring file \"%s\", which another server has written", KEPT_FILE)));
		return true;
	}
	for (uint32 i = 0; i < header.records; i++)
	{
		if (fread(&record, sizeof(record), 1, file) != 1)
			return false;
		record.counts.key_id.text[IDENTIFIER_MAX_LENGTH] = '\0';
		usage_import(record.database, &record.counts);
	}
	return true;
}

static void
read_file(void)
{
	FILE	   *file = AllocateFile(KEPT_FILE, PG_BINARY_R);

	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", KEPT_FILE)));
		return;
	}
	if (!read_records(file))
		ereport(LOG,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("ignoring invalid data in file \"%s\"", KEPT_FILE)));
	FreeFile(file);
}

void
usage_file_remove(void)
{
	if (access(KEPT_FILE, F_OK) == 0)
		(void) durable_unlink(KEPT_FILE, LOG);
}

static void
attach(void *memory, bool first)
{
	usage_counters_attach(memory, first);
	if (first)
		read_file();
	if (!IsUnderPostmaster)
		on_shmem_exit(write_file, (Datum) 0);
}

void
usage_file_request(void)
{
	static const SharedMemory wanted = {USAGE_MEMORY, usage_counters_size, USAGE_LOCKS, attach};

	shared_memory_request(&wanted);
}
