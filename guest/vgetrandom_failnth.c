// SPDX-License-Identifier: GPL-2.0
/*
 * Lets each allocation fail once that a system call or a fault on MAP_DROPPABLE memory makes, with
 * the kernel's fault injection (Documentation/fault-injection/): the first, then the second, and so
 * on until the counter is left unspent. After each the pages must be there, whole, or gone, and
 * nobody else's. Prints for each operation how many failures were injected, and how many of them
 * below the mapping's own functions. Ends with "done".
 *
 *	vgetrandom_failnth SEED|hold
 *
 * With the argument "hold" it only keeps one page.
 *
 * The pages have words that nobody else has (see guest.h), by SEED and the operation's number,
 * which a line "way NUMBER NAME" tells: in the end the host looks for them in the guest's memory. A
 * page frame that is free is soon used again: every other page of an operation is held by a pipe,
 * so that its frame stays as it was left.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "guest.h"

#define PAGES		8
#define SIZE		(PAGES * PAGE)
#define WORDS		(PAGE / sizeof(uint64_t))
#define KEPT_MAX	4096
#define FREED_PAGES	64
#define INJECTIONS_MAX	1000
#define DEBUGFS		"/sys/kernel/debug/"
#define GROUP		"/sys/fs/cgroup/failnth"

/* Not mapped by anybody else: where mremap() moves to. */
#define ELSEWHERE	((unsigned char *)(1UL << 41))

/* Of the operation at work: what its pages have. */
static uint64_t seed;
static unsigned int way;

static unsigned char *map(unsigned char *at, size_t size, int flags)
{
	return mmap(at, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

static void write_page(unsigned char *page, size_t number)
{
	for (size_t i = 0; i < WORDS; i++)
		((volatile uint64_t *)page)[i] = traces_word(seed, way, number * WORDS + i);
}

static void write_pages(unsigned char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		write_page(p + i * PAGE, i);
}

static bool page_is_written(const unsigned char *page, size_t number)
{
	for (size_t i = 0; i < WORDS; i++)
		if (((const uint64_t *)page)[i] != traces_word(seed, way, number * WORDS + i))
			return false;
	return true;
}

static bool page_is_zero(const unsigned char *page)
{
	return !page[0] && !memcmp(page, page + 1, PAGE - 1);
}

/* Whether pages from number first hold what write_pages() wrote, or are zeros. */
static bool whole(const unsigned char *p, size_t first, size_t pages)
{
	for (size_t i = first; i < first + pages; i++)
		if (!page_is_written(p + i * PAGE, i))
			return false;
	return true;
}

static bool zero(const unsigned char *p, size_t first, size_t pages)
{
	for (size_t i = first; i < first + pages; i++)
		if (!page_is_zero(p + i * PAGE))
			return false;
	return true;
}

static bool mapped(const unsigned char *p)
{
	unsigned char vec;

	return !mincore((void *)p, PAGE, &vec);
}

static int failed(bool it_has)
{
	return it_has ? errno : 0;
}

/*
 * The operations. Each is given p, PAGES pages that were written, or, if it wants them so, were not
 * touched, and returns 0 or its errno; the second function says whether all is as it must be then.
 */
static unsigned char *result;

static int do_mmap(unsigned char *p)
{
	(void)p;
	result = map(NULL, SIZE, MAP_DROPPABLE);
	return failed(result == MAP_FAILED);
}

static bool mmap_is_good(unsigned char *p, int error)
{
	if (error)
		return error == ENOMEM && whole(p, 0, PAGES);
	write_pages(result, PAGES);
	return whole(result, 0, PAGES) && whole(p, 0, PAGES) && !munmap(result, SIZE);
}

static int do_map_fixed(unsigned char *p)
{
	return failed(map(p + 2 * PAGE, 2 * PAGE, MAP_DROPPABLE | MAP_FIXED) == MAP_FAILED);
}

/* What was there may be gone already. */
static bool map_fixed_is_good(unsigned char *p, int error)
{
	if (error && error != ENOMEM)
		return false;
	if (mapped(p + 2 * PAGE) && !zero(p, 2, 2) && !(error && whole(p, 2, 2)))
		return false;
	return whole(p, 0, 2) && whole(p, 4, PAGES - 4);
}

static int do_fault(unsigned char *p)
{
	*(volatile unsigned char *)p = 0x40;
	return 0;
}

static bool fault_is_good(unsigned char *p, int error)
{
	return !error && p[0] == 0x40 && !p[1] && !memcmp(p + 1, p + 2, PAGE - 2) &&
	       zero(p, 1, PAGES - 1);
}

/* Opened before anything fails. */
static int zero_fd, drop_caches_fd;

static int do_read(unsigned char *p)
{
	return failed(read(zero_fd, p, SIZE) < 0);
}

static bool read_is_good(unsigned char *p, int error)
{
	return (!error || error == EFAULT) && zero(p, 0, PAGES);
}

static int pipes[2];

static int do_vmsplice(unsigned char *p)
{
	struct iovec pages = { p, SIZE };

	return failed(vmsplice(pipes[1], &pages, 1, SPLICE_F_NONBLOCK) < 0);
}

static bool vmsplice_is_good(unsigned char *p, int error)
{
	close(pipes[0]);
	close(pipes[1]);
	if (pipe(pipes))
		err(1, "pipe");
	return (!error || error == ENOMEM || error == EFAULT) && zero(p, 0, PAGES);
}

static int do_populate(unsigned char *p)
{
	return failed(madvise(p, SIZE, MADV_POPULATE_WRITE));
}

static bool populate_is_good(unsigned char *p, int error)
{
	return (!error || error == ENOMEM || error == EFAULT) && zero(p, 0, PAGES);
}

static pid_t child;

static int do_fork(unsigned char *p)
{
	child = fork();
	if (!child) {
		if (!zero(p, 0, PAGES))
			_exit(1);
		write_pages(p, PAGES);
		_exit(!whole(p, 0, PAGES));
	}
	return failed(child < 0);
}

static bool fork_is_good(unsigned char *p, int error)
{
	int status;

	if (error)
		return (error == ENOMEM || error == EAGAIN) && whole(p, 0, PAGES);
	return waitpid(child, &status, 0) == child && !status && whole(p, 0, PAGES);
}

static int do_mremap(unsigned char *p)
{
	return failed(mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE) ==
		      MAP_FAILED);
}

/* What has moved, but could not be unmapped then, is mapped there still, and empty. */
static bool left_empty(const unsigned char *p, size_t first, size_t pages)
{
	return !mapped(p + first * PAGE) || zero(p, first, pages);
}

static bool mremap_is_good(unsigned char *p, int error)
{
	bool good = error ? error == ENOMEM && whole(p, 0, PAGES)
			  : whole(ELSEWHERE, 0, PAGES) && left_empty(p, 0, PAGES);

	if (!error)
		munmap(ELSEWHERE, SIZE);
	return good;
}

/* A part of it: it is split first. */
static int do_mremap_part(unsigned char *p)
{
	return failed(mremap(p + 2 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     ELSEWHERE + 2 * PAGE) == MAP_FAILED);
}

static bool mremap_part_is_good(unsigned char *p, int error)
{
	bool good = whole(p, 0, 2) && whole(p, 4, PAGES - 4) &&
		    (error ? error == ENOMEM && whole(p, 2, 2)
			   : whole(ELSEWHERE, 2, 2) && left_empty(p, 2, 2));

	if (!error)
		munmap(ELSEWHERE, SIZE);
	return good;
}

static int do_munmap(unsigned char *p)
{
	return failed(munmap(p + 2 * PAGE, 2 * PAGE));
}

static bool munmap_is_good(unsigned char *p, int error)
{
	return whole(p, 0, 2) && whole(p, 4, PAGES - 4) &&
	       (error ? error == ENOMEM && whole(p, 2, 2) : !mapped(p + 2 * PAGE));
}

static int do_mprotect(unsigned char *p)
{
	return failed(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ));
}

static bool mprotect_is_good(unsigned char *p, int error)
{
	return (!error || error == ENOMEM) && whole(p, 0, PAGES);
}

static int do_dontneed(unsigned char *p)
{
	return failed(madvise(p + 2 * PAGE, 2 * PAGE, MADV_DONTNEED));
}

static int do_pageout(unsigned char *p)
{
	return failed(madvise(p + 2 * PAGE, 2 * PAGE, MADV_PAGEOUT));
}

static bool advice_is_good(unsigned char *p, int error)
{
	return !error && whole(p, 0, 2) && zero(p, 2, 2) && whole(p, 4, PAGES - 4);
}

static int do_drop_caches(unsigned char *p)
{
	(void)p;
	return failed(pwrite(drop_caches_fd, "2", 1, 0) != 1);
}

static bool drop_caches_is_good(unsigned char *p, int error)
{
	for (size_t i = 0; i < PAGES; i++)
		if (!whole(p, i, 1) && !zero(p, i, 1))
			return false;
	return !error || error == ENOMEM;
}

static const struct {
	const char *name;
	bool untouched;
	/* what is pinned stays */
	bool unpinned;
	/* in a memory cgroup that has no lists for its shrinkers yet */
	bool in_new_group;
	int (*run)(unsigned char *p);
	bool (*is_good)(unsigned char *p, int error);
} operations[] = {
	{ "mmap", false, false, false, do_mmap, mmap_is_good },
	{ "mmap-fixed", false, false, false, do_map_fixed, map_fixed_is_good },
	{ "first-fault", true, false, false, do_fault, fault_is_good },
	{ "first-fault-in-a-group", true, false, true, do_fault, fault_is_good },
	{ "fault-in-read", true, false, false, do_read, read_is_good },
	{ "fault-in-vmsplice", true, false, false, do_vmsplice, vmsplice_is_good },
	{ "populate", true, false, false, do_populate, populate_is_good },
	{ "fork", false, false, false, do_fork, fork_is_good },
	{ "mremap", false, false, false, do_mremap, mremap_is_good },
	{ "mremap-part", false, false, false, do_mremap_part, mremap_part_is_good },
	{ "munmap-part", false, false, false, do_munmap, munmap_is_good },
	{ "mprotect-part", false, false, false, do_mprotect, mprotect_is_good },
	{ "dontneed", false, false, false, do_dontneed, advice_is_good },
	{ "pageout", false, true, false, do_pageout, advice_is_good },
	{ "drop_caches", false, true, false, do_drop_caches, drop_caches_is_good },
};

static void expect_none(const char *what)
{
	long pages = pages_left();

	if (pages)
		errx(1, "%s: %ld pages are lost", what, pages);
}

static void set_counter(int fd, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		err(1, "fail-nth");
}

static int kept[2];

/* Keeps the frames of every other page until the end, whatever becomes of the pages. */
static void keep(unsigned char *p, size_t pages)
{
	for (size_t i = 1; i < pages; i += 2) {
		struct iovec page = { p + i * PAGE, PAGE };

		if (vmsplice(kept[1], &page, 1, SPLICE_F_NONBLOCK) != (ssize_t)PAGE)
			err(1, "vmsplice of what is kept");
	}
}

/*
 * Whether the rest of the kernel's log tells of a failure that was injected, with a trace in which a
 * function of the mapping is. Of allocations with __GFP_NOWARN it tells nothing.
 */
static bool is_own(int log)
{
	bool injected = false, own = false;
	char record[8192];

	for (;;) {
		ssize_t length = read(log, record, sizeof(record) - 1);

		if (length < 0 && errno == EPIPE)
			errx(1, "/dev/kmsg: more was said than there is room for");
		if (length < 0)
			return own;
		record[length] = 0;
		injected |= !!strstr(record, "FAULT_INJECTION: forcing a failure");
		/* after a question mark is what was on the stack for another reason */
		own |= injected && !strstr(record, " ? ") &&
		       (strstr(record, " vgetrandom_mapping_") ||
			strstr(record, " vgetrandom_page_"));
	}
}

/* Injects failures into an operation; says how many, and how many in the mapping's functions. */
static void inject(size_t op, int fd, int log)
{
	const char *name = operations[op].name;
	/* what is committed: of all that fails nothing may be left there, nor be taken off */
	long before = number_in("/proc/meminfo", "Committed_AS:"), more;
	unsigned int own = 0;

	for (unsigned int n = 1; n < INJECTIONS_MAX; n++) {
		unsigned char *p = map(NULL, SIZE, MAP_DROPPABLE);
		char left[16] = "";
		int error;

		if (p == MAP_FAILED)
			err(1, "mmap(MAP_DROPPABLE)");
		if (!operations[op].untouched)
			write_pages(p, PAGES);
		if (!operations[op].untouched && !operations[op].unpinned)
			keep(p, PAGES);
		if (operations[op].in_new_group) {
			if (mkdir(GROUP, 0700))
				err(1, GROUP);
			put(GROUP "/cgroup.procs", "0");
		}
		lseek(log, 0, SEEK_END);
		set_counter(fd, n);
		error = operations[op].run(p);
		if (pread(fd, left, sizeof(left) - 1, 0) <= 0)
			err(1, "fail-nth");
		set_counter(fd, 0);
		own += is_own(log);
		if (!operations[op].is_good(p, error))
			errx(1, "%s: allocation %u failed, errno %d: the pages are not as they must be",
			     name, n, error);
		munmap(p, SIZE);
		expect_none(name);
		if (operations[op].in_new_group) {
			put("/sys/fs/cgroup/cgroup.procs", "0");
			if (rmdir(GROUP))
				err(1, GROUP);
		}
		if (atoi(left)) {
			more = number_in("/proc/meminfo", "Committed_AS:") - before;
			/* 7.3 counts what it could not split off, whatever memory it is */
			if (more && operations[op].run != do_mremap_part)
				errx(1, "%s: %ld kB more are committed", name, more);
			printf("%s: %u injected, %u in the mapping's own functions\n", name, n - 1,
			       own);
			return;
		}
	}
	errx(1, "%s: no end of allocations", name);
}

static void set_up(void)
{
	put(DEBUGFS "failslab/ignore-gfp-wait", "N");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N");
	put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	put(DEBUGFS "fail_page_alloc/min-order", "0");
	/* each is told with a trace, in the log, but below the console's level */
	put("/proc/sys/kernel/printk", "5 7");
	put(DEBUGFS "failslab/verbose", "2");
	put(DEBUGFS "fail_page_alloc/verbose", "2");
	put(DEBUGFS "failslab/verbose_ratelimit_interval_ms", "0");
	put(DEBUGFS "fail_page_alloc/verbose_ratelimit_interval_ms", "0");
}

/*
 * A memory cgroup that has no room, and nothing to make room from: each page is pinned, so that it
 * cannot be dropped. The page is written by its process, or by this one.
 */
static void fail_charge(const char *name, bool by_other)
{
	unsigned char *p = map(NULL, 4 * MIB, MAP_DROPPABLE);
	int to[2], from[2], status;
	char limit[32], word;
	long written = 0;
	pid_t pid;

	if (p == MAP_FAILED || pipe(to) || pipe(from) || mkdir(GROUP, 0700))
		err(1, "%s", name);
	pid = fork();
	if (!pid) {
		put(GROUP "/cgroup.procs", "0");
		if (write(to[1], "x", 1) != 1 || read(from[0], &word, 1) != 1)
			_exit(2);
		while (by_other)
			pause();
		for (size_t i = 0; i < 4 * MIB / PAGE; i++) {
			struct iovec page = { p + i * PAGE, PAGE };

			write_page(p + i * PAGE, i % PAGES);
			if (i % 16 == 0 && pipe(pipes))
				_exit(3);
			if (vmsplice(pipes[1], &page, 1, 0) != (ssize_t)PAGE)
				_exit(4);
		}
		_exit(5);
	}
	if (pid < 0 || read(to[0], &word, 1) != 1)
		err(1, "%s", name);
	snprintf(limit, sizeof(limit), "%ld", number_in(GROUP "/memory.current", NULL) + 65536);
	put(GROUP "/memory.max", limit);
	if (write(from[1], "x", 1) != 1)
		err(1, "%s", name);
	if (by_other) {
		static unsigned char data[PAGE];

		memset(data, 1, PAGE);
		/* reads by another process pin nothing for long: the child's pages are young */
		for (size_t i = 0; i < 4 * MIB / PAGE; i++) {
			struct iovec local = { data, PAGE }, remote = { p + i * PAGE, PAGE };
			ssize_t done = process_vm_writev(pid, &local, 1, &remote, 1, 0);

			if (done < 0 && errno != EFAULT && errno != ESRCH && errno != ENOMEM)
				err(1, "%s: process_vm_writev", name);
			written += done == (ssize_t)PAGE;
		}
		kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		errx(1, "%s: status %#x", name, status);
	printf("%s: %ld times at the limit, %ld processes killed for it, %ld pages written by another\n",
	       name, number_in(GROUP "/memory.events", "max"),
	       number_in(GROUP "/memory.events", "oom_kill"), written);
	close(to[0]);
	close(to[1]);
	close(from[0]);
	close(from[1]);
	munmap(p, 4 * MIB);
	expect_none(name);
	if (rmdir(GROUP))
		err(1, GROUP);
}

static void tell_way(const char *name)
{
	printf("way %u %s\n", way, name);
}

/*
 * Memory that is in use, and other memory, which nobody wipes: the host has to find these. It is
 * the last that is freed, so that not all of it is used again.
 */
static void show_others(void)
{
	unsigned char *p;

	way++;
	write_pages(map(NULL, SIZE, MAP_DROPPABLE), PAGES);
	tell_way("mapped");
	way++;
	p = map(NULL, SIZE, MAP_PRIVATE);
	write_pages(p, PAGES);
	keep(p, PAGES);
	munmap(p, SIZE);
	tell_way("ordinary-kept");
	way++;
	p = map(NULL, FREED_PAGES * PAGE, MAP_PRIVATE);
	write_pages(p, FREED_PAGES);
	munmap(p, FREED_PAGES * PAGE);
	tell_way("ordinary");
}

int main(int argc, char **argv)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR);
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	if (argc != 2)
		errx(2, "usage: vgetrandom_failnth SEED|hold");
	if (!strcmp(argv[1], "hold")) {
		write_pages(map(NULL, PAGE, MAP_DROPPABLE), 1);
		pause();
	}
	seed = strtoull(argv[1], NULL, 0);
	if (fd < 0)
		err(1, "/proc/thread-self/fail-nth");
	if (log < 0)
		err(1, "/dev/kmsg");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pages_left())
		errx(1, "somebody else has MAP_DROPPABLE memory");
	if (pipe(pipes) || pipe(kept) || fcntl(kept[1], F_SETPIPE_SZ, KEPT_MAX * PAGE) < 0)
		err(1, "pipe");
	set_up();
	zero_fd = open("/dev/zero", O_RDONLY);
	drop_caches_fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (zero_fd < 0 || drop_caches_fd < 0)
		err(1, "open");
	for (size_t op = 0; op < sizeof(operations) / sizeof(*operations); op++) {
		way = op;
		inject(op, fd, log);
		tell_way(operations[op].name);
	}
	put("/proc/sys/kernel/printk", "5 4");
	way++;
	fail_charge("charge-by-another", true);
	fail_charge("charge", false);
	tell_way("charge");
	show_others();
	save_memory();
	puts("done");
}
