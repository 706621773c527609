#!/bin/sh
# `npm run demo`: make the checkout ready, then the tour.
set -eu
cd "$(dirname "$0")/.."
sh scripts/bootstrap.sh
exec node scripts/demo.mjs
