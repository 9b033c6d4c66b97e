// SPDX-License-Identifier: GPL-2.0
/*
 * getrandom() of every vDSO: the parameters, and the system call.
 */
#include <linux/array_size.h>
#include <vdso/datapage.h>
#include <vdso/getrandom.h>
#include <asm/vdso/getrandom.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>
#include <vdso/vgetrandom_helpers.h>

/*
 * A state has some size, or there would be no end of how many a caller puts into
 * a page; nothing is kept in it.
 */
#define STATE_SIZE	64

static __always_inline ssize_t
__cvdso_getrandom_data(const struct vdso_rng_data *rng, void *buffer, size_t len,
		       unsigned int flags, void *opaque_state, size_t opaque_len)
{
	if (opaque_len == ~0UL && !buffer && !len && !flags) {
		struct vgetrandom_opaque_params *params = opaque_state;

		params->size_of_opaque_state = STATE_SIZE;
		params->mmap_prot = PROT_READ | PROT_WRITE;
		params->mmap_flags = MAP_DROPPABLE | MAP_ANONYMOUS;
		for (size_t i = 0; i < ARRAY_SIZE(params->reserved); i++)
			params->reserved[i] = 0;
		return 0;
	}
	return getrandom_syscall(buffer, len, flags);
}

static __always_inline ssize_t
__cvdso_getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom_data(vgetrandom_rng_data(), buffer, len,
				      flags, opaque_state, opaque_len);
}
