// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that parent and children get different bytes of the vDSO's getrandom() when the process
 * forks at instructions of a call. They assume nothing of the state but its size.
 */

#define _GNU_SOURCE
#include "vgetrandom_step.h"

/*
 * A call is over when it has seen that its bytes are good. A fork after that finds the bytes in the
 * buffer, as one after the return would: only this many instructions may follow, of a call that
 * needs no refill and of one that does.
 */
#define MAX_STEPS_AFTER_CALL 16
#define MAX_STEPS_AFTER_REFILL 24

/* The child ends the call, and looks at its copy of step.num to learn which one it is. */
static void do_fork(void)
{
	bool dense;
	pid_t pid;

	if (step.at % share())
		return;
	/* A call that the kernel's reseeding made longer goes on as a sample. */
	dense = step.at < DENSE_STEPS ||
		(step.at + DENSE_STEPS >= step.expected && step.at < step.expected);
	if (!dense && step.at % (step.expected / SAMPLED_STEPS + 1))
		return;
	if (step.num == step.max) {
		step.failed = true;
		return;
	}
	pid = syscall(SYS_fork);
	if (!pid) {
		step.is_child = true;
		step.active = false;
		return;
	}
	if (!child_was_good(pid))
		step.failed = true;
	step.num++;
}

/*
 * A call in which children are forked, and another one, by each of them. The output goes to the
 * place that belongs to the process that gets there.
 */
static bool fill_and_fork(const struct _test_data_instruction *self, size_t num,
			  struct vgetrandom_block *interrupted, struct vgetrandom_block *next)
{
	struct vgetrandom_block blocks[num];
	bool good = stepped_fill(blocks, num, do_fork);

	memcpy(interrupted + step.num * num, blocks, sizeof(blocks));
	good = fill(&self->v, self->states.base, next + step.num * num, num) && good;
	if (step.is_child)
		end_child(good);
	return good;
}

TEST_F(instruction, interrupted_by_fork)
{
	/* If the kernel reseeds in the meantime, the call becomes longer. */
	const size_t num = variant->num, max = 2 * DENSE_STEPS + 2 * SAMPLED_STEPS + 4000;
	/* In each round, places for the children and, behind them, for the parent. */
	const size_t size = ROUNDS * (max + 1) * num * BLOCK;
	struct vgetrandom_block *interrupted = vgetrandom_shared(size);
	struct vgetrandom_block *next = vgetrandom_shared(size);
	size_t num_interrupted = 0, num_next = 0;

	ASSERT_NE(NULL, interrupted);
	ASSERT_NE(NULL, next);
	step.max = max;
	for (int round = 0; round < ROUNDS; round++) {
		struct vgetrandom_block *theirs = interrupted + num_interrupted, *ours;
		size_t after;

		ASSERT_TRUE(prepare(self, variant));
		ASSERT_TRUE(fill_and_fork(self, num, theirs, next + num_next));
		ASSERT_LT(20, step.num * share());
		num_next += (step.num + 1) * num;

		/* Those that were forked when the bytes were in the buffer have the same. */
		ours = theirs + step.num * num;
		for (after = 0; after < step.num; after++)
			if (memcmp(ours - (after + 1) * num, ours, num * BLOCK))
				break;
		EXPECT_LE(after, num > 2 || variant->cold ? MAX_STEPS_AFTER_REFILL :
							    MAX_STEPS_AFTER_CALL);
		num_interrupted += (step.num + 1 - after) * num;
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(interrupted, num_interrupted));
	EXPECT_TRUE(vgetrandom_blocks_fresh(next, num_next));
}

TEST_HARNESS_MAIN
