/*
 * workspaces.c
 *		Workspaces and their members.
 *
 * These functions change one row each; the rest, the pairs of keys and what is
 * recorded, follows from the triggers.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "access.h"
#include "argument.h"
#include "events.h"
#include "guards.h"
#include "precedence.h"
#include "spi_owner.h"
#include "texts.h"

PG_FUNCTION_INFO_V1(workspaces_create);
PG_FUNCTION_INFO_V1(workspaces_approve);
PG_FUNCTION_INFO_V1(workspaces_suspend);
PG_FUNCTION_INFO_V1(workspaces_resume);
PG_FUNCTION_INFO_V1(workspaces_close);
PG_FUNCTION_INFO_V1(workspaces_describe);
PG_FUNCTION_INFO_V1(workspaces_add_member);
PG_FUNCTION_INFO_V1(workspaces_remove_member);

/* Within a spi_owner_begin */
static void
put_member(const text *workspace, Oid member, Datum role)
{
	Parameter	who = {REGROLEOID, ObjectIdGetDatum(member), false};
	Parameter	as = parameter_of("workspace_role", role, false);

	if (SPI_OWNER_RUN("INSERT INTO falukeys.members (workspace_id, member, role) VALUES ($1, $2, $3)"
					  " ON CONFLICT (workspace_id, member) DO NOTHING",
					  parameter_text(workspace), who, as) == 0)
		SPI_OWNER_RUN("UPDATE falukeys.members SET role = $3"
					  " WHERE workspace_id = $1 AND member = $2",
					  parameter_text(workspace), who, as);
}

static void
check_name(const text *name)
{
	if (VARSIZE_ANY_EXHDR(name) == 0)
		ARGUMENT_REFUSE("argument \"%s\" must not be empty", "name");
	argument_check_length("name", name, ARGUMENT_MAX_NAME);
}

Datum
workspaces_create(PG_FUNCTION_ARGS)
{
	text	   *name = argument_text(fcinfo, 0, "name");
	Oid			administrator = InvalidOid;
	SpiOwner	spi;
	bool		null;
	text	   *id;

	access_check_platform("create_workspace");
	check_name(name);
	if (!PG_ARGISNULL(1))
	{
		administrator = argument_role(fcinfo, 1, "administrator");
		access_check_administrator(administrator);
	}

	store_lock_for_writing();
	spi_owner_begin(&spi);
	SPI_OWNER_RUN("INSERT INTO falukeys.workspaces (name) VALUES ($1) RETURNING id",
				  parameter_text(name));
	id = DatumGetTextPP(spi_owner_carry(spi_owner_result(1, &null)));
	if (OidIsValid(administrator))
		put_member(id, administrator,
				   ObjectIdGetDatum(catalog_enum_oid("workspace_role", "administrator")));
	spi_owner_end(&spi);
	PG_RETURN_TEXT_P(id);
}

/* Within a spi_owner_begin: the state, with the row locked against another change */
static WorkspaceState
lock_workspace(const text *workspace, const char *stop)
{
	bool		null;

	if (!precedence_lock(PRECEDENCE_WORKSPACE, workspace, stop) ||
		SPI_OWNER_RUN("SELECT state FROM falukeys.workspaces WHERE id = $1",
					  parameter_text(workspace)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("workspace \"%s\" does not exist", argument_shown(workspace)),
				 errhint("The ids of all workspaces are in falukeys.workspace_list.")));
	return catalog_workspace_state(DatumGetObjectId(spi_owner_result(1, &null)));
}

static void
notice_nothing_to_do(const text *workspace, WorkspaceState state)
{
	const char *shown = argument_shown(workspace);

	ereport(NOTICE,
			(state == WORKSPACE_APPROVED ? errmsg("workspace \"%s\" is approved already", shown) :
			 state == WORKSPACE_SUSPENDED ? errmsg("workspace \"%s\" is suspended already", shown) :
			 errmsg("workspace \"%s\" is closed already", shown)));
}

Datum
workspaces_approve(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	SpiOwner	spi;

	access_check_acting_in(workspace);
	store_lock_for_writing();
	spi_owner_begin(&spi);
	switch (lock_workspace(workspace, NULL))
	{
		case WORKSPACE_PENDING:
			SPI_OWNER_RUN("UPDATE falukeys.workspaces SET state = 'approved' WHERE id = $1",
						  parameter_text(workspace));
			break;
		case WORKSPACE_APPROVED:
			notice_nothing_to_do(workspace, WORKSPACE_APPROVED);
			break;
		case WORKSPACE_SUSPENDED:
			GUARDS_REFUSE("a suspended workspace cannot be approved",
						  "Resume it first, with falukeys.resume_workspace().");
			break;
		case WORKSPACE_CLOSED:
			GUARDS_REFUSE("a closed workspace cannot be approved", "Create another one.");
			break;
	}
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

Datum
workspaces_suspend(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	text	   *reason = argument_stored_text(fcinfo, 1, "reason");
	SpiOwner	spi;

	access_check_acting_in(workspace);
	precedence_lock_tables("suspend_workspace", ACCESS_OPERATOR);
	spi_owner_begin(&spi);
	switch (lock_workspace(workspace, "suspend_workspace"))
	{
		case WORKSPACE_SUSPENDED:
			notice_nothing_to_do(workspace, WORKSPACE_SUSPENDED);
			break;
		case WORKSPACE_CLOSED:
			GUARDS_REFUSE("a closed workspace cannot be suspended",
						  "All of its keys are refused already.");
			break;
		default:
			SPI_OWNER_RUN("UPDATE falukeys.workspaces SET state = 'suspended', state_reason = $2"
						  " WHERE id = $1",
						  parameter_text(workspace),
						  parameter_text(reason));
	}
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

Datum
workspaces_resume(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	WorkspaceState state;
	SpiOwner	spi;

	access_check_acting_in(workspace);
	store_lock_for_writing();
	spi_owner_begin(&spi);
	state = lock_workspace(workspace, NULL);
	if (state == WORKSPACE_CLOSED)
		GUARDS_REFUSE("a closed workspace cannot be resumed",
					  "Create another one.");
	if (state != WORKSPACE_SUSPENDED)
		GUARDS_REFUSE("only a suspended workspace can be resumed",
					  "The states of all workspaces are in falukeys.workspace_list.");
	SPI_OWNER_RUN("UPDATE falukeys.workspaces SET state = suspended_from WHERE id = $1",
				  parameter_text(workspace));
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

Datum
workspaces_close(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	text	   *reason = argument_stored_text(fcinfo, 1, "reason");
	SpiOwner	spi;

	access_check_acting_in(workspace);
	precedence_lock_tables("close_workspace", ACCESS_OPERATOR);
	spi_owner_begin(&spi);
	if (lock_workspace(workspace, "close_workspace") == WORKSPACE_CLOSED)
		notice_nothing_to_do(workspace, WORKSPACE_CLOSED);
	else
		SPI_OWNER_RUN("UPDATE falukeys.workspaces SET state = 'closed', state_reason = $2"
					  " WHERE id = $1",
					  parameter_text(workspace),
					  parameter_text(reason));
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

/* The trigger masks keys in the name, and records what has changed. */
Datum
workspaces_describe(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	text	   *name = PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1);
	Datum		meta = argument_stored_meta(fcinfo, 2, "meta");
	SpiOwner	spi;

	store_lock_for_writing();
	access_check_workspace(workspace, ACCESS_ADMINISTRATOR_OR_OPERATOR, NULL);
	if (name == NULL && meta == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to change"),
				 errhint("Give \"name\" or \"meta\".")));
	if (name != NULL)
		check_name(name);
	spi_owner_begin(&spi);
	(void) lock_workspace(workspace, NULL);
	SPI_OWNER_RUN("UPDATE falukeys.workspaces SET name = coalesce($2, name),"
				  " meta = coalesce($3, meta) WHERE id = $1",
				  parameter_text(workspace),
				  parameter_text(name),
				  (Parameter) {JSONBOID, meta, meta == 0});
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

Datum
workspaces_add_member(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	Oid			member = argument_role(fcinfo, 1, "member");
	SpiOwner	spi;

	argument_require(fcinfo, 2, "role");
	store_lock_for_writing();
	access_check_workspace(workspace, ACCESS_ADMINISTRATOR, NULL);
	spi_owner_begin(&spi);
	/*
	 * The guard locks it after the row of the member, so two sessions would
	 * wait for each other.
	 */
	(void) lock_workspace(workspace, NULL);
	put_member(workspace, member, PG_GETARG_DATUM(2));
	spi_owner_end(&spi);
	PG_RETURN_VOID();
}

/* A role that was dropped can be removed too, by its OID. */
Datum
workspaces_remove_member(PG_FUNCTION_ARGS)
{
	text	   *workspace = argument_workspace(fcinfo, 0);
	Oid			member;
	SpiOwner	spi;
	uint64		removed;

	argument_require(fcinfo, 1, "member");
	member = PG_GETARG_OID(1);
	store_lock_for_writing();
	access_check_workspace(workspace, ACCESS_ADMINISTRATOR, NULL);
	spi_owner_begin(&spi);
	(void) lock_workspace(workspace, NULL);
	removed = SPI_OWNER_RUN("DELETE FROM falukeys.members WHERE workspace_id = $1 AND member = $2",
							parameter_text(workspace),
							(Parameter) {REGROLEOID, ObjectIdGetDatum(member), false});
	spi_owner_end(&spi);
	if (removed == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" is not a member of workspace \"%s\"",
						GetUserNameFromId(member, true) ? GetUserNameFromId(member, true) : "?",
						argument_shown(workspace))));
	PG_RETURN_VOID();
}
