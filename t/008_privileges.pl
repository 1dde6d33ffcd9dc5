# A role without privileges may use the type, and nothing else.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('privileges');
my $workspace = new_workspace($node, 'Privileges');
my ($id, $key) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
my $live = new_sealed($node, $workspace, 'live');

query($node, 'CREATE ROLE nobody LOGIN; CREATE ROLE writer LOGIN IN ROLE pg_write_all_data, pg_read_all_data;');

sub as_nobody { return query($node, "SET ROLE nobody; $_[0]"); }

# What everyone may do

is(as_nobody("SELECT falukeys.kind_of('$key'), falukeys.mode_of('$key'), "
	. "falukeys.redacted('$key') LIKE 'fskt_****____', falukeys.is_well_formed('$key')"),
	'secret|test|t|t', 'the functions of the type');
is(as_nobody("SELECT falukeys.redact('a $key') LIKE 'a fskt_****____', "
	. "falukeys.apikey_of('$key') OPERATOR(falukeys.=) '$key'"), 't|t', 'redact, apikey_of and operators');
is( query($node, <<SQL), "k|1\nk|t", 'the type in a table of one\'s own');
CREATE SCHEMA own AUTHORIZATION nobody;
SET ROLE nobody;
CREATE TABLE own.handles (k falukeys.apikey PRIMARY KEY, n integer);
INSERT INTO own.handles VALUES ('$key', 1), ('fskt_LdVyn0upNzbQTSPYZ3aF7NAJlXPjcTECYVbIuuu8Ys', 2);
CREATE INDEX ON own.handles USING hash (k);
SELECT 'k', n FROM own.handles WHERE k OPERATOR(falukeys.=) '$key';
SELECT 'k', count(DISTINCT k) = 2 FROM own.handles;
SQL

# Beside the type's functions, PUBLIC may call what checks its caller by itself,
# or tells no more than the transaction's own identity.

my %public = map { ($_ => 1) } qw(
  apikey_in apikey_out apikey_recv apikey_send
  apikey_eq apikey_ne apikey_lt apikey_le apikey_gt apikey_ge
  apikey_cmp apikey_hash apikey_hash_extended
  kind_of mode_of redacted apikey_of is_well_formed redact
  describe_workspace add_member remove_member create_key create_temporary_key import_key import_key_digest
  reveal_key annotate_key roll_key end_grace disable_key enable_key revoke_key wait_for_key
  restrict_key clear_permissions clear_networks set_key_validity report_compromised_key purge_keys
  find_keys broken_invariants
  isolate_table release_table isolated_workspace isolated_mode isolated_object unflushed_usage
  deauthenticate require_permission
  current_key_id current_workspace_id current_key_kind current_key_mode current_key_objects
  current_key_allows current_mode_settings
  sees_every_workspace acting_workspace sees_a_workspace own_workspaces own_keys own_usage own_events own_attention
  own_workspace_list own_members
  sees_every_key_change key_changes_workspace own_key_changes);
my @functions = split(/\n/, query($node, <<SQL));
SELECT proname || '|' || has_function_privilege('nobody', oid, 'EXECUTE') FROM pg_proc
 WHERE pronamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) ORDER BY proname
SQL
cmp_ok(scalar(@functions), '>', 50, 'there are functions to look at');
is(join(' ', grep { my ($name, $may) = split(/\|/, $_); $public{$name} && $may ne 'true' } @functions), '',
	'PUBLIC may call these');
is(join(' ', grep { my ($name, $may) = split(/\|/, $_); !$public{$name} && $may ne 'false' } @functions),
	'', 'and no other');

foreach my $call (
	"create_workspace('x')", "approve_workspace('$workspace')", "suspend_workspace('$workspace')",
	"resume_workspace('$workspace')",
	"close_workspace('$workspace')", "describe_workspace('$workspace', 'x')",
	"add_member('$workspace', 'nobody', 'administrator')", "remove_member('$workspace', 'nobody')",
	"define_permission('x')",
	"create_key('$workspace', 'secret', 'test')", "create_temporary_key('$workspace', 'test', '{x}')",
	"import_key('$workspace', '$key')",
	"import_key_digest('$workspace', '$key')", "reveal_key('$live')", "roll_key('$id')", "end_grace('$id')",
	"disable_key('$id')", "enable_key('$id')",
	"revoke_key('$id')", "restrict_key('$id', '{x}')", "clear_permissions('$id')", "clear_networks('$id')",
	"annotate_key('$id', 'x')",
	"set_key_validity('$id', NULL, now())", "report_compromised_key('$key')", "purge_keys('1 day')",
	"verify_key('$key')", "key_allows('$key', NULL, NULL)", "handle_allows('$key', NULL, NULL)",
	"rotate_master_key()", "adopt_sealed_secrets()")
{
	refused($node, "SET ROLE nobody; SELECT falukeys.$call", '42501', qr/denied|must be superuser/,
		($call =~ s/\(.*//sr) . ' is refused');
}
is(query($node, "SELECT code FROM falukeys.verify_key('$key')"), 'valid', 'and none of it did anything');
is(query($node, "SELECT revealed_at IS NULL FROM falukeys.dashboard WHERE key_id = '$live'"), 't',
	'nor was anything revealed');

# No privilege on any table, sequence or column

my $relations = query($node, <<SQL);
SELECT count(*) FROM pg_class WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[])
	AND relkind IN ('r', 'p', 'S')
SQL
cmp_ok($relations, '>=', 12, 'there are tables to look at');
is(query($node, <<SQL), '', 'PUBLIC has no privilege on any table or sequence');
SELECT relname FROM pg_class WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) AND CASE
  WHEN relkind = 'S' THEN has_sequence_privilege('nobody', oid, 'USAGE, SELECT, UPDATE')
  WHEN relkind IN ('r', 'p') THEN has_table_privilege('nobody', oid,
      'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
       OR has_any_column_privilege('nobody', oid, 'SELECT, INSERT, UPDATE, REFERENCES') END
SQL
foreach my $view (split(/\n/, query($node,
	"SELECT oid::regclass FROM pg_class WHERE relnamespace = ANY ('{falukeys,falukeys_internal}'::regnamespace[]) "
	. "AND relkind = 'v'")))
{
	my ($sqlstate, $messages, $output) = attempt($node, "SET ROLE nobody; SELECT count(*) FROM $view");

	ok($sqlstate eq '42501' || ($sqlstate eq '00000' && $output eq '0'), "view $view shows nothing")
		or diag "$messages\n$output";
}
is(as_nobody("SELECT * FROM falukeys_internal.unflushed_usage('$id')"), '|||||',
	'nor is anything told of a key\'s use');
foreach my $schema ('falukeys', 'falukeys_internal')
{
	is(as_nobody("SELECT has_schema_privilege('$schema', 'USAGE'), has_schema_privilege('$schema', 'CREATE')"), 't|f',
		"schema $schema may be used and not added to");
}

# pg_write_all_data writes to tables, but not to these.

foreach my $sql (
	"INSERT INTO falukeys.workspaces (name) VALUES ('x')", "UPDATE falukeys.workspaces SET name = 'x'",
	'DELETE FROM falukeys.workspaces',
	"INSERT INTO falukeys.members VALUES ('$workspace', 'writer', 'administrator')",
	"INSERT INTO falukeys.permissions VALUES ('x')", "UPDATE falukeys.keys SET disabled = true",
	'DELETE FROM falukeys.keys',
	"UPDATE falukeys.keys SET description = 'x'", "UPDATE falukeys.keys SET expires_at = now()",
	"INSERT INTO falukeys.retired_secrets VALUES ('$key', '$id', now(), 'infinity')",
	"DELETE FROM falukeys.sealed_secrets",
	"UPDATE falukeys.sealed_secrets SET revealed_by = 'x'",
	"INSERT INTO falukeys.events (event, actor, session_actor) VALUES ('x', 'x', 'x')", 'DELETE FROM falukeys.events',
	"INSERT INTO falukeys.key_usage VALUES ('$id')", "UPDATE falukeys.mode_settings SET webhook_max_attempts = 1")
{
	refused($node, "SET ROLE writer; $sql", '42501', qr/denied|must be|not allowed|only/i,
		"pg_write_all_data: $sql is refused");
}
is(query($node, "SELECT code FROM falukeys.verify_key('$key')"), 'valid', 'and none of it did anything');
is(query($node, "SELECT count(*) FROM falukeys.workspaces"), 1, 'nor is there another workspace');

# An owner of a schema of that name could replace what is in it.
query($node, 'CREATE DATABASE squatted');
query($node, 'CREATE SCHEMA falukeys AUTHORIZATION nobody', 'squatted');
my ($sqlstate, $messages) = attempt($node, 'CREATE EXTENSION falukeys', 'squatted');
isnt($sqlstate, '00000', 'a schema of someone else\'s is not used') or diag $messages;
query($node, 'GRANT CREATE ON DATABASE squatted TO nobody', 'squatted');
refused($node, 'SET ROLE nobody; CREATE EXTENSION falukeys', '42501', qr/permission denied to create extension/,
	'only a superuser installs it', 'squatted');

$node->stop;
done_testing();
