#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# criu.sh [ordinary]: dumps a process that holds states of vDSO getrandom() with CRIU, lets it
# go on, restores the dumped one, and tells what the two have in common. Runs in the guest;
# criu_client.c says what "ordinary" is. Ends with "done".

set -eu

die()
{
	echo "criu.sh: $*"
	tail -n 30 "$dir"/img/*.log 2>/dev/null || true
	exit 1
}

# round N: has the process draw, and waits until it has
round()
{
	left=300
	touch "$dir/go-$1"
	until [ -e "$dir/out-$1" ]; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || die "round $1: no answer within 30 s"
		sleep 0.1
	done
}

dir=$(mktemp -d)
mkdir "$dir/img"
setsid ./criu_client run "$dir" "$@" </dev/null >"$dir/errors" 2>&1 &
pid=$!
round 1
./criu_client states "$pid" "$dir" >"$dir/states" || die "no states"

criu dump --tree "$pid" --images-dir "$dir/img" --log-file dump.log -v4 --leave-running ||
	die "the dump failed"
echo "marker in the image: $(./criu_client search "$dir/marker" "$dir"/img/*.img)"
echo "state in the image: $(./criu_client search "$dir/states" "$dir"/img/*.img)"

# the original goes on; then the same from the image
round 2
mv "$dir/out-2" "$dir/original"
kill -KILL "$pid"
wait "$pid" || true
rm "$dir/go-2"
criu restore --images-dir "$dir/img" --log-file restore.log -v4 --restore-detached ||
	die "the restore failed"
echo "MAP_DROPPABLE in the restored process: $(grep -c '^VmFlags:.* dp' "/proc/$pid/smaps")"
round 2
round 3
echo "repeated: $(./criu_client repeated "$dir/out-1" "$dir/original" "$dir/out-2" "$dir/out-3")"
kill -KILL "$pid"
echo "done"
