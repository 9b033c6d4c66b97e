/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mremap() share: eight pages of mmap(MAP_DROPPABLE), and a place to move them
 * to.
 */

#ifndef VGETRANDOM_MOVE_H
#define VGETRANDOM_MOVE_H

#include "vgetrandom_mapping.h"
#include "vgetrandom_harness.h"

static inline char *move(char *from, size_t pages, char *to)
{
	return mremap(from, pages * PAGE, pages * PAGE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

FIXTURE(mremap) {
	char *p;
	char *to;
};

FIXTURE_SETUP(mremap)
{
	self->p = droppable(8);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 8, 1);
	self->to = free_range(32);
	ASSERT_NE(MAP_FAILED, self->to);
}

FIXTURE_TEARDOWN(mremap)
{
}

#endif /* VGETRANDOM_MOVE_H */
