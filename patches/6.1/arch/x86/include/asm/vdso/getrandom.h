/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vDSO getrandom() on x86-64: the system call, and the data of the kernel's RNG.
 * Included by lib/vdso/getrandom.c.
 */
#ifndef _ASM_X86_VDSO_GETRANDOM_H
#define _ASM_X86_VDSO_GETRANDOM_H

#ifndef __ASSEMBLY__

#include <linux/types.h>
#include <vdso/datapage.h>
#include <asm/unistd.h>
#include <asm/vdso/gettimeofday.h>
#include <asm/vdso/vgetrandom.h>
#include <asm/vvar.h>

/**
 * getrandom_syscall - the system call getrandom()
 * @buffer: where the random bytes go
 * @len: how many
 * @flags: GRND_* flags
 *
 * Return: what the system call returns, a number of bytes or a negative errno.
 */
static __always_inline ssize_t getrandom_syscall(void *buffer, size_t len,
						 unsigned int flags)
{
	ssize_t ret = __NR_getrandom;

	asm volatile("syscall"
		     : "+a" (ret)
		     : "D" (buffer), "S" (len), "d" (flags)
		     : "rcx", "r11", "memory");
	return ret;
}

/* In a time namespace, its page has the place of the kernel's, which is behind. */
static __always_inline const struct vdso_rng_data *__arch_get_vdso_rng_data(void)
{
	if (IS_ENABLED(CONFIG_TIME_NS) &&
	    __vdso_data->clock_mode == VDSO_CLOCKMODE_TIMENS)
		return &TIMENS(_vdso_rng_data);
	return &VVAR(_vdso_rng_data);
}

#endif /* __ASSEMBLY__ */
#endif /* _ASM_X86_VDSO_GETRANDOM_H */
