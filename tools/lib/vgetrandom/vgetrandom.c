// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * getrandom() and its family by the vDSO, for programs whose libc does not do it.
 *
 * A thread takes a state at its first call and keeps it until the kernel has ended it: no
 * destructor gives it back, so calls made by other destructors find it still theirs. Who needs a
 * state and finds none free looks for owners that are no more.
 *
 * A state belongs to whom its owner word says: by a ticket, which never comes twice in a process
 * and its forks, and the thread's ID. Only its thread writes a ticket to it, and only over a word
 * that says that nobody has the state. The words are in memory that fork() clears
 * (MADV_WIPEONFORK): in a child all states are free, the forking thread's too, however the fork was
 * made and whatever other threads were at. That thread sees at its next call that the word is not
 * what it wrote, and takes a state anew.
 *
 * There are no locks, and nothing that a handler or a fork could find half done. A handler that
 * interrupts a call makes the system call.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "vgetrandom.h"
#include "vgetrandom_vdso.h"

/* What this file exports, as libc's names or its own. */
#define PUBLIC __attribute__((visibility("default")))

/* An owner word: the thread's ID, as futexes have it, and above it the ticket. */
#define OWNER_TID_BITS	30
#define OWNER_TID(word)	((pid_t)((word) & ((1 << OWNER_TID_BITS) - 1)))

/* The chunk with number n has 2^n pages of states. */
#define MAX_CHUNKS	20

/* Calls without a state, at the most, before the next is looked for. */
#define MAX_WAIT	1023

/**
 * struct chunk - states, and whose they are; never unmapped
 * @vdso:	how to use them
 * @states:	where they are
 * @owners:	an owner word for each, 0 if it is free; cleared by fork()
 */
struct chunk {
	struct vgetrandom vdso;
	struct vgetrandom_states states;
	_Atomic uint64_t *owners;
};

/**
 * struct mine - a thread's state
 * @busy:	a call of this thread is at work: the members and the state are its own
 * @word:	what this thread has written to @owner
 * @owner:	the state's owner word, or NULL
 * @state:	the state, this thread's as long as @owner has @word
 * @vdso:	how to use it
 * @wait:	calls to come that do not look for a state, as there was none to be had
 * @last_wait:	how many they were at first
 */
struct mine {
	volatile sig_atomic_t busy;
	uint64_t word;
	_Atomic uint64_t *owner;
	void *state;
	const struct vgetrandom *vdso;
	unsigned int wait;
	unsigned int last_wait;
};

/* Without calls and allocations at the first use, which a handler's may be. */
static __thread struct mine mine __attribute__((tls_model("initial-exec")));

static struct chunk *_Atomic chunks[MAX_CHUNKS];
static _Atomic uint64_t tickets;
static atomic_bool no_vdso;

/*
 * This thread's ID, or 0 if it is not libc's idea of it: then this is another process, which was
 * made behind libc's back, or by vfork() and has its parent's memory and thread-local variables. It
 * may use a state that its parent's thread has taken, since that one waits, but take none: the
 * owner would seem dead too early.
 */
static pid_t thread_id(void)
{
	pid_t tid = syscall(SYS_gettid);
	clockid_t clock;

	/* The only interface that tells: the kernel encodes the ID so. It is computed only. */
	if (pthread_getcpuclockid(pthread_self(), &clock) || ~(clock >> 3) != tid)
		return 0;
	return tid;
}

/* Not by getpid(), which some who say that a process has another number replace. */
static int probe(pid_t tid)
{
	return syscall(SYS_tgkill, syscall(SYS_getpid), tid, 0) ? errno : 0;
}

static bool is_dead(pid_t tid)
{
	return probe(tid) == ESRCH;
}

/*
 * Whether this is a process's first thread, and its parent in another PID namespace: as the child
 * of vfork() it may have the number there that its parent's thread has in its own.
 */
static bool is_first_in_namespace(pid_t tid)
{
	return tid == syscall(SYS_getpid) && syscall(SYS_getppid) <= 0;
}

/*
 * Whether this thread may tell who is dead: not if what it would ask says the same of itself, or
 * anything else, nor if it knows none of those in whose memory it may be.
 */
static bool may_reap(pid_t tid)
{
	return !is_first_in_namespace(tid) && !probe(tid);
}

/* Makes a free state this thread's. */
static bool take_free(uint64_t word)
{
	for (int n = 0; n < MAX_CHUNKS; n++) {
		struct chunk *chunk = atomic_load(&chunks[n]);

		if (!chunk)
			break;
		for (size_t i = 0; i < chunk->states.num; i++) {
			uint64_t owner = atomic_load_explicit(&chunk->owners[i],
							      memory_order_relaxed);

			if (owner ||
			    !atomic_compare_exchange_strong(&chunk->owners[i], &owner, word))
				continue;
			mine.word = word;
			mine.owner = &chunk->owners[i];
			mine.state = vgetrandom_state(&chunk->states, i);
			mine.vdso = &chunk->vdso;
			return true;
		}
	}
	return false;
}

static int num_chunks(void)
{
	int n = 0;

	while (n < MAX_CHUNKS && atomic_load(&chunks[n]))
		n++;
	return n;
}

/*
 * Frees states of threads that have ended, and counts those in use and all there are. They are this
 * thread's while it wipes them, so that nobody wipes what is used again.
 *
 * A thread with the ID of this one that is not this one has ended.
 */
static size_t reap(uint64_t word, size_t *num)
{
	size_t used = 0;

	*num = 0;
	for (int n = 0; n < MAX_CHUNKS; n++) {
		struct chunk *chunk = atomic_load(&chunks[n]);

		if (!chunk)
			break;
		*num += chunk->states.num;
		for (size_t i = 0; i < chunk->states.num; i++) {
			uint64_t owner = atomic_load(&chunk->owners[i]);

			if (!owner)
				continue;
			if (OWNER_TID(owner) != OWNER_TID(word) && !is_dead(OWNER_TID(owner))) {
				/* not if it was another thread's while that wiped it */
				used += atomic_load(&chunk->owners[i]) == owner;
				continue;
			}
			if (!atomic_compare_exchange_strong(&chunk->owners[i], &owner, word))
				continue;
			memset(vgetrandom_state(&chunk->states, i), 0,
			       chunk->vdso.params.size_of_opaque_state);
			atomic_store(&chunk->owners[i], 0);
		}
	}
	return used;
}

/* Has chunk @n made, by this thread or another. A fork just then leaves it to the child, unused. */
static bool grow(int n)
{
	size_t page_size = getauxval(AT_PAGESZ), num = 1, size;
	struct chunk *chunk, *expected = NULL;
	struct vgetrandom_states states;
	struct vgetrandom vdso;

	if (n == MAX_CHUNKS)
		return false;
	if (atomic_load(&chunks[n]))
		return true;
	if (!vgetrandom_open(&vdso)) {
		atomic_store(&no_vdso, true);
		return false;
	}
	if (n)
		num = atomic_load(&chunks[0])->states.num << n;
	if (!vgetrandom_states_map(&vdso, &states, num))
		return false;
	/* the chunk, which fork() is to leave alone, and after a page the owner words */
	size = (states.num * sizeof(*chunk->owners) + page_size - 1) / page_size * page_size;
	chunk = mmap(NULL, page_size + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (chunk == MAP_FAILED) {
		vgetrandom_states_unmap(&states);
		return false;
	}
	chunk->vdso = vdso;
	chunk->states = states;
	chunk->owners = (void *)((char *)chunk + page_size);
	if (madvise(chunk->owners, size, MADV_WIPEONFORK)) {
		/* no such kernel, or it is forbidden: for good, unlike no memory */
		if (errno != ENOMEM)
			atomic_store(&no_vdso, true);
		goto unmap;
	}
	if (atomic_compare_exchange_strong(&chunks[n], &expected, chunk))
		return true;
unmap:
	munmap(chunk, page_size + size);
	vgetrandom_states_unmap(&states);
	return expected;
}

/* Frees states, or makes more; whether there may be a free one then. */
static bool make_free(uint64_t word)
{
	int n = num_chunks();
	size_t num, used;

	/* more than the first would never come to an end, if none that was used is found again */
	if (!may_reap(OWNER_TID(word)))
		return (!n || is_first_in_namespace(OWNER_TID(word))) && grow(n);
	used = reap(word, &num);
	/* a quarter is left, so that the next search is some threads away */
	return used < num - num / 4 || grow(n) || used < num;
}

/* Gets this thread a state. */
static __attribute__((noinline, cold)) bool acquire(void)
{
	int saved_errno = errno;
	bool got = false;
	uint64_t word;
	pid_t tid;

	if (atomic_load_explicit(&no_vdso, memory_order_relaxed))
		return false;
	if (mine.wait) {
		mine.wait--;
		return false;
	}
	tid = thread_id();
	if (!tid)
		goto out;
	word = (atomic_fetch_add(&tickets, 1) + 1) << OWNER_TID_BITS | tid;
	while (!(got = take_free(word)) && make_free(word))
		;
	if (got) {
		mine.last_wait = 0;
		/* A handler's fork came before the word was written: it has the parent's ID. */
		if (thread_id() != tid) {
			atomic_compare_exchange_strong(mine.owner, &word, 0);
			got = false;
		}
	} else {
		/* a search costs more than many system calls */
		mine.last_wait = mine.last_wait < MAX_WAIT ? 2 * mine.last_wait + 1 : MAX_WAIT;
		mine.wait = mine.last_wait;
	}
out:
	errno = saved_errno;
	return got;
}

/* getrandom() by the vDSO; less than 0 if the system call must be made instead. */
static inline ssize_t vdso_getrandom(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret = -1;

	/* The vDSO would not say that these exclude each other. */
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -1;
	if (mine.busy)
		return -1;
	mine.busy = true;
	atomic_signal_fence(memory_order_seq_cst);
	if ((mine.owner &&
	     atomic_load_explicit(mine.owner, memory_order_relaxed) == mine.word) || acquire())
		/* waiting is for a system call that can be cancelled */
		ret = mine.vdso->call(buf, len, flags | GRND_NONBLOCK, mine.state,
				      mine.vdso->params.size_of_opaque_state);
	atomic_signal_fence(memory_order_seq_cst);
	mine.busy = false;
	return ret;
}

PUBLIC bool vgetrandom_uses_vdso(void)
{
	return vdso_getrandom(NULL, 0, 0) == 0;
}

PUBLIC ssize_t vgetrandom_getrandom(void *buf, size_t len, unsigned int flags)
{
	ssize_t ret;
	int type;

	pthread_testcancel();
	ret = vdso_getrandom(buf, len, flags);
	if (ret >= 0)
		return ret;
	ret = syscall(SYS_getrandom, buf, len, flags | GRND_NONBLOCK);
	if (ret >= 0 || errno != EAGAIN || flags & GRND_NONBLOCK)
		return ret;
	/* Nothing is lost if it is cancelled when it is done. */
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	ret = syscall(SYS_getrandom, buf, len, flags);
	pthread_setcanceltype(type, &type);
	return ret;
}

/* All @len bytes, or false and errno. No cancellation point. */
static bool fill(void *buf, size_t len)
{
	while (len) {
		ssize_t ret = vdso_getrandom(buf, len, 0);

		if (ret < 0)
			ret = syscall(SYS_getrandom, buf, len, 0);
		if (ret < 0 && errno == EINTR)
			continue;
		/* as libc has it, should a filter say so */
		if (!ret)
			errno = EIO;
		if (ret <= 0)
			return false;
		buf = (char *)buf + ret;
		len -= ret;
	}
	return true;
}

PUBLIC int vgetrandom_getentropy(void *buf, size_t len)
{
	if (len > 256) {
		errno = EIO;
		return -1;
	}
	return fill(buf, len) ? 0 : -1;
}

/* For where there is no system call getrandom: none of these is a cancellation point, either. */
static void fill_from_device(void *buf, size_t len)
{
	struct pollfd seeded = { .events = POLLIN };
	int fd;

	seeded.fd = syscall(SYS_openat, AT_FDCWD, "/dev/random", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (seeded.fd < 0)
		abort();
	while (syscall(SYS_ppoll, &seeded, 1, NULL, NULL, 0) < 0)
		if (errno != EINTR)
			abort();
	syscall(SYS_close, seeded.fd);
	fd = syscall(SYS_openat, AT_FDCWD, "/dev/urandom", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		abort();
	while (len) {
		ssize_t ret = syscall(SYS_read, fd, buf, len);

		if (!ret || (ret < 0 && errno != EINTR))
			abort();
		if (ret < 0)
			continue;
		buf = (char *)buf + ret;
		len -= ret;
	}
	syscall(SYS_close, fd);
}

PUBLIC void vgetrandom_arc4random_buf(void *buf, size_t len)
{
	int saved_errno = errno;

	if (!fill(buf, len))
		fill_from_device(buf, len);
	errno = saved_errno;
}

PUBLIC uint32_t vgetrandom_arc4random(void)
{
	uint32_t value;

	vgetrandom_arc4random_buf(&value, sizeof(value));
	return value;
}

PUBLIC uint32_t vgetrandom_arc4random_uniform(uint32_t upper_bound)
{
	uint64_t product;

	if (upper_bound < 2)
		return 0;
	/* The high half is fair if the low one is not among the first 2^32 % upper_bound. */
	do
		product = (uint64_t)vgetrandom_arc4random() * upper_bound;
	while ((uint32_t)product < upper_bound &&
	       (uint32_t)product < -upper_bound % upper_bound);
	return product >> 32;
}

#define LIBC_NAME(name) PUBLIC __typeof__(vgetrandom_##name) name \
	__attribute__((alias("vgetrandom_" #name)))

LIBC_NAME(getrandom);
LIBC_NAME(getentropy);
LIBC_NAME(arc4random);
LIBC_NAME(arc4random_buf);
LIBC_NAME(arc4random_uniform);
