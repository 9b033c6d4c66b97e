/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of states of the vDSO's getrandom() share: blocks of output that a process, its
 * threads and its children fill by calls.
 */

#ifndef VGETRANDOM_FILL_H
#define VGETRANDOM_FILL_H

#include <pthread.h>
#include <sys/wait.h>

#include "vgetrandom_test.h"
#include "vgetrandom_vdso.h"
#include "vgetrandom_harness.h"

#define BLOCK sizeof(struct vgetrandom_block)
#define NUM_THREADS 4

static inline bool fill(const struct vgetrandom *v, void *state, struct vgetrandom_block *blocks,
			size_t num)
{
	return vgetrandom(v, state, blocks, num * BLOCK, 0) == (ssize_t)(num * BLOCK);
}

/* Fills each block by a call of its own. */
static inline bool fill_each(const struct vgetrandom *v, void *state,
			     struct vgetrandom_block *blocks, size_t num)
{
	for (size_t i = 0; i < num; i++)
		if (!fill(v, state, blocks + i, 1))
			return false;
	return true;
}

/* Ends a child: with status 0 if all went well. */
static inline void end_child(bool good)
{
	_exit(!good);
}

static inline bool child_was_good(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* A thread that makes calls. */
struct worker {
	pthread_t thread;
	const struct vgetrandom *v;
	void *state;
	struct vgetrandom_block *blocks;
	size_t num;
	bool good;
};

static inline void *call_in_thread(void *arg)
{
	struct worker *worker = arg;

	worker->good = fill_each(worker->v, worker->state, worker->blocks, worker->num);
	return NULL;
}

/* Starts a thread for each of the first @num states, which fills @per_thread of the blocks. */
static inline void start_workers(struct __test_metadata *_metadata, struct worker *workers, int num,
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

static inline void join_workers(struct __test_metadata *_metadata, struct worker *workers, int num)
{
	for (int i = 0; i < num; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		ASSERT_TRUE(workers[i].good);
	}
}

#endif /* VGETRANDOM_FILL_H */
