// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of mmap(MAP_DROPPABLE) are dropped by the shrinker, as drop_caches makes it.
 */

#include "vgetrandom_drop.h"
#include "vgetrandom_proc.h"
#include <pthread.h>
#include "vgetrandom_harness.h"

/* Not mainline: there, only reclaim of anonymous memory drops. */
TEST(drop_caches_drops)
{
	char *p = droppable(64);
	struct mapped m;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 64, 1);
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
	EXPECT_TRUE(drop_until_gone(p, 64));
	ASSERT_TRUE(find_mapped(p + PAGE, &m));
	EXPECT_EQ(0, m.rss_kb);
	EXPECT_TRUE(is_zero(p, 64));
	fill(p + PAGE, 63, 2);
	EXPECT_TRUE(holds(p + PAGE, 63, 2));
}

/* After fork, move and split: pages are found where they are now. */
TEST(drop_caches_after_changes)
{
	char *p = droppable(8), *to = mmap(NULL, 8 * PAGE, PROT_NONE, PLAIN,
					   -1, 0);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, to);
	fill(p, 8, 1);
	ASSERT_EQ(to, mremap(p, 4 * PAGE, 4 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	ASSERT_EQ(0, munmap(p + 5 * PAGE, PAGE));
	pid = fork();
	if (!pid) {
		fill(to, 4, 2);
		if (!drop_until_gone(to, 4))
			_exit(1);
		_exit(!is_zero(to, 4));
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(drop_until_gone(to, 4));
	EXPECT_TRUE(drop_until_gone(p + 6 * PAGE, 2));
	EXPECT_TRUE(is_zero(to, 4));
	EXPECT_TRUE(is_zero(p + 6 * PAGE, 2));
}

static unsigned long *counted;
static bool stop_counting;

static void *count(void *arg)
{
	while (!__atomic_load_n(&stop_counting, __ATOMIC_RELAXED))
		__atomic_add_fetch(counted, 1, __ATOMIC_RELAXED);
	return arg;
}

/*
 * A thread that writes without a pause, and so without a reason to look at the page
 * tables, does not go on with the page that it has lost. Not mainline: as above.
 */
TEST(drop_caches_is_seen_by_threads)
{
	unsigned long now;
	pthread_t thread;
	long dropped;
	int i, j, lost = 0;

	counted = (unsigned long *)droppable(1);
	ASSERT_NE(MAP_FAILED, counted);
	stop_counting = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, count, NULL));
	for (i = 0; i < 500 && lost < 5; i++) {
		/* to look at the page itself would be to use it */
		dropped = number_in("/proc/vmstat", "vgetrandom_dropped");
		ASSERT_TRUE(drop_slab());
		if (number_in("/proc/vmstat", "vgetrandom_dropped") == dropped)
			continue;
		lost++;
		now = __atomic_load_n(counted, __ATOMIC_RELAXED);
		for (j = 0; j < 500 &&
		     __atomic_load_n(counted, __ATOMIC_RELAXED) == now; j++)
			usleep(10000);
		EXPECT_NE(500, j) TH_LOG("the thread writes elsewhere");
	}
	__atomic_store_n(&stop_counting, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("%d drops in %d scans", lost, i);
	if (!lost)
		SKIP(return, "the page is found used by each scan");
}

/* All at once: threads that write, drops, forks, splits. */
TEST(drop_caches_while_written)
{
	struct reader reader[2];
	pthread_t thread[2];
	int i, j;
	pid_t pid;
	char *p;

	for (i = 0; i < 2; i++) {
		reader[i] = (struct reader){ .p = droppable(64), .pages = 64,
					     .tag = 0x5a000000 + i * 256 };
		ASSERT_NE(MAP_FAILED, reader[i].p);
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, write_and_read,
					    &reader[i]));
	}
	for (j = 0; j < 25; j++) {
		p = reader[j % 2].p;
		EXPECT_TRUE(drop_slab());
		EXPECT_EQ(0, madvise(p + (j % 60) * PAGE, 4 * PAGE,
				     MADV_PAGEOUT));
		if (j % 10 == 0) {
			pid = fork();
			if (!pid)
				_exit(!is_zero(p, 64));
			EXPECT_TRUE(child_succeeds(pid));
		}
		p = droppable(4);
		ASSERT_NE(MAP_FAILED, p);
		fill(p, 4, j);
		EXPECT_EQ(0, munmap(p + PAGE, PAGE));
		EXPECT_EQ(0, munmap(p, 4 * PAGE));
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&reader[i].stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_FALSE(reader[i].failed);
	}
}

TEST_HARNESS_MAIN
