// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that a program whose calls of the vDSO's getrandom() are warm lives on under strict
 * seccomp, and that a call which falls back to the syscall is its death.
 */

#define _GNU_SOURCE
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "vgetrandom_tracee.h"

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

TEST_HARNESS_MAIN
