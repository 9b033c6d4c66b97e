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
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <vdso/datapage.h>
#include <vdso/getrandom.h>
#include <vdso/limits.h>
#include <asm/barrier.h>
#include <asm/vdso/getrandom.h>
#include <uapi/linux/errno.h>
#include <uapi/linux/mman.h>
#include <uapi/linux/random.h>
#include <vdso/vgetrandom_helpers.h>
#include <vdso/vgetrandom_state.h>

#undef PAGE_SIZE
#undef PAGE_MASK
#define PAGE_SIZE	BIT(CONFIG_PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))

#define KNOWN_FLAGS	(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)

static __always_inline bool vgetrandom_in_page(const void *state, size_t size)
{
	return ((unsigned long)state & ~PAGE_MASK) + size <= PAGE_SIZE;
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
