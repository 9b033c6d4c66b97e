// SPDX-License-Identifier: GPL-2.0
/*
 * A program as any other, for a C library whose getrandom() and arc4random() use the vDSO: threads
 * and forks whose random numbers must all differ, and threads that go on after getrandom() the
 * system call has become deadly. Ends with "done".
 */

#define _GNU_SOURCE

#include <err.h>
#include <gnu/libc-version.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS		4
#define CALLS		5000
#define FORKS		40
#define BLOCK		16

typedef unsigned char block[BLOCK];

static block (*blocks)[2 * CALLS];
static pthread_barrier_t barrier;
static atomic_bool stop;

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, BLOCK);
}

/* Fails unless all blocks differ, and none is zeros. */
static void check(const char *what, block *all, size_t num)
{
	static const block zeros;

	qsort(all, num, BLOCK, compare);
	for (size_t i = 0; i < num; i++)
		if (!memcmp(all[i], zeros, BLOCK) || (i && !memcmp(all[i - 1], all[i], BLOCK)))
			errx(1, "%s: a block is zeros or there twice", what);
	printf("%s: %zu blocks of %d bytes, all different\n", what, num, BLOCK);
	fflush(stdout);
}

static void get(block *out)
{
	if (getrandom(out, BLOCK, 0) != BLOCK)
		err(1, "getrandom");
}

/* The first calls of a thread get its state, and a key for it. */
static void *thread(void *mine)
{
	block *out = mine;

	get(out++);
	arc4random_buf(out++, BLOCK);
	pthread_barrier_wait(&barrier);
	/* here the system call goes */
	pthread_barrier_wait(&barrier);
	for (int i = 1; i < CALLS; i++) {
		get(out++);
		arc4random_buf(out++, BLOCK);
	}
	return NULL;
}

static void forbid_getrandom(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		err(1, "seccomp");
}

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void *busy(void *unused)
{
	block out;

	while (!stop)
		get(&out);
	return unused;
}

/* Children of children, while other threads are at it. */
static void forks(void)
{
	block *all = shared(FORKS * 4 * BLOCK);
	pthread_t threads[2];
	int status;

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, busy, NULL))
			errx(1, "pthread_create");
	for (int i = 0; i < FORKS; i++) {
		block *out = all + 4 * i;
		pid_t pid;

		get(out);
		pid = fork();
		if (pid < 0)
			err(1, "fork");
		if (!pid) {
			arc4random_buf(out + 1, BLOCK);
			pid = fork();
			if (!pid) {
				get(out + 2);
				_exit(0);
			}
			_exit(pid < 0 || waitpid(pid, &status, 0) != pid || status);
		}
		get(out + 3);
		if (waitpid(pid, &status, 0) != pid || status)
			errx(1, "a child failed");
	}
	check("forks", all, FORKS * 4);
	for (int i = 0; i < 2; i++) {
		stop = true;
		pthread_join(threads[i], NULL);
	}
}

int main(void)
{
	pthread_t threads[THREADS];

	printf("glibc %s\n", gnu_get_libc_version());
	forks();
	blocks = shared(THREADS * sizeof(*blocks));
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread, blocks[i]))
			errx(1, "pthread_create");
	pthread_barrier_wait(&barrier);
	forbid_getrandom();
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	check("without the system call", blocks[0], THREADS * 2 * CALLS);
	printf("done\n");
	return 0;
}
