// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that no two calls of the vDSO's getrandom() give the same bytes, nor zeros, whoever
 * calls: one after the other, threads, and signal handlers. They assume nothing of the state but
 * its size.
 */

#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "vgetrandom_state.h"

#define CALLS_PER_THREAD 40000
#define NUM_ZEROED 2000
#define NUM_SIGNALS 3000
#define SIGNAL_INTERVAL_US 100

TEST_F(state, repeated_calls_give_fresh_bytes)
{
	const size_t num = 50000;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < num; ) {
		size_t len = i % 37 + 1 < num - i ? i % 37 + 1 : num - i;

		ASSERT_TRUE(fill(&self->v, self->state, blocks + i, len));
		i += len;
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_F(state, zeroed_between_calls_gives_fresh_bytes)
{
	const size_t per_round = 4, num = per_round * NUM_ZEROED;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < num; i += per_round) {
		ASSERT_TRUE(fill_each(&self->v, self->state, blocks + i, per_round));
		memset(self->state, 0, self->v.params.size_of_opaque_state);
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_F(state, threads_get_fresh_bytes)
{
	struct vgetrandom_block *blocks = calloc(NUM_THREADS * CALLS_PER_THREAD, BLOCK);
	struct worker workers[NUM_THREADS];

	start_workers(_metadata, workers, NUM_THREADS, &self->v, &self->states, blocks,
		      CALLS_PER_THREAD, call_in_thread);
	join_workers(_metadata, workers, NUM_THREADS);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_THREADS * CALLS_PER_THREAD));
}

/* What the timer's handler works on. */
static struct {
	const struct vgetrandom *v;
	void *state;
	struct vgetrandom_block *blocks;
	atomic_size_t num;
	atomic_bool failed;
} on_timer;

static void handle_timer(int sig)
{
	if (on_timer.num == NUM_SIGNALS)
		return;
	if (!fill(on_timer.v, on_timer.state, on_timer.blocks + on_timer.num, 1))
		on_timer.failed = true;
	on_timer.num++;
}

TEST_F(state, timer_signals_get_and_leave_fresh_bytes)
{
	const struct itimerval every = {
		.it_interval.tv_usec = SIGNAL_INTERVAL_US,
		.it_value.tv_usec = SIGNAL_INTERVAL_US,
	}, never = { 0 };
	/* Not one more than this many calls are interrupted. */
	struct vgetrandom_block *blocks = calloc(3 * NUM_SIGNALS, BLOCK), *interrupted;
	const struct sigaction action = { .sa_handler = handle_timer };
	size_t num = 0;

	ASSERT_NE(NULL, blocks);
	interrupted = blocks + NUM_SIGNALS;
	on_timer.v = &self->v;
	on_timer.state = self->state;
	on_timer.blocks = blocks;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &every, NULL));
	while (on_timer.num < NUM_SIGNALS) {
		size_t signals = on_timer.num;

		ASSERT_TRUE(fill(&self->v, self->state, interrupted + num, 2));
		if (on_timer.num != signals && num + 2 < 2 * NUM_SIGNALS)
			num += 2;
	}
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_FALSE(atomic_load(&on_timer.failed));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_SIGNALS + num));
}

TEST_HARNESS_MAIN
