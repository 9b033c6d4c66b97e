// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that calls of the vDSO's getrandom() give fresh bytes when the page of their states is
 * dropped between them, or while they run. They assume nothing of the state but its size.
 */

#define _GNU_SOURCE
#include <fcntl.h>

#include "vgetrandom_fill.h"

#define CALLS_PER_DROPPED_THREAD 20000
#define NUM_DROPS 2000

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

FIXTURE(dropped) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	int drop_caches;
};

/* How the states' page loses its content. */
FIXTURE_VARIANT(dropped) {
	int advice;
	bool by_drop_caches;
};

FIXTURE_VARIANT_ADD(dropped, by_dontneed) {
	.advice = MADV_DONTNEED,
};

FIXTURE_VARIANT_ADD(dropped, by_free) {
	.advice = MADV_FREE,
};

FIXTURE_VARIANT_ADD(dropped, by_pageout) {
	.advice = MADV_PAGEOUT,
};

FIXTURE_VARIANT_ADD(dropped, by_drop_caches) {
	.by_drop_caches = true,
};

FIXTURE_SETUP(dropped)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, NUM_THREADS));
	self->drop_caches = -1;
	if (variant->by_drop_caches) {
		if (geteuid())
			SKIP(return, "drop_caches needs root");
		self->drop_caches = open("/proc/sys/vm/drop_caches", O_WRONLY);
		ASSERT_LE(0, self->drop_caches);
	}
}

FIXTURE_TEARDOWN(dropped)
{
	vgetrandom_states_unmap(&self->states);
	if (self->drop_caches >= 0)
		close(self->drop_caches);
}

static bool drop(const struct _test_data_dropped *self,
		 const struct _fixture_variant_dropped *variant)
{
	if (variant->by_drop_caches)
		return pwrite(self->drop_caches, "2", 1, 0) == 1;
	return !madvise(self->states.base, self->states.size, variant->advice);
}

TEST_F(dropped, between_calls_gives_fresh_bytes)
{
	const size_t per_drop = 4;
	/* Slow, and it takes things away from the whole machine. */
	const size_t drops = variant->by_drop_caches ? 20 : NUM_DROPS, num = per_drop * drops;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < num; i += per_drop) {
		ASSERT_TRUE(fill_each(&self->v, self->states.base, blocks + i, per_drop));
		ASSERT_TRUE(drop(self, variant));
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_F(dropped, during_calls_of_threads_gives_fresh_bytes)
{
	const size_t num = NUM_THREADS * CALLS_PER_DROPPED_THREAD;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);
	unsigned long long *last;
	struct worker workers[NUM_THREADS];
	int drops = 0;

	start_workers(_metadata, workers, NUM_THREADS, &self->v, &self->states, blocks,
		      CALLS_PER_DROPPED_THREAD, call_in_thread);
	last = blocks[num - 1].half;
	do {
		ASSERT_TRUE(drop(self, variant));
		drops++;
	} while (!__atomic_load_n(last, __ATOMIC_RELAXED));
	join_workers(_metadata, workers, NUM_THREADS);
	TH_LOG("%d drops", drops);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_HARNESS_MAIN
