// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of mmap(MAP_DROPPABLE) after mremap(): it forks, drops, splits and moves as before, and
 * its old address belongs to others.
 */

#include "vgetrandom_move.h"
#include "vgetrandom_proc.h"

TEST_F(mremap, then_fork)
{
	ASSERT_EQ(self->to, move(self->p, 8, self->to));
	EXPECT_TRUE(child_starts_clean(self->to, 8));
	EXPECT_TRUE(holds(self->to, 8, 1));
}

TEST_F(mremap, part_then_fork)
{
	char *p = self->p, *to = self->to;

	ASSERT_EQ(to, move(p + 2 * PAGE, 3, to));
	EXPECT_TRUE(child_starts_clean(to, 3));
	EXPECT_TRUE(child_starts_clean(p, 2));
	EXPECT_TRUE(child_starts_clean(p + 5 * PAGE, 3));
	EXPECT_TRUE(holds_from(to, 2, 3, 1));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 3, 1));
}

TEST_F(mremap, in_child)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!(move(self->p, 8, self->to) == self->to &&
			is_zero(self->to, 8)));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(self->p, 8, 1));
}

TEST_F(mremap, then_drop)
{
	char *to = self->to;

	ASSERT_EQ(to, move(self->p, 8, to));
	EXPECT_EQ(0, madvise(to + 2 * PAGE, 2 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(to + 2 * PAGE, 2));
	EXPECT_EQ(0, madvise(to + 5 * PAGE, PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(holds(to, 2, 1));
	EXPECT_TRUE(holds_from(to + 4 * PAGE, 4, 1, 1));
	EXPECT_TRUE(holds_from(to + 6 * PAGE, 6, 2, 1));
}

TEST_F(mremap, then_partial_munmap)
{
	char *to = self->to;

	ASSERT_EQ(to, move(self->p, 8, to));
	ASSERT_EQ(0, munmap(to + 3 * PAGE, 2 * PAGE));
	EXPECT_EQ(SIGSEGV, read_probe(to + 3 * PAGE));
	EXPECT_TRUE(holds(to, 3, 1));
	EXPECT_TRUE(holds_from(to + 5 * PAGE, 5, 3, 1));
	ASSERT_EQ(to + 3 * PAGE, mmap(to + 3 * PAGE, 2 * PAGE, RW,
				      DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_TRUE(is_zero(to + 3 * PAGE, 2));
}

/* What comes to the old address later is a stranger to what left it. */
TEST_F(mremap, old_address_reused)
{
	char *p = self->p, *to = self->to;

	ASSERT_EQ(to, move(p, 8, to));
	ASSERT_EQ(p, mmap(p, 8 * PAGE, RW, DROPPABLE | MAP_FIXED_NOREPLACE, -1,
			  0));
	EXPECT_TRUE(is_zero(p, 8));
	fill(p, 8, 2);
	EXPECT_TRUE(holds(to, 8, 1));
	EXPECT_EQ(0, madvise(p, 4 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, munmap(p, 8 * PAGE));
	EXPECT_TRUE(holds(to, 8, 1));
}

TEST_F(mremap, repeatedly)
{
	char *at = self->p, *there;
	int i;

	for (i = 0; i < 200; i++) {
		there = self->to + (i * 9 % 24) * PAGE;
		if (there < at + 8 * PAGE && at < there + 8 * PAGE)
			continue;
		ASSERT_EQ(there, move(at, 8, there));
		at = there;
		if (i % 10 == 0)
			ASSERT_TRUE(child_starts_clean(at, 8));
		ASSERT_TRUE(holds(at, 8, 1));
	}
}

/* Page by page along the mapping, so that each key is another's old one. */
TEST_F(mremap, shift_page_by_page)
{
	char *to = self->to;
	int i;

	ASSERT_EQ(to + PAGE, move(self->p, 8, to + PAGE));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(to + i * PAGE, move(to + (i + 1) * PAGE, 1,
					      to + i * PAGE));
	EXPECT_TRUE(holds(to, 8, 1));
	EXPECT_FALSE(is_mapped(to + 8 * PAGE));
	EXPECT_TRUE(child_starts_clean(to, 8));
	EXPECT_EQ(0, madvise(to + 3 * PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(to + 3 * PAGE, 1));
	EXPECT_TRUE(holds(to, 3, 1));
	EXPECT_TRUE(holds_from(to + 4 * PAGE, 4, 4, 1));
}

TEST_F(mremap, shift_whole)
{
	char *to = self->to;
	int i;

	ASSERT_EQ(to, move(self->p, 8, to));
	for (i = 1; i <= 8; i++) {
		ASSERT_EQ(self->p, move(to + (i - 1) * PAGE, 8, self->p));
		ASSERT_EQ(to + i * PAGE, move(self->p, 8, to + i * PAGE));
		ASSERT_TRUE(holds(to + i * PAGE, 8, 1));
	}
	EXPECT_TRUE(child_starts_clean(to + 8 * PAGE, 8));
}

TEST_F(mremap, exchange)
{
	char *p = self->p, *q = droppable(8), *to = self->to;

	ASSERT_NE(MAP_FAILED, q);
	fill(q, 8, 2);
	ASSERT_EQ(to, move(p, 8, to));
	ASSERT_EQ(p, move(q, 8, p));
	ASSERT_EQ(q, move(to, 8, q));
	EXPECT_TRUE(holds(p, 8, 2));
	EXPECT_TRUE(holds(q, 8, 1));
	EXPECT_EQ(0, madvise(p, 8 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, 8));
	EXPECT_TRUE(holds(q, 8, 1));
}

TEST_F(mremap, no_access)
{
	char *to = self->to;

	ASSERT_EQ(0, mprotect(self->p, 8 * PAGE, PROT_NONE));
	ASSERT_EQ(to, move(self->p, 8, to));
	EXPECT_EQ(SIGSEGV, read_probe(to));
	ASSERT_EQ(0, mprotect(to, 8 * PAGE, RW));
	EXPECT_TRUE(holds(to, 8, 1));
}

/* Long and aligned: whole page tables move at once. */
TEST_F(mremap, page_tables)
{
	size_t huge = 2 * 1024 * 1024, pages = huge / PAGE;
	char *base = free_range(8 * pages), *p, *to;
	size_t i;

	ASSERT_NE(MAP_FAILED, base);
	p = (char *)(((uintptr_t)base + huge - 1) & ~(huge - 1));
	to = p + 3 * huge;
	ASSERT_EQ(p, mmap(p, 2 * huge, RW, DROPPABLE | MAP_FIXED, -1, 0));
	for (i = 0; i < 2 * pages; i += 64)
		fill_from(p + i * PAGE, i, 1, 3);
	ASSERT_EQ(to, move(p, 2 * pages, to));
	for (i = 0; i < 2 * pages; i += 64)
		EXPECT_TRUE(holds_from(to + i * PAGE, i, 1, 3));
	EXPECT_EQ(2 * pages / 64, resident(to, 2 * pages));
	EXPECT_TRUE(child_starts_clean(to + pages * PAGE, 65));
	EXPECT_EQ(0, madvise(to, huge, MADV_DONTNEED));
	EXPECT_EQ(pages / 64, resident(to, 2 * pages));
	EXPECT_TRUE(is_zero(to, 1));
	EXPECT_TRUE(holds_from(to + huge, pages, 1, 3));
}

TEST_HARNESS_MAIN
