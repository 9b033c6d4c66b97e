/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vDSO getrandom(): the state, and what may be done to one that a signal handler's
 * call may have taken away. For lib/vdso/getrandom.c, after the architecture's
 * asm/vdso/getrandom.h; why it is as it is stands there, at __cvdso_getrandom_data().
 */
#ifndef _VDSO_VGETRANDOM_STATE_H
#define _VDSO_VGETRANDOM_STATE_H

#include <linux/align.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <vdso/datapage.h>
#include <vdso/getrandom.h>
#include <vdso/unaligned.h>
#include <asm/barrier.h>

/* How the stream is aligned in the state, and the state in its page. */
#ifndef VGETRANDOM_STREAM_ALIGN
#define VGETRANDOM_STREAM_ALIGN	16
#define VGETRANDOM_STATE_ALIGN	8
#endif

/**
 * struct vgetrandom_state - the state of one thread
 * @generation: vdso_rng_data.generation when @key was fetched; any other value:
 *	there is no key
 * @pos: offset in @batch of the first byte that was not handed out; whatever is
 *	not less than the batch's size means that all were
 * @claim: token of the call that is at work on the state, which a signal handler's
 *	call leaves alone then; 0: there is none
 * @key: makes the next stream, and is replaced by it
 * @batch: output that waits to be handed out; what was handed out is zeros
 *
 * @key and @batch are one stream of ChaCha20, made by one refill.  How long it
 * is, and with it the size of a state, depends on the architecture and the CPU.
 *
 * A state lies within one page, which may vanish and read as zeros at any time,
 * and does so in the child of a fork.  All zeros is the state to begin with.
 */
struct vgetrandom_state {
	u64	generation;
	u32	pos;
	u32	claim;
	u32	key[CHACHA_KEY_SIZE / sizeof(u32)] __aligned(VGETRANDOM_STREAM_ALIGN);
	u8	batch[];
};

#ifndef __arch_vgetrandom_blocks
/*
 * Which of its kernels the architecture uses.  A call asks once: the data of a time
 * namespace, which a signal handler may enter, says something else.
 */
static __always_inline unsigned int
__arch_vgetrandom_level(const struct vdso_rng_data *rng)
{
	return 0;
}

/* Blocks of a refill's stream. */
static __always_inline size_t __arch_vgetrandom_blocks(unsigned int level)
{
	return 2;
}

/* Blocks that take no longer together than one of them: a power of two. */
static __always_inline size_t __arch_vgetrandom_group(unsigned int level)
{
	return 1;
}

/*
 * The keystream.  A kernel should write nothing if, after it has read the key and
 * whatever else it reads of the state, the claim is 0.
 */
static __always_inline void
__arch_vgetrandom_chacha20(unsigned int level, u8 *dst, const u32 *key,
			   u32 *counter, size_t nblocks, void *state)
{
	__arch_chacha20_blocks_nostack(dst, key, counter, nblocks);
}
#endif

/*
 * Without these from the architecture, each of them one instruction, and without a
 * kernel as above, what __cvdso_getrandom_data() tells of interrupted calls has
 * gaps: as large as such a kernel, and of an instruction or two.
 *
 * *@ptr ^= @value and *@ptr += @value, of any alignment.
 */
#ifndef __arch_vgetrandom_xor
#define __arch_vgetrandom_xor(ptr, value) ({					\
	typeof(ptr) _ptr = (ptr);						\
	typeof(*_ptr) _word = __get_unaligned_t(typeof(*_ptr), _ptr);		\
										\
	__put_unaligned_t(typeof(*_ptr), _word ^ (value), _ptr);		\
})
#define __arch_vgetrandom_add(ptr, value) ({					\
	typeof(ptr) _ptr = (ptr);						\
	typeof(*_ptr) _word = __get_unaligned_t(typeof(*_ptr), _ptr);		\
										\
	__put_unaligned_t(typeof(*_ptr), _word + (value), _ptr);		\
})

/* @pos = 0, if it is @last and the claim, which follows it, is @token. */
static __always_inline bool
__arch_vgetrandom_rewind(u32 *pos, u32 last, u32 token)
{
	if (READ_ONCE(pos[0]) != last || READ_ONCE(pos[1]) != token)
		return false;
	WRITE_ONCE(*pos, 0);
	return true;
}
#endif

static_assert(offsetof(struct vgetrandom_state, claim) ==
	      offsetof(struct vgetrandom_state, pos) + sizeof(u32));

#ifdef VGETRANDOM_CLAIM
static_assert(offsetof(struct vgetrandom_state, claim) == VGETRANDOM_CLAIM);
static_assert(offsetof(struct vgetrandom_state, key) == VGETRANDOM_KEY);
#endif

static __always_inline size_t vgetrandom_batch_size(unsigned int level)
{
	return __arch_vgetrandom_blocks(level) * CHACHA_BLOCK_SIZE -
	       CHACHA_KEY_SIZE;
}

static __always_inline size_t vgetrandom_state_size(unsigned int level)
{
	return ALIGN(sizeof(struct vgetrandom_state) + vgetrandom_batch_size(level),
		     VGETRANDOM_STATE_ALIGN);
}

/*
 * What tells a call from those that it may have interrupted, or that may interrupt
 * it: they have their frames at the same time. Stacks that are a multiple of 4 GiB
 * apart could make them look alike, by a chance that nobody would bet on.
 */
static __always_inline u32 vgetrandom_token(void)
{
	return (u32)(unsigned long)__builtin_frame_address(0) | 1;
}

/* Whether the page was not lost since it was claimed, all that was read is its. */
static __always_inline bool
vgetrandom_is_claimed(struct vgetrandom_state *state, u32 token)
{
	smp_rmb();	/* after all that it vouches for: zeros of a new page? */
	/* no volatile access, as that would cost a register */
	return likely(state->claim == token);
}

/*
 * Copies a word of 1, 2, 4 or 8 bytes of the batch and wipes it, if the claim still
 * held when it was read.  What wipes it makes zeros of this word only: one that a
 * handler's call has put there since stays as secret as it was.
 */
static __always_inline bool
vgetrandom_hand_out_word(struct vgetrandom_state *state, u32 token, u8 *dst,
			 u8 *src, size_t size)
{
	u64 word;

#define TAKE(type) do {								\
	word = __get_unaligned_t(type, src);					\
	__put_unaligned_t(type, word, dst);					\
} while (0)

	if (size == 8)
		TAKE(u64);
	else if (size == 4)
		TAKE(u32);
	else if (size == 2)
		TAKE(u16);
	else
		TAKE(u8);
#undef TAKE

	if (!vgetrandom_is_claimed(state, token))
		return false;
	if (size == 8)
		__arch_vgetrandom_xor((u64 *)src, word);
	else if (size == 4)
		__arch_vgetrandom_xor((u32 *)src, (u32)word);
	else if (size == 2)
		__arch_vgetrandom_xor((u16 *)src, (u16)word);
	else
		__arch_vgetrandom_xor(src, (u8)word);
	return true;
}

/* Copies bytes of the batch and wipes them, or stops where the claim is lost. */
static __always_inline bool
vgetrandom_hand_out(struct vgetrandom_state *state, u32 token, u8 *dst,
		    size_t pos, size_t len)
{
	u8 *src = state->batch + pos;
	size_t i = 0;

	/* as words of 8 bytes, two at a time to look less often */
	while (i + 16 <= len) {
		u64 first = __get_unaligned_t(u64, src + i);
		u64 second = __get_unaligned_t(u64, src + i + 8);

		__put_unaligned_t(u64, first, dst + i);
		__put_unaligned_t(u64, second, dst + i + 8);
		if (!vgetrandom_is_claimed(state, token))
			return false;
		__arch_vgetrandom_xor((u64 *)(src + i), first);
		__arch_vgetrandom_xor((u64 *)(src + i + 8), second);
		i += 16;
		/* a longer body would be no faster, but large */
		OPTIMIZER_HIDE_VAR(i);
	}
	if (len & 8) {
		if (!vgetrandom_hand_out_word(state, token, dst + i, src + i, 8))
			return false;
		i += 8;
	}
	if (len & 4) {
		if (!vgetrandom_hand_out_word(state, token, dst + i, src + i, 4))
			return false;
		i += 4;
	}
	if (len & 2) {
		if (!vgetrandom_hand_out_word(state, token, dst + i, src + i, 2))
			return false;
		i += 2;
	}
	return !(len & 1) ||
	       vgetrandom_hand_out_word(state, token, dst + i, src + i, 1);
}

/*
 * Whether all was well to the end, in a machine that was not cloned meanwhile:
 * @generation is what both had, and not 0, when the call began.
 */
static __always_inline bool
vgetrandom_is_whole(const struct vdso_rng_data *rng,
		    struct vgetrandom_state *state, u32 token, u64 generation)
{
	return vgetrandom_is_claimed(state, token) &&
	       READ_ONCE(state->generation) == generation &&
	       READ_ONCE(rng->generation) == generation;
}

#endif /* _VDSO_VGETRANDOM_STATE_H */
