// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the generator in a vDSO image, at each level, on this machine's CPU: VDSO_IMAGE in the
 * environment names the vdso64.so.dbg. The model of vgetrandom_model.h tells what is right.
 */

#define _GNU_SOURCE

#include "vdso_image.h"
#include "vgetrandom_model.h"
#include "vgetrandom_harness.h"

#define CALLS		100000
#define LEN_MAX		65536
#define GUARD		64
#define FILL		0xa5

FIXTURE(level)
{
	struct vdso_image image;
	struct model model;
	unsigned char *page;
	unsigned char *state;
	unsigned char *out;
	unsigned char *expected;
	size_t size;
};

FIXTURE_VARIANT(level)
{
	size_t level;
};

FIXTURE_VARIANT_ADD(level, sse2) { .level = 0 };
FIXTURE_VARIANT_ADD(level, avx2) { .level = 1 };
FIXTURE_VARIANT_ADD(level, avx512) { .level = 2 };

FIXTURE_SETUP(level)
{
	ASSERT_TRUE(open_image(&self->image, variant->level)) TH_LOG("%s", self->image.error);
	if (!vdso_cpu_level(variant->level))
		SKIP(_exit(SKIP_STATUS), "this CPU has none");
	self->size = self->image.v.params.size_of_opaque_state;
	ASSERT_LE(self->size, STATE_MAX);

	/* Whoever leaves the page is stopped. */
	self->page = mmap(NULL, 3 * VDSO_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
	self->page += VDSO_PAGE;
	ASSERT_EQ(0, mprotect(self->page, VDSO_PAGE, PROT_READ | PROT_WRITE));
	memset(self->page, FILL, VDSO_PAGE);
	self->state = self->page + VDSO_PAGE - self->size;
	memset(self->state, 0, self->size);
	model_open(&self->model, variant->level);

	self->out = malloc(LEN_MAX + 3 * GUARD);
	self->expected = malloc(LEN_MAX + 3 * GUARD);
	ASSERT_TRUE(self->out && self->expected);
	memset(self->out, FILL, LEN_MAX + 3 * GUARD);
	ASSERT_TRUE(seed_open(&self->image, self->state));
}

FIXTURE_TEARDOWN(level)
{
}

/* Whether the state is as the model says, and nothing else of its page was written. */
static bool state_is_right(FIXTURE_DATA(level) *self)
{
	unsigned char state[STATE_MAX];
	size_t before = self->state - self->page;

	model_state(&self->model, state, self->size);
	return !memcmp(state, self->state, self->size) && all_are(self->page, FILL, before) &&
	       all_are(self->state + self->size, FILL, VDSO_PAGE - before - self->size);
}

/* Makes a call that is to be served from the state; tells what was wrong, or NULL. */
static const char *call_is_right(FIXTURE_DATA(level) *self, size_t align, size_t len,
				 unsigned int flags)
{
	unsigned char *out = self->out + GUARD + align, old[CHACHA_KEY], key[CHACHA_KEY];
	unsigned int keys = seed.keys;
	bool reseeds = self->model.generation != self->image.rng->generation;
	ssize_t ret;

	memcpy(old, self->model.key, sizeof(old));
	if (reseeds) {
		seed_key(key, keys);
		model_reseed(&self->model, key, self->image.rng->generation);
	}
	model_output(&self->model, self->expected, len);
	ret = self->image.v.call(out, len, flags, self->state, self->size);
	if (ret != (ssize_t)len)
		return "return value";
	if (seed.keys != keys + reseeds || seed.outputs)
		return "system calls";
	if (memcmp(out, self->expected, len))
		return "output";
	if (!all_are(out - GUARD, FILL, GUARD) || !all_are(out + len, FILL, GUARD))
		return "bytes around the output";
	if (!state_is_right(self))
		return "state";
	/* the key of an empty state, zeros, is everywhere in it */
	if (memcmp(old, self->model.key, sizeof(old)) && !all_are(old, 0, sizeof(old)) &&
	    memmem(self->state, self->size, old, sizeof(old)))
		return "old key";
	if (reseeds && memmem(self->state, self->size, key, sizeof(key)))
		return "kernel's key";
	memset(out, FILL, len);
	return NULL;
}

static size_t some_length(void)
{
	switch (number() % 1000) {
	case 0:
		return 1 + number() % LEN_MAX;
	case 1 ... 20:
		return 1 + number() % 9000;
	case 21 ... 120:
		return 1 + number() % 1024;
	default:
		return 1 + number() % 64;
	}
}

TEST_F(level, random_calls_are_as_predicted)
{
	unsigned int moves = 1;

	for (unsigned int i = 0; i < CALLS; i++) {
		size_t len = some_length();
		const char *wrong;

		if (!(number() % 200)) {
			self->image.rng->generation += 1 + number() % 3;
			moves++;
		}
		wrong = call_is_right(self, number() % 64, len, number() % 8);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s: call %u, of %zu bytes", wrong, i, len);
	}
	/* A move before the first call, or two with no call between, would be one. */
	EXPECT_LE(seed.keys, moves);
	EXPECT_GE(seed.keys + 1, moves);
	EXPECT_GE(moves, CALLS / 400);
}

/* As the kernel's getrandom() may: without a mapped state, or when a signal comes. */
TEST_F(level, failed_reseed_falls_back)
{
	static const long failures[] = { -EFAULT, -EINTR, -EAGAIN, 31, 16, 1 };
	static const size_t lens[] = { 1, 40, 600, 5000 };
	const char *wrong;

	for (unsigned int i = 0; i < 24; i++) {
		size_t len = lens[i % 4];

		seed.failure = failures[i / 4];
		seed.keys = 0;
		seed.outputs = 0;
		self->image.rng->generation++;
		for (unsigned int again = 0; again < 2; again++) {
			memset(self->out, FILL, len + 2 * GUARD);
			ASSERT_EQ((ssize_t)len, self->image.v.call(self->out + GUARD, len, 0,
								   self->state, self->size));
			seed_output(self->expected, len, again);
			EXPECT_EQ(0, memcmp(self->out + GUARD, self->expected, len));
			EXPECT_TRUE(all_are(self->out, FILL, GUARD));
			EXPECT_TRUE(all_are(self->out + GUARD + len, FILL, GUARD));
			EXPECT_EQ(again + 1, seed.keys);
			EXPECT_EQ(again + 1, seed.outputs);
			EXPECT_TRUE(all_are(self->state, 0, sizeof(__u64)));
			EXPECT_TRUE(all_are(self->state + STATE_CLAIM, 0, 4));
		}
		seed.failure = 0;
		seed.outputs = 0;
		self->model.generation = 0;
		memset(self->out, FILL, len + 2 * GUARD);
		wrong = call_is_right(self, 0, len, 0);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s: %zu bytes, failure %ld", wrong, len,
					      failures[i / 4]);
	}
}

TEST_F(level, every_alignment_and_boundary)
{
	const size_t group = self->model.group * CHACHA_BLOCK, batch = self->model.batch_size;
	const size_t middles[] = { 0, 8, 16, 32, 64, 128, group, 2 * group, 3 * group, batch,
				   2 * batch, batch + group, batch + 2 * group, VDSO_PAGE };
	unsigned int done = 0;

	for (size_t align = 0; align < 64; align++) {
		for (size_t i = 0; i < ARRAY_SIZE(middles); i++) {
			for (int off = -2; off <= 2; off++) {
				const size_t len = middles[i] + off;
				const char *wrong;

				if ((ssize_t)len <= 0)
					continue;
				/* from a full batch and from one that is not */
				if (done++ % 2)
					self->image.rng->generation++;
				wrong = call_is_right(self, align, len, 0);
				ASSERT_EQ(NULL, wrong)
					TH_LOG("%s: %zu bytes to %zu", wrong, len, align);
			}
		}
	}
}

/* Each length up to two refills, from each fill of the batch that a call before it leaves. */
TEST_F(level, every_length)
{
	for (size_t len = 1; len <= 2 * STATE_MAX; len++) {
		const char *wrong = call_is_right(self, len % 64, len, 0);

		ASSERT_EQ(NULL, wrong) TH_LOG("%s: %zu bytes", wrong, len);
	}
}

TEST_F(level, state_may_be_anywhere_in_its_page)
{
	for (size_t at = 0; at + self->size <= VDSO_PAGE; at += 8) {
		const char *wrong;

		memset(self->page, FILL, VDSO_PAGE);
		self->state = self->page + at;
		seed.state = self->state;
		memset(self->state, 0, self->size);
		model_open(&self->model, variant->level);
		for (size_t i = 0; i < 3; i++) {
			wrong = call_is_right(self, 0, 700 + i, 0);
			ASSERT_EQ(NULL, wrong) TH_LOG("%s: state at %zu", wrong, at);
		}
	}
	for (size_t at = VDSO_PAGE - self->size + 1; at < VDSO_PAGE; at++) {
		EXPECT_EQ(-EFAULT, self->image.v.call(self->out, 16, 0, self->page + at,
						      self->size)) {
			TH_LOG("state at %zu", at);
		}
	}
}

TEST_F(level, parameters)
{
	static const size_t sizes[VDSO_LEVELS] = { 576, 576, 1024 };
	struct vgetrandom_params params;

	memset(&params, FILL, sizeof(params));
	ASSERT_EQ(0, self->image.v.call(NULL, 0, 0, &params, ~0UL));
	EXPECT_EQ(sizes[variant->level], params.size_of_opaque_state);
	EXPECT_EQ(0, params.size_of_opaque_state % 64);
	EXPECT_EQ(PROT_READ | PROT_WRITE, params.mmap_prot);
	EXPECT_EQ(MAP_DROPPABLE | MAP_ANONYMOUS, params.mmap_flags);
	EXPECT_TRUE(all_are((unsigned char *)params.reserved, 0, sizeof(params.reserved)));
	EXPECT_EQ(0, seed.keys + seed.outputs);
}

/* What the state cannot serve goes to the kernel as it is, and the state is left alone. */
TEST_F(level, other_calls_go_to_the_kernel)
{
	const struct {
		size_t size;
		unsigned int flags;
		/* or in a time namespace, whose data is zeros */
		bool ready, claimed;
	} calls[] = {
		{ 0, 0, true, false }, { self->size - 1, 0, true, false },
		{ self->size + 1, 0, true, false }, { 144, 0, true, false },
		{ self->size == 1024 ? 576 : 1024, 0, true, false },
		{ self->size, 8, true, false }, { self->size, 1U << 31, true, false },
		{ self->size, 0, false, false }, { self->size, 0, true, true },
	};
	const struct vdso_rng rng = *self->image.rng;

	memset(self->page, FILL, VDSO_PAGE);
	self->state = self->page;
	seed.state = self->state;
	memset(self->state, 0, self->size);
	ASSERT_EQ(NULL, call_is_right(self, 0, 100, 0));
	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		*self->image.rng = calls[i].ready ? rng : (struct vdso_rng){ .level = rng.level };
		self->state[STATE_CLAIM + 3] = calls[i].claimed;
		ASSERT_EQ(100, self->image.v.call(self->out, 100, calls[i].flags, self->state,
						  calls[i].size));
		EXPECT_EQ(i + 1, seed.outputs) TH_LOG("call %u", i);
		seed_output(self->expected, 100, i);
		EXPECT_EQ(0, memcmp(self->out, self->expected, 100));
		self->state[STATE_CLAIM + 3] = 0;
		EXPECT_TRUE(state_is_right(self));
	}
	*self->image.rng = rng;
	EXPECT_EQ(0, self->image.v.call(self->out, 0, 0, self->state, self->size));
	EXPECT_TRUE(state_is_right(self));
	EXPECT_EQ(1, seed.keys);
	/* before the kernel's RNG is ready no state can have got a key */
	memset(self->state, 0, self->size);
	self->image.rng->is_ready = 0;
	EXPECT_EQ(100, self->image.v.call(self->out, 100, 0, self->state, self->size));
	self->image.rng->is_ready = 1;
	EXPECT_EQ(ARRAY_SIZE(calls) + 1, seed.outputs);
	EXPECT_EQ(1, seed.keys);
	for (size_t i = 0; i < self->size; i++)
		ASSERT_EQ(0, self->state[i]);
}

TEST_HARNESS_MAIN
