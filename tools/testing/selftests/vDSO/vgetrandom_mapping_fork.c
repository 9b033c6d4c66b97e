// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of mmap(MAP_DROPPABLE) and processes: a child has the mapping, and nothing of what is in
 * it.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include <pthread.h>
#include <sched.h>
#include "vgetrandom_harness.h"

TEST(fork_child_reads_zero)
{
	char *p = droppable(8);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	EXPECT_TRUE(child_starts_clean(p, 8));
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(is_zero(p + 4 * PAGE, 4));
}

TEST(fork_before_any_fault)
{
	char *p = droppable(8);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(child_starts_clean(p, 8));
	EXPECT_TRUE(is_zero(p, 8));
}

TEST(fork_child_writes_first)
{
	char *p = droppable(2);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 2, 1);
	pid = fork();
	if (!pid) {
		p[5] = 1;
		p[PAGE] = 1;
		_exit(!(p[0] == 0 && p[4] == 0 && p[5] == 1 && p[6] == 0 &&
			p[PAGE] == 1 && p[PAGE + 1] == 0));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 2, 1));
}

/* Both alive, both writing: neither ever sees the other. */
TEST(fork_keeps_apart)
{
	int to_child[2], to_parent[2], i;
	char *p = droppable(4), c = 0;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	fill(p, 2, 100);
	pid = fork();
	if (!pid) {
		if (!is_zero(p, 4))
			_exit(1);
		for (i = 0; i < 20; i++) {
			fill(p, 4, 200 + i);
			if (write(to_parent[1], &c, 1) != 1 ||
			    read(to_child[0], &c, 1) != 1)
				_exit(2);
			if (!holds(p, 4, 200 + i))
				_exit(3);
		}
		_exit(0);
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(1, read(to_parent[0], &c, 1));
		EXPECT_TRUE(holds(p, i ? 4 : 2, 100 + i));
		fill(p, 4, 101 + i);
		ASSERT_EQ(1, write(to_child[1], &c, 1));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 4, 120));
}

TEST(fork_grandchild)
{
	char *p = droppable(4);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	pid = fork();
	if (!pid) {
		/* one grandchild of an untouched, one of a touched mapping */
		if (!child_starts_clean(p, 4) || !is_zero(p, 4))
			_exit(1);
		fill(p, 4, 2);
		if (!child_starts_clean(p, 4))
			_exit(2);
		_exit(!holds(p, 4, 2));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 4, 1));
}

/* The child's mapping is a whole one: flags, and all that can be done to it. */
TEST(fork_child_owns_its_mapping)
{
	char *p = droppable(8), *q = free_range(8);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 8, 1);
	pid = fork();
	if (!pid) {
		if (!is_droppable(p, 8))
			_exit(1);
		/* moved before its first fault */
		if (mremap(p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   q) != q || !is_zero(q, 8))
			_exit(2);
		fill(q, 8, 2);
		if (madvise(q, PAGE, MADV_DONTNEED) || !is_zero(q, 1))
			_exit(3);
		if (munmap(q + 4 * PAGE, PAGE) ||
		    !holds_from(q + 5 * PAGE, 5, 3, 2))
			_exit(4);
		if (!child_starts_clean(q, 4))
			_exit(5);
		_exit(!holds_from(q + PAGE, 1, 3, 2));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 8, 1));
}

TEST(fork_after_split)
{
	char *p = droppable(9);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 9, 1);
	ASSERT_EQ(0, mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(p + 3 * PAGE, 3 * PAGE, RW));
	EXPECT_TRUE(child_starts_clean(p, 9));
	EXPECT_TRUE(holds(p, 9, 1));
	ASSERT_EQ(0, munmap(p + 4 * PAGE, PAGE));
	EXPECT_TRUE(child_starts_clean(p, 4));
	EXPECT_TRUE(child_starts_clean(p + 5 * PAGE, 4));
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 4, 1));
}

/* A child whose mapping was split before its first fault. */
TEST(fork_then_split_in_child)
{
	char *p = droppable(4);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	pid = fork();
	if (!pid) {
		if (munmap(p + PAGE, PAGE) || !is_zero(p, 1) ||
		    !is_zero(p + 2 * PAGE, 2))
			_exit(1);
		fill(p, 1, 2);
		fill(p + 2 * PAGE, 2, 3);
		if (munmap(p, PAGE) || !holds(p + 2 * PAGE, 2, 3))
			_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 4, 1));
}

TEST(fork_after_drop)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(child_starts_clean(p, 4));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(is_zero(p + PAGE, 1));
	EXPECT_TRUE(holds_from(p + 2 * PAGE, 2, 2, 1));
}

TEST(fork_dontfork)
{
	char *p = droppable(4);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	ASSERT_EQ(0, madvise(p + PAGE, 2 * PAGE, MADV_DONTFORK));
	pid = fork();
	if (!pid)
		_exit(!(!is_mapped(p + PAGE) && !is_mapped(p + 2 * PAGE) &&
			is_zero(p, 1) && is_zero(p + 3 * PAGE, 1)));
	EXPECT_EQ(0, child_result(pid));
	ASSERT_EQ(0, madvise(p, 4 * PAGE, MADV_DOFORK));
	EXPECT_TRUE(child_starts_clean(p, 4));
	EXPECT_TRUE(holds(p, 4, 1));
}

TEST(fork_many)
{
	char *p = droppable(4);
	int i;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 300; i++) {
		fill(p, 4, i);
		ASSERT_TRUE(child_starts_clean(p, 4));
		ASSERT_TRUE(holds(p, 4, i));
	}
}

static void *fork_and_check(void *arg)
{
	char *p = arg;
	int i;

	for (i = 0; i < 50; i++) {
		fill(p, 4, i);
		if (!child_starts_clean(p, 4) || !holds(p, 4, i))
			return p;
	}
	return NULL;
}

/* Threads fork while others fault, each on its own mapping. */
TEST(fork_in_threads)
{
	pthread_t thread[3];
	void *failed;
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		p = droppable(4);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, fork_and_check,
					    p));
	}
	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &failed));
		EXPECT_EQ(NULL, failed);
	}
}

static int write_in_same_mm(void *arg)
{
	fill(arg, 2, 2);
	return 0;
}

/* CLONE_VM is no fork: one mm, one mapping, one content. */
TEST(clone_vm_shares)
{
	char *p = droppable(2), *stack = plain(16);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, stack);
	fill(p, 2, 1);
	pid = clone(write_in_same_mm, stack + 16 * PAGE,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, p);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 2, 2));
}

TEST(exec_and_exit_with_pages)
{
	char *p = droppable(64);
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 64, 1);
	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid) {
			fill(p, 64, 2);
			if (i % 2)
				_exit(4);
			execl("/bin/sh", "sh", "-c", "exit 4", NULL);
			_exit(1);
		}
		EXPECT_EQ(4, child_result(pid));
	}
	EXPECT_TRUE(holds(p, 64, 1));
}

TEST(killed_with_pages)
{
	char *p = droppable(64);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	pid = fork();
	if (!pid) {
		fill(p, 64, 2);
		raise(SIGKILL);
	}
	EXPECT_EQ(256 + SIGKILL, child_result(pid));
}

TEST_HARNESS_MAIN
