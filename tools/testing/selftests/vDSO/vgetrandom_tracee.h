/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of syscalls share: a child, the tracee, makes calls of the vDSO's getrandom() in
 * phases that it separates by getppid(); its parent counts the syscalls of each phase by ptrace.
 *
 * The kernel reseeds its generator now and then by itself, which costs a warm caller a syscall.
 * Where a test expects an exact count it therefore tries a few times, with few calls or in a
 * short time: each bug that it looks for would show in every try.
 */

#ifndef VGETRANDOM_TRACEE_H
#define VGETRANDOM_TRACEE_H

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "vgetrandom_vdso.h"
#include "vgetrandom_harness.h"

#define WARM_CALLS 2000
#define TRIES 5
#define MAX_PHASES 64
#define EXEC_VARIABLE "VGETRANDOM_TRACEE"

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
static inline void next_phase(void)
{
	syscall(SYS_getppid);
}

static inline void call(struct tracee *tracee, size_t len, unsigned int flags)
{
	CHECK(vgetrandom(tracee->v, tracee->state, tracee->buf, len, flags) == (ssize_t)len);
}

static inline void call_often(struct tracee *tracee)
{
	static const size_t lens[] = { 1, 4, 16, 32, 100, 128, 256, 1000, 4096 };

	for (size_t i = 0; i < WARM_CALLS; i++)
		call(tracee, lens[i % (sizeof(lens) / sizeof(*lens))], 0);
}

/*
 * Counts the syscalls of @tracee by phases, the first being what it does before it begins one.
 * Returns the number of phases, or the negative value of what a child that failed exited with.
 */
static inline int trace(struct __test_metadata *_metadata, struct tracee *tracee,
			struct phase *phases)
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
static inline void expect_one_reseed(struct __test_metadata *_metadata, struct tracee *tracee,
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

#endif /* VGETRANDOM_TRACEE_H */
