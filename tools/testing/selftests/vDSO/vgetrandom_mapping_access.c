// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel reads and writes memory of mmap(MAP_DROPPABLE), for the process itself or for
 * another.
 */

#include "vgetrandom_mapping.h"
#include <sys/ptrace.h>
#include <sys/uio.h>
#include "vgetrandom_harness.h"

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

TEST_HARNESS_MAIN
