#!/bin/sh
# Runs probes one after another, each in a fresh directory, on the host and in a guest alike.
# usage: batch.sh BINDIR SCRATCH NAME...     NAME is glibc/x or musl/x
umask 022
bin=$1 scratch=$2
shift 2
for name; do
	dir=$scratch/$name
	mkdir -p "$dir" && cd "$dir" || exit 125
	printf '=== begin %s\n' "$name"
	"$bin/$name" </dev/null 2>&1
	printf '\n=== end %s %d\n' "$name" $?
	cd "$scratch" || exit 125
done
