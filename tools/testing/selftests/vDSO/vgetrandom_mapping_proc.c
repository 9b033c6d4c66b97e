// SPDX-License-Identifier: GPL-2.0
/*
 * What a program is told of memory of mmap(MAP_DROPPABLE): by the files of /proc/PID, and
 * mincore().
 */

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include "vgetrandom_harness.h"

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

TEST_HARNESS_MAIN
