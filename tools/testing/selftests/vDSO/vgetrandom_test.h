/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the vDSO's getrandom() share: they collect the output of many calls as blocks
 * of 16 bytes, of which no two may be equal and none may hold a run of zeros, whoever got them.
 */

#ifndef VGETRANDOM_TEST_H
#define VGETRANDOM_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/**
 * struct vgetrandom_block - 16 bytes of output
 * @half:	its two halves
 */
struct vgetrandom_block {
	unsigned long long half[2];
};

static inline int vgetrandom_block_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct vgetrandom_block));
}

/**
 * vgetrandom_blocks_fresh - whether output looks like nobody has seen it before
 * @blocks:	the output, is sorted
 * @num:	number of blocks
 *
 * Returns: true if no two blocks are equal and no half of a block is zero; else false, and says
 * on stdout, as a TAP comment, what it found.
 */
static inline bool vgetrandom_blocks_fresh(struct vgetrandom_block *blocks, size_t num)
{
	size_t repeated = 0, zero = 0;

	qsort(blocks, num, sizeof(*blocks), vgetrandom_block_compare);
	for (size_t i = 0; i < num; i++) {
		if (!blocks[i].half[0] || !blocks[i].half[1])
			zero++;
		else if (i && !vgetrandom_block_compare(&blocks[i - 1], &blocks[i]))
			repeated++;
	}
	if (repeated || zero)
		printf("# of %zu blocks %zu repeat another and %zu have zeros\n", num, repeated,
		       zero);
	return !repeated && !zero;
}

/**
 * vgetrandom_shared - map memory that processes share after fork()
 * @size:	in bytes
 *
 * Returns: zeroed memory, or NULL.
 */
static inline void *vgetrandom_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

#endif /* VGETRANDOM_TEST_H */
