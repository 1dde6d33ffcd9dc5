// Node's "pg"
import pg from 'pg'
import { env, broken, direct, pooled, is, isVerdict, refused, done } from './checks.mjs'

const app = new pg.Pool({ ...direct, user: 'app', max: 2 })
const admin = new pg.Pool({ ...direct, user: 'admin', max: 1 })
const superuser = new pg.Pool({ ...direct, user: env.SUPERUSER, max: 1 })
const rows = async (pool, ...query) => (await pool.query(...query)).rows
const value = async (pool, ...query) => Object.values((await rows(pool, ...query))[0])[0]
app.on('error', () => {}) // connections that are ended below

// A transaction on one connection
async function transaction(pool, work) {
	const client = await pool.connect()
	try {
		await client.query('BEGIN')
		const result = await work(client)
		await client.query('COMMIT')
		return result
	} catch (e) {
		await client.query('ROLLBACK')
		throw e
	} finally {
		client.release()
	}
}

// The verdict
const [verdict] = await rows(app, 'SELECT * FROM falukeys.verify_key($1)', [env.ANN])
isVerdict(verdict)
is(
	(await value(app, 'SELECT falukeys.verify_key($1)', [env.ANN])).startsWith('(t,valid,key_'),
	true,
	'a verdict as one column is text'
)
is((await value(app, 'SELECT to_jsonb(falukeys.verify_key($1))', [env.ANN])).code, 'valid', 'and an object by to_jsonb')
is(
	await value(app, 'SELECT falukeys.key_allows($1, NULL, $2)', [env.ANN, '192.0.2.1']),
	true,
	'key_allows is a boolean'
)
is(await value(app, 'SELECT code FROM falukeys.verify_key($1)', [null]), 'malformed', 'null is no key')

// Arrays
const create = 'SELECT id, key FROM falukeys.create_key($1, $2, $3, permissions => $4, networks => $5::text[]::cidr[])'
const key = (
	await rows(admin, create, [env.ANN_WORKSPACE, 'secret', 'test', ['messages'], ['192.0.2.0/24', '2001:db8::/32']])
)[0]
is(
	(await rows(admin, 'SELECT permissions, networks::text[] FROM falukeys.dashboard WHERE key_id = $1', [key.id]))[0],
	{ permissions: ['messages'], networks: ['192.0.2.0/24', '2001:db8::/32'] },
	'arrays go in and come out'
)
await refused(
	rows(admin, create, [env.ANN_WORKSPACE, 'secret', 'test', [], null]),
	['22023', undefined],
	'an empty array'
)
is(
	await rows(
		app,
		`SELECT v.code FROM unnest($1::text[]) WITH ORDINALITY AS k (key, n),
			falukeys.verify_key(k.key, client => $2) AS v ORDER BY n`,
		[[env.ANN, key.key, 'x'], '198.51.100.1']
	),
	[{ code: 'valid' }, { code: 'network_denied' }, { code: 'malformed' }],
	'many keys at once'
)
is(
	(await rows(app, 'SELECT falukeys.apikey_of($1)::falukeys.apikey AS handle', [key.key]))[0].handle.startsWith(
		`fskt_****${key.key.slice(-4)}:`
	),
	true,
	'a handle is text'
)

// Prepared statements
const prepared = { name: 'verify', text: 'SELECT code FROM falukeys.verify_key($1, client => $2)' }
const verify = (k) => value(app, { ...prepared, values: [k, '192.0.2.1'] })
for (let i = 0; i < 12; i++) await verify(env.ANN)
is([await verify(key.key), await verify('x')], ['valid', 'malformed'], 'a prepared statement')
await admin.query('SELECT falukeys.disable_key($1)', [key.id])
is(await verify(key.key), 'disabled', 'sees what changed')
await superuser.query('ALTER TYPE falukeys.verdict ADD ATTRIBUTE note text')
await superuser.query('ALTER TABLE falukeys.keys ADD COLUMN note text')
is([await verify(env.ANN), await verify(key.key)], ['valid', 'disabled'], 'after ALTER')
await superuser.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
while ((await value(superuser, "SELECT count(*)::integer FROM pg_stat_activity WHERE usename = 'app'")) > 0);
await verify(env.ANN).catch(() => {})
is([await verify(env.ANN), await verify(key.key)], ['valid', 'disabled'], 'after it has connected anew')

// Errors
const authenticate = (client, k, permission) =>
	rows(client, 'SELECT workspace_id FROM falukeys.authenticate($1, $2)', [k, permission])
await refused(
	transaction(app, (c) => authenticate(c, key.key)),
	['28000', 'disabled'],
	'a disabled key'
)
await admin.query('SELECT falukeys.enable_key($1)', [key.id])
await refused(
	transaction(app, (c) => authenticate(c, key.key)),
	['42501', 'network_denied'],
	'a denied network'
)
await refused(
	transaction(app, (c) => authenticate(c, broken(env.ANN))),
	['28000', 'malformed'],
	'a malformed key'
)
await refused(
	rows(app, 'SELECT $1::falukeys.apikey', [broken(env.ANN)]),
	['22P02', 'The checksum at the end of the key is wrong.'],
	'no handle'
)
const nobody = new pg.Pool({ ...direct, user: 'nobody', max: 1 })
await refused(rows(nobody, 'SELECT * FROM falukeys.verify_key($1)', [env.ANN]), ['42501', undefined], 'no grant')

// The identity
await transaction(app, async (c) => {
	is(await authenticate(c, env.ANN), [{ workspace_id: env.ANN_WORKSPACE }], 'an identity')
	await c.query('INSERT INTO message (body) VALUES ($1)', ['of ann'])
})
const attempt = { name: 'attempt', text: 'SELECT valid, code FROM falukeys.try_authenticate($1)' }
const bodies = { name: 'bodies', text: 'SELECT body FROM message ORDER BY id' }
await transaction(app, async (c) => {
	is(await rows(c, { ...attempt, values: ['x'] }), [{ valid: false, code: 'malformed' }], 'try_authenticate answers')
	is(await rows(c, bodies), [], 'and no one sees nothing')
	is(
		await rows(c, { ...attempt, values: [env.ANN] }),
		[{ valid: true, code: 'valid' }],
		'in a transaction that goes on'
	)
	is(await rows(c, bodies), [{ body: 'of ann' }], 'with an identity, now')
	is(await rows(c, { ...attempt, values: [env.BEN] }), [{ valid: true, code: 'valid' }], 'or another one')
	is(await rows(c, bodies), [], 'that does not see it')
})
is(await rows(app, bodies), [], 'no one is left after the transaction')

// bigint
is(await value(superuser, 'SELECT id FROM message'), '1', 'bigint is a string')

// LISTEN
const listener = new pg.Client({ ...direct, user: 'app' })
await listener.connect()
await listener.query('LISTEN falukeys')
const heard = new Promise((resolve) => listener.once('notification', resolve))
await admin.query('SELECT falukeys.revoke_key($1)', [key.id])
const { id } = JSON.parse((await heard).payload)
is(
	await rows(listener, 'SELECT event, key_id FROM falukeys.key_changes WHERE event_id = $1', [id]),
	[{ event: 'key.revoked', key_id: key.id }],
	'a change is heard of'
)

// pgbouncer in transaction mode: without names, for named statements are a connection's
const pool = new pg.Pool({ ...pooled, max: 4 })
const names = ['ANN', 'BEN']
const requests = Array.from({ length: 40 }, (_, i) =>
	transaction(pool, async (c) => {
		const name = names[i % 2]
		const [{ workspace_id }] = await authenticate(c, env[name])
		const found = await rows(c, 'SELECT body FROM message WHERE body <> $1', [''])
		return workspace_id === env[`${name}_WORKSPACE`] && found.length === (name === 'ANN' ? 1 : 0)
	})
)
is(
	(await Promise.all(requests)).every((good) => good),
	true,
	'each transaction behind pgbouncer has its own identity'
)
is(await value(pool, 'SELECT falukeys.current_key_id()'), null, 'and leaves none')

await Promise.all([app, admin, superuser, nobody, pool, listener].map((p) => p.end()))
done()
