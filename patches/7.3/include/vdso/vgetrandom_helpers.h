/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where vDSO getrandom() and the kernel have their common data.
 */
#ifndef _VDSO_VGETRANDOM_HELPERS_H
#define _VDSO_VGETRANDOM_HELPERS_H

#include <vdso/datapage.h>
#include <vdso/vsyscall.h>

/* for the vDSO */
#define vgetrandom_rng_data()		__arch_get_vdso_u_rng_data()
/* for the kernel */
#define vgetrandom_k_rng_data()		vdso_k_rng_data

#endif /* _VDSO_VGETRANDOM_HELPERS_H */
