# What the TAP tests share: servers with falukeys in them, and checks of
# refusals by their SQLSTATE.
package FalukeysTest;

use strict;
use warnings;

use Exporter 'import';
use File::Find;
use IPC::Run;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  new_server configure query attempt refused is_code new_workspace new_sealed
  session session_attempt session_refused start_pooler stop_pooler
  find_in_files key_patterns
);

# A started server with the extension in database postgres. Statements are not
# logged: they hold keys.
sub new_server
{
	my ($name, %parameters) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		defined $parameters{install_path} ? (install_path => $parameters{install_path}) : ());

	$node->init(extra => [ '-E', 'UTF8', '--locale', 'C' ], %{ $parameters{init} || {} });
	$node->append_conf('postgresql.conf', <<CONF);
log_statement = none
log_min_error_statement = panic
autovacuum = off
checkpoint_timeout = 1h
CONF
	$node->append_conf('postgresql.conf', $parameters{conf})
	  if defined $parameters{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION falukeys')
	  unless $parameters{empty};
	return $node;
}

# Puts settings into postgresql.conf, and returns once new sessions have them.
sub configure
{
	my ($node, %settings) = @_;
	my $before = query($node, 'SELECT pg_conf_load_time()');

	# The last one of a setting holds.
	$node->append_conf('postgresql.conf', "$_ = '$settings{$_}'\n") foreach sort keys %settings;
	$node->reload;
	$node->poll_query_until('postgres', "SELECT pg_conf_load_time() <> '$before'")
	  or die 'the settings did not arrive';
	return;
}

sub query
{
	my ($node, $sql, $database) = @_;

	return $node->safe_psql($database || 'postgres', $sql);
}

sub _parse_error
{
	my ($stderr) = @_;
	my ($sqlstate) = $stderr =~ /(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}):/;

	return $sqlstate || '00000';
}

# Runs SQL and goes on after errors. Answers the first error's SQLSTATE, 00000
# where there was none, then all messages in full, then the output.
sub attempt
{
	my ($node, $sql, $database) = @_;
	my ($status, $stdout, $stderr) = $node->psql(
		$database || 'postgres',
		"\\set VERBOSITY verbose\n$sql",
		on_error_stop => 0);

	die "no connection: $stderr" if $status == 2;
	return (_parse_error($stderr), $stderr, $stdout);
}

sub _check_refusal
{
	my ($sqlstate, $messages, $output, $expected, $pattern, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 2;
	my $good = $sqlstate eq $expected
	  && $messages =~ $pattern
	  && $messages . $output !~ /\bf[pst]k[tl]_[0-9A-Za-z]{20,}/;

	ok($good, $name)
	  or diag "expected $expected $pattern and no key, got $sqlstate\n$messages\n$output";
	return $good;
}

# The SQL's first error has this SQLSTATE, its messages match, and neither they
# nor the output have a key in them.
sub refused
{
	my ($node, $sql, $expected, $pattern, $name, $database) = @_;
	my ($sqlstate, $messages, $output) = attempt($node, $sql, $database);

	return _check_refusal($sqlstate, $messages, $output, $expected, $pattern, $name);
}

# What verify_key answers
sub is_code
{
	my ($node, $key, $expected, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is( query($node, "SELECT code FROM falukeys.verify_key('$key')", $database),
		$expected, $name);
}

# An approved workspace
sub new_workspace
{
	my ($node, $name, $database) = @_;
	my $workspace =
	  query($node, "SELECT falukeys.create_workspace('$name')", $database);

	query($node, "SELECT falukeys.approve_workspace('$workspace')", $database);
	return $workspace;
}

# The id of a secret key that waits to be revealed
sub new_sealed
{
	my ($node, $workspace, $mode, $database) = @_;

	return query($node,
		"SELECT id FROM falukeys.create_key('$workspace', 'secret', '$mode', reveal => false)",
		$database);
}

# A psql that stays connected and goes on after errors
sub session
{
	my ($node, $database) = @_;
	my $session = $node->background_psql($database || 'postgres', on_error_stop => 0);

	$session->query_safe('\set VERBOSITY verbose');
	return $session;
}

# As attempt, in a session
sub session_attempt
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	my $output = $session->query($sql);
	my $messages = $session->{stderr};
	$session->{stderr} = '';
	return (_parse_error($messages), $messages, $output);
}

sub session_refused
{
	my ($session, $sql, $expected, $pattern, $name) = @_;
	my ($sqlstate, $messages, $output) = session_attempt($session, $sql);

	return _check_refusal($sqlstate, $messages, $output, $expected, $pattern, $name);
}

# A pgbouncer in transaction mode, before database postgres, with one connection to
# it, as a role. Named prepared statements do not work there, as before its 1.21.
sub start_pooler
{
	my ($node, $role) = @_;
	my $pgbouncer = (grep { -x $_ } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin')[0]
	  or die 'pgbouncer is not installed';
	my $directory = PostgreSQL::Test::Utils::tempdir_short();
	my %pooler = (host => $directory, port => PostgreSQL::Test::Cluster::get_free_port());
	my ($version) = `'$pgbouncer' --version` =~ /^PgBouncer 1\.(\d+)/ or die 'unknown version of pgbouncer';

	append_to_file("$directory/pgbouncer.ini", <<INI . ($version >= 21 ? "max_prepared_statements = 0\n" : ''));
[databases]
app = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=postgres user=$role pool_size=1

[pgbouncer]
listen_addr =
listen_port = $pooler{port}
unix_socket_dir = $directory
auth_type = any
pool_mode = transaction
ignore_startup_parameters = extra_float_digits
logfile = $directory/log
pidfile = $directory/pid
INI
	$pooler{process} = IPC::Run::start([ $pgbouncer, '-q', "$directory/pgbouncer.ini" ],
		'<', \undef, '>', "$directory/out", '2>&1');
	for (1 .. 100)
	{
		return \%pooler if -S "$directory/.s.PGSQL.$pooler{port}";
		select(undef, undef, undef, 0.1);
	}
	die 'pgbouncer does not listen';
}

sub stop_pooler
{
	my ($pooler) = @_;

	$pooler->{process}->signal('INT');
	$pooler->{process}->finish;
	return;
}

# Patterns, each enough to know a key by, for its text, its base64 at all three
# alignments and its hexadecimal. They are parts of it, since a page boundary in
# the WAL may cut a text into two.
sub key_patterns
{
	my ($key) = @_;
	my ($body) = $key =~ /^f[pst]k[tl]_([0-9A-Za-z]{34,50})$/ or die 'not a key';
	my @patterns;

	# The last four characters are no secret.
	foreach my $part (substr($body, 0, 15), substr($body, -19, 15))
	{
		push @patterns, $part, unpack('H*', $part);
		foreach my $before (0 .. 2)
		{
			my $encoded = encode_base64(('x' x $before) . $part, '');

			# Only what does not depend on the bytes around it
			push @patterns, substr($encoded, $before ? 4 : 0, 12);
		}
	}
	return @patterns;
}

# Which of the strings are where: answers "string in file" for each that is.
sub find_in_files
{
	my ($strings, @roots) = @_;
	my $all = join('|', map { quotemeta } @$strings);
	my %found;

	find(
		{
			no_chdir => 1,
			wanted => sub {
				my $file = $File::Find::name;

				return unless -f $file;
				open(my $handle, '<:raw', $file) or die "could not open $file: $!";
				local $/ = undef;
				my $content = <$handle>;
				close($handle);
				return unless defined $content;
				$found{"$1 in $file"} = 1 while $content =~ /($all)/g;
			}
		},
		@roots);
	my @found = sort keys %found;
	return @found;
}

1;
