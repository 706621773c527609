#!/bin/sh
# Makes a checkout ready to run: Debian packages, npm packages, addon and stub, bundles. Does only what is missing, so it is cheap to
# call first from everything: CI, npm test, npm run demo, people.
#
#   scripts/bootstrap.sh            what building and `npm run demo` need
#   scripts/bootstrap.sh --tests    also what the guest tests use (musl, Go, busybox, tmux, test suites)
#   scripts/bootstrap.sh --bars     also what the full bars use (debootstrap)
#   scripts/bootstrap.sh --e2e      also what the long end-to-end tests use
#   scripts/bootstrap.sh --conformance   also what the suites of `npm run conformance` are made of
set -eu
cd "$(dirname "$0")/.."

say() { printf 'bootstrap: %s\n' "$*" >&2; }

# Daemons are there, even if an ordinary user's PATH does not name it.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# need PROGRAM PACKAGE: remember PACKAGE when PROGRAM is not there.
packages=
need() {
	command -v "$1" >/dev/null 2>&1 || case " $packages " in *" $2 "*) ;; *) packages="$packages $2" ;; esac
}

# need_file FILE PACKAGE: the same by a file that PACKAGE brings, for what is no program.
need_file() {
	[ -e "$1" ] || case " $packages " in *" $2 "*) ;; *) packages="$packages $2" ;; esac
}

if ! command -v node >/dev/null 2>&1; then
	say 'node not found; install Node 20.11 or newer (Debian package nodejs, or nodejs.org)'
	exit 1
fi
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 11) ? 0 : 1)'; then
	say "node $(node --version) is too old; install Node 20.11 or newer"
	exit 1
fi

need cc build-essential
need c++ build-essential
need make build-essential
need python3 python3
case ${1:-} in
--tests | --bars | --e2e | --conformance)
	need musl-gcc musl-tools
	need go golang-go
	need busybox busybox-static
	need tmux tmux
	need perl perl
	need ps procps
	need curl curl
	need wget wget
	need git git
	need openssl openssl
	need nginx nginx-light
	need redis-server redis-server
	need sqlite3 sqlite3
	need ip iproute2
	need netstat net-tools
	need lsof lsof
	need vim vim
	need less less
	need inotifywait inotify-tools
	need script bsdutils
	need bzip2 bzip2
	need stress-ng stress-ng
	need gdb gdb
	need strace strace
	need_file /usr/share/zoneinfo/America/Los_Angeles tzdata
	need_file /usr/lib/python3.11/test/test_os.py libpython3.11-testsuite
	;;
esac
case ${1:-} in
--bars | --e2e)
	[ "$(id -u)" != 0 ] || need debootstrap debootstrap
	;;
esac
case ${1:-} in
--e2e)
	need docker-registry docker-registry
	need skopeo skopeo
	need umoci umoci
	need_file /usr/lib/postgresql/15/bin/postgres postgresql-15
	need ipcs util-linux
	;;
esac
case ${1:-} in
--conformance)
	need_file /usr/src/linux-source-6.1.tar.xz linux-source-6.1
	need_file /usr/include/sys/capability.h libcap-dev
	need_file /usr/include/popt.h libpopt-dev
	;;
esac
if [ -n "$packages" ]; then
	if [ "$(id -u)" != 0 ]; then
		say "missing Debian packages; as root, run: apt-get install$packages"
		exit 1
	fi
	if ! command -v apt-get >/dev/null 2>&1; then
		say "missing programs, and this is no Debian system; install what corresponds to:$packages"
		exit 1
	fi
	say "installing$packages"
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	# shellcheck disable=SC2086  # a list of words
	install() { apt-get -qq -o Dpkg::Use-Pty=0 install --no-install-recommends -y $packages >/dev/null; }
	# A fresh machine has no package lists yet, an old one has stale ones: then they are fetched, and a second failure is told.
	install 2>/dev/null || { apt-get -qq update && install; } || {
		say "apt-get could not install$packages: see above"
		exit 1
	}
fi

# npm writes node_modules/.package-lock.json last: newer than the lock file means that the last install finished.
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
	say 'npm ci'
	npm ci --no-audit --no-fund --loglevel=error
	touch "$installed"
fi

[ -e shared/gen/layout.ts ] || npm run --silent gen
node scripts/build-native.mjs --if-stale
node scripts/build.mjs --if-stale
