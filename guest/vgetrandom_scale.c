// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what MAP_DROPPABLE memory costs, per page, mapping, thread or process, when there is
 * little of it and when there is much. The clock should be one that counts instructions
 * (scripts/counts scale). Each line is a name, a number and its unit; ends with "done".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "guest.h"

#define PAGES		(1UL << 18)	/* 1 GiB */
#define FEW_PAGES	(1UL << 14)
#define MAPPINGS	10000
#define FEW_MAPPINGS	1000
#define RECLAIM_PAGES	(1UL << 16)
#define THREADS		256
#define FEW_THREADS	32
#define PROCESSES	1000
#define FEW_PROCESSES	100
#define GROUP		"/sys/fs/cgroup/scale"

static unsigned long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000UL + t.tv_nsec;
}

static void tell(const char *name, unsigned long since, unsigned long num, const char *of)
{
	printf("%s %lu ns-per-%s\n", name, (now() - since) / num, of);
	fflush(stdout);
}

static char *map(size_t pages, int flags)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void touch(char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((volatile char *)p)[i * PAGE] = 1;
}

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child failed");
}

/* Clearing a page, as the kernel does it on such a processor. */
static void measure_wipe(void)
{
	char *p = map(FEW_PAGES, MAP_PRIVATE);
	unsigned long start;

	touch(p, FEW_PAGES);
	start = now();
	for (size_t i = 0; i < FEW_PAGES; i++) {
		void *page = p + i * PAGE;
		unsigned long count = PAGE;

		asm volatile("rep stosb" : "+D"(page), "+c"(count) : "a"(0) : "memory");
	}
	tell("clear-a-page", start, FEW_PAGES, "page");
	munmap(p, FEW_PAGES * PAGE);
}

static int compare(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Into one time or another falls what the kernel has put off until later. */
static void tell_median(const char *name, unsigned long (*cost_of)(size_t num), size_t num,
			size_t times, const char *of)
{
	unsigned long cost[100];

	for (size_t i = 0; i < times; i++)
		cost[i] = cost_of(num);
	qsort(cost, times, sizeof(cost[0]), compare);
	printf("%s %lu ns-per-%s\n", name, cost[times / 2], of);
	fflush(stdout);
}

static unsigned long cost_of_fork(size_t unused)
{
	unsigned long start = now();
	pid_t pid = fork();

	(void)unused;
	if (!pid)
		_exit(0);
	wait_for(pid);
	return now() - start;
}

/*
 * What the kernel has allocated for itself, in bytes. A difference of MemFree would have the
 * pages, too, and what goes through the processors' lists of free pages.
 */
static long kernel_memory(void)
{
	static const char *const kinds[] = {
		"Slab:", "PageTables:", "SecPageTables:", "Percpu:", "KernelStack:",
	};
	long kib = 0;

	/* or some is still in the processors' own counts */
	put("/proc/sys/vm/stat_refresh", "1");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		long value = number_in("/proc/meminfo", kinds[i]);

		/* not every kernel has each */
		kib += value > 0 ? value : 0;
	}
	return kib * 1024;
}

/* The pages of MAP_DROPPABLE memory, and in the base all that are anonymous. */
static long counted_pages(void)
{
	long pages = number_in("/proc/vmstat", "nr_vgetrandom_pages");

	return pages < 0 ? number_in("/proc/vmstat", "nr_anon_pages") : pages;
}

static void measure_pages(const char *few, size_t pages)
{
	unsigned long start;
	long memory, counted;
	char name[64];
	char *p = map(pages, MAP_DROPPABLE);

#define NAME(what) (snprintf(name, sizeof(name), "%s%s", what, few), name)
	memory = kernel_memory();
	counted = counted_pages();
	start = now();
	touch(p, pages);
	tell(NAME("fault"), start, pages, "page");
	memory = kernel_memory() - memory;
	counted = counted_pages() - counted;
	printf("%s %ld bytes-per-page\n", NAME("memory"), memory / (long)pages);
	printf("%s %ld of-%lu-pages\n", NAME("counted"), counted, pages);

	tell_median(NAME("fork"), cost_of_fork, 1, 100, "fork");

	start = now();
	madvise(p, pages * PAGE, MADV_DONTNEED);
	tell(NAME("dontneed"), start, pages, "page");

	touch(p, pages);
	start = now();
	madvise(p, (pages - 1) * PAGE, MADV_DONTNEED);
	tell(NAME("dontneed-part"), start, pages - 1, "page");

	touch(p, pages);
	start = now();
	munmap(p, pages * PAGE);
	tell(NAME("munmap"), start, pages, "page");

	p = map(pages, MAP_DROPPABLE);
	touch(p, pages);
	start = now();
	munmap(p, (pages - 1) * PAGE);
	tell(NAME("munmap-part"), start, pages - 1, "page");
	munmap(p + (pages - 1) * PAGE, PAGE);
}

static void measure_exit(const char *name, size_t pages)
{
	unsigned long *start = (unsigned long *)map(1, MAP_SHARED);
	pid_t pid = fork();

	if (!pid) {
		touch(map(pages, MAP_DROPPABLE), pages);
		*start = now();
		_exit(0);
	}
	wait_for(pid);
	tell(name, *start, pages, "page");
}

/* By reclaim for a group: pages that nobody has used for two scans. */
static void measure_reclaim(const char *few, size_t pages)
{
	unsigned char vec;
	unsigned long start, took, gone = 0;
	char name[64], size[32];
	char *p;

	if (mkdir(GROUP, 0700) && errno != EEXIST)
		err(1, GROUP);
	put(GROUP "/cgroup.procs", "0");
	p = map(pages, MAP_DROPPABLE);
	touch(p, pages);
	snprintf(size, sizeof(size), "%lu", pages * PAGE);
	start = now();
	for (int i = 0; i < 8; i++) {
		int fd = open(GROUP "/memory.reclaim", O_WRONLY);

		/* it may say that it has not got all */
		if (write(fd, size, strlen(size)) < 0 && errno != EAGAIN)
			err(1, "memory.reclaim");
		close(fd);
	}
	took = now() - start;
	for (size_t i = 0; i < pages; i++)
		gone += !mincore(p + i * PAGE, PAGE, &vec) && !(vec & 1);
	printf("%s %lu of-%lu-pages\n", NAME("reclaimed"), gone, pages);
	if (gone)
		printf("%s %lu ns-per-page\n", NAME("reclaim"), took / gone);
	munmap(p, pages * PAGE);
	put("/sys/fs/cgroup/cgroup.procs", "0");
}

/* With gaps between them: adjacent ones may be merged. */
static void measure_mappings(const char *few, size_t mappings)
{
	char *base = map(2 * mappings, MAP_PRIVATE);
	unsigned long start;
	char name[64];
	pid_t pid;

	munmap(base, 2 * mappings * PAGE);
	start = now();
	for (size_t i = 0; i < mappings; i++) {
		char *p = mmap(base + 2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			       MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == MAP_FAILED)
			err(1, "mmap");
		touch(p, 1);
	}
	tell(NAME("map-and-touch"), start, mappings, "mapping");
	start = now();
	pid = fork();
	if (!pid)
		_exit(0);
	wait_for(pid);
	tell(NAME("fork-of-mappings"), start, mappings, "mapping");
	start = now();
	for (size_t i = 0; i < mappings; i++)
		munmap(base + 2 * i * PAGE, PAGE);
	tell(NAME("munmap-of-mappings"), start, mappings, "mapping");
}

static pthread_barrier_t barrier;

static void *thread(void *unused)
{
	char *p = map(1, MAP_DROPPABLE);

	touch(p, 1);
	pthread_barrier_wait(&barrier);
	munmap(p, PAGE);
	return unused;
}

static unsigned long cost_of_threads(size_t num)
{
	pthread_t threads[THREADS];
	unsigned long start = now();

	pthread_barrier_init(&barrier, NULL, num + 1);
	for (size_t i = 0; i < num; i++)
		if (pthread_create(&threads[i], NULL, thread, NULL))
			errx(1, "pthread_create");
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < num; i++)
		pthread_join(threads[i], NULL);
	return (now() - start) / num;
}

/* All have the parent's mapping, and a page in it. */
static unsigned long cost_of_processes(size_t num)
{
	static pid_t pids[PROCESSES];
	char *p = map(1, MAP_DROPPABLE), word;
	unsigned long start = now();
	int go[2];

	if (pipe(go))
		err(1, "pipe");
	for (size_t i = 0; i < num; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			err(1, "fork");
		if (!pids[i]) {
			touch(p, 1);
			close(go[1]);
			_exit(read(go[0], &word, 1) != 0);
		}
	}
	close(go[1]);
	for (size_t i = 0; i < num; i++)
		wait_for(pids[i]);
	close(go[0]);
	munmap(p, PAGE);
	return (now() - start) / num;
}

int main(void)
{
	/* or fork() has a page table more or less, as memory is placed */
	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
		personality(ADDR_NO_RANDOMIZE);
		execl("/proc/self/exe", "vgetrandom_scale", NULL);
		err(1, "/proc/self/exe");
	}
	measure_wipe();
	measure_pages("-few", FEW_PAGES);
	measure_pages("", PAGES);
	measure_exit("exit-few", FEW_PAGES);
	measure_exit("exit", PAGES);
	measure_reclaim("-few", FEW_PAGES);
	measure_reclaim("", RECLAIM_PAGES);
	measure_mappings("-few", FEW_MAPPINGS);
	measure_mappings("", MAPPINGS);
	tell_median("process-with-a-state-few", cost_of_processes, FEW_PROCESSES, 15, "process");
	tell_median("process-with-a-state", cost_of_processes, PROCESSES, 5, "process");
	/* after the processes, of which each would have the stacks that the C library keeps */
	tell_median("thread-with-a-state-few", cost_of_threads, FEW_THREADS, 15, "thread");
	tell_median("thread-with-a-state", cost_of_threads, THREADS, 15, "thread");
	puts("done");
}
