// SPDX-License-Identifier: GPL-2.0
/*
 * mmap(MAP_DROPPABLE | MAP_FIXED) over other mappings, and others over it.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include "vgetrandom_harness.h"

TEST(fixed_over_anonymous)
{
	char *p = plain(8);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 8, 1);
	ASSERT_EQ(p + 2 * PAGE, mmap(p + 2 * PAGE, 3 * PAGE, RW,
				     DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_TRUE(is_droppable(p + 2 * PAGE, 3));
	EXPECT_TRUE(is_zero(p + 2 * PAGE, 3));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 3, 1));
}

TEST(fixed_over_several_and_holes)
{
	char *p = plain(12);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 12, 1);
	ASSERT_EQ(0, munmap(p + 3 * PAGE, PAGE));
	ASSERT_EQ(p + 5 * PAGE, mmap(p + 5 * PAGE, 2 * PAGE, RW,
				     DROPPABLE | MAP_FIXED, -1, 0));
	fill(p + 5 * PAGE, 2, 2);
	ASSERT_EQ(0, mprotect(p + 8 * PAGE, PAGE, PROT_NONE));
	ASSERT_EQ(p + PAGE, mmap(p + PAGE, 10 * PAGE, RW,
				 DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_TRUE(is_droppable(p + PAGE, 10));
	EXPECT_TRUE(is_zero(p + PAGE, 10));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(holds_from(p + 11 * PAGE, 11, 1, 1));
}

/* What is mapped over part of one: head, middle, tail, all. */
FIXTURE(fixed_over_droppable) {
	char *p;
};

FIXTURE_VARIANT(fixed_over_droppable) {
	size_t first;
	size_t pages;
};

FIXTURE_VARIANT_ADD(fixed_over_droppable, head) { 0, 3 };
FIXTURE_VARIANT_ADD(fixed_over_droppable, middle) { 3, 2 };
FIXTURE_VARIANT_ADD(fixed_over_droppable, tail) { 6, 2 };
FIXTURE_VARIANT_ADD(fixed_over_droppable, all) { 0, 8 };

FIXTURE_SETUP(fixed_over_droppable)
{
	self->p = droppable(8);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 8, 1);
}

FIXTURE_TEARDOWN(fixed_over_droppable)
{
	EXPECT_EQ(0, munmap(self->p, 8 * PAGE));
}

TEST_F(fixed_over_droppable, by_anonymous)
{
	size_t first = variant->first, end = first + variant->pages;
	char *q = self->p + first * PAGE;
	struct mapped m;
	pid_t pid;

	ASSERT_EQ(q, mmap(q, variant->pages * PAGE, RW, PLAIN | MAP_FIXED, -1,
			  0));
	ASSERT_TRUE(find_mapped(q, &m));
	EXPECT_FALSE(has_flag(&m, "dp"));
	EXPECT_TRUE(is_zero(q, variant->pages));
	fill(q, variant->pages, 2);
	EXPECT_TRUE(holds(self->p, first, 1));
	EXPECT_TRUE(holds_from(self->p + end * PAGE, end, 8 - end, 1));
	pid = fork();
	if (!pid)
		_exit(!(holds(q, variant->pages, 2) &&
			is_zero(self->p, first) &&
			is_zero(self->p + end * PAGE, 8 - end)));
	EXPECT_EQ(0, child_result(pid));
}

TEST_F(fixed_over_droppable, by_droppable)
{
	size_t first = variant->first, end = first + variant->pages;
	char *q = self->p + first * PAGE;

	ASSERT_EQ(q, mmap(q, variant->pages * PAGE, RW, DROPPABLE | MAP_FIXED,
			  -1, 0));
	EXPECT_TRUE(is_zero(q, variant->pages));
	fill(q, variant->pages, 2);
	EXPECT_TRUE(holds(self->p, first, 1));
	EXPECT_TRUE(holds_from(self->p + end * PAGE, end, 8 - end, 1));
	EXPECT_EQ(0, madvise(self->p, 8 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(self->p, 8));
}

TEST_F(fixed_over_droppable, by_no_access)
{
	size_t first = variant->first, end = first + variant->pages;
	char *q = self->p + first * PAGE;

	ASSERT_EQ(q, mmap(q, variant->pages * PAGE, PROT_NONE,
			  DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_EQ(SIGSEGV, read_probe(q));
	EXPECT_TRUE(holds(self->p, first, 1));
	EXPECT_TRUE(holds_from(self->p + end * PAGE, end, 8 - end, 1));
}

TEST_F(fixed_over_droppable, noreplace_refused)
{
	char *q = self->p + variant->first * PAGE;
	int flags = MAP_FIXED_NOREPLACE;

	EXPECT_EQ(MAP_FAILED, mmap(q, variant->pages * PAGE, RW,
				   DROPPABLE | flags, -1, 0));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(MAP_FAILED, mmap(q, variant->pages * PAGE, RW,
				   PLAIN | flags, -1, 0));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_TRUE(holds(self->p, 8, 1));
}

TEST(noreplace_into_hole)
{
	char *p = plain(3);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(MAP_FAILED, mmap(p, PAGE, RW,
				   DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_EQ(EEXIST, errno);
	ASSERT_EQ(0, munmap(p + PAGE, PAGE));
	EXPECT_EQ(p + PAGE, mmap(p + PAGE, PAGE, RW,
				 DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_TRUE(is_droppable(p + PAGE, 1));
}

TEST_HARNESS_MAIN
