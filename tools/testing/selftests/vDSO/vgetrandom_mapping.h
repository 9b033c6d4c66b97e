/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mmap(MAP_DROPPABLE) share: mappings, patterns, probes and children.
 *
 * Comments in the tests that begin with "Not mainline:" say where VM_DROPPABLE differs.
 */

#ifndef VGETRANDOM_MAPPING_H
#define VGETRANDOM_MAPPING_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
/* addresses of ia32 processes and of memory are file offsets here */
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
#define DROPPABLE (MAP_DROPPABLE | MAP_ANONYMOUS)
#define PLAIN (MAP_PRIVATE | MAP_ANONYMOUS)

static inline char *droppable(size_t pages)
{
	return mmap(NULL, pages * PAGE, RW, DROPPABLE, -1, 0);
}

static inline char *plain(size_t pages)
{
	return mmap(NULL, pages * PAGE, RW, PLAIN, -1, 0);
}

/* An address range that is free and stays so in a single-threaded test. */
static inline char *free_range(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_NONE, PLAIN, -1, 0);

	if (p != MAP_FAILED)
		munmap(p, pages * PAGE);
	return p;
}

/*
 * The expected byte at an offset; never zero, different from page to page, and
 * computed: no copy of a page's content exists outside that page.
 */
static inline unsigned char pattern(unsigned int seed, size_t offset)
{
	unsigned int x = (unsigned int)(offset / 8) * 0x9e3779b1u + seed * 0x85ebca6bu;

	x ^= x >> 15;
	x *= 0x2c1b3c6du;
	x ^= x >> 12;
	x += (unsigned int)(offset % 8) * 37;
	return (unsigned char)(x % 255 + 1);
}

/* 16 bytes at each page's start and its last byte: enough to know the page. */
static inline size_t next_sample(size_t offset)
{
	return offset + (offset % PAGE == 15 ? PAGE - 16 : 1);
}

static inline void fill_from(char *p, size_t first, size_t pages,
			     unsigned int seed)
{
	size_t i;

	for (i = 0; i < pages * PAGE; i = next_sample(i))
		p[i] = (char)pattern(seed, first * PAGE + i);
}

static inline bool holds_from(const char *p, size_t first,
			      size_t pages, unsigned int seed)
{
	size_t i;

	for (i = 0; i < pages * PAGE; i = next_sample(i))
		if ((unsigned char)p[i] != pattern(seed, first * PAGE + i))
			return false;
	return true;
}

static inline void fill(char *p, size_t pages, unsigned int seed)
{
	fill_from(p, 0, pages, seed);
}

static inline bool holds(const char *p, size_t pages,
			 unsigned int seed)
{
	return holds_from(p, 0, pages, seed);
}

static inline bool is_zero(const char *p, size_t pages)
{
	const unsigned long *word = (const unsigned long *)p;
	size_t i;

	for (i = 0; i < pages * PAGE / sizeof(*word); i++)
		if (word[i])
			return false;
	return true;
}

/* How many of the pages are in memory, as mincore() sees it; -1: not mapped. */
static inline long resident(const char *p, size_t pages)
{
	unsigned char vec[256];
	size_t i, j, n;
	long count = 0;

	for (i = 0; i < pages; i += n) {
		n = pages - i < sizeof(vec) ? pages - i : sizeof(vec);
		if (mincore((void *)(p + i * PAGE), n * PAGE, vec))
			return -1;
		for (j = 0; j < n; j++)
			count += vec[j] & 1;
	}
	return count;
}

static sigjmp_buf probe_env;

static inline void probe_handler(int sig)
{
	siglongjmp(probe_env, sig);
}

/* The signal that a one-byte access raises, or 0. */
static inline int probe(char *p, bool write)
{
	struct sigaction probing = { .sa_handler = probe_handler };
	struct sigaction segv, bus;
	int sig;

	sigemptyset(&probing.sa_mask);
	sigaction(SIGSEGV, &probing, &segv);
	sigaction(SIGBUS, &probing, &bus);
	sig = sigsetjmp(probe_env, 1);
	if (!sig) {
		if (write)
			__atomic_store_n(p, 1, __ATOMIC_RELAXED);
		else
			__atomic_load_n(p, __ATOMIC_RELAXED);
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

static inline int read_probe(const char *p)
{
	return probe((char *)p, false);
}

static inline int write_probe(char *p)
{
	return probe(p, true);
}

/* The exit status of a child, or 256 plus the signal that ended it. */
static inline int child_result(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Waits for the end of a child that reports nothing but success. */
static inline bool child_succeeds(pid_t pid)
{
	return pid > 0 && child_result(pid) == 0;
}

/* Whether a child finds the pages mapped and empty, and can use them. */
static inline bool child_starts_clean(char *p, size_t pages)
{
	pid_t pid = fork();

	if (!pid) {
		if (!is_zero(p, pages))
			_exit(1);
		fill(p, pages, 99);
		_exit(!holds(p, pages, 99));
	}
	return pid > 0 && child_result(pid) == 0;
}

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, (size_t)len) == len;
	return !close(fd) && ok;
}

static inline bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	if (len < 0)
		return false;
	text[len] = '\0';
	return true;
}

#endif /* VGETRANDOM_MAPPING_H */
