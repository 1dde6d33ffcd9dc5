/*
 * compat.h
 *		Every difference between the server versions that falukeys supports.
 */
#ifndef FALUKEYS_COMPAT_H
#define FALUKEYS_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "catalog/pg_proc.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* postgres.h no longer includes it from 16 on. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* From 18 on, and there instead of pg_attribute_noreturn(): before "extern" */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* Soft errors start with 16; before, an input function can only throw. */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
	do { (void) (context); ereport(ERROR, __VA_ARGS__); return dummy_value; } while (0)
#else
#include "nodes/miscnodes.h"
#endif

/*
 * What an input function makes of a text; false where the text is none of the
 * type's.  Before 16 that is caught, and only that: a cancellation or want of
 * memory is no one's bad input.
 */
static inline bool
compat_input(PGFunction function, char *input, Datum *result)
{
#if PG_VERSION_NUM >= 160000
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	return DirectInputFunctionCallSafe(function, input, InvalidOid, -1, (Node *) &escontext, result);
#else
	MemoryContext caller = CurrentMemoryContext;
	volatile bool good = true;

	PG_TRY();
	{
		*result = DirectFunctionCall3(function, CStringGetDatum(input),
									  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		int			code = geterrcode();

		if (ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION && code != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		good = false;
	}
	PG_END_TRY();
	return good;
#endif
}

#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, NULL, nkeys, 0)
#else
#define compat_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan(heap, index, snapshot, nkeys, 0)
#endif

/* What base64 decodes to are bytes from 18 on. */
#if PG_VERSION_NUM >= 180000
#define compat_b64_decode(source, length, out, capacity) \
	pg_b64_decode(source, length, (uint8 *) (out), capacity)
#else
#define compat_b64_decode(source, length, out, capacity) \
	pg_b64_decode(source, length, out, capacity)
#endif

#if PG_VERSION_NUM >= 160000
#define compat_function_aclcheck(function, role) \
	object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE)
#else
#define compat_function_aclcheck(function, role) \
	pg_proc_aclcheck(function, role, ACL_EXECUTE)
#endif

/* Were a relation's files exchanged in this transaction, which may yet roll back? */
#if PG_VERSION_NUM >= 160000
#define compat_has_new_storage(relation) \
	((relation)->rd_firstRelfilelocatorSubid != InvalidSubTransactionId)
#else
#define compat_has_new_storage(relation) \
	((relation)->rd_firstRelfilenodeSubid != InvalidSubTransactionId)
#endif

/* Which files a relation has */
#if PG_VERSION_NUM >= 160000
#define compat_relation_locator(relation)	((relation)->rd_locator)
#else
#define compat_relation_locator(relation)	((relation)->rd_node)
#endif

/*
 * Up to 16, an old snapshot may be too old to read a page, and what is stored
 * out of line is read by the oldest of a session's snapshots, whichever one saw
 * the row.  For a row that a snapshot taken just now sees, that is refused in vain.
 */
#if PG_VERSION_NUM >= 170000
#define compat_detoast_now(value)	PointerGetDatum(PG_DETOAST_DATUM(value))
#else
static inline Datum
compat_detoast_now(Datum value)
{
	int			threshold = old_snapshot_threshold;
	Datum		detoasted = 0;

	PG_TRY();
	{
		old_snapshot_threshold = -1;
		detoasted = PointerGetDatum(PG_DETOAST_DATUM(value));
	}
	PG_FINALLY();
	{
		old_snapshot_threshold = threshold;
	}
	PG_END_TRY();
	return detoasted;
}
#endif

/* The files of another database */
#if PG_VERSION_NUM >= 160000
typedef RelFileLocator CompatLocator;
#define compat_locator(tablespace, database, file) \
	((RelFileLocator) {.spcOid = tablespace,.dbOid = database,.relNumber = file})
#define compat_mapped_file(path, relation) \
	RelationMapOidToFilenumberForDatabase(path, relation)
#else
typedef RelFileNode CompatLocator;
#define compat_locator(tablespace, database, file) \
	((RelFileNode) {.spcNode = tablespace,.dbNode = database,.relNode = file})
#define compat_mapped_file(path, relation) \
	RelationMapOidToFilenodeForDatabase(path, relation)
#endif

#if PG_VERSION_NUM >= 170000
#define compat_smgropen(locator)	smgropen(locator, INVALID_PROC_NUMBER)
#else
#define compat_smgropen(locator)	smgropen(locator, InvalidBackendId)
#endif

/* What a DROP DATABASE leaves that was cut short; first minor versions lack it. */
#ifdef DATCONNLIMIT_INVALID_DB
#define COMPAT_DATABASE_IS_INVALID	DATCONNLIMIT_INVALID_DB
#else
#define COMPAT_DATABASE_IS_INVALID	(-2)
#endif

/* In just this mode, by this session */
#if PG_VERSION_NUM >= 170000
#define compat_lock_is_held(tag, mode)	LockHeldByMe(tag, mode, false)
#else
#define compat_lock_is_held(tag, mode)	LockHeldByMe(tag, mode)
#endif

/* Whether a plan is run to its end in one go is no longer asked from 18 on. */
#if PG_VERSION_NUM >= 180000
#define COMPAT_EXECUTOR_RUN_PARAMETERS	QueryDesc *query, ScanDirection direction, uint64 count
#define COMPAT_EXECUTOR_RUN_ARGUMENTS	query, direction, count
#else
#define COMPAT_EXECUTOR_RUN_PARAMETERS	QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define COMPAT_EXECUTOR_RUN_ARGUMENTS	query, direction, count, once
#endif

/* A failed assertion has no type of error from 16 on. */
#if PG_VERSION_NUM >= 160000
#define COMPAT_ASSERTION_PARAMETERS	const char *condition, const char *file, int line
#else
#define COMPAT_ASSERTION_PARAMETERS	const char *condition, const char *type, const char *file, int line
#endif

/* PG_MODULE_MAGIC carries a name and a version from 18 on. */
#ifdef PG_MODULE_MAGIC_EXT
#define COMPAT_MODULE_MAGIC(name_, version_) \
	PG_MODULE_MAGIC_EXT(.name = name_, .version = version_)
#else
#define COMPAT_MODULE_MAGIC(name_, version_) PG_MODULE_MAGIC
#endif

#endif							/* FALUKEYS_COMPAT_H */
