#!/bin/sh
# `npm run bench [-- --rounds N --filter RE --write --no-peers]`: makes the checkout ready, with the programs that are measured, and runs the benchmarks (bench/main.ts).
set -eu
cd "$(dirname "$0")/.."
sh scripts/bootstrap.sh --tests
exec node scripts/run-ts.mjs bench/main.ts "$@"
