// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of mmap(MAP_DROPPABLE) are dropped by advice, of the process itself or of another.
 */

#include "vgetrandom_drop.h"
#include "vgetrandom_proc.h"
#include <pthread.h>
#include <sys/uio.h>
#include "vgetrandom_harness.h"

FIXTURE(advice) {
	char *p;
};

FIXTURE_VARIANT(advice) {
	int advice;
};

/* Not mainline: there, MADV_FREE waits for reclaim. */
FIXTURE_VARIANT_ADD(advice, free) { MADV_FREE };
FIXTURE_VARIANT_ADD(advice, dontneed) { MADV_DONTNEED };
FIXTURE_VARIANT_ADD(advice, dontneed_locked) { MADV_DONTNEED_LOCKED };
FIXTURE_VARIANT_ADD(advice, pageout) { MADV_PAGEOUT };

FIXTURE_SETUP(advice)
{
	self->p = droppable(16);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 16, 1);
}

FIXTURE_TEARDOWN(advice)
{
	EXPECT_EQ(0, munmap(self->p, 16 * PAGE));
}

TEST_F(advice, whole)
{
	EXPECT_EQ(16, resident(self->p, 16));
	EXPECT_EQ(0, madvise(self->p, 16 * PAGE, variant->advice));
	EXPECT_EQ(0, resident(self->p, 16));
	EXPECT_TRUE(is_droppable(self->p, 16));
	EXPECT_TRUE(is_zero(self->p, 16));
	fill(self->p, 16, 2);
	EXPECT_TRUE(holds(self->p, 16, 2));
}

TEST_F(advice, named_range_only)
{
	char *p = self->p;

	EXPECT_EQ(0, madvise(p + 3 * PAGE, 2 * PAGE, variant->advice));
	EXPECT_EQ(0, madvise(p + 9 * PAGE, PAGE, variant->advice));
	EXPECT_EQ(13, resident(p, 16));
	EXPECT_TRUE(is_zero(p + 3 * PAGE, 2));
	EXPECT_TRUE(is_zero(p + 9 * PAGE, 1));
	EXPECT_TRUE(holds(p, 3, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 4, 1));
	EXPECT_TRUE(holds_from(p + 10 * PAGE, 10, 6, 1));
	/* no split: the advice is for the pages */
	EXPECT_TRUE(is_droppable(p, 16));
}

TEST_F(advice, length_is_rounded_up)
{
	EXPECT_EQ(0, madvise(self->p, PAGE + 1, variant->advice));
	EXPECT_TRUE(is_zero(self->p, 2));
	EXPECT_TRUE(holds_from(self->p + 2 * PAGE, 2, 14, 1));
	EXPECT_EQ(0, madvise(self->p + 4 * PAGE, 0, variant->advice));
	EXPECT_EQ(-1, madvise(self->p + 4 * PAGE + 1, PAGE, variant->advice));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(holds_from(self->p + 2 * PAGE, 2, 14, 1));
}

TEST_F(advice, untouched_and_twice)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, madvise(p, 4 * PAGE, variant->advice));
	EXPECT_TRUE(is_zero(p, 2));
	EXPECT_EQ(0, madvise(p, 4 * PAGE, variant->advice));
	EXPECT_EQ(0, madvise(p, 4 * PAGE, variant->advice));
	EXPECT_TRUE(is_zero(p, 4));
}

/* More than one mapping, a hole between: the hole fails, the rest is done. */
TEST_F(advice, over_mappings_and_holes)
{
	char *p = self->p;

	ASSERT_EQ(0, mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ));
	EXPECT_EQ(0, madvise(p + 2 * PAGE, 4 * PAGE, variant->advice));
	EXPECT_TRUE(is_zero(p + 2 * PAGE, 4));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(holds_from(p + 6 * PAGE, 6, 10, 1));
	ASSERT_EQ(0, munmap(p + 10 * PAGE, 2 * PAGE));
	EXPECT_EQ(-1, madvise(p + 8 * PAGE, 6 * PAGE, variant->advice));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(is_zero(p + 8 * PAGE, 2));
	EXPECT_TRUE(is_zero(p + 12 * PAGE, 2));
	EXPECT_TRUE(holds_from(p + 14 * PAGE, 14, 2, 1));
}

TEST_F(advice, without_access)
{
	char *p = self->p;

	ASSERT_EQ(0, mprotect(p, 16 * PAGE, PROT_NONE));
	EXPECT_EQ(0, madvise(p + PAGE, 2 * PAGE, variant->advice));
	ASSERT_EQ(0, mprotect(p, 16 * PAGE, PROT_READ));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(is_zero(p + PAGE, 2));
	EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 13, 1));
}

TEST_F(advice, many_pages)
{
	size_t pages = 1024;
	char *p = droppable(pages);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, pages, 1);
	EXPECT_EQ(0, madvise(p + PAGE, (pages - 2) * PAGE, variant->advice));
	EXPECT_EQ(2, resident(p, pages));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(is_zero(p + PAGE, pages - 2));
	EXPECT_TRUE(holds_from(p + (pages - 1) * PAGE, pages - 1, 1, 1));
	EXPECT_EQ(0, munmap(p, pages * PAGE));
}

/* In a child: its own pages, never the parent's. */
TEST_F(advice, in_child)
{
	pid_t pid = fork();

	if (!pid) {
		fill(self->p, 16, 2);
		if (madvise(self->p, 8 * PAGE, variant->advice))
			_exit(1);
		_exit(!(is_zero(self->p, 8) &&
			holds_from(self->p + 8 * PAGE, 8, 8, 2)));
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(self->p, 16, 1));
}

/* A thread sees what it wrote, or zero; not another page, nothing of before. */
TEST_F(advice, while_written)
{
	struct reader reader[2];
	pthread_t thread[2];
	int i, j;

	for (i = 0; i < 2; i++) {
		reader[i] = (struct reader){ .p = droppable(32), .pages = 32,
					     .tag = 0x5a000000 + i * 256 };
		ASSERT_NE(MAP_FAILED, reader[i].p);
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, write_and_read,
					    &reader[i]));
	}
	for (j = 0; j < 300; j++)
		for (i = 0; i < 2; i++)
			EXPECT_EQ(0, madvise(reader[i].p, 32 * PAGE,
					     variant->advice));
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&reader[i].stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_FALSE(reader[i].failed);
	}
}

#define RACE_SECONDS 3

/* A thread that reads from @p while @go is odd, to its end when it is 0. */
struct looker {
	char *p;
	unsigned int go;
	unsigned int done;
};

static void *look_in_odd_rounds(void *arg)
{
	struct looker *looker = arg;
	unsigned int go;

	do {
		go = __atomic_load_n(&looker->go, __ATOMIC_ACQUIRE);
		if (go % 2)
			__atomic_load_n(looker->p, __ATOMIC_RELAXED);
		__atomic_store_n(&looker->done, go, __ATOMIC_RELEASE);
	} while (go);
	return NULL;
}

/*
 * A fault that has found a page before that is dropped, with others or with all that there are,
 * and maps it after: it is not to stay mapped, when no advice drops it any more.
 */
TEST(dropped_while_looked_at)
{
	struct looker looker = { .p = droppable(2), .go = 1 };
	struct timespec begin, now;
	pthread_t thread;

	ASSERT_NE(MAP_FAILED, looker.p);
	ASSERT_EQ(0, pthread_create(&thread, NULL, look_in_odd_rounds, &looker));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		looker.p[0] = 1;
		looker.p[PAGE] = 1;
		ASSERT_EQ(0, madvise(looker.p, (1 + looker.go / 2 % 2) * PAGE, MADV_DONTNEED));
		__atomic_store_n(&looker.go, looker.go + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&looker.done, __ATOMIC_ACQUIRE) != looker.go)
			sched_yield();
		looker.p[0] = 1;
		ASSERT_EQ(0, madvise(looker.p, PAGE, MADV_PAGEOUT));
		ASSERT_EQ(0, looker.p[0])
			TH_LOG("round %u: the page is still there", looker.go);
		__atomic_store_n(&looker.go, looker.go + 1, __ATOMIC_RELEASE);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < begin.tv_sec + RACE_SECONDS);
	TH_LOG("%u rounds", looker.go / 2);
	__atomic_store_n(&looker.go, 0, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, munmap(looker.p, 2 * PAGE));
}

TEST(process_madvise_pageout)
{
	int ready[2], go[2], pidfd;
	char *p = droppable(8), c = 0;
	struct iovec range;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	fill(p, 8, 1);
	pid = fork();
	if (!pid) {
		fill(p, 8, 2);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(!(holds(p, 2, 2) && is_zero(p + 2 * PAGE, 4) &&
			holds_from(p + 6 * PAGE, 6, 2, 2)));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	pidfd = (int)syscall(__NR_pidfd_open, pid, 0);
	ASSERT_LE(0, pidfd);
	range.iov_base = p + 2 * PAGE;
	range.iov_len = 4 * PAGE;
	EXPECT_EQ((long)range.iov_len,
		  syscall(__NR_process_madvise, pidfd, &range, 1L,
			  MADV_PAGEOUT, 0));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(p, 8, 1));
	close(pidfd);
}

TEST_HARNESS_MAIN
