# No plaintext of a secret is ever in the data directory or the WAL, and
# falukeys' own messages never contain a key.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;

use FalukeysTest;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

# Without page images in another form, and with every message there is
my $node = new_server('no_plaintext', conf => <<CONF);
wal_compression = off
wal_keep_size = 512MB
log_min_messages = debug2
log_error_verbosity = verbose
CONF

my $session = session($node);
my @keys;		# [what it is, its text]

# Runs SQL that answers keys, alone or beside an id, and keeps them.
sub keep
{
	my ($what, $sql) = @_;
	my ($sqlstate, $messages, $output) = session_attempt($session, $sql);
	my @found = $output =~ /\b(f[st]k[tl]_[0-9A-Za-z]{20,50})\b/g;

	is($sqlstate, '00000', $what) or diag $messages;
	ok(scalar(@found), "$what: there is a key") or return;
	push @keys, map { [ $what, $_ ] } @found;
	return $found[-1];
}

sub id_of
{
	my ($sql) = @_;
	my (undef, $messages, $output) = session_attempt($session, $sql);
	my ($id) = $output =~ /((?:key|wksp)_[0-9A-Za-z]{27})/ or die "no id: $messages";

	return $id;
}

# Invalid on purpose, so no registered key has it: 49 characters, wrong checksum
sub wrong_checksum
{
	my ($key) = @_;

	substr($key, -5, 1) =~ tr/0-9A-Za-z/1-9A-Za-z0/;
	return $key;
}

my $workspace = id_of("SELECT falukeys.create_workspace('Nothing in plaintext')");
session_attempt($session, "SELECT falukeys.approve_workspace('$workspace')");
session_attempt($session, "SELECT falukeys.define_permission('messages')");

# Every way in which a secret comes into being, is shown and goes

foreach my $mode ('test', 'live')
{
	keep("$mode, created", "SELECT * FROM falukeys.create_key('$workspace', 'secret', '$mode')");
	keep("$mode, created and rolled back",
		"BEGIN; SELECT * FROM falukeys.create_key('$workspace', 'secret', '$mode'); ROLLBACK;");

	my $sealed = id_of("SELECT id FROM falukeys.create_key('$workspace', 'secret', '$mode', reveal => false)");
	keep("$mode, sealed and revealed", "SELECT falukeys.reveal_key('$sealed', 'a safe')");
	keep("$mode, rolled", "SELECT * FROM falukeys.roll_key('$sealed')");
	keep("$mode, rolled with a grace", "SELECT * FROM falukeys.roll_key('$sealed', '1 hour')");
	keep("$mode, rolled and rolled back", "BEGIN; SELECT * FROM falukeys.roll_key('$sealed'); ROLLBACK;");
	session_attempt($session, "SELECT falukeys.roll_key('$sealed', reveal => false)");
	keep("$mode, sealed by a roll, revealed and rolled back",
		"BEGIN; SELECT falukeys.reveal_key('$sealed'); ROLLBACK;");
	keep("$mode, temporary", "SELECT * FROM falukeys.create_temporary_key('$workspace', '$mode', '{object}')");
	keep("$mode, made with the workspace",
		"SELECT falukeys.reveal_key(id) FROM falukeys.keys WHERE workspace_id = '$workspace'"
		  . " AND kind = 'secret' AND mode = '$mode' ORDER BY created_at LIMIT 1");
}

# Sealed still when the files are searched: shown to no one before that
my %waiting = map { ($_ => id_of("SELECT id FROM falukeys.create_key('$workspace', 'secret', '$_', reveal => false)")) }
  ('test', 'live');
session_attempt($session, 'SELECT falukeys.rotate_master_key()');
session_attempt($session, 'SELECT falukeys.adopt_sealed_secrets()');

# What is presented: registered, unknown, malformed, stored in texts, leaked

my $imported = 'fskl_' . join('', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9)[ rand 62 ] } 1 .. 43);
my $unknown = 'fskt_' . join('', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9)[ rand 62 ] } 1 .. 43);
push @keys, [ 'imported', $imported ], [ 'unknown', $unknown ];
my $import = id_of("SELECT falukeys.import_key('$workspace', '$imported', 'from $unknown')");

foreach my $key (map { $_->[1] } @keys)
{
	session_attempt($session, "SELECT * FROM falukeys.verify_key('$key', 'messages', '192.0.2.1')");
	session_attempt($session, "PREPARE verify(text) AS SELECT falukeys.key_allows(\$1, 'messages', NULL);"
		  . " EXECUTE verify('$key'); DEALLOCATE verify;");
	session_attempt($session,
		"SELECT '$key'::falukeys.apikey, falukeys.redact('the key $key'), falukeys.apikey_of('$key')");
	session_attempt($session, "SELECT * FROM falukeys.find_keys('a text with $key in it')");
	# Errors that have a key in their arguments
	session_attempt($session, "SELECT falukeys.import_key('$workspace', '$key')");
	session_attempt($session, "SELECT falukeys.import_key('$workspace', '${\ wrong_checksum($key)}')");
	session_attempt($session, "SELECT '$key and more'::falukeys.apikey");
	session_attempt($session, "SELECT falukeys.apikey_of('x$key')");
	session_attempt($session, "SELECT falukeys.reveal_key('$key')");
	session_attempt($session, "SELECT falukeys.roll_key('$key')");
	session_attempt($session, "SELECT falukeys.create_key('$key', 'secret', 'test')");
	session_attempt($session, "SELECT falukeys.approve_workspace('$key')");
	session_attempt($session, "SELECT falukeys.define_permission('$key')");
	session_attempt($session, "SELECT falukeys.create_key('$workspace', 'secret', 'test', permissions => '{$key}')");
	session_attempt($session, "SELECT falukeys.restrict_key('$import', '{$key}')");
	session_attempt($session, "INSERT INTO falukeys.workspaces (id, name) VALUES ('$key', 'by hand')");
	session_attempt($session, "UPDATE falukeys.keys SET secret = '$key', public_key = '$key' WHERE id = '$import'");
}

my $leaked = keep('leaked', "SELECT * FROM falukeys.create_key('$workspace', 'secret', 'live')");
my $texts = $leaked;
session_attempt($session, "SET falukeys.acting_for = 'someone with $texts'");
my $noted = id_of("SELECT id FROM falukeys.create_key('$workspace', 'secret', 'test', 'described as $texts')");
foreach my $sql (
	"SELECT falukeys.annotate_key('$noted', 'annotated $texts', 'saved as $texts')",
	"SELECT falukeys.reveal_key('$noted', 'kept in $texts')",
	"SELECT falukeys.reveal_key('$waiting{test}', 'kept in $texts')",
	"SELECT falukeys.define_permission('texts', 'about $texts')",
	"SELECT falukeys.revoke_key('$noted', 'because of $texts')",
	"INSERT INTO falukeys.workspaces (name) VALUES ('by hand $texts')",
	"UPDATE falukeys.keys SET description = 'by hand $texts', saved_in = '$texts', revoke_reason = '$texts' "
		. "WHERE id = '$noted'",
	"UPDATE falukeys.permissions SET description = '$texts'",
	"SELECT falukeys.report_compromised_key('$leaked', 'found in $texts')",
	"SELECT falukeys.report_compromised_key('$leaked', 'found again in $texts')")
{
	session_attempt($session, $sql);
}
my $other = id_of("SELECT falukeys.create_workspace('Named $texts')");
session_attempt($session, "SELECT falukeys.suspend_workspace('$other', 'suspended for $texts')");
session_attempt($session, "SELECT falukeys.close_workspace('$other', 'closed for $texts')");
is( query($node, "SELECT count(*) FROM falukeys.workspaces WHERE name LIKE 'Named fskl\\_****____'"),
	1, 'a stored text has the key redacted');

# A planted positive for each form, so that the search is known to work

my $planted = 'fskl_' . join('', map { ('A' .. 'Z', 'a' .. 'z', 0 .. 9)[ rand 62 ] } 1 .. 49);
query($node, 'CREATE TABLE planted (form text, content text)');
foreach my $form (
	[ 'text', "in it: $planted" ],
	[ 'hexadecimal', unpack('H*', "in it: $planted") ],
	map { [ "base64 after $_", encode_base64(('-' x $_) . $planted . ' and more', '') ] } 0 .. 2)
{
	query($node, "INSERT INTO planted VALUES ('$form->[0]', '$form->[1]')");
}
session_attempt($session, 'CHECKPOINT');

my $data = $node->data_dir;
my @planted_patterns = key_patterns($planted);
my @found = find_in_files(\@planted_patterns, "$data/base");
is(scalar(@found), scalar(@planted_patterns), 'each form of the planted key is found in the tables');
@found = find_in_files(\@planted_patterns, "$data/pg_wal");
ok(@found >= @planted_patterns / 2, 'and in the WAL');

# The search

sub search
{
	my ($name, $keys, @roots) = @_;
	my %what;

	foreach my $key (@$keys)
	{
		$what{$_} = $key->[0] foreach key_patterns($key->[1]);
	}
	my @found = map { my ($string, $file) = split(/ in /, $_, 2); "$what{$string} in $file" }
	  find_in_files([ keys %what ], @roots);
	is(join("\n", @found), '', $name);
	return;
}

note scalar(@keys) . ' keys';
search('no key is anywhere in the data directory', \@keys, $data);

# The server's log: planted by a function that is not ours
session_attempt($session, "DO \$\$BEGIN RAISE LOG 'planted: $planted'; END\$\$");
is(scalar(find_in_files([$planted], $node->logfile)), 1, 'a planted key is found in the log');
search('no key is in the log', \@keys, $node->logfile);

# Those that were sealed all along
my @late = map { [ "sealed $_", query($node, "SELECT falukeys.reveal_key('$waiting{$_}')") ] } ('test', 'live');
search('nor are those that were sealed all along', \@late, $data, $node->logfile);

# What a clean stop and a crash write
$session->quit;
$node->stop;
search('nor after a stop', [ @keys, @late ], $data, $node->logfile);
$node->start;
query($node, "SELECT count(*) FROM falukeys.verify_key('$_->[1]')") foreach @keys;
# The server logs what a session that it ends was running, or ran last.
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")
	or die;
$node->stop('immediate');
search('nor after a crash', [ @keys, @late ], $data, $node->logfile);

done_testing();
