// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of when the vDSO's getrandom() makes a syscall, and that it makes none while it is warm.
 */

#define _GNU_SOURCE
#include <linux/random.h>

#include "vgetrandom_tracee.h"

/* Phases of each try: one call, many calls. */
static void run_warm(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Phases of each try: the state's page is dropped, one call, many calls. */
static void run_drop(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		CHECK(!madvise(tracee->states->base, tracee->states->size, MADV_DONTNEED));
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Phases of each try: the state is overwritten with zeros, one call, many calls. */
static void run_zeroed(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		memset(tracee->state, 0, tracee->v->params.size_of_opaque_state);
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Phases of each try: flags that the vDSO knows. */
static void run_known_flags(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		for (int j = 0; j < WARM_CALLS; j++) {
			call(tracee, 32, GRND_NONBLOCK);
			call(tracee, 32, GRND_RANDOM);
			call(tracee, 32, GRND_INSECURE);
		}
	}
}

/* A phase of calls with flags that the vDSO does not know, and one with a wrong state size. */
static void run_fallback(struct tracee *tracee)
{
	const struct vgetrandom *v = tracee->v;
	size_t size = v->params.size_of_opaque_state;

	call(tracee, 32, 0);
	next_phase();
	for (int i = 0; i < WARM_CALLS; i++)
		CHECK(v->call(tracee->buf, 33, 0x10, tracee->state, size) == -EINVAL);
	next_phase();
	for (int i = 0; i < WARM_CALLS; i++)
		CHECK(v->call(tracee->buf, 34, GRND_NONBLOCK, tracee->state, size + 1) == 34);
}

TEST_F(syscalls, warm_calls_make_none)
{
	struct phase phases[MAX_PHASES];
	bool none = false;

	self->tracee.run = run_warm;
	ASSERT_EQ(1 + 2 * TRIES, trace(_metadata, &self->tracee, phases));
	for (int i = 0; i < TRIES; i++) {
		struct phase *warm = &phases[2 + 2 * i];

		EXPECT_EQ(0, warm->other);
		EXPECT_LE(warm->getrandom, 2);
		none = none || !warm->getrandom;
	}
	EXPECT_TRUE(none);
}

TEST_F(syscalls, first_call_makes_one)
{
	struct phase phases[MAX_PHASES];

	self->tracee.run = run_warm;
	ASSERT_LT(0, trace(_metadata, &self->tracee, phases));
	EXPECT_EQ(1, phases[1].getrandom);
	EXPECT_EQ(0, phases[1].other);
}

TEST_F(syscalls, first_call_after_fork_makes_one)
{
	struct phase phases[MAX_PHASES];

	call_often(&self->tracee);
	self->tracee.run = run_warm;
	ASSERT_LT(0, trace(_metadata, &self->tracee, phases));
	EXPECT_EQ(1, phases[1].getrandom);
	EXPECT_EQ(0, phases[1].other);
}

TEST_F(syscalls, first_call_after_a_drop_makes_one)
{
	self->tracee.run = run_drop;
	expect_one_reseed(_metadata, &self->tracee, 1);
}

TEST_F(syscalls, first_call_with_a_zeroed_state_makes_one)
{
	self->tracee.run = run_zeroed;
	expect_one_reseed(_metadata, &self->tracee, 0);
}

TEST_F(syscalls, known_flags_make_none)
{
	struct phase phases[MAX_PHASES];
	bool none = false;

	self->tracee.run = run_known_flags;
	ASSERT_EQ(1 + TRIES, trace(_metadata, &self->tracee, phases));
	for (int i = 1; i <= TRIES; i++) {
		EXPECT_LE(phases[i].getrandom, 3);
		none = none || !phases[i].getrandom;
	}
	EXPECT_TRUE(none);
}

TEST_F(syscalls, fallback_makes_one_each_with_the_same_arguments)
{
	struct phase phases[MAX_PHASES];

	self->tracee.run = run_fallback;
	ASSERT_EQ(3, trace(_metadata, &self->tracee, phases));
	for (int i = 1; i <= 2; i++) {
		EXPECT_EQ(WARM_CALLS, phases[i].getrandom);
		EXPECT_EQ(0, phases[i].other);
		EXPECT_EQ((unsigned long)self->tracee.buf, phases[i].args[0]);
		EXPECT_EQ(32 + i, phases[i].args[1]);
		EXPECT_EQ(i == 1 ? 0x10 : GRND_NONBLOCK, phases[i].args[2]);
	}
}

TEST_HARNESS_MAIN
