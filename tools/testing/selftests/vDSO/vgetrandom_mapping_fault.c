// SPDX-License-Identifier: GPL-2.0
/*
 * Faults in memory of mmap(MAP_DROPPABLE): it reads as zeros, and all threads get the same page.
 */

#include "vgetrandom_mapping.h"
#include <pthread.h>
#include "vgetrandom_harness.h"

TEST(zero_filled_read_first)
{
	char *p = droppable(64);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_zero(p, 64));
	fill(p, 64, 1);
	EXPECT_TRUE(holds(p, 64, 1));
}

/* A shared mapping's first write asks for its file's times; there is none. */
TEST(zero_filled_write_first)
{
	char *p = droppable(64);
	size_t i, j;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 64; i++)
		p[i * PAGE + 7 * i] = 1;
	for (i = 0; i < 64; i++)
		for (j = 0; j < PAGE; j++)
			ASSERT_EQ(j == 7 * i, p[i * PAGE + j]);
}

/* Dirty pages of the allocator must not shine through. */
TEST(zero_filled_after_reuse)
{
	char *p;
	int i;

	for (i = 0; i < 20; i++) {
		p = i % 2 ? plain(256) : droppable(256);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_TRUE(is_zero(p, 256));
		memset(p, 0xa5, 256 * PAGE);
		ASSERT_EQ(0, munmap(p, 256 * PAGE));
	}
}

/* Soft-dirty tracking write-protects PTEs: the same path as a first write. */
TEST(write_after_clear_refs)
{
	static const char * const modes[] = { "1", "2", "3", "4", "5" };
	char *p = droppable(8);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 0);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_TRUE(write_file("/proc/self/clear_refs", modes[i]))
			TH_LOG("mode %s", modes[i]);
		EXPECT_TRUE(holds(p, 4, i));
		fill(p, 4, i + 1);
		EXPECT_TRUE(holds(p, 4, i + 1));
		p[(4 + i % 4) * PAGE]++;
	}
	EXPECT_EQ(2, p[4 * PAGE]);
}

struct racer {
	pthread_barrier_t *barrier;
	char *p;
	size_t pages;
	int index;
};

static void *race_to_fault(void *arg)
{
	struct racer *r = arg;
	size_t i;

	pthread_barrier_wait(r->barrier);
	for (i = 0; i < r->pages; i++)
		r->p[i * PAGE + r->index] = (char)(r->index + 1);
	return NULL;
}

/* Two threads that fault the same page get the same page. */
TEST(threads_fault_the_same_pages)
{
	enum { THREADS = 4, PAGES = 512, ROUNDS = 8 };
	pthread_t thread[THREADS];
	struct racer racer[THREADS];
	pthread_barrier_t barrier;
	int i, j, round;
	char *p;

	for (round = 0; round < ROUNDS; round++) {
		p = droppable(PAGES);
		ASSERT_NE(MAP_FAILED, p);
		pthread_barrier_init(&barrier, NULL, THREADS);
		for (i = 0; i < THREADS; i++) {
			racer[i] = (struct racer){ &barrier, p, PAGES, i };
			ASSERT_EQ(0, pthread_create(&thread[i], NULL,
						    race_to_fault, &racer[i]));
		}
		for (i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		for (j = 0; j < PAGES; j++)
			for (i = 0; i < THREADS; i++)
				ASSERT_EQ(i + 1, p[j * PAGE + i]);
		ASSERT_EQ(0, munmap(p, PAGES * PAGE));
	}
}

TEST_HARNESS_MAIN
