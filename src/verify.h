/*
 * verify.h
 *		Verification as SQL calls it: arguments in, a verdict out.
 */
#ifndef FALUKEYS_VERIFY_H
#define FALUKEYS_VERIFY_H

#include "postgres.h"

#include "fmgr.h"

#include "verdict.h"

/*
 * Looks up the type of the verdict before the key is verified, since an error
 * after the verification would hide that the key was used.
 */
extern void verify_prepare(FunctionCallInfo fcinfo);
extern void verify_request(FunctionCallInfo fcinfo, VerdictRequest *request);
extern Datum verify_verdict_datum(FunctionCallInfo fcinfo, const Verdict *verdict);

#endif							/* FALUKEYS_VERIFY_H */
