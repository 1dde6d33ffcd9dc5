// What the scripts for Node share: checks, as lines that t/DriverTest.pm reads.
import { inspect } from 'node:util'

export const env = process.env
export const direct = { host: env.PGHOST, port: Number(env.PGPORT), database: 'postgres' }
export const pooled = { host: env.POOLER_HOST, port: Number(env.POOLER_PORT), database: 'app' }

// A key with a wrong checksum
export const broken = (key) => key.slice(0, -1) + (key.endsWith('A') ? 'B' : 'A')

export function is(saw, expected, what) {
	const good = inspect(saw) === inspect(expected)
	console.log(`${good ? 'ok' : 'not ok'} - ${what}`)
	if (!good) console.log(`expected ${inspect(expected)}, got ${inspect(saw)}`)
}

// A row of verify_key for the key ANN
export function isVerdict(verdict) {
	is(
		Object.keys(verdict),
		['valid', 'code', 'key_id', 'workspace_id', 'kind', 'mode', 'expires_at', 'meta'],
		'a verdict has its columns'
	)
	is(
		[verdict.valid, verdict.code, verdict.kind, verdict.mode, verdict.expires_at],
		[true, 'valid', 'secret', 'test', null],
		'as JavaScript has them'
	)
	is([verdict.workspace_id, verdict.meta], [env.ANN_WORKSPACE, { plan: 'free' }], 'jsonb is an object')
}

// The error that a promise is rejected with
export async function error(promise) {
	try {
		await promise
	} catch (e) {
		return e
	}
	return { code: 'no error' }
}

// SQLSTATE and DETAIL; what a log would print of the error may have no key in it.
export async function refused(promise, expected, what) {
	const e = await error(promise)
	is([e.code, e.detail], expected, what)
	const shown = inspect(e, { depth: 9 }) + e.stack + JSON.stringify(e)
	is(/fsk[tl]_[0-9A-Za-z]{20}/.test(shown), false, `${what}: no key in the error`)
}

export function done() {
	console.log('done')
}
