# falukeys: API keys inside the database

# Where this file is: another directory may be built in, by make -f .../Makefile.
TREE := $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
ifneq ($(abspath $(TREE)),$(CURDIR))
$(shell mkdir -p src sql unit fuzz)
endif

EXTENSION = falukeys
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(TREE)/falukeys.control)

MODULE_big = falukeys
OBJS = $(patsubst $(TREE)/%.c,%.o,$(sort $(wildcard $(TREE)/src/*.c)))
PG_CPPFLAGS = -I$(TREE)/src -DFALUKEYS_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
SHLIB_LINK = -Wl,-Bsymbolic -lcrypto -lz

# The parts of the install script, in the order in which they build on each other.
SQL_PARTS = \
	preamble \
	apikey \
	workspaces \
	keys \
	restrictions \
	vault \
	subscription \
	rotation \
	events \
	access_level \
	access \
	guards \
	verify \
	client_address \
	identity \
	isolation \
	request \
	lifecycle \
	publication \
	find_keys \
	usage \
	dashboard \
	invariants \
	attention \
	health \
	finish
EXTENSION_SCRIPT = sql/falukeys--$(EXTVERSION).sql
DATA_built = $(EXTENSION_SCRIPT)

# Named one by one: a wildcard would run the install script.
REGRESS = \
	install \
	default_privileges \
	apikey \
	generation \
	workspaces \
	describing \
	keys \
	lifecycle \
	restrictions \
	verify \
	client_address \
	columns \
	freshness \
	hints \
	garbage \
	vault \
	publication \
	master_key \
	events \
	recording \
	key_changes \
	errors \
	messages \
	limits \
	guards \
	leaks \
	find_keys \
	usage \
	dashboard \
	lists \
	attention \
	health \
	access \
	visibility \
	acting_in \
	labels \
	access_matrix \
	attacks \
	lookalikes \
	invariants \
	identity \
	assume_key \
	top_level \
	minting \
	isolation \
	request \
	caches
ISOLATION = \
	reveals \
	reveal_roll \
	rolls \
	roll_readers \
	restrict_readers \
	revoke_loop \
	import_roll \
	administrators \
	approvals \
	wait_for_key \
	rewrites \
	premade \
	probing \
	membership \
	purge
# Specs include what they share.
ISOLATION_OPTS += --launcher=$(TREE)/scripts/isolationtester
TAP_TESTS = 1

EXTRA_CLEAN = $(EXTENSION_SCRIPT) unit/key_format_test unit/key_text_test unit/key_mask_test \
	fuzz/key_format_fuzz fuzz/apikey_fuzz fuzz/found

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
# Only `make test` and `make demo` work without it: they install what is missing.
all install uninstall installcheck clean:
	$(error $(PG_CONFIG) finds no PGXS: install PostgreSQL's server development files, or set PG_CONFIG)
endif

# They look at every character of every key, and of every text that may hold one.
src/key_format.o src/key_mask.o: CFLAGS += $(CFLAGS_VECTORIZE)

# PGXS knows nothing of headers.
$(OBJS): $(wildcard $(TREE)/src/*.h)

$(EXTENSION_SCRIPT): $(SQL_PARTS:%=$(TREE)/src/%.sql) $(TREE)/falukeys.control $(TREE)/Makefile
	cat $(SQL_PARTS:%=$(TREE)/src/%.sql) > $@

# --- Trying and testing: works on a fresh Debian machine, see scripts/ ---

SANITIZE = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_FLAGS = -std=gnu99 -Wall -Wextra -I$(TREE)/src

# For both fuzzers together
FUZZ_SECONDS = 30
FUZZ_FLAGS = -std=gnu99 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	$(PG_CFLAGS) -Wno-ignored-attributes -Wno-unknown-warning-option

.PHONY: test soak matrix demo bench unit fuzz fuzz-corpus

test:
	PG_CONFIG='$(PG_CONFIG)' $(TREE)/scripts/test

# The tests that take as long as one likes: what they know is in the heads of these files.
soak:
	PG_CONFIG='$(PG_CONFIG)' CRASHES=$${CRASHES:-100} SOAK_SECONDS=$${SOAK_SECONDS:-120} \
	TIMEOUT_FACTOR=$${TIMEOUT_FACTOR:-10} SUITES=tap PROVE_TESTS='t/029_crash_journal.pl t/035_soak.pl' \
	SHOW_NOTES=yes $(TREE)/scripts/test

# On machines with other versions, and under tools: PARTS="15 valgrind" runs these parts only.
matrix:
	$(TREE)/scripts/matrix $(PARTS)

demo:
	PG_CONFIG='$(PG_CONFIG)' $(TREE)/scripts/demo

bench:
	PG_CONFIG='$(PG_CONFIG)' $(TREE)/bench/run $(KEYS)

unit: unit/key_format_test unit/key_text_test unit/key_mask_test
	./unit/key_format_test
	./unit/key_text_test
	./unit/key_mask_test

# Not every compiler has its sanitizers installed.
unit/key_format_test unit/key_text_test unit/key_mask_test: unit/%: $(TREE)/unit/%.c $(wildcard $(TREE)/unit/*.h $(TREE)/src/key_*.[ch])
	$(CC) $(UNIT_FLAGS) -DSTANDALONE $(SANITIZE) -o $@ $< $(TREE)/src/key_format.c $(TREE)/src/key_mask.c -lz || \
	$(CC) $(UNIT_FLAGS) -DSTANDALONE -O1 -o $@ $< $(TREE)/src/key_format.c $(TREE)/src/key_mask.c -lz

# What is found is kept in fuzz/found, and what crashed beside it.
fuzz: fuzz/key_format_fuzz fuzz/apikey_fuzz
	$(TREE)/scripts/fuzz key_format $(FUZZ_SECONDS)/2
	$(TREE)/scripts/fuzz apikey $(FUZZ_SECONDS)/2

# Of what was found, what the corpus had nothing like
fuzz-corpus: fuzz/key_format_fuzz fuzz/apikey_fuzz
	$(TREE)/scripts/fuzz key_format merge
	$(TREE)/scripts/fuzz apikey merge

fuzz/key_format_fuzz: FUZZ_SOURCES = $(TREE)/src/key_format.c
fuzz/apikey_fuzz: FUZZ_SOURCES = $(TREE)/src/key_format.c $(TREE)/src/crypto.c $(TREE)/src/apikey.c $(TREE)/fuzz/server.c
fuzz/key_format_fuzz fuzz/apikey_fuzz: fuzz/%: $(TREE)/fuzz/%.c $(wildcard $(TREE)/fuzz/*.[ch] $(TREE)/src/*.h) \
		$(TREE)/src/key_format.c $(TREE)/src/crypto.c $(TREE)/src/apikey.c
	compiler=$$($(TREE)/scripts/fuzz-compiler) || { echo "there is no clang with libFuzzer: install clang and libclang-rt-dev" >&2; exit 1; }; \
	$$compiler $(FUZZ_FLAGS) $(CPPFLAGS) -I$(TREE)/src -o $@ $< $(FUZZ_SOURCES) -lcrypto -lz

# --- End of trying and testing ---
