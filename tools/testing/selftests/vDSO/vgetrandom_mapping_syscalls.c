// SPDX-License-Identifier: GPL-2.0
/*
 * System calls that change how memory is managed, waited on or placed, for memory of
 * mmap(MAP_DROPPABLE).
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include "vgetrandom_harness.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif

/* 32-bit kernels and configurations without 32-bit time have only this one. */
#ifdef __NR_futex_time64
#define FUTEX_CALL __NR_futex_time64
#else
#define FUTEX_CALL __NR_futex
#endif

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

TEST_HARNESS_MAIN
