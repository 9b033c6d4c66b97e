// SPDX-License-Identifier: GPL-2.0
/*
 * Not mainline: no page leaves a mapping of mmap(MAP_DROPPABLE) with its content. Physical memory
 * is looked at through /dev/mem, or /proc/kcore where the kernel has no such device, at the frames
 * that pagemap told before.
 */

#define _FILE_OFFSET_BITS 64

#include "vgetrandom_drop.h"
#include <linux/elf.h>
#include <sys/sysmacros.h>
#include "vgetrandom_harness.h"

#define WIPED_PAGES 500

enum ending {
	BY_MUNMAP, BY_PARTIAL_MUNMAP, BY_DONTNEED, BY_FREE, BY_PAGEOUT,
	BY_DROP_CACHES, BY_MAP_FIXED, BY_SHRINK, BY_MREMAP_ONTO, BY_EXIT,
	BY_EXEC, BY_KILL,
};

/* A file that has physical memory. */
struct memory {
	int fd;
	unsigned int num_segments;	/* 0: it is nothing else */
	struct elf64_phdr segments[64];
};

FIXTURE(wiped) {
	struct memory mem;
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

static bool open_dev_mem(struct memory *mem)
{
	char path[64], byte;

	mkdir("/tmp", 01777);
	snprintf(path, sizeof(path), "/tmp/mem.%d", getpid());
	if (mknod(path, S_IFCHR | 0600, makedev(1, 1)))
		return false;
	mem->fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return mem->fd >= 0 && pread(mem->fd, &byte, 1, 0) == 1;
}

/* The segments are those of a core dump of the kernel. */
static bool open_kcore(struct memory *mem)
{
	struct elf64_hdr header;
	ssize_t size;

	mem->fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (mem->fd < 0 ||
	    pread(mem->fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phnum > ARRAY_SIZE(mem->segments))
		return false;
	mem->num_segments = header.e_phnum;
	size = header.e_phnum * sizeof(*mem->segments);
	return pread(mem->fd, mem->segments, size, (off_t)header.e_phoff) ==
	       size;
}

static bool read_memory(const struct memory *mem, unsigned long long address,
			void *to, size_t size)
{
	unsigned long long at = address;
	bool found = !mem->num_segments;
	const struct elf64_phdr *segment;
	unsigned int i;

	for (i = 0; i < mem->num_segments && !found; i++) {
		segment = &mem->segments[i];
		/* others have no address, or all bits set */
		found = segment->p_type == PT_LOAD && segment->p_paddr + 1 &&
			address >= segment->p_paddr &&
			address - segment->p_paddr < segment->p_memsz;
		at = address - segment->p_paddr + segment->p_offset;
	}
	return found && pread(mem->fd, to, size, (off_t)at) == (ssize_t)size;
}

/* How many of the frames still hold their page; -1: cannot be read. */
static int count_held(const struct memory *mem, const unsigned long long *frame,
		      size_t pages, unsigned int seed)
{
	char bytes[16];
	size_t i, j;
	int held = 0;

	for (i = 0; i < pages; i++) {
		if (!read_memory(mem, frame[i] * PAGE, bytes, sizeof(bytes)))
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
	char *p = plain(WIPED_PAGES);

	self->frame = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, self->frame);
	fill(p, WIPED_PAGES, 1);
	/* what cannot find ordinary memory either, proves nothing */
	if ((!open_dev_mem(&self->mem) && !open_kcore(&self->mem)) ||
	    !find_frames(p, WIPED_PAGES, self->frame) ||
	    count_held(&self->mem, self->frame, WIPED_PAGES, 1) != WIPED_PAGES)
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
		    count_held(&self->mem, self->frame, WIPED_PAGES, 7) !=
		    WIPED_PAGES)
			_exit(2);
		self->frame[WIPED_PAGES] = 1;
		if (!end_pages(variant->ending, p))
			_exit(3);
		/* still alive: look before an exit could clean up */
		_exit(count_held(&self->mem, self->frame, WIPED_PAGES, 7) ? 5 :
		      0);
	}
	want = variant->ending == BY_KILL ? 256 + SIGKILL :
	       variant->ending == BY_EXEC ? KSFT_SKIP : 0;
	EXPECT_EQ(want, child_result(pid));
	ASSERT_EQ(1, self->frame[WIPED_PAGES]);
	EXPECT_EQ(0, count_held(&self->mem, self->frame, WIPED_PAGES, 7));
}

TEST_HARNESS_MAIN
