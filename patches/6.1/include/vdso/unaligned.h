/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Accesses of any alignment for the vDSO: 6.1 has them where the kernel has
 * its own.
 */
#ifndef _VDSO_UNALIGNED_H
#define _VDSO_UNALIGNED_H

#include <asm-generic/unaligned.h>

#endif /* _VDSO_UNALIGNED_H */
