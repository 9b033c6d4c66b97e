/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * getrandom() served by the vDSO, for programs whose libc does not do it.
 *
 *	struct vgetrandom v;
 *	struct vgetrandom_states states;
 *	char buf[32];
 *
 *	if (!vgetrandom_open(&v))
 *		err(1, "no vDSO getrandom");		// errno says why
 *	if (!vgetrandom_states_map(&v, &states, nthreads))
 *		err(1, "mmap of states");
 *	vgetrandom(&v, vgetrandom_state(&states, thread), buf, sizeof(buf), 0);
 *
 * A state may be used by one thread at a time, and by that thread's signal handlers. After fork()
 * the states are still mapped in the child, at the same addresses and empty, those of threads that
 * did not come along too: the child may use any of them.
 *
 * vgetrandom() returns as getrandom() does: -1 and errno. v.call is the bare function as the
 * vDSO has it: it takes the state's size as well and returns -errno.
 *
 * Define _GNU_SOURCE before including this.
 */

#ifndef VGETRANDOM_VDSO_H
#define VGETRANDOM_VDSO_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "vgetrandom_elf.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

#define VGETRANDOM_NAME "__vdso_getrandom"
#define VGETRANDOM_VERSION "LINUX_2.6"

/* States are kept this far apart, so that threads do not share a cache line. */
#define VGETRANDOM_STATE_ALIGN 64

/**
 * struct vgetrandom_params - what the vDSO tells about the memory that it wants
 * @size_of_opaque_state:	size of a state
 * @mmap_prot:			prot argument of the mmap() that makes states
 * @mmap_flags:			flags argument of that mmap()
 * @reserved:			zero
 *
 * The same as struct vgetrandom_opaque_params of <linux/random.h>, which is newer than many
 * installed kernel headers.
 */
struct vgetrandom_params {
	__u32 size_of_opaque_state;
	__u32 mmap_prot;
	__u32 mmap_flags;
	__u32 reserved[13];
};

/**
 * struct vgetrandom - the vDSO's getrandom() as found
 * @call:	__vdso_getrandom(buf, len, flags, state, state_size): bytes written or -errno
 * @params:	its parameters; a state's size is @params.size_of_opaque_state
 */
struct vgetrandom {
	ssize_t (*call)(void *buf, size_t len, unsigned int flags, void *state, size_t state_size);
	struct vgetrandom_params params;
};

/**
 * struct vgetrandom_states - a mapping of states
 * @base:	start of the mapping
 * @size:	its size in bytes, a multiple of the page size
 * @num:	states that it holds
 * @stride:	bytes from one state to the next in the same page
 * @per_page:	states in a page
 * @page_size:	size of a page
 */
struct vgetrandom_states {
	void *base;
	size_t size;
	size_t num;
	size_t stride;
	size_t per_page;
	size_t page_size;
};

/**
 * vgetrandom_open - find the vDSO's getrandom() and ask it for its parameters
 * @v:	filled in
 *
 * Returns: true, or false with errno ENOEXEC (this process has no vDSO that could be understood),
 * ENOENT (the vDSO has no such function) or EOPNOTSUPP (it says that it should not be used, or
 * wants a state that no page can hold).
 */
static inline bool vgetrandom_open(struct vgetrandom *v)
{
	struct vgetrandom_image image;

	memset(v, 0, sizeof(*v));
	if (!vgetrandom_image_parse(&image, (const void *)getauxval(AT_SYSINFO_EHDR))) {
		errno = ENOEXEC;
		return false;
	}
	v->call = vgetrandom_image_lookup(&image, VGETRANDOM_NAME, VGETRANDOM_VERSION);
	if (!v->call) {
		errno = ENOENT;
		return false;
	}
	if (v->call(NULL, 0, 0, &v->params, ~0UL) || !v->params.size_of_opaque_state ||
	    v->params.size_of_opaque_state > (size_t)sysconf(_SC_PAGESIZE)) {
		v->call = NULL;
		errno = EOPNOTSUPP;
		return false;
	}
	return true;
}

/**
 * vgetrandom_states_map - map memory for states as the vDSO asks for it
 * @v:		from vgetrandom_open()
 * @states:	filled in
 * @num:	states wanted, at least 1; the last page may have room for some more
 *
 * No state straddles a page: a page is what the kernel drops or keeps as a whole.
 *
 * Returns: true, or false with errno from mmap().
 */
static inline bool vgetrandom_states_map(const struct vgetrandom *v,
					 struct vgetrandom_states *states, size_t num)
{
	size_t align = VGETRANDOM_STATE_ALIGN, state_size = v->params.size_of_opaque_state;
	size_t pages;

	states->page_size = sysconf(_SC_PAGESIZE);
	states->stride = (state_size + align - 1) / align * align;
	states->per_page = states->page_size / states->stride;
	pages = (num + states->per_page - 1) / states->per_page;
	states->num = pages * states->per_page;
	states->size = pages * states->page_size;
	states->base = mmap(NULL, states->size, v->params.mmap_prot, v->params.mmap_flags, -1, 0);
	return states->base != MAP_FAILED;
}

/**
 * vgetrandom_states_unmap - unmap the states
 * @states:	from vgetrandom_states_map()
 */
static inline void vgetrandom_states_unmap(struct vgetrandom_states *states)
{
	munmap(states->base, states->size);
	states->base = MAP_FAILED;
}

/**
 * vgetrandom_state - one of the states of a mapping
 * @states:	from vgetrandom_states_map()
 * @i:		which one, less than @states->num
 *
 * Returns: the state's address.
 */
static inline void *vgetrandom_state(const struct vgetrandom_states *states, size_t i)
{
	return (char *)states->base + i / states->per_page * states->page_size +
	       i % states->per_page * states->stride;
}

/**
 * vgetrandom - getrandom() with a state
 * @v:		from vgetrandom_open()
 * @state:	a state that nothing else uses now
 * @buf:	where the bytes go
 * @len:	how many
 * @flags:	GRND_* flags
 *
 * Returns: bytes written, or -1 with errno.
 */
static inline ssize_t vgetrandom(const struct vgetrandom *v, void *state, void *buf, size_t len,
				 unsigned int flags)
{
	ssize_t ret = v->call(buf, len, flags, state, v->params.size_of_opaque_state);

	if (ret < 0) {
		errno = -ret;
		return -1;
	}
	return ret;
}

#endif /* VGETRANDOM_VDSO_H */
