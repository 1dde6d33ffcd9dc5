# Python's psycopg
import ipaddress
import json
import os
import traceback

import psycopg
from psycopg.rows import dict_row
from psycopg.types.composite import CompositeInfo, register_composite

env = os.environ


def connect(user, **options):
    return psycopg.connect(host=env["PGHOST"], port=env["PGPORT"], dbname="postgres", user=user, **options)


def check(saw, expected, what):
    print("ok" if saw == expected else "not ok", "-", what, flush=True)
    if saw != expected:
        print(f"expected {expected!r}, got {saw!r}")


def rows(connection, *query):
    return connection.execute(*query).fetchall()


def value(connection, *query):
    return connection.execute(*query).fetchone()[0]


def refused(connection, expected, what, *query):
    try:
        connection.execute(*query)
        error = None
    except psycopg.Error as caught:
        error = caught
    connection.rollback()
    check((error.sqlstate, error.diag.message_detail) if error else None, expected, what)
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    check(any(env[name] in shown for name in ("ANN", "BEN")) or key in shown, False, what + ": no key in the error")


def broken(text):
    """A key with a wrong checksum"""
    return text[:-1] + ("B" if text.endswith("A") else "A")


ann, ben, workspace = env["ANN"], env["BEN"], env["ANN_WORKSPACE"]
app = connect("app", autocommit=True)
admin = connect("admin", autocommit=True)
superuser = connect(env["SUPERUSER"], autocommit=True)

# The verdict
verdict = app.cursor(row_factory=dict_row).execute("SELECT * FROM falukeys.verify_key(%s)", [ann]).fetchone()
check(
    list(verdict),
    ["valid", "code", "key_id", "workspace_id", "kind", "mode", "expires_at", "meta"],
    "a verdict has its columns",
)
check(
    [verdict[name] for name in ("valid", "code", "kind", "mode", "expires_at")],
    [True, "valid", "secret", "test", None],
    "as Python has them",
)
check((verdict["workspace_id"], verdict["meta"]), (workspace, {"plan": "free"}), "jsonb is a dictionary")
check(
    value(app, "SELECT falukeys.verify_key(%s)", [ann]).startswith("(t,valid,key_"),
    True,
    "a verdict as one column is text",
)
register_composite(CompositeInfo.fetch(app, "falukeys.verdict"), app)
check(
    value(app, "SELECT falukeys.verify_key(%s)", [ann])[:2],
    (True, "valid"),
    "and a named tuple, once the type is registered",
)
check(value(app, "SELECT falukeys.verify_key(%s)", [ann]).code, "valid", "which has names")
check(
    value(app, "SELECT falukeys.key_allows(%s, NULL, %s)", [ann, ipaddress.ip_address("192.0.2.1")]),
    True,
    "key_allows takes an address",
)
check(value(app, "SELECT code FROM falukeys.verify_key(%s)", [None]), "malformed", "None is no key")
binary = app.cursor(binary=True).execute("SELECT valid, code, kind::text, meta FROM falukeys.verify_key(%s)", [ann])
check(binary.fetchone(), (True, "valid", "secret", {"plan": "free"}), "in binary")

# Arrays
CREATE = """SELECT id, key FROM falukeys.create_key(%s, 'secret', 'test',
    permissions => %s, networks => %s::text[]::cidr[])"""
key_id, key = rows(admin, CREATE, [workspace, ["messages"], ["192.0.2.0/24", "2001:db8::/32"]])[0]
networks = [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")]
check(
    rows(admin, "SELECT permissions, networks FROM falukeys.dashboard WHERE key_id = %s", [key_id]),
    [(["messages"], networks)],
    "arrays go in and come out",
)
admin.execute("SELECT falukeys.restrict_key(%s, networks => %s)", [key_id, networks])
check(
    value(admin, "SELECT networks FROM falukeys.dashboard WHERE key_id = %s", [key_id]),
    networks,
    "networks are ipaddress's",
)
refused(admin, ("22023", None), "an empty array", CREATE, [workspace, [], None])
check(
    rows(
        app,
        """SELECT v.code FROM unnest(%s::text[]) WITH ORDINALITY AS k (key, n),
    falukeys.verify_key(k.key, client => '198.51.100.1') AS v ORDER BY n""",
        [[ann, key, "x"]],
    ),
    [("valid",), ("network_denied",), ("malformed",)],
    "many keys at once",
)
check(value(app, "SELECT falukeys.apikey_of(%s)", [key])[:13], "fskt_****" + key[-4:], "a handle is text")


# Prepared statements
def verify(text):
    return app.execute(
        "SELECT code FROM falukeys.verify_key(%s, client => '192.0.2.1')", [text], prepare=True
    ).fetchone()[0]


for i in range(12):
    verify(ann)
check((verify(key), verify("x")), ("valid", "malformed"), "a prepared statement")
admin.execute("SELECT falukeys.disable_key(%s)", [key_id])
check(verify(key), "disabled", "sees what changed")
superuser.execute("ALTER TYPE falukeys.verdict ADD ATTRIBUTE note text")
superuser.execute("ALTER TABLE falukeys.keys ADD COLUMN note text")
check((verify(ann), verify(key)), ("valid", "disabled"), "after ALTER")
superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
try:
    verify(ann)
except psycopg.OperationalError:
    pass
app = connect("app")
app.autocommit = True
check((verify(ann), verify(key)), ("valid", "disabled"), "after it has connected anew")

# Errors
AUTHENTICATE = "SELECT workspace_id FROM falukeys.authenticate(%s)"
app.autocommit = False
refused(app, ("28000", "disabled"), "a disabled key", AUTHENTICATE, [key])
admin.execute("SELECT falukeys.enable_key(%s)", [key_id])
refused(app, ("42501", "network_denied"), "a denied network", AUTHENTICATE, [key])
refused(app, ("28000", "malformed"), "a malformed key", AUTHENTICATE, [broken(ann)])
refused(
    app,
    ("22P02", "The checksum at the end of the key is wrong."),
    "no handle",
    "SELECT %s::falukeys.apikey",
    [broken(ann)],
)
nobody = connect("nobody")
refused(nobody, ("42501", None), "no grant", "SELECT * FROM falukeys.verify_key(%s)", [ann])

# The identity
with app.transaction():
    check(rows(app, AUTHENTICATE, [ann]), [(workspace,)], "an identity")
    app.execute("INSERT INTO message (body) VALUES (%s)", ["of ann"])
app.commit()
ATTEMPT = "SELECT valid, code FROM falukeys.try_authenticate(%s)"
BODIES = "SELECT body FROM message ORDER BY id"
with app.transaction():
    check(rows(app, ATTEMPT, ["x"]), [(False, "malformed")], "try_authenticate answers")
    check(rows(app, BODIES), [], "and no one sees nothing")
    check(rows(app, ATTEMPT, [ann]), [(True, "valid")], "in a transaction that goes on")
    check(rows(app, BODIES), [("of ann",)], "with an identity, now")
    check(rows(app, ATTEMPT, [ben]), [(True, "valid")], "or another one")
    check(rows(app, BODIES), [], "that does not see it")
app.commit()
check(rows(app, BODIES), [], "no one is left after the transaction")
app.commit()
if psycopg.Pipeline.is_supported():
    with app.pipeline(), app.transaction():
        app.execute(AUTHENTICATE, [ann])
        found = app.execute(BODIES)
    check(found.fetchall(), [("of ann",)], "in one round trip, as a pipeline")

# bigint
check(value(superuser, "SELECT id FROM message"), 1, "bigint is an integer")

# LISTEN
listener = connect("app", autocommit=True)
listener.execute("LISTEN falukeys")
admin.execute("SELECT falukeys.revoke_key(%s)", [key_id])
for notification in listener.notifies():
    event_id = json.loads(notification.payload)["id"]
    break
check(
    rows(listener, "SELECT event, key_id FROM falukeys.key_changes WHERE event_id = %s", [event_id]),
    [("key.revoked", key_id)],
    "a change is heard of",
)

# pgbouncer in transaction mode: without prepared statements, for these are a connection's
clients = [
    psycopg.connect(host=env["POOLER_HOST"], port=env["POOLER_PORT"], dbname="app", user="app", prepare_threshold=None)
    for i in range(3)
]
good = True
for i in range(45):
    name = ("ANN", "BEN")[i % 2]
    with clients[i % 3].transaction():
        good = good and value(clients[i % 3], AUTHENTICATE, [env[name]]) == env[name + "_WORKSPACE"]
        good = good and len(rows(clients[i % 3], "SELECT body FROM message WHERE body <> %s", [""])) == (name == "ANN")
check(good, True, "each transaction behind pgbouncer has its own identity")
check(value(clients[0], "SELECT falukeys.current_key_id()"), None, "and leaves none")
clients[0].rollback()

for connection in [app, admin, superuser, nobody, listener, *clients]:
    connection.close()
print("done")
