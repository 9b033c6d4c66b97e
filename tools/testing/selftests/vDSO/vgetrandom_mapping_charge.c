// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of mmap(MAP_DROPPABLE) are charged to the memory cgroup of their owner, and uncharged.
 */

#include "vgetrandom_memcg.h"
#include "vgetrandom_drop.h"
#include <sys/uio.h>

/* What the per-CPU stocks of charges and the slab may hold back. */
#define SLACK (2 * (long)MIB)

TEST_F(memcg, charged_and_uncharged)
{
	size_t pages = 16 * MIB / PAGE;
	long before, during, after;
	pid_t pid;
	char *p;

	pid = fork_into(self->dir);
	if (!pid) {
		before = counter(self->dir, "memory.current", NULL);
		p = droppable(pages);
		if (p == MAP_FAILED || before < 0)
			_exit(1);
		fill(p, pages, 1);
		during = counter(self->dir, "memory.current", NULL);
		if (during - before < 16 * (long)MIB - SLACK ||
		    during - before > 18 * (long)MIB + SLACK)
			_exit(2);
		if (madvise(p, 8 * MIB, MADV_DONTNEED))
			_exit(3);
		after = counter(self->dir, "memory.current", NULL);
		if (during - after < 8 * (long)MIB - SLACK)
			_exit(4);
		munmap(p, pages * PAGE);
		after = counter(self->dir, "memory.current", NULL);
		_exit(after - before > SLACK ? 5 : 0);
	}
	EXPECT_EQ(0, child_result(pid));
}

/* A page is its owner's, whoever made it come. */
TEST_F(memcg, charges_the_owner)
{
	size_t pages = 8 * MIB / PAGE;
	char *p = droppable(pages), *q = plain(pages), c = 0;
	struct iovec local = { q, 8 * MIB }, remote = { p, 8 * MIB };
	int ready[2], go[2];
	long before;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	fill(q, pages, 1);
	pid = fork_into(self->dir);
	if (!pid) {
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(!holds(p, pages, 1));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	before = counter(self->dir, "memory.current", NULL);
	ASSERT_LE(0, before);
	EXPECT_EQ((ssize_t)(8 * MIB),
		  process_vm_writev(pid, &local, 1, &remote, 1, 0));
	EXPECT_LE(before + 8 * (long)MIB - SLACK,
		  counter(self->dir, "memory.current", NULL));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(is_zero(p, pages));
}

TEST_F(memcg, nothing_leaks)
{
	long before, after;
	char *p, *to;
	pid_t pid, child;
	int i;

	pid = fork_into(self->dir);
	if (!pid) {
		to = mmap(NULL, 16 * PAGE, PROT_NONE, PLAIN, -1, 0);
		before = counter(self->dir, "memory.current", NULL);
		for (i = 0; i < 1000; i++) {
			p = droppable(16);
			if (p == MAP_FAILED)
				_exit(1);
			fill(p, 16, i);
			if (i % 4 == 1)
				madvise(p, 8 * PAGE, MADV_DONTNEED);
			if (i % 4 == 2)
				munmap(p + 4 * PAGE, 4 * PAGE);
			if (i % 4 == 3) {
				/* the place stays taken in between */
				if (mremap(p, 16 * PAGE, 16 * PAGE,
					   MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
				    to)
					_exit(2);
				p = mmap(to, 16 * PAGE, PROT_NONE,
					 PLAIN | MAP_FIXED, -1, 0);
				if (p != to)
					_exit(3);
				continue;
			}
			if (i % 10 == 0) {
				child = fork();
				if (!child) {
					fill(p, 4, 2);
					_exit(0);
				}
				if (!child_succeeds(child))
					_exit(4);
			}
			if (munmap(p, 16 * PAGE))
				_exit(5);
		}
		after = counter(self->dir, "memory.current", NULL);
		_exit(after - before > SLACK ? 6 : 0);
	}
	EXPECT_EQ(0, child_result(pid));
}

/* The group goes, its pages stay: with their new owner they can be dropped. */
TEST_F(memcg, outlives_its_group)
{
	size_t pages = 64;
	int ready[2], go[2];
	char *p, c = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		if (p == MAP_FAILED)
			_exit(1);
		fill(p, pages, 1);
		if (!set_limit(self->mount, "cgroup.procs", "0") ||
		    write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		if (!holds(p, pages, 1))
			_exit(3);
		if (madvise(p, PAGE, MADV_DONTNEED) || !is_zero(p, 1))
			_exit(4);
		/* reparented lists: dropping must neither miss nor crash */
		drop_slab();
		fill(p, pages, 2);
		if (!holds(p, pages, 2))
			_exit(5);
		_exit(munmap(p, pages * PAGE) ? 6 : 0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(0, rmdir(self->dir));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, child_result(pid));
}

TEST_HARNESS_MAIN
