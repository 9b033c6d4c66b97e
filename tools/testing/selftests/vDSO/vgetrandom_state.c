// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that no two calls of the vDSO's getrandom() give the same bytes, nor zeros, whatever
 * happens to a state: signals, threads, fork and drops, between calls and, by single steps, at each
 * instruction of a call. They assume nothing of the state but its size.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/random.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "vgetrandom_test.h"
#include "vgetrandom_vdso.h"
#include "vgetrandom_harness.h"

#define BLOCK sizeof(struct vgetrandom_block)
#define NUM_FORKS 2000
#define NUM_THREADS 4
#define CALLS_PER_THREAD 40000
#define CALLS_PER_DROPPED_THREAD 20000
#define FORKS_PER_THREAD 250
#define NUM_DROPS 2000
#define NUM_SIGNALS 3000
#define SIGNAL_INTERVAL_US 100
/*
 * Something is done at each of so many instructions where a call begins, and ends, and at a sample
 * of those between. Twice, for a state that was lost at a bad moment gives the same in both rounds.
 */
#define DENSE_STEPS 150
#define SAMPLED_STEPS 60
#define ROUNDS 2
/* Stepping to the sampled ones from where a call begins takes not many more steps than these. */
#define MAX_STEPS 6000
/*
 * A call is over when it has seen that its bytes are good. A fork after that finds the bytes in the
 * buffer, as one after the return would: only this many instructions may follow.
 */
#define MAX_STEPS_AFTER_CALL 48

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#ifdef __x86_64__
#define REG_IP REG_RIP
#else
#define REG_IP REG_EIP
#endif
#define EFLAGS_TF 0x100

static bool fill(const struct vgetrandom *v, void *state, struct vgetrandom_block *blocks,
		 size_t num)
{
	return vgetrandom(v, state, blocks, num * BLOCK, 0) == (ssize_t)(num * BLOCK);
}

/* Fills each block by a call of its own. */
static bool fill_each(const struct vgetrandom *v, void *state, struct vgetrandom_block *blocks,
		      size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (!fill(v, state, blocks + i, 1))
			return false;
	return true;
}

/* Ends a child: with status 0 if all went well. */
static void end_child(bool good)
{
	_exit(!good);
}

static bool child_was_good(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

FIXTURE(state) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	void *state;
};

FIXTURE_SETUP(state)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, NUM_THREADS));
	self->state = vgetrandom_state(&self->states, 0);
}

FIXTURE_TEARDOWN(state)
{
	vgetrandom_states_unmap(&self->states);
}

TEST_F(state, repeated_calls_give_fresh_bytes)
{
	const size_t num = 50000;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < num; ) {
		size_t len = i % 37 + 1 < num - i ? i % 37 + 1 : num - i;

		ASSERT_TRUE(fill(&self->v, self->state, blocks + i, len));
		i += len;
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_F(state, zeroed_between_calls_gives_fresh_bytes)
{
	const size_t per_round = 4, num = per_round * NUM_DROPS;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < num; i += per_round) {
		ASSERT_TRUE(fill_each(&self->v, self->state, blocks + i, per_round));
		memset(self->state, 0, self->v.params.size_of_opaque_state);
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_F(state, fork_gives_fresh_bytes)
{
	const size_t per_fork = 8, half = per_fork / 2;
	struct vgetrandom_block *blocks = vgetrandom_shared(NUM_FORKS * per_fork * BLOCK);

	ASSERT_NE(NULL, blocks);
	for (int i = 0; i < NUM_FORKS; i++) {
		struct vgetrandom_block *ours = blocks + i * per_fork;
		pid_t pid = fork();

		if (!pid)
			end_child(fill_each(&self->v, self->state, ours, half));
		ASSERT_TRUE(fill_each(&self->v, self->state, ours + half, half));
		ASSERT_TRUE(child_was_good(pid));
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_FORKS * per_fork));
}

TEST_F(state, child_leaves_the_state_of_its_parent_alone)
{
	const size_t size = self->v.params.size_of_opaque_state;
	struct vgetrandom_block block;
	void *before = malloc(size);
	pid_t pid;

	ASSERT_NE(NULL, before);
	ASSERT_TRUE(fill(&self->v, self->state, &block, 1));
	memcpy(before, self->state, size);
	pid = fork();
	if (!pid)
		end_child(fill(&self->v, self->state, &block, 1) &&
			  memcmp(before, self->state, size));
	ASSERT_TRUE(child_was_good(pid));
	EXPECT_EQ(0, memcmp(before, self->state, size));
}

TEST_F(state, child_of_a_child_gets_fresh_bytes)
{
	const int rounds = NUM_FORKS / 8, depth = 3, per_depth = 4;
	const size_t num = rounds * depth * per_depth;
	struct vgetrandom_block *blocks = vgetrandom_shared(num * BLOCK);

	ASSERT_NE(NULL, blocks);
	for (int i = 0; i < rounds; i++) {
		struct vgetrandom_block *ours = blocks + i * depth * per_depth;
		pid_t pid;

		ASSERT_TRUE(fill_each(&self->v, self->state, ours, per_depth / 2));
		pid = fork();
		if (!pid) {
			bool good = fill_each(&self->v, self->state, ours + per_depth,
					      per_depth / 2);

			pid = fork();
			if (!pid)
				end_child(fill_each(&self->v, self->state, ours + 2 * per_depth,
						    per_depth));
			good = fill_each(&self->v, self->state, ours + per_depth + per_depth / 2,
					 per_depth / 2) && good;
			end_child(child_was_good(pid) && good);
		}
		ASSERT_TRUE(fill_each(&self->v, self->state, ours + per_depth / 2, per_depth / 2));
		ASSERT_TRUE(child_was_good(pid));
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

/* A thread of the tests below. */
struct worker {
	pthread_t thread;
	const struct vgetrandom *v;
	void *state;
	struct vgetrandom_block *blocks;
	size_t num;
	bool good;
};

static void *call_in_thread(void *arg)
{
	struct worker *worker = arg;

	worker->good = fill_each(worker->v, worker->state, worker->blocks, worker->num);
	return NULL;
}

/* The first half of the blocks by this process, the second by its children. */
static void *fork_in_thread(void *arg)
{
	struct worker *worker = arg;
	struct vgetrandom_block *ours = worker->blocks, *theirs = ours + worker->num / 2;

	worker->good = true;
	for (size_t i = 0; i < worker->num / 2; i += 2) {
		pid_t pid = fork();

		if (!pid)
			end_child(fill_each(worker->v, worker->state, theirs + i, 2));
		worker->good = fill_each(worker->v, worker->state, ours + i, 2) && worker->good;
		worker->good = child_was_good(pid) && worker->good;
	}
	return NULL;
}

/* Starts a thread for each of the first @num states, which fills @per_thread of the blocks. */
static void start_workers(struct __test_metadata *_metadata, struct worker *workers, int num,
			  const struct vgetrandom *v, const struct vgetrandom_states *states,
			  struct vgetrandom_block *blocks, size_t per_thread,
			  void *(*fn)(void *arg))
{
	ASSERT_NE(NULL, blocks);
	for (int i = 0; i < num; i++) {
		workers[i].v = v;
		workers[i].state = vgetrandom_state(states, i);
		workers[i].blocks = blocks + i * per_thread;
		workers[i].num = per_thread;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, fn, &workers[i]));
	}
}

static void join_workers(struct __test_metadata *_metadata, struct worker *workers, int num)
{
	for (int i = 0; i < num; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		ASSERT_TRUE(workers[i].good);
	}
}

TEST_F(state, threads_get_fresh_bytes)
{
	struct vgetrandom_block *blocks = calloc(NUM_THREADS * CALLS_PER_THREAD, BLOCK);
	struct worker workers[NUM_THREADS];

	start_workers(_metadata, workers, NUM_THREADS, &self->v, &self->states, blocks,
		      CALLS_PER_THREAD, call_in_thread);
	join_workers(_metadata, workers, NUM_THREADS);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_THREADS * CALLS_PER_THREAD));
}

TEST_F(state, fork_in_threads_gives_fresh_bytes)
{
	const size_t per_thread = 4 * FORKS_PER_THREAD;
	struct vgetrandom_block *blocks = vgetrandom_shared(NUM_THREADS * per_thread * BLOCK);
	struct worker workers[NUM_THREADS];

	start_workers(_metadata, workers, NUM_THREADS, &self->v, &self->states, blocks, per_thread,
		      fork_in_thread);
	join_workers(_metadata, workers, NUM_THREADS);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_THREADS * per_thread));
}

/* What another thread would have got next must not be what the child gets with its state. */
TEST_F(state, child_may_use_the_state_of_another_thread)
{
	const int rounds = 100, per_child = 4, per_thread = 1000;
	const size_t num = rounds * (per_child + per_thread);
	struct vgetrandom_block *blocks = vgetrandom_shared(num * BLOCK);

	ASSERT_NE(NULL, blocks);
	for (int i = 0; i < rounds; i++) {
		struct vgetrandom_block *theirs = blocks + i * (per_child + per_thread);
		struct worker worker;
		pid_t pid;

		start_workers(_metadata, &worker, 1, &self->v, &self->states, theirs + per_child,
			      per_thread, call_in_thread);
		/* Until it is well in its calls, but not at a certain point of them. */
		while (!__atomic_load_n(theirs[per_child + i].half, __ATOMIC_RELAXED))
			sched_yield();
		pid = fork();
		if (!pid)
			end_child(fill_each(&self->v, worker.state, theirs, per_child));
		ASSERT_TRUE(child_was_good(pid));
		join_workers(_metadata, &worker, 1);
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

/* What the timer's handler works on. */
static struct {
	const struct vgetrandom *v;
	void *state;
	struct vgetrandom_block *blocks;
	atomic_size_t num;
	atomic_bool failed;
} on_timer;

static void handle_timer(int sig)
{
	if (on_timer.num == NUM_SIGNALS)
		return;
	if (!fill(on_timer.v, on_timer.state, on_timer.blocks + on_timer.num, 1))
		on_timer.failed = true;
	on_timer.num++;
}

TEST_F(state, timer_signals_get_and_leave_fresh_bytes)
{
	const struct itimerval every = {
		.it_interval.tv_usec = SIGNAL_INTERVAL_US,
		.it_value.tv_usec = SIGNAL_INTERVAL_US,
	}, never = { 0 };
	/* Not one more than this many calls are interrupted. */
	struct vgetrandom_block *blocks = calloc(3 * NUM_SIGNALS, BLOCK), *interrupted;
	const struct sigaction action = { .sa_handler = handle_timer };
	size_t num = 0;

	ASSERT_NE(NULL, blocks);
	interrupted = blocks + NUM_SIGNALS;
	on_timer.v = &self->v;
	on_timer.state = self->state;
	on_timer.blocks = blocks;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &every, NULL));
	while (on_timer.num < NUM_SIGNALS) {
		size_t signals = on_timer.num;

		ASSERT_TRUE(fill(&self->v, self->state, interrupted + num, 2));
		if (on_timer.num != signals && num + 2 < 2 * NUM_SIGNALS)
			num += 2;
	}
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &never, NULL));
	EXPECT_FALSE(atomic_load(&on_timer.failed));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, NUM_SIGNALS + num));
}

FIXTURE(dropped) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	int drop_caches;
};

/* How the states' page loses its content. */
FIXTURE_VARIANT(dropped) {
	int advice;
	bool by_drop_caches;
};

FIXTURE_VARIANT_ADD(dropped, by_dontneed) {
	.advice = MADV_DONTNEED,
};

FIXTURE_VARIANT_ADD(dropped, by_free) {
	.advice = MADV_FREE,
};

FIXTURE_VARIANT_ADD(dropped, by_pageout) {
	.advice = MADV_PAGEOUT,
};

FIXTURE_VARIANT_ADD(dropped, by_drop_caches) {
	.by_drop_caches = true,
};

FIXTURE_SETUP(dropped)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, NUM_THREADS));
	self->drop_caches = -1;
	if (variant->by_drop_caches) {
		if (geteuid())
			SKIP(return, "drop_caches needs root");
		self->drop_caches = open("/proc/sys/vm/drop_caches", O_WRONLY);
		ASSERT_LE(0, self->drop_caches);
	}
}

FIXTURE_TEARDOWN(dropped)
{
	vgetrandom_states_unmap(&self->states);
	if (self->drop_caches >= 0)
		close(self->drop_caches);
}

static bool drop(const struct _test_data_dropped *self,
		 const struct _fixture_variant_dropped *variant)
{
	if (variant->by_drop_caches)
		return pwrite(self->drop_caches, "2", 1, 0) == 1;
	return !madvise(self->states.base, self->states.size, variant->advice);
}

TEST_F(dropped, between_calls_gives_fresh_bytes)
{
	const size_t per_drop = 4;
	/* Slow, and it takes things away from the whole machine. */
	const size_t drops = variant->by_drop_caches ? 20 : NUM_DROPS, num = per_drop * drops;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < num; i += per_drop) {
		ASSERT_TRUE(fill_each(&self->v, self->states.base, blocks + i, per_drop));
		ASSERT_TRUE(drop(self, variant));
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

TEST_F(dropped, during_calls_of_threads_gives_fresh_bytes)
{
	const size_t num = NUM_THREADS * CALLS_PER_DROPPED_THREAD;
	struct vgetrandom_block *blocks = calloc(num, BLOCK);
	unsigned long long *last;
	struct worker workers[NUM_THREADS];
	int drops = 0;

	start_workers(_metadata, workers, NUM_THREADS, &self->v, &self->states, blocks,
		      CALLS_PER_DROPPED_THREAD, call_in_thread);
	last = blocks[num - 1].half;
	do {
		ASSERT_TRUE(drop(self, variant));
		drops++;
	} while (!__atomic_load_n(last, __ATOMIC_RELAXED));
	join_workers(_metadata, workers, NUM_THREADS);
	TH_LOG("%d drops", drops);
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

/* What happens at each instruction of a call: the state of the single stepper. */
static struct {
	const struct vgetrandom *v;
	const struct vgetrandom_states *states;
	uintptr_t vdso_start;
	size_t vdso_size;
	/* What is done at instructions of the vDSO, of which number @at is next. */
	void (*action)(void);
	size_t at;
	bool active;
	bool failed;
	/* The call takes so many steps if nothing happens. */
	size_t expected;
	/* For actions that happen just once. */
	size_t only;
	/* Where actions that call leave the bytes. */
	struct vgetrandom_block *blocks;
	/* How many calls or children there were, and may be. */
	size_t num;
	size_t max;
	int urandom;
	bool is_child;
} step;

/* Returns to an interrupted program that traps again behind its next instruction, or does not. */
static void handle_step(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (step.active && (uintptr_t)regs[REG_IP] - step.vdso_start < step.vdso_size) {
		step.action();
		step.at++;
	}
	if (step.active)
		regs[REG_EFL] |= EFLAGS_TF;
	else
		regs[REG_EFL] &= ~EFLAGS_TF;
}

/* A call with @action at its instructions. */
static bool stepped_fill(struct vgetrandom_block *blocks, size_t num, void (*action)(void))
{
	bool good;

	step.action = action;
	step.at = 0;
	step.num = 0;
	step.active = true;
	raise(SIGTRAP);
	good = fill(step.v, step.states->base, blocks, num);
	step.active = false;
	return good && !step.failed;
}

static void do_nothing(void)
{
}

static void do_call(void)
{
	if (step.num == step.max)
		step.failed = true;
	else if (!fill(step.v, step.states->base, step.blocks + step.num++, 1))
		step.failed = true;
}

static void do_call_once(void)
{
	if (step.at < step.only)
		return;
	do_call();
	step.active = false;
}

static void do_drop(void)
{
	if (madvise(step.states->base, step.states->size, MADV_DONTNEED))
		step.failed = true;
}

static void do_drop_once(void)
{
	if (step.at < step.only)
		return;
	do_drop();
	step.active = false;
}

static void do_reseed(void)
{
	if (ioctl(step.urandom, RNDRESEEDCRNG))
		step.failed = true;
}

static void do_reseed_once(void)
{
	if (step.at < step.only)
		return;
	do_reseed();
	step.active = false;
}

/* The child ends the call, and looks at its copy of step.num to learn which one it is. */
static void do_fork(void)
{
	bool dense;
	pid_t pid;

	/* A call that the kernel's reseeding made longer goes on as a sample. */
	dense = step.at < DENSE_STEPS ||
		(step.at + DENSE_STEPS >= step.expected && step.at < step.expected);
	if (!dense && step.at % (step.expected / SAMPLED_STEPS + 1))
		return;
	if (step.num == step.max) {
		step.failed = true;
		return;
	}
	pid = syscall(SYS_fork);
	if (!pid) {
		step.is_child = true;
		step.active = false;
		return;
	}
	if (!child_was_good(pid))
		step.failed = true;
	step.num++;
}

FIXTURE(instruction) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	size_t steps;
};

/* The call that is interrupted. */
FIXTURE_VARIANT(instruction) {
	size_t num;
	bool cold;
};

FIXTURE_VARIANT_ADD(instruction, of_a_small_call) {
	.num = 2,
};

FIXTURE_VARIANT_ADD(instruction, of_a_small_cold_call) {
	.num = 2,
	.cold = true,
};

FIXTURE_VARIANT_ADD(instruction, of_a_large_call) {
	.num = 40,
};

FIXTURE_VARIANT_ADD(instruction, of_a_large_cold_call) {
	.num = 40,
	.cold = true,
};

/* Brings the state to where the call begins. */
static bool prepare(const struct _test_data_instruction *self,
		    const struct _fixture_variant_instruction *variant)
{
	struct vgetrandom_block block;

	if (madvise(self->states.base, self->states.size, MADV_DONTNEED))
		return false;
	return variant->cold || fill(&self->v, self->states.base, &block, 1);
}

FIXTURE_SETUP(instruction)
{
	const struct sigaction action = {
		.sa_sigaction = handle_step,
		.sa_flags = SA_SIGINFO,
	};
	struct vgetrandom_block blocks[variant->num];
	struct vgetrandom_image image;

	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, 1));
	ASSERT_TRUE(vgetrandom_image_parse(&image, (void *)getauxval(AT_SYSINFO_EHDR)));
	step.v = &self->v;
	step.states = &self->states;
	step.vdso_start = image.base;
	step.vdso_size = image.size;
	ASSERT_EQ(0, sigaction(SIGTRAP, &action, NULL));

	ASSERT_TRUE(prepare(self, variant));
	ASSERT_TRUE(stepped_fill(blocks, variant->num, do_nothing));
	self->steps = step.at;
	step.expected = step.at;
	ASSERT_GT(self->steps, 20);
}

FIXTURE_TEARDOWN(instruction)
{
	vgetrandom_states_unmap(&self->states);
}

TEST_F(instruction, always_interrupted_by_calls_with_the_same_state)
{
	/* The calls in between may make the interrupted one shorter; a reseed makes it longer. */
	const size_t max = 2 * self->steps + 4000, own = 2 * variant->num;
	struct vgetrandom_block *blocks = calloc(max + own, BLOCK);

	ASSERT_NE(NULL, blocks);
	step.max = max;
	step.blocks = blocks + own;
	ASSERT_TRUE(prepare(self, variant));
	ASSERT_TRUE(stepped_fill(blocks, variant->num, do_call));
	ASSERT_LT(20, step.num);
	ASSERT_TRUE(fill(&self->v, self->states.base, blocks + variant->num, variant->num));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, own + step.num));
}

/*
 * A call in which children are forked, and another one, by each of them. The output goes to the
 * place that belongs to the process that gets there.
 */
static bool fill_and_fork(const struct _test_data_instruction *self, size_t num,
			  struct vgetrandom_block *interrupted, struct vgetrandom_block *next)
{
	struct vgetrandom_block blocks[num];
	bool good = stepped_fill(blocks, num, do_fork);

	memcpy(interrupted + step.num * num, blocks, sizeof(blocks));
	good = fill(&self->v, self->states.base, next + step.num * num, num) && good;
	if (step.is_child)
		end_child(good);
	return good;
}

TEST_F(instruction, interrupted_by_fork)
{
	/* If the kernel reseeds in the meantime, the call becomes longer. */
	const size_t num = variant->num, max = 2 * DENSE_STEPS + 2 * SAMPLED_STEPS + 4000;
	/* In each round, places for the children and, behind them, for the parent. */
	const size_t size = ROUNDS * (max + 1) * num * BLOCK;
	struct vgetrandom_block *interrupted = vgetrandom_shared(size);
	struct vgetrandom_block *next = vgetrandom_shared(size);
	size_t num_interrupted = 0, num_next = 0;

	ASSERT_NE(NULL, interrupted);
	ASSERT_NE(NULL, next);
	step.max = max;
	for (int round = 0; round < ROUNDS; round++) {
		struct vgetrandom_block *theirs = interrupted + num_interrupted, *ours;
		size_t after;

		ASSERT_TRUE(prepare(self, variant));
		ASSERT_TRUE(fill_and_fork(self, num, theirs, next + num_next));
		ASSERT_LT(20, step.num);
		num_next += (step.num + 1) * num;

		/* Those that were forked when the bytes were in the buffer have the same. */
		ours = theirs + step.num * num;
		for (after = 0; after < step.num; after++)
			if (memcmp(ours - (after + 1) * num, ours, num * BLOCK))
				break;
		EXPECT_LE(after, MAX_STEPS_AFTER_CALL);
		num_interrupted += (step.num + 1 - after) * num;
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(interrupted, num_interrupted));
	EXPECT_TRUE(vgetrandom_blocks_fresh(next, num_next));
}

/* A call for each of the instructions, or a sample of them, at which something happens once. */
static void act_once_per_call(struct __test_metadata *_metadata,
			      const struct _test_data_instruction *self,
			      const struct _fixture_variant_instruction *variant,
			      void (*action)(void))
{
	const size_t stride = self->steps * self->steps / 2 / MAX_STEPS + 1;
	/* The call, the next one, and what the action may add. */
	const size_t own = 2 * variant->num + 1, calls = DENSE_STEPS + self->steps / stride + 1;
	struct vgetrandom_block *blocks = calloc(own * calls * ROUNDS, BLOCK);
	size_t num = 0;

	ASSERT_NE(NULL, blocks);
	for (size_t i = 0; i < ROUNDS * self->steps; i++) {
		struct vgetrandom_block *ours = blocks + num;

		step.only = i % self->steps;
		if (step.only >= DENSE_STEPS && step.only % stride)
			continue;
		num += 2 * variant->num;
		step.blocks = blocks + num;
		step.max = 1;
		ASSERT_TRUE(prepare(self, variant));
		ASSERT_TRUE(stepped_fill(ours, variant->num, action));
		ASSERT_FALSE(step.active);
		ASSERT_TRUE(fill(&self->v, self->states.base, ours + variant->num, variant->num));
		num += step.num;
	}
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, num));
}

/* One call, at each instruction of which something happens. */
static void act_always(struct __test_metadata *_metadata,
		       const struct _test_data_instruction *self,
		       const struct _fixture_variant_instruction *variant, void (*action)(void))
{
	struct vgetrandom_block blocks[2 * variant->num];

	ASSERT_TRUE(prepare(self, variant));
	ASSERT_TRUE(stepped_fill(blocks, variant->num, action));
	/* What is dropped or reseeded may make the call shorter, too. */
	ASSERT_LT(20, step.at);
	ASSERT_TRUE(fill(&self->v, self->states.base, blocks + variant->num, variant->num));
	EXPECT_TRUE(vgetrandom_blocks_fresh(blocks, 2 * variant->num));
}

TEST_F(instruction, interrupted_by_a_call_with_the_same_state)
{
	act_once_per_call(_metadata, self, variant, do_call_once);
}

TEST_F(instruction, interrupted_by_a_drop)
{
	act_once_per_call(_metadata, self, variant, do_drop_once);
}

TEST_F(instruction, always_interrupted_by_drops)
{
	act_always(_metadata, self, variant, do_drop);
}

TEST_F(instruction, interrupted_by_the_kernel_reseeding)
{
	if (geteuid())
		SKIP(return, "RNDRESEEDCRNG needs root");
	step.urandom = open("/dev/urandom", O_RDONLY);
	ASSERT_LE(0, step.urandom);
	act_once_per_call(_metadata, self, variant, do_reseed_once);
}

TEST_F(instruction, always_interrupted_by_the_kernel_reseeding)
{
	if (geteuid())
		SKIP(return, "RNDRESEEDCRNG needs root");
	step.urandom = open("/dev/urandom", O_RDONLY);
	ASSERT_LE(0, step.urandom);
	act_always(_metadata, self, variant, do_reseed);
}

TEST_HARNESS_MAIN
