// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of when the vDSO's getrandom() makes a syscall, and that it makes none while it is warm.
 * A child, the tracee, makes calls in phases that it separates by getppid(); its parent counts
 * the syscalls of each phase by ptrace.
 *
 * The kernel reseeds its generator now and then by itself, which costs a warm caller a syscall.
 * Where a test expects an exact count it therefore tries a few times, with few calls or in a short
 * time: each bug that it looks for would show in every try.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#include "vgetrandom_vdso.h"
#include "vgetrandom_harness.h"

#define WARM_CALLS 2000
#define TRIES 5
#define MAX_PHASES 64
/* The kernel reseeds once a minute, when it has been up for a while. */
#define RESEED_SECONDS 60
/* Added to the monotonic clock in the time namespace, in seconds. */
#define CLOCK_OFFSET 1000000
#define EXEC_VARIABLE "VGETRANDOM_TRACEE"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Syscalls that the tracee makes in one phase. */
struct phase {
	unsigned int getrandom;
	unsigned int other;
	/* Arguments of the last getrandom. */
	unsigned long args[3];
};

/* What is traced: the phases, in which it calls with this state. */
struct tracee {
	const struct vgetrandom *v;
	const struct vgetrandom_states *states;
	void *state;
	/* Exits with 0, or the line in which something was wrong. */
	void (*run)(struct tracee *tracee);
	/* The child executes this program anew, and maps its own states. */
	bool exec;
	unsigned char buf[4096];
};

#define CHECK(cond) do { \
	if (!(cond)) \
		_exit(__LINE__ % 255 + 1); \
} while (0)

/* Begins the next phase: nothing else makes this syscall. */
static void next_phase(void)
{
	syscall(SYS_getppid);
}

static void call(struct tracee *tracee, size_t len, unsigned int flags)
{
	CHECK(vgetrandom(tracee->v, tracee->state, tracee->buf, len, flags) == (ssize_t)len);
}

static void call_often(struct tracee *tracee)
{
	static const size_t lens[] = { 1, 4, 16, 32, 100, 128, 256, 1000, 4096 };

	for (size_t i = 0; i < WARM_CALLS; i++)
		call(tracee, lens[i % (sizeof(lens) / sizeof(*lens))], 0);
}

/* Phases of each try: one call, many calls. */
static void run_warm(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Phases of each try: the kernel reseeds, one call, many calls. */
static void run_reseed(struct tracee *tracee)
{
	int fd = open("/dev/urandom", O_RDONLY);

	CHECK(fd >= 0);
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		CHECK(!ioctl(fd, RNDRESEEDCRNG));
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Like run_reseed(), but in a time namespace. */
static void run_reseed_in_timens(struct tracee *tracee)
{
	struct timespec ts;

	CHECK(!syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts) && ts.tv_sec >= CLOCK_OFFSET);
	run_reseed(tracee);
}

/* Phases of each try: the state's page is dropped, one call, many calls. */
static void run_drop(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		CHECK(!madvise(tracee->states->base, tracee->states->size, MADV_DONTNEED));
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Phases of each try: the state is overwritten with zeros, one call, many calls. */
static void run_zeroed(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		memset(tracee->state, 0, tracee->v->params.size_of_opaque_state);
		next_phase();
		call(tracee, 32, 0);
		next_phase();
		call_often(tracee);
	}
}

/* Phases of each try: flags that the vDSO knows. */
static void run_known_flags(struct tracee *tracee)
{
	for (int i = 0; i < TRIES; i++) {
		call(tracee, 32, 0);
		next_phase();
		for (int j = 0; j < WARM_CALLS; j++) {
			call(tracee, 32, GRND_NONBLOCK);
			call(tracee, 32, GRND_RANDOM);
			call(tracee, 32, GRND_INSECURE);
		}
	}
}

/* A phase of calls with flags that the vDSO does not know, and one with a wrong state size. */
static void run_fallback(struct tracee *tracee)
{
	const struct vgetrandom *v = tracee->v;
	size_t size = v->params.size_of_opaque_state;

	call(tracee, 32, 0);
	next_phase();
	for (int i = 0; i < WARM_CALLS; i++)
		CHECK(v->call(tracee->buf, 33, 0x10, tracee->state, size) == -EINVAL);
	next_phase();
	for (int i = 0; i < WARM_CALLS; i++)
		CHECK(v->call(tracee->buf, 34, GRND_NONBLOCK, tracee->state, size + 1) == 34);
}

/*
 * Counts the syscalls of @tracee by phases, the first being what it does before it begins one.
 * Returns the number of phases, or the negative value of what a child that failed exited with.
 */
static int trace(struct __test_metadata *_metadata, struct tracee *tracee, struct phase *phases)
{
	char *const argv[] = { "tracee", NULL }, *const envp[] = { EXEC_VARIABLE "=1", NULL };
	int status, num = 1;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
		CHECK(!raise(SIGSTOP));
		if (tracee->exec)
			execve("/proc/self/exe", argv, envp);
		else
			tracee->run(tracee);
		_exit(tracee->exec);
	}

	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, ptrace(PTRACE_SETOPTIONS, pid, NULL,
			    PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
	memset(phases, 0, MAX_PHASES * sizeof(*phases));
	for (;;) {
		struct __ptrace_syscall_info info;

		ASSERT_EQ(0, ptrace(PTRACE_SYSCALL, pid, NULL, NULL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		ASSERT_LT(0, ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info));
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == SYS_getppid) {
			ASSERT_LT(num, MAX_PHASES);
			num++;
		} else if (info.entry.nr == SYS_getrandom) {
			phases[num - 1].getrandom++;
			for (int i = 0; i < 3; i++)
				phases[num - 1].args[i] = info.entry.args[i];
		} else if (info.entry.nr != SYS_exit_group) {
			phases[num - 1].other++;
		}
	}
	ASSERT_TRUE(WIFEXITED(status)) TH_LOG("tracee was killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status) ? -WEXITSTATUS(status) : num;
}

/*
 * Traces tries of three phases each: something that makes a syscall necessary and does @others
 * syscalls itself, a call, many calls. Expects just one in the second and none in the third.
 */
static void expect_one_reseed(struct __test_metadata *_metadata, struct tracee *tracee,
			      unsigned int others)
{
	struct phase phases[MAX_PHASES];
	bool exact = false;

	ASSERT_EQ(1 + 3 * TRIES, trace(_metadata, tracee, phases));
	for (int i = 0; i < TRIES; i++) {
		struct phase *cause = &phases[1 + 3 * i], *first = cause + 1, *warm = cause + 2;

		EXPECT_EQ(0, cause->getrandom);
		EXPECT_EQ(others, cause->other);
		EXPECT_GE(first->getrandom, 1);
		EXPECT_EQ(0, first->other);
		/* The first call of the next try is counted here, too. */
		EXPECT_EQ(0, warm->other);
		EXPECT_LE(warm->getrandom, 2);
		exact = exact || (first->getrandom == 1 && !warm->getrandom);
	}
	EXPECT_TRUE(exact);
}

FIXTURE(syscalls) {
	struct vgetrandom v;
	struct vgetrandom_states states;
	struct tracee tracee;
};

FIXTURE_SETUP(syscalls)
{
	ASSERT_TRUE(vgetrandom_open(&self->v)) TH_LOG("%s", strerror(errno));
	ASSERT_TRUE(vgetrandom_states_map(&self->v, &self->states, 1));
	self->tracee.v = &self->v;
	self->tracee.states = &self->states;
	self->tracee.state = vgetrandom_state(&self->states, 0);
}

FIXTURE_TEARDOWN(syscalls)
{
	vgetrandom_states_unmap(&self->states);
}

TEST_F(syscalls, warm_calls_make_none)
{
	struct phase phases[MAX_PHASES];
	bool none = false;

	self->tracee.run = run_warm;
	ASSERT_EQ(1 + 2 * TRIES, trace(_metadata, &self->tracee, phases));
	for (int i = 0; i < TRIES; i++) {
		struct phase *warm = &phases[2 + 2 * i];

		EXPECT_EQ(0, warm->other);
		EXPECT_LE(warm->getrandom, 2);
		none = none || !warm->getrandom;
	}
	EXPECT_TRUE(none);
}

TEST_F(syscalls, first_call_makes_one)
{
	struct phase phases[MAX_PHASES];

	self->tracee.run = run_warm;
	ASSERT_LT(0, trace(_metadata, &self->tracee, phases));
	EXPECT_EQ(1, phases[1].getrandom);
	EXPECT_EQ(0, phases[1].other);
}

TEST_F(syscalls, first_call_after_fork_makes_one)
{
	struct phase phases[MAX_PHASES];

	call_often(&self->tracee);
	self->tracee.run = run_warm;
	ASSERT_LT(0, trace(_metadata, &self->tracee, phases));
	EXPECT_EQ(1, phases[1].getrandom);
	EXPECT_EQ(0, phases[1].other);
}

TEST_F(syscalls, first_call_after_a_drop_makes_one)
{
	self->tracee.run = run_drop;
	expect_one_reseed(_metadata, &self->tracee, 1);
}

TEST_F(syscalls, first_call_with_a_zeroed_state_makes_one)
{
	self->tracee.run = run_zeroed;
	expect_one_reseed(_metadata, &self->tracee, 0);
}

TEST_F(syscalls, first_call_after_the_kernel_reseeded_makes_one)
{
	if (geteuid())
		SKIP(return, "RNDRESEEDCRNG needs root");
	self->tracee.run = run_reseed;
	expect_one_reseed(_metadata, &self->tracee, 1);
}

TEST_F(syscalls, known_flags_make_none)
{
	struct phase phases[MAX_PHASES];
	bool none = false;

	self->tracee.run = run_known_flags;
	ASSERT_EQ(1 + TRIES, trace(_metadata, &self->tracee, phases));
	for (int i = 1; i <= TRIES; i++) {
		EXPECT_LE(phases[i].getrandom, 3);
		none = none || !phases[i].getrandom;
	}
	EXPECT_TRUE(none);
}

TEST_F(syscalls, fallback_makes_one_each_with_the_same_arguments)
{
	struct phase phases[MAX_PHASES];

	self->tracee.run = run_fallback;
	ASSERT_EQ(3, trace(_metadata, &self->tracee, phases));
	for (int i = 1; i <= 2; i++) {
		EXPECT_EQ(WARM_CALLS, phases[i].getrandom);
		EXPECT_EQ(0, phases[i].other);
		EXPECT_EQ((unsigned long)self->tracee.buf, phases[i].args[0]);
		EXPECT_EQ(32 + i, phases[i].args[1]);
		EXPECT_EQ(i == 1 ? 0x10 : GRND_NONBLOCK, phases[i].args[2]);
	}
}

/* Runs warm calls where read, write, exit and sigreturn are all that is not punished by death. */
static int status_under_seccomp(struct __test_metadata *_metadata, struct tracee *tracee,
				unsigned int flags)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		call(tracee, 32, 0);
		CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		call_often(tracee);
		if (flags)
			vgetrandom(tracee->v, tracee->state, tracee->buf, 32, flags);
		syscall(SYS_exit, 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	return status;
}

TEST_F(syscalls, warm_calls_survive_strict_seccomp)
{
	int status, tries = 0;

	do {
		status = status_under_seccomp(_metadata, &self->tracee, 0);
	} while (status && ++tries < TRIES);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

TEST_F(syscalls, strict_seccomp_kills_a_fallback)
{
	int status = status_under_seccomp(_metadata, &self->tracee, 0x10);

	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

/*
 * Makes calls, and after the first one no getrandom(), by anybody: it would be the death of this
 * process before it is executed, as it comes to pass when there is a new key to be fetched.
 */
static void call_until_reseed(struct tracee *tracee)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(filter) / sizeof(*filter), filter };
	static const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };

	call(tracee, 32, 0);
	CHECK(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	for (int i = 0; i < (RESEED_SECONDS + 20) * 10; i++) {
		call(tracee, 4096, 0);
		nanosleep(&pause, NULL);
	}
}

/* A machine where all callers are in the vDSO is not to keep its first key for ever. */
TEST_F_TIMEOUT(syscalls, kernel_reseeds_without_being_asked, RESEED_SECONDS + 40)
{
	int status;
	pid_t pid = fork();

	ASSERT_GE(pid, 0);
	if (!pid) {
		call_until_reseed(&self->tracee);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("status %#x: no new key was to be fetched", status);
	EXPECT_EQ(SIGSYS, WTERMSIG(status));
}

/* Children of this process will live in a new time namespace. */
static bool new_time_namespace(void)
{
	int fd, len;

	if (unshare(CLONE_NEWTIME))
		return false;
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0)
		return false;
	len = dprintf(fd, "monotonic %d 0\nboottime %d 0\n", CLOCK_OFFSET, CLOCK_OFFSET);
	close(fd);
	return len > 0;
}

TEST_F(syscalls, time_namespace_entered_by_fork_changes_nothing)
{
	if (geteuid())
		SKIP(return, "unshare(CLONE_NEWTIME) needs root");
	ASSERT_TRUE(new_time_namespace()) TH_LOG("%s", strerror(errno));
	self->tracee.run = run_reseed_in_timens;
	expect_one_reseed(_metadata, &self->tracee, 1);
}

TEST_F(syscalls, time_namespace_entered_by_exec_changes_nothing)
{
	if (geteuid())
		SKIP(return, "unshare(CLONE_NEWTIME) needs root");
	ASSERT_TRUE(new_time_namespace()) TH_LOG("%s", strerror(errno));
	self->tracee.exec = true;
	expect_one_reseed(_metadata, &self->tracee, 1);
}

/* This program executed by its own test runs no tests: it is the tracee. */
static void __attribute__((constructor)) run_executed_tracee(void)
{
	static struct vgetrandom_states states;
	static struct tracee tracee;
	static struct vgetrandom v;

	if (!getenv(EXEC_VARIABLE))
		return;
	CHECK(vgetrandom_open(&v));
	CHECK(vgetrandom_states_map(&v, &states, 1));
	tracee.v = &v;
	tracee.states = &states;
	tracee.state = vgetrandom_state(&states, 0);
	run_reseed_in_timens(&tracee);
	_exit(0);
}

TEST_HARNESS_MAIN
