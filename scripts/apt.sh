# Shared by the scripts that install with apt-get; needs common.sh.

updated=
output=

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
# What apt-get says is of interest only where it fails.
apt_get() {
	output=$(as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q "$@" 2>&1 </dev/null) || {
		echo "$output" >&2
		fail "apt-get $1 failed"
	}
}
apt_update() {
	[ -z "$updated" ] || return 0
	apt_get update
	# It succeeds with warnings where it reached nobody.
	updated=${output:-done}
}
require_apt() {
	command -v apt-get >/dev/null ||
		fail "missing: $*; install it, or say where it is with PG_CONFIG (only apt-get is known here)"
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
		fail "missing: $*; install it with \"apt-get install $*\" as root, or run this as root"
}
