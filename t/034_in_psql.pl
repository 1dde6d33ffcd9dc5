# In a terminal of 160 columns every view is readable in psql: the narrow ones as
# tables, and all of them with \x auto.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use FalukeysTest;
use Test::More;

my $node = new_server('in_psql', conf => "shared_preload_libraries = 'falukeys'\n");

query($node, <<'SQL');
CREATE ROLE alice;
CREATE ROLE bob;
SELECT falukeys.create_workspace('Fountain Coffee', 'alice') AS workspace \gset
SELECT falukeys.approve_workspace(:'workspace');
SELECT falukeys.describe_workspace(:'workspace', 'Fountain Coffee', '{"plan": "gold"}');
SELECT falukeys.add_member(:'workspace', 'bob', 'developer');
SELECT falukeys.define_permission('messages.read', 'Reading messages');
SELECT falukeys.define_permission('messages.write', 'Sending messages');
SET falukeys.acting_for = 'ann@example.com';
SELECT id, key FROM falukeys.create_key(:'workspace', 'secret', 'live', 'Nightly export',
	'{messages.read,messages.write}', '{192.0.2.0/24}', meta => '{"team": "billing"}') \gset
SELECT falukeys.roll_key(:'id', '1 day');
SELECT falukeys.verify_key(:'key', 'messages.read', '192.0.2.7');
SELECT falukeys.restrict_key(:'id', '{messages.read}', '{192.0.2.0/25,2001:db8::/48}');
SELECT falukeys.create_temporary_key(:'workspace', 'live', '{order_1041}', ttl => '1 hour');
SELECT falukeys.revoke_key(:'id', 'no longer used');
SELECT falukeys.suspend_workspace(:'workspace', 'Unpaid');
SQL

# The widest line of a view as psql shows it to a superuser
sub width
{
	my ($view, $expanded) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', <<SQL);
\\pset format aligned
\\pset tuples_only off
\\pset columns 160
\\x $expanded
SELECT * FROM falukeys.$view;
SQL

	ok($status == 0 && $output =~ /\w/, "$view is shown") or diag $errors;
	return (sort { $a <=> $b } map { length } split(/\n/, $output))[-1];
}

my @views = split(/\n/, query($node,
	"SELECT viewname FROM pg_views WHERE schemaname = 'falukeys' ORDER BY viewname"));
cmp_ok(scalar(@views), '>', 6, 'there are views');
cmp_ok(width($_, 'auto'), '<=', 160, "$_ with \\x auto") foreach @views;
cmp_ok(width($_, 'off'), '<=', 160, "$_ as a table") foreach ('member_list', 'permission_list', 'key_changes');
$node->stop;
done_testing();
