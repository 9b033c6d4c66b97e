// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that the output of the vDSO's getrandom() looks random: bits and bytes of a megabyte of
 * it.
 */

#define _GNU_SOURCE
#include "vgetrandom_vdso.h"
#include "vgetrandom_harness.h"

#define SAMPLE_SIZE (1024 * 1024)

FIXTURE(sample) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	unsigned char *buf;
};

/* In requests of this size. */
FIXTURE_VARIANT(sample) {
	size_t len;
};

FIXTURE_VARIANT_ADD(sample, of_4_bytes) {
	.len = 4,
};

FIXTURE_VARIANT_ADD(sample, of_32_bytes) {
	.len = 32,
};

FIXTURE_VARIANT_ADD(sample, of_8_kilobytes) {
	.len = 8192,
};

FIXTURE_SETUP(sample)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, 1));
	self->buf = malloc(SAMPLE_SIZE);
	ASSERT_NE(NULL, self->buf);
	for (size_t i = 0; i < SAMPLE_SIZE; i += variant->len)
		ASSERT_EQ(variant->len, vgetrandom(&self->v, self->states.base, self->buf + i,
						   variant->len, 0));
}

FIXTURE_TEARDOWN(sample)
{
	free(self->buf);
	vgetrandom_states_unmap(&self->states);
}

/* Six standard deviations, which are sqrt(bits) / 2. */
TEST_F(sample, half_of_the_bits_are_ones)
{
	const long bits = 8L * SAMPLE_SIZE, deviation = 1448;
	long ones = 0;

	for (size_t i = 0; i < SAMPLE_SIZE; i++)
		ones += __builtin_popcount(self->buf[i]);
	EXPECT_LT(labs(ones - bits / 2), 6 * deviation) TH_LOG("%ld of %ld", ones, bits);
}

/* 2^20 bytes: 4096 of each value are expected, with a standard deviation of 64. */
TEST_F(sample, all_values_of_bytes_are_as_frequent)
{
	long count[256] = { 0 };

	for (size_t i = 0; i < SAMPLE_SIZE; i++)
		count[self->buf[i]]++;
	for (int i = 0; i < 256; i++) {
		EXPECT_LT(labs(count[i] - SAMPLE_SIZE / 256), 7 * 64) {
			TH_LOG("byte %d", i);
		}
	}
}

TEST_HARNESS_MAIN
