// SPDX-License-Identifier: GPL-2.0
/*
 * mmap(MAP_DROPPABLE) and what a process may have: the limits of address space, data and
 * mappings, and locked memory.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include <sys/resource.h>
#include "vgetrandom_harness.h"

#define MAX_MAP_COUNT "/proc/sys/vm/max_map_count"

static int limit_address_space(unsigned long pages)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = pages * PAGE;
	return setrlimit(RLIMIT_AS, &limit);
}

TEST(counts_in_total_vm)
{
	unsigned long before = mapped_pages();
	char *p = droppable(100);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(before + 100, mapped_pages());
	ASSERT_EQ(p, mmap(p, 50 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_EQ(before + 100, mapped_pages());
	ASSERT_EQ(0, munmap(p + 10 * PAGE, 20 * PAGE));
	EXPECT_EQ(before + 80, mapped_pages());
	ASSERT_EQ(p, mremap(p, 10 * PAGE, 5 * PAGE, 0));
	EXPECT_EQ(before + 75, mapped_pages());
	ASSERT_EQ(0, munmap(p, 100 * PAGE));
	EXPECT_EQ(before, mapped_pages());
}

TEST(rlimit_as)
{
	unsigned long now = mapped_pages();
	char *p, *q, *r, *s;
	int i, error;

	ASSERT_EQ(0, limit_address_space(now + 8));
	p = droppable(9);
	error = errno;
	q = droppable(8);
	r = droppable(1);
	for (i = 0; i < 1000 && q != MAP_FAILED; i++) {
		munmap(q, 8 * PAGE);
		q = droppable(8);
	}
	s = mremap(q, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE);
	ASSERT_EQ(0, limit_address_space(now + 10000));
	EXPECT_EQ(MAP_FAILED, p);
	EXPECT_EQ(ENOMEM, error);
	EXPECT_NE(MAP_FAILED, q);
	EXPECT_EQ(1000, i);
	EXPECT_EQ(MAP_FAILED, r);
	EXPECT_EQ(q, s);
}

/* A mapping that replaces another counts only what it adds. */
TEST(rlimit_as_fixed)
{
	char *p = droppable(16), *small, *same, *larger;
	int error;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + 12 * PAGE, 4 * PAGE));
	fill(p, 12, 1);
	ASSERT_EQ(0, limit_address_space(mapped_pages() + 2));
	errno = 0;
	larger = mmap(p, 16 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
	error = errno;
	EXPECT_EQ(MAP_FAILED, larger);
	EXPECT_EQ(ENOMEM, error);
	/* what failed has taken nothing away */
	EXPECT_TRUE(holds(p, 12, 1));
	same = mmap(p + 2 * PAGE, 4 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
	EXPECT_EQ(p + 2 * PAGE, same);
	small = mmap(p + 8 * PAGE, 6 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
	EXPECT_EQ(p + 8 * PAGE, small);
	EXPECT_TRUE(is_zero(p + 2 * PAGE, 4));
	EXPECT_TRUE(is_zero(p + 8 * PAGE, 6));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(holds_from(p + 6 * PAGE, 6, 2, 1));
	EXPECT_EQ(MAP_FAILED, droppable(1));
	EXPECT_EQ(0, limit_address_space(mapped_pages() + 10000));
}

/* The limit must fail before the other mapping is gone, whatever it is. */
TEST(rlimit_as_fixed_over_anonymous)
{
	char *p = plain(16), *q;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + 4 * PAGE, 8 * PAGE));
	fill(p, 4, 1);
	fill(p + 12 * PAGE, 4, 2);
	ASSERT_EQ(0, limit_address_space(mapped_pages() + 7));
	q = mmap(p, 16 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
	EXPECT_EQ(MAP_FAILED, q);
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(holds(p + 12 * PAGE, 4, 2));
	ASSERT_EQ(0, limit_address_space(mapped_pages() + 8));
	q = mmap(p, 16 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
	EXPECT_EQ(p, q);
	EXPECT_EQ(0, limit_address_space(mapped_pages() + 10000));
	EXPECT_TRUE(is_zero(p, 16));
}

/* Not mainline: shared memory is no data, so RLIMIT_DATA leaves it alone. */
TEST(rlimit_data_does_not_apply)
{
	struct rlimit limit, none = { 0, 0 };
	char *p, *q;

	ASSERT_EQ(0, getrlimit(RLIMIT_DATA, &limit));
	none.rlim_max = limit.rlim_max;
	none.rlim_cur = PAGE;
	ASSERT_EQ(0, setrlimit(RLIMIT_DATA, &none));
	p = droppable(64);
	q = plain(64);
	ASSERT_EQ(0, setrlimit(RLIMIT_DATA, &limit));
	EXPECT_EQ(MAP_FAILED, q);
	EXPECT_NE(MAP_FAILED, p);
}

/* The whole machine's sysctl: set low, put back by the parent. */
FIXTURE(machine) {
	char limit[32];
};

FIXTURE_SETUP(machine)
{
	ASSERT_TRUE(read_file(MAX_MAP_COUNT, self->limit, sizeof(self->limit)));
	ASSERT_TRUE(write_file(MAX_MAP_COUNT, "256"));
}

FIXTURE_TEARDOWN_PARENT(machine)
{
	EXPECT_TRUE(write_file(MAX_MAP_COUNT, self->limit));
}

TEST_F(machine, max_map_count)
{
	char *base = free_range(2048), *three, *fifth, *p, *at;
	int error, i;

	ASSERT_NE(MAP_FAILED, base);
	three = mmap(base, 3 * PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
	ASSERT_EQ(base, three);
	fill(three, 3, 1);
	fifth = mmap(base + 4 * PAGE, 5 * PAGE, RW, DROPPABLE | MAP_FIXED, -1,
		     0);
	ASSERT_EQ(base + 4 * PAGE, fifth);
	fill(fifth, 5, 2);
	for (i = 0, p = base; i < 1000 && p != MAP_FAILED; i++) {
		at = base + (20 + 2 * i) * PAGE;
		p = mmap(at, PAGE, RW, DROPPABLE | MAP_FIXED, -1, 0);
		error = errno;
	}
	ASSERT_EQ(MAP_FAILED, p);
	EXPECT_EQ(ENOMEM, error);
	EXPECT_LT(100, i);

	/* at the limit: nothing may split, and nothing may be lost by it */
	EXPECT_EQ(-1, munmap(three + PAGE, PAGE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(-1, mprotect(three + PAGE, PAGE, PROT_NONE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(three + PAGE, PAGE, RW,
				   DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(MAP_FAILED, mremap(fifth + PAGE, PAGE, PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     base + 10 * PAGE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(-1, madvise(fifth + PAGE, PAGE, MADV_DONTFORK));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_TRUE(holds(three, 3, 1));
	EXPECT_TRUE(holds(fifth, 5, 2));

	/* dropping and giving back need no new VMA */
	EXPECT_EQ(0, madvise(fifth + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(fifth + PAGE, 1));
	EXPECT_TRUE(holds(fifth, 1, 2));
	EXPECT_EQ(0, munmap(three, PAGE));
	EXPECT_TRUE(holds_from(three + PAGE, 1, 2, 1));
	EXPECT_EQ(0, munmap(three, 3 * PAGE));
	EXPECT_EQ(0, munmap(base + 20 * PAGE, 2000 * PAGE));
	EXPECT_EQ(0, munmap(fifth + 2 * PAGE, PAGE));
	EXPECT_TRUE(holds_from(fifth + 3 * PAGE, 3, 2, 2));
}

TEST(mlockall_future)
{
	char *before = droppable(4), *after;
	struct mapped m;
	long locked;

	ASSERT_NE(MAP_FAILED, before);
	fill(before, 4, 1);
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	locked = status_kb("VmLck");
	ASSERT_LE(0, locked);
	after = droppable(256);
	ASSERT_NE(MAP_FAILED, after);
	EXPECT_EQ(locked, status_kb("VmLck"));
	ASSERT_TRUE(find_mapped(before, &m));
	EXPECT_FALSE(has_flag(&m, "lo"));
	ASSERT_TRUE(find_mapped(after, &m));
	EXPECT_FALSE(has_flag(&m, "lo"));
	EXPECT_EQ(0, m.locked_kb);
	EXPECT_TRUE(holds(before, 4, 1));
	fill(after, 256, 2);
	EXPECT_EQ(0, madvise(after, 256 * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(after, 256));
	EXPECT_EQ(0, munmap(after, 256 * PAGE));
	EXPECT_EQ(0, munlockall());
}

TEST(mlock_locks_nothing)
{
	char *p = droppable(4);
	long locked = status_kb("VmLck");
	struct mapped m;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, mlock(p, 4 * PAGE));
	EXPECT_EQ(0, mlock(p + PAGE, PAGE));
	EXPECT_EQ(0, syscall(__NR_mlock2, p, 4 * PAGE, MLOCK_ONFAULT));
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_FALSE(has_flag(&m, "lo"));
	EXPECT_EQ(locked, status_kb("VmLck"));
	fill(p, 4, 1);
	EXPECT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, 1));
	EXPECT_EQ(0, munlock(p, 4 * PAGE));
	EXPECT_TRUE(holds_from(p + PAGE, 1, 3, 1));
	EXPECT_TRUE(is_droppable(p, 4));
}

TEST_HARNESS_MAIN
