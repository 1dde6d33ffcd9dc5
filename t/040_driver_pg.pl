# Node's "pg": see t/drivers/pg.mjs.
use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use DriverTest;
use Test::More;

run_driver_tests('pg', node_with('pg'), 'pg.mjs');
done_testing();
