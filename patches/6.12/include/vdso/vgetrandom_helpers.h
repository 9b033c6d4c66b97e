/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where vDSO getrandom() and the kernel have their common data.
 */
#ifndef _VDSO_VGETRANDOM_HELPERS_H
#define _VDSO_VGETRANDOM_HELPERS_H

/* for the vDSO: asm/vdso/getrandom.h */
#define vgetrandom_rng_data()		__arch_get_vdso_rng_data()
/* for the kernel: asm/vdso/vsyscall.h */
#define vgetrandom_k_rng_data()		__arch_get_k_vdso_rng_data()

#endif /* _VDSO_VGETRANDOM_HELPERS_H */
