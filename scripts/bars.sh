#!/bin/sh
# `npm run bars`: the bars of test/e2e/bars.test.ts with their full counts, a rootfs made by debootstrap among them. Takes some minutes.
set -eu
cd "$(dirname "$0")/.."
sh scripts/bootstrap.sh --bars
CARRICK_BARS=full
export CARRICK_BARS
exec node scripts/test.mjs test/e2e/bars
