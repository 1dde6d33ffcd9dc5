# Shared by the other scripts, which source it: where the tree is, which
# PostgreSQL to use, and who owns the servers that the scripts start.

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}

# What a calling make was told is not meant for the builds made here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# Messages are compared and parsed, and a locale may be set that is not installed.
export LC_ALL=C
unset LANG LANGUAGE

fail() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

# What ends a script says so.
set -E
trap 'echo "$(basename "$0"): failed in line $LINENO: $BASH_COMMAND" >&2' ERR

# PostgreSQL refuses to run as root.
if [ "$(id -u)" = 0 ]; then
	owner=postgres
	to_owner=(runuser -u postgres --)
else
	owner=$(id -un)
	to_owner=()
fi
as_owner() { "${to_owner[@]}" "$@"; }

require_owner() {
	id -u "$owner" >/dev/null 2>&1 ||
		fail "there is no user \"$owner\", and PostgreSQL does not run as root"
}

# Stops every server whose data directory lies in $1, however it was started.
stop_servers() {
	local pid_file
	find "$1" -name postmaster.pid 2>/dev/null | while read -r pid_file; do
		as_owner "$1/postgresql/bin/pg_ctl" -D "$(dirname "$pid_file")" \
			-m immediate -w stop >/dev/null 2>&1 || true
	done
}

# Where scripts/install-drivers puts what npm gives: for everyone, or for oneself.
# t/DriverTest.pm looks in both.
drivers_of_machine=/var/cache/falukeys
drivers_of_user=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/falukeys

# The mirror of Debian that apt-get uses here, unless MIRROR names another one.
debian_mirror() {
	local mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep -v security | head -n 1)}
	[ -n "$mirror" ] || fail "apt-get knows no mirror of Debian; name one with MIRROR"
	echo "$mirror"
}
