# What the tests of dumps, restores and pg_upgrade share: a database with a key
# of every kind and a row of every sort, and whether another one is the same.
package PlatformTest;

use strict;
use warnings;

use Exporter 'import';
use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  make_roles make_platform remember sealed tables content verdicts some_verdicts run_for
  check_same check_restored check_sealed check_adopted check_original check_goes_on
);

my $live_key = qr/^fskl_[0-9A-Za-z]{49}$/;

# There is one platform a test: where it is, its workspaces, its keys by what
# they are, and what was remembered of its tables.
my ($node, $origin, %workspace, $workspace, %keys, $test_id, $live_id, $spent_id, $test_key, @tables, $content,
	$verdicts);

# The live secret that was shown after all, first by one of the copies
my $live_text;

sub origin { return query($node, $_[0], $origin); }

sub keep
{
	my ($name, $sql) = @_;
	my ($id, $key) = split(/\|/, origin($sql));

	$keys{$key} = $name;
	return $id;
}

# A temporary key that the holder of a secret makes, and what then becomes of that
sub mint
{
	my ($mode, $workspace, $then) = @_;
	my ($parent, $key) = split(/\|/, origin("SELECT * FROM falukeys.create_key('$workspace', 'secret', '$mode')"));

	$keys{$key} = "$mode, parent, $then";
	keep("$mode, minted, $then", <<SQL);
BEGIN;
SET LOCAL ROLE minter;
DO 'BEGIN PERFORM falukeys.authenticate(''$key''); END';
SELECT * FROM falukeys.create_temporary_key('$workspace', '$mode', '{one}', ttl => '1 day');
COMMIT;
SQL
	# Its row moves behind those of its child.
	origin("UPDATE falukeys.keys SET description = 'parent' WHERE id = '$parent'");
	origin("SELECT falukeys.$then") if $then =~ s/KEY/'$parent'/;
	return;
}

# Roles that a platform names. What it dumps is restored where a member's is gone.
sub make_roles
{
	my ($server, $without_gone) = @_;

	query($server, 'CREATE ROLE alice; CREATE ROLE "Bob B."; CREATE ROLE "gone"; CREATE ROLE minter;');
	query($server, 'DROP ROLE gone') if $without_gone;
	return;
}

sub make_workspaces
{
	%workspace = map { ($_ => origin("SELECT falukeys.create_workspace('$_', 'alice')")) }
	  ('Pending', 'Approved', 'Suspended', 'Suspended early', 'Closed');
	origin("SELECT falukeys.approve_workspace('$workspace{$_}')") foreach ('Approved', 'Suspended', 'Closed');
	$workspace = $workspace{Approved};
	origin(<<SQL);
SELECT falukeys.define_permission('messages', 'Messages'), falukeys.define_permission('messages.read'),
	falukeys.define_permission('payments');
SELECT falukeys.grant_access('minter', 'verifier');
SELECT falukeys.add_member('$workspace', '"Bob B."', 'developer'), falukeys.add_member('$workspace', 'gone', 'member');
UPDATE falukeys.mode_settings SET webhook_max_attempts = 5 WHERE mode = 'test';
SET falukeys.acting_for = 'someone';
SELECT falukeys.annotate_key(id, 'Described', 'A place', '{"a": [1, "\\u00e9"]}') FROM falukeys.keys
	WHERE workspace_id = '$workspace';
SQL
	return;
}

# What a client sends as it connects is in whatever encoding.
sub send_bytes
{
	foreach my $bytes ("a\xff", "a\xe2")
	{
		local $ENV{PGOPTIONS} = "-c falukeys.acting_for=$bytes";
		origin("SELECT falukeys.define_permission('sent', md5(random()::text)), falukeys.disable_key(max(id)), "
			. "falukeys.enable_key(max(id)) FROM falukeys.keys WHERE workspace_id = '$workspace'");
	}
	is(origin("SELECT string_agg(DISTINCT acting_for, ' ') FROM falukeys.events WHERE acting_for LIKE 'a%'"), 'a?',
		'what is no character here is none in the record');
	return;
}

sub make_keys
{
	my ($mode) = @_;
	my $create = "SELECT * FROM falukeys.create_key('$workspace', 'secret', '$mode'";

	keep("$mode", "$create)");
	keep("$mode, public", "SELECT * FROM falukeys.create_key('$workspace', 'public', '$mode')");
	keep("$mode, restricted",
		"$create, 'Restricted', '{messages.read,payments}', '{10.0.0.0/8,2001:db8::/32}', meta => '{\"tier\": 3}')");
	keep("$mode, not yet valid", "$create, not_before => now() + interval '1 day')");
	keep("$mode, expires", "$create, expires_at => now() + interval '1 day')");
	keep("$mode, expired", "$create, expires_at => clock_timestamp() + interval '200 milliseconds')");
	keep("$mode, temporary",
		"SELECT * FROM falukeys.create_temporary_key('$workspace', '$mode', '{one,two}', '{messages}', "
		. "ttl => '1 day')");
	keep("$mode, only payments", "$create, permissions => '{payments}')");
	origin("SELECT falukeys.disable_key('" . keep("$mode, disabled", "$create)") . "')");
	origin("SELECT falukeys.revoke_key('" . keep("$mode, revoked", "$create)") . "', 'No longer needed')");
	my $rolled = keep("$mode, rolled", "$create)");
	keep("$mode, rolled, in grace", "SELECT * FROM falukeys.roll_key('$rolled')");
	keep("$mode, rolled to", "SELECT * FROM falukeys.roll_key('$rolled', '1 day')");
	keep("$mode, compromised", "$create)");
	my ($leaked) = grep { $keys{$_} eq "$mode, compromised" } keys %keys;
	origin("SELECT falukeys.report_compromised_key('$leaked', 'A repository')");
	my $imported = "fsk" . substr($mode, 0, 1) . '_importedimportedimportedimported';
	my $by_digest = "fsk" . substr($mode, 0, 1) . '_digestdigestdigestdigestdigestdi';
	origin("SELECT falukeys.import_key('$workspace', '$imported', 'Imported', '{messages}')");
	origin("SELECT falukeys.import_key_digest('$workspace', falukeys.apikey_of('$by_digest'))");
	$keys{$imported} = "$mode, imported";
	$keys{$by_digest} = "$mode, imported by digest";
	mint($mode, $workspace, $_) foreach ('nothing', 'roll_key(KEY)', "roll_key(KEY, '1 day')", 'revoke_key(KEY)',
		'disable_key(KEY)');
	return;
}

sub end_workspaces
{
	foreach my $name ('Pending', 'Suspended', 'Suspended early', 'Closed')
	{
		keep("test, $name", "SELECT * FROM falukeys.create_key('$workspace{$name}', 'secret', 'test')");
		keep("live, $name", "SELECT * FROM falukeys.create_key('$workspace{$name}', 'secret', 'live')")
		  if $name eq 'Suspended' || $name eq 'Closed';
	}
	origin("SELECT falukeys.suspend_workspace('$workspace{Suspended}', 'Unpaid'), "
		. "falukeys.suspend_workspace('$workspace{'Suspended early'}')");
	origin("SELECT falukeys.close_workspace('$workspace{Closed}', 'Over')");

	keep('purged', "SELECT * FROM falukeys.create_temporary_key('$workspace', 'test', '{one}', "
		. "ttl => '1 millisecond')");
	origin("SELECT pg_sleep(0.3); SELECT falukeys.purge_keys('1 millisecond')");
	return;
}

sub seal_and_count
{
	$test_id = new_sealed($node, $workspace, 'test', $origin);
	$live_id = new_sealed($node, $workspace, 'live', $origin);
	$spent_id = new_sealed($node, $workspace, 'live', $origin);
	origin("SELECT falukeys.reveal_key('$spent_id', 'Kept here')");
	$test_key = origin("SELECT falukeys.reveal_key('$test_id')");
	# Uses are counted by what is not running here.  A row may be without a key.
	origin(<<SQL);
INSERT INTO falukeys.key_usage (key_id, uses, denials, last_used_at, last_client, last_retired_at,
	last_retired_client)
VALUES ('$live_id', 3, 1, now(), '10.1.2.3', now() - interval '1 day', '10.1.2.4'),
	('$test_id', 0, 2, NULL, NULL, NULL, NULL),
	('key_000000000000000000000000000', 1, 0, now(), NULL, NULL, NULL);
SQL
	return;
}

# An isolated table, one that is gone, and a temporary one; a restore numbers columns
# anew. And a table that keeps handles.
sub isolate_tables
{
	origin(<<SQL);
CREATE SCHEMA application;
CREATE TABLE application."Messages" (gone integer, body text DEFAULT 'a body',
	workspace_id text DEFAULT 'a default', mode text);
ALTER TABLE application."Messages" DROP COLUMN gone;
CREATE TABLE application.gone (workspace_id text, mode text);
CREATE TEMPORARY TABLE gone (workspace_id text, mode text);
SELECT falukeys.isolate_table('application."Messages"'), falukeys.isolate_table('application.gone'),
	falukeys.isolate_table('pg_temp.gone');
DROP TABLE application.gone;
CREATE TABLE application.handles AS SELECT secret AS handle, kind, mode FROM falukeys.keys;
CREATE UNIQUE INDEX ON application.handles (handle);
CREATE INDEX ON application.handles USING hash (handle);
SQL
	return;
}

# In a database of the server, which has the roles and not the extension
sub make_platform
{
	($node, $origin) = @_;

	query($node, 'CREATE EXTENSION falukeys', $origin);
	make_workspaces();
	send_bytes();
	make_keys($_) foreach ('test', 'live');
	end_workspaces();
	seal_and_count();
	isolate_tables();
	query($node, 'DROP ROLE gone');
	remember();
	return;
}

# What is there now is what everything is compared with.
sub remember
{
	@tables = split(/\n/, origin(<<SQL));
SELECT relname FROM pg_class WHERE relnamespace = 'falukeys'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
SQL
	$content = content($node, $origin);
	$verdicts = verdicts($node, $origin);
	return;
}

sub tables { return @tables; }

# Keys that wait to be revealed: "live", "test", and "spent" for a live one that no longer does
sub sealed { return { live => $live_id, test => $test_id, spent => $spent_id }->{$_[0]}; }

# The rows of every table that a dump has, as text
sub content
{
	my ($server, $database) = @_;
	my %content;

	foreach my $table (@tables)
	{
		# The role that is gone has no name to be restored by.
		my $where = $table eq 'members' ? 'WHERE EXISTS (SELECT FROM pg_roles r WHERE r.oid = t.member)' :
		  $table eq 'isolated_tables' ? 'WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = t.target)' : '';

		$content{$table} = query($server, "COPY (SELECT * FROM falukeys.$table t $where ORDER BY t::text) TO STDOUT",
			$database);
	}
	# The types are used by tables of the application, and their operators by its indexes.
	$content{'application.handles'} = query($server, 'SET enable_seqscan = off; SELECT h.*, (SELECT count(*) '
		. 'FROM application.handles i WHERE i.handle OPERATOR(falukeys.=) h.handle) FROM application.handles h '
		. 'ORDER BY handle', $database);
	return \%content;
}

# How every key is verified, for something and for nothing
sub verdicts
{
	my ($server, $database) = @_;
	my @keys = sort keys %keys;
	my $list = join(',', map { "'$_'" } @keys);

	return query($server, <<SQL, $database);
SELECT k, v, w FROM unnest(ARRAY[$list]) WITH ORDINALITY AS u(k, n),
       falukeys.verify_key(k, 'messages.read', '10.1.2.3', 'one') v, falukeys.verify_key(k) w ORDER BY n
SQL
}

# Some keys, and how they are verified, separated by spaces
sub some_verdicts
{
	my @some = grep { $keys{$_} =~ /^(test|live)(, (public|restricted|revoked|rolled to|Suspended))?$/ }
	  sort keys %keys;
	my $list = join(',', map { "'$_'" } @some);

	return (\@some, origin("SELECT string_agg(v.code, ' ' ORDER BY n) FROM unnest(ARRAY[$list]) "
		. 'WITH ORDINALITY AS u(k, n), falukeys.verify_key(k) v'));
}

# Runs a program against a server.
sub run_for
{
	my ($server, @command) = @_;
	local $ENV{PGHOST} = $server->host;
	local $ENV{PGPORT} = $server->port;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	command_ok([@command], join(' ', map { s/^.*tmp_test_[^\/]*\///r } @command));
	return;
}

# Every row is there, and no other one.
sub check_same
{
	my ($server, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $now = content($server, $database);

	is($now->{$_}, $content->{$_}, "$database: $_ is as it was") foreach sort keys %$content;
	is(verdicts($server, $database), $verdicts, "$database: the same verdicts");
	return;
}

# As check_same, without the member whose role is gone
sub check_restored
{
	my ($server, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	check_same($server, $database);
	is(query($server, 'SELECT count(*) FROM falukeys.members WHERE NOT EXISTS (SELECT FROM pg_roles r '
		. 'WHERE r.oid = member)', $database),
		0, "$database: a member whose role is gone is not restored");
	is(query($server, "SELECT count(DISTINCT parent_key_id) FROM falukeys.keys WHERE parent_secret IS NOT NULL",
		$database),
		10, "$database: temporary keys have their parents");
	is(query($server, "SELECT uses, denials, last_client, last_retired_at IS NOT NULL, "
		. "last_retired_client FROM falukeys.usage "
		. "WHERE key_id = '$live_id'", $database),
		'3|1|10.1.2.3|t|10.1.2.4', "$database: usage goes on from what it was");
	return;
}

# Live secrets that wait stay closed until they are adopted.
sub check_sealed
{
	my ($server, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	refused($server, "SELECT falukeys.reveal_key('$live_id')", '55000',
		qr/HINT:.*[Rr]oll the key.*adopt_sealed_secrets/s,
		"$database: a live secret does not open", $database);
	refused($server, "BEGIN; SELECT falukeys.reveal_key('$live_id');", '55000', qr/another database/,
		"$database: nor a second time", $database);
	refused($server, "SELECT falukeys.reveal_key('$spent_id')", '55000', qr/has been revealed/,
		"$database: a spent one is spent", $database);
	is(query($server, "SELECT falukeys.reveal_key('$test_id')", $database), $test_key,
		"$database: a test secret opens");
	return;
}

# Then they open, once, with the secret that every copy shows.
sub check_adopted
{
	my ($server, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $waiting = query($server, <<SQL, $database);
SELECT count(*) FROM falukeys.sealed_secrets WHERE get_byte(seal, 1) = 1 AND falukeys.mode_of(secret) = 'live'
SQL
	is(query($server, 'BEGIN; SELECT falukeys.adopt_sealed_secrets(); ROLLBACK;', $database), $waiting,
		"$database: every waiting live secret is adopted");
	is(query($server, 'SELECT falukeys.adopt_sealed_secrets()', $database), 0, "$database: once, ROLLBACK or not");
	my $key = query($server, "SELECT falukeys.reveal_key('$live_id')", $database);
	like($key, $live_key, "$database: it opens");
	$live_text = $key unless defined $live_text;
	is($key, $live_text, "$database: with the same secret");
	is_code($server, $key, 'valid', "$database: which verifies", $database);
	refused($server, "SELECT falukeys.reveal_key('$live_id')", '55000', qr/has been revealed/,
		"$database: once", $database);
	refused($server, "SELECT falukeys.reveal_key('$spent_id')", '55000', qr/has been revealed/,
		"$database: what was spent stays spent", $database);
	return;
}

# What its copies do is none of the original's business.
sub check_original
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is_code($node, $live_text, 'valid', "$origin: the secret that the copies showed", $origin);
	is(origin("SELECT falukeys.adopt_sealed_secrets()"), 0, "$origin: there is nothing to adopt");
	is(origin("SELECT falukeys.reveal_key('$live_id')"), $live_text, "$origin: it waits to be shown here");
	return;
}

# A restored database is no museum.
sub check_goes_on
{
	my ($server, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $last = query($server, 'SELECT max(id) FROM falukeys.events', $database);
	my $new = new_workspace($server, "In $database", $database);
	my ($id, $key) = split(/\|/, query($server,
		"SELECT * FROM falukeys.create_key('$new', 'secret', 'live', permissions => '{messages}')", $database));
	my (undef, $next) = split(/\|/, query($server, "SELECT * FROM falukeys.roll_key('$id')", $database));

	is_code($server, $key, 'rolled', "$database: a new key is rolled", $database);
	is_code($server, $next, 'valid', "$database: and verifies", $database);
	is(query($server, "SELECT event FROM falukeys.events WHERE id > $last ORDER BY id LIMIT 1", $database),
		'workspace.created', "$database: events go on after the last one");

	my ($old) = grep { $keys{$_} eq 'live, rolled to' } keys %keys;
	my $old_id = query($server, "SELECT key_id FROM falukeys.verify_key('$old')", $database);
	query($server, "SELECT falukeys.roll_key('$old_id')", $database);
	is_code($server, $old, 'rolled', "$database: a restored key is rolled", $database);
	refused($server, "SELECT falukeys.import_key('$workspace', '$_')", '23505', qr/^(?!.*DETAIL)/s,
		"$database: its digest stays taken: $keys{$_}", $database)
	  foreach (grep { $keys{$_} =~ /rolled|imported/ } sort { $keys{$a} cmp $keys{$b} } keys %keys);
	refused($server, "DELETE FROM falukeys.permissions WHERE name = 'payments'", '23503', qr/payments/,
		"$database: a permission in use cannot be deleted", $database);
	refused($server, "UPDATE falukeys.keys SET workspace_id = '$new'", '55000', qr/keys/,
		"$database: the guards are there", $database);
	refused($server, "SELECT falukeys.remove_member('$workspace', 'alice')", '55000', qr/administrator/,
		"$database: the last administrator stays", $database);
	is(query($server, "SELECT count(*) FROM falukeys.keys WHERE workspace_id = '$workspace{Pending}' AND mode = 'live'",
		$database),
		0, "$database: a pending workspace has no live key");
	query($server, "SELECT falukeys.approve_workspace('$workspace{Pending}')", $database);
	is(query($server, "SELECT count(*) FROM falukeys.keys WHERE workspace_id = '$workspace{Pending}' AND mode = 'live'",
		$database),
		2, "$database: until it is approved");
	query($server, "SELECT falukeys.resume_workspace('$workspace{$_}')", $database)
		foreach ('Suspended', 'Suspended early');
	is(query($server, "SELECT string_agg(state::text, ' ' ORDER BY name) FROM falukeys.workspaces "
		. "WHERE name LIKE 'Suspended%'", $database),
		'approved pending', "$database: resuming restores the state before");
	query($server, q{SELECT falukeys.release_table('application."Messages"')}, $database);
	is(query($server,
		<<'SQL', $database), "f|f|'a body'::text 'a default'::text NULL", "$database: an isolated table is released");
SELECT relrowsecurity, relforcerowsecurity,
	(SELECT string_agg(coalesce(pg_get_expr(adbin, adrelid), 'NULL'), ' ' ORDER BY attnum)
	FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
FROM pg_class c WHERE oid = 'application."Messages"'::regclass
SQL
	return;
}

1;
