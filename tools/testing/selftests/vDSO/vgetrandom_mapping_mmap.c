// SPDX-License-Identifier: GPL-2.0
/*
 * mmap(MAP_DROPPABLE) by itself: which arguments it accepts, and what it installs then.
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include <sys/personality.h>
#include "vgetrandom_harness.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

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

TEST_HARNESS_MAIN
