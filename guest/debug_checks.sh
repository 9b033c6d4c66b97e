#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Whether a debug kernel is still what it was after all tests: locks are checked, leaks are looked
# for, none is found, and one that is made on purpose by the kernel's own kmemleak-test.ko is. Nor
# is a page of a mapping left, as page_owner (which must be on) tells, and one that is in use is
# told of. Prints TAP. "again": without the leak, which takes as long as all else.

kmemleak=/sys/kernel/debug/kmemleak

result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $2"
	else
		echo "not ok $number $2"
		failed=1
	fi
}

# Two scans: what is only passed on from hand to hand while the first looks is no leak. An object
# has to be five seconds old.
scan()
{
	sleep 6
	echo scan >$kmemleak && echo scan >$kmemleak
}

# What kmemleak reports, but for page_owner's own list of traces, which it loses sight of.
leaks()
{
	awk 'function flush() { if (report !~ /__set_page_owner/) printf "%s", report; report = "" }
	     /^unreferenced object/ { flush() }
	     { report = report $0 "\n" }
	     END { flush() }' $kmemleak
}

# The stacks by which the mapping has allocated pages for users that are in use, not for its
# descriptors, nor for what the debug kernel notes of an allocation. Kernels before 6.8 list each
# page instead, and give as many as a read has room for: one, whole.
pages()
{
	stacks=/sys/kernel/debug/page_owner_stacks/show_stacks
	[ -e $stacks ] || stacks=/sys/kernel/debug/page_owner
	dd if=$stacks bs=4096 2>/dev/null |
		awk -v RS= '/vgetrandom_mapping_fault/ && !/slab|stack_depot/ { print $0 "\n" }'
}

# result_of_pages NUMBER NAME: whether so many are in use; tells which if not
result_of_pages()
{
	found=$(pages)
	count=$(echo "$found" | awk '/^nr_base_pages/ { sum += $NF } /^Page allocated/ { sum++ }
				     END { print sum + 0 }')
	[ "$count" = "$1" ]
	result $? "$2"
	[ "$count" = "$1" ] || printf '%s\n' "$count pages instead of $1" "$found" | sed 's/^/# /'
}

number=0
failed=0
echo "TAP version 13"
again=${1:-}
echo "1..$([ "$again" ] && echo 5 || echo 7)"
grep -q '^ debug_locks: *1$' /proc/lockdep_stats
result $? locks_are_still_checked
scan
result $? kmemleak_is_still_enabled
leaks
[ -z "$(leaks)" ]
result $? no_leak
if [ ! "$again" ]; then
	insmod ./kmemleak-test.ko
	result $? a_leak_is_planted
	scan
	# where the module's init function was is not known any more
	leaks | grep -q 'comm "insmod"'
	result $? the_planted_leak_is_found
fi
result_of_pages 0 no_page_is_lost
./vgetrandom_failnth hold &
sleep 2
result_of_pages 1 a_page_that_is_held_is_found
kill $!
exit $failed
