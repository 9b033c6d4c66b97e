/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vDSO getrandom() on x86-64: which of its ChaCha20 kernels makes the keystream.
 * Hooks of lib/vdso/getrandom.c.
 */
#ifndef _ASM_X86_VDSO_VGETRANDOM_H
#define _ASM_X86_VDSO_VGETRANDOM_H

/* What the kernels use of struct vgetrandom_state. */
#define VGETRANDOM_CLAIM	12
#define VGETRANDOM_KEY		32
/* 32 bytes behind a stream of eight blocks, never handed out */
#define VGETRANDOM_SCRATCH	(VGETRANDOM_KEY + 8 * 64)

#ifndef __ASSEMBLY__

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
				 size_t nblocks, void *state);
void __arch_chacha20_blocks_avx2(u8 *dst, const u32 *key, u32 *counter,
				 size_t nblocks, void *state);
void __arch_chacha20_blocks_avx512(u8 *dst, const u32 *key, u32 *counter,
				   size_t nblocks, void *state);

static __always_inline unsigned int
__arch_vgetrandom_level(const struct vdso_rng_data *rng)
{
	return READ_ONCE(rng->level);
}

/*
 * As many as the widest kernel makes at once, or eight: two passes of the
 * narrowest. With the state's first 32 bytes, sixteen would not fit into the
 * kilobyte that is a quarter of a page.
 */
static __always_inline size_t __arch_vgetrandom_blocks(unsigned int level)
{
	return level == VGETRANDOM_AVX512 ? 15 : 8;
}

#define __arch_vgetrandom_blocks __arch_vgetrandom_blocks

static __always_inline size_t __arch_vgetrandom_group(unsigned int level)
{
	return 4 << level;
}

static __always_inline void
__arch_vgetrandom_chacha20(unsigned int level, u8 *dst, const u32 *key,
			   u32 *counter, size_t nblocks, void *state)
{
	u64 *scratch = state + VGETRANDOM_SCRATCH;

	switch (level) {
	case VGETRANDOM_AVX512:
		__arch_chacha20_blocks_avx512(dst, key, counter, nblocks, state);
		return;
	case VGETRANDOM_AVX2:
		__arch_chacha20_blocks_avx2(dst, key, counter, nblocks, state);
		break;
	default:
		__arch_chacha20_blocks_sse2(dst, key, counter, nblocks, state);
	}
	for (unsigned int i = 0; i < 4; i++)
		WRITE_ONCE(scratch[i], 0);
}

/* One instruction each: no signal handler comes between the read and the write. */
#define __arch_vgetrandom_xor(ptr, value) ({					\
	asm volatile("xor %1, %0" : "+m" (*(ptr)) : "r" (value));		\
})
#define __arch_vgetrandom_add(ptr, value) ({					\
	asm volatile("add %1, %0" : "+m" (*(ptr)) : "r" (value));		\
})

static __always_inline bool
__arch_vgetrandom_rewind(u32 *pos, u32 last, u32 token)
{
	u64 before = (u64)token << 32 | last;
	bool done;

	/* not locked: whoever else has a part in it is a signal handler */
	asm volatile("cmpxchg %3, %0"
		     : "+m" (*(u64 *)pos), "+a" (before), "=@ccz" (done)
		     : "r" ((u64)token << 32));
	return done;
}

#endif /* __ASSEMBLY__ */
#endif /* _ASM_X86_VDSO_VGETRANDOM_H */
