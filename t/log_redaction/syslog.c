/*
 * syslog.c
 *		Takes the place of the C library's syslog(), for t/036: appends to a file.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void
append(const char *format, va_list arguments)
{
	const char *name = getenv("SYSLOG_FILE");
	FILE	   *file = name != NULL ? fopen(name, "a") : NULL;

	if (file == NULL)
		return;
	vfprintf(file, format, arguments);
	fputc('\n', file);
	fclose(file);
}

void
syslog(int priority, const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	append(format, arguments);
	va_end(arguments);
}

/* What a fortified server calls */
void
__syslog_chk(int priority, int flag, const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	append(format, arguments);
	va_end(arguments);
}
