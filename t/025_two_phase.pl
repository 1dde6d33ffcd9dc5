# Transactions that change keys, prepared for two-phase commit: refused with what
# to do, or kept through a crash, with all that belongs to them.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('two_phase', conf => "max_prepared_transactions = 4\n");
my $workspace = new_workspace($node, 'Two phases');

sub new_key
{
	return split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'test')"));
}

# Not with a notification, however it came about
my ($id, $key) = new_key();
my $off = 'SET LOCAL falukeys.notify = off';
foreach my $change (
	"SELECT falukeys.revoke_key('$id')",
	"SELECT falukeys.define_permission('two.phases')",
	"SELECT falukeys.create_workspace('Another')",
	"UPDATE falukeys.keys SET disabled = true WHERE id = '$id'",
	"SAVEPOINT a; SELECT falukeys.disable_key('$id'); RELEASE a",
	"SAVEPOINT a; SAVEPOINT b; SELECT falukeys.disable_key('$id'); RELEASE b; RELEASE a",
	"SELECT falukeys.disable_key('$id'); SAVEPOINT a; SELECT falukeys.enable_key('$id'); ROLLBACK TO a",
	"SAVEPOINT a; $off; ROLLBACK TO a; SELECT falukeys.disable_key('$id')")
{
	refused($node, "BEGIN; $change; PREPARE TRANSACTION 'p';", '0A000', qr/HINT:.*SET LOCAL falukeys\.notify = off/,
		"refused: $change");
}
is(query($node, 'SELECT count(*) FROM pg_prepared_xacts'), 0, 'nothing of it is prepared');
is_code($node, $key, 'valid', 'nor done');

# Nor does one that was refused spoil the next one, or what was rolled back.
foreach my $change (
	"$off; SELECT falukeys.disable_key('$id')",
	"SAVEPOINT a; SELECT falukeys.disable_key('$id'); ROLLBACK TO a",
	"SAVEPOINT a; SAVEPOINT b; SELECT falukeys.disable_key('$id'); RELEASE b; ROLLBACK TO a; RELEASE a",
	"SELECT falukeys.verify_key('$key')")
{
	my ($sqlstate, $messages) = attempt($node,
		"BEGIN; SELECT falukeys.disable_key('$id'); PREPARE TRANSACTION 'p'; ROLLBACK;\nBEGIN; $change; "
		. "PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p';");
	my @errors = $messages =~ /ERROR: +(\w+)/g;

	is("@errors", '0A000', "one error, and then prepared: $change") or diag $messages;
}
is_code($node, $key, 'valid', 'and rolled back');

# What is prepared is done at COMMIT PREPARED, and what belongs to it.
my @changes = (
	[ 'revoked', 'key.revoked', "SELECT falukeys.revoke_key('ID')" ],
	[ 'rolled', 'key.rolled', "SELECT id FROM falukeys.roll_key('ID')" ],
	[ 'disabled', 'key.disabled', "UPDATE falukeys.keys SET disabled = true WHERE id = 'ID'" ],
	[ 'expired', 'key.validity_changed', "SELECT falukeys.set_key_validity('ID', expires_at => clock_timestamp())" ]);
foreach my $end ('COMMIT', 'ROLLBACK')
{
	foreach my $change (@changes)
	{
		my ($code, $event, $sql) = @{$change};
		my ($id, $key) = new_key();
		my $seen = "SELECT count(*) FROM falukeys.key_changes WHERE key_id = '$id' AND event = '$event'";

		query($node, "BEGIN; $off; " . $sql =~ s/ID/$id/r . "; PREPARE TRANSACTION 'p'");
		is_code($node, $key, 'valid', "$code: not done while it is prepared");
		is(query($node, $seen), 0, "$code: nor to be seen");
		$node->stop('immediate');
		$node->start;
		is_code($node, $key, 'valid', "$code: nor after a crash");
		my ($other) = new_key();
		query($node, "SELECT falukeys.disable_key('$other')");
		query($node, "$end PREPARED 'p'");
		is_code($node, $key, $end eq 'COMMIT' ? $code : 'valid', "$code: $end PREPARED");
		is(query($node, $seen), $end eq 'COMMIT' ? 1 : 0, "$code: its event stands or falls with it");
	}
}
is(query($node, 'SELECT count(*) - count(DISTINCT id) FROM falukeys.events'), 0, 'no number was given twice');

# A state of a workspace, in sessions that remember another one
my $session = session($node);
my ($live_id, $live) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));
my $verify = "SELECT code FROM falukeys.verify_key('$live')";
like((session_attempt($session, $verify))[2], qr/valid/, 'a session that verifies');
query($node, "BEGIN; $off; SELECT falukeys.suspend_workspace('$workspace'); PREPARE TRANSACTION 'p'");
like((session_attempt($session, $verify))[2], qr/valid/, 'goes on while a suspension is prepared');
query($node, "COMMIT PREPARED 'p'");
like((session_attempt($session, $verify))[2], qr/workspace_suspended/, 'and sees it at once');
query($node, "SELECT falukeys.resume_workspace('$workspace')");

# What a key did is waited for, though its identity has ended.
($id, $key) = new_key();
query($node, "CREATE TABLE public.work (done text); BEGIN; SELECT falukeys.authenticate('$key'); "
	. "INSERT INTO public.work VALUES (falukeys.current_key_id()); PREPARE TRANSACTION 'p'");
query($node, "SELECT falukeys.revoke_key('$id')");
session_refused($session, "SET lock_timeout = '100ms'; SELECT falukeys.wait_for_key('$id')", '55P03', qr/./,
	'wait_for_key waits for what is prepared');
$node->stop('immediate');
$node->start;
refused($node, "SET lock_timeout = '100ms'; SELECT falukeys.wait_for_key('$id')", '55P03', qr/./, 'after a crash, too');
query($node, "COMMIT PREPARED 'p'; SELECT falukeys.wait_for_key('$id')");
is(query($node, 'SELECT count(*) FROM public.work'), 1, 'and no longer');

# A rotation in one: what is sealed anew stays so, and still opens.
my $sealed = new_sealed($node, $workspace, 'live');
query($node, "BEGIN; $off; SELECT falukeys.rotate_master_key(); PREPARE TRANSACTION 'p'");
query($node, "ROLLBACK PREPARED 'p'");
like(query($node, "SELECT falukeys.reveal_key('$sealed')"), qr/^fskl_/,
	'a secret opens after a rotation that was prepared and rolled back');

eval { $session->quit };
$node->stop;
done_testing();
