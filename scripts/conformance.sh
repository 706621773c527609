#!/bin/sh
# `npm run conformance -- SUITE [options]`: makes the checkout ready, with what the suite is made of, and runs it (ltp/main.ts).
set -eu
cd "$(dirname "$0")/.."
# Only the kernel's own tests need more than `npm test` does, the kernel's sources first of all.
needs=--tests
for word; do
	case $word in
	kselftest | all) needs=--conformance ;;
	docs) needs= ;;
	esac
done
# shellcheck disable=SC2086  # none or one word
sh scripts/bootstrap.sh $needs
exec node scripts/run-ts.mjs ltp/main.ts "$@"
