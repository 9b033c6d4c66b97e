// SPDX-License-Identifier: GPL-2.0
/*
 * Calls the vDSO from threads of several processes while everything that there is happens to the
 * memory of their states, and compares all that the calls returned: no 16 bytes may come twice, or
 * be zeros. What takes longer than a minute is done in rounds, each with processes of its own, after
 * which it is looked for in a table of what all rounds before have returned: 48 MiB a round.
 *
 *	vgetrandom_stress SECONDS [SEED [SWAP [MIB]]]
 *
 * SEED is printed; what is done when still depends on the machine. SWAP is a device to swap to; so
 * much memory is left beside what is locked then, 160 MiB if that is not said.
 * Ends with "done".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/random.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>

#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"
#include "guest.h"

#define WORKERS		3
#define THREADS		3
#define OUTPUTS_MAX	(4UL << 20)
#define BLOCKS_MAX	100
#define ROUND_SECONDS	60
#define PRESSURE_SECONDS 20
#define MIB_LEFT	160
#define DISTURBANCES_MIN 10
#define CPU1		"/sys/devices/system/cpu/cpu1/online"

struct output {
	uint64_t half[2];
};

enum event { CALLS, SIGNALS, FORKS, MOVES, SPLITS, UNMAPS, DROPS, RESEEDS, PRESSURES, DROP_CACHES,
	     CLEAR_REFS, HOTPLUGS, EVENTS };

static const char *const event_names[EVENTS] = {
	"calls", "signals", "forks", "moves", "splits", "unmaps", "drops", "reseeds", "pressures",
	"drop_caches", "clear_refs", "hotplugs",
};

/* What all processes share. */
static struct {
	atomic_bool stop;
	atomic_ulong events[EVENTS];
	atomic_ulong zeros;
	atomic_ulong num;
	struct output outputs[OUTPUTS_MAX];
} *shared;

static struct vgetrandom vdso;
static unsigned long seed;
/* of a round */
static time_t started, seconds;

static struct {
	unsigned long outputs;
	unsigned long repeated;
} totals;

/* What all rounds returned: of each output a half, at a place that the other tells; 0: nothing. */
static struct {
	uint64_t *halves;
	unsigned long size;
} table;

/*
 * A thread and its state, which has a page of its own. The lock keeps the page where it is, and so
 * does a signal that is on its way.
 */
static struct caller {
	pthread_t thread;
	pthread_mutex_t lock;
	atomic_bool wanted;
	atomic_bool signalled;
	unsigned char *page;
} callers[THREADS];

static __thread struct caller *self;

static void count(enum event event)
{
	atomic_fetch_add_explicit(&shared->events[event], 1, memory_order_relaxed);
}

/* xorshift64* of Sebastiano Vigna; each thread has its own. */
static __thread uint64_t rng;

static unsigned long number_below(unsigned long limit)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (rng * 0x2545f4914f6cdd1dULL >> 33) % limit;
}

static void start_rng(unsigned long who)
{
	rng = (seed + who + 1) * 0x9e3779b97f4a7c15ULL | 1;
}

static bool room_for(unsigned long outputs)
{
	unsigned long passed = time(NULL) - started + 1;

	/* as many as there is room for until the end, at an even pace */
	return atomic_load(&shared->num) + outputs <
	       OUTPUTS_MAX / 16 * 15 * (passed < (unsigned long)seconds ? passed : seconds) / seconds;
}

/* One call with a state, of several blocks; all that it returns is kept. */
static void call(unsigned char *state)
{
	/* one block, some, or more than a refill */
	unsigned long blocks = number_below(4) ? 1 : 1 + number_below(number_below(4) ? 8 : BLOCKS_MAX);
	struct output outputs[BLOCKS_MAX] = { 0 };
	ssize_t wanted = blocks * sizeof(*outputs);
	unsigned long first;

	if (vdso.call(outputs, wanted, 0, state, vdso.params.size_of_opaque_state) != wanted)
		errx(1, "a call did not return %zd", wanted);
	count(CALLS);
	for (unsigned long i = 0; i < blocks; i++)
		if (!outputs[i].half[0] || !outputs[i].half[1])
			shared->zeros++;
	first = atomic_fetch_add(&shared->num, blocks);
	if (first + blocks <= OUTPUTS_MAX)
		memcpy(&shared->outputs[first], outputs, wanted);
}

/* Comes at any instruction of the thread's own call. */
static void handler(int sig)
{
	int error = errno;
	uint64_t saved = rng;

	(void)sig;
	start_rng(saved);
	call(self->page);
	count(SIGNALS);
	rng = saved;
	self->signalled = false;
	errno = error;
}

static void *caller(void *arg)
{
	struct caller *me = arg;

	start_rng(seed ^ getpid() ^ (me - callers));
	self = me;
	/* none before: a thread that does not know its state yet would not heed a signal */
	me->signalled = false;
	while (!shared->stop) {
		pthread_mutex_lock(&me->lock);
		for (unsigned long i = number_below(50); i--;)
			call(me->page);
		pthread_mutex_unlock(&me->lock);
		/* whoever waits for the lock would seldom get it from one that takes it again at once */
		while ((me->wanted || !room_for(1000)) && !shared->stop)
			usleep(me->wanted ? 100 : 2000);
	}
	return NULL;
}

/* Changes where a state is, while nothing uses it. */
static void halt_and(void (*change)(struct caller *c), struct caller *c)
{
	c->wanted = true;
	pthread_mutex_lock(&c->lock);
	c->wanted = false;
	/* a thread that has ended takes no signal */
	while (c->signalled && !shared->stop)
		usleep(100);
	if (!c->signalled)
		change(c);
	pthread_mutex_unlock(&c->lock);
}

static unsigned char *map_states(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, vdso.params.mmap_prot, vdso.params.mmap_flags, -1,
				0);

	if (p == MAP_FAILED)
		err(1, "mmap of states");
	return p;
}

/* A child of a fork that came at any instruction of the other threads. */
static void fork_once(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0) {
		if (errno != EAGAIN && errno != ENOMEM)
			err(1, "fork");
		return;
	}
	if (!pid) {
		for (unsigned int i = 0; i < 8; i++)
			call(callers[number_below(THREADS)].page);
		if (number_below(4) == 0 && !fork()) {
			call(callers[0].page);
			_exit(0);
		}
		_exit(0);
	}
	/* one that was killed for want of memory is none of our concern */
	if (waitpid(pid, &status, 0) != pid || (status && WTERMSIG(status) != SIGKILL))
		errx(1, "a child ended with status %#x", status);
	count(FORKS);
}

/* Moves a state's page: into another mapping's middle, or away from there. */
static void move(struct caller *c)
{
	unsigned char *to = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (to == MAP_FAILED)
		err(1, "mmap");
	if (mremap(c->page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
		if (errno != ENOMEM)
			err(1, "mremap");
		munmap(to, PAGE);
		return;
	}
	c->page = to;
	count(MOVES);
}

/* A mapping of several pages loses all but the one that the state is in. */
static void unmap(struct caller *c)
{
	size_t pages = 2 + number_below(4), mine = number_below(pages);
	unsigned char *p = map_states(pages);

	munmap(c->page, PAGE);
	c->page = p + mine * PAGE;
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE + 2000] = 1;
	for (size_t i = 0; i < pages; i++)
		if (i != mine && munmap(p + i * PAGE, PAGE))
			err(1, "munmap");
	/* no state was ever there: what comes from it must be new */
	memset(c->page, 0, PAGE);
	count(UNMAPS);
}

/* Two mappings in the place of one, and one again: while the state is in use. */
static void split(struct caller *c)
{
	if (madvise(c->page, PAGE, number_below(2) ? MADV_DONTFORK : MADV_DOFORK) ||
	    mprotect(c->page, PAGE, PROT_READ | PROT_WRITE | (number_below(2) ? PROT_EXEC : 0)))
		err(1, "split");
	count(SPLITS);
}

static void drop(struct caller *c)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_PAGEOUT };

	if (madvise(c->page, PAGE, advices[number_below(3)]))
		err(1, "madvise");
	count(DROPS);
}

/* What happens to a process's states; this thread alone changes its mappings, and forks. */
static void disturb(void)
{
	struct caller *c = &callers[number_below(THREADS)];

	switch (number_below(16)) {
	case 0 ... 3:
		if (!atomic_exchange(&c->signalled, true))
			pthread_kill(c->thread, SIGUSR1);
		break;
	case 4 ... 7:
		drop(c);
		break;
	case 8 ... 9:
		/* not while a child would lack the page */
		for (size_t i = 0; i < THREADS; i++)
			madvise(callers[i].page, PAGE, MADV_DOFORK);
		fork_once();
		break;
	case 10 ... 11:
		split(c);
		break;
	case 12 ... 13:
		halt_and(move, c);
		break;
	default:
		halt_and(unmap, c);
	}
}

static void work(unsigned long number)
{
	unsigned char *mapping = map_states(2 * THREADS);
	long disturbances = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	put("/proc/self/oom_score_adj", "0");
	start_rng(number);
	for (size_t i = 0; i < THREADS; i++) {
		callers[i].page = mapping + 2 * i * PAGE;
		pthread_mutex_init(&callers[i].lock, NULL);
		callers[i].signalled = true;
		if (pthread_create(&callers[i].thread, NULL, caller, &callers[i]))
			errx(1, "pthread_create");
	}
	for (; !shared->stop; disturbances++) {
		disturb();
		if (number_below(4) == 0)
			usleep(number_below(3000));
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(callers[i].thread, NULL);
	/* one that got stuck would be no test of anything, and go unseen beside the others */
	if (disturbances < DISTURBANCES_MIN)
		errx(1, "process %lu did no more than %ld things to its states", number, disturbances);
	exit(0);
}

/* Takes nearly all memory for a moment: pages are dropped, others swapped. */
static void press(void)
{
	size_t size = ((size_t)sysconf(_SC_AVPHYS_PAGES) * PAGE / MIB + 32) * MIB;
	pid_t pid = fork();
	char *p;

	if (pid < 0)
		return;
	if (!pid) {
		put("/proc/self/oom_score_adj", "1000");
		/* swapping takes long on a slow kernel, more so among all that runs here */
		setpriority(PRIO_PROCESS, 0, -20);
		alarm(PRESSURE_SECONDS);
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			_exit(0);
		for (size_t i = 0; i < size && !shared->stop; i += MIB)
			if (madvise(p + i, MIB, MADV_POPULATE_WRITE))
				_exit(1);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	count(PRESSURES);
}

static void clear_refs(const pid_t *workers)
{
	char path[64], text[2] = { '1' + number_below(4), 0 };

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", workers[number_below(WORKERS)]);
	put(path, text);
	count(CLEAR_REFS);
}

/* What happens to all: the rare things in turn, so that each has its time, the others at random. */
static void disturb_all(const pid_t *workers, int random, bool swap)
{
	static unsigned int turn;
	static bool offline;

	turn++;
	if (swap && turn % 24 == 12) {
		press();
	} else if (turn % 8 == 4) {
		put(CPU1, offline ? "1" : "0");
		offline = !offline;
		count(HOTPLUGS);
	} else if (turn % 3 == 0) {
		if (ioctl(random, RNDRESEEDCRNG))
			err(1, "RNDRESEEDCRNG");
		count(RESEEDS);
	} else if (number_below(2)) {
		put("/proc/sys/vm/drop_caches", "2");
		count(DROP_CACHES);
	} else {
		clear_refs(workers);
	}
	usleep(20000);
}

static int compare(const void *a, const void *b)
{
	const struct output *x = a, *y = b;

	if (x->half[0] != y->half[0])
		return x->half[0] < y->half[0] ? -1 : 1;
	return x->half[1] < y->half[1] ? -1 : x->half[1] > y->half[1];
}

/* Memory of this process alone, which is not swapped. */
static void *lock_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* the kernel may have no huge pages, which only make it faster */
	if (p != MAP_FAILED)
		madvise(p, bytes, MADV_HUGEPAGE);
	if (p == MAP_FAILED || madvise(p, bytes, MADV_DONTFORK) || mlock(p, bytes))
		err(1, "%zu MiB that are not swapped", bytes / MIB);
	/* others are the ones that take what is left */
	put("/proc/self/oom_score_adj", "-1000");
	return p;
}

/* Makes the table, for so many outputs, of which a third of it stays free. */
static void make_table(unsigned long outputs)
{
	table.size = outputs / 2 * 3;
	table.halves = lock_memory(table.size * sizeof(*table.halves));
}

/* Leaves so much memory that what takes the rest is at its end before its time is. */
static void leave_little(size_t left)
{
	size_t available = (size_t)sysconf(_SC_AVPHYS_PAGES) * PAGE;

	if (available > left)
		lock_memory(available - left);
}

/* Adds an output to the table, and tells whether it was there. */
static bool known(const struct output *output)
{
	unsigned long i = (unsigned __int128)output->half[0] * table.size >> 64;

	for (; table.halves[i]; i = i + 1 < table.size ? i + 1 : 0)
		if (table.halves[i] == output->half[1])
			return true;
	table.halves[i] = output->half[1];
	return false;
}

/* Has processes at work for a while and compares what they got, with what came before as well. */
static void play(int random, bool swap)
{
	pid_t workers[WORKERS];
	unsigned long num;
	int status;

	memset(shared->outputs, 0, sizeof(shared->outputs));
	shared->num = 0;
	shared->stop = false;
	started = time(NULL);
	for (unsigned long i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		if (workers[i] < 0)
			err(1, "fork");
		if (!workers[i])
			work(number_below(1UL << 31));
	}
	while (time(NULL) - started < seconds) {
		disturb_all(workers, random, swap);
		for (size_t i = 0; i < WORKERS; i++)
			if (waitpid(workers[i], &status, WNOHANG))
				errx(1, "a process ended with status %#x", status);
	}
	shared->stop = true;
	for (size_t i = 0; i < WORKERS; i++)
		if (waitpid(workers[i], &status, 0) != workers[i] || status)
			errx(1, "a process ended with status %#x", status);

	num = shared->num < OUTPUTS_MAX ? shared->num : OUTPUTS_MAX;
	qsort(shared->outputs, num, sizeof(*shared->outputs), compare);
	for (unsigned long i = 0; i < num; i++) {
		const struct output *output = &shared->outputs[i];

		/* a process that was killed for want of memory has left a hole */
		if (!output->half[0] && !output->half[1])
			continue;
		totals.outputs++;
		if ((i && !compare(output - 1, output)) || (table.size && known(output)))
			totals.repeated++;
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	int random = open("/dev/random", O_RDWR);
	long rounds, swapped;

	if (argc < 2 || argc > 5 || atoi(argv[1]) <= 0 || (argc > 4 && atoi(argv[4]) <= 0))
		errx(2, "usage: vgetrandom_stress SECONDS [SEED [SWAP [MIB]]]");
	seconds = atoi(argv[1]);
	rounds = (seconds + ROUND_SECONDS - 1) / ROUND_SECONDS;
	if (argc > 2)
		seed = strtoul(argv[2], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		err(1, "getrandom");
	if (argc > 3 && swapon(argv[3], 0))
		err(1, "swapon %s", argv[3]);
	if (!vgetrandom_open(&vdso))
		err(1, "no vDSO getrandom");
	if (random < 0)
		err(1, "/dev/random");
	printf("seed %#lx, %ld s, states of %u bytes\n", seed, (long)seconds,
	       vdso.params.size_of_opaque_state);
	fflush(stdout);
	seconds = (seconds + rounds - 1) / rounds;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	sigaction(SIGUSR1, &action, NULL);
	start_rng(1000);
	if (rounds > 1)
		make_table(rounds * OUTPUTS_MAX);
	if (argc > 3)
		leave_little((argc > 4 ? atoi(argv[4]) : MIB_LEFT) * MIB);
	swapped = number_in("/proc/vmstat", "pswpout");
	for (long i = 0; i < rounds; i++)
		play(random, argc > 3);
	put(CPU1, "1");
	for (size_t i = 0; i < EVENTS; i++)
		printf("%s %lu\n", event_names[i], shared->events[i]);
	printf("swapped_out %ld\n", number_in("/proc/vmstat", "pswpout") - swapped);
	printf("outputs %lu, repeated %lu, zeros %lu\n", totals.outputs, totals.repeated,
	       atomic_load(&shared->zeros));
	if (totals.repeated || shared->zeros)
		errx(1, "the generator is broken");
	puts("done");
}
