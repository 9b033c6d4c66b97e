// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that calls of the vDSO's getrandom() give fresh bytes whatever happens at each
 * instruction of one: calls with the same state, drops of its page, the kernel reseeding. They
 * assume nothing of the state but its size.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

#include "vgetrandom_step.h"

/* Stepping to the sampled ones from where a call begins takes not many more steps than these. */
#define MAX_STEPS 6000

static void do_call(void)
{
	if (step.num == step.max)
		step.failed = true;
	else if (!fill(step.v, step.states->base, step.blocks + step.num++, 1))
		step.failed = true;
}

static void do_call_once(void)
{
	if (step.at < step.only)
		return;
	do_call();
	step.active = false;
}

static void do_drop(void)
{
	if (madvise(step.states->base, step.states->size, MADV_DONTNEED))
		step.failed = true;
}

static void do_drop_once(void)
{
	if (step.at < step.only)
		return;
	do_drop();
	step.active = false;
}

static void do_reseed(void)
{
	if (ioctl(step.urandom, RNDRESEEDCRNG))
		step.failed = true;
}

static void do_reseed_once(void)
{
	if (step.at < step.only)
		return;
	do_reseed();
	step.active = false;
}

TEST_F(instruction, always_interrupted_by_calls_with_the_same_state)
{
	/* The calls in between may make the interrupted one shorter; a reseed makes it longer. */
	const size_t max = 2 * self->steps + 4000, own = 2 * variant->num;
	struct vgetrandom_block *blocks = calloc(max + own, BLOCK);

	ASSERT_NE(NULL, blocks);
	step.max = max;
	step.blocks = blocks + own;
	ASSERT_TRUE(prepare(self, variant));
	ASSERT_TRUE(stepped_fill(blocks, variant->num, do_call));
	ASSERT_LT(20, step.num);
	ASSERT_TRUE(fill(&self->v, self->states.base, blocks + variant->num, variant->num));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, own + step.num));
}

/* A call for each of the instructions, or a sample of them, at which something happens once. */
static void act_once_per_call(struct __test_metadata *_metadata,
			      const struct _test_data_instruction *self,
			      const struct _fixture_variant_instruction *variant,
			      void (*action)(void))
{
	const size_t stride = self->steps * self->steps / 2 / MAX_STEPS + 1;
	/* The call, the next one, and what the action may add. */
	const size_t own = 2 * variant->num + 1, calls = DENSE_STEPS + self->steps / stride + 1;
	struct vgetrandom_block *blocks = calloc(own * calls * ROUNDS, BLOCK);
	size_t num = 0;

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < ROUNDS * self->steps; i++) {
		struct vgetrandom_block *ours = blocks + num;

		step.only = i % self->steps;
		if ((step.only >= DENSE_STEPS && step.only % stride) || i % share())
			continue;
		num += 2 * variant->num;
		step.blocks = blocks + num;
		step.max = 1;
		ASSERT_TRUE(prepare(self, variant));
		ASSERT_TRUE(stepped_fill(ours, variant->num, action));
		ASSERT_FALSE(step.active);
		ASSERT_TRUE(fill(&self->v, self->states.base, ours + variant->num, variant->num));
		num += step.num;
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

/* One call, at each instruction of which something happens. */
static void act_always(struct __test_metadata *_metadata,
		       const struct _test_data_instruction *self,
		       const struct _fixture_variant_instruction *variant, void (*action)(void))
{
	struct vgetrandom_block blocks[2 * variant->num];

	ASSERT_TRUE(prepare(self, variant));
	ASSERT_TRUE(stepped_fill(blocks, variant->num, action));
	/* What is dropped or reseeded may make the call shorter, too. */
	ASSERT_LT(20, step.at);
	ASSERT_TRUE(fill(&self->v, self->states.base, blocks + variant->num, variant->num));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, 2 * variant->num));
}

TEST_F(instruction, interrupted_by_a_call_with_the_same_state)
{
	act_once_per_call(_metadata, self, variant, do_call_once);
}

TEST_F(instruction, interrupted_by_a_drop)
{
	act_once_per_call(_metadata, self, variant, do_drop_once);
}

TEST_F(instruction, always_interrupted_by_drops)
{
	act_always(_metadata, self, variant, do_drop);
}

TEST_F(instruction, interrupted_by_the_kernel_reseeding)
{
	if (geteuid())
		SKIP(return, "RNDRESEEDCRNG needs root");
	step.urandom = open("/dev/urandom", O_RDONLY);
	ASSERT_LE(0, step.urandom);
	act_once_per_call(_metadata, self, variant, do_reseed_once);
}

TEST_F(instruction, always_interrupted_by_the_kernel_reseeding)
{
	if (geteuid())
		SKIP(return, "RNDRESEEDCRNG needs root");
	step.urandom = open("/dev/urandom", O_RDONLY);
	ASSERT_LE(0, step.urandom);
	act_always(_metadata, self, variant, do_reseed);
}

TEST_HARNESS_MAIN
