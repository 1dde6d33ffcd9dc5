/*
 * acting_in.c
 *		The one workspace that a session has narrowed itself to.
 *
 * A backend for many customers sets falukeys.acting_in for each request, so that
 * a check that it forgets cannot reach another customer.  The setting gives no
 * right, and anyone may reset it.  A value that is not an id excludes every
 * workspace.  This includes values that are too long, from a configuration file,
 * a role or a connection: to refuse them there would leave the setting empty.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "acting_in.h"
#include "argument.h"
#include "identifier.h"
#include "texts.h"

#define NO_WORKSPACE	"?"

char	   *acting_in = NULL;

static bool defined = false;

void
acting_in_is_defined(void)
{
	defined = true;
}

/*
 * The message is ours, since the server's would show the value, which may be a
 * key.  While the setting is being defined, a value from before is only warned
 * of.
 */
bool
acting_in_check(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) <= IDENTIFIER_MAX_LENGTH)
		return true;
	if (defined && source >= PGC_S_INTERACTIVE)
	{
		GUC_check_errcode(ERRCODE_INVALID_PARAMETER_VALUE);
		GUC_check_errmsg("invalid value for parameter \"falukeys.acting_in\"");
		GUC_check_errdetail("The id of a workspace has %d characters.", IDENTIFIER_MAX_LENGTH);
		return false;
	}
	strcpy(*newval, NO_WORKSPACE);
	return true;
}

bool
acting_in_is_set(void)
{
	return acting_in != NULL && acting_in[0] != '\0';
}

text *
acting_in_workspace(void)
{
	text	   *workspace;

	if (!acting_in_is_set())
		return NULL;
	workspace = cstring_to_text(acting_in);
	return identifier_is_valid(IDENTIFIER_WORKSPACE, workspace) ? workspace : NULL;
}

bool
acting_in_excludes(const text *workspace)
{
	text	   *only;

	if (!acting_in_is_set())
		return false;
	only = acting_in_workspace();
	return only == NULL ||
		VARSIZE_ANY_EXHDR(only) != VARSIZE_ANY_EXHDR(workspace) ||
		memcmp(VARDATA_ANY(only), VARDATA_ANY(workspace), VARSIZE_ANY_EXHDR(only)) != 0;
}

int
acting_in_hint(void)
{
	return errhint("The setting \"falukeys.acting_in\" narrows this session to workspace \"%s\" and its keys.",
				   argument_shown(cstring_to_text(texts_valid(acting_in))));
}
