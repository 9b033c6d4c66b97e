/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What __vdso_getrandom() is to do, told in plain C: ChaCha20 as its authors define it, fast key
 * erasure around it, and a kernel whose keys are known, which answers the image's system calls.
 *
 *	seed_open(&image, state);
 *	model_open(&model, level);
 *	image.v.call(out, len, 0, state, size);
 *	seed_key(key, 0);
 *	model_reseed(&model, key, generation);
 *	model_output(&model, expected, len);
 *
 * Include vdso_image.h before this.
 */

#ifndef VGETRANDOM_MODEL_H
#define VGETRANDOM_MODEL_H

#include <ucontext.h>

#define CHACHA_KEY	32
#define CHACHA_BLOCK	64

/* Where the parts of a state are. */
#define STATE_POS	8
#define STATE_CLAIM	VDSO_STATE_CLAIM
#define STATE_KEY	32
#define STATE_BATCH	64
#define STATE_MAX	1024

/**
 * open_image - load the image that VDSO_IMAGE in the environment names, at a level
 * @image:	to be filled
 * @level:	an index of vdso_levels; the CPU need not have it, the image must
 *
 * Returns: whether it is loaded; else image->error says why not.
 */
static inline bool open_image(struct vdso_image *image, size_t level)
{
	const char *path = getenv("VDSO_IMAGE");

	if (!path)
		return vdso_image_refuse(image, "VDSO_IMAGE is not set");
	if (!vdso_image_load(image, path))
		return false;
	if (!vdso_image_level(image, level))
		return vdso_image_refuse(image, "the image has no %s", vdso_levels[level].name);
	vdso_image_set_level(image, level);
	return true;
}

/**
 * number - tell the next of a sequence of numbers, which is the same in each run
 *
 * Sebastiano Vigna's splitmix64.
 *
 * Returns: the number.
 */
static inline __u64 number(void)
{
	static __u64 state;
	__u64 x = state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/**
 * all_are - whether all bytes have the same value
 * @bytes:	the bytes
 * @value:	that value
 * @len:	how many bytes
 *
 * Returns: whether they have; no bytes have each value.
 */
static inline bool all_are(const void *bytes, unsigned char value, size_t len)
{
	const unsigned char *p = bytes;

	return !len || (*p == value && !memcmp(p, p + 1, len - 1));
}

static inline __u32 chacha_rotate(__u32 word, unsigned int bits)
{
	return word << bits | word >> (32 - bits);
}

/**
 * chacha_blocks - ChaCha20 keystream, nonce 0
 * @out:	@num * 64 bytes, which may overlap @key
 * @key:	32 bytes
 * @counter:	number of the first block
 * @num:	blocks wanted
 */
static inline void chacha_blocks(unsigned char *out, const unsigned char *key, __u64 counter,
				 size_t num)
{
	static const unsigned char quarters[8][4] = {
		{ 0, 4, 8, 12 }, { 1, 5, 9, 13 }, { 2, 6, 10, 14 }, { 3, 7, 11, 15 },
		{ 0, 5, 10, 15 }, { 1, 6, 11, 12 }, { 2, 7, 8, 13 }, { 3, 4, 9, 14 },
	};
	__u32 first[16], x[16];

	memcpy(first, "expand 32-byte k", 16);
	memcpy(first + 4, key, CHACHA_KEY);
	first[14] = 0;
	first[15] = 0;
	for (; num--; counter++, out += CHACHA_BLOCK) {
		first[12] = counter;
		first[13] = counter >> 32;
		memcpy(x, first, sizeof(x));
		for (unsigned int i = 0; i < 80; i++) {
			const unsigned char *q = quarters[i % 8];

			x[q[0]] += x[q[1]];
			x[q[3]] = chacha_rotate(x[q[3]] ^ x[q[0]], 16);
			x[q[2]] += x[q[3]];
			x[q[1]] = chacha_rotate(x[q[1]] ^ x[q[2]], 12);
			x[q[0]] += x[q[1]];
			x[q[3]] = chacha_rotate(x[q[3]] ^ x[q[0]], 8);
			x[q[2]] += x[q[3]];
			x[q[1]] = chacha_rotate(x[q[1]] ^ x[q[2]], 7);
		}
		for (unsigned int i = 0; i < 16; i++)
			x[i] += first[i];
		memcpy(out, x, sizeof(x));
	}
}

/**
 * struct model - what a state should be
 * @blocks:	blocks of a refill's stream
 * @group:	blocks that the level makes at once
 * @batch_size:	bytes of a full batch
 * @generation:	of the key; 0: the state is of no use
 * @pos:	bytes of the batch that were handed out
 * @key:	makes the next stream
 * @batch:	output; zeros where it was handed out
 */
struct model {
	size_t blocks;
	size_t group;
	size_t batch_size;
	__u64 generation;
	size_t pos;
	unsigned char key[CHACHA_KEY];
	unsigned char batch[STATE_MAX - STATE_BATCH];
};

/**
 * model_open - begin with a state that is all zeros
 * @model:	filled in
 * @level:	an index of vdso_levels
 */
static inline void model_open(struct model *model, size_t level)
{
	memset(model, 0, sizeof(*model));
	model->group = 4 << level;
	model->blocks = level == 2 ? 15 : 8;
	model->batch_size = model->blocks * CHACHA_BLOCK - CHACHA_KEY;
}

/**
 * model_reseed - take a new key
 * @model:	the model
 * @key:	what the kernel gave
 * @generation:	of the kernel's RNG
 */
static inline void model_reseed(struct model *model, const unsigned char *key, __u64 generation)
{
	memcpy(model->key, key, CHACHA_KEY);
	model->generation = generation;
	model->pos = model->batch_size;
}

/**
 * model_output - hand bytes out
 * @model:	a model that has a key
 * @out:	where they go
 * @len:	how many
 */
static inline void model_output(struct model *model, unsigned char *out, size_t len)
{
	unsigned char stream[STATE_MAX];
	size_t part, direct, rest;

	for (;;) {
		part = model->batch_size - model->pos;
		if (part > len)
			part = len;
		memcpy(out, model->batch + model->pos, part);
		memset(model->batch + model->pos, 0, part);
		model->pos += part;
		out += part;
		len -= part;
		if (!len)
			return;

		/* A last group that is not a whole one comes out of the batch, if it can. */
		direct = len / CHACHA_BLOCK;
		rest = len - direct / model->group * model->group * CHACHA_BLOCK;
		if (rest <= model->batch_size)
			direct -= direct % model->group;
		chacha_blocks(out, model->key, 0, direct);
		out += direct * CHACHA_BLOCK;
		len -= direct * CHACHA_BLOCK;

		chacha_blocks(stream, model->key, direct, model->blocks);
		memcpy(model->key, stream, CHACHA_KEY);
		memcpy(model->batch, stream + CHACHA_KEY, model->batch_size);
		model->pos = 0;
	}
}

/**
 * model_state - tell what the state's bytes should be between two calls
 * @model:	the model
 * @state:	filled in, of the size that the image tells
 * @size:	that size
 */
static inline void model_state(const struct model *model, unsigned char *state, size_t size)
{
	memset(state, 0, size);
	memcpy(state, &model->generation, sizeof(model->generation));
	memcpy(state + STATE_POS, &model->pos, 4);
	memcpy(state + STATE_KEY, model->key, CHACHA_KEY);
	memcpy(state + STATE_BATCH, model->batch, model->batch_size);
}

/**
 * struct seed - the kernel whose keys are known
 * @state:	the state whose keys it gives; what is asked for elsewhere is output
 * @keys:	keys that it gave
 * @outputs:	calls for output that it answered
 * @failure:	what a call for a key returns instead, if not 0: an errno, or too few bytes
 * @answered:	is told of each answer
 */
static struct seed {
	unsigned char *state;
	volatile unsigned int keys;
	volatile unsigned int outputs;
	volatile long failure;
	void (*answered)(void *context);
} seed;

/**
 * seed_key - tell a key
 * @key:	filled in
 * @index:	which one, from 0
 */
static inline void seed_key(unsigned char *key, unsigned int index)
{
	static const unsigned char master[CHACHA_KEY] = "the key from which all keys come";
	unsigned char block[CHACHA_BLOCK];

	chacha_blocks(block, master, index, 1);
	memcpy(key, block, CHACHA_KEY);
}

/**
 * seed_output - tell the answer to a call for output
 * @out:	filled in
 * @len:	bytes
 * @index:	which answer, from 0
 */
static inline void seed_output(unsigned char *out, size_t len, unsigned int index)
{
	static const unsigned char master[CHACHA_KEY] = "and that from which output comes";
	unsigned char last[CHACHA_BLOCK];
	const __u64 counter = (__u64)index << 32;

	chacha_blocks(out, master, counter, len / CHACHA_BLOCK);
	chacha_blocks(last, master, counter + len / CHACHA_BLOCK, 1);
	memcpy(out + len / CHACHA_BLOCK * CHACHA_BLOCK, last, len % CHACHA_BLOCK);
}

static inline void seed_answer(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned char *buf = (unsigned char *)regs[REG_RDI], key[CHACHA_KEY];
	size_t len = regs[REG_RSI];

	(void)sig;
	if (info->si_syscall != SYS_getrandom)
		abort();
	if (buf != seed.state + STATE_KEY) {
		seed_output(buf, len, seed.outputs++);
		regs[REG_RAX] = len;
	} else if (len != CHACHA_KEY || regs[REG_RDX]) {
		abort();
	} else {
		seed_key(key, seed.keys++);
		if (seed.failure)
			len = seed.failure > 0 ? seed.failure : 0;
		memcpy(buf, key, len);
		regs[REG_RAX] = seed.failure ?: (long)len;
	}
	if (seed.answered)
		seed.answered(context);
}

/**
 * seed_open - answer the system calls of an image, for good
 * @image:	the image
 * @state:	the only state that it will be called with
 *
 * Returns: whether that is possible here.
 */
static inline bool seed_open(const struct vdso_image *image, unsigned char *state)
{
	static unsigned char stack[1 << 16];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	seed.state = state;
	return !sigaltstack(&alternate, NULL) && vdso_image_trap_syscalls(image, seed_answer);
}

#endif /* VGETRANDOM_MODEL_H */
