// SPDX-License-Identifier: GPL-2.0
/*
 * mmap(MAP_DROPPABLE) as content: how it is dropped, by advice and by memory
 * pressure, what keeps it, who may see it, and that it is wiped. The address
 * space's side is in vgetrandom_mapping.c.
 *
 * Comments that begin with "Not mainline:" say where VM_DROPPABLE differs.
 */

#include "vgetrandom_mapping.h"
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include "vgetrandom_harness.h"

#define MIB (1024 * 1024UL)
#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

/* 32-bit kernels and configurations without 32-bit time have only this one. */
#ifdef __NR_futex_time64
#define FUTEX_CALL __NR_futex_time64
#else
#define FUTEX_CALL __NR_futex
#endif

/* Waits for the end of a child that reports nothing but success. */
static bool child_succeeds(pid_t pid)
{
	return pid > 0 && child_result(pid) == 0;
}

/* ------------------------------------------------- advice that drops pages */

FIXTURE(advice) {
	char *p;
};

FIXTURE_VARIANT(advice) {
	int advice;
};

/* Not mainline: there, MADV_FREE waits for reclaim. */
FIXTURE_VARIANT_ADD(advice, free) { MADV_FREE };
FIXTURE_VARIANT_ADD(advice, dontneed) { MADV_DONTNEED };
FIXTURE_VARIANT_ADD(advice, dontneed_locked) { MADV_DONTNEED_LOCKED };
FIXTURE_VARIANT_ADD(advice, pageout) { MADV_PAGEOUT };

FIXTURE_SETUP(advice)
{
	self->p = droppable(16);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 16, 1);
}

FIXTURE_TEARDOWN(advice)
{
	EXPECT_EQ(0, munmap(self->p, 16 * PAGE));
}

TEST_F(advice, whole)
{
	EXPECT_EQ(16, resident(self->p, 16));
	EXPECT_EQ(0, madvise(self->p, 16 * PAGE, variant->advice));
	EXPECT_EQ(0, resident(self->p, 16));
	EXPECT_TRUE(is_droppable(self->p, 16));
	EXPECT_TRUE(is_zero(self->p, 16));
	fill(self->p, 16, 2);
	EXPECT_TRUE(holds(self->p, 16, 2));
}

TEST_F(advice, named_range_only)
{
	char *p = self->p;

	EXPECT_EQ(0, madvise(p + 3 * PAGE, 2 * PAGE, variant->advice));
	EXPECT_EQ(0, madvise(p + 9 * PAGE, PAGE, variant->advice));
	EXPECT_EQ(13, resident(p, 16));
	EXPECT_TRUE(is_zero(p + 3 * PAGE, 2));
	EXPECT_TRUE(is_zero(p + 9 * PAGE, 1));
	EXPECT_TRUE(holds(p, 3, 1));
	EXPECT_TRUE(holds_from(p + 5 * PAGE, 5, 4, 1));
	EXPECT_TRUE(holds_from(p + 10 * PAGE, 10, 6, 1));
	/* no split: the advice is for the pages */
	EXPECT_TRUE(is_droppable(p, 16));
}

TEST_F(advice, length_is_rounded_up)
{
	EXPECT_EQ(0, madvise(self->p, PAGE + 1, variant->advice));
	EXPECT_TRUE(is_zero(self->p, 2));
	EXPECT_TRUE(holds_from(self->p + 2 * PAGE, 2, 14, 1));
	EXPECT_EQ(0, madvise(self->p + 4 * PAGE, 0, variant->advice));
	EXPECT_EQ(-1, madvise(self->p + 4 * PAGE + 1, PAGE, variant->advice));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(holds_from(self->p + 2 * PAGE, 2, 14, 1));
}

TEST_F(advice, untouched_and_twice)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, madvise(p, 4 * PAGE, variant->advice));
	EXPECT_TRUE(is_zero(p, 2));
	EXPECT_EQ(0, madvise(p, 4 * PAGE, variant->advice));
	EXPECT_EQ(0, madvise(p, 4 * PAGE, variant->advice));
	EXPECT_TRUE(is_zero(p, 4));
}

/* More than one mapping, a hole between: the hole fails, the rest is done. */
TEST_F(advice, over_mappings_and_holes)
{
	char *p = self->p;

	ASSERT_EQ(0, mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ));
	EXPECT_EQ(0, madvise(p + 2 * PAGE, 4 * PAGE, variant->advice));
	EXPECT_TRUE(is_zero(p + 2 * PAGE, 4));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(holds_from(p + 6 * PAGE, 6, 10, 1));
	ASSERT_EQ(0, munmap(p + 10 * PAGE, 2 * PAGE));
	EXPECT_EQ(-1, madvise(p + 8 * PAGE, 6 * PAGE, variant->advice));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_TRUE(is_zero(p + 8 * PAGE, 2));
	EXPECT_TRUE(is_zero(p + 12 * PAGE, 2));
	EXPECT_TRUE(holds_from(p + 14 * PAGE, 14, 2, 1));
}

TEST_F(advice, without_access)
{
	char *p = self->p;

	ASSERT_EQ(0, mprotect(p, 16 * PAGE, PROT_NONE));
	EXPECT_EQ(0, madvise(p + PAGE, 2 * PAGE, variant->advice));
	ASSERT_EQ(0, mprotect(p, 16 * PAGE, PROT_READ));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(is_zero(p + PAGE, 2));
	EXPECT_TRUE(holds_from(p + 3 * PAGE, 3, 13, 1));
}

TEST_F(advice, many_pages)
{
	size_t pages = 1024;
	char *p = droppable(pages);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, pages, 1);
	EXPECT_EQ(0, madvise(p + PAGE, (pages - 2) * PAGE, variant->advice));
	EXPECT_EQ(2, resident(p, pages));
	EXPECT_TRUE(holds(p, 1, 1));
	EXPECT_TRUE(is_zero(p + PAGE, pages - 2));
	EXPECT_TRUE(holds_from(p + (pages - 1) * PAGE, pages - 1, 1, 1));
	EXPECT_EQ(0, munmap(p, pages * PAGE));
}

/* In a child: its own pages, never the parent's. */
TEST_F(advice, in_child)
{
	pid_t pid = fork();

	if (!pid) {
		fill(self->p, 16, 2);
		if (madvise(self->p, 8 * PAGE, variant->advice))
			_exit(1);
		_exit(!(is_zero(self->p, 8) &&
			holds_from(self->p + 8 * PAGE, 8, 8, 2)));
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(self->p, 16, 1));
}

struct reader {
	char *p;
	size_t pages;
	unsigned long tag;
	bool stop;
	bool failed;
};

static void *write_and_read(void *arg)
{
	struct reader *r = arg;
	unsigned long *word, seen;
	size_t i;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < r->pages; i++) {
			word = (unsigned long *)(r->p + i * PAGE) + i;
			__atomic_store_n(word, r->tag + i, __ATOMIC_RELAXED);
			seen = __atomic_load_n(word, __ATOMIC_RELAXED);
			if (seen && seen != r->tag + i)
				r->failed = true;
			/* only this word of the page is ever written */
			seen = __atomic_load_n(word + 1, __ATOMIC_RELAXED);
			if (seen)
				r->failed = true;
		}
	}
	return NULL;
}

/* A thread sees what it wrote, or zero; not another page, nothing of before. */
TEST_F(advice, while_written)
{
	struct reader reader[2];
	pthread_t thread[2];
	int i, j;

	for (i = 0; i < 2; i++) {
		reader[i] = (struct reader){ .p = droppable(32), .pages = 32,
					     .tag = 0x5a000000 + i * 256 };
		ASSERT_NE(MAP_FAILED, reader[i].p);
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, write_and_read,
					    &reader[i]));
	}
	for (j = 0; j < 300; j++)
		for (i = 0; i < 2; i++)
			EXPECT_EQ(0, madvise(reader[i].p, 32 * PAGE,
					     variant->advice));
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&reader[i].stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_FALSE(reader[i].failed);
	}
}

TEST(process_madvise_pageout)
{
	int ready[2], go[2], pidfd;
	char *p = droppable(8), c = 0;
	struct iovec range;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	fill(p, 8, 1);
	pid = fork();
	if (!pid) {
		fill(p, 8, 2);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(!(holds(p, 2, 2) && is_zero(p + 2 * PAGE, 4) &&
			holds_from(p + 6 * PAGE, 6, 2, 2)));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	pidfd = (int)syscall(__NR_pidfd_open, pid, 0);
	ASSERT_LE(0, pidfd);
	range.iov_base = p + 2 * PAGE;
	range.iov_len = 4 * PAGE;
	EXPECT_EQ((long)range.iov_len,
		  syscall(__NR_process_madvise, pidfd, &range, 1L,
			  MADV_PAGEOUT, 0));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(p, 8, 1));
	close(pidfd);
}

/* -------------------------------------------------------- all other advice */

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

/* ------------------------------------------- what else looks at the memory */

TEST(mincore_tells)
{
	unsigned char vec[4];
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	p[PAGE] = 1;
	EXPECT_EQ(0, p[3 * PAGE]);
	ASSERT_EQ(0, mincore(p, 4 * PAGE, vec));
	EXPECT_EQ(0, vec[0] & 1);
	EXPECT_EQ(1, vec[1] & 1);
	EXPECT_EQ(0, vec[2] & 1);
	EXPECT_EQ(1, vec[3] & 1);
	/* without access the pages are still there */
	ASSERT_EQ(0, mprotect(p, 2 * PAGE, PROT_NONE));
	EXPECT_EQ(2, resident(p, 4));
	ASSERT_EQ(0, munmap(p + 2 * PAGE, PAGE));
	EXPECT_EQ(-1, resident(p, 4));
	EXPECT_EQ(ENOMEM, errno);
}

/* A shared mapping without a file: the old code took its file. */
TEST(remap_file_pages_refused)
{
	char *p = droppable(8);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	EXPECT_EQ(-1, syscall(__NR_remap_file_pages, p, 8 * PAGE, 0, 0, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, syscall(__NR_remap_file_pages, p + PAGE, 2 * PAGE, 0, 3,
			      MAP_NONBLOCK));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(is_droppable(p, 8));
	EXPECT_TRUE(holds(p, 4, 1));
}

TEST(msync_does_nothing)
{
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	EXPECT_EQ(0, msync(p, 4 * PAGE, MS_SYNC));
	EXPECT_EQ(0, msync(p, 4 * PAGE, MS_ASYNC | MS_INVALIDATE));
	EXPECT_TRUE(holds(p, 4, 1));
}

/* Not mainline's 6.12: its test of the flag came too late to see it. */
TEST(userfaultfd_refused)
{
	static const unsigned long long modes[] = {
		UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
		UFFDIO_REGISTER_MODE_MINOR,
	};
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { 0 };
	char *p = droppable(4);
	size_t i;
	int fd;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 4, 1);
	fd = (int)syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		area.range.start = (uintptr_t)p;
		area.range.len = 4 * PAGE;
		area.mode = modes[i];
		EXPECT_EQ(-1, ioctl(fd, UFFDIO_REGISTER, &area))
			TH_LOG("mode %llx", (unsigned long long)modes[i]);
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_TRUE(holds(p, 4, 1));
	close(fd);
}

TEST(ksm_for_all_leaves_it_out)
{
	char *before = droppable(2), *after;
	struct mapped m;

	ASSERT_NE(MAP_FAILED, before);
	if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) && errno == EINVAL)
		SKIP(return, "no PR_SET_MEMORY_MERGE before 6.4");
	ASSERT_EQ(1, prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0));
	after = droppable(2);
	ASSERT_NE(MAP_FAILED, after);
	ASSERT_TRUE(find_mapped(before, &m));
	EXPECT_FALSE(has_flag(&m, "mg"));
	ASSERT_TRUE(find_mapped(after, &m));
	EXPECT_FALSE(has_flag(&m, "mg"));
}

static bool name_range(char *p, size_t pages, const char *name)
{
	return !prctl(PR_SET_VMA, (long)PR_SET_VMA_ANON_NAME, p, pages * PAGE,
		      name);
}

/* As glibc and Go do. */
TEST(anon_name)
{
	char *p = droppable(8), *to = mmap(NULL, 8 * PAGE, PROT_NONE, PLAIN,
					   -1, 0);
	struct mapped m;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, to);
	fill(p, 8, 1);
	ASSERT_TRUE(name_range(p, 8, "getrandom states"));
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_STREQ("[anon:getrandom states]", m.name);
	EXPECT_TRUE(is_droppable(p, 8));
	EXPECT_TRUE(holds(p, 8, 1));
	pid = fork();
	if (!pid)
		_exit(!(is_zero(p, 8) && find_mapped(p, &m) &&
			!strcmp(m.name, "[anon:getrandom states]")));
	EXPECT_TRUE(child_succeeds(pid));
	/* part of it: a split */
	ASSERT_TRUE(name_range(p + 2 * PAGE, 1, "one"));
	ASSERT_TRUE(find_mapped(p + 2 * PAGE, &m));
	EXPECT_STREQ("[anon:one]", m.name);
	EXPECT_TRUE(holds(p, 8, 1));
	ASSERT_EQ(to, mremap(p + 2 * PAGE, PAGE, PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	ASSERT_TRUE(find_mapped(to, &m));
	EXPECT_STREQ("[anon:one]", m.name);
	EXPECT_TRUE(holds_from(to, 2, 1, 1));
	ASSERT_TRUE(name_range(to, 1, NULL));
	ASSERT_TRUE(find_mapped(to, &m));
	EXPECT_STREQ("", m.name);
}

TEST(futex_private)
{
	char *p = droppable(1);
	int *word = (int *)p;

	ASSERT_NE(MAP_FAILED, p);
	*word = 1;
	EXPECT_EQ(-1, syscall(FUTEX_CALL, word, FUTEX_WAIT_PRIVATE, 2, NULL,
			      NULL, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, syscall(FUTEX_CALL, word, FUTEX_WAKE_PRIVATE, 1, NULL,
			     NULL, 0));
}

/* Not mainline: no file and not anonymous, so there is no key to share. */
TEST(futex_shared_refused)
{
	char *p = droppable(1);
	int *word = (int *)p;

	ASSERT_NE(MAP_FAILED, p);
	*word = 1;
	EXPECT_EQ(-1, syscall(FUTEX_CALL, word, FUTEX_WAIT, 2, NULL, NULL, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, syscall(FUTEX_CALL, word, FUTEX_WAKE, 1, NULL, NULL, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(1, *word);
}

/* Not mainline: the pages are the mapping's, not anonymous ones. */
TEST(counts_as_file_pages)
{
	long file = status_kb("RssFile"), anon = status_kb("RssAnon");
	char *p = droppable(2048);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 2048, 1);
	/* the counters are per CPU, and so a little late */
	EXPECT_LT(file + 7000, status_kb("RssFile"));
	EXPECT_GT(anon + 2000, status_kb("RssAnon"));
	EXPECT_EQ(0, madvise(p, 1024 * PAGE, MADV_DONTNEED));
	EXPECT_GT(file + 5500, status_kb("RssFile"));
	EXPECT_EQ(0, munmap(p, 2048 * PAGE));
	EXPECT_GT(file + 1000, status_kb("RssFile"));
}

/* All that walks the page tables on behalf of a reader. */
TEST(proc_files)
{
	static const char * const files[] = {
		"smaps_rollup", "numa_maps", "auxv", "status", "stat",
	};
	unsigned long long entry[4];
	char *p = droppable(4), path[64], text[4096];
	struct mapped m;
	size_t i;
	int fd;

	ASSERT_NE(MAP_FAILED, p);
	fill(p + PAGE, 2, 1);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		EXPECT_TRUE(read_file(path, text, sizeof(text)))
			TH_LOG("%s", path);
	}
	ASSERT_TRUE(find_mapped(p, &m));
	EXPECT_EQ(2 * PAGE / 1024, m.rss_kb);
	EXPECT_EQ(0, m.swap_kb);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ((ssize_t)sizeof(entry),
		  pread(fd, entry, sizeof(entry),
			(off_t)((uintptr_t)p / PAGE * 8)));
	for (i = 0; i < 4; i++) {
		/* present; never in swap */
		EXPECT_EQ(i == 1 || i == 2, entry[i] >> 63);
		EXPECT_EQ(0, entry[i] >> 62 & 1);
	}
	close(fd);
	EXPECT_TRUE(holds(p + PAGE, 2, 1));
}

TEST(numa_policy_and_migration)
{
	unsigned long nodes = 1;
	void *pages[2];
	int status[2] = { -1, -1 }, to[2] = { 0, 0 };
	char *p = droppable(4);

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 2, 1);
	EXPECT_EQ(0, syscall(__NR_mbind, p, 4 * PAGE, 1 /* PREFERRED */,
			     &nodes, 8 * sizeof(nodes), 0));
	/* MPOL_BIND, MPOL_MF_MOVE: pages that do not move are no error */
	EXPECT_EQ(0, syscall(__NR_mbind, p, 4 * PAGE, 2, &nodes,
			     8 * sizeof(nodes), 2));
	EXPECT_TRUE(holds(p, 2, 1));
	pages[0] = p;
	pages[1] = p + PAGE;
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, 2L, pages, NULL, status, 0));
	EXPECT_LE(0, status[0]);
	EXPECT_LE(0, syscall(__NR_move_pages, 0, 2L, pages, to, status, 2));
	EXPECT_TRUE(holds(p, 2, 1));
	EXPECT_TRUE(is_zero(p + 2 * PAGE, 2));
	EXPECT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_TRUE(is_zero(p, 1));
}

/* ----------------------------------------------------- access by the kernel */

/* The kernel faults pages in like anyone, into and out of absent ones. */
TEST(system_calls_copy)
{
	char *p = droppable(4), *q = plain(4);
	int fd[2];

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, pipe(fd));
	fill(q, 1, 1);
	ASSERT_EQ(PAGE, write(fd[1], q, PAGE));
	EXPECT_EQ(PAGE, read(fd[0], p, PAGE));
	EXPECT_TRUE(holds(p, 1, 1));
	ASSERT_EQ(PAGE, write(fd[1], p + PAGE, PAGE));
	EXPECT_EQ(PAGE, read(fd[0], q, PAGE));
	EXPECT_TRUE(is_zero(q, 1));
	/* no access, no copy */
	ASSERT_EQ(0, mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	ASSERT_EQ(PAGE, write(fd[1], q, PAGE));
	EXPECT_EQ(-1, read(fd[0], p + 2 * PAGE, PAGE));
	EXPECT_EQ(EFAULT, errno);
}

TEST(proc_self_mem)
{
	char *p = droppable(4), *q = plain(1);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_LE(0, fd);
	fill(p, 1, 1);
	ASSERT_EQ(PAGE, pread(fd, q, PAGE, (off_t)(uintptr_t)p));
	EXPECT_TRUE(holds(q, 1, 1));
	fill(q, 1, 2);
	/* an absent page, a present one, one that may not be written */
	ASSERT_EQ(PAGE, pwrite(fd, q, PAGE, (off_t)(uintptr_t)(p + PAGE)));
	EXPECT_TRUE(holds(p + PAGE, 1, 2));
	ASSERT_EQ(PAGE, pwrite(fd, q, PAGE, (off_t)(uintptr_t)p));
	EXPECT_TRUE(holds(p, 1, 2));
	ASSERT_EQ(PAGE, pread(fd, q, PAGE, (off_t)(uintptr_t)(p + 2 * PAGE)));
	EXPECT_TRUE(is_zero(q, 1));
	close(fd);
}

TEST(other_process_reads_and_writes)
{
	char *p = droppable(4), *q = plain(2), c = 0;
	struct iovec local = { q, 2 * PAGE }, remote = { p, 2 * PAGE };
	int ready[2], go[2];
	long word;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	fill(p, 4, 1);
	pid = fork();
	if (!pid) {
		fill(p, 1, 2);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		word = 0;
		memcpy(&word, p + 3 * PAGE, sizeof(word));
		_exit(!(holds(p, 2, 3) && is_zero(p + 2 * PAGE, 1) &&
			word == 0x1234567));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(2 * PAGE, process_vm_readv(pid, &local, 1, &remote, 1, 0));
	EXPECT_TRUE(holds(q, 1, 2));
	EXPECT_TRUE(is_zero(q + PAGE, 1));
	fill(q, 2, 3);
	EXPECT_EQ(2 * PAGE, process_vm_writev(pid, &local, 1, &remote, 1, 0));
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	errno = 0;
	EXPECT_EQ(0, ptrace(PTRACE_PEEKDATA, pid, p + 2 * PAGE, NULL));
	EXPECT_EQ(0, errno);
	EXPECT_EQ(0, ptrace(PTRACE_POKEDATA, pid, p + 3 * PAGE,
			    (void *)0x1234567));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(p, 4, 1));
}

/* ------------------------------------------------------------ pinned pages */

enum pin_kind { IN_PIPE, FIXED_BUFFER };

/* Who holds a reference to the page, and a way to look through it. */
struct pin {
	enum pin_kind kind;
	int pipe[2];
	int ring;
	int file;
	unsigned int *tail;
	unsigned int *mask;
	unsigned int *array;
	unsigned int *cq_head;
	unsigned int *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static char *map_ring(int fd, size_t len, off_t offset)
{
	return mmap(NULL, len, RW, MAP_SHARED | MAP_POPULATE, fd, offset);
}

static bool open_ring(struct pin *pin)
{
	struct io_uring_params params = { 0 };
	char *sq, *cq, *sqes;

	pin->file = (int)syscall(__NR_memfd_create, "pin", 0);
	pin->ring = (int)syscall(__NR_io_uring_setup, 4, &params);
	if (pin->file < 0 || pin->ring < 0)
		return false;
	sq = map_ring(pin->ring, params.sq_off.array + params.sq_entries *
		      sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map_ring(pin->ring, params.cq_off.cqes + params.cq_entries *
		      sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	sqes = map_ring(pin->ring, params.sq_entries *
			sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		return false;
	pin->tail = (unsigned int *)(sq + params.sq_off.tail);
	pin->mask = (unsigned int *)(sq + params.sq_off.ring_mask);
	pin->array = (unsigned int *)(sq + params.sq_off.array);
	pin->cq_head = (unsigned int *)(cq + params.cq_off.head);
	pin->cq_mask = (unsigned int *)(cq + params.cq_off.ring_mask);
	pin->cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
	pin->sqes = (struct io_uring_sqe *)sqes;
	return true;
}

static bool pin_page(struct pin *pin, enum pin_kind kind, char *p)
{
	struct iovec page = { p, PAGE };

	pin->kind = kind;
	if (kind == IN_PIPE)
		return !pipe(pin->pipe) &&
		       vmsplice(pin->pipe[1], &page, 1, 0) == (long)PAGE;
	return open_ring(pin) &&
	       !syscall(__NR_io_uring_register, pin->ring,
			IORING_REGISTER_BUFFERS, &page, 1);
}

/* The page that is pinned, wherever it is mapped now; p: where it was. */
static bool through_pin(struct pin *pin, const char *p, char *into)
{
	struct io_uring_sqe *sqe;
	unsigned int at, head;

	if (pin->kind == IN_PIPE)
		return read(pin->pipe[0], into, PAGE) == (long)PAGE;
	at = *pin->tail & *pin->mask;
	sqe = &pin->sqes[at];
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_WRITE_FIXED;
	sqe->fd = pin->file;
	sqe->addr = (uintptr_t)p;
	sqe->len = PAGE;
	pin->array[at] = at;
	__atomic_store_n(pin->tail, *pin->tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, pin->ring, 1, 1,
		    IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return false;
	head = *pin->cq_head;
	if (pin->cqes[head & *pin->cq_mask].res != (int)PAGE)
		return false;
	__atomic_store_n(pin->cq_head, head + 1, __ATOMIC_RELEASE);
	return pread(pin->file, into, PAGE, 0) == (long)PAGE;
}

static void unpin(struct pin *pin)
{
	if (pin->kind == IN_PIPE) {
		close(pin->pipe[0]);
		close(pin->pipe[1]);
		return;
	}
	/* before the ring is closed, which gives pages back only later */
	syscall(__NR_io_uring_register, pin->ring, IORING_UNREGISTER_BUFFERS,
		NULL, 0);
	close(pin->ring);
	close(pin->file);
}

FIXTURE(pinned) {
	struct pin pin;
	char *p;	/* three pages, the second is pinned */
	char *page;
	char *seen;
};

FIXTURE_VARIANT(pinned) {
	enum pin_kind kind;
};

FIXTURE_VARIANT_ADD(pinned, in_pipe) { IN_PIPE };
FIXTURE_VARIANT_ADD(pinned, fixed_buffer) { FIXED_BUFFER };

FIXTURE_SETUP(pinned)
{
	self->p = droppable(3);
	ASSERT_NE(MAP_FAILED, self->p);
	self->seen = plain(1);
	ASSERT_NE(MAP_FAILED, self->seen);
	self->page = self->p + PAGE;
	fill(self->p, 3, 1);
	ASSERT_TRUE(pin_page(&self->pin, variant->kind, self->page));
}

FIXTURE_TEARDOWN(pinned)
{
	munmap(self->p, 3 * PAGE);
}

TEST_F(pinned, is_the_same_page)
{
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->page, 1, 2));
}

/* Not mainline: the pin of a reader would hold the common zero page there. */
TEST_F(pinned, absent_page)
{
	char *p = droppable(1);
	struct pin pin;

	unpin(&self->pin);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(pin_page(&pin, variant->kind, p));
	fill(p, 1, 2);
	ASSERT_TRUE(through_pin(&pin, p, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&pin);
}

/* Otherwise the one who pinned and the one who mapped part for ever. */
TEST_F(pinned, survives_pageout)
{
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(is_zero(self->p, 1));
	EXPECT_TRUE(holds_from(self->page, 1, 1, 1));
	EXPECT_TRUE(is_zero(self->p + 2 * PAGE, 1));
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(is_zero(self->p, 3));
}

/* Not mainline: drop_caches does not reach anonymous pages there. */
TEST_F(pinned, survives_drop_caches)
{
	int i;

	for (i = 0; i < PATIENCE; i++)
		ASSERT_TRUE(drop_slab());
	EXPECT_TRUE(holds_from(self->page, 1, 1, 1));
	fill(self->page, 1, 2);
	EXPECT_TRUE(is_zero(self->p, 1));
	EXPECT_TRUE(is_zero(self->p + 2 * PAGE, 1));
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_TRUE(drop_until_gone(self->p, 3));
	EXPECT_TRUE(is_zero(self->p, 3));
}

/* Advice that promises zeroes keeps its word; the pin keeps an old page. */
TEST_F(pinned, dontneed_parts)
{
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, resident(self->p, 3));
	EXPECT_TRUE(is_zero(self->p, 3));
	fill(self->p, 3, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(is_zero(self->seen, 1) || holds_from(self->seen, 1, 1, 1));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->p, 3, 2));
}

/* Not mainline: MADV_FREE leaves a pinned page where it is there. */
TEST_F(pinned, free_parts)
{
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_FREE));
	EXPECT_TRUE(is_zero(self->p, 3));
	fill(self->p, 3, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(is_zero(self->seen, 1) || holds_from(self->seen, 1, 1, 1));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->p, 3, 2));
}

TEST_F(pinned, fork_leaves_it_to_the_parent)
{
	pid_t pid = fork();

	if (!pid) {
		if (!is_zero(self->p, 3))
			_exit(1);
		fill(self->p, 3, 3);
		_exit(0);
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(self->p, 3, 1));
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
}

TEST_F(pinned, moves_along)
{
	char *to = mmap(NULL, 3 * PAGE, PROT_NONE, PLAIN, -1, 0);

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(to, mremap(self->p, 3 * PAGE, 3 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(holds(to, 3, 1));
	fill(to + PAGE, 1, 2);
	EXPECT_EQ(0, madvise(to, 3 * PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(holds(to + PAGE, 1, 2));
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_EQ(0, munmap(to, 3 * PAGE));
}

TEST_F(pinned, write_protected_and_written)
{
	ASSERT_TRUE(write_file("/proc/self/clear_refs", "4"));
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
}

TEST_F(pinned, unmapped_while_pinned)
{
	EXPECT_EQ(0, munmap(self->page, PAGE));
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(is_zero(self->seen, 1) || holds_from(self->seen, 1, 1, 1));
	ASSERT_EQ(self->page, mmap(self->page, PAGE, RW, DROPPABLE | MAP_FIXED,
				   -1, 0));
	EXPECT_TRUE(is_zero(self->page, 1));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->p, 1, 1));
	EXPECT_TRUE(holds_from(self->p + 2 * PAGE, 2, 1, 1));
}

TEST_F(pinned, exits_while_pinned)
{
	pid_t pid = fork();
	struct pin pin;

	if (!pid) {
		fill(self->p, 3, 2);
		_exit(!pin_page(&pin, variant->kind, self->page));
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(self->p, 3, 1));
	unpin(&self->pin);
}

/* --------------------------------------------------------- memory pressure */

/* Not mainline: there, only reclaim of anonymous memory drops. */
TEST(drop_caches_drops)
{
	char *p = droppable(64);
	struct mapped m;

	ASSERT_NE(MAP_FAILED, p);
	fill(p, 64, 1);
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_READ));
	EXPECT_TRUE(drop_until_gone(p, 64));
	ASSERT_TRUE(find_mapped(p + PAGE, &m));
	EXPECT_EQ(0, m.rss_kb);
	EXPECT_TRUE(is_zero(p, 64));
	fill(p + PAGE, 63, 2);
	EXPECT_TRUE(holds(p + PAGE, 63, 2));
}

/* After fork, move and split: pages are found where they are now. */
TEST(drop_caches_after_changes)
{
	char *p = droppable(8), *to = mmap(NULL, 8 * PAGE, PROT_NONE, PLAIN,
					   -1, 0);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, to);
	fill(p, 8, 1);
	ASSERT_EQ(to, mremap(p, 4 * PAGE, 4 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	ASSERT_EQ(0, munmap(p + 5 * PAGE, PAGE));
	pid = fork();
	if (!pid) {
		fill(to, 4, 2);
		if (!drop_until_gone(to, 4))
			_exit(1);
		_exit(!is_zero(to, 4));
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(drop_until_gone(to, 4));
	EXPECT_TRUE(drop_until_gone(p + 6 * PAGE, 2));
	EXPECT_TRUE(is_zero(to, 4));
	EXPECT_TRUE(is_zero(p + 6 * PAGE, 2));
}

/* All at once: threads that write, drops, forks, splits. */
TEST(drop_caches_while_written)
{
	struct reader reader[2];
	pthread_t thread[2];
	int i, j;
	pid_t pid;
	char *p;

	for (i = 0; i < 2; i++) {
		reader[i] = (struct reader){ .p = droppable(64), .pages = 64,
					     .tag = 0x5a000000 + i * 256 };
		ASSERT_NE(MAP_FAILED, reader[i].p);
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, write_and_read,
					    &reader[i]));
	}
	for (j = 0; j < 25; j++) {
		p = reader[j % 2].p;
		EXPECT_TRUE(drop_slab());
		EXPECT_EQ(0, madvise(p + (j % 60) * PAGE, 4 * PAGE,
				     MADV_PAGEOUT));
		if (j % 10 == 0) {
			pid = fork();
			if (!pid)
				_exit(!is_zero(p, 64));
			EXPECT_TRUE(child_succeeds(pid));
		}
		p = droppable(4);
		ASSERT_NE(MAP_FAILED, p);
		fill(p, 4, j);
		EXPECT_EQ(0, munmap(p + PAGE, PAGE));
		EXPECT_EQ(0, munmap(p, 4 * PAGE));
	}
	for (i = 0; i < 2; i++) {
		__atomic_store_n(&reader[i].stop, true, __ATOMIC_RELEASE);
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_FALSE(reader[i].failed);
	}
}

#define OUTSIDE_PAGES 64

/* The first 32 nodes; 1 without NUMA. */
static unsigned long online_nodes(void)
{
	unsigned long nodes = 1;
	char path[64];
	int node;

	for (node = 1; node < 32; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d",
			 node);
		if (!access(path, F_OK))
			nodes |= 1UL << node;
	}
	return nodes;
}

FIXTURE(memcg) {
	char mount[64];
	char dir[128];
	bool mounted;
	char *outside;	/* pages of nobody in the group */
};

static bool set_limit(const char *dir, const char *file, const char *value)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return write_file(path, value);
}

/* A child in the group; 0 in the child. */
static pid_t fork_into(const char *dir)
{
	pid_t pid = fork();

	if (!pid && !set_limit(dir, "cgroup.procs", "0"))
		_exit(100);
	return pid;
}

FIXTURE_SETUP(memcg)
{
	unsigned long nodes = online_nodes();

	snprintf(self->mount, sizeof(self->mount), "/sys/fs/cgroup");
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK)) {
		mkdir("/tmp", 01777);
		snprintf(self->mount, sizeof(self->mount), "/tmp/cgroup.%d",
			 getpid());
		ASSERT_EQ(0, mkdir(self->mount, 0700));
		ASSERT_EQ(0, mount("none", self->mount, "cgroup2", 0, NULL));
		self->mounted = true;
	}
	ASSERT_TRUE(set_limit(self->mount, "cgroup.subtree_control",
			      "+memory"));
	snprintf(self->dir, sizeof(self->dir), "%s/droppable.%d", self->mount,
		 getpid());
	ASSERT_EQ(0, mkdir(self->dir, 0700));
	/* absent without swap */
	set_limit(self->dir, "memory.swap.max", "0");

	/* there are some on each node before the group has any */
	self->outside = droppable(OUTSIDE_PAGES);
	ASSERT_NE(MAP_FAILED, self->outside);
	if (nodes != 1)
		ASSERT_EQ(0, syscall(__NR_set_mempolicy, 3 /* INTERLEAVE */,
				     &nodes, 8 * sizeof(nodes)));
	fill(self->outside, OUTSIDE_PAGES, 3);
	if (nodes != 1)
		ASSERT_EQ(0, syscall(__NR_set_mempolicy, 0 /* DEFAULT */, NULL,
				     0L));
}

FIXTURE_TEARDOWN_PARENT(memcg)
{
	if (*self->dir)
		rmdir(self->dir);
	if (self->mounted) {
		umount(self->mount);
		rmdir(self->mount);
	}
}

/* Four times the limit, written in one go. */
TEST_F(memcg, limit_drops_and_spares)
{
	size_t pages = 32 * MIB / PAGE, i;
	struct mapped m;
	long kept;
	pid_t pid;
	char *p;

	ASSERT_TRUE(set_limit(self->dir, "memory.max", "8M"));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		if (p == MAP_FAILED)
			_exit(1);
		for (i = 0; i < pages; i++)
			fill_from(p + i * PAGE, i, 1, 1);
		if (!find_mapped(p, &m) || m.swap_kb)
			_exit(2);
		kept = resident(p, pages);
		if (kept > (long)(8 * MIB / PAGE))
			_exit(3);
		/* one charge that finds no room is no reason to drop all */
		if (kept < (long)(8 * MIB / PAGE) / 3)
			_exit(4);
		for (i = 0; i < pages; i++)
			if (!holds_from(p + i * PAGE, i, 1, 1) &&
			    !is_zero(p + i * PAGE, 1))
				_exit(5);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
	/* and nothing was taken from others */
	EXPECT_EQ(OUTSIDE_PAGES, resident(self->outside, OUTSIDE_PAGES));
}

static void *map_and_unmap(void *arg)
{
	bool *stop = arg;
	char *p;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		p = plain(64);
		if (p == MAP_FAILED || munmap(p, 64 * PAGE))
			_exit(10);
	}
	return NULL;
}

/* Another thread that holds mmap_lock, or waits for it, keeps no page. */
TEST_F(memcg, limit_drops_while_others_map)
{
	size_t pages = 16 * MIB / PAGE, i;
	pthread_t thread[2];
	bool stop = false;
	unsigned int major, minor;
	struct utsname name;
	int round;
	pid_t pid;
	char *p;

	ASSERT_EQ(0, uname(&name));
	ASSERT_TRUE(sscanf(name.release, "%u.%u", &major, &minor) == 2);
	if (major < 6 || (major == 6 && minor < 4))
		SKIP(return, "no locks of VMAs before 6.4: mmap_lock is taken");
	ASSERT_TRUE(set_limit(self->dir, "memory.max", "6M"));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		if (p == MAP_FAILED)
			_exit(1);
		for (i = 0; i < ARRAY_SIZE(thread); i++)
			if (pthread_create(&thread[i], NULL, map_and_unmap,
					   &stop))
				_exit(2);
		for (round = 0; round < 2; round++)
			for (i = 0; i < pages; i++)
				p[i * PAGE] = 1;
		__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
		for (i = 0; i < ARRAY_SIZE(thread); i++)
			pthread_join(thread[i], NULL);
		_exit(0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* A limit that is lowered far below what is there: the pages go, not the process. */
TEST_F(memcg, lowered_limit_drops)
{
	size_t pages = 64 * MIB / PAGE;
	char *p = droppable(pages), c = 0;
	int ready[2], go[2];
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork_into(self->dir);
	if (!pid) {
		fill(p, pages, 1);
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(resident(p, pages) > (long)(4 * MIB / PAGE) ? 2 : 0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_TRUE(set_limit(self->dir, "memory.max", "4M"));
	EXPECT_GE(4 * (long)MIB, counter(self->dir, "memory.current", NULL));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* The pages of a group that is gone are still those of the group above it. */
TEST_F(memcg, limit_drops_what_removed_groups_left)
{
	size_t pages = 8 * MIB / PAGE;
	char one[160], two[160], *p, *q;
	pid_t pid;

	ASSERT_TRUE(set_limit(self->dir, "cgroup.subtree_control", "+memory"));
	snprintf(one, sizeof(one), "%s/one", self->dir);
	snprintf(two, sizeof(two), "%s/two", self->dir);
	ASSERT_EQ(0, mkdir(one, 0700));
	ASSERT_EQ(0, mkdir(two, 0700));
	ASSERT_TRUE(set_limit(self->dir, "memory.max", "12M"));
	pid = fork_into(one);
	if (!pid) {
		p = droppable(pages);
		q = plain(pages);
		if (p == MAP_FAILED || q == MAP_FAILED)
			_exit(1);
		fill(p, pages, 1);
		if (!set_limit(two, "cgroup.procs", "0") || rmdir(one))
			_exit(2);
		fill(q, pages, 2);
		_exit(resident(p, pages) > (long)(4 * MIB / PAGE) ? 3 : 0);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
	EXPECT_EQ(0, rmdir(two));
}

/* Ordinary memory takes the room of droppable memory, and keeps its bytes. */
TEST_F(memcg, ordinary_memory_wins)
{
	size_t pages = 12 * MIB / PAGE, i, kept = 0;
	char *p, *q;
	pid_t pid;

	ASSERT_TRUE(set_limit(self->dir, "memory.max", "20M"));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		q = plain(pages);
		if (p == MAP_FAILED || q == MAP_FAILED)
			_exit(1);
		fill(p, pages, 1);
		fill(q, pages, 2);
		if (!holds(q, pages, 2))
			_exit(2);
		for (i = 0; i < pages; i++)
			if (p[i * PAGE])
				kept++;
		_exit(kept < pages ? 0 : 3);
	}
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* Many processes, one page each, as with a libc's states. */
TEST_F(memcg, limit_reaches_other_processes)
{
	enum { CHILDREN = 16 };
	size_t pages = MIB / PAGE;
	char *p = droppable(pages), *q, c = 0;
	int ready[2], go[2], i;
	pid_t pid[CHILDREN], hog;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	ASSERT_TRUE(set_limit(self->dir, "memory.max", "24M"));
	for (i = 0; i < CHILDREN; i++) {
		pid[i] = fork_into(self->dir);
		if (!pid[i]) {
			close(go[1]);
			fill(p, pages, i);
			if (write(ready[1], &c, 1) != 1 ||
			    read(go[0], &c, 1) != 0)
				_exit(1);
			_exit(resident(p, pages) == (long)pages ? 10 : 0);
		}
		ASSERT_EQ(1, read(ready[0], &c, 1));
	}
	hog = fork_into(self->dir);
	if (!hog) {
		q = plain(16 * pages);
		if (q == MAP_FAILED)
			_exit(1);
		fill(q, 16 * pages, 1);
		_exit(!holds(q, 16 * pages, 1));
	}
	EXPECT_EQ(0, child_result(hog));
	close(go[1]);
	for (i = 0, c = 0; i < CHILDREN; i++) {
		switch (child_result(pid[i])) {
		case 0:
			c++;
			break;
		case 10:
			break;
		default:
			c = -100;
		}
	}
	EXPECT_LE(8, c) TH_LOG("%d processes gave pages", c);
	EXPECT_EQ(0, counter(self->dir, "memory.events", "oom_kill"));
}

/* What the per-CPU stocks of charges and the slab may hold back. */
#define SLACK (2 * (long)MIB)

TEST_F(memcg, charged_and_uncharged)
{
	size_t pages = 16 * MIB / PAGE;
	long before, during, after;
	pid_t pid;
	char *p;

	pid = fork_into(self->dir);
	if (!pid) {
		before = counter(self->dir, "memory.current", NULL);
		p = droppable(pages);
		if (p == MAP_FAILED || before < 0)
			_exit(1);
		fill(p, pages, 1);
		during = counter(self->dir, "memory.current", NULL);
		if (during - before < 16 * (long)MIB - SLACK ||
		    during - before > 18 * (long)MIB + SLACK)
			_exit(2);
		if (madvise(p, 8 * MIB, MADV_DONTNEED))
			_exit(3);
		after = counter(self->dir, "memory.current", NULL);
		if (during - after < 8 * (long)MIB - SLACK)
			_exit(4);
		munmap(p, pages * PAGE);
		after = counter(self->dir, "memory.current", NULL);
		_exit(after - before > SLACK ? 5 : 0);
	}
	EXPECT_EQ(0, child_result(pid));
}

/* A page is its owner's, whoever made it come. */
TEST_F(memcg, charges_the_owner)
{
	size_t pages = 8 * MIB / PAGE;
	char *p = droppable(pages), *q = plain(pages), c = 0;
	struct iovec local = { q, 8 * MIB }, remote = { p, 8 * MIB };
	int ready[2], go[2];
	long before;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	fill(q, pages, 1);
	pid = fork_into(self->dir);
	if (!pid) {
		if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(!holds(p, pages, 1));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	before = counter(self->dir, "memory.current", NULL);
	ASSERT_LE(0, before);
	EXPECT_EQ((ssize_t)(8 * MIB),
		  process_vm_writev(pid, &local, 1, &remote, 1, 0));
	EXPECT_LE(before + 8 * (long)MIB - SLACK,
		  counter(self->dir, "memory.current", NULL));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_TRUE(is_zero(p, pages));
}

TEST_F(memcg, nothing_leaks)
{
	long before, after;
	char *p, *to;
	pid_t pid, child;
	int i;

	pid = fork_into(self->dir);
	if (!pid) {
		to = mmap(NULL, 16 * PAGE, PROT_NONE, PLAIN, -1, 0);
		before = counter(self->dir, "memory.current", NULL);
		for (i = 0; i < 1000; i++) {
			p = droppable(16);
			if (p == MAP_FAILED)
				_exit(1);
			fill(p, 16, i);
			if (i % 4 == 1)
				madvise(p, 8 * PAGE, MADV_DONTNEED);
			if (i % 4 == 2)
				munmap(p + 4 * PAGE, 4 * PAGE);
			if (i % 4 == 3) {
				/* the place stays taken in between */
				if (mremap(p, 16 * PAGE, 16 * PAGE,
					   MREMAP_MAYMOVE | MREMAP_FIXED, to) !=
				    to)
					_exit(2);
				p = mmap(to, 16 * PAGE, PROT_NONE,
					 PLAIN | MAP_FIXED, -1, 0);
				if (p != to)
					_exit(3);
				continue;
			}
			if (i % 10 == 0) {
				child = fork();
				if (!child) {
					fill(p, 4, 2);
					_exit(0);
				}
				if (!child_succeeds(child))
					_exit(4);
			}
			if (munmap(p, 16 * PAGE))
				_exit(5);
		}
		after = counter(self->dir, "memory.current", NULL);
		_exit(after - before > SLACK ? 6 : 0);
	}
	EXPECT_EQ(0, child_result(pid));
}

/* The group goes, its pages stay: with their new owner they can be dropped. */
TEST_F(memcg, outlives_its_group)
{
	size_t pages = 64;
	int ready[2], go[2];
	char *p, c = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork_into(self->dir);
	if (!pid) {
		p = droppable(pages);
		if (p == MAP_FAILED)
			_exit(1);
		fill(p, pages, 1);
		if (!set_limit(self->mount, "cgroup.procs", "0") ||
		    write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1)
			_exit(2);
		if (!holds(p, pages, 1))
			_exit(3);
		if (madvise(p, PAGE, MADV_DONTNEED) || !is_zero(p, 1))
			_exit(4);
		/* reparented lists: dropping must neither miss nor crash */
		drop_slab();
		fill(p, pages, 2);
		if (!holds(p, pages, 2))
			_exit(5);
		_exit(munmap(p, pages * PAGE) ? 6 : 0);
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(0, rmdir(self->dir));
	ASSERT_EQ(1, write(go[1], &c, 1));
	EXPECT_EQ(0, child_result(pid));
}

/* ----------------------------------------------------------- wiped on free */

/*
 * Not mainline: no page leaves the mapping with its content. Physical memory
 * is looked at through /dev/mem, at the frames that pagemap told before.
 */
enum ending {
	BY_MUNMAP, BY_PARTIAL_MUNMAP, BY_DONTNEED, BY_FREE, BY_PAGEOUT,
	BY_DROP_CACHES, BY_MAP_FIXED, BY_SHRINK, BY_MREMAP_ONTO, BY_EXIT,
	BY_EXEC, BY_KILL,
};

#define WIPED_PAGES 500

FIXTURE(wiped) {
	int mem;
	unsigned long long *frame;	/* shared with children */
};

FIXTURE_VARIANT(wiped) {
	enum ending ending;
};

FIXTURE_VARIANT_ADD(wiped, by_munmap) { BY_MUNMAP };
FIXTURE_VARIANT_ADD(wiped, by_partial_munmap) { BY_PARTIAL_MUNMAP };
FIXTURE_VARIANT_ADD(wiped, by_dontneed) { BY_DONTNEED };
FIXTURE_VARIANT_ADD(wiped, by_free) { BY_FREE };
FIXTURE_VARIANT_ADD(wiped, by_pageout) { BY_PAGEOUT };
FIXTURE_VARIANT_ADD(wiped, by_drop_caches) { BY_DROP_CACHES };
FIXTURE_VARIANT_ADD(wiped, by_map_fixed) { BY_MAP_FIXED };
FIXTURE_VARIANT_ADD(wiped, by_shrink) { BY_SHRINK };
FIXTURE_VARIANT_ADD(wiped, by_mremap_onto) { BY_MREMAP_ONTO };
FIXTURE_VARIANT_ADD(wiped, by_exit) { BY_EXIT };
FIXTURE_VARIANT_ADD(wiped, by_exec) { BY_EXEC };
FIXTURE_VARIANT_ADD(wiped, by_kill) { BY_KILL };

static bool find_frames(const char *p, size_t pages, unsigned long long *frame)
{
	size_t len = pages * sizeof(*frame), i;
	bool ok;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	ok = pread(fd, frame, len, (off_t)((uintptr_t)p / PAGE * 8)) ==
	     (ssize_t)len;
	close(fd);
	for (i = 0; ok && i < pages; i++) {
		ok = frame[i] >> 63;
		frame[i] &= (1ULL << 55) - 1;
	}
	return ok;
}

/* How many of the frames still hold their page; -1: cannot be read. */
static int count_held(int mem, const unsigned long long *frame, size_t pages,
		      unsigned int seed)
{
	char bytes[16];
	size_t i, j;
	int held = 0;

	for (i = 0; i < pages; i++) {
		if (pread(mem, bytes, sizeof(bytes),
			  (off_t)(frame[i] * PAGE)) != sizeof(bytes))
			return -1;
		for (j = 0; j < sizeof(bytes); j++)
			if ((unsigned char)bytes[j] !=
			    pattern(seed, i * PAGE + j))
				break;
		held += j == sizeof(bytes);
	}
	return held;
}

FIXTURE_SETUP(wiped)
{
	char path[64], *p = plain(WIPED_PAGES);

	mkdir("/tmp", 01777);
	snprintf(path, sizeof(path), "/tmp/mem.%d", getpid());
	ASSERT_EQ(0, mknod(path, S_IFCHR | 0600, makedev(1, 1)));
	self->mem = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	self->frame = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, self->frame);
	fill(p, WIPED_PAGES, 1);
	/* what cannot find ordinary memory either, proves nothing */
	if (self->mem < 0 || !find_frames(p, WIPED_PAGES, self->frame) ||
	    count_held(self->mem, self->frame, WIPED_PAGES, 1) != WIPED_PAGES)
		SKIP(return, "physical memory is not readable");
}

FIXTURE_TEARDOWN(wiped)
{
}

/* In a child: ends the life of the pages at p. */
static bool end_pages(enum ending ending, char *p)
{
	size_t len = WIPED_PAGES * PAGE;
	char *q;

	switch (ending) {
	case BY_MUNMAP:
		return !munmap(p, len);
	case BY_PARTIAL_MUNMAP:
		return !munmap(p + len / 2, len / 2) && !munmap(p, len / 4) &&
		       !munmap(p + len / 4, len / 4);
	case BY_DONTNEED:
		return !madvise(p, len, MADV_DONTNEED);
	case BY_FREE:
		return !madvise(p, len, MADV_FREE);
	case BY_PAGEOUT:
		return !madvise(p, len, MADV_PAGEOUT);
	case BY_DROP_CACHES:
		return drop_until_gone(p, WIPED_PAGES);
	case BY_MAP_FIXED:
		return mmap(p, len, RW, DROPPABLE | MAP_FIXED, -1, 0) == p;
	case BY_SHRINK:
		return mremap(p, len, PAGE, 0) == p && !munmap(p, PAGE);
	case BY_MREMAP_ONTO:
		q = droppable(WIPED_PAGES);
		return mremap(q, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, p) ==
		       p;
	case BY_EXIT:
		_exit(0);
	case BY_EXEC:
		execl("/bin/sh", "sh", "-c", "exit 4", NULL);
		_exit(1);
	case BY_KILL:
		raise(SIGKILL);
	}
	return false;
}

TEST_F(wiped, frames_are_clean)
{
	pid_t pid = fork();
	int want;
	char *p;

	if (!pid) {
		p = droppable(WIPED_PAGES);
		if (p == MAP_FAILED)
			_exit(1);
		fill(p, WIPED_PAGES, 7);
		if (!find_frames(p, WIPED_PAGES, self->frame) ||
		    count_held(self->mem, self->frame, WIPED_PAGES, 7) !=
		    WIPED_PAGES)
			_exit(2);
		self->frame[WIPED_PAGES] = 1;
		if (!end_pages(variant->ending, p))
			_exit(3);
		/* still alive: look before an exit could clean up */
		_exit(count_held(self->mem, self->frame, WIPED_PAGES, 7) ? 5 :
		      0);
	}
	want = variant->ending == BY_KILL ? 256 + SIGKILL :
	       variant->ending == BY_EXEC ? KSFT_SKIP : 0;
	EXPECT_EQ(want, child_result(pid));
	ASSERT_EQ(1, self->frame[WIPED_PAGES]);
	EXPECT_EQ(0, count_held(self->mem, self->frame, WIPED_PAGES, 7));
}

/* --------------------------------------------------------------- core dump */

#define MARKER_LEN 64

FIXTURE(core) {
	char pattern[128];
	char dir[32];
	unsigned int seed;
};

FIXTURE_VARIANT(core) {
	const char *filter;
};

FIXTURE_VARIANT_ADD(core, default_filter) { "0x33" };
FIXTURE_VARIANT_ADD(core, filter_7f) { "0x7f" };
FIXTURE_VARIANT_ADD(core, filter_ff) { "0xff" };
FIXTURE_VARIANT_ADD(core, filter_1ff) { "0x1ff" };

FIXTURE_SETUP(core)
{
	mkdir("/tmp", 01777);
	snprintf(self->dir, sizeof(self->dir), "/tmp/core.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_TRUE(read_file(CORE_PATTERN, self->pattern,
			      sizeof(self->pattern)));
	ASSERT_TRUE(write_file(CORE_PATTERN, "core.%p"));
	self->seed = (unsigned int)getpid() * 7919;
}

FIXTURE_TEARDOWN_PARENT(core)
{
	EXPECT_TRUE(write_file(CORE_PATTERN, self->pattern));
	EXPECT_EQ(0, rmdir(self->dir));
}

/*
 * Byte by byte, so that no register, which a core shows too, holds more of
 * the marker than a byte.
 */
static void put_marker(char *p, unsigned int seed)
{
	size_t i;

	for (i = 0; i < MARKER_LEN; i++)
		__atomic_store_n(p + i,
				 (char)pattern(seed * MARKER_LEN + i, 0),
				 __ATOMIC_RELAXED);
}

/* Any quarter of the marker counts. */
static bool has_marker(const char *text, size_t len, unsigned int seed)
{
	char marker[MARKER_LEN];
	size_t i, quarter = MARKER_LEN / 4;

	put_marker(marker, seed);
	for (i = 0; i < MARKER_LEN; i += quarter)
		if (memmem(text, len, marker + i, quarter))
			return true;
	return false;
}

TEST_F(core, leaves_the_pages_out)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned int seed = self->seed;
	char path[64], *p, *q, *to, *core;
	struct stat st;
	int status, fd;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (chdir(self->dir) || setrlimit(RLIMIT_CORE, &unlimited) ||
		    prctl(PR_SET_DUMPABLE, 1) ||
		    !write_file("/proc/self/coredump_filter", variant->filter))
			_exit(1);
		p = droppable(8);
		q = plain(1);
		to = mmap(NULL, PAGE, PROT_NONE, PLAIN, -1, 0);
		if (p == MAP_FAILED || q == MAP_FAILED || to == MAP_FAILED)
			_exit(2);
		put_marker(q, seed);
		/* as mapped, split off, moved, named, and with failed advice */
		put_marker(p, seed + 1);
		put_marker(p + 2 * PAGE, seed + 2);
		put_marker(p + 4 * PAGE, seed + 3);
		put_marker(p + 6 * PAGE, seed + 4);
		if (mprotect(p + 2 * PAGE, PAGE, PROT_READ) ||
		    mremap(p + 4 * PAGE, PAGE, PAGE,
			   MREMAP_MAYMOVE | MREMAP_FIXED, to) != to ||
		    !name_range(p + 6 * PAGE, 1, "named") ||
		    !madvise(p, PAGE, MADV_DODUMP))
			_exit(3);
		raise(SIGABRT);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_TRUE(WCOREDUMP(status));
	snprintf(path, sizeof(path), "%s/core.%d", self->dir, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	unlink(path);
	ASSERT_EQ(0, fstat(fd, &st));
	core = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, core);
	/* without this the search could not fail */
	EXPECT_TRUE(has_marker(core, (size_t)st.st_size, seed));
	EXPECT_FALSE(has_marker(core, (size_t)st.st_size, seed + 1));
	EXPECT_FALSE(has_marker(core, (size_t)st.st_size, seed + 2));
	EXPECT_FALSE(has_marker(core, (size_t)st.st_size, seed + 3));
	EXPECT_FALSE(has_marker(core, (size_t)st.st_size, seed + 4));
	close(fd);
}

TEST_HARNESS_MAIN
