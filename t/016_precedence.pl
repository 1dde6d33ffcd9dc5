# A stop by the platform does not wait without end for a transaction that a
# tenant keeps open; for others it waits, and notices deadlocks, as anyone does.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('precedence', conf => "max_prepared_transactions = 4\nlog_line_prefix = '%p: '\n");

query($node, <<'SQL');
CREATE ROLE alice LOGIN; CREATE ROLE oscar LOGIN; CREATE ROLE mona LOGIN; CREATE ROLE vera LOGIN;
CREATE ROLE root LOGIN SUPERUSER; CREATE ROLE someone;
SELECT falukeys.grant_access('oscar', 'operator'), falukeys.grant_access('mona', 'manager'),
	falukeys.grant_access('vera', 'verifier'), falukeys.define_permission('messages');
SQL
# In whatever isolation the stop is called
query($node, "ALTER ROLE mona SET default_transaction_isolation = serializable; ALTER ROLE vera "
	. "SET default_transaction_isolation = 'repeatable read'");
my $workspace;
my %pid;

sub renew_workspace
{
	$workspace = new_workspace($node, 'Precedence');
	return query($node, "SELECT falukeys.add_member('$workspace', 'alice', 'administrator')");
}

# Id and text of a live key that has had another secret
sub renew_key
{
	my ($id, undef) = split(/\|/, query($node, "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')"));

	return ($id, query($node, "SELECT key FROM falukeys.roll_key('$id', '1 day')"));
}

sub session_of
{
	my ($role) = @_;
	local $ENV{PGUSER} = $role;
	my $session = session($node);

	(undef, undef, $pid{$session}) = session_attempt($session, 'SELECT pg_backend_pid()');
	return $session;
}

# A session that has begun a transaction with what it runs
sub holder
{
	my ($role, $sql) = @_;
	my $session = session_of($role);
	my ($sqlstate, $messages) = session_attempt($session, "BEGIN; $sql");

	is($sqlstate, '00000', "$role: $sql") or diag $messages;
	return $session;
}

# Runs a statement, of which nothing is waited for
sub begin
{
	my ($session, $sql) = @_;

	$session->query_until(qr/begun/, "\\echo begun\n$sql;\n");
	return;
}

sub is_there
{
	my ($session) = @_;

	return query($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid{$session}");
}

sub wait_until
{
	my ($session, $what) = @_;

	return $node->poll_query_until('postgres', "SELECT count(*) > 0 FROM pg_locks WHERE pid = $pid{$session} AND $what")
	  || die "no such lock: $what";
}

# The first error, and what came out, of a statement by another role
sub attempt_as
{
	my ($role, $sql) = @_;
	local $ENV{PGUSER} = $role;

	return attempt($node, "SET statement_timeout = '60s'; $sql");
}

# The holder's transaction is ended, and what it did is undone.
sub stops
{
	my ($role, $stop, $holds, $check) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($id, $key) = renew_key();
	my $put = sub { return $_[0] =~ s/<ID>/$id/gr =~ s/<KEY>/$key/gr =~ s/<WORKSPACE>/$workspace/gr; };
	my $name = "$role: $stop goes before $holds";
	my $holder = holder('alice', $put->($holds));
	my ($sqlstate, $messages) = attempt_as($role, $put->("SELECT falukeys.$stop"));
	my ($function) = $stop =~ /^(\w+)/;

	is($sqlstate, '00000', $name) or diag $messages;
	is(is_there($holder), 0, 'and its session is ended');
	is(query($node, $put->($check)), 't', 'what was to be stopped is stopped, and nothing else is changed');
	like(slurp_file($node->logfile),
		qr/LOG: +terminating process $pid{$holder} of role "alice", which holds up falukeys.$function\(\)/,
		'and the log says so');
	eval { $holder->quit };
	return;
}

my $revoked = "SELECT revoked_at IS NOT NULL AND description IS NULL AND NOT permissions_restricted FROM falukeys.keys "
	. "WHERE id = '<ID>'";
my $disabled = "SELECT disabled AND revoked_at IS NULL FROM falukeys.keys WHERE id = '<ID>'";
my $compromised = "SELECT (falukeys.verify_key('<KEY>')).code = 'compromised'";

renew_workspace();
stops('oscar', "revoke_key('<ID>')", "SELECT falukeys.annotate_key('<ID>', 'Held')", $revoked);
stops('root', "revoke_key('<ID>')", "SELECT falukeys.restrict_key('<ID>', '{messages}', '{10.0.0.0/8}')", $revoked);
stops('mona', "revoke_key('<ID>')", "SELECT falukeys.roll_key('<ID>')", $revoked);
stops('oscar', "disable_key('<ID>')",
	"SAVEPOINT a; SELECT falukeys.set_key_validity('<ID>', NULL, now() + interval '1 day'); SAVEPOINT b", $disabled);
stops('oscar', "disable_key('<ID>')", "SELECT falukeys.revoke_key('<ID>')", $disabled);
stops('vera', "report_compromised_key('<KEY>')", "SELECT falukeys.end_grace('<ID>')", $compromised);
stops('vera', "report_compromised_key('<KEY>')", "SELECT falukeys.roll_key('<ID>')", $compromised);
stops('oscar', "report_compromised_key('<KEY>')",
	"SELECT falukeys.reveal_key((SELECT id FROM falukeys.create_key('<WORKSPACE>', 'secret', 'live', "
	. "reveal => false))); SELECT falukeys.disable_key('<ID>')", $compromised);
foreach my $end ('suspend', 'close')
{
	my $state = $end eq 'close' ? 'closed' : 'suspended';
	my $ended = "SELECT state = '$state' "
		. "AND NOT EXISTS (SELECT FROM falukeys.members WHERE member = 'someone'::regrole) "
		. "FROM falukeys.workspaces WHERE id = '<WORKSPACE>'";

	renew_workspace();
	stops('oscar', "${end}_workspace('<WORKSPACE>')",
		"SELECT falukeys.add_member('<WORKSPACE>', 'someone', 'developer')", $ended);
	renew_workspace();
	stops('oscar', "${end}_workspace('<WORKSPACE>')", "SELECT falukeys.describe_workspace('<WORKSPACE>', 'Held', '{}')",
		$ended =~ s/ FROM falukeys.workspaces/ AND name = 'Precedence' AND meta IS NULL FROM falukeys.workspaces/r);
}

# What does not hold it up, goes on.
renew_workspace();
my $creator = holder('alice', "SELECT falukeys.create_key('$workspace', 'secret', 'live', 'Made beside')");
my $adder = holder('alice', "SELECT falukeys.add_member('$workspace', 'someone', 'developer')");
is((attempt_as('oscar', "SELECT falukeys.suspend_workspace('$workspace')"))[0], '00000',
	'a workspace is suspended beside the creation of a key');
is(is_there($adder), 0, 'of two who have locked it, the one in the way is ended');
eval { $adder->quit };
is((session_attempt($creator, 'COMMIT'))[0], '00000', 'which is not ended');
is(query($node, "SELECT count(*) FROM falukeys.keys WHERE workspace_id = '$workspace' AND description = 'Made beside'"),
	1, 'but done');
$creator->quit;

# Many, one after the other; those who come later wait, and go on after it.
renew_workspace();
my ($id, $key) = renew_key();
my @queue = (holder('alice', "SELECT falukeys.annotate_key('$id', 'Held')"), map { session_of('alice') } (1 .. 4));
foreach my $waiter (@queue[ 1 .. 4 ])
{
	begin($waiter, "BEGIN; SELECT falukeys.annotate_key('$id', 'Queued')");
	wait_until($waiter, 'NOT granted');
}
my $stop = session_of('oscar');
begin($stop, "SELECT falukeys.revoke_key('$id')");
wait_until($stop, "locktype = 'advisory' AND mode = 'ExclusiveLock'");
my $late = session_of('alice');
begin($late, "SELECT falukeys.annotate_key('$id', 'Late')");
is((session_attempt($stop, ''))[0], '00000', 'a stop goes before all who are waiting');
is(join('', map { is_there($_) } @queue), '00000', 'and ends them');
is((session_attempt($late, ''))[0], '00000', 'who comes later waits for it');
is(query($node, "SELECT description, revoked_at IS NOT NULL FROM falukeys.keys WHERE id = '$id'"), 'Late|t',
	'and is done after it');
foreach my $session (@queue)
{
	eval { $session->quit };
}
$late->quit;

# A transaction that holds the key already, goes on too.
($id, $key) = renew_key();
my $blocker = holder('mona', "SELECT falukeys.annotate_key('$id', 'Held')");
begin($stop, "SELECT falukeys.disable_key('$id')");
wait_until($stop, "locktype = 'transactionid' AND NOT granted");
is(is_there($blocker), 1, 'a transaction of equal rights is not ended');
is((session_attempt($blocker, "SELECT falukeys.annotate_key('$id', 'Again'); COMMIT"))[0], '00000', 'it goes on');
is((session_attempt($stop, ''))[0], '00000', 'and the stop, after it');
is(query($node, "SELECT description, disabled FROM falukeys.keys WHERE id = '$id'"), 'Again|t', 'both are done');
$blocker->quit;

# More rights; whatever role it acts as
foreach my $role ('root', 'mona')
{
	($id, $key) = renew_key();
	query($node, "GRANT alice TO mona");
	$blocker = holder($role, "SET ROLE alice; SELECT falukeys.annotate_key('$id', 'Held')");
	begin($stop, "SELECT falukeys.disable_key('$id')");
	wait_until($stop, "locktype = 'transactionid' AND NOT granted");
	is((session_attempt($blocker, "SELECT falukeys.annotate_key('$id', 'Again'); COMMIT"))[0], '00000',
		"nor is one of $role as a tenant");
	is((session_attempt($stop, ''))[0], '00000', 'for which the stop waits');
	$blocker->quit;
}

# A tenant has no precedence over another one.
($id, $key) = renew_key();
$blocker = holder('alice', "SELECT falukeys.annotate_key('$id', 'Held')");
is((attempt_as('alice', "SET lock_timeout = '3s'; SELECT falukeys.revoke_key('$id')"))[0], '55P03',
	'a tenant\'s revocation waits');
is((attempt_as('oscar', "SET lock_timeout = '100ms'; SELECT falukeys.revoke_key('$id')"))[0], '55P03',
	'lock_timeout holds for a stop');
is((attempt_as('oscar', "SET statement_timeout = '100ms'; SELECT falukeys.revoke_key('$id')"))[0], '57014',
	'so does statement_timeout');
is(is_there($blocker), 1, 'and then no one is ended');
session_attempt($blocker, 'COMMIT');
$blocker->quit;

# Two stops
($id, $key) = renew_key();
my ($other_id) = renew_key();
is((attempt_as('oscar', "BEGIN; SELECT falukeys.disable_key('$id'); SELECT falukeys.revoke_key('$id'); "
		. "SELECT falukeys.report_compromised_key('$key'); COMMIT"))[0], '00000',
	'stops in one transaction do not wait for it');
($id, $key) = renew_key();
my $second = holder('oscar', "SELECT falukeys.revoke_key('$other_id')");
session_attempt($stop, "BEGIN; SELECT falukeys.revoke_key('$id')");
begin($second, "SELECT falukeys.disable_key('$id')");
begin($stop, "SELECT falukeys.disable_key('$other_id')");
my @outcomes = sort map { (session_attempt($_, 'COMMIT'))[0] } ($stop, $second);
is("@outcomes", '00000 40P01', 'of two stops that wait for each other, one is told so');
$_->quit foreach ($stop, $second);

# Nothing stays behind that has no session.
($id, $key) = renew_key();
foreach my $change ("annotate_key('$id', 'Prepared')", "add_member('$workspace', 'someone', 'developer')")
{
	my ($sqlstate, $messages) = attempt_as('alice', "BEGIN; SELECT falukeys.$change; PREPARE TRANSACTION 'tenant'");

	is($sqlstate, '55000', "a tenant cannot prepare $change") or diag $messages;
	like($messages, qr/HINT: +Commit it/, 'and is told what to do');
	($sqlstate) = attempt_as('alice', "BEGIN; SET LOCAL falukeys.notify = off; SELECT falukeys.$change; "
		. "PREPARE TRANSACTION 'tenant'");
	is($sqlstate, '55000', 'not without a notification either');
}
is((attempt_as('alice', "BEGIN; SELECT 1; PREPARE TRANSACTION 'nothing'; ROLLBACK PREPARED 'nothing'"))[0], '00000',
	'other transactions can be prepared, by the same session too');
is((attempt_as('mona', "BEGIN; SET LOCAL falukeys.notify = off; SELECT falukeys.annotate_key('$id', 'Prepared'); "
	. "PREPARE TRANSACTION 'manager'; ROLLBACK PREPARED 'manager'"))[0], '00000', 'so can those of managers');
unlike(slurp_file($node->logfile), qr/\bf[pst]k[tl]_[0-9A-Za-z]{20,}/, 'no key is in the log');

# A stop that waits for its equal is not in the way of one with more rights.
{
	my ($id) = renew_key();
	my $equal = holder('mona', "SELECT falukeys.annotate_key('$id', 'Held by an equal')");
	my $waits = session_of('oscar');

	begin($waits, "SELECT falukeys.revoke_key('$id', 'by the operator')");
	wait_until($waits, "locktype = 'transactionid' AND NOT granted");
	is((attempt_as('root', "SELECT falukeys.revoke_key('$id', 'by the superuser')"))[0], '00000',
		'a stop goes before one that waits for its equal');
	is(is_there($equal), 0, 'whose session is ended');
	# Whichever of the two was the first to get the row
	like(query($node, "SELECT revoke_reason FROM falukeys.keys WHERE id = '$id'"), qr/^by the (superuser|operator)$/,
		'and the key is revoked');
	eval { $_->quit } foreach $equal, $waits;
}

# A snapshot that lacks the row does not wait for it.
{
	my $old = session_of('oscar');

	session_attempt($old, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) '
		. 'FROM falukeys_internal.visible_workspaces');
	my ($id) = renew_key();
	my ($sqlstate, $messages) = session_attempt($old,
		"SET statement_timeout = '60s'; SELECT falukeys.revoke_key('$id')");
	is($sqlstate, '40001', 'a stop of what came after its snapshot fails') or diag $messages;
	like($messages, qr/HINT: .*READ COMMITTED/, 'and says what to do');
	$old->quit;
}

# Whoever may name a table can lock it, and queue for a lock, without a privilege.
query($node, 'GRANT CREATE ON SCHEMA public TO someone; CREATE ROLE stranger LOGIN IN ROLE someone');
foreach my $case (
	[ 'DELETE FROM falukeys.keys', 'CREATE TABLE public.x (k text REFERENCES falukeys.keys)' ],
	[ 'SELECT FROM falukeys.keys', 'CREATE RULE r AS ON INSERT TO falukeys.keys DO NOTHING' ],
	[ 'SELECT FROM falukeys.events', 'CREATE RULE r AS ON INSERT TO falukeys.events DO NOTHING' ])
{
	my ($kept, $queued) = @{$case};
	my ($id) = renew_key();
	my $keeper = holder('stranger', "PREPARE p AS $kept");
	my $waiter = session_of('stranger');

	begin($waiter, $queued);
	wait_until($waiter, 'NOT granted');
	is((attempt_as('oscar', "SELECT falukeys.disable_key('$id')"))[0], '00000', "a stop goes before $queued");
	is(is_there($waiter), 0, 'whose session is ended');
	is(is_there($keeper), 1, 'that of whom it waited for is not');
	is(query($node, "SELECT disabled FROM falukeys.keys WHERE id = '$id'"), 't', 'and the key is disabled');
	eval { $_->quit } foreach $waiter, $keeper;
}

$node->stop;
done_testing();
