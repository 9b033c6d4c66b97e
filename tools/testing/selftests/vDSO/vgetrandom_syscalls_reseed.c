// SPDX-License-Identifier: GPL-2.0
/*
 * Tests that the vDSO's getrandom() makes one syscall when the kernel has reseeded, in time
 * namespaces too, and that the kernel does so although nobody asks it for random numbers.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/random.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>

#include "vgetrandom_tracee.h"

/* The kernel reseeds once a minute, when it has been up for a while. */
#define RESEED_SECONDS 60
/* Added to the monotonic clock in the time namespace, in seconds. */
#define CLOCK_OFFSET 1000000

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

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

TEST_F(syscalls, first_call_after_the_kernel_reseeded_makes_one)
{
	if (geteuid())
		SKIP(return, "RNDRESEEDCRNG needs root");
	self->tracee.run = run_reseed;
	expect_one_reseed(_metadata, &self->tracee, 1);
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
