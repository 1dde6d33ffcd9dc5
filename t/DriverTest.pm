# Tests of drivers: where they are, servers for them, and the scripts in
# t/drivers/ that use them. A script prints a line "ok - what" or "not ok - what"
# for each check, and "done" at its end.
package DriverTest;

use strict;
use warnings;

use Exporter 'import';
use File::Copy;
use FindBin;
use FalukeysTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(node_with python_with driver_directory skip_without_driver run_driver_tests);

# Where scripts/install-drivers puts what npm gives
sub _node_modules
{
	my $cache = $ENV{XDG_CACHE_HOME} || ($ENV{HOME} || '/nonexistent') . '/.cache';

	return (grep { -e "$_/complete" } "$cache/falukeys", '/var/cache/falukeys')[0];
}

# A program of that name, or undef
sub _program
{
	my ($name) = @_;

	return $name if $name =~ /\//;
	return (grep { -x $_ } map { "$_/$name" } split(/:/, $ENV{PATH}))[0];
}

sub _runs
{
	my (@command) = @_;
	my $output;

	return IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$output);
}

# Node, where the package is there; else undef
sub node_with
{
	my ($package) = @_;
	my $node = _program('node');
	my $modules = _node_modules();

	return $node && $modules && -d "$modules/node_modules/$package" ? $node : undef;
}

# The Python that has the module; else undef
sub python_with
{
	my ($module) = @_;

	foreach my $name (grep { $_ } $ENV{PYTHON}, 'python3', '/usr/bin/python3')
	{
		my $python = _program($name);

		return $python if $python && _runs($python, '-c', "import $module");
	}
	return undef;
}

# A new directory in which Node finds the packages
sub driver_directory
{
	my $directory = PostgreSQL::Test::Utils::tempdir();
	my $modules = _node_modules();

	symlink("$modules/node_modules", "$directory/node_modules") if $modules;
	return $directory;
}

# scripts/test names in FALUKEYS_WITHOUT what could not be had: it fails without
# any other one, and knows such a skipped test by what is said here.
sub skip_without_driver
{
	my ($driver, $program) = @_;

	return if $program;
	die "driver $driver is not there, although scripts/install-drivers has it"
	  if defined $ENV{FALUKEYS_WITHOUT} && " $ENV{FALUKEYS_WITHOUT} " !~ / \Q$driver\E /;
	plan(skip_all => "driver $driver cannot be had");
}

# A server with two workspaces, and roles for who verifies, who manages keys, and no one
sub _server
{
	my $node = new_server('driver', conf => "max_prepared_transactions = 2\n");
	my %setup;

	query($node, <<'SQL');
CREATE ROLE app LOGIN;
CREATE ROLE admin LOGIN;
CREATE ROLE nobody LOGIN;
SELECT falukeys.grant_access('app', 'verifier');
SELECT falukeys.define_permission('messages');
CREATE TABLE message (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, workspace_id text NOT NULL,
	mode falukeys.key_mode NOT NULL, body text);
GRANT SELECT, INSERT ON message TO app, nobody;
SELECT falukeys.isolate_table('message');
SQL
	foreach my $name (qw(ann ben))
	{
		my $workspace = query($node, "SELECT falukeys.create_workspace('$name', 'admin')");

		$setup{"\U$name\E_WORKSPACE"} = $workspace;
		$setup{"\U$name"} = query($node,
			qq(SELECT key FROM falukeys.create_key('$workspace', 'secret', 'test', meta => '{"plan": "free"}')));
	}
	return ($node, \%setup);
}

# run_driver_tests DRIVER PROGRAM SCRIPT: the checks of t/drivers/SCRIPT, as this test's
sub run_driver_tests
{
	my ($driver, $program, $script) = @_;
	my $directory = driver_directory();
	my ($output, $messages) = ('', '');

	skip_without_driver($driver, $program);
	my ($node, $setup) = _server();
	my $pooler = start_pooler($node, 'app');
	foreach my $file (glob("$FindBin::Bin/drivers/*.{mjs,py}"))
	{
		copy($file, $directory) or die "could not copy $file: $!";
	}
	{
		local %ENV = (%ENV, %$setup,
			PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres',
			POOLER_HOST => $pooler->{host}, POOLER_PORT => $pooler->{port},
			SUPERUSER => query($node, 'SELECT current_user'));
		delete @ENV{qw(PGUSER PGAPPNAME)};
		IPC::Run::run([ $program, "$directory/$script" ], '<', \undef, '>', \$output, '2>', \$messages,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	foreach my $line (split(/\n/, $output))
	{
		if ($line =~ /^(not )?ok - (.*)/) { ok(!$1, $2); }
		else { diag($line) unless $line eq 'done'; }
	}
	like($output, qr/^done$/m, "$script came to its end") or diag $messages;
	unlike($output . $messages, qr/\bfsk[tl]_[0-9A-Za-z]{20,}/, 'and showed no key');
	stop_pooler($pooler);
	$node->stop;
	return;
}

1;
