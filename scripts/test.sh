#!/bin/sh
# `npm test`: everything that has to be green, with the time of each step. Only the bootstrap and the build stop it; of what follows everything
# runs; at the end stand the last lines of each step that failed, because whoever reads a log reads its end.
#
#   CARRICK_TEST_STEPS="probes guest"   only these steps (words of their names), after the bootstrap
set -eu
cd "$(dirname "$0")/.."
TURBO_TELEMETRY_DISABLED=1
export TURBO_TELEMETRY_DISABLED

times= failed= steps=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# step NAME COMMAND...: run it, remember its time and whether it failed, and then what it said last.
step() {
	name=$1
	shift
	if [ -n "${CARRICK_TEST_STEPS:-}" ]; then
		wanted=no
		for word in $CARRICK_TEST_STEPS; do case $name in *"$word"*) wanted=yes ;; esac; done
		[ $wanted = yes ] || return 0
	fi
	printf '\n== %s\n' "$name"
	begin=$(date +%s)
	result=ok
	steps=$((steps + 1))
	log=$logs/$steps
	# A pipe's status is its last command's; the step's own goes by a file.
	{ "$@" && : >"$log.ok" || :; } 2>&1 | tee "$log"
	if [ ! -e "$log.ok" ]; then
		result=FAILED
		failed="$failed, $name"
		{ printf '\n== the end of: %s\n' "$name"; tail -n 80 "$log"; } >>"$logs/ends"
	fi
	times="$times$(printf '%5d s  %-6s  %s' $(($(date +%s) - begin)) $result "$name")
"
}

summary() {
	[ ! -e "$logs/ends" ] || cat "$logs/ends"
	printf '\n%s' "$times"
	[ -z "$failed" ] || { printf '\nFAILED: %s\n' "${failed#, }"; exit 1; }
	printf '\nall green\n'
}

printf '== bootstrap\n'
begin=$(date +%s)
sh scripts/bootstrap.sh --tests
times="$(printf '%5d s  %-6s  %s' $(($(date +%s) - begin)) ok bootstrap)
"
probes() { node scripts/run-ts.mjs test/probes/run.ts "$@"; }
turbo() { node_modules/.bin/turbo run "$@" --concurrency=2 --output-logs=new-only --continue; }

# Before turbo's gen, which would write them anew.
step 'generated files' npm run --silent gen:check
begin_failed=$failed
step 'build' turbo build build:native
[ "$failed" = "$begin_failed" ] || summary
step 'lint and types' turbo lint typecheck
step 'unit tests' npm run --silent test:unit
step 'native tests' npm run --silent test:native
if [ "$(id -u)" = 0 ]; then
	step 'probes, 4 at a time, as root and as an ordinary user' probes --jobs 4 --user
else
	step 'probes, 4 at a time' probes --jobs 4
fi
step 'probes, 8 at a time' probes --jobs 8 --batch 8
step 'probes, nothing answered but by servers' probes --jobs 4 --mode nofast
step 'probes, with the stub that checks itself' probes --jobs 4 --mode check
# Other people's tests, a few minutes of them, against what was measured before (docs/conformance.md).
conformance() { node scripts/run-ts.mjs ltp/main.ts "$@" --runs 1 --compare --misses 10; }
if [ "$(id -u)" = 0 ]; then who=root; else who=user; fi
step 'conformance, smoke: go' conformance go --filter '^(context|sync|sync/atomic|io|bufio|path/filepath|os/exec)$' --as $who
step 'conformance, smoke: cpython' conformance cpython --filter '^test_(select|selectors|pty|tempfile|shutil|posix)$' --as $who
step 'conformance, smoke: stress-ng' conformance stress-ng --filter '^(fork|futex|pipe|poll|signal|timer|mmap|sock)$'
step 'conformance, smoke: busybox' conformance busybox --as $who
step 'guest tests' npm run --silent test:guest
step 'newest Node' npm run --silent test:newest-node
summary
