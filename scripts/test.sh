#!/bin/sh
# `npm test`: everything that has to be green. Each step stops the run when it fails; the first line of a failure is the last step named.
set -eu
cd "$(dirname "$0")/.."
TURBO_TELEMETRY_DISABLED=1
export TURBO_TELEMETRY_DISABLED

step() { printf '\n== %s\n' "$*"; }

step bootstrap
sh scripts/bootstrap.sh --tests
step 'generated files'
# Before turbo's gen, which would write them anew.
node scripts/run-ts.mjs scripts/gen.ts --check
step 'build, lint, typecheck, unit tests'
node_modules/.bin/turbo run build build:native lint typecheck test:unit test:native --concurrency=2 --output-logs=new-only
step 'probes: the host kernel against carrick'
node scripts/run-ts.mjs test/probes/run.ts
step 'guest tests'
node scripts/test.mjs --guest
