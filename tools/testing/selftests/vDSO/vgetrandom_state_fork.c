// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that parents and children, of one thread and of many, never get the same bytes of the
 * vDSO's getrandom(), nor zeros. They assume nothing of the state but its size.
 */

#define _GNU_SOURCE
#include <sched.h>

#include "vgetrandom_state.h"

#define NUM_FORKS 2000
#define FORKS_PER_THREAD 250
#define FORKS_SECONDS 900	/* at the most, in an emulated debug kernel */

TEST_F_TIMEOUT(state, fork_gives_fresh_bytes, FORKS_SECONDS)
{
	const size_t per_fork = 8, half = per_fork / 2;
	const size_t forks = NUM_FORKS / share();
	struct vgetrandom_block *blocks = vgetrandom_shared(forks * per_fork * BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < forks; i++) {
		struct vgetrandom_block *ours = blocks + i * per_fork;
		pid_t pid = fork();

		if (!pid)
			end_child(fill_each(&self->v, self->state, ours, half));
		ASSERT_TRUE(fill_each(&self->v, self->state, ours + half, half));
		ASSERT_TRUE(child_was_good(pid));
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, forks * per_fork));
}

TEST_F(state, child_leaves_the_state_of_its_parent_alone)
{
	const size_t size = self->v.params.size_of_opaque_state;
	struct vgetrandom_block block;
	void *before = malloc(size);
	pid_t pid;

	ASSERT_NE(NULL, before);
	ASSERT_TRUE(fill(&self->v, self->state, &block, 1));
	memcpy(before, self->state, size);
	pid = fork();
	if (!pid)
		end_child(fill(&self->v, self->state, &block, 1) &&
			  memcmp(before, self->state, size));
	ASSERT_TRUE(child_was_good(pid));
	EXPECT_EQ(0, memcmp(before, self->state, size));
}

TEST_F(state, child_of_a_child_gets_fresh_bytes)
{
	const int rounds = NUM_FORKS / 8, depth = 3, per_depth = 4;
	const size_t num = rounds * depth * per_depth;
	struct vgetrandom_block *blocks = vgetrandom_shared(num * BLOCK);

	ASSERT_NE(NULL, blocks);
	for (int i = 0; i < rounds; i++) {
		struct vgetrandom_block *ours = blocks + i * depth * per_depth;
		pid_t pid;

		ASSERT_TRUE(fill_each(&self->v, self->state, ours, per_depth / 2));
		pid = fork();
		if (!pid) {
			bool good = fill_each(&self->v, self->state, ours + per_depth,
					      per_depth / 2);

			pid = fork();
			if (!pid)
				end_child(fill_each(&self->v, self->state, ours + 2 * per_depth,
						    per_depth));
			good = fill_each(&self->v, self->state, ours + per_depth + per_depth / 2,
					 per_depth / 2) && good;
			end_child(child_was_good(pid) && good);
		}
		ASSERT_TRUE(fill_each(&self->v, self->state, ours + per_depth / 2, per_depth / 2));
		ASSERT_TRUE(child_was_good(pid));
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

/* The first half of the blocks by this process, the second by its children. */
static void *fork_in_thread(void *arg)
{
	struct worker *worker = arg;
	struct vgetrandom_block *ours = worker->blocks, *theirs = ours + worker->num / 2;

	worker->good = true;
	for (size_t i = 0; i < worker->num / 2; i += 2) {
		pid_t pid = fork();

		if (!pid)
			end_child(fill_each(worker->v, worker->state, theirs + i, 2));
		worker->good = fill_each(worker->v, worker->state, ours + i, 2) && worker->good;
		worker->good = child_was_good(pid) && worker->good;
	}
	return NULL;
}

TEST_F_TIMEOUT(state, fork_in_threads_gives_fresh_bytes, FORKS_SECONDS)
{
	const size_t per_thread = 4 * FORKS_PER_THREAD;
	struct vgetrandom_block *blocks = vgetrandom_shared(NUM_THREADS * per_thread * BLOCK);
	struct worker workers[NUM_THREADS];

	start_workers(_metadata, workers, NUM_THREADS, &self->v, &self->states, blocks, per_thread,
		      fork_in_thread);
	join_workers(_metadata, workers, NUM_THREADS);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_THREADS * per_thread));
}

/* What another thread would have got next must not be what the child gets with its state. */
TEST_F(state, child_may_use_the_state_of_another_thread)
{
	const int rounds = 100, per_child = 4, per_thread = 1000;
	const size_t num = rounds * (per_child + per_thread);
	struct vgetrandom_block *blocks = vgetrandom_shared(num * BLOCK);

	ASSERT_NE(NULL, blocks);
	for (int i = 0; i < rounds; i++) {
		struct vgetrandom_block *theirs = blocks + i * (per_child + per_thread);
		struct worker worker;
		pid_t pid;

		start_workers(_metadata, &worker, 1, &self->v, &self->states, theirs + per_child,
			      per_thread, call_in_thread);
		/* Until it is well in its calls, but not at a certain point of them. */
		while (!__atomic_load_n(theirs[per_child + i].half, __ATOMIC_RELAXED))
			sched_yield();
		pid = fork();
		if (!pid)
			end_child(fill_each(&self->v, worker.state, theirs, per_child));
		ASSERT_TRUE(child_was_good(pid));
		join_workers(_metadata, &worker, 1);
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_HARNESS_MAIN
