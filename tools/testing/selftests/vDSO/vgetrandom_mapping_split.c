// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of memory of mmap(MAP_DROPPABLE): they are unmapped, protected and sealed without the
 * rest.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include "vgetrandom_harness.h"
#include <pthread.h>
#include <sched.h>
#include <time.h>

#ifndef __NR_mseal
#define __NR_mseal 462
#endif

FIXTURE(part) {
	char *p;
};

FIXTURE_VARIANT(part) {
	size_t first;
	size_t pages;
};

FIXTURE_VARIANT_ADD(part, head) { 0, 3 };
FIXTURE_VARIANT_ADD(part, middle) { 3, 2 };
FIXTURE_VARIANT_ADD(part, tail) { 6, 2 };

FIXTURE_SETUP(part)
{
	self->p = droppable(8);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 8, 1);
}

FIXTURE_TEARDOWN(part)
{
	EXPECT_EQ(0, munmap(self->p, 8 * PAGE));
}

TEST_F(part, unmapped)
{
	size_t first = variant->first, end = first + variant->pages;
	char *p = self->p, *q = p + first * PAGE;

	ASSERT_EQ(0, munmap(q, variant->pages * PAGE));
	EXPECT_EQ(SIGSEGV, read_probe(q));
	EXPECT_EQ(SIGSEGV, write_probe(p + end * PAGE - 1));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	EXPECT_TRUE(child_starts_clean(p, first));
	EXPECT_TRUE(child_starts_clean(p + end * PAGE, 8 - end));
	ASSERT_EQ(q, mmap(q, variant->pages * PAGE, RW,
			  DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_TRUE(is_zero(q, variant->pages));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
}

TEST_F(part, protected)
{
	size_t first = variant->first, end = first + variant->pages;
	size_t len = variant->pages * PAGE;
	char *p = self->p, *q = p + first * PAGE;

	ASSERT_EQ(0, mprotect(q, len, PROT_NONE));
	EXPECT_EQ(SIGSEGV, read_probe(q));
	EXPECT_EQ(SIGSEGV, read_probe(q + len - 1));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	ASSERT_EQ(0, mprotect(q, len, PROT_READ));
	EXPECT_TRUE(holds_from(q, first, variant->pages, 1));
	EXPECT_EQ(SIGSEGV, write_probe(q));
	ASSERT_EQ(0, mprotect(q, len, RW));
	EXPECT_TRUE(holds(p, 8, 1));
	fill(p, 8, 2);
	EXPECT_TRUE(holds(p, 8, 2));
	ASSERT_EQ(0, mprotect(q, len, RWX));
	EXPECT_TRUE(holds(p, 8, 2));
	EXPECT_TRUE(child_starts_clean(p, 8));
}

/* Both halves share one set of pages: each must forget only its own. */
TEST_F(part, split_then_drop_rest)
{
	size_t first = variant->first, end = first + variant->pages;
	size_t len = variant->pages * PAGE;
	char *p = self->p, *q = p + first * PAGE;

	ASSERT_EQ(0, mprotect(q, len, PROT_READ));
	EXPECT_EQ(0, madvise(q, len, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(q, variant->pages));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	EXPECT_EQ(0, munmap(q, len));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	EXPECT_EQ(0, madvise(p, first * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, first));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
}

TEST(split_before_any_fault)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + PAGE, PAGE, PROT_READ));
	EXPECT_TRUE(is_zero(p, 4));
	fill(p, 1, 1);
	fill(p + 2 * PAGE, 2, 2);
	ASSERT_EQ(0, munmap(p + PAGE, PAGE));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(holds(p + 2 * PAGE, 2, 2));
	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_TRUE(holds(p + 2 * PAGE, 2, 2));
	EXPECT_TRUE(child_starts_clean(p + 2 * PAGE, 2));
}

#define RACE_SECONDS 3

/* A thread that writes to @p as soon as @go is another number. */
struct writer {
	char *p;
	unsigned int go;
	unsigned int done;
};

static void *write_each_round(void *arg)
{
	struct writer *writer = arg;
	unsigned int round;

	for (round = 1;; round++) {
		while (__atomic_load_n(&writer->go, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		if (!writer->p)
			return NULL;
		*writer->p = 1;
		__atomic_store_n(&writer->done, round, __ATOMIC_RELEASE);
	}
}

/*
 * The first page comes while the other half is split off: its own half has to know it, or it
 * stays when that is dropped, and after that is unmapped.
 */
TEST(split_while_the_first_page_comes)
{
	struct writer writer = { 0 };
	struct timespec begin, now;
	pthread_t thread;
	unsigned int round = 0, wait;
	char *p;

	ASSERT_EQ(0, pthread_create(&thread, NULL, write_each_round, &writer));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		p = droppable(2);
		ASSERT_NE(MAP_FAILED, p);
		writer.p = p + PAGE;
		__atomic_store_n(&writer.go, ++round, __ATOMIC_RELEASE);
		/* at another instruction of the fault each time */
		for (wait = round % 256 * 8; wait; wait--)
			__asm__ volatile("" : : : "memory");
		ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
		while (__atomic_load_n(&writer.done, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		ASSERT_EQ(1, p[PAGE]);
		ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
		ASSERT_EQ(0, p[PAGE])
			TH_LOG("round %u: the page is still there", round);
		ASSERT_EQ(0, munmap(p, 2 * PAGE));
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < begin.tv_sec + RACE_SECONDS);
	writer.p = NULL;
	__atomic_store_n(&writer.go, ++round, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("%u rounds", round);
}

TEST(every_page_its_own_mapping)
{
	char *p = droppable(64);
	size_t i;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 64, 1);
	for (i = 0; i < 64; i += 2)
		ASSERT_EQ(0, mprotect(p + i * PAGE, PAGE, PROT_READ));
	EXPECT_TRUE(holds(p, 64, 1));
	EXPECT_EQ(0, munmap(p + 10 * PAGE, 20 * PAGE));
	EXPECT_TRUE(holds(p, 10, 1));
	EXPECT_TRUE(holds_from(p + 30 * PAGE, 30, 34, 1));
	ASSERT_EQ(0, mprotect(p, 10 * PAGE, RW));
	EXPECT_TRUE(child_starts_clean(p, 10));
	EXPECT_EQ(0, munmap(p, 64 * PAGE));
}

TEST(protection_keys)
{
	char *p = droppable(4);
	int key;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	/* without a key it is mprotect() */
	EXPECT_EQ(0, pkey_mprotect(p + PAGE, PAGE, PROT_READ, -1));
	EXPECT_EQ(SIGSEGV, write_probe(p + PAGE));
	EXPECT_TRUE(holds(p, 4, 1));
	key = pkey_alloc(0, 0);
	if (key < 0)
		return;		/* the processor has none */
	EXPECT_EQ(0, pkey_mprotect(p, 4 * PAGE, RW, key));
	EXPECT_TRUE(holds(p, 4, 1));
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_ACCESS));
	EXPECT_EQ(SIGSEGV, read_probe(p));
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_WRITE));
	EXPECT_EQ(0, read_probe(p));
	EXPECT_EQ(SIGSEGV, write_probe(p));
	ASSERT_EQ(0, pkey_set(key, 0));
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(child_starts_clean(p, 4));
}

TEST(sealed)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	if (syscall(__NR_mseal, p + PAGE, PAGE, 0)) {
		ASSERT_NE(EINVAL, errno);
		SKIP(return, "no mseal() before 6.10, nor in 32-bit kernels");
	}
	EXPECT_EQ(-1, munmap(p, 4 * PAGE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mprotect(p, 4 * PAGE, PROT_READ));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(p, 4 * PAGE, RW, DROPPABLE | MAP_FIXED, -1,
				   0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mremap(p + PAGE, PAGE, PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     free_range(1)));
	EXPECT_EQ(EPERM, errno);
	EXPECT_TRUE(holds_from(p + PAGE, 1, 1, 1));
	/* writable memory may be emptied all the same */
	EXPECT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p + PAGE, 1));
}

TEST_HARNESS_MAIN
