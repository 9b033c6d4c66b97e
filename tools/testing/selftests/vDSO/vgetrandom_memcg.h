/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memory cgroup for tests of mmap(MAP_DROPPABLE), and pages that are of nobody in it.
 */

#ifndef VGETRANDOM_MEMCG_H
#define VGETRANDOM_MEMCG_H

#include "vgetrandom_mapping.h"
#include "vgetrandom_proc.h"
#include <sys/mount.h>
#include "vgetrandom_harness.h"

#define MIB (1024 * 1024UL)
#define OUTSIDE_PAGES 64

/* The first 32 nodes; 1 without NUMA. */
static inline unsigned long online_nodes(void)
{
	unsigned long nodes = 1;
	char path[64];
	int node;

	for (node = 1; node < 32; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d",
			 node);
		if (!access(path, F_OK))
			nodes |= 1UL << node;
	}
	return nodes;
}

FIXTURE(memcg) {
	char mount[64];
	char dir[128];
	bool mounted;
	char *outside;	/* pages of nobody in the group */
};

static inline bool set_limit(const char *dir, const char *file, const char *value)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return write_file(path, value);
}

/* A child in the group; 0 in the child. */
static inline pid_t fork_into(const char *dir)
{
	pid_t pid = fork();

	if (!pid && !set_limit(dir, "cgroup.procs", "0"))
		_exit(100);
	return pid;
}

FIXTURE_SETUP(memcg)
{
	unsigned long nodes = online_nodes();

	snprintf(self->mount, sizeof(self->mount), "/sys/fs/cgroup");
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK)) {
		mkdir("/tmp", 01777);
		snprintf(self->mount, sizeof(self->mount), "/tmp/cgroup.%d",
			 getpid());
		ASSERT_EQ(0, mkdir(self->mount, 0700));
		ASSERT_EQ(0, mount("none", self->mount, "cgroup2", 0, NULL));
		self->mounted = true;
	}
	ASSERT_TRUE(set_limit(self->mount, "cgroup.subtree_control",
			      "+memory"));
	snprintf(self->dir, sizeof(self->dir), "%s/droppable.%d", self->mount,
		 getpid());
	ASSERT_EQ(0, mkdir(self->dir, 0700));
	/* absent without swap */
	set_limit(self->dir, "memory.swap.max", "0");

	/* there are some on each node before the group has any */
	self->outside = droppable(OUTSIDE_PAGES);
	ASSERT_NE(MAP_FAILED, self->outside);
	if (nodes != 1)
		ASSERT_EQ(0, syscall(__NR_set_mempolicy, 3 /* INTERLEAVE */,
				     &nodes, 8 * sizeof(nodes)));
	fill(self->outside, OUTSIDE_PAGES, 3);
	if (nodes != 1)
		ASSERT_EQ(0, syscall(__NR_set_mempolicy, 0 /* DEFAULT */, NULL,
				     0L));
}

FIXTURE_TEARDOWN_PARENT(memcg)
{
	if (*self->dir)
		rmdir(self->dir);
	if (self->mounted) {
		umount(self->mount);
		rmdir(self->mount);
	}
}

#endif /* VGETRANDOM_MEMCG_H */
