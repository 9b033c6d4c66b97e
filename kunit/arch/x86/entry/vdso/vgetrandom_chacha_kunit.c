// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the vDSO's ChaCha20 kernels: against the kernel's own ChaCha20,
 * and a published vector.  They are built once more, as code of the kernel.
 */
#include <kunit/test.h>
#include <crypto/chacha.h>
#include <linux/cpufeature.h>
#include <linux/random.h>
#include <linux/string.h>
#include <asm/fpu/api.h>
#include <asm/vdso/vgetrandom.h>

#define TEST_BLOCKS	40
#define TEST_SIZE	(TEST_BLOCKS * CHACHA_BLOCK_SIZE)
#define TEST_GUARD	64
#define TEST_BYTE	0x5a

/**
 * struct test_buffers - what a test works on
 * @want: output of the kernel's ChaCha20
 * @got: output of the vDSO's, of any alignment, between guards
 * @state: a state that is claimed
 */
struct test_buffers {
	u8 want[TEST_SIZE];
	u8 got[TEST_GUARD + 64 + TEST_SIZE + TEST_GUARD];
	u32 state[1024 / sizeof(u32)];
};

static void test_nostack(u8 *dst, const u32 *key, u32 *counter, size_t nblocks,
			 void *state)
{
	__arch_chacha20_blocks_nostack(dst, key, counter, nblocks);
}

static const struct {
	const char *name;
	void (*blocks)(u8 *dst, const u32 *key, u32 *counter, size_t nblocks,
		       void *state);
	unsigned int feature;
} test_kernels[] = {
	{ "nostack", test_nostack, X86_FEATURE_XMM2 },
	{ "sse2", __arch_chacha20_blocks_sse2, X86_FEATURE_XMM2 },
	{ "avx2", __arch_chacha20_blocks_avx2, X86_FEATURE_AVX2 },
	{ "avx512", __arch_chacha20_blocks_avx512, X86_FEATURE_AVX512F },
};

static bool test_has(struct kunit *test, unsigned int i)
{
	if (boot_cpu_has(test_kernels[i].feature))
		return true;
	kunit_info(test, "not tested: this CPU has no %s\n", test_kernels[i].name);
	return false;
}

static int test_init(struct kunit *test)
{
	struct test_buffers *buffers;

	buffers = kunit_kzalloc(test, sizeof(*buffers), GFP_KERNEL);
	if (!buffers)
		return -ENOMEM;
	buffers->state[VGETRANDOM_CLAIM / sizeof(u32)] = 1;
	test->priv = buffers;
	return 0;
}

/* What the kernel's own ChaCha20 makes of it. */
static void test_reference(u8 *dst, const u32 *key, u64 counter, size_t nblocks)
{
	u32 words[CHACHA_BLOCK_SIZE / sizeof(u32)] = {};
	/* to some kernels an array, to others a struct around it */
	void *state = words;

	chacha_init_consts(state);
	memcpy(&words[4], key, CHACHA_KEY_SIZE);
	for (; nblocks; nblocks--, counter++, dst += CHACHA_BLOCK_SIZE) {
		words[12] = (u32)counter;
		words[13] = counter >> 32;
		chacha20_block(state, dst);
	}
}

static void test_against_reference(struct kunit *test, unsigned int i,
				   u64 counter, size_t nblocks, unsigned int align)
{
	struct test_buffers *buffers = test->priv;
	u8 *got = buffers->got + TEST_GUARD + align;
	u64 count = counter;
	u32 key[8];

	get_random_bytes(key, sizeof(key));
	test_reference(buffers->want, key, counter, nblocks);
	memset(buffers->got, TEST_BYTE, sizeof(buffers->got));
	kernel_fpu_begin();
	test_kernels[i].blocks(got, key, (u32 *)&count, nblocks,
			       buffers->state);
	kernel_fpu_end();

	KUNIT_EXPECT_EQ_MSG(test, 0,
			    memcmp(buffers->want, got, nblocks * CHACHA_BLOCK_SIZE),
			    "%s: %zu blocks from %llu", test_kernels[i].name,
			    nblocks, counter);
	KUNIT_EXPECT_EQ(test, counter + nblocks, count);
	KUNIT_EXPECT_NULL(test, memchr_inv(buffers->got, TEST_BYTE, got - buffers->got));
	got += nblocks * CHACHA_BLOCK_SIZE;
	KUNIT_EXPECT_NULL(test, memchr_inv(got, TEST_BYTE,
					   buffers->got + sizeof(buffers->got) - got));
}

static void test_any_number_of_blocks(struct kunit *test)
{
	unsigned int i;
	size_t nblocks;

	for (i = 0; i < ARRAY_SIZE(test_kernels); i++) {
		if (!test_has(test, i))
			continue;
		for (nblocks = 1; nblocks <= TEST_BLOCKS; nblocks++)
			test_against_reference(test, i, 0, nblocks, nblocks % 64);
	}
}

static void test_any_alignment(struct kunit *test)
{
	unsigned int i, align;

	for (i = 0; i < ARRAY_SIZE(test_kernels); i++) {
		if (!test_has(test, i))
			continue;
		for (align = 0; align < 64; align++)
			test_against_reference(test, i, 0, 17, align);
	}
}

/* The counter has 64 bits, and may carry between any two blocks of a pass. */
static void test_counter_carries(struct kunit *test)
{
	static const u64 highs[] = { 0, 1, 0x7fffffff, 0xfffffffe };
	unsigned int i, j, below;

	for (i = 0; i < ARRAY_SIZE(test_kernels); i++) {
		if (!test_has(test, i))
			continue;
		for (j = 0; j < ARRAY_SIZE(highs); j++)
			for (below = 0; below <= 33; below++)
				test_against_reference(test, i,
						       ((highs[j] + 1) << 32) - below,
						       33, 0);
	}
}

/*
 * Key and nonce of zeros: the first test vector for ChaCha20 in RFC 7539,
 * appendix A.1.
 */
static void test_published_vector(struct kunit *test)
{
	static const u8 want[] = {
		0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
		0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28,
		0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a,
		0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7,
		0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d,
		0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37,
		0x6a, 0x43, 0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c,
		0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
	};
	struct test_buffers *buffers = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(test_kernels); i++) {
		u32 key[8] = {}, counter[2] = {};

		if (!test_has(test, i))
			continue;
		memset(buffers->got, TEST_BYTE, sizeof(buffers->got));
		kernel_fpu_begin();
		test_kernels[i].blocks(buffers->got, key, counter, 1,
				       buffers->state);
		kernel_fpu_end();
		KUNIT_EXPECT_EQ_MSG(test, 0, memcmp(want, buffers->got, sizeof(want)),
				    "%s", test_kernels[i].name);
	}
}

/* A refill: the stream replaces its key, in the state. */
static void test_refill_in_place(struct kunit *test)
{
	struct test_buffers *buffers = test->priv;
	u32 *key = buffers->state + VGETRANDOM_KEY / sizeof(u32);
	unsigned int i;

	for (i = 1; i < ARRAY_SIZE(test_kernels); i++) {
		size_t nblocks = test_kernels[i].feature == X86_FEATURE_AVX512F ? 15 : 8;
		u32 counter[2] = {};

		if (!test_has(test, i))
			continue;
		get_random_bytes(key, CHACHA_KEY_SIZE);
		test_reference(buffers->want, key, 0, nblocks);
		kernel_fpu_begin();
		test_kernels[i].blocks((u8 *)key, key, counter, nblocks,
				       buffers->state);
		kernel_fpu_end();
		KUNIT_EXPECT_EQ_MSG(test, 0,
				    memcmp(buffers->want, key,
					   nblocks * CHACHA_BLOCK_SIZE),
				    "%s", test_kernels[i].name);
	}
}

/* Whoever has lost the claim must not write to what may be another call's. */
static void test_lost_claim_ends_it(struct kunit *test)
{
	struct test_buffers *buffers = test->priv;
	unsigned int i;

	buffers->state[VGETRANDOM_CLAIM / sizeof(u32)] = 0;
	for (i = 1; i < ARRAY_SIZE(test_kernels); i++) {
		u32 key[8] = {}, counter[2] = {};

		if (!test_has(test, i))
			continue;
		memset(buffers->got, TEST_BYTE, sizeof(buffers->got));
		kernel_fpu_begin();
		test_kernels[i].blocks(buffers->got, key, counter, TEST_BLOCKS,
				       buffers->state);
		kernel_fpu_end();
		KUNIT_EXPECT_NULL_MSG(test, memchr_inv(buffers->got, TEST_BYTE,
						       sizeof(buffers->got)),
				      "%s", test_kernels[i].name);
		KUNIT_EXPECT_EQ(test, 0, counter[0]);
	}
}

static struct kunit_case vgetrandom_chacha_test_cases[] = {
	KUNIT_CASE(test_any_number_of_blocks),
	KUNIT_CASE(test_any_alignment),
	KUNIT_CASE(test_counter_carries),
	KUNIT_CASE(test_published_vector),
	KUNIT_CASE(test_refill_in_place),
	KUNIT_CASE(test_lost_claim_ends_it),
	{}
};

static struct kunit_suite vgetrandom_chacha_test_suite = {
	.name = "vgetrandom_chacha",
	.init = test_init,
	.test_cases = vgetrandom_chacha_test_cases,
};

kunit_test_suite(vgetrandom_chacha_test_suite);
