// Node's "postgres"
import { setTimeout } from 'node:timers/promises'
import postgres from 'postgres'
import { env, broken, direct, pooled, is, isVerdict, refused, done } from './checks.mjs'

const app = postgres({ ...direct, user: 'app', max: 2 })
const admin = postgres({ ...direct, user: 'admin', max: 1 })
const superuser = postgres({ ...direct, user: env.SUPERUSER, max: 1 })
const value = async (query) => Object.values((await query)[0])[0]
const plain = async (query) => (await query).map((row) => ({ ...row }))

// The verdict
const [verdict] = await app`SELECT * FROM falukeys.verify_key(${env.ANN})`
isVerdict(verdict)
is(
	(await value(app`SELECT falukeys.verify_key(${env.ANN})`)).startsWith('(t,valid,key_'),
	true,
	'a verdict as one column is text'
)
is((await value(app`SELECT to_jsonb(falukeys.verify_key(${env.ANN}))`)).code, 'valid', 'and an object by to_jsonb')
is(await value(app`SELECT falukeys.key_allows(${env.ANN}, NULL, ${'192.0.2.1'})`), true, 'key_allows is a boolean')
is(await value(app`SELECT code FROM falukeys.verify_key(${null})`), 'malformed', 'null is no key')

// Arrays
const create = (
	permissions,
	networks
) => admin`SELECT id, key FROM falukeys.create_key(${env.ANN_WORKSPACE}, 'secret', 'test',
	permissions => ${permissions}, networks => ${networks}::text[]::cidr[])`
const [key] = await create(['messages'], ['192.0.2.0/24', '2001:db8::/32'])
is(
	await plain(admin`SELECT permissions, networks::text[] FROM falukeys.dashboard WHERE key_id = ${key.id}`),
	[{ permissions: ['messages'], networks: ['192.0.2.0/24', '2001:db8::/32'] }],
	'arrays go in and come out'
)
await refused(create([], null), ['22023', undefined], 'an empty array')
is(
	await plain(app`SELECT v.code FROM unnest(${[env.ANN, key.key, 'x']}::text[]) WITH ORDINALITY AS k (key, n),
	falukeys.verify_key(k.key, client => '198.51.100.1') AS v ORDER BY n`),
	[{ code: 'valid' }, { code: 'network_denied' }, { code: 'malformed' }],
	'many keys at once'
)
is(
	(await value(app`SELECT falukeys.apikey_of(${key.key})`)).startsWith(`fskt_****${key.key.slice(-4)}:`),
	true,
	'a handle is text'
)

// Prepared statements: it prepares each one once for a connection
const verify = (k) => value(app`SELECT code FROM falukeys.verify_key(${k}, client => '192.0.2.1')`)
for (let i = 0; i < 12; i++) await verify(env.ANN)
is([await verify(key.key), await verify('x')], ['valid', 'malformed'], 'a prepared statement')
await admin`SELECT falukeys.disable_key(${key.id})`
is(await verify(key.key), 'disabled', 'sees what changed')
await superuser`ALTER TYPE falukeys.verdict ADD ATTRIBUTE note text`
await superuser`ALTER TABLE falukeys.keys ADD COLUMN note text`
is([await verify(env.ANN), await verify(key.key)], ['valid', 'disabled'], 'after ALTER')
await superuser`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'`
while ((await value(superuser`SELECT count(*)::integer FROM pg_stat_activity WHERE usename = 'app'`)) > 0);
await verify(env.ANN).catch(() => {})
is([await verify(env.ANN), await verify(key.key)], ['valid', 'disabled'], 'after it has connected anew')

// Errors
const authenticate = (sql, k) => sql`SELECT workspace_id FROM falukeys.authenticate(${k})`
await refused(
	app.begin((sql) => authenticate(sql, key.key)),
	['28000', 'disabled'],
	'a disabled key'
)
await admin`SELECT falukeys.enable_key(${key.id})`
await refused(
	app.begin((sql) => authenticate(sql, key.key)),
	['42501', 'network_denied'],
	'a denied network'
)
await refused(
	app.begin((sql) => authenticate(sql, broken(env.ANN))),
	['28000', 'malformed'],
	'a malformed key'
)
await refused(
	app`SELECT ${broken(env.ANN)}::falukeys.apikey`,
	['22P02', 'The checksum at the end of the key is wrong.'],
	'no handle'
)
const nobody = postgres({ ...direct, user: 'nobody', max: 1 })
await refused(nobody`SELECT * FROM falukeys.verify_key(${env.ANN})`, ['42501', undefined], 'no grant')

// The identity; begin with an array sends all of it in one pipeline
await app.begin((sql) => [authenticate(sql, env.ANN), sql`INSERT INTO message (body) VALUES (${'of ann'})`])
const attempt = (sql, k) => plain(sql`SELECT valid, code FROM falukeys.try_authenticate(${k})`)
const bodies = (sql) => plain(sql`SELECT body FROM message ORDER BY id`)
await app.begin(async (sql) => {
	is(await attempt(sql, 'x'), [{ valid: false, code: 'malformed' }], 'try_authenticate answers')
	is(await bodies(sql), [], 'and no one sees nothing')
	is(await attempt(sql, env.ANN), [{ valid: true, code: 'valid' }], 'in a transaction that goes on')
	is(await bodies(sql), [{ body: 'of ann' }], 'with an identity, now')
	is(await attempt(sql, env.BEN), [{ valid: true, code: 'valid' }], 'or another one')
	is(await bodies(sql), [], 'that does not see it')
})
is(await bodies(app), [], 'no one is left after the transaction')

// bigint
is(await value(superuser`SELECT id FROM message`), '1', 'bigint is a string')

// LISTEN
let hear
const heard = new Promise((resolve) => (hear = resolve))
await app.listen('falukeys', hear)
await admin`SELECT falukeys.revoke_key(${key.id})`
const { id } = JSON.parse(await heard)
is(
	await plain(app`SELECT event, key_id FROM falukeys.key_changes WHERE event_id = ${id}`),
	[{ event: 'key.revoked', key_id: key.id }],
	'a change is heard of'
)

// pgbouncer in transaction mode: without prepared statements, for these are a connection's
const pool = postgres({ ...pooled, user: 'app', max: 4, prepare: false, fetch_types: false })
const names = ['ANN', 'BEN']
const requests = Array.from({ length: 40 }, (_, i) =>
	pool.begin(async (sql) => {
		const name = names[i % 2]
		const [{ workspace_id }] = await authenticate(sql, env[name])
		const found = await sql`SELECT body FROM message WHERE body <> ${''}`
		return workspace_id === env[`${name}_WORKSPACE`] && found.length === (name === 'ANN' ? 1 : 0)
	})
)
is(
	(await Promise.all(requests)).every((good) => good),
	true,
	'each transaction behind pgbouncer has its own identity'
)
is(await value(pool`SELECT falukeys.current_key_id()`), null, 'and leaves none')

done()
// It may wait for a connection that the server has ended.
await Promise.race([Promise.all([app, admin, superuser, nobody, pool].map((p) => p.end())), setTimeout(1000)])
process.exit()
