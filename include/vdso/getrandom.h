/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vDSO getrandom(): what an architecture supplies.
 */
#ifndef _VDSO_GETRANDOM_H
#define _VDSO_GETRANDOM_H

#include <linux/types.h>

#define CHACHA_KEY_SIZE		32
#define CHACHA_BLOCK_SIZE	64

/**
 * __arch_chacha20_blocks_nostack - ChaCha20 keystream, nonce 0
 * @dst_bytes: @nblocks * 64 bytes, of any alignment; may overlap @key
 * @key: 32 bytes, read before anything is written
 * @counter: number of the first block, the low half first; increased by @nblocks
 * @nblocks: at least 1
 *
 * Writes nothing but @dst_bytes and @counter, in particular not to the stack: a
 * child of fork would have a copy.  Only a signal puts its registers there.
 */
void __arch_chacha20_blocks_nostack(u8 *dst_bytes, const u32 *key, u32 *counter,
				    size_t nblocks);

/**
 * __vdso_getrandom - getrandom() in the vDSO
 * @buffer: as in getrandom(2)
 * @len: as in getrandom(2)
 * @flags: as in getrandom(2)
 * @opaque_state: the calling thread's state, or where to put the parameters
 * @opaque_len: size of @opaque_state
 *
 * Return: as __cvdso_getrandom_data().
 */
ssize_t __vdso_getrandom(void *buffer, size_t len, unsigned int flags,
			 void *opaque_state, size_t opaque_len);

#endif /* _VDSO_GETRANDOM_H */
