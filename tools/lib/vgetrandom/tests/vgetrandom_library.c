// SPDX-License-Identifier: GPL-2.0
/*
 * libvgetrandom from within: what its functions return, and above all whose state is whose, when
 * threads come and go, fork, are interrupted or cancelled.
 *
 * The library's source is part of this program, which so sees its states, and can hide the vDSO
 * from it.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static bool hide_vdso;

static unsigned long seen_auxval(unsigned long type)
{
	return hide_vdso && type == AT_SYSINFO_EHDR ? 0 : getauxval(type);
}

/* As by a library that tells a process another number. */
static pid_t told_pid;

pid_t getpid(void)
{
	return told_pid ?: syscall(SYS_getpid);
}

static atomic_uint num_mmaps;
static void (*_Atomic in_mmap)(void);

static void *seen_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void (*function)(void) = atomic_exchange(&in_mmap, NULL);

	num_mmaps++;
	if (function)
		function();
	return mmap(addr, len, prot, flags, fd, offset);
}

/* Others get their turn where it may matter. */
static bool yielding;

static void yield(void)
{
	if (yielding)
		sched_yield();
}

#undef atomic_compare_exchange_strong
#define atomic_compare_exchange_strong(object, expected, desired)			\
	(yield(), atomic_compare_exchange_strong_explicit(object, expected, desired,	\
							  memory_order_seq_cst,		\
							  memory_order_seq_cst))
#undef atomic_store
#define atomic_store(object, desired)							\
	(yield(), atomic_store_explicit(object, desired, memory_order_seq_cst))
#define getauxval seen_auxval
#define mmap seen_mmap
#include "../vgetrandom.c"
#undef mmap
#undef getauxval

#include "vgetrandom_test.h"
#include "vgetrandom_harness.h"

/* The sanitizers do not come along with all that libc can do. */
#ifndef __has_feature
#define __has_feature(x)	0
#endif
#ifdef __SANITIZE_THREAD__
#define TSAN		1
#else
#define TSAN		__has_feature(thread_sanitizer)
#endif
#ifdef __SANITIZE_ADDRESS__
#define ASAN		1
#else
#define ASAN		__has_feature(address_sanitizer)
#endif

#define BLOCK		sizeof(struct vgetrandom_block)
#define MAX_THREADS	256

static size_t num_states(void)
{
	size_t num = 0;

	for (int n = 0; n < MAX_CHUNKS && chunks[n]; n++)
		num += chunks[n]->states.num;
	return num;
}

static size_t num_owned(void)
{
	size_t num = 0;

	for (int n = 0; n < MAX_CHUNKS && chunks[n]; n++)
		for (size_t i = 0; i < chunks[n]->states.num; i++)
			num += chunks[n]->owners[i] != 0;
	return num;
}

static size_t num_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t num = 0;

	for (int c; (c = getc(maps)) != EOF;)
		num += c == '\n';
	fclose(maps);
	return num;
}

static int compare_pointers(const void *a, const void *b)
{
	void *const *p = a, *const *q = b;

	return (*p > *q) - (*p < *q);
}

/* Whether no state is there twice, and each is whole in its page. */
static bool states_differ(void **states, size_t num)
{
	size_t page_size = sysconf(_SC_PAGESIZE);

	qsort(states, num, sizeof(*states), compare_pointers);
	for (size_t i = 0; i < num; i++) {
		if (!states[i] || (uintptr_t)states[i] % page_size +
				  chunks[0]->vdso.params.size_of_opaque_state > page_size)
			return false;
		if (i && (char *)states[i] - (char *)states[i - 1] <
			 chunks[0]->vdso.params.size_of_opaque_state)
			return false;
	}
	return true;
}

/* Threads that all hold their states at the same time. */
struct gathering {
	pthread_barrier_t barrier;
	_Atomic size_t num;
	void *states[MAX_THREADS];
	struct vgetrandom_block blocks[MAX_THREADS];
};

static void *gather(void *data)
{
	struct gathering *g = data;
	size_t i = g->num++;

	vgetrandom_arc4random_buf(&g->blocks[i], BLOCK);
	g->states[i] = mine.state;
	pthread_barrier_wait(&g->barrier);
	return NULL;
}

/* Has @num threads hold states, with that of this thread: whether all differ. */
static bool gathering_differs(size_t num)
{
	struct gathering *g = calloc(1, sizeof(*g));
	pthread_t threads[MAX_THREADS];
	bool differ;

	if (!g)
		return false;
	pthread_barrier_init(&g->barrier, NULL, num + 1);
	for (size_t i = 0; i < num; i++)
		if (pthread_create(&threads[i], NULL, gather, g))
			return false;
	vgetrandom_arc4random_buf(&g->blocks[num], BLOCK);
	g->states[num] = mine.state;
	pthread_barrier_wait(&g->barrier);
	for (size_t i = 0; i < num; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&g->barrier);
	differ = states_differ(g->states, num + 1);
	differ &= vgetrandom_blocks_fresh(g->blocks, num + 1);
	free(g);
	return differ;
}

/* The same in the child of a process with threads, where ThreadSanitizer allows none. */
static bool gathering_differs_in_child(size_t num)
{
	return TSAN || gathering_differs(num);
}

static bool run_thread(void *(*function)(void *), void *data)
{
	pthread_t thread;

	return !pthread_create(&thread, NULL, function, data) && !pthread_join(thread, NULL);
}

/* Waits for a child: whether all was well. */
static bool child_is_content(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* From here on the system calls of the list get a seccomp filter's @action. */
static bool forbid(uint32_t action, const int *calls, size_t num)
{
	struct sock_filter filter[16] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { .filter = filter };
	size_t n = 1;

	for (size_t i = 0; i < num; i++) {
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
							   0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = n;
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#define FILTER(action, ...) ({							\
	const int calls[] = { __VA_ARGS__ };					\
										\
	forbid(action, calls, sizeof(calls) / sizeof(*calls));			\
})

#define FORBID(error, ...) FILTER(SECCOMP_RET_ERRNO | (error), __VA_ARGS__)

/* What must hold with the vDSO and without. */
FIXTURE(calls)
{
};

FIXTURE_VARIANT(calls)
{
	bool hide_vdso;
};

FIXTURE_VARIANT_ADD(calls, vdso)
{
	.hide_vdso = false,
};

FIXTURE_VARIANT_ADD(calls, no_vdso)
{
	.hide_vdso = true,
};

FIXTURE_SETUP(calls)
{
	struct vgetrandom v;

	hide_vdso = variant->hide_vdso;
	if (!hide_vdso && !vgetrandom_open(&v))
		SKIP(_exit(SKIP_STATUS), "this kernel has no vDSO getrandom");
}

FIXTURE_TEARDOWN(calls)
{
}

TEST_F(calls, uses_the_vdso_if_there_is_one)
{
	EXPECT_EQ(vgetrandom_uses_vdso(), !variant->hide_vdso);
	EXPECT_EQ(num_owned(), !variant->hide_vdso);
}

TEST_F(calls, fills_exactly_what_it_is_given)
{
	unsigned char buf[1024];

	for (size_t len = 0; len <= 600; len++) {
		size_t zeros = 0;

		memset(buf, 0, sizeof(buf));
		ASSERT_EQ(getrandom(buf + 1, len, 0), (ssize_t)len);
		for (size_t i = 1; i <= len; i++)
			zeros += !buf[i];
		EXPECT_LT(zeros, 10 + len / 16);
		EXPECT_EQ(buf[0], 0);
		for (size_t i = len + 1; i < sizeof(buf); i++)
			ASSERT_EQ(buf[i], 0);
	}
}

TEST_F(calls, fills_much)
{
	size_t size = 4 << 20;
	struct vgetrandom_block *blocks = vgetrandom_shared(size);

	ASSERT_NE(blocks, NULL);
	EXPECT_EQ(getrandom(blocks, size, 0), (ssize_t)size);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, size / BLOCK));
	vgetrandom_arc4random_buf(blocks, size);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, size / BLOCK));
}

TEST_F(calls, flags_are_the_kernels)
{
	unsigned char buf[16];

	for (unsigned int i = 0; i < 64; i++) {
		unsigned int flags = i < 32 ? i : 1U << (i - 32);
		ssize_t ret, wanted;
		int error;

		errno = 0;
		wanted = syscall(SYS_getrandom, buf, sizeof(buf), flags);
		error = errno;
		errno = 0;
		ret = getrandom(buf, sizeof(buf), flags);
		EXPECT_EQ(ret, wanted);
		EXPECT_EQ(errno, error);
	}
}

TEST_F(calls, getentropy_is_all_or_nothing)
{
	unsigned char buf[257] = { 0 };

	EXPECT_EQ(getentropy(buf, 0), 0);
	EXPECT_EQ(getentropy(buf, 256), 0);
	memset(buf, 0, sizeof(buf));
	errno = 0;
	EXPECT_EQ(getentropy(buf, 257), -1);
	EXPECT_EQ(errno, EIO);
	for (size_t i = 0; i < sizeof(buf); i++)
		ASSERT_EQ(buf[i], 0);
}

TEST_F(calls, arc4random_varies)
{
	uint32_t ones = 0, zeros = 0;

	for (int i = 0; i < 64; i++) {
		uint32_t value = arc4random();

		ones |= value;
		zeros |= ~value;
	}
	EXPECT_EQ(ones, UINT32_MAX);
	EXPECT_EQ(zeros, UINT32_MAX);
}

TEST_F(calls, arc4random_uniform_is_uniform)
{
	static const uint32_t bounds[] = { 2, 3, 7, 1000, 1U << 31, (1U << 31) + 1, UINT32_MAX };
	const uint32_t bound = 3U << 30;
	size_t low = 0, multiple = 0, num = 40000, seen = 0;

	EXPECT_EQ(arc4random_uniform(0), 0);
	EXPECT_EQ(arc4random_uniform(1), 0);
	for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++)
		for (int j = 0; j < 1000; j++)
			ASSERT_LT(arc4random_uniform(bounds[i]), bounds[i]);
	for (int j = 0; j < 1000; j++)
		seen |= 1U << arc4random_uniform(7);
	EXPECT_EQ(seen, 0x7f);
	/* a third each; half of them if they were cut to size by a remainder, or a product */
	for (size_t i = 0; i < num; i++) {
		uint32_t value = arc4random_uniform(bound);

		low += value < bound / 3;
		multiple += value % 3 == 0;
	}
	EXPECT_LT(low, num * 36 / 100);
	EXPECT_GT(low, num * 31 / 100);
	EXPECT_LT(multiple, num * 36 / 100);
	EXPECT_GT(multiple, num * 31 / 100);
}

TEST_F(calls, errno_stays)
{
	struct rlimit limit;
	unsigned char buf[16];

	/* the first call, which gets a state */
	errno = 12345;
	EXPECT_EQ(getrandom(buf, 16, 0), 16);
	EXPECT_EQ(errno, 12345);
	arc4random_buf(buf, 16);
	EXPECT_EQ(errno, 12345);
	/* and one that gets none */
	memset(&mine, 0, sizeof(mine));
	for (int n = 0; n < MAX_CHUNKS; n++)
		chunks[n] = NULL;
	ASSERT_EQ(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = 0;
	ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	errno = 12345;
	EXPECT_EQ(getrandom(buf, 16, 0), 16);
	EXPECT_EQ(errno, 12345);
}

/* Each is called with a cancellation pending. */
static bool passed_by;

static void *cancelled_getrandom(void *data)
{
	pthread_cancel(pthread_self());
	getrandom(data, 16, 0);
	passed_by = true;
	return NULL;
}

static void *cancelled_others(void *data)
{
	pthread_cancel(pthread_self());
	if (getentropy(data, 16))
		return NULL;
	arc4random_buf(data, 16);
	arc4random();
	arc4random_uniform(7);
	passed_by = true;
	pthread_testcancel();
	return NULL;
}

TEST_F(calls, getrandom_is_a_cancellation_point)
{
	pthread_t thread;
	void *result;
	char buf[16];

	ASSERT_EQ(pthread_create(&thread, NULL, cancelled_getrandom, buf), 0);
	ASSERT_EQ(pthread_join(thread, &result), 0);
	EXPECT_EQ(result, PTHREAD_CANCELED);
	EXPECT_FALSE(passed_by);
}

TEST_F(calls, others_are_no_cancellation_points)
{
	pthread_t thread;
	void *result;
	char buf[16];

	ASSERT_EQ(pthread_create(&thread, NULL, cancelled_others, buf), 0);
	ASSERT_EQ(pthread_join(thread, &result), 0);
	EXPECT_EQ(result, PTHREAD_CANCELED);
	EXPECT_TRUE(passed_by);
}

TEST_F(calls, without_the_system_call)
{
	unsigned char buf[256];
	struct vgetrandom_block blocks[64];

	/* gets a state, and a key for it */
	ASSERT_EQ(getrandom(buf, 16, 0), 16);
	ASSERT_TRUE(FORBID(ENOSYS, SYS_getrandom, SYS_gettid, SYS_tgkill));
	if (variant->hide_vdso) {
		errno = 0;
		EXPECT_EQ(getrandom(buf, 16, 0), -1);
		EXPECT_EQ(errno, ENOSYS);
		errno = 0;
		EXPECT_EQ(getentropy(buf, 16), -1);
		EXPECT_EQ(errno, ENOSYS);
	} else {
		int good = 0;

		for (int i = 0; i < 10000; i++)
			good += getrandom(buf, 16, 0) == 16;
		EXPECT_EQ(good, 10000);
		EXPECT_EQ(getentropy(buf, 256), 0);
	}
	/* these have the device */
	errno = 12345;
	arc4random_buf(blocks, sizeof(blocks));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, 64));
	EXPECT_NE(arc4random() | arc4random() | arc4random(), 0);
	EXPECT_EQ(errno, 12345);
}

/* What the system call gives instead of random bytes, in pieces, and each second time EINTR. */
static unsigned char next_byte;
static unsigned int num_traps;

static void on_trap(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned char *buf = (unsigned char *)regs[REG_RDI];
	size_t len = regs[REG_RSI];

	if (num_traps++ % 2 == 0) {
		regs[REG_RAX] = -EINTR;
		return;
	}
	if (len > 100)
		len = 100;
	for (size_t i = 0; i < len; i++)
		buf[i] = next_byte++;
	regs[REG_RAX] = len;
}

static bool has_pieces_in_order(const unsigned char *buf, size_t len)
{
	bool good = true;

	for (size_t i = 0; i < len; i++)
		good &= buf[i] == (unsigned char)i;
	next_byte = 0;
	return good;
}

TEST(system_calls_that_give_less_or_are_interrupted_are_made_again)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };
	unsigned char buf[1000] = { 0 };

	hide_vdso = true;
	ASSERT_EQ(sigaction(SIGSYS, &action, NULL), 0);
	ASSERT_TRUE(FILTER(SECCOMP_RET_TRAP, SYS_getrandom));
	/* getrandom() itself says what the kernel does */
	errno = 0;
	EXPECT_EQ(getrandom(buf, 1000, 0), -1);
	EXPECT_EQ(errno, EINTR);
	EXPECT_EQ(getrandom(buf, 1000, 0), 100);
	EXPECT_TRUE(has_pieces_in_order(buf, 100));
	EXPECT_EQ(getentropy(buf, 256), 0);
	EXPECT_TRUE(has_pieces_in_order(buf, 256));
	errno = 12345;
	arc4random_buf(buf, sizeof(buf));
	EXPECT_EQ(errno, 12345);
	EXPECT_TRUE(has_pieces_in_order(buf, sizeof(buf)));
	/* EINTR and a piece: 1, 3 and 10 times */
	EXPECT_EQ(num_traps, 2 * (1 + 3 + 10));
}

/* What is about states. */
FIXTURE(states)
{
	size_t per_page;
};

FIXTURE_SETUP(states)
{
	struct vgetrandom v;

	if (!vgetrandom_open(&v))
		SKIP(_exit(SKIP_STATUS), "this kernel has no vDSO getrandom");
	ASSERT_TRUE(vgetrandom_uses_vdso());
	self->per_page = chunks[0]->states.num;
	ASSERT_GT(self->per_page, 1);
	ASSERT_LT(2 * self->per_page, MAX_THREADS);
}

FIXTURE_TEARDOWN(states)
{
}

/* Until the kernel has ended all owners but this thread: a join does not wait for all of it. */
static void wait_for_owners(void)
{
	for (int n = 0; n < MAX_CHUNKS && chunks[n]; n++)
		for (size_t i = 0; i < chunks[n]->states.num; i++)
			while (chunks[n]->owners[i] &&
			       OWNER_TID(chunks[n]->owners[i]) != OWNER_TID(mine.word) &&
			       !is_dead(OWNER_TID(chunks[n]->owners[i])))
				usleep(100);
}

static void *draw(void *data)
{
	return vgetrandom_uses_vdso() ? NULL : data;
}

TEST_F_TIMEOUT(states, one_for_each_thread, 60)
{
	for (int i = 0; i < 10; i++) {
		EXPECT_TRUE(gathering_differs(200));
		wait_for_owners();
	}
	EXPECT_LT(num_states(), 201 * 3 + self->per_page);
}

/* As a thread's word is that has ended: no thread has this number. */
#define DEAD_OWNER	(99ULL << OWNER_TID_BITS | ((1 << OWNER_TID_BITS) - 1))

static atomic_bool in_use[MAX_THREADS];
static atomic_bool used_twice;

/* Takes states and gives them up, as if it had ended or as one that was found. */
static void *contend(void *data)
{
	for (int i = 0; i < 15000; i++) {
		size_t slot;

		/* the others have all */
		if (!vgetrandom_uses_vdso())
			continue;
		slot = mine.owner - chunks[0]->owners;
		if (atomic_exchange(&in_use[slot], true))
			used_twice = true;
		for (int j = 0; j < 3; j++)
			sched_yield();
		if (*mine.owner != mine.word)
			used_twice = true;
		atomic_exchange(&in_use[slot], false);
		*mine.owner = i % 8 ? DEAD_OWNER : 0;
	}
	return data;
}

TEST_F_TIMEOUT(states, are_taken_by_one_of_many, 60)
{
	static struct chunk empty;
	pthread_t threads[4];

	/* no more than a few, and no more of these */
	chunks[0]->states.num = self->per_page < 6 ? self->per_page : 6;
	for (int n = 1; n < MAX_CHUNKS; n++)
		chunks[n] = &empty;
	yielding = true;
	for (int i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&threads[i], NULL, contend, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	EXPECT_FALSE(atomic_load(&used_twice));
}

TEST_F(states, stay_with_their_thread)
{
	void *state = mine.state;

	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(gathering_differs(20));
		EXPECT_TRUE(vgetrandom_uses_vdso());
		EXPECT_EQ(mine.state, state);
	}
}

TEST_F(states, of_ended_threads_are_found)
{
	ASSERT_TRUE(gathering_differs(self->per_page - 1));
	ASSERT_EQ(num_owned(), self->per_page);
	wait_for_owners();
	ASSERT_TRUE(run_thread(draw, NULL));
	EXPECT_EQ(num_states(), self->per_page);
	/* that of this thread and that of the last one */
	EXPECT_EQ(num_owned(), 2);
}

static void *spoil(void *data)
{
	draw(NULL);
	memset(mine.state, 0xa5, mine.vdso->params.size_of_opaque_state);
	return data;
}

TEST_F(states, are_wiped_before_they_are_used_again)
{
	size_t size = chunks[0]->vdso.params.size_of_opaque_state;

	while (num_owned() < self->per_page)
		ASSERT_TRUE(run_thread(spoil, NULL));
	wait_for_owners();
	ASSERT_TRUE(run_thread(draw, NULL));
	for (size_t i = 0; i < self->per_page; i++) {
		char *state = vgetrandom_state(&chunks[0]->states, i);

		if (chunks[0]->owners[i])
			continue;
		for (size_t j = 0; j < size; j++)
			ASSERT_EQ(state[j], 0);
	}
}

TEST_F(states, of_an_ended_thread_with_this_ones_number_are_found)
{
	for (size_t i = 0; i < self->per_page; i++)
		chunks[0]->owners[i] = 99ULL << OWNER_TID_BITS | getpid();
	EXPECT_TRUE(vgetrandom_uses_vdso());
	EXPECT_EQ(num_states(), self->per_page);
	EXPECT_EQ(num_owned(), 1);
}

static _Atomic int num_drawn;

static void *draw_detached(void *data)
{
	pthread_detach(pthread_self());
	draw(data);
	num_drawn++;
	return NULL;
}

TEST_F_TIMEOUT(states, do_not_become_more_by_10000_threads, 300)
{
	size_t mappings = 0, states = 0;

	for (int i = 0; i < 2500; i++) {
		bool detached = i % 2;
		pthread_t threads[4];
		void *result;

		num_drawn = 0;
		for (int j = 0; j < 4; j++)
			ASSERT_EQ(pthread_create(&threads[j], NULL, detached ? draw_detached : draw,
						 threads), 0);
		while (detached && num_drawn < 4)
			sched_yield();
		for (int j = 0; j < 4 && !detached; j++) {
			pthread_join(threads[j], &result);
			ASSERT_EQ(result, NULL);
		}
		if (i % 10 == 0)
			wait_for_owners();
		if (i == 100) {
			mappings = num_mappings();
			states = num_states();
		}
	}
	wait_for_owners();
	TH_LOG("%zu states after 400 threads, %zu after 10000", states, num_states());
	/* for 41 threads that may have been there at once, each with what ThreadSanitizer has of it */
	EXPECT_LT(num_states(), 41 * 3 + self->per_page);
	EXPECT_LT(num_mappings(), mappings + 16 + TSAN * 41 * 4);
}

/* ThreadSanitizer ends the thread for itself in the last round. */
#define ROUNDS	(PTHREAD_DESTRUCTOR_ITERATIONS - TSAN)

static pthread_key_t key;
static int rounds;
static bool destructors_content;

static void destroy(void *state)
{
	destructors_content &= vgetrandom_uses_vdso() && mine.state == state;
	if (++rounds < ROUNDS)
		pthread_setspecific(key, state);
}

static void *has_destructor(void *data)
{
	destructors_content = vgetrandom_uses_vdso();
	pthread_setspecific(key, mine.state);
	return data;
}

TEST_F(states, are_still_there_in_destructors)
{
	ASSERT_EQ(pthread_key_create(&key, destroy), 0);
	ASSERT_TRUE(run_thread(has_destructor, NULL));
	EXPECT_EQ(rounds, ROUNDS);
	EXPECT_TRUE(destructors_content);
}

TEST_F(states, do_without_memory)
{
	struct rlimit limit, old;
	char buf[16];

	memset(&mine, 0, sizeof(mine));
	chunks[0] = NULL;
	ASSERT_EQ(getrlimit(RLIMIT_AS, &old), 0);
	limit = old;
	limit.rlim_cur = 0;
	ASSERT_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	num_mmaps = 0;
	for (int i = 0; i < 2 * MAX_WAIT; i++) {
		EXPECT_FALSE(vgetrandom_uses_vdso());
		EXPECT_EQ(getrandom(buf, 16, 0), 16);
	}
	EXPECT_GE(atomic_load(&num_mmaps), 3U);
	EXPECT_LE(atomic_load(&num_mmaps), 15U);
	ASSERT_EQ(setrlimit(RLIMIT_AS, &old), 0);
	for (int i = 0; i < MAX_WAIT && !vgetrandom_uses_vdso(); i++)
		;
	EXPECT_TRUE(vgetrandom_uses_vdso());
}

TEST_F(states, stay_with_their_thread_whatever_number_the_process_is_told)
{
	told_pid = 12345;
	EXPECT_TRUE(gathering_differs(2 * self->per_page));
	told_pid = 0;
}

/* Then none is found again, and those that there are have to do. */
TEST_F(states, do_not_become_more_where_nobody_can_be_looked_for)
{
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		bool good = FORBID(EPERM, SYS_tgkill);

		good &= may_reap(syscall(SYS_gettid)) == false;
		for (size_t i = 0; !TSAN && i < 4 * self->per_page; i++)
			good &= run_thread(draw, NULL);
		_exit(!good || num_states() != self->per_page);
	}
	EXPECT_TRUE(child_is_content(pid));
	EXPECT_TRUE(may_reap(syscall(SYS_gettid)));
}

static pid_t forked_in_mmap;

static void fork_in_mmap(void)
{
	forked_in_mmap = fork();
}

/* Its word would tell of a thread that is no more as soon as the parent has ended. */
TEST_F(states, taken_while_a_handler_forks_are_not_the_parents)
{
	char buf[16];

	memset(&mine, 0, sizeof(mine));
	chunks[0] = NULL;
	in_mmap = fork_in_mmap;
	EXPECT_EQ(getrandom(buf, 16, 0), 16);
	if (!forked_in_mmap) {
		bool good = !mine.owner || *mine.owner != mine.word;

		good &= vgetrandom_uses_vdso();
		_exit(!good || OWNER_TID(*mine.owner) != syscall(SYS_gettid));
	}
	EXPECT_TRUE(child_is_content(forked_in_mmap));
	EXPECT_TRUE(vgetrandom_uses_vdso());
}

static void *endless(void *data)
{
	int type;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	for (;;)
		vgetrandom_arc4random_buf(data, 64);
}

TEST_F(states, of_threads_cancelled_within_calls_work_again)
{
	char buf[64];

	if (TSAN)
		SKIP(return, "ThreadSanitizer waits for ever");
	for (int i = 0; i < 300; i++) {
		pthread_t thread;

		ASSERT_EQ(pthread_create(&thread, NULL, endless, buf), 0);
		usleep(i % 50);
		pthread_cancel(thread);
		ASSERT_EQ(pthread_join(thread, NULL), 0);
		if (i % 10 == 0)
			wait_for_owners();
	}
	EXPECT_TRUE(gathering_differs(2 * self->per_page));
	EXPECT_LT(num_states(), (11 + 2 * self->per_page) * 3 + self->per_page);
}

/*
 * A call is interrupted in the vDSO, where it writes what it was asked for: there is no page, until
 * the handler has made one.
 */
static char *gap;
static size_t gap_size;
static void (*in_gap)(void);
static struct vgetrandom_block *shared_blocks;
static pid_t gap_child;
static bool handler_content;

static void on_fault(int signal)
{
	(void)signal;
	if (mprotect(gap, gap_size, PROT_READ | PROT_WRITE))
		_exit(2);
	in_gap();
}

static ssize_t interrupted_call(void (*handler)(void))
{
	struct sigaction action = { .sa_handler = on_fault };

	in_gap = handler;
	gap_size = sysconf(_SC_PAGESIZE);
	shared_blocks = vgetrandom_shared(16 * BLOCK);
	gap = mmap(NULL, gap_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!shared_blocks || gap == MAP_FAILED || sigaction(SIGSEGV, &action, NULL))
		return -1;
	return getrandom(gap, BLOCK, 0);
}

static void handler_calls(void)
{
	unsigned char before[4096];
	size_t size = mine.vdso->params.size_of_opaque_state;

	memcpy(before, mine.state, size);
	handler_content = mine.busy && getrandom(&shared_blocks[1], BLOCK, 0) == BLOCK &&
			  !memcmp(before, mine.state, size) && mine.busy;
}

TEST_F(states, are_not_used_by_handlers_of_interrupted_calls)
{
	ASSERT_EQ(interrupted_call(handler_calls), BLOCK);
	EXPECT_TRUE(handler_content);
	memcpy(&shared_blocks[0], gap, BLOCK);
	EXPECT_TRUE(vgetrandom_blocks_fresh(shared_blocks, 2));
	EXPECT_TRUE(vgetrandom_uses_vdso());
}

static void handler_forks(void)
{
	gap_child = fork();
	handler_content = !gap_child && getrandom(&shared_blocks[1], BLOCK, 0) == BLOCK;
}

TEST_F(states, of_interrupted_calls_are_not_the_childs)
{
	ASSERT_EQ(interrupted_call(handler_forks), BLOCK);
	if (!gap_child) {
		memcpy(&shared_blocks[2], gap, BLOCK);
		_exit(!handler_content || !vgetrandom_uses_vdso() ||
		      getrandom(&shared_blocks[3], BLOCK, 0) != BLOCK ||
		      !gathering_differs_in_child(2 * self->per_page));
	}
	EXPECT_TRUE(child_is_content(gap_child));
	memcpy(&shared_blocks[0], gap, BLOCK);
	EXPECT_TRUE(vgetrandom_blocks_fresh(shared_blocks, 4));
}

static sigjmp_buf jump;

static void handler_jumps(void)
{
	siglongjmp(jump, 1);
}

TEST_F(states, of_calls_that_a_handler_left_are_left)
{
	struct vgetrandom_block blocks[2];

	if (!sigsetjmp(jump, 1))
		interrupted_call(handler_jumps);
	EXPECT_FALSE(vgetrandom_uses_vdso());
	EXPECT_EQ(getrandom(blocks, sizeof(blocks), 0), sizeof(blocks));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, 2));
}

static struct vgetrandom_block *alarm_blocks;
static volatile sig_atomic_t num_alarms;

static void on_alarm(int signal)
{
	(void)signal;
	if (num_alarms < 2000)
		arc4random_buf(&alarm_blocks[num_alarms++], BLOCK);
}

TEST_F(states, survive_a_storm_of_signals)
{
	struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct vgetrandom_block blocks[64];

	alarm_blocks = vgetrandom_shared(2000 * BLOCK);
	ASSERT_NE(alarm_blocks, NULL);
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (int i = 0; i < 5000 && num_alarms < 2000; i++) {
		arc4random_buf(blocks, sizeof(blocks));
		ASSERT_TRUE(vgetrandom_blocks_fresh(blocks, 64));
		/* the first call, which gets a state, is interrupted, too */
		*mine.owner = 0;
	}
	ASSERT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	EXPECT_GT(num_alarms, 10);
	EXPECT_TRUE(vgetrandom_blocks_fresh(alarm_blocks, num_alarms));
	EXPECT_TRUE(vgetrandom_uses_vdso());
}

/* The system call gives less than it is asked for if a signal comes. */
TEST_F(calls, survive_a_storm_of_signals)
{
	struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm };
	size_t size = 256 << 10;
	struct vgetrandom_block *blocks = vgetrandom_shared(size);
	int num_short = 0;

	alarm_blocks = vgetrandom_shared(2000 * BLOCK);
	ASSERT_NE(blocks, NULL);
	ASSERT_NE(alarm_blocks, NULL);
	ASSERT_EQ(sigaction(SIGALRM, &action, NULL), 0);
	ASSERT_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (int i = 0; i < 50; i++) {
		num_short += syscall(SYS_getrandom, blocks, size, 0) < (ssize_t)size;
		memset(blocks, 0, size);
		arc4random_buf(blocks, size);
		ASSERT_TRUE(vgetrandom_blocks_fresh(blocks, size / BLOCK));
	}
	ASSERT_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
	EXPECT_GT(num_short, 0);
	EXPECT_GT(num_alarms, 10);
	EXPECT_TRUE(vgetrandom_blocks_fresh(alarm_blocks, num_alarms));
	EXPECT_EQ(vgetrandom_uses_vdso(), !variant->hide_vdso);
}

/* In a child of @make_child: fresh states, those of the threads that did not come along, too. */
static void fork_by(struct __test_metadata *_metadata, pid_t (*make_child)(void), bool known_to_libc,
		    size_t per_page)
{
	struct vgetrandom_block *blocks = vgetrandom_shared(3 * BLOCK);
	uint64_t word;
	pid_t pid;

	ASSERT_NE(blocks, NULL);
	ASSERT_TRUE(gathering_differs(per_page - 1));
	word = mine.word;
	ASSERT_EQ(getrandom(&blocks[0], BLOCK, 0), BLOCK);
	pid = make_child();
	ASSERT_GE(pid, 0);
	if (!pid) {
		bool good = num_owned() == 0;

		good &= getrandom(&blocks[1], BLOCK, 0) == BLOCK;
		good &= vgetrandom_uses_vdso() == known_to_libc;
		good &= (mine.word == word) == !known_to_libc;
		good &= num_owned() == known_to_libc;
		if (known_to_libc)
			good &= gathering_differs_in_child(per_page - 1) &&
				num_states() == per_page;
		_exit(!good);
	}
	EXPECT_TRUE(child_is_content(pid));
	ASSERT_EQ(getrandom(&blocks[2], BLOCK, 0), BLOCK);
	EXPECT_EQ(mine.word, word);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, 3));
}

TEST_F(states, after_fork)
{
	fork_by(_metadata, fork, true, self->per_page);
}

TEST_F(states, after__Fork)
{
	fork_by(_metadata, _Fork, true, self->per_page);
}

static pid_t clone_by_itself(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

TEST_F(states, after_a_fork_that_libc_does_not_know_of)
{
	fork_by(_metadata, clone_by_itself, false, self->per_page);
}

TEST_F(states, after_vfork_stay_the_parents)
{
	void *state = mine.state;
	uint64_t word = mine.word;
	char buf[16];
	pid_t pid;

	if (TSAN)
		SKIP(return, "ThreadSanitizer makes it a fork");
	pid = vfork();
	if (!pid)
		_exit(getrandom(buf, 16, 0) != 16 || mine.state != state);
	EXPECT_TRUE(child_is_content(pid));
	EXPECT_EQ(mine.word, word);
	/* one that has none does not get one there: with its ID it would seem to be of a dead */
	*mine.owner = 0;
	pid = vfork();
	if (!pid)
		_exit(getrandom(buf, 16, 0) != 16 || vgetrandom_uses_vdso());
	EXPECT_TRUE(child_is_content(pid));
	EXPECT_EQ(num_owned(), 0);
	EXPECT_TRUE(vgetrandom_uses_vdso());
}

static pthread_barrier_t all_hold;

static void *hold(void *data)
{
	draw(data);
	pthread_barrier_wait(&all_hold);
	pause();
	return NULL;
}

/*
 * With @num states that are all other threads': whether they still are, after the child of a
 * vfork() into another PID namespace, in which it has the number that this thread has here, looked
 * for one that is free.
 */
static bool vfork_into_a_namespace_spares(size_t num)
{
	pid_t first, pid;
	char buf[16];
	bool good;

	memset(&mine, 0, sizeof(mine));
	pthread_barrier_init(&all_hold, NULL, num + 1);
	for (size_t i = 0; i < num; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, hold, NULL))
			return false;
	}
	pthread_barrier_wait(&all_hold);
	if (num_owned() != num || unshare(CLONE_NEWPID))
		return false;
	for (pid_t number = 1; number < syscall(SYS_gettid); number++) {
		pid = fork();
		if (!pid) {
			pause();
			_exit(0);
		}
		if (number == 1)
			first = pid;
	}
	pid = vfork();
	if (!pid)
		_exit(syscall(SYS_gettid) != syscall(SYS_getpid) ||
		      getrandom(buf, 16, 0) != 16);
	/* those whose states were freed have none, and what the child took is not among these */
	good = child_is_content(pid) && num_owned() >= num;
	for (size_t i = 0; i < num; i++)
		good &= OWNER_TID(chunks[0]->owners[i]) != 0;
	if (syscall(SYS_gettid) > 1)
		kill(first, SIGKILL);
	return good;
}

/* As PID 1 and as PID 2: the first and the second process that is made in a namespace. */
TEST_F(states, of_threads_are_not_those_of_the_dead_in_another_namespace)
{
	if (TSAN)
		SKIP(return, "ThreadSanitizer makes it a fork");
	for (int number = 1; number <= 2; number++) {
		pid_t pid = fork();

		ASSERT_GE(pid, 0);
		if (!pid) {
			pid_t init;

			if (unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWPID))
				_exit(3);
			init = fork();
			if (!init) {
				pid = number == 2 ? fork() : 0;
				if (!pid)
					_exit(syscall(SYS_gettid) != number ||
					      !vfork_into_a_namespace_spares(self->per_page));
				_exit(!child_is_content(pid));
			}
			_exit(!child_is_content(init));
		}
		EXPECT_TRUE(child_is_content(pid)) TH_LOG("as PID %d", number);
	}
}

/* A thread of a child that gets its parent's number is not the one that had the number there. */
TEST_F(states, are_known_by_a_ticket)
{
	uint64_t word = mine.word;

	*mine.owner = 0;
	EXPECT_TRUE(vgetrandom_uses_vdso());
	EXPECT_EQ(OWNER_TID(mine.word), OWNER_TID(word));
	EXPECT_NE(mine.word, word);
}

/* A child, its child and so on: whether each gets on with the states that are there. */
static bool generations_are_content(int num, size_t states)
{
	pid_t pid;

	if (!vgetrandom_uses_vdso() || num_states() != states || num_owned() != 1)
		return false;
	if (!num)
		return true;
	pid = fork();
	if (!pid)
		_exit(!generations_are_content(num - 1, states));
	return child_is_content(pid);
}

TEST_F_TIMEOUT(states, do_not_become_more_by_generations, 60)
{
	EXPECT_TRUE(generations_are_content(100, self->per_page));
}

#define FORKERS		3
#define FORKS		25
#define FORK_BLOCKS	4

static atomic_bool stop;
static atomic_bool forks_content = true;
static size_t fork_threads;

static void *churn(void *data)
{
	while (!stop) {
		pthread_t threads[3];
		char buf[256];

		for (int i = 0; i < 3; i++)
			if (pthread_create(&threads[i], NULL, draw, NULL))
				abort();
		for (int i = 0; i < 50; i++)
			arc4random_buf(buf, sizeof(buf));
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
	}
	return data;
}

/*
 * The same, if other threads were at work at the fork. AddressSanitizer does not wait for a thread
 * that is ending: its quarantine's lock stays held in the child, and all threads that end there
 * wait for it.
 */
static bool gathering_differs_in_busy_child(size_t num)
{
	return ASAN || gathering_differs_in_child(num);
}

static void *forker(void *data)
{
	struct vgetrandom_block *out = data;

	for (int i = 0; i < FORKS; i++, out += FORK_BLOCKS) {
		pid_t pid;

		arc4random_buf(&out[0], BLOCK);
		pid = fork();
		if (!pid) {
			if (num_owned())
				_exit(2);
			arc4random_buf(&out[1], BLOCK);
			if (!vgetrandom_uses_vdso())
				_exit(3);
			if (!gathering_differs_in_busy_child(fork_threads))
				_exit(4);
			pid = fork();
			if (!pid) {
				arc4random_buf(&out[2], BLOCK);
				_exit(!vgetrandom_uses_vdso() ||
				      !gathering_differs_in_busy_child(3));
			}
			_exit(!child_is_content(pid));
		}
		arc4random_buf(&out[3], BLOCK);
		if (!child_is_content(pid))
			forks_content = false;
	}
	return NULL;
}

TEST_F_TIMEOUT(states, survive_forks_in_threads_under_load, 120)
{
	size_t num = FORKERS * FORKS * FORK_BLOCKS;
	struct vgetrandom_block *blocks = vgetrandom_shared(num * BLOCK);
	pthread_t threads[2 * FORKERS];

	ASSERT_NE(blocks, NULL);
	fork_threads = 2 * self->per_page + 1;
	for (int i = 0; i < FORKERS; i++) {
		ASSERT_EQ(pthread_create(&threads[i], NULL, forker,
					 &blocks[i * FORKS * FORK_BLOCKS]), 0);
		ASSERT_EQ(pthread_create(&threads[FORKERS + i], NULL, churn, NULL), 0);
	}
	for (int i = 0; i < FORKERS; i++)
		pthread_join(threads[i], NULL);
	stop = true;
	for (int i = 0; i < FORKERS; i++)
		pthread_join(threads[FORKERS + i], NULL);
	EXPECT_TRUE(atomic_load(&forks_content));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_HARNESS_MAIN
