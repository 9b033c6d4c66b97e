/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vDSO getrandom() on x86-64: which of its ChaCha20 kernels makes the keystream.
 * Hooks of lib/vdso/getrandom.c.
 */
#ifndef _ASM_X86_VDSO_VGETRANDOM_H
#define _ASM_X86_VDSO_VGETRANDOM_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <vdso/datapage.h>
#include <vdso/getrandom.h>

/* vdso_rng_data.level, set at boot; zeros are what each x86-64 CPU can do */
#define VGETRANDOM_SSE2		0
#define VGETRANDOM_AVX2		1
#define VGETRANDOM_AVX512	2

/* The stream's blocks begin in the middle of a cache line, the batch at one. */
#define VGETRANDOM_STREAM_ALIGN	32
#define VGETRANDOM_STATE_ALIGN	64

void __arch_chacha20_blocks_sse2(u8 *dst, const u32 *key, u32 *counter,
				 size_t nblocks, u8 *scratch);
void __arch_chacha20_blocks_avx2(u8 *dst, const u32 *key, u32 *counter,
				 size_t nblocks, u8 *scratch);
void __arch_chacha20_blocks_avx512(u8 *dst, const u32 *key, u32 *counter,
				   size_t nblocks, u8 *scratch);

/*
 * As many as the widest kernel makes at once, or eight: two passes of the
 * narrowest. With the state's first 32 bytes, sixteen would not fit into the
 * kilobyte that is a quarter of a page.
 */
static __always_inline size_t
__arch_vgetrandom_blocks(const struct vdso_rng_data *rng)
{
	return READ_ONCE(rng->level) == VGETRANDOM_AVX512 ? 15 : 8;
}

#define __arch_vgetrandom_blocks __arch_vgetrandom_blocks

static __always_inline size_t
__arch_vgetrandom_group(const struct vdso_rng_data *rng)
{
	return 4 << READ_ONCE(rng->level);
}

static __always_inline void
__arch_vgetrandom_chacha20(const struct vdso_rng_data *rng, u8 *dst, u32 *key,
			   u32 *counter, size_t nblocks)
{
	/* the eighth block of the stream that the key begins */
	u8 *scratch = (u8 *)key + 7 * CHACHA_BLOCK_SIZE;

	switch (READ_ONCE(rng->level)) {
	case VGETRANDOM_AVX512:
		__arch_chacha20_blocks_avx512(dst, key, counter, nblocks,
					      scratch);
		break;
	case VGETRANDOM_AVX2:
		__arch_chacha20_blocks_avx2(dst, key, counter, nblocks, scratch);
		break;
	default:
		__arch_chacha20_blocks_sse2(dst, key, counter, nblocks, scratch);
	}
}

/* Copies and wipes; @len is a multiple of 64, and not 0. */
static __always_inline void __arch_vgetrandom_hand_out(u8 *dst, u8 *src, size_t len)
{
	/* the compiler does not know of vector registers: none to be clobbered */
	asm volatile("pxor	%%xmm4, %%xmm4\n"
		     "1:\n\t"
		     "movups	(%1), %%xmm0\n\t"
		     "movups	16(%1), %%xmm1\n\t"
		     "movups	32(%1), %%xmm2\n\t"
		     "movups	48(%1), %%xmm3\n\t"
		     "movups	%%xmm0, (%0)\n\t"
		     "movups	%%xmm1, 16(%0)\n\t"
		     "movups	%%xmm2, 32(%0)\n\t"
		     "movups	%%xmm3, 48(%0)\n\t"
		     "movups	%%xmm4, (%1)\n\t"
		     "movups	%%xmm4, 16(%1)\n\t"
		     "movups	%%xmm4, 32(%1)\n\t"
		     "movups	%%xmm4, 48(%1)\n\t"
		     "add	$64, %0\n\t"
		     "add	$64, %1\n\t"
		     "sub	$64, %2\n\t"
		     "jnz	1b\n\t"
		     "pxor	%%xmm0, %%xmm0\n\t"
		     "pxor	%%xmm1, %%xmm1\n\t"
		     "pxor	%%xmm2, %%xmm2\n\t"
		     "pxor	%%xmm3, %%xmm3"
		     : "+r" (dst), "+r" (src), "+r" (len) : : "memory");
}

#define __arch_vgetrandom_hand_out __arch_vgetrandom_hand_out

#endif /* _ASM_X86_VDSO_VGETRANDOM_H */
