// SPDX-License-Identifier: GPL-2.0
/*
 * MAP_DROPPABLE memory while memory is short: counts what is dropped and what is kept, for the host
 * to compare (scripts/counts).
 *
 *	vgetrandom_pressure STREAM [SWAP]
 *
 * STREAM is a drive that can be read for ever, four times as large as the memory; SWAP is one to
 * swap to. Prints lines "NAME NUMBER UNIT"; ends with "done".
 */

#define _GNU_SOURCE

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"
#include "guest.h"

#define GROUP		"/sys/fs/cgroup/pressure"

/* Each page written. */
static char *written(size_t size, int flags)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	for (size_t i = 0; i < size; i += PAGE)
		*(volatile char *)(p + i) = 1;
	return p;
}

/* Pages that are gone, by mincore(); each must read zero. */
static size_t dropped(const char *name, char *p, size_t size)
{
	unsigned char *there = malloc(size / PAGE);
	size_t gone = 0, wrong = 0;

	if (!there || mincore(p, size, there))
		err(1, "mincore");
	for (size_t i = 0; i < size / PAGE; i++) {
		gone += !(there[i] & 1);
		/* no copy in swap comes back; others may have gone since mincore() */
		wrong += !(there[i] & 1) && *(volatile char *)(p + i * PAGE);
	}
	free(there);
	printf("%s-dropped %zu of-%zu-pages\n", name, gone, size / PAGE);
	printf("%s-wrong %zu pages\n", name, wrong);
	return gone;
}

static void wait_for_byte(int from)
{
	if (read(from, (char [1]){}, 1) != 1)
		errx(1, "a process has died");
}

/*
 * One process writes droppable memory and sleeps, another one in its group needs more memory than
 * is left.
 */
static void two_processes(const char *name, const char *limit, size_t droppable, size_t ordinary)
{
	int ready[2], go[2], status;
	long kills = 0, after;
	pid_t owner, hog;

	if (pipe(ready) || pipe(go))
		err(1, "pipe");
	if (limit) {
		if (mkdir(GROUP, 0700))
			err(1, GROUP);
		put(GROUP "/memory.max", limit);
	} else {
		kills = number_in("/proc/vmstat", "oom_kill");
	}
	owner = fork();
	if (!owner) {
		char *p;

		if (limit)
			put(GROUP "/cgroup.procs", "0");
		p = written(droppable, MAP_DROPPABLE);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		wait_for_byte(go[0]);
		dropped(name, p, droppable);
		fflush(stdout);
		_exit(0);
	}
	wait_for_byte(ready[0]);
	hog = fork();
	if (!hog) {
		if (limit)
			put(GROUP "/cgroup.procs", "0");
		written(ordinary, MAP_PRIVATE);
		_exit(0);
	}
	waitpid(hog, &status, 0);
	printf("%s-hog-ended %d status\n", name, status);
	if (write(go[1], "", 1) != 1)
		err(1, "write");
	waitpid(owner, &status, 0);
	printf("%s-owner-ended %d status\n", name, status);
	if (limit) {
		after = number_in(GROUP "/memory.events", "oom_kill");
		if (rmdir(GROUP))
			err(1, GROUP);
	} else {
		after = number_in("/proc/vmstat", "oom_kill");
	}
	printf("%s-killed %ld processes\n", name, after - kills);
	fflush(stdout);
}

/* A thread that calls the vDSO a thousand times a second, and its state. */
static struct {
	struct vgetrandom v;
	struct vgetrandom_states states;
	atomic_bool stop;
	unsigned long calls;
	unsigned long losses;
} caller;

static void *call_always(void *unused)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t *state = vgetrandom_state(&caller.states, 0);
	char buf[16];

	(void)unused;
	while (!caller.stop) {
		/* no generation, in both kernels' states: the page is new */
		bool new = true;

		for (size_t i = 0; i < caller.v.params.size_of_opaque_state / 8; i++)
			new &= !state[i];
		caller.losses += new && caller.calls;
		if (caller.v.call(buf, sizeof(buf), 0, state,
				  caller.v.params.size_of_opaque_state) != sizeof(buf))
			errx(1, "the vDSO's getrandom() failed");
		caller.calls++;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* The page cache is filled, again and again, while one page is in use and many are not. */
static void stream(const char *path)
{
	const size_t idle_size = 64 * MIB;
	static char buf[MIB] __attribute__((aligned(4096)));
	unsigned long long bytes = 0;
	pthread_t thread;
	ssize_t len;
	char *idle;
	int fd;

	if (!vgetrandom_open(&caller.v) || !vgetrandom_states_map(&caller.v, &caller.states, 1))
		err(1, "vDSO");
	idle = written(idle_size, MAP_DROPPABLE);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(1, "%s", path);
	if (pthread_create(&thread, NULL, call_always, NULL))
		errx(1, "pthread_create");
	while ((len = read(fd, buf, sizeof(buf))) > 0)
		bytes += len;
	caller.stop = true;
	pthread_join(thread, NULL);
	close(fd);
	printf("stream-read %llu MiB\n", bytes / MIB);
	printf("stream-calls %lu calls\n", caller.calls);
	printf("stream-lost %lu times\n", caller.losses);
	dropped("stream-idle", idle, idle_size);
	munmap(idle, idle_size);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sysinfo info;
	size_t ram;

	if (argc < 2 || argc > 3)
		errx(2, "usage: vgetrandom_pressure STREAM [SWAP]");
	if (sysinfo(&info))
		err(1, "sysinfo");
	ram = info.totalram * info.mem_unit;

	/* the scenario of LTP: 128 MiB of it, a limit of 256 MiB, and a hog */
	two_processes("group", "256M", 128 * MIB, 200 * MIB);
	two_processes("machine", NULL, ram / 2, ram * 6 / 10);
	stream(argv[1]);
	if (argc == 3) {
		if (swapon(argv[2], 0))
			err(1, "swapon %s", argv[2]);
		/* it takes longer until the other one's pages are worth less than a write */
		two_processes("group-swap", "256M", 128 * MIB, 640 * MIB);
		printf("swapped %ld pages\n", number_in("/proc/vmstat", "pswpout"));
		swapoff(argv[2]);
	}
	printf("done\n");
	return 0;
}
