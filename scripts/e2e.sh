#!/bin/sh
# `npm run e2e [-- WORD... --repeat N]`: the long end-to-end tests, test/**/*.e2e.ts: whole workloads, and what has to hold for a long time.
set -eu
cd "$(dirname "$0")/.."
sh scripts/bootstrap.sh --e2e
exec node scripts/test.mjs --e2e "$@"
