// SPDX-License-Identifier: GPL-2.0
/*
 * Core dumps have nothing of memory of mmap(MAP_DROPPABLE).
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include <sys/resource.h>
#include "vgetrandom_harness.h"

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"
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
