// SPDX-License-Identifier: GPL-2.0
/*
 * Writes words that nobody else has to MAP_DROPPABLE pages and lets the pages go, in each way that
 * there is: the host then looks for the words in the guest's memory (scripts/traces).
 *
 *	vgetrandom_traces SEED
 *
 * Each word is made where it is written, from SEED, the way's number and the word's: there is never
 * a copy elsewhere. Each way prints a line "way NUMBER NAME"; the last one is memory that is still
 * in use. When all have come to their end, the program says so to the host, and waits for its answer.
 */

#define _GNU_SOURCE

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define PAGES		64
#define SIZE		(PAGES * PAGE)
#define LIMIT		(16 * MIB)
#define LIMIT_TEXT	"16M"

static uint64_t seed;

/* Pages of the memory, full of the words of a way. */
static unsigned char *written(unsigned int way)
{
	uint64_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1,
			   0);

	if (p == MAP_FAILED)
		err(1, "mmap(MAP_DROPPABLE)");
	for (uint64_t i = 0; i < SIZE / sizeof(*p); i++)
		((volatile uint64_t *)p)[i] = traces_word(seed, way, i);
	return (unsigned char *)p;
}

/* Other memory, written: on the node where no page is that is looked for. */
static void hog(size_t size)
{
	unsigned long node = 1UL << 1;
	char *p;

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8 * sizeof(node)))
		err(1, "set_mempolicy");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	for (size_t i = 0; i < size; i += PAGE)
		((volatile char *)p)[i] = 1;
}

/* What a child does with its pages; it lives on if the function returns. */
static void by_munmap(unsigned char *p)
{
	munmap(p, SIZE);
}

static void by_map_fixed(unsigned char *p)
{
	if (mmap(p, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		err(1, "mmap");
}

static void by_mremap(unsigned char *p)
{
	if (mremap(p, SIZE, PAGE, 0) != p)
		err(1, "mremap");
	munmap(p, PAGE);
}

static void by_dontneed(unsigned char *p)
{
	madvise(p, SIZE, MADV_DONTNEED);
}

static void by_pageout(unsigned char *p)
{
	madvise(p, SIZE, MADV_PAGEOUT);
}

static void by_exit(unsigned char *p)
{
	(void)p;
	_exit(0);
}

static void by_exec(unsigned char *p)
{
	(void)p;
	execl("/proc/self/exe", "vgetrandom_traces", "nothing", NULL);
	err(1, "exec");
}

static void by_sigkill(unsigned char *p)
{
	(void)p;
	raise(SIGKILL);
}

static void by_core_dump(unsigned char *p)
{
	(void)p;
	abort();
}

/* Most pages are dropped to make room for others. What is still there is given back. */
static void by_pressure(unsigned char *p)
{
	unsigned char there[PAGES];
	unsigned int lost = 0;
	size_t hogged = LIMIT - 4 * SIZE;

	/*
	 * Bit by bit, as it differs what else the group has, processors' stocks among it. Nothing
	 * but these pages can make room for the last.
	 */
	hog(hogged);
	while (lost < PAGES / 2 && hogged < LIMIT) {
		hog(SIZE / 8);
		hogged += SIZE / 8;
		if (mincore(p, SIZE, there))
			err(1, "mincore");
		lost = 0;
		for (unsigned int i = 0; i < PAGES; i++)
			lost += !(there[i] & 1);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		if (there[i] & 1)
			munmap(p + i * PAGE, PAGE);
	if (lost < PAGES / 2)
		errx(1, "%u of %d pages were dropped under pressure", lost, PAGES);
}

static void by_oom_kill(unsigned char *p)
{
	(void)p;
	hog(4 * LIMIT);
	errx(1, "nobody was killed for memory");
}

/*
 * fork() copies the mappings in the order of their addresses, and fails with the last one of this
 * process: more than may be committed to.
 */
static void by_failed_fork(unsigned char *p)
{
	char *high = (char *)0x7ff000000000;

	(void)p;
	put("/proc/sys/vm/overcommit_memory", "1");
	if (mmap(high, 512 * MIB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != high)
		err(1, "mmap");
	put("/proc/sys/vm/overcommit_ratio", "10");
	put("/proc/sys/vm/overcommit_memory", "2");
	if (fork() != -1 || errno != ENOMEM)
		errx(1, "fork() was to fail");
	put("/proc/sys/vm/overcommit_memory", "0");
	_exit(0);
}

static void by_fork(unsigned char *p)
{
	pid_t pid = fork();

	(void)p;
	if (pid)
		waitpid(pid, NULL, 0);
	_exit(0);
}

static void by_drop_caches(unsigned char *p)
{
	(void)p;
	/* the first time they have been used since they were last looked at */
	put("/proc/sys/vm/drop_caches", "2");
	put("/proc/sys/vm/drop_caches", "2");
}

/*
 * All pages are written before the first ones go, or those of a way would be the next one's. What
 * needs memory itself comes first.
 */
static const struct {
	const char *name;
	void (*act)(unsigned char *p);
	int status;
	bool lives;
	bool limited;
} ways[] = {
	{ "core-dump", by_core_dump, .status = SIGABRT | 0x80 },
	{ "memory-pressure", by_pressure, .lives = true, .limited = true },
	{ "OOM-kill", by_oom_kill, .status = SIGKILL, .limited = true },
	{ "munmap", by_munmap, .lives = true },
	{ "MAP_FIXED", by_map_fixed, .lives = true },
	{ "mremap-shrink", by_mremap, .lives = true },
	{ "MADV_DONTNEED", by_dontneed, .lives = true },
	{ "MADV_PAGEOUT", by_pageout, .lives = true },
	{ "exit", by_exit, .status = 0 },
	{ "exec", by_exec, .status = 0 },
	{ "SIGKILL", by_sigkill, .status = SIGKILL },
	{ "fork", by_fork, .status = 0 },
	{ "failed-fork", by_failed_fork, .status = 0 },
	{ "drop_caches", by_drop_caches, .lives = true },
};

#define WAYS	(sizeof(ways) / sizeof(*ways))

/* Has a memory cgroup of its own for this process. */
static void limit(unsigned int way)
{
	char group[64], path[96];

	snprintf(group, sizeof(group), "/sys/fs/cgroup/traces.%u", way);
	if (mkdir(group, 0700))
		err(1, "%s", group);
	snprintf(path, sizeof(path), "%s/memory.max", group);
	put(path, LIMIT_TEXT);
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	put(path, "0");
}

static void wait_for_byte(int from)
{
	if (read(from, (char [1]){}, 1) != 1)
		_exit(1);
}

static void give_byte(int to)
{
	if (write(to, "", 1) != 1)
		err(1, "write");
}

/* A child's whole life. */
static void child(unsigned int way, int from, int to)
{
	unsigned char *p;

	if (ways[way].limited)
		limit(way);
	p = written(way);
	give_byte(to);
	wait_for_byte(from);
	ways[way].act(p);
	if (!ways[way].lives)
		errx(1, "%s: the process was to end", ways[way].name);
	give_byte(to);
	for (;;)
		pause();
}

static void all_ways(void)
{
	struct {
		pid_t pid;
		int go[2];
		int done[2];
	} children[WAYS];
	int status;

	for (unsigned int i = 0; i < WAYS; i++) {
		if (pipe(children[i].go) || pipe(children[i].done))
			err(1, "pipe");
		children[i].pid = fork();
		if (children[i].pid < 0)
			err(1, "fork");
		if (!children[i].pid)
			child(i, children[i].go[0], children[i].done[1]);
		close(children[i].done[1]);
		wait_for_byte(children[i].done[0]);
	}
	for (unsigned int i = 0; i < WAYS; i++) {
		give_byte(children[i].go[1]);
		if (ways[i].lives)
			wait_for_byte(children[i].done[0]);
		else if (waitpid(children[i].pid, &status, 0) != children[i].pid ||
			 status != ways[i].status)
			errx(1, "%s: status %x instead of %x", ways[i].name, status,
			     ways[i].status);
		printf("way %u %s\n", i, ways[i].name);
	}
	written(WAYS);
	printf("way %zu mapped\n", WAYS);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned long node = 1;

	if (argc != 2)
		errx(2, "usage: vgetrandom_traces SEED");
	if (!strcmp(argv[1], "nothing"))
		return 0;
	seed = strtoull(argv[1], NULL, 0);
	/* core dumps go to memory, too, whole */
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }))
		err(1, "setrlimit");
	put("/proc/sys/kernel/core_pattern", "/tmp/core");
	put("/proc/self/coredump_filter", "0xff");
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8 * sizeof(node)))
		err(1, "set_mempolicy");
	all_ways();

	save_memory();
	printf("done\n");
	return 0;
}
