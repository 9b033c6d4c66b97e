// SPDX-License-Identifier: GPL-2.0
/*
 * getrandom() without a system call: the generator of every vDSO.
 *
 * Fast key erasure: a refill makes a stream of ChaCha20 from the key.  Its first
 * 32 bytes replace the key, the others wait in the state to be handed out, and
 * are wiped as they are.  What was handed out can then not be told from what is
 * left.  A key comes from the kernel, once for each generation of the kernel's
 * own.
 */
#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <vdso/datapage.h>
#include <vdso/getrandom.h>
#include <vdso/limits.h>
#include <vdso/unaligned.h>
#include <asm/barrier.h>
#include <asm/vdso/getrandom.h>
#include <uapi/linux/errno.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>
#include <vdso/vgetrandom_helpers.h>

#undef PAGE_SIZE
#undef PAGE_MASK
#define PAGE_SIZE	BIT(CONFIG_PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define KNOWN_FLAGS	(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)

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

static __always_inline bool vgetrandom_in_page(const void *state, size_t size)
{
	return ((unsigned long)state & ~PAGE_MASK) + size <= PAGE_SIZE;
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

/*
 * Gets a key for a claimed state.  The generation becomes right by an instruction
 * that makes it right in no other state, and not in a page that has vanished: it
 * takes away a mark that only this call has put there.
 */
static __always_inline bool
vgetrandom_reseed(struct vgetrandom_state *state, u32 token, u64 generation,
		  size_t batch_size)
{
	/* no generation, as they are counted */
	const u64 mark = BIT_ULL(63) | (u64)token << 31;

	WRITE_ONCE(state->generation, mark);
	/* the key is to be at least as new as the generation */
	smp_rmb();	/* pairs with smp_store_release() in crng_reseed() */
	if (getrandom_syscall(state->key, CHACHA_KEY_SIZE, 0) !=
	    CHACHA_KEY_SIZE) {
		WRITE_ONCE(state->generation, 0);
		return false;
	}
	WRITE_ONCE(state->pos, batch_size);
	barrier();
	__arch_vgetrandom_xor(&state->generation, mark ^ generation);
	return true;
}

/* All that is not a small request to a state that has enough; it is claimed. */
static noinline ssize_t
vgetrandom_refill(const struct vdso_rng_data *rng, void *buffer, size_t len,
		  unsigned int flags, struct vgetrandom_state *state, u32 token,
		  unsigned int level)
{
	const size_t batch_size = vgetrandom_batch_size(level);
	size_t left, pos, part, blocks, group;
	bool again = false;
	u32 counter[2];
	u64 generation;
	ssize_t ret;
	u8 *dst;

	/* what one system call would write at the most, MAX_RW_COUNT */
	ret = min_t(size_t, INT_MAX & PAGE_MASK, len);
start:
	dst = buffer;
	left = ret;
	generation = READ_ONCE(rng->generation);
	/* as the data of a time namespace that a handler has entered reads */
	if (unlikely(!generation))
		goto give_up;
	if (unlikely(READ_ONCE(state->generation) != generation) &&
	    !vgetrandom_reseed(state, token, generation, batch_size))
		goto give_up;

	for (;;) {
		pos = READ_ONCE(state->pos);
		if (pos < batch_size) {
			part = min_t(size_t, batch_size - pos, left);
			__arch_vgetrandom_add(&state->pos, (u32)part);
			barrier();
			if (!vgetrandom_hand_out(state, token, dst, pos, part))
				goto lost;
			dst += part;
			left -= part;
		}
		if (!left)
			break;

		/*
		 * The batch is used up. Blocks that it could not hold go where
		 * they are wanted, by whole groups if the batch can take the
		 * rest.
		 */
		WRITE_ONCE(state->pos, batch_size);
		counter[0] = 0;
		counter[1] = 0;
		blocks = left / CHACHA_BLOCK_SIZE;
		group = blocks & (__arch_vgetrandom_group(level) - 1);
		if (left - (blocks - group) * CHACHA_BLOCK_SIZE <= batch_size)
			blocks -= group;
		if (blocks) {
			__arch_vgetrandom_chacha20(level, dst, state->key, counter,
						   blocks, state);
			dst += blocks * CHACHA_BLOCK_SIZE;
			left -= blocks * CHACHA_BLOCK_SIZE;
		}
		__arch_vgetrandom_chacha20(level, (u8 *)state->key, state->key,
					   counter, __arch_vgetrandom_blocks(level),
					   state);
		barrier();
		if (!__arch_vgetrandom_rewind(&state->pos, batch_size, token))
			goto lost;
	}

	if (likely(vgetrandom_is_whole(rng, state, token, generation))) {
		WRITE_ONCE(state->claim, 0);
		return ret;
	}
lost:
	/*
	 * No part of a state is to be trusted that this call may have mixed up.
	 * Not for ever, if memory is short or somebody reseeds in a loop.
	 */
	WRITE_ONCE(state->generation, 0);
	if (!again) {
		again = true;
		WRITE_ONCE(state->claim, token);
		barrier();
		goto start;
	}
give_up:
	/* only after the last write to the state */
	barrier();
	WRITE_ONCE(state->claim, 0);
	return getrandom_syscall(buffer, len, flags);
}

/* What the calls for parameters, unusual calls, and calls that need a refill do. */
static noinline ssize_t
vgetrandom_slow(const struct vdso_rng_data *rng, void *buffer, size_t len,
		unsigned int flags, void *opaque_state, size_t opaque_len)
{
	const unsigned int level = __arch_vgetrandom_level(rng);
	const size_t state_size = vgetrandom_state_size(level);
	struct vgetrandom_state *state = opaque_state;
	u32 token;

	if (opaque_len == ~0UL && !buffer && !len && !flags) {
		struct vgetrandom_opaque_params *params = opaque_state;

		params->size_of_opaque_state = state_size;
		params->mmap_prot = PROT_READ | PROT_WRITE;
		params->mmap_flags = MAP_DROPPABLE | MAP_ANONYMOUS;
		for (size_t i = 0; i < ARRAY_SIZE(params->reserved); i++)
			params->reserved[i] = 0;
		return 0;
	}

	if (opaque_len != state_size)
		return getrandom_syscall(buffer, len, flags);
	/* one page vanishes as a whole, two do not */
	if (!vgetrandom_in_page(opaque_state, state_size))
		return -EFAULT;
	if (flags & ~KNOWN_FLAGS)
		return getrandom_syscall(buffer, len, flags);
	/* what the flags mean then, and 0 bytes too, is for the kernel to say */
	if (!READ_ONCE(rng->is_ready))
		return getrandom_syscall(buffer, len, flags);
	if (!len)
		return 0;
	if (READ_ONCE(state->claim))
		return getrandom_syscall(buffer, len, flags);
	token = vgetrandom_token();
	WRITE_ONCE(state->claim, token);
	barrier();
	return vgetrandom_refill(rng, buffer, len, flags, state, token, level);
}

/**
 * __cvdso_getrandom_data - getrandom() for every vDSO
 * @rng: the kernel's generation, and whether its RNG is ready
 * @buffer: where the random bytes go
 * @len: how many
 * @flags: GRND_* flags
 * @opaque_state: the state, within one page of a mapping as @flags and @len of
 *	0, a NULL @buffer and an @opaque_len of ~0UL ask for: that call fills the
 *	struct vgetrandom_opaque_params that @opaque_state points to instead
 * @opaque_len: size of the state
 *
 * One state serves one thread, and that thread's signal handlers.  Of several
 * threads only one may use it at a time.
 *
 * What a state's page reads may turn to zeros between any two instructions here:
 * dropped under memory pressure, or in the child of a fork that a signal handler
 * made.  Handlers' calls then find a state that nobody seems to use, and make it
 * theirs.  The interrupted call goes on in their state until it looks at its claim.
 * Therefore
 *
 *  - it returns nothing, and makes no stream, from what it read before it has found
 *    its claim still there;
 *  - each of its writes does no harm to a state that is not its own: the position
 *    moves on, or to the end, and goes back to the beginning only together with the
 *    claim; a generation becomes wrong; a secret word becomes another one, by XOR or
 *    by one of a stream that nobody else has;
 *  - it looks at its claim once more after the last write.  If it is lost, it makes
 *    the state invalid and starts over; the second time, it makes the system call.
 *
 * The one exception is a refill in the child of a fork, which writes a key and words
 * that the parent has, too.  It looks at the claim just before.  For these to be
 * handed out, one handler's call must make a state of the child's page between that
 * look and the last of the writes, and another handler's call must use it before the
 * interrupted call has looked again and made it invalid; if that handler leaves the
 * call for good, by siglongjmp(), nobody does before the kernel's next generation.
 *
 * The system call is made while the kernel's RNG is not ready, for flags unknown
 * here, for a state of another size (of a process that CRIU moved to another
 * kernel), from a handler that interrupted a call with the same state, if there is
 * no key to be had, and if the page or the generation is lost twice.
 *
 * Return: the number of bytes written; 0 for the parameters; or a negative
 * errno, -EFAULT if the state crosses the end of a page, or the system call's.
 */
static __always_inline ssize_t
__cvdso_getrandom_data(const struct vdso_rng_data *rng, void *buffer, size_t len,
		       unsigned int flags, void *opaque_state, size_t opaque_len)
{
	struct vgetrandom_state *state = opaque_state;
	size_t pos, state_size, batch_size;
	unsigned int level;
	u64 generation;
	u32 token;

	/* one register, not the parts of the address */
	OPTIMIZER_HIDE_VAR(rng);

	level = __arch_vgetrandom_level(rng);
	state_size = vgetrandom_state_size(level);
	batch_size = vgetrandom_batch_size(level);
	/* no bytes are too many, too */
	if (unlikely(opaque_len != state_size ||
		     !vgetrandom_in_page(state, state_size) ||
		     (flags & ~KNOWN_FLAGS) || len - 1 >= batch_size))
		goto slow;
	/*
	 * No need to be atomic: a signal handler that comes between the look and
	 * the claim has come to its end when the claim is made. Nothing else of
	 * the state may be looked at before.
	 */
	if (unlikely(READ_ONCE(state->claim)))
		goto slow;
	token = vgetrandom_token();
	WRITE_ONCE(state->claim, token);
	barrier();

	/* most calls: the batch has enough */
	pos = READ_ONCE(state->pos);
	generation = READ_ONCE(state->generation);
	/*
	 * None is 0, which an empty state has, and the data of a time namespace
	 * that a handler has entered since @rng was found.
	 */
	if (unlikely(!generation || READ_ONCE(rng->generation) != generation ||
		     pos > batch_size - len))
		goto release;
	/* First, so that nothing is handed out twice if this call is never ended. */
	__arch_vgetrandom_add(&state->pos, (u32)len);
	barrier();
	if (likely(vgetrandom_hand_out(state, token, buffer, pos, len) &&
		   vgetrandom_is_whole(rng, state, token, generation))) {
		WRITE_ONCE(state->claim, 0);
		return len;
	}
	WRITE_ONCE(state->generation, 0);
	barrier();
release:
	WRITE_ONCE(state->claim, 0);
slow:
	return vgetrandom_slow(rng, buffer, len, flags, opaque_state, opaque_len);
}

static __always_inline ssize_t
__cvdso_getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom_data(vgetrandom_rng_data(), buffer, len,
				      flags, opaque_state, opaque_len);
}
