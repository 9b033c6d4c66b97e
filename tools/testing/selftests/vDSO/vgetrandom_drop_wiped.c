// SPDX-License-Identifier: GPL-2.0
/*
 * Not mainline: no page leaves a mapping of mmap(MAP_DROPPABLE) with its content. Physical memory
 * is looked at through /dev/mem, at the frames that pagemap told before.
 */

#include "vgetrandom_drop.h"
#include <sys/sysmacros.h>
#include "vgetrandom_harness.h"

#define WIPED_PAGES 500

enum ending {
	BY_MUNMAP, BY_PARTIAL_MUNMAP, BY_DONTNEED, BY_FREE, BY_PAGEOUT,
	BY_DROP_CACHES, BY_MAP_FIXED, BY_SHRINK, BY_MREMAP_ONTO, BY_EXIT,
	BY_EXEC, BY_KILL,
};

FIXTURE(wiped) {
	int mem;
	unsigned long long *frame;	/* shared with children */
};

FIXTURE_VARIANT(wiped) {
	enum ending ending;
};

FIXTURE_VARIANT_ADD(wiped, by_munmap) { BY_MUNMAP };
FIXTURE_VARIANT_ADD(wiped, by_partial_munmap) { BY_PARTIAL_MUNMAP };
FIXTURE_VARIANT_ADD(wiped, by_dontneed) { BY_DONTNEED };
FIXTURE_VARIANT_ADD(wiped, by_free) { BY_FREE };
FIXTURE_VARIANT_ADD(wiped, by_pageout) { BY_PAGEOUT };
FIXTURE_VARIANT_ADD(wiped, by_drop_caches) { BY_DROP_CACHES };
FIXTURE_VARIANT_ADD(wiped, by_map_fixed) { BY_MAP_FIXED };
FIXTURE_VARIANT_ADD(wiped, by_shrink) { BY_SHRINK };
FIXTURE_VARIANT_ADD(wiped, by_mremap_onto) { BY_MREMAP_ONTO };
FIXTURE_VARIANT_ADD(wiped, by_exit) { BY_EXIT };
FIXTURE_VARIANT_ADD(wiped, by_exec) { BY_EXEC };
FIXTURE_VARIANT_ADD(wiped, by_kill) { BY_KILL };

static bool find_frames(const char *p, size_t pages, unsigned long long *frame)
{
	size_t len = pages * sizeof(*frame), i;
	bool ok;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	ok = pread(fd, frame, len, (off_t)((uintptr_t)p / PAGE * 8)) ==
	     (ssize_t)len;
	close(fd);
	for (i = 0; ok && i < pages; i++) {
		ok = frame[i] >> 63;
		frame[i] &= (1ULL << 55) - 1;
	}
	return ok;
}

/* How many of the frames still hold their page; -1: cannot be read. */
static int count_held(int mem, const unsigned long long *frame, size_t pages,
		      unsigned int seed)
{
	char bytes[16];
	size_t i, j;
	int held = 0;

	for (i = 0; i < pages; i++) {
		if (pread(mem, bytes, sizeof(bytes),
			  (off_t)(frame[i] * PAGE)) != sizeof(bytes))
			return -1;
		for (j = 0; j < sizeof(bytes); j++)
			if ((unsigned char)bytes[j] !=
			    pattern(seed, i * PAGE + j))
				break;
		held += j == sizeof(bytes);
	}
	return held;
}

FIXTURE_SETUP(wiped)
{
	char path[64], *p = plain(WIPED_PAGES);

	mkdir("/tmp", 01777);
	snprintf(path, sizeof(path), "/tmp/mem.%d", getpid());
	ASSERT_EQ(0, mknod(path, S_IFCHR | 0600, makedev(1, 1)));
	self->mem = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	self->frame = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, self->frame);
	fill(p, WIPED_PAGES, 1);
	/* what cannot find ordinary memory either, proves nothing */
	if (self->mem < 0 || !find_frames(p, WIPED_PAGES, self->frame) ||
	    count_held(self->mem, self->frame, WIPED_PAGES, 1) != WIPED_PAGES)
		SKIP(_exit(SKIP_STATUS), "physical memory is not readable");
}

FIXTURE_TEARDOWN(wiped)
{
}

/* In a child: ends the life of the pages at p. */
static bool end_pages(enum ending ending, char *p)
{
	size_t len = WIPED_PAGES * PAGE;
	char *q;

	switch (ending) {
	case BY_MUNMAP:
		return !munmap(p, len);
	case BY_PARTIAL_MUNMAP:
		return !munmap(p + len / 2, len / 2) && !munmap(p, len / 4) &&
		       !munmap(p + len / 4, len / 4);
	case BY_DONTNEED:
		return !madvise(p, len, MADV_DONTNEED);
	case BY_FREE:
		return !madvise(p, len, MADV_FREE);
	case BY_PAGEOUT:
		return !madvise(p, len, MADV_PAGEOUT);
	case BY_DROP_CACHES:
		return drop_until_gone(p, WIPED_PAGES);
	case BY_MAP_FIXED:
		return mmap(p, len, RW, DROPPABLE | MAP_FIXED, -1, 0) == p;
	case BY_SHRINK:
		return mremap(p, len, PAGE, 0) == p && !munmap(p, PAGE);
	case BY_MREMAP_ONTO:
		q = droppable(WIPED_PAGES);
		return mremap(q, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, p) ==
		       p;
	case BY_EXIT:
		_exit(0);
	case BY_EXEC:
		execl("/bin/sh", "sh", "-c", "exit 4", NULL);
		_exit(1);
	case BY_KILL:
		raise(SIGKILL);
	}
	return false;
}

TEST_F(wiped, frames_are_clean)
{
	pid_t pid = fork();
	int want;
	char *p;

	if (!pid) {
		p = droppable(WIPED_PAGES);
		if (p == MAP_FAILED)
			_exit(1);
		fill(p, WIPED_PAGES, 7);
		if (!find_frames(p, WIPED_PAGES, self->frame) ||
		    count_held(self->mem, self->frame, WIPED_PAGES, 7) !=
		    WIPED_PAGES)
			_exit(2);
		self->frame[WIPED_PAGES] = 1;
		if (!end_pages(variant->ending, p))
			_exit(3);
		/* still alive: look before an exit could clean up */
		_exit(count_held(self->mem, self->frame, WIPED_PAGES, 7) ? 5 :
		      0);
	}
	want = variant->ending == BY_KILL ? 256 + SIGKILL :
	       variant->ending == BY_EXEC ? KSFT_SKIP : 0;
	EXPECT_EQ(want, child_result(pid));
	ASSERT_EQ(1, self->frame[WIPED_PAGES]);
	EXPECT_EQ(0, count_held(self->mem, self->frame, WIPED_PAGES, 7));
}

TEST_HARNESS_MAIN
