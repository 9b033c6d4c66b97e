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
#include <vdso/unaligned.h>
#include <asm/vdso/getrandom.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>

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
 * @generation: vdso_rng_data.generation when @key was fetched; 0: there is none
 * @pos: offset in @batch of the first byte that was not handed out
 * @in_use: a call is at work on the state, which a signal handler's call leaves
 *	alone
 * @key: makes the next stream, and is replaced by it
 * @batch: output that waits to be handed out; handed-out bytes are zeros
 *
 * @key and @batch are one stream of ChaCha20, made by one refill.  How long it
 * is, and with it the size of a state, depends on the architecture and the CPU.
 *
 * A state lies within one page, which may vanish and read as zeros at any time,
 * and does so in the child of a fork.  All zeros is the state to begin with.
 */
struct vgetrandom_state {
	u64	generation;
	u16	pos;
	bool	in_use;
	u32	key[CHACHA_KEY_SIZE / sizeof(u32)] __aligned(VGETRANDOM_STREAM_ALIGN);
	u8	batch[];
};

#ifndef __arch_vgetrandom_blocks
/* Blocks of a refill's stream. */
static __always_inline size_t
__arch_vgetrandom_blocks(const struct vdso_rng_data *rng)
{
	return 2;
}

/* Blocks that take no longer together than one of them. */
static __always_inline size_t
__arch_vgetrandom_group(const struct vdso_rng_data *rng)
{
	return 1;
}

/*
 * The keystream.  @key is the first 32 bytes of a refill's stream in the state;
 * the others are used up, will be overwritten, and may be scratch memory.
 */
static __always_inline void
__arch_vgetrandom_chacha20(const struct vdso_rng_data *rng, u8 *dst, u32 *key,
			   u32 *counter, size_t nblocks)
{
	__arch_chacha20_blocks_nostack(dst, key, counter, nblocks);
}
#endif

static __always_inline size_t
vgetrandom_batch_size(const struct vdso_rng_data *rng)
{
	return __arch_vgetrandom_blocks(rng) * CHACHA_BLOCK_SIZE -
	       CHACHA_KEY_SIZE;
}

static __always_inline size_t
vgetrandom_state_size(const struct vdso_rng_data *rng)
{
	return ALIGN(sizeof(struct vgetrandom_state) + vgetrandom_batch_size(rng),
		     VGETRANDOM_STATE_ALIGN);
}

static __always_inline bool vgetrandom_in_page(const void *state, size_t size)
{
	return ((unsigned long)state & ~PAGE_MASK) + size <= PAGE_SIZE;
}

/* Copies and wipes the source, word by word: there is no other copy of a word. */
static __always_inline void vgetrandom_hand_out(u8 *dst, u8 *src, size_t len)
{
#define MOVE(type) do {								\
	__put_unaligned_t(type, __get_unaligned_t(type, src), dst);		\
	__put_unaligned_t(type, 0, src);					\
	dst += sizeof(type);							\
	src += sizeof(type);							\
} while (0)

	if (!IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS) ||
	    !IS_ENABLED(CONFIG_64BIT)) {
		while (len--)
			MOVE(u8);
		return;
	}
#ifdef __arch_vgetrandom_hand_out
	if (len >= 64) {
		size_t part = len & ~63UL;

		__arch_vgetrandom_hand_out(dst, src, part);
		dst += part;
		src += part;
		len -= part;
	}
#endif
	while (len >= 32) {
		MOVE(u64);
		MOVE(u64);
		MOVE(u64);
		MOVE(u64);
		len -= 32;
		/* a longer body would be no faster, but large */
		OPTIMIZER_HIDE_VAR(len);
	}
	if (len & 16) {
		MOVE(u64);
		MOVE(u64);
	}
	if (len & 8)
		MOVE(u64);
	if (len & 4)
		MOVE(u32);
	if (len & 2)
		MOVE(u16);
	if (len & 1)
		MOVE(u8);
#undef MOVE
}

/* Whether the page was not lost, nor the claim to the state, since it was made. */
static __always_inline bool
vgetrandom_is_whole(const struct vdso_rng_data *rng,
		    struct vgetrandom_state *state)
{
	/* looked at after all that they vouch for */
	barrier();
	return READ_ONCE(state->generation) == READ_ONCE(rng->generation) &&
	       READ_ONCE(state->in_use);
}

/* All that is not a small request to a state that has enough; it is claimed. */
static noinline ssize_t
vgetrandom_refill(const struct vdso_rng_data *rng, void *buffer, size_t len,
		  unsigned int flags, struct vgetrandom_state *state)
{
	const size_t batch_size = vgetrandom_batch_size(rng);
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
	if (unlikely(READ_ONCE(state->generation) != generation)) {
		/*
		 * First the generation, then the key: in a child of a fork that
		 * comes between them, or after them, the generation is gone. The
		 * other way round the child could complete a state around a
		 * key that is the parent's.
		 */
		WRITE_ONCE(state->generation, generation);
		/*
		 * The key is at least as new as the generation. Pairs with the
		 * smp_store_release() of the generation in crng_reseed().
		 */
		smp_rmb();
		if (getrandom_syscall(state->key, CHACHA_KEY_SIZE, 0) !=
		    CHACHA_KEY_SIZE) {
			WRITE_ONCE(state->generation, 0);
			goto give_up;
		}
		WRITE_ONCE(state->pos, batch_size);
	}

	for (;;) {
		pos = READ_ONCE(state->pos);
		part = min_t(size_t, batch_size - pos, left);
		vgetrandom_hand_out(dst, state->batch + pos, part);
		WRITE_ONCE(state->pos, pos + part);
		dst += part;
		left -= part;
		if (!left)
			break;

		/*
		 * The batch is used up. Blocks that it could not hold go where
		 * they are wanted, by whole groups if the batch can take the
		 * rest.
		 */
		counter[0] = 0;
		counter[1] = 0;
		blocks = left / CHACHA_BLOCK_SIZE;
		group = blocks % __arch_vgetrandom_group(rng);
		if (left - (blocks - group) * CHACHA_BLOCK_SIZE <= batch_size)
			blocks -= group;
		if (blocks) {
			__arch_vgetrandom_chacha20(rng, dst, state->key, counter,
						   blocks);
			dst += blocks * CHACHA_BLOCK_SIZE;
			left -= blocks * CHACHA_BLOCK_SIZE;
		}
		__arch_vgetrandom_chacha20(rng, (u8 *)state->key, state->key,
					   counter,
					   __arch_vgetrandom_blocks(rng));
		WRITE_ONCE(state->pos, 0);
	}

	if (likely(vgetrandom_is_whole(rng, state))) {
		WRITE_ONCE(state->in_use, false);
		return ret;
	}
	/*
	 * No part of a state is to be trusted that this call may have mixed up.
	 * Not for ever, if memory is short or somebody reseeds in a loop.
	 */
	WRITE_ONCE(state->generation, 0);
	if (!again) {
		again = true;
		WRITE_ONCE(state->in_use, true);
		goto start;
	}
give_up:
	/* only after the last write to the state */
	barrier();
	WRITE_ONCE(state->in_use, false);
	return getrandom_syscall(buffer, len, flags);
}

/* What the calls for parameters, unusual calls, and calls that need a refill do. */
static noinline ssize_t
vgetrandom_slow(const struct vdso_rng_data *rng, void *buffer, size_t len,
		unsigned int flags, void *opaque_state, size_t opaque_len)
{
	const size_t state_size = vgetrandom_state_size(rng);
	struct vgetrandom_state *state = opaque_state;

	if (opaque_len == ~0UL && !buffer && !len && !flags) {
		struct vgetrandom_opaque_params *params = opaque_state;

		params->size_of_opaque_state = state_size;
		params->mmap_prot = PROT_READ | PROT_WRITE;
		params->mmap_flags = MAP_DROPPABLE | MAP_ANONYMOUS;
		for (size_t i = 0; i < ARRAY_SIZE(params->reserved); i++)
			params->reserved[i] = 0;
		return 0;
	}

	/* one page vanishes as a whole, two do not */
	if (!vgetrandom_in_page(opaque_state, state_size))
		return -EFAULT;
	if ((flags & ~KNOWN_FLAGS) || opaque_len != state_size)
		return getrandom_syscall(buffer, len, flags);
	/* what the flags mean then, and 0 bytes too, is for the kernel to say */
	if (!READ_ONCE(rng->is_ready))
		return getrandom_syscall(buffer, len, flags);
	if (!len)
		return 0;
	if (READ_ONCE(state->in_use))
		return getrandom_syscall(buffer, len, flags);
	WRITE_ONCE(state->in_use, true);
	return vgetrandom_refill(rng, buffer, len, flags, state);
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
 * made.  In the latter case, and if a handler's call took the state that looks
 * unused then, what is in registers is no longer this call's alone.  Therefore
 * the generation and the claim to the state are looked at after the last access
 * to what they stand for, and if one is lost all starts over.
 *
 * What that cannot save is the second of two handlers' calls within one call
 * whose page vanished before the first: it finds the first one's state, in
 * which the interrupted call may have wiped bytes meanwhile, and nobody is left
 * who knows of that call.
 *
 * The system call is made while the kernel's RNG is not ready, for flags unknown
 * here, for a state of another size (of a process that CRIU moved to another
 * kernel), and from a handler that interrupted a call with the same state.
 *
 * Return: the number of bytes written; 0 for the parameters; or a negative
 * errno, -EFAULT if the state crosses the end of a page, or the system call's.
 */
static __always_inline ssize_t
__cvdso_getrandom_data(const struct vdso_rng_data *rng, void *buffer, size_t len,
		       unsigned int flags, void *opaque_state, size_t opaque_len)
{
	struct vgetrandom_state *state = opaque_state;
	size_t pos, state_size;

	/* one register, not the parts of the address */
	OPTIMIZER_HIDE_VAR(rng);

	state_size = vgetrandom_state_size(rng);
	if (unlikely(opaque_len != state_size ||
		     !vgetrandom_in_page(state, state_size) ||
		     (flags & ~KNOWN_FLAGS) || !len ||
		     !READ_ONCE(rng->is_ready)))
		goto slow;
	/*
	 * No need to be atomic: a signal handler that comes between the look and
	 * the claim has come to its end when the claim is made. Nothing else of
	 * the state may be looked at before.
	 */
	if (unlikely(READ_ONCE(state->in_use)))
		goto slow;
	WRITE_ONCE(state->in_use, true);
	barrier();

	/* most calls: the batch has enough */
	pos = READ_ONCE(state->pos);
	if (unlikely(READ_ONCE(state->generation) != READ_ONCE(rng->generation) ||
		     len > vgetrandom_batch_size(rng) - pos))
		goto release;
	vgetrandom_hand_out(buffer, state->batch + pos, len);
	WRITE_ONCE(state->pos, pos + len);
	if (likely(vgetrandom_is_whole(rng, state))) {
		WRITE_ONCE(state->in_use, false);
		return len;
	}
	WRITE_ONCE(state->generation, 0);
	barrier();
release:
	WRITE_ONCE(state->in_use, false);
slow:
	return vgetrandom_slow(rng, buffer, len, flags, opaque_state, opaque_len);
}

static __always_inline ssize_t
__cvdso_getrandom(void *buffer, size_t len, unsigned int flags,
		  void *opaque_state, size_t opaque_len)
{
	return __cvdso_getrandom_data(__arch_get_vdso_rng_data(), buffer, len,
				      flags, opaque_state, opaque_len);
}
