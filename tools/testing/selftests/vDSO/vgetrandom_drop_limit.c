// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of mmap(MAP_DROPPABLE) make room at the limit of their memory cgroup, before anybody is
 * killed.
 */

#include "vgetrandom_memcg.h"
#include <pthread.h>
#include <sys/utsname.h>

/* Four times the limit, written in one go. */
TEST_F(memcg, limit_drops_and_spares)
{
	size_t pages = 32 * MIB / PAGE, i;
	struct mapped m;
	long kept;
	pid_t pid;
	char *p;

	ASSERT_TRUE(set_limit(self->dir, "memory.max", "8M"));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		if (p == MAP_FAILED)
			_exit(1);
		for (i = 0; i < pages; i++)
			fill_from(p + i * PAGE, i, 1, 1);
		if (!find_mapped(p, &m) || m.swap_kb)
			_exit(2);
		kept = resident(p, pages);
		if (kept > (long)(8 * MIB / PAGE))
			_exit(3);
		/* one charge that finds no room is no reason to drop all */
		if (kept < (long)(8 * MIB / PAGE) / 3)
			_exit(4);
		for (i = 0; i < pages; i++)
			if (!holds_from(p + i * PAGE, i, 1, 1) &&
			    !is_zero(p + i * PAGE, 1))
				_exit(5);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
	/* and nothing was taken from others */
	EXPECT_EQ(OUTSIDE_PAGES, resident(self->outside, OUTSIDE_PAGES));
}

static void *map_and_unmap(void *arg)
{
	bool *stop = arg;
	char *p;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		p = plain(64);
		if (p == MAP_FAILED || munmap(p, 64 * PAGE))
			_exit(10);
	}
	return NULL;
}

/* Another thread that holds mmap_lock, or waits for it, keeps no page. */
TEST_F(memcg, limit_drops_while_others_map)
{
	size_t pages = 12 * MIB / PAGE, i;
	pthread_t thread[2];
	bool stop = false;
	unsigned int major, minor;
	struct utsname name;
	pid_t pid;
	char *p;

	ASSERT_EQ(0, uname(&name));
	ASSERT_TRUE(sscanf(name.release, "%u.%u", &major, &minor) == 2);
	if (major < 6 || (major == 6 && minor < 4))
		SKIP(return, "no locks of VMAs before 6.4: mmap_lock is taken");
	ASSERT_TRUE(set_limit(self->dir, "memory.max", "6M"));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		if (p == MAP_FAILED)
			_exit(1);
		for (i = 0; i < ARRAY_SIZE(thread); i++)
			if (pthread_create(&thread[i], NULL, map_and_unmap,
					   &stop))
				_exit(2);
		for (i = 0; i < pages; i++)
			p[i * PAGE] = 1;
		__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
		for (i = 0; i < ARRAY_SIZE(thread); i++)
			pthread_join(thread[i], NULL);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* A limit that is lowered far below what is there: the pages go, not the process. */
TEST_F(memcg, lowered_limit_drops)
{
	size_t pages = 32 * MIB / PAGE;
	char *p = droppable(pages), c = 0;
	int ready[2], go[2];
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork_into(self->dir);
	if (!pid) {
		fill(p, pages, 1);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(resident(p, pages) > (long)(4 * MIB / PAGE) ? 2 : 0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_TRUE(set_limit(self->dir, "memory.max", "4M"));
	EXPECT_GE(4 * (long)MIB, counter(self->dir, "memory.current", NULL));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* The pages of a group that is gone are still those of the group above it. */
TEST_F(memcg, limit_drops_what_removed_groups_left)
{
	size_t pages = 8 * MIB / PAGE;
	char one[160], two[160], *p, *q;
	pid_t pid;

	ASSERT_TRUE(set_limit(self->dir, "cgroup.subtree_control", "+memory"));
	snprintf(one, sizeof(one), "%s/one", self->dir);
	snprintf(two, sizeof(two), "%s/two", self->dir);
	ASSERT_EQ(0, mkdir(one, 0700));
	ASSERT_EQ(0, mkdir(two, 0700));
	ASSERT_TRUE(set_limit(self->dir, "memory.max", "12M"));
	pid = fork_into(one);
	if (!pid) {
		p = droppable(pages);
		q = plain(pages);
		if (p == MAP_FAILED || q == MAP_FAILED)
			_exit(1);
		fill(p, pages, 1);
		if (!set_limit(two, "cgroup.procs", "0") || rmdir(one))
			_exit(2);
		fill(q, pages, 2);
		_exit(resident(p, pages) > (long)(4 * MIB / PAGE) ? 3 : 0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
	EXPECT_EQ(0, rmdir(two));
}

/* Ordinary memory takes the room of droppable memory, and keeps its bytes. */
TEST_F(memcg, ordinary_memory_wins)
{
	size_t pages = 12 * MIB / PAGE, i, kept = 0;
	char *p, *q;
	pid_t pid;

	ASSERT_TRUE(set_limit(self->dir, "memory.max", "20M"));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		q = plain(pages);
		if (p == MAP_FAILED || q == MAP_FAILED)
			_exit(1);
		fill(p, pages, 1);
		fill(q, pages, 2);
		if (!holds(q, pages, 2))
			_exit(2);
		for (i = 0; i < pages; i++)
			if (p[i * PAGE])
				kept++;
		_exit(kept < pages ? 0 : 3);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* Many processes, one page each, as with a libc's states. */
TEST_F(memcg, limit_reaches_other_processes)
{
	enum { CHILDREN = 16 };
	size_t pages = MIB / PAGE;
	char *p = droppable(pages), *q, c = 0;
	int ready[2], go[2], i;
	pid_t pid[CHILDREN], hog;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	ASSERT_TRUE(set_limit(self->dir, "memory.max", "24M"));
	for (i = 0; i < CHILDREN; i++) {
		pid[i] = fork_into(self->dir);
		if (!pid[i]) {
			close(go[1]);
			fill(p, pages, i);
			if (write(ready[1], &c, 1) != 1 ||
			    read(go[0], &c, 1) != 0)
				_exit(1);
			_exit(resident(p, pages) == (long)pages ? 10 : 0);
		}
		ASSERT_EQ(1, read(ready[0], &c, 1));
	}
	hog = fork_into(self->dir);
	if (!hog) {
		q = plain(16 * pages);
		if (q == MAP_FAILED)
			_exit(1);
		fill(q, 16 * pages, 1);
		_exit(!holds(q, 16 * pages, 1));
	}
	EXPECT_EQ(0, child_result(hog));
	close(go[1]);
	for (i = 0, c = 0; i < CHILDREN; i++) {
		switch (child_result(pid[i])) {
		case 0:
			c++;
			break;
		case 10:
			break;
		default:
			c = -100;
		}
	}
	EXPECT_LE(8, c) TH_LOG("%d processes gave pages", c);
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

TEST_HARNESS_MAIN
