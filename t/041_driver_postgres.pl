# Node's "postgres": see t/drivers/postgres.mjs.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use DriverTest;
use Test::More;

run_driver_tests('postgres', node_with('postgres'), 'postgres.mjs');
done_testing();
