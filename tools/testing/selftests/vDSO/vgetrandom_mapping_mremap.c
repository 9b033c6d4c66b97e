// SPDX-License-Identifier: GPL-2.0
/*
 * mremap() of memory of mmap(MAP_DROPPABLE): what it moves and shrinks, and what it refuses.
 */

#include "vgetrandom_move.h"
#include "vgetrandom_proc.h"

TEST_F(mremap, whole)
{
	char *p = self->p, *to = self->to;

	ASSERT_EQ(to, move(p, 8, to));
	EXPECT_TRUE(is_droppable(to, 8));
	EXPECT_TRUE(holds(to, 8, 1));
	EXPECT_FALSE(is_mapped(p));
	EXPECT_EQ(SIGSEGV, read_probe(p));
	EXPECT_EQ(SIGSEGV, write_probe(p + 7 * PAGE));
	fill(to, 8, 2);
	EXPECT_TRUE(holds(to, 8, 2));
}

TEST_F(mremap, untouched_and_partly_touched)
{
	char *p = droppable(8), *to = self->to;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(to, move(p, 8, to));
	EXPECT_TRUE(is_zero(to, 4));
	fill(to, 2, 2);
	ASSERT_EQ(to + 16 * PAGE, move(to, 8, to + 16 * PAGE));
	EXPECT_TRUE(holds(to + 16 * PAGE, 2, 2));
	EXPECT_TRUE(is_zero(to + 18 * PAGE, 6));
}

TEST_F(mremap, parts)
{
	static const struct { size_t first, pages; } parts[] = {
		{ 0, 2 }, { 4, 2 }, { 7, 1 },
	};
	char *p = self->p, *to = self->to;
	size_t i, first, pages;

	for (i = 0; i < ARRAY_SIZE(parts); i++, to += 4 * PAGE) {
		first = parts[i].first;
		pages = parts[i].pages;
		ASSERT_EQ(to, move(p + first * PAGE, pages, to));
		EXPECT_TRUE(is_droppable(to, pages));
		EXPECT_TRUE(holds_from(to, first, pages, 1));
		EXPECT_EQ(SIGSEGV, read_probe(p + first * PAGE));
		/* what stays, stays */
		EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 1, 1));
		EXPECT_TRUE(holds_from(p + 6 * PAGE, 6, 1, 1));
	}
	EXPECT_TRUE(holds_from(p + 2 * PAGE, 2, 2, 1));
	/* a drop of what was moved leaves what stayed, and the reverse */
	EXPECT_EQ(0, madvise(self->to, 2 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(self->to, 2));
	EXPECT_TRUE(holds_from(p + 2 * PAGE, 2, 2, 1));
	EXPECT_EQ(0, madvise(p + 2 * PAGE, 2 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p + 2 * PAGE, 2));
	EXPECT_TRUE(holds_from(self->to + 4 * PAGE, 4, 2, 1));
	EXPECT_TRUE(holds_from(self->to + 8 * PAGE, 7, 1, 1));
}

TEST_F(mremap, same_length_in_place)
{
	EXPECT_EQ(self->p, mremap(self->p, 8 * PAGE, 8 * PAGE, 0));
	EXPECT_EQ(self->p, mremap(self->p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_TRUE(holds(self->p, 8, 1));
}

TEST_F(mremap, shrink)
{
	char *p = self->p;

	EXPECT_EQ(p, mremap(p, 8 * PAGE, 5 * PAGE, 0));
	EXPECT_TRUE(is_droppable(p, 5));
	EXPECT_TRUE(holds(p, 5, 1));
	EXPECT_EQ(SIGSEGV, read_probe(p + 5 * PAGE));
	/* of a part: what lies behind the part stays */
	EXPECT_EQ(p, mremap(p, 3 * PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(SIGSEGV, read_probe(p + 2 * PAGE));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 2, 1));
}

TEST_F(mremap, shrink_and_move)
{
	char *to = self->to;

	EXPECT_EQ(to, mremap(self->p, 8 * PAGE, 3 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(is_droppable(to, 3));
	EXPECT_TRUE(holds(to, 3, 1));
	EXPECT_FALSE(is_mapped(self->p));
	EXPECT_FALSE(is_mapped(self->p + 7 * PAGE));
}

/* Not mainline: a special mapping does not grow. */
TEST_F(mremap, grow_refused)
{
	char *p = self->p;

	ASSERT_EQ(0, munmap(p + 4 * PAGE, 4 * PAGE));
	EXPECT_EQ(MAP_FAILED, mremap(p, 4 * PAGE, 5 * PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(p, 4 * PAGE, 8 * PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, self->to));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(is_droppable(p, 4));
	EXPECT_TRUE(holds(p, 4, 1));
}

/* Shared memory may be duplicated like this; a secret may not. */
TEST_F(mremap, no_alias_by_old_size_zero)
{
	unsigned long before = mapped_pages();
	char *p = self->p;

	EXPECT_EQ(MAP_FAILED, mremap(p, 0, 8 * PAGE, MREMAP_MAYMOVE));
	EXPECT_TRUE(errno == EFAULT || errno == EINVAL);
	EXPECT_EQ(MAP_FAILED, mremap(p, 0, 8 * PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED, self->to));
	EXPECT_TRUE(errno == EFAULT || errno == EINVAL);
	EXPECT_EQ(before, mapped_pages());
	EXPECT_FALSE(is_mapped(self->to));
	EXPECT_TRUE(holds(p, 8, 1));
}

/* Not mainline: refused like every special mapping. */
TEST_F(mremap, dontunmap_refused)
{
	EXPECT_EQ(MAP_FAILED, mremap(self->p, 8 * PAGE, 8 * PAGE,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->p, 8 * PAGE, 8 * PAGE,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP |
				     MREMAP_FIXED, self->to));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(is_droppable(self->p, 8));
	EXPECT_TRUE(holds(self->p, 8, 1));
}

TEST_F(mremap, refused_arguments)
{
	char *p = self->p;

	/* target overlaps source */
	EXPECT_EQ(MAP_FAILED, move(p, 4, p + PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, move(p + PAGE, 4, p));
	EXPECT_EQ(EINVAL, errno);
	/* unaligned, empty */
	EXPECT_EQ(MAP_FAILED, mremap(p + 1, PAGE, PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mremap(p, PAGE, 0, MREMAP_MAYMOVE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(holds(p, 8, 1));
}

/* Linux 6.17 learnt to move more than one mapping at once; else EFAULT. */
TEST_F(mremap, several)
{
	char *p = self->p;

	ASSERT_EQ(0, mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ));
	if (move(p, 8, self->to) == MAP_FAILED) {
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TRUE(holds(p, 8, 1));
	} else {
		EXPECT_TRUE(holds(self->to, 8, 1));
		EXPECT_FALSE(is_mapped(p));
		EXPECT_FALSE(is_mapped(p + 7 * PAGE));
	}
}

TEST_F(mremap, onto_anonymous)
{
	char *q = plain(12);

	ASSERT_NE(MAP_FAILED, q);
	fill(q, 12, 2);
	ASSERT_EQ(q + 2 * PAGE, move(self->p, 8, q + 2 * PAGE));
	EXPECT_TRUE(is_droppable(q + 2 * PAGE, 8));
	EXPECT_TRUE(holds(q + 2 * PAGE, 8, 1));
	EXPECT_TRUE(holds(q, 2, 2));
	EXPECT_TRUE(holds_from(q + 10 * PAGE, 10, 2, 2));
	EXPECT_FALSE(is_mapped(self->p));
}

TEST_F(mremap, onto_droppable)
{
	char *q = droppable(12);

	ASSERT_NE(MAP_FAILED, q);
	fill(q, 12, 2);
	ASSERT_EQ(q + 2 * PAGE, move(self->p, 8, q + 2 * PAGE));
	EXPECT_TRUE(holds(q + 2 * PAGE, 8, 1));
	EXPECT_TRUE(holds(q, 2, 2));
	EXPECT_TRUE(holds_from(q + 10 * PAGE, 10, 2, 2));
	EXPECT_TRUE(child_starts_clean(q, 12));
	EXPECT_EQ(0, madvise(q, 3 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(q, 3));
	EXPECT_TRUE(holds_from(q + 3 * PAGE, 1, 7, 1));
}

/* Onto another part of the same mapping: one set of pages, two ranges. */
TEST_F(mremap, onto_itself)
{
	char *p = self->p;

	ASSERT_EQ(p + 5 * PAGE, move(p, 3, p + 5 * PAGE));
	EXPECT_EQ(SIGSEGV, read_probe(p));
	EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 2, 1));
	EXPECT_TRUE(holds(p + 5 * PAGE, 3, 1));
	EXPECT_TRUE(child_starts_clean(p + 3 * PAGE, 5));
}

TEST_F(mremap, anonymous_onto_droppable)
{
	char *q = plain(3), *p = self->p;

	ASSERT_NE(MAP_FAILED, q);
	fill(q, 3, 2);
	ASSERT_EQ(p + 3 * PAGE, move(q, 3, p + 3 * PAGE));
	EXPECT_TRUE(holds(p + 3 * PAGE, 3, 2));
	EXPECT_TRUE(holds(p, 3, 1));
	EXPECT_TRUE(holds_from(p + 6 * PAGE, 6, 2, 1));
}

TEST_HARNESS_MAIN
