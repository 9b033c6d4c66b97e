// SPDX-License-Identifier: GPL-2.0
/*
 * madvise() of memory of mmap(MAP_DROPPABLE) that drops no page.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include "vgetrandom_harness.h"

#define MIB (1024 * 1024UL)

/* which no header has before 6.13 */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif

static const struct {
	const char *name;
	int advice;
	int error;
	const char *flag;	/* that must not come up */
} other_advice[] = {
	{ "NORMAL", MADV_NORMAL, 0, NULL },
	{ "RANDOM", MADV_RANDOM, 0, NULL },
	{ "SEQUENTIAL", MADV_SEQUENTIAL, 0, NULL },
	{ "WILLNEED", MADV_WILLNEED, 0, NULL },
	{ "COLD", MADV_COLD, 0, NULL },
	{ "POPULATE_READ", MADV_POPULATE_READ, 0, NULL },
	{ "POPULATE_WRITE", MADV_POPULATE_WRITE, 0, NULL },
	{ "DONTDUMP", MADV_DONTDUMP, 0, NULL },
	{ "DODUMP", MADV_DODUMP, EINVAL, NULL },
	{ "KEEPONFORK", MADV_KEEPONFORK, EINVAL, NULL },
	{ "WIPEONFORK", MADV_WIPEONFORK, 0, NULL },
	{ "DONTFORK", MADV_DONTFORK, 0, NULL },
	{ "DOFORK", MADV_DOFORK, 0, "dc" },
	{ "REMOVE", MADV_REMOVE, EINVAL, NULL },
	{ "MERGEABLE", MADV_MERGEABLE, 0, "mg" },
	{ "UNMERGEABLE", MADV_UNMERGEABLE, 0, "mg" },
	{ "HUGEPAGE", MADV_HUGEPAGE, 0, NULL },
	{ "NOHUGEPAGE", MADV_NOHUGEPAGE, 0, "hg" },
	{ "COLLAPSE", MADV_COLLAPSE, EINVAL, NULL },
	{ "GUARD_INSTALL", MADV_GUARD_INSTALL, EINVAL, NULL },
	{ "GUARD_REMOVE", MADV_GUARD_REMOVE, EINVAL, NULL },
	{ "unknown", 12345, EINVAL, NULL },
};

TEST(other_advice_keeps_content)
{
	struct mapped m;
	int ret, error;
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(other_advice); i++) {
		p = droppable(4);
		ASSERT_NE(MAP_FAILED, p);
		fill(p, 4, 1);
		errno = 0;
		ret = madvise(p, 4 * PAGE, other_advice[i].advice);
		error = errno;
		EXPECT_EQ(other_advice[i].error ? -1 : 0, ret)
			TH_LOG("%s: errno %d", other_advice[i].name, error);
		EXPECT_EQ(other_advice[i].error, error)
			TH_LOG("%s", other_advice[i].name);
		EXPECT_TRUE(holds(p, 4, 1));
		ASSERT_TRUE(find_mapped(p, &m));
		EXPECT_TRUE(has_flag(&m, "dp"));
		EXPECT_TRUE(has_flag(&m, "dd"));
		EXPECT_FALSE(other_advice[i].flag &&
			     has_flag(&m, other_advice[i].flag))
			TH_LOG("%s: %s", other_advice[i].name, m.flags);
		/* whatever was said, dropping still works */
		EXPECT_EQ(0, madvise(p, 4 * PAGE, MADV_DONTNEED));
		EXPECT_TRUE(is_zero(p, 4));
		EXPECT_EQ(0, munmap(p, 4 * PAGE));
	}
}

/* Not mainline: it is wiped in the child without this flag. */
TEST(wipeonfork_sets_no_flag)
{
	char *p = droppable(4);
	struct mapped m;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	EXPECT_EQ(0, madvise(p, 4 * PAGE, MADV_WIPEONFORK));
	EXPECT_EQ(-1, madvise(p, 4 * PAGE, MADV_KEEPONFORK));
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_FALSE(has_flag(&m, "wf"));
	pid = fork();
	if (!pid)
		_exit(!is_zero(p, 4));
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(p, 4, 1));
}

TEST(populate_by_advice)
{
	static const int advice[] = { MADV_POPULATE_READ, MADV_POPULATE_WRITE };
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		p = droppable(16);
		ASSERT_NE(MAP_FAILED, p);
		fill(p + 3 * PAGE, 1, 1);
		EXPECT_EQ(0, madvise(p, 8 * PAGE, advice[i]));
		EXPECT_EQ(8, resident(p, 16));
		EXPECT_TRUE(is_zero(p, 3));
		EXPECT_TRUE(holds(p + 3 * PAGE, 1, 1));
		ASSERT_EQ(0, mprotect(p, 16 * PAGE, PROT_NONE));
		EXPECT_EQ(-1, madvise(p, 16 * PAGE, advice[i]));
	}
}

/* Not mainline: the pages are single ones, whatever is advised. */
TEST(never_huge)
{
	size_t huge = 2 * MIB;
	char *base, *p;

	base = mmap(NULL, 3 * huge, PROT_NONE, PLAIN, -1, 0);
	ASSERT_NE(MAP_FAILED, base);
	p = (char *)(((uintptr_t)base + huge - 1) & ~(huge - 1));
	ASSERT_EQ(p, mmap(p, huge, RW, DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_EQ(0, madvise(p, huge, MADV_HUGEPAGE));
	p[0] = 1;
	EXPECT_EQ(1, resident(p, huge / PAGE));
	fill(p, huge / PAGE, 1);
	EXPECT_EQ(-1, madvise(p, huge, MADV_COLLAPSE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(holds(p, huge / PAGE, 1));
}

TEST_HARNESS_MAIN
