/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Single steps through a call of the vDSO's getrandom(), for tests in which something happens to
 * its state at each instruction.
 */

#ifndef VGETRANDOM_STEP_H
#define VGETRANDOM_STEP_H

#include <signal.h>
#include <ucontext.h>

#include "vgetrandom_fill.h"

/*
 * Something is done at each of so many instructions where a call begins, and ends, and at a sample
 * of those between. Twice, for a state that was lost at a bad moment gives the same in both rounds.
 */
#define DENSE_STEPS 150
#define SAMPLED_STEPS 60
#define ROUNDS 2

#ifdef __x86_64__
#define REG_IP REG_RIP
#else
#define REG_IP REG_EIP
#endif
#define EFLAGS_TF 0x100

/* What happens at each instruction of a call: the state of the single stepper. */
static struct {
	const struct vgetrandom *v;
	const struct vgetrandom_states *states;
	uintptr_t vdso_start;
	size_t vdso_size;
	/* What is done at instructions of the vDSO, of which number @at is next. */
	void (*action)(void);
	size_t at;
	bool active;
	bool failed;
	/* The call takes so many steps if nothing happens. */
	size_t expected;
	/* For actions that happen just once. */
	size_t only;
	/* Where actions that call leave the bytes. */
	struct vgetrandom_block *blocks;
	/* How many calls or children there were, and may be. */
	size_t num;
	size_t max;
	int urandom;
	bool is_child;
} step;

/* Returns to an interrupted program that traps again behind its next instruction, or does not. */
static inline void handle_step(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (step.active && (uintptr_t)regs[REG_IP] - step.vdso_start < step.vdso_size) {
		step.action();
		step.at++;
	}
	if (step.active)
		regs[REG_EFL] |= EFLAGS_TF;
	else
		regs[REG_EFL] &= ~EFLAGS_TF;
}

/* A call with @action at its instructions. */
static inline bool stepped_fill(struct vgetrandom_block *blocks, size_t num, void (*action)(void))
{
	bool good;

	step.action = action;
	step.at = 0;
	step.num = 0;
	step.active = true;
	raise(SIGTRAP);
	good = fill(step.v, step.states->base, blocks, num);
	step.active = false;
	return good && !step.failed;
}

static inline void do_nothing(void)
{
}

FIXTURE(instruction) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	size_t steps;
};

/* The call that is interrupted. */
FIXTURE_VARIANT(instruction) {
	size_t num;
	bool cold;
};

FIXTURE_VARIANT_ADD(instruction, of_a_small_call) {
	.num = 2,
};

FIXTURE_VARIANT_ADD(instruction, of_a_small_cold_call) {
	.num = 2,
	.cold = true,
};

FIXTURE_VARIANT_ADD(instruction, of_a_large_call) {
	.num = 40,
};

FIXTURE_VARIANT_ADD(instruction, of_a_large_cold_call) {
	.num = 40,
	.cold = true,
};

/* Brings the state to where the call begins. */
static inline bool prepare(const struct _test_data_instruction *self,
			   const struct _fixture_variant_instruction *variant)
{
	struct vgetrandom_block block;

	if (madvise(self->states.base, self->states.size, MADV_DONTNEED))
		return false;
	return variant->cold || fill(&self->v, self->states.base, &block, 1);
}

FIXTURE_SETUP(instruction)
{
	const struct sigaction action = {
		.sa_sigaction = handle_step,
		.sa_flags = SA_SIGINFO,
	};
	struct vgetrandom_block blocks[variant->num];
	struct vgetrandom_image image;

	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, 1));
	ASSERT_TRUE(vgetrandom_image_parse(&image, (void *)getauxval(AT_SYSINFO_EHDR)));
	step.v = &self->v;
	step.states = &self->states;
	step.vdso_start = image.base;
	step.vdso_size = image.size;
	ASSERT_EQ(0, sigaction(SIGTRAP, &action, NULL));

	ASSERT_TRUE(prepare(self, variant));
	ASSERT_TRUE(stepped_fill(blocks, variant->num, do_nothing));
	self->steps = step.at;
	step.expected = step.at;
	ASSERT_GT(self->steps, 20);
}

FIXTURE_TEARDOWN(instruction)
{
	vgetrandom_states_unmap(&self->states);
}

#endif /* VGETRANDOM_STEP_H */
