// SPDX-License-Identifier: GPL-2.0
/*
 * Many mappings of mmap(MAP_DROPPABLE), side by side or not, and large ones.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include "vgetrandom_harness.h"

TEST(adjacent_mappings_stay_apart)
{
	char *p = free_range(6);
	int i;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(p + i * 2 * PAGE,
			  mmap(p + i * 2 * PAGE, 2 * PAGE, RW,
			       DROPPABLE | MAP_FIXED, -1, 0));
		fill_from(p + i * 2 * PAGE, i * 2, 2, 1);
	}
	/* Not mainline: each mapping holds its own pages, so none merge. */
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(is_droppable(p + i * 2 * PAGE, 2));
	EXPECT_TRUE(holds(p, 6, 1));
	/* One call may span them all the same. */
	EXPECT_EQ(0, madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p + PAGE, 2));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 3, 1));
	EXPECT_EQ(0, mprotect(p, 6 * PAGE, PROT_READ));
	EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 3, 1));
	EXPECT_EQ(0, munmap(p + PAGE, 4 * PAGE));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 1, 1));
}

TEST(many_mappings)
{
	enum { COUNT = 1000 };
	static char *p[COUNT];
	pid_t pid;
	int i;

	for (i = 0; i < COUNT; i++) {
		p[i] = droppable(1);
		ASSERT_NE(MAP_FAILED, p[i]);
		fill(p[i], 1, i);
	}
	pid = fork();
	if (!pid) {
		for (i = 0; i < COUNT; i++)
			if (!is_zero(p[i], 1))
				_exit(1);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	for (i = 1; i < COUNT; i += 2)
		ASSERT_EQ(0, munmap(p[i], PAGE));
	for (i = 0; i < COUNT; i += 2)
		ASSERT_TRUE(holds(p[i], 1, i));
	for (i = 0; i < COUNT; i += 2)
		ASSERT_EQ(0, munmap(p[i], PAGE));
}

TEST(many_pages)
{
	size_t pages = 4096;
	char *p = droppable(pages);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, pages, 1);
	EXPECT_EQ((long)pages, resident(p, pages));
	EXPECT_TRUE(holds(p, pages, 1));
	pid = fork();
	if (!pid)
		_exit(!is_zero(p, pages));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, pages, 1));
	EXPECT_EQ(0, munmap(p, pages * PAGE));
}

/* Only what is touched may cost memory. */
TEST(huge_and_sparse)
{
	size_t pages = (sizeof(long) == 8 ? 1UL << 40 : 1UL << 30) / PAGE;
	size_t step = pages / 16;
	char *p = droppable(pages);
	size_t i;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < pages; i += step)
		fill_from(p + i * PAGE, i, 1, 1);
	for (i = 0; i < pages; i += step)
		EXPECT_TRUE(holds_from(p + i * PAGE, i, 1, 1));
	EXPECT_EQ(0, madvise(p, pages * PAGE / 2, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, 1));
	EXPECT_TRUE(holds_from(p + pages / 2 * PAGE, pages / 2, 1, 1));
	EXPECT_EQ(0, munmap(p, pages * PAGE));
}

TEST_HARNESS_MAIN
