// SPDX-License-Identifier: GPL-2.0
/*
 * getrandom() in the 64-bit vDSO.
 */
#include <linux/cache.h>
#include <linux/kernel.h>
#include <linux/time.h>
#include <linux/types.h>

#include "../../../../lib/vdso/getrandom.c"

ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom(buffer, len, flags, opaque_state, opaque_len);
}

/* by its short name, too, as all functions of this vDSO */
ssize_t __weak __alias(__vdso_getrandom)
getrandom(void *buffer, size_t len, unsigned int flags, void *opaque_state,
	  size_t opaque_len);
