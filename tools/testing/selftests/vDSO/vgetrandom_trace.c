// SPDX-License-Identifier: GPL-2.0
/*
 * What an administrator sees of mmap(MAP_DROPPABLE): the counts in /proc/vmstat and in a cgroup's
 * memory.stat, and the events below /sys/kernel/tracing/events/vgetrandom.
 */

#include "vgetrandom_drop.h"
#include "vgetrandom_proc.h"
#include <linux/mempolicy.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include "vgetrandom_harness.h"

#define TRACING "/sys/kernel/tracing"
#define PAGES 16
#define NODES 32

/* A number of /proc/vmstat, with what the CPUs have counted by themselves; -1: there is none. */
static long counted(const char *name)
{
	if (!write_file("/proc/sys/vm/stat_refresh", "1"))
		return -1;
	return number_in("/proc/vmstat", name);
}

/* Until other processes that have just ended are gone. */
static long resident_now(void)
{
	long pages = -1, before;
	int i;

	for (i = 0; i < 50; i++) {
		before = pages;
		pages = counted("nr_vgetrandom_pages");
		if (i && pages == before)
			break;
		usleep(300000);
	}
	return pages;
}

TEST(vmstat_counts_resident_pages)
{
	long before = resident_now();
	char *p = droppable(PAGES);

	ASSERT_LE(0, before);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(before, counted("nr_vgetrandom_pages"));
	fill(p, PAGES, 1);
	EXPECT_EQ(before + PAGES, counted("nr_vgetrandom_pages"));
	EXPECT_EQ(0, madvise(p, 3 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(before + PAGES - 3, counted("nr_vgetrandom_pages"));
	EXPECT_EQ(0, munmap(p, PAGES * PAGE));
	EXPECT_EQ(before, counted("nr_vgetrandom_pages"));
}

/* The pages of a node; -1: it is not there, or tells nothing. */
static long on_node(unsigned int node)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/sys/devices/system/node/node%u", node);
	return counter(dir, "vmstat", "nr_vgetrandom_pages");
}

/* Spread over all nodes, as far as there are some; all are then freed at once. */
TEST(each_node_counts_its_pages)
{
	long before[NODES], pages[NODES] = { 0 };
	unsigned long all = 0;
	unsigned int node;
	char *p;
	int i;

	ASSERT_LE(0, resident_now());
	for (node = 0; node < NODES; node++) {
		before[node] = on_node(node);
		if (before[node] >= 0)
			all |= 1UL << node;
	}
	if (!all)
		SKIP(return, "no numbers of nodes");
	p = droppable(PAGES);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, syscall(__NR_set_mempolicy, MPOL_INTERLEAVE, &all, 8 * sizeof(all)));
	fill(p, PAGES, 1);
	ASSERT_EQ(0, syscall(__NR_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(0, syscall(__NR_get_mempolicy, &node, NULL, 0, p + i * PAGE,
				     MPOL_F_NODE | MPOL_F_ADDR));
		ASSERT_GT(NODES, node);
		pages[node]++;
	}
	ASSERT_LE(0, counted("nr_vgetrandom_pages"));
	for (node = 0; node < NODES; node++)
		EXPECT_EQ(before[node] + pages[node], on_node(node));
	EXPECT_EQ(0, munmap(p, PAGES * PAGE));
	ASSERT_LE(0, counted("nr_vgetrandom_pages"));
	for (node = 0; node < NODES; node++)
		EXPECT_EQ(before[node], on_node(node));
}

TEST(vmstat_counts_what_reclaim_drops)
{
	long before = resident_now() < 0 ? -1 : counted("vgetrandom_dropped");
	char *p = droppable(PAGES);

	ASSERT_LE(0, before);
	ASSERT_LE(0, counted("vgetrandom_skipped"));
	ASSERT_NE(MAP_FAILED, p);
	fill(p, PAGES, 1);
	/* the program's own wish is none of the kernel's */
	EXPECT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_EQ(before, counted("vgetrandom_dropped"));
	EXPECT_TRUE(drop_until_gone(p, PAGES));
	/* somebody else may have had some */
	EXPECT_LE(before + PAGES - 1, counted("vgetrandom_dropped"));
}

TEST(memory_stat_has_a_line)
{
	char dir[64], path[96];
	int to[2], from[2];
	char word = 0;
	pid_t pid;
	long bytes;
	int i;

	snprintf(dir, sizeof(dir), "/sys/fs/cgroup/vgetrandom_trace.%d", getpid());
	ASSERT_TRUE(write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	ASSERT_EQ(0, mkdir(dir, 0700));
	ASSERT_EQ(0, pipe(to));
	ASSERT_EQ(0, pipe(from));
	EXPECT_EQ(0, counter(dir, "memory.stat", "vgetrandom"));
	pid = fork();
	if (!pid) {
		char *p;

		snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
		p = write_file(path, "0") ? droppable(300) : MAP_FAILED;
		if (p == MAP_FAILED)
			_exit(1);
		fill(p, 300, 1);
		_exit(write(to[1], "x", 1) != 1 || read(from[0], &word, 1) != 1);
	}
	ASSERT_EQ(1, read(to[0], &word, 1));
	/* the numbers of all CPUs are added up every two seconds */
	for (i = 0; i < 50; i++) {
		bytes = counter(dir, "memory.stat", "vgetrandom");
		if (bytes == 300 * (long)PAGE)
			break;
		usleep(100000);
	}
	EXPECT_EQ(300 * (long)PAGE, bytes);
	EXPECT_EQ(1, write(from[1], "x", 1));
	EXPECT_EQ(0, child_result(pid));
	for (i = 0; i < 50 && counter(dir, "memory.stat", "vgetrandom"); i++)
		usleep(100000);
	EXPECT_EQ(0, counter(dir, "memory.stat", "vgetrandom"));
	EXPECT_EQ(0, rmdir(dir));
}

/* A trace of our own, whoever else is tracing. */
struct trace {
	char dir[96];
	char text[65536];
	char *p;
};

FIXTURE(events) {
	struct trace trace;
};

static bool set_trace(const char *dir, const char *file, const char *value)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return write_file(path, value);
}

FIXTURE_SETUP(events)
{
	if (access(TRACING "/events", F_OK))
		ASSERT_EQ(0, mount("none", TRACING, "tracefs", 0, NULL));
	snprintf(self->trace.dir, sizeof(self->trace.dir), TRACING "/instances/vgetrandom.%d",
		 getpid());
	ASSERT_EQ(0, mkdir(self->trace.dir, 0700));
	ASSERT_TRUE(set_trace(self->trace.dir, "events/vgetrandom/enable", "1"));
	self->trace.p = droppable(PAGES);
	ASSERT_NE(MAP_FAILED, self->trace.p);
}

FIXTURE_TEARDOWN_PARENT(events)
{
	if (*self->trace.dir) {
		set_trace(self->trace.dir, "events/vgetrandom/enable", "0");
		rmdir(self->trace.dir);
	}
}

/* How many lines of the trace have all of: the event, the address of page number n, the text. */
static int traced(struct trace *trace, const char *event, size_t n, const char *text)
{
	char path[160], address[48], *line, *rest = trace->text;
	size_t size = 0;
	int count = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", trace->dir);
	f = fopen(path, "re");
	if (!f)
		return -1;
	size = fread(trace->text, 1, sizeof(trace->text) - 1, f);
	fclose(f);
	trace->text[size] = '\0';
	snprintf(address, sizeof(address), "address=%lx ", (unsigned long)(trace->p + n * PAGE));
	while ((line = strsep(&rest, "\n")))
		count += strstr(line, event) && strstr(line, address) && strstr(line, text);
	return count;
}

TEST_F(events, fault)
{
	fill(self->trace.p, 2, 1);
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_fault:", 0, "fresh=1"));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_fault:", 1, "fresh=1"));
	EXPECT_EQ(0, traced(&self->trace, "vgetrandom_fault:", 2, ""));
}

TEST_F(events, fork)
{
	char range[64], text[4096], path[160];
	pid_t pid;

	fill(self->trace.p, 1, 1);
	pid = fork();
	if (!pid)
		_exit(0);
	EXPECT_EQ(0, child_result(pid));
	snprintf(path, sizeof(path), "%s/trace", self->trace.dir);
	ASSERT_TRUE(read_file(path, text, sizeof(text)));
	snprintf(range, sizeof(range), "range=%lx-%lx", (unsigned long)self->trace.p,
		 (unsigned long)(self->trace.p + PAGES * PAGE));
	ASSERT_NE(NULL, strstr(text, "vgetrandom_fork:"));
	EXPECT_NE(NULL, strstr(strstr(text, "vgetrandom_fork:"), range));
}

TEST_F(events, drop_tells_its_cause)
{
	char *p = self->trace.p;

	fill(p, PAGES, 1);
	EXPECT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, madvise(p + PAGE, PAGE, MADV_FREE));
	EXPECT_EQ(0, madvise(p + 2 * PAGE, PAGE, MADV_PAGEOUT));
	EXPECT_EQ(0, munmap(p + 3 * PAGE, PAGE));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_drop:", 0, "cause=dontneed"));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_drop:", 1, "cause=dontneed"));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_drop:", 2, "cause=pageout"));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_drop:", 3, "cause=unmap"));
	EXPECT_EQ(0, traced(&self->trace, "vgetrandom_drop:", 4, ""));
	EXPECT_TRUE(drop_until_gone(p + 4 * PAGE, 1));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_drop:", 4, "cause=reclaim"));
}

TEST_F(events, skip_tells_its_cause)
{
	struct iovec page = { self->trace.p, PAGE };
	int pipes[2];

	fill(self->trace.p, 2, 1);
	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ((long)PAGE, vmsplice(pipes[1], &page, 1, 0));
	/* just used */
	ASSERT_TRUE(drop_slab());
	EXPECT_LE(1, traced(&self->trace, "vgetrandom_skip:", 1, "cause=used"));
	EXPECT_TRUE(drop_until_gone(self->trace.p + PAGE, 1));
	EXPECT_EQ(1, traced(&self->trace, "vgetrandom_drop:", 1, "cause=reclaim"));
	EXPECT_LE(1, traced(&self->trace, "vgetrandom_skip:", 0, "cause=pinned"));
	EXPECT_EQ(0, traced(&self->trace, "vgetrandom_drop:", 0, ""));
	EXPECT_EQ(1, resident(self->trace.p, 1));
}

TEST_HARNESS_MAIN
