// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of one call of the vDSO's getrandom(): what it asks for, what it returns, and which bytes
 * it writes. They assume nothing of the state but its size.
 */

#define _GNU_SOURCE
#include <sys/random.h>

#include "vgetrandom_vdso.h"
#include "vgetrandom_harness.h"

#define MAX_LEN (64 * 1024)
/* Every length up to here is tried, then only every LEN_STEP-th. */
#define SMALL_LEN 1100
#define LEN_STEP 997
#define GUARD 0xa5
/* A byte of output is zero once in 256 calls, and in all of these calls never. */
#define MAX_TRIES 24

FIXTURE(call) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	size_t state_size;
	size_t page_size;
	void *state;
};

FIXTURE_SETUP(call)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, 1));
	self->state = vgetrandom_state(&self->states, 0);
	self->state_size = self->v.params.size_of_opaque_state;
	self->page_size = self->states.page_size;
}

FIXTURE_TEARDOWN(call)
{
	vgetrandom_states_unmap(&self->states);
}

static bool is_filled(const void *buf, size_t len, unsigned char byte)
{
	const unsigned char *p = buf;

	while (len && *p == byte) {
		p++;
		len--;
	}
	return !len;
}

TEST_F(call, function_lies_in_the_vdso)
{
	uintptr_t base = getauxval(AT_SYSINFO_EHDR);
	struct vgetrandom_image image;

	ASSERT_TRUE(vgetrandom_image_parse(&image, (void *)base));
	EXPECT_LT((uintptr_t)self->v.call - base, image.size);
}

TEST_F(call, short_name_is_the_same_function)
{
	struct vgetrandom_image image;

	ASSERT_TRUE(vgetrandom_image_parse(&image, (void *)getauxval(AT_SYSINFO_EHDR)));
	EXPECT_EQ((uintptr_t)self->v.call,
		  (uintptr_t)vgetrandom_image_lookup(&image, "getrandom", VGETRANDOM_VERSION));
}

TEST_F(call, params_are_those_of_the_abi)
{
	struct vgetrandom_params params;

	memset(&params, 0xff, sizeof(params));
	ASSERT_EQ(64, sizeof(params));
	ASSERT_EQ(0, self->v.call(NULL, 0, 0, &params, ~0UL));
	EXPECT_EQ(3, params.mmap_prot);
	EXPECT_EQ(0x28, params.mmap_flags);
	EXPECT_GT(params.size_of_opaque_state, 0);
	EXPECT_LE(params.size_of_opaque_state, self->page_size);
	EXPECT_TRUE(is_filled(params.reserved, sizeof(params.reserved), 0));
}

TEST_F(call, params_query_writes_nothing_else)
{
	unsigned char buf[3 * sizeof(struct vgetrandom_params)];
	size_t size = sizeof(struct vgetrandom_params);

	memset(buf, GUARD, sizeof(buf));
	ASSERT_EQ(0, self->v.call(NULL, 0, 0, buf + size, ~0UL));
	EXPECT_FALSE(is_filled(buf + size, size, GUARD));
	EXPECT_TRUE(is_filled(buf, size, GUARD));
	EXPECT_TRUE(is_filled(buf + 2 * size, size, GUARD));
}

TEST_F(call, params_may_lie_across_a_page_boundary)
{
	struct vgetrandom_params *params;
	char *buf;

	buf = mmap(NULL, 2 * self->page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, buf);
	params = (void *)(buf + self->page_size - sizeof(*params) / 2);
	ASSERT_EQ(0, self->v.call(NULL, 0, 0, params, ~0UL));
	EXPECT_EQ(self->state_size, params->size_of_opaque_state);
}

/* Each of these is an ordinary call with a state of a wrong size, hence the syscall's answer. */
TEST_F(call, params_query_needs_all_its_arguments)
{
	unsigned char *params, buf[16];

	/* where a state could be, else that is what is wrong with it */
	params = mmap(NULL, self->page_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, params);
	memset(params, GUARD, self->page_size);
	memset(buf, GUARD, sizeof(buf));
	EXPECT_EQ(0, self->v.call(buf, 0, 0, params, ~0UL));
	EXPECT_EQ(0, self->v.call(NULL, 0, GRND_NONBLOCK, params, ~0UL));
	EXPECT_EQ(-EINVAL, self->v.call(NULL, 0, 8, params, ~0UL));
	EXPECT_EQ(-EFAULT, self->v.call(NULL, 16, 0, params, ~0UL));
	EXPECT_EQ(0, self->v.call(NULL, 0, 0, params, 0));
	EXPECT_EQ(0, self->v.call(NULL, 0, 0, params, ~0UL - 1));
	EXPECT_TRUE(is_filled(params, self->page_size, GUARD));
	EXPECT_TRUE(is_filled(buf, sizeof(buf), GUARD));

	EXPECT_EQ(16, self->v.call(buf, 16, 0, params, ~0UL));
	EXPECT_FALSE(is_filled(buf, sizeof(buf), GUARD));
	EXPECT_TRUE(is_filled(params, self->page_size, GUARD));
}

/*
 * Calls for @len bytes at @buf, until each byte was seen to be written, with the guard bytes
 * around it unchanged. Returns what is wrong, or NULL.
 */
static const char *check_len(const struct vgetrandom *v, void *state, unsigned char *buf,
			     size_t len, unsigned char *seen, size_t before, size_t after)
{
	bool all = false;

	memset(seen, 0, len);
	for (int try = 0; !all && try < MAX_TRIES; try++) {
		memset(buf - before, GUARD, before);
		memset(buf, 0, len);
		memset(buf + len, GUARD, after);
		if (vgetrandom(v, state, buf, len, 0) != (ssize_t)len)
			return "return value";
		if (!is_filled(buf - before, before, GUARD))
			return "bytes before the buffer";
		if (!is_filled(buf + len, after, GUARD))
			return "bytes behind the buffer";
		all = true;
		for (size_t i = 0; i < len; i++) {
			seen[i] |= buf[i];
			all = all && seen[i];
		}
	}
	return all ? NULL : "bytes not written";
}

/* Guard bytes on the one side, an inaccessible page on the other. */
TEST_F(call, every_length_is_written_exactly)
{
	const size_t guard = 64;
	unsigned char *map, *start, *end, *seen = malloc(MAX_LEN);

	map = mmap(NULL, MAX_LEN + 3 * self->page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(NULL, seen);
	start = map + self->page_size;
	end = start + MAX_LEN + self->page_size;
	ASSERT_EQ(0, mprotect(start, end - start, PROT_READ | PROT_WRITE));

	for (size_t len = 0; len <= MAX_LEN; ) {
		const char *wrong;

		wrong = check_len(&self->v, self->state, start, len, seen, 0, guard);
		EXPECT_EQ(NULL, wrong) TH_LOG("%zu bytes at a page's start: %s", len, wrong);
		wrong = check_len(&self->v, self->state, end - len, len, seen, guard, 0);
		EXPECT_EQ(NULL, wrong) TH_LOG("%zu bytes at a page's end: %s", len, wrong);

		if (len < SMALL_LEN || len == MAX_LEN)
			len++;
		else
			len = len + LEN_STEP < MAX_LEN ? len + LEN_STEP : MAX_LEN;
	}
}

TEST_F(call, zero_length_touches_neither_buffer_nor_state)
{
	ASSERT_EQ(0, mprotect(self->states.base, self->states.size, PROT_NONE));
	EXPECT_EQ(0, self->v.call(NULL, 0, 0, self->state, self->state_size));
	EXPECT_EQ(0, self->v.call(NULL, 0, 0, NULL, self->state_size));
}

TEST_F(call, known_flags_are_accepted)
{
	static const unsigned int flags[] = {
		GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE, GRND_NONBLOCK | GRND_RANDOM,
		GRND_NONBLOCK | GRND_INSECURE,
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		unsigned char buf[32] = { 0 };

		EXPECT_EQ(32, self->v.call(buf, 32, flags[i], self->state, self->state_size));
		EXPECT_FALSE(is_filled(buf, 32, 0));
	}
}

TEST_F(call, unknown_flags_are_refused)
{
	unsigned char buf[32];

	memset(buf, GUARD, sizeof(buf));
	for (int bit = 3; bit < 32; bit++) {
		EXPECT_EQ(-EINVAL, self->v.call(buf, sizeof(buf), 1U << bit, self->state,
						self->state_size)) TH_LOG("bit %d", bit);
		EXPECT_EQ(-EINVAL, self->v.call(buf, sizeof(buf), 1U << bit | GRND_NONBLOCK,
						self->state, self->state_size));
	}
	EXPECT_TRUE(is_filled(buf, sizeof(buf), GUARD));
}

TEST_F(call, wrapper_sets_errno)
{
	unsigned char buf[32];

	errno = 0;
	EXPECT_EQ(-1, vgetrandom(&self->v, self->state, buf, sizeof(buf), 8));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(32, vgetrandom(&self->v, self->state, buf, sizeof(buf), 0));
	EXPECT_EQ(0, errno);
}

TEST_F(call, wrong_state_size_gets_bytes_and_leaves_the_state_alone)
{
	size_t sizes[] = {
		0, 1, self->state_size - 1, self->state_size + 1, 2 * self->state_size,
		self->page_size, ~0UL, ~0UL - 1,
	};
	unsigned char *state = self->states.base;

	memset(state, GUARD, self->page_size);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char buf[32] = { 0 };

		EXPECT_EQ(32, self->v.call(buf, 32, 0, state, sizes[i])) TH_LOG("%zu", sizes[i]);
		EXPECT_FALSE(is_filled(buf, 32, 0));
	}
	EXPECT_TRUE(is_filled(state, self->page_size, GUARD));
}

TEST_F(call, no_state_with_no_size_gets_bytes)
{
	unsigned char buf[32] = { 0 };

	EXPECT_EQ(32, self->v.call(buf, 32, 0, NULL, 0));
	EXPECT_FALSE(is_filled(buf, 32, 0));
}

TEST_F(call, state_at_either_end_of_a_page_is_used)
{
	char *start = self->states.base, *end = start + self->page_size - self->state_size;
	unsigned char buf[32];

	EXPECT_EQ(32, self->v.call(buf, 32, 0, start, self->state_size));
	EXPECT_FALSE(is_filled(start, self->state_size, 0));
	EXPECT_EQ(32, self->v.call(buf, 32, 0, end, self->state_size));
	EXPECT_FALSE(is_filled(end, self->state_size, 0));
}

TEST_F(call, state_across_a_page_boundary_is_refused)
{
	struct vgetrandom_states states;
	unsigned char buf[32];
	char *boundary;

	ASSERT_TRUE(vgetrandom_states_map(&self->v, &states, self->states.per_page + 1));
	ASSERT_EQ(2 * self->page_size, states.size);
	boundary = (char *)states.base + self->page_size;
	memset(buf, GUARD, sizeof(buf));
	for (size_t i = 1; i < self->state_size; i++)
		EXPECT_EQ(-EFAULT, self->v.call(buf, 32, 0, boundary - i, self->state_size));
	EXPECT_TRUE(is_filled(buf, sizeof(buf), GUARD));
	EXPECT_TRUE(is_filled(states.base, states.size, 0));
}

/* As of a process that CRIU moved here: it may be where one of this kernel's would not fit. */
TEST_F(call, state_of_another_size_gets_the_system_call)
{
	char *end = (char *)self->states.base + self->page_size;
	unsigned char buf[32];

	for (size_t size = 16; size < 2 * self->state_size; size += 16) {
		if (size == self->state_size)
			continue;
		memset(buf, 0, sizeof(buf));
		EXPECT_EQ(32, self->v.call(buf, 32, 0, end - size, size));
		EXPECT_FALSE(is_filled(buf, sizeof(buf), 0));
		EXPECT_TRUE(is_filled(end - size, size, 0));
	}
}

TEST_F(call, states_of_a_mapping_do_not_overlap_or_straddle)
{
	const size_t num = 3 * self->states.per_page + 1;
	struct vgetrandom_states states;
	char *last_end;

	ASSERT_TRUE(vgetrandom_states_map(&self->v, &states, num));
	ASSERT_GE(states.num, num);
	last_end = states.base;
	for (size_t i = 0; i < states.num; i++) {
		char *state = vgetrandom_state(&states, i), *end = state + self->state_size;

		EXPECT_GE(state, last_end);
		EXPECT_LE((uintptr_t)state % self->page_size + self->state_size, self->page_size);
		last_end = end;
	}
	EXPECT_LE(last_end, (char *)states.base + states.size);
}

TEST_F(call, handed_out_bytes_are_not_in_the_state)
{
	static const size_t lens[] = { 8, 16, 24, 32, 63, 64, 96, 128, 200, 512, 1000, 4096 };
	const size_t window = 8;
	unsigned char buf[4096];

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
			ASSERT_EQ(lens[i], vgetrandom(&self->v, self->state, buf, lens[i], 0));
			ASSERT_FALSE(is_filled(self->state, self->state_size, 0));
			for (size_t pos = 0; pos + window <= lens[i]; pos += window) {
				ASSERT_EQ(NULL, memmem(self->states.base, self->page_size,
						       buf + pos, window)) {
					TH_LOG("byte %zu of %zu", pos, lens[i]);
				}
			}
		}
	}
}

TEST_HARNESS_MAIN
