// SPDX-License-Identifier: GPL-2.0
/*
 * mmap(MAP_DROPPABLE) as an address space: what it accepts and installs, how
 * it faults, forks, moves, splits and goes away. What becomes of the content
 * is in vgetrandom_mapping_drop.c.
 *
 * Comments that begin with "Not mainline:" say where VM_DROPPABLE differs.
 */

#include "vgetrandom_mapping.h"
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include "vgetrandom_harness.h"

#define MAX_MAP_COUNT "/proc/sys/vm/max_map_count"

/* ------------------------------------------------------------------ mmap */

TEST(looks_private_and_anonymous)
{
	char *p = droppable(4);
	struct mapped m;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(find_mapped(p, &m));
	/* CRIU would restore 's' as MAP_SHARED | MAP_DROPPABLE, which fails. */
	EXPECT_STREQ("rw-p", m.perms);
	EXPECT_STREQ("", m.name);
	EXPECT_STREQ("00:00", m.dev);
	EXPECT_EQ(0, m.inode);
	EXPECT_EQ(0, m.offset);
	EXPECT_EQ((uintptr_t)p, m.start);
	EXPECT_EQ((uintptr_t)p + 4 * PAGE, m.end);
}

TEST(smaps_flags)
{
	static const char * const wanted[] = {
		"rd", "wr", "mr", "mw", "me", "dp", "dd",
	};
	static const char * const refused[] = {
		"pf", "io", "ms", "mm", "lo", "gd", "ex", "ac", "ht", "mg",
		"um", "uw", "dc",
	};
	char *p = droppable(4);
	struct mapped m;
	size_t i;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(find_mapped(p, &m));
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		EXPECT_TRUE(has_flag(&m, wanted[i]))
			TH_LOG("no %s in %s", wanted[i], m.flags);
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		EXPECT_FALSE(has_flag(&m, refused[i]))
			TH_LOG("%s in %s", refused[i], m.flags);
}

/*
 * Not mainline: VM_SHARED, so that pages stay the mapping's own; no
 * VM_WIPEONFORK, which CRIU would replay; VM_DONTEXPAND keeps off merging,
 * mlock(), userfaultfd and KSM.
 */
TEST(smaps_flags_of_special_mapping)
{
	char *p = droppable(4);
	struct mapped m;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_TRUE(has_flag(&m, "sh"));
	EXPECT_TRUE(has_flag(&m, "de"));
	EXPECT_FALSE(has_flag(&m, "wf"));
	EXPECT_FALSE(has_flag(&m, "nr"));
}

enum source { NO_FILE, MEMFD, BAD_FD };

static const struct refusal {
	const char *what;
	unsigned long addr;
	size_t len;
	int flags;
	enum source source;
	int error;
} refusals[] = {
	{ "locked", 0, PAGE, DROPPABLE | MAP_LOCKED, NO_FILE, EINVAL },
	{ "hugetlb", 0, PAGE, DROPPABLE | MAP_HUGETLB, NO_FILE, EINVAL },
	{ "growsdown", 0, PAGE, DROPPABLE | MAP_GROWSDOWN, NO_FILE, EINVAL },
	{ "shared", 0, PAGE, DROPPABLE | MAP_SHARED, NO_FILE, EINVAL },
	{ "private", 0, PAGE, DROPPABLE | MAP_PRIVATE, NO_FILE, EINVAL },
	{ "shared_validate", 0, PAGE, DROPPABLE | MAP_SHARED_VALIDATE,
	  NO_FILE, EINVAL },
	{ "length 0", 0, 0, DROPPABLE, NO_FILE, EINVAL },
	{ "length wraps", 0, (size_t)-1, DROPPABLE, NO_FILE, ENOMEM },
	{ "length too long", 0, (size_t)-1 - 16 * PAGE, DROPPABLE, NO_FILE,
	  ENOMEM },
	{ "file", 0, PAGE, MAP_DROPPABLE, MEMFD, EINVAL },
	{ "shared file", 0, PAGE, MAP_DROPPABLE | MAP_SHARED, MEMFD, EINVAL },
	{ "bad descriptor", 0, PAGE, MAP_DROPPABLE, BAD_FD, EBADF },
	{ "fixed, unaligned", 0x10000001, PAGE, DROPPABLE | MAP_FIXED, NO_FILE,
	  EINVAL },
	{ "fixed, past the end", -PAGE, PAGE, DROPPABLE | MAP_FIXED, NO_FILE,
	  ENOMEM },
};

TEST(refused_arguments)
{
	int fd = (int)syscall(__NR_memfd_create, "file", 0);
	const struct refusal *r;
	char *p;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	for (r = refusals; r < refusals + ARRAY_SIZE(refusals); r++) {
		errno = 0;
		p = mmap((void *)r->addr, r->len, RW, r->flags,
			 r->source == MEMFD ? fd : -1, 0);
		EXPECT_EQ(MAP_FAILED, p)
			TH_LOG("%s accepted", r->what);
		EXPECT_EQ(r->error, errno)
			TH_LOG("%s: errno %d", r->what, errno);
	}
	/* An anonymous mapping looks at no descriptor. */
	EXPECT_NE(MAP_FAILED, mmap(NULL, PAGE, RW, DROPPABLE, fd, 0));
	close(fd);
}

TEST(accepted_flags)
{
	static const int extra[] = {
		0, MAP_NORESERVE, MAP_STACK, MAP_POPULATE, MAP_NONBLOCK,
		MAP_POPULATE | MAP_NONBLOCK, MAP_DENYWRITE,
#ifdef __x86_64__
		MAP_32BIT,
#endif
	};
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(extra); i++) {
		p = mmap(NULL, 4 * PAGE, RW, DROPPABLE | extra[i], -1, 0);
		ASSERT_NE(MAP_FAILED, p)
			TH_LOG("flags %#x: errno %d", extra[i], errno);
		EXPECT_TRUE(is_droppable(p, 4));
		EXPECT_TRUE(is_zero(p, 4));
		fill(p, 4, 1);
		EXPECT_TRUE(holds(p, 4, 1));
		EXPECT_EQ(0, munmap(p, 4 * PAGE));
	}
}

/* The mapping finds its pages by address, whatever offset came with it. */
TEST(offset_is_ignored)
{
	char *p = mmap(NULL, 4 * PAGE, RW, DROPPABLE, -1, 64 * PAGE);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_TRUE(holds_from(p + PAGE, 1, 3, 1));
	pid = fork();
	if (!pid)
		_exit(!is_zero(p + PAGE, 3));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p + PAGE, 1));
	EXPECT_TRUE(holds_from(p + 2 * PAGE, 2, 2, 1));
}

TEST(length_is_rounded_up)
{
	char *p = mmap(NULL, 2 * PAGE + 1, RW, DROPPABLE, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_droppable(p, 3));
	EXPECT_EQ(0, munmap(p, 2 * PAGE + 1));
	EXPECT_FALSE(is_mapped(p + 2 * PAGE));
}

TEST(hint)
{
	char *want = free_range(8), *p;

	ASSERT_NE(MAP_FAILED, want);
	p = mmap(want, 4 * PAGE, RW, DROPPABLE, -1, 0);
	EXPECT_EQ(want, p);
	fill(p, 4, 1);
	p = mmap(want, 4 * PAGE, RW, DROPPABLE, -1, 0);
	EXPECT_NE(MAP_FAILED, p);
	EXPECT_NE(want, p);
	EXPECT_TRUE(is_zero(p, 4));
	EXPECT_TRUE(holds(want, 4, 1));
}

TEST(highest_address)
{
#ifdef __x86_64__
	unsigned long addr = 0x7fffffffe000;
#else
	unsigned long addr = 0xffffd000;
#endif
	char *p = MAP_FAILED;
	pid_t pid;
	int i;

	/* The stack may be near; what is above it is free. */
	for (i = 0; i < 65536 && p == MAP_FAILED; i++, addr -= PAGE)
		p = mmap((void *)addr, PAGE, RW,
			 DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(addr + PAGE, (uintptr_t)p);
	fill(p, 1, 1);
	pid = fork();
	if (!pid)
		_exit(!is_zero(p, 1));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, 1));
	EXPECT_EQ(0, munmap(p, PAGE));
}

#ifdef __x86_64__
/* Five-level page tables put a page's key above bit 35. */
TEST(address_above_47_bits)
{
	char *want = (char *)(1UL << 50), *p;

	p = mmap(want, 2 * PAGE, RW, DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0);
	if (p == MAP_FAILED) {
		/* four levels */
		ASSERT_EQ(ENOMEM, errno);
		return;
	}
	ASSERT_EQ(want, p);
	fill(p, 2, 1);
	EXPECT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, 1));
	EXPECT_TRUE(holds_from(p + PAGE, 1, 1, 1));
}
#endif

TEST(populate)
{
	char *p = mmap(NULL, 64 * PAGE, RW, DROPPABLE | MAP_POPULATE, -1, 0);
	struct mapped m;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_EQ(64 * PAGE / 1024, m.rss_kb);
	EXPECT_EQ(64, resident(p, 64));
	EXPECT_TRUE(is_zero(p, 64));
	fill(p, 64, 1);
	EXPECT_TRUE(holds(p, 64, 1));
}

TEST(populate_only_when_asked)
{
	static const int flags[] = { 0, MAP_NONBLOCK,
				     MAP_POPULATE | MAP_NONBLOCK };
	struct mapped m;
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		p = mmap(NULL, 8 * PAGE, RW, DROPPABLE | flags[i], -1, 0);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_TRUE(find_mapped(p, &m));
		EXPECT_EQ(0, m.rss_kb);
		EXPECT_EQ(0, resident(p, 8));
	}
}

TEST(protections)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_EXEC, RW, RWX,
		PROT_WRITE,
	};
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		p = mmap(NULL, 2 * PAGE, prots[i], DROPPABLE, -1, 0);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(prots[i] ? 0 : SIGSEGV, read_probe(p));
		if (prots[i])
			EXPECT_EQ(0, *p);
		EXPECT_EQ(prots[i] & PROT_WRITE ? 0 : SIGSEGV,
			  write_probe(p + PAGE));
		ASSERT_EQ(0, mprotect(p, 2 * PAGE, RW));
		EXPECT_TRUE(is_zero(p, 1));
		fill(p, 2, 1);
		EXPECT_TRUE(holds(p, 2, 1));
	}
}

TEST(runs_code)
{
	void (*code)(void);
	char *p = mmap(NULL, PAGE, RWX, DROPPABLE, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	*p = (char)0xc3;	/* ret */
	memcpy(&code, &p, sizeof(code));
	code();
}

TEST(read_implies_exec)
{
	struct mapped m;
	char *p;

	ASSERT_NE(-1, personality(READ_IMPLIES_EXEC));
	p = droppable(2);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_STREQ("rwxp", m.perms);
	EXPECT_TRUE(has_flag(&m, "dp"));
	fill(p, 2, 1);
	EXPECT_TRUE(holds(p, 2, 1));
}

/* mmap_region() would have asked; a special mapping does not pass there. */
TEST(memory_deny_write_execute)
{
	char *p, *x;

	p = droppable(2);
	ASSERT_NE(MAP_FAILED, p);
	fill(p, 2, 1);
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) &&
	    errno == EINVAL)
		SKIP(return, "no PR_SET_MDWE before 6.3");
	ASSERT_EQ(PR_MDWE_REFUSE_EXEC_GAIN, prctl(PR_GET_MDWE, 0, 0, 0, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, RWX, DROPPABLE, -1, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(p, PAGE, RWX, DROPPABLE | MAP_FIXED, -1, 0));
	EXPECT_EQ(EACCES, errno);
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_EQ(-1, mprotect(p, PAGE, RWX));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	x = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, DROPPABLE, -1, 0);
	EXPECT_NE(MAP_FAILED, x);
	x = droppable(1);
	EXPECT_NE(MAP_FAILED, x);
	EXPECT_TRUE(is_zero(x, 1));
}

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

/* --------------------------------------------------------------- MAP_FIXED */

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

/* ------------------------------------------------------------------ limits */

/* total_vm, without a library call that might itself map something. */
static unsigned long mapped_pages(void)
{
	char text[128];

	return read_file("/proc/self/statm", text, sizeof(text)) ?
	       strtoul(text, NULL, 10) : 0;
}

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

/* ------------------------------------------------------------------- mlock */

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

/* ------------------------------------------------------------------- fault */

TEST(zero_filled_read_first)
{
	char *p = droppable(64);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(is_zero(p, 64));
	fill(p, 64, 1);
	EXPECT_TRUE(holds(p, 64, 1));
}

/* A shared mapping's first write asks for its file's times; there is none. */
TEST(zero_filled_write_first)
{
	char *p = droppable(64);
	size_t i, j;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 64; i++)
		p[i * PAGE + 7 * i] = 1;
	for (i = 0; i < 64; i++)
		for (j = 0; j < PAGE; j++)
			ASSERT_EQ(j == 7 * i, p[i * PAGE + j]);
}

/* Dirty pages of the allocator must not shine through. */
TEST(zero_filled_after_reuse)
{
	char *p;
	int i;

	for (i = 0; i < 20; i++) {
		p = i % 2 ? plain(256) : droppable(256);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_TRUE(is_zero(p, 256));
		memset(p, 0xa5, 256 * PAGE);
		ASSERT_EQ(0, munmap(p, 256 * PAGE));
	}
}

/* Soft-dirty tracking write-protects PTEs: the same path as a first write. */
TEST(write_after_clear_refs)
{
	static const char * const modes[] = { "1", "2", "3", "4", "5" };
	char *p = droppable(8);
	unsigned int i;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 0);
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_TRUE(write_file("/proc/self/clear_refs", modes[i]))
			TH_LOG("mode %s", modes[i]);
		EXPECT_TRUE(holds(p, 4, i));
		fill(p, 4, i + 1);
		EXPECT_TRUE(holds(p, 4, i + 1));
		p[(4 + i % 4) * PAGE]++;
	}
	EXPECT_EQ(2, p[4 * PAGE]);
}

struct racer {
	pthread_barrier_t *barrier;
	char *p;
	size_t pages;
	int index;
};

static void *race_to_fault(void *arg)
{
	struct racer *r = arg;
	size_t i;

	pthread_barrier_wait(r->barrier);
	for (i = 0; i < r->pages; i++)
		r->p[i * PAGE + r->index] = (char)(r->index + 1);
	return NULL;
}

/* Two threads that fault the same page get the same page. */
TEST(threads_fault_the_same_pages)
{
	enum { THREADS = 4, PAGES = 512, ROUNDS = 8 };
	pthread_t thread[THREADS];
	struct racer racer[THREADS];
	pthread_barrier_t barrier;
	int i, j, round;
	char *p;

	for (round = 0; round < ROUNDS; round++) {
		p = droppable(PAGES);
		ASSERT_NE(MAP_FAILED, p);
		pthread_barrier_init(&barrier, NULL, THREADS);
		for (i = 0; i < THREADS; i++) {
			racer[i] = (struct racer){ &barrier, p, PAGES, i };
			ASSERT_EQ(0, pthread_create(&thread[i], NULL,
						    race_to_fault, &racer[i]));
		}
		for (i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		for (j = 0; j < PAGES; j++)
			for (i = 0; i < THREADS; i++)
				ASSERT_EQ(i + 1, p[j * PAGE + i]);
		ASSERT_EQ(0, munmap(p, PAGES * PAGE));
	}
}

/* -------------------------------------------------------------------- fork */

/* Whether a child finds the pages mapped and empty, and can use them. */
static bool child_starts_clean(char *p, size_t pages)
{
	pid_t pid = fork();

	if (!pid) {
		if (!is_zero(p, pages))
			_exit(1);
		fill(p, pages, 99);
		_exit(!holds(p, pages, 99));
	}
	return pid > 0 && child_result(pid) == 0;
}

TEST(fork_child_reads_zero)
{
	char *p = droppable(8);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	EXPECT_TRUE(child_starts_clean(p, 8));
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(is_zero(p + 4 * PAGE, 4));
}

TEST(fork_before_any_fault)
{
	char *p = droppable(8);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(child_starts_clean(p, 8));
	EXPECT_TRUE(is_zero(p, 8));
}

TEST(fork_child_writes_first)
{
	char *p = droppable(2);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 2, 1);
	pid = fork();
	if (!pid) {
		p[5] = 1;
		p[PAGE] = 1;
		_exit(!(p[0] == 0 && p[4] == 0 && p[5] == 1 && p[6] == 0 &&
			p[PAGE] == 1 && p[PAGE + 1] == 0));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 2, 1));
}

/* Both alive, both writing: neither ever sees the other. */
TEST(fork_keeps_apart)
{
	int to_child[2], to_parent[2], i;
	char *p = droppable(4), c = 0;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(to_parent));
	fill(p, 2, 100);
	pid = fork();
	if (!pid) {
		if (!is_zero(p, 4))
			_exit(1);
		for (i = 0; i < 20; i++) {
			fill(p, 4, 200 + i);
			if (write(to_parent[1], &c, 1) != 1 ||
			    read(to_child[0], &c, 1) != 1)
				_exit(2);
			if (!holds(p, 4, 200 + i))
				_exit(3);
		}
		_exit(0);
	}
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(1, read(to_parent[0], &c, 1));
		EXPECT_TRUE(holds(p, i ? 4 : 2, 100 + i));
		fill(p, 4, 101 + i);
		ASSERT_EQ(1, write(to_child[1], &c, 1));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 4, 120));
}

TEST(fork_grandchild)
{
	char *p = droppable(4);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	pid = fork();
	if (!pid) {
		/* one grandchild of an untouched, one of a touched mapping */
		if (!child_starts_clean(p, 4) || !is_zero(p, 4))
			_exit(1);
		fill(p, 4, 2);
		if (!child_starts_clean(p, 4))
			_exit(2);
		_exit(!holds(p, 4, 2));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 4, 1));
}

/* The child's mapping is a whole one: flags, and all that can be done to it. */
TEST(fork_child_owns_its_mapping)
{
	char *p = droppable(8), *q = free_range(8);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 8, 1);
	pid = fork();
	if (!pid) {
		if (!is_droppable(p, 8))
			_exit(1);
		/* moved before its first fault */
		if (mremap(p, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			   q) != q || !is_zero(q, 8))
			_exit(2);
		fill(q, 8, 2);
		if (madvise(q, PAGE, MADV_DONTNEED) || !is_zero(q, 1))
			_exit(3);
		if (munmap(q + 4 * PAGE, PAGE) ||
		    !holds_from(q + 5 * PAGE, 5, 3, 2))
			_exit(4);
		if (!child_starts_clean(q, 4))
			_exit(5);
		_exit(!holds_from(q + PAGE, 1, 3, 2));
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 8, 1));
}

TEST(fork_after_split)
{
	char *p = droppable(9);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 9, 1);
	ASSERT_EQ(0, mprotect(p + 3 * PAGE, 3 * PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(p + 3 * PAGE, 3 * PAGE, RW));
	EXPECT_TRUE(child_starts_clean(p, 9));
	EXPECT_TRUE(holds(p, 9, 1));
	ASSERT_EQ(0, munmap(p + 4 * PAGE, PAGE));
	EXPECT_TRUE(child_starts_clean(p, 4));
	EXPECT_TRUE(child_starts_clean(p + 5 * PAGE, 4));
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 4, 1));
}

/* A child whose mapping was split before its first fault. */
TEST(fork_then_split_in_child)
{
	char *p = droppable(4);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	pid = fork();
	if (!pid) {
		if (munmap(p + PAGE, PAGE) || !is_zero(p, 1) ||
		    !is_zero(p + 2 * PAGE, 2))
			_exit(1);
		fill(p, 1, 2);
		fill(p + 2 * PAGE, 2, 3);
		if (munmap(p, PAGE) || !holds(p + 2 * PAGE, 2, 3))
			_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 4, 1));
}

TEST(fork_after_drop)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(child_starts_clean(p, 4));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(is_zero(p + PAGE, 1));
	EXPECT_TRUE(holds_from(p + 2 * PAGE, 2, 2, 1));
}

TEST(fork_dontfork)
{
	char *p = droppable(4);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	ASSERT_EQ(0, madvise(p + PAGE, 2 * PAGE, MADV_DONTFORK));
	pid = fork();
	if (!pid)
		_exit(!(!is_mapped(p + PAGE) && !is_mapped(p + 2 * PAGE) &&
			is_zero(p, 1) && is_zero(p + 3 * PAGE, 1)));
	EXPECT_EQ(0, child_result(pid));
	ASSERT_EQ(0, madvise(p, 4 * PAGE, MADV_DOFORK));
	EXPECT_TRUE(child_starts_clean(p, 4));
	EXPECT_TRUE(holds(p, 4, 1));
}

TEST(fork_many)
{
	char *p = droppable(4);
	int i;

	ASSERT_NE(MAP_FAILED, p);
	for (i = 0; i < 300; i++) {
		fill(p, 4, i);
		ASSERT_TRUE(child_starts_clean(p, 4));
		ASSERT_TRUE(holds(p, 4, i));
	}
}

static void *fork_and_check(void *arg)
{
	char *p = arg;
	int i;

	for (i = 0; i < 50; i++) {
		fill(p, 4, i);
		if (!child_starts_clean(p, 4) || !holds(p, 4, i))
			return p;
	}
	return NULL;
}

/* Threads fork while others fault, each on its own mapping. */
TEST(fork_in_threads)
{
	pthread_t thread[3];
	void *failed;
	size_t i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		p = droppable(4);
		ASSERT_NE(MAP_FAILED, p);
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, fork_and_check,
					    p));
	}
	for (i = 0; i < ARRAY_SIZE(thread); i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &failed));
		EXPECT_EQ(NULL, failed);
	}
}

static int write_in_same_mm(void *arg)
{
	fill(arg, 2, 2);
	return 0;
}

/* CLONE_VM is no fork: one mm, one mapping, one content. */
TEST(clone_vm_shares)
{
	char *p = droppable(2), *stack = plain(16);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, stack);
	fill(p, 2, 1);
	pid = clone(write_in_same_mm, stack + 16 * PAGE,
		    CLONE_VM | CLONE_VFORK | SIGCHLD, p);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(holds(p, 2, 2));
}

TEST(exec_and_exit_with_pages)
{
	char *p = droppable(64);
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 64, 1);
	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid) {
			fill(p, 64, 2);
			if (i % 2)
				_exit(4);
			execl("/bin/sh", "sh", "-c", "exit 4", NULL);
			_exit(1);
		}
		EXPECT_EQ(4, child_result(pid));
	}
	EXPECT_TRUE(holds(p, 64, 1));
}

TEST(killed_with_pages)
{
	char *p = droppable(64);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	pid = fork();
	if (!pid) {
		fill(p, 64, 2);
		raise(SIGKILL);
	}
	EXPECT_EQ(256 + SIGKILL, child_result(pid));
}

/* ------------------------------------------------------------------ mremap */

static char *move(char *from, size_t pages, char *to)
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

/* -------------------------------------------------------- munmap, mprotect */

FIXTURE(part) {
	char *p;
};

FIXTURE_VARIANT(part) {
	size_t first;
	size_t pages;
};

FIXTURE_VARIANT_ADD(part, head) { 0, 3 };
FIXTURE_VARIANT_ADD(part, middle) { 3, 2 };
FIXTURE_VARIANT_ADD(part, tail) { 6, 2 };

FIXTURE_SETUP(part)
{
	self->p = droppable(8);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 8, 1);
}

FIXTURE_TEARDOWN(part)
{
	EXPECT_EQ(0, munmap(self->p, 8 * PAGE));
}

TEST_F(part, unmapped)
{
	size_t first = variant->first, end = first + variant->pages;
	char *p = self->p, *q = p + first * PAGE;

	ASSERT_EQ(0, munmap(q, variant->pages * PAGE));
	EXPECT_EQ(SIGSEGV, read_probe(q));
	EXPECT_EQ(SIGSEGV, write_probe(p + end * PAGE - 1));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	EXPECT_TRUE(child_starts_clean(p, first));
	EXPECT_TRUE(child_starts_clean(p + end * PAGE, 8 - end));
	ASSERT_EQ(q, mmap(q, variant->pages * PAGE, RW,
			  DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0));
	EXPECT_TRUE(is_zero(q, variant->pages));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
}

TEST_F(part, protected)
{
	size_t first = variant->first, end = first + variant->pages;
	size_t len = variant->pages * PAGE;
	char *p = self->p, *q = p + first * PAGE;

	ASSERT_EQ(0, mprotect(q, len, PROT_NONE));
	EXPECT_EQ(SIGSEGV, read_probe(q));
	EXPECT_EQ(SIGSEGV, read_probe(q + len - 1));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	ASSERT_EQ(0, mprotect(q, len, PROT_READ));
	EXPECT_TRUE(holds_from(q, first, variant->pages, 1));
	EXPECT_EQ(SIGSEGV, write_probe(q));
	ASSERT_EQ(0, mprotect(q, len, RW));
	EXPECT_TRUE(holds(p, 8, 1));
	fill(p, 8, 2);
	EXPECT_TRUE(holds(p, 8, 2));
	ASSERT_EQ(0, mprotect(q, len, RWX));
	EXPECT_TRUE(holds(p, 8, 2));
	EXPECT_TRUE(child_starts_clean(p, 8));
}

/* Both halves share one set of pages: each must forget only its own. */
TEST_F(part, split_then_drop_rest)
{
	size_t first = variant->first, end = first + variant->pages;
	size_t len = variant->pages * PAGE;
	char *p = self->p, *q = p + first * PAGE;

	ASSERT_EQ(0, mprotect(q, len, PROT_READ));
	EXPECT_EQ(0, madvise(q, len, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(q, variant->pages));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	EXPECT_EQ(0, munmap(q, len));
	EXPECT_TRUE(holds(p, first, 1));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
	EXPECT_EQ(0, madvise(p, first * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, first));
	EXPECT_TRUE(holds_from(p + end * PAGE, end, 8 - end, 1));
}

TEST(split_before_any_fault)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, mprotect(p + PAGE, PAGE, PROT_READ));
	EXPECT_TRUE(is_zero(p, 4));
	fill(p, 1, 1);
	fill(p + 2 * PAGE, 2, 2);
	ASSERT_EQ(0, munmap(p + PAGE, PAGE));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(holds(p + 2 * PAGE, 2, 2));
	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_TRUE(holds(p + 2 * PAGE, 2, 2));
	EXPECT_TRUE(child_starts_clean(p + 2 * PAGE, 2));
}

TEST(every_page_its_own_mapping)
{
	char *p = droppable(64);
	size_t i;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 64, 1);
	for (i = 0; i < 64; i += 2)
		ASSERT_EQ(0, mprotect(p + i * PAGE, PAGE, PROT_READ));
	EXPECT_TRUE(holds(p, 64, 1));
	EXPECT_EQ(0, munmap(p + 10 * PAGE, 20 * PAGE));
	EXPECT_TRUE(holds(p, 10, 1));
	EXPECT_TRUE(holds_from(p + 30 * PAGE, 30, 34, 1));
	ASSERT_EQ(0, mprotect(p, 10 * PAGE, RW));
	EXPECT_TRUE(child_starts_clean(p, 10));
	EXPECT_EQ(0, munmap(p, 64 * PAGE));
}

TEST(protection_keys)
{
	char *p = droppable(4);
	int key;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	/* without a key it is mprotect() */
	EXPECT_EQ(0, pkey_mprotect(p + PAGE, PAGE, PROT_READ, -1));
	EXPECT_EQ(SIGSEGV, write_probe(p + PAGE));
	EXPECT_TRUE(holds(p, 4, 1));
	key = pkey_alloc(0, 0);
	if (key < 0)
		return;		/* the processor has none */
	EXPECT_EQ(0, pkey_mprotect(p, 4 * PAGE, RW, key));
	EXPECT_TRUE(holds(p, 4, 1));
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_ACCESS));
	EXPECT_EQ(SIGSEGV, read_probe(p));
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_WRITE));
	EXPECT_EQ(0, read_probe(p));
	EXPECT_EQ(SIGSEGV, write_probe(p));
	ASSERT_EQ(0, pkey_set(key, 0));
	EXPECT_TRUE(holds(p, 4, 1));
	EXPECT_TRUE(child_starts_clean(p, 4));
}

TEST(sealed)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	if (syscall(__NR_mseal, p + PAGE, PAGE, 0)) {
		ASSERT_NE(EINVAL, errno);
		SKIP(return, "no mseal() before 6.10, nor in 32-bit kernels");
	}
	EXPECT_EQ(-1, munmap(p, 4 * PAGE));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(-1, mprotect(p, 4 * PAGE, PROT_READ));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mmap(p, 4 * PAGE, RW, DROPPABLE | MAP_FIXED, -1,
				   0));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(MAP_FAILED, mremap(p + PAGE, PAGE, PAGE,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     free_range(1)));
	EXPECT_EQ(EPERM, errno);
	EXPECT_TRUE(holds_from(p + PAGE, 1, 1, 1));
	/* writable memory may be emptied all the same */
	EXPECT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p + PAGE, 1));
}

TEST_HARNESS_MAIN
