// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the generator in a vDSO image when the state's page vanishes, or a signal handler makes
 * calls with the same state: VDSO_IMAGE in the environment names the vdso64.so.dbg, and VDSO_STOCK
 * one of mainline's, if what these tests say of that is to be told.
 *
 * A call is stepped through. Before each of its instructions all that it has is saved, it is
 * disturbed, runs to its end and is judged; then what was saved comes back, for the next
 * instruction.
 */

#define _GNU_SOURCE

#include <pthread.h>
#include <stdatomic.h>

#include "vdso_image.h"
#include "vgetrandom_model.h"
#include "kselftest_harness.h"

#define EFLAGS_TF	0x100
#define OUT_MAX		4096
#define KEYS_MAX	16
#define OUTPUTS_MAX	8

/* XSAVE area of a signal frame: its size is in the bytes that the kernel has for itself. */
#define FRAME_SIZE_AT	480
#define FRAME_MAX	16384

/* Stack that a call may use; its frames are much smaller. */
#define STACK_MAX	1024

/**
 * struct disturbance - what happens between two instructions, in this order
 * @name:	what it is called
 * @moves:	the kernel has a new generation of its RNG
 * @drops:	the page vanishes: as under memory pressure, or in the child of a fork that a
 *		signal handler made
 * @calls:	a signal handler makes a call
 * @returns:	another signal handler makes a call, some instructions later
 */
struct disturbance {
	const char *name;
	bool moves;
	bool drops;
	bool calls;
	bool returns;
};

static const struct disturbance disturbances[] = {
	{ "drop", .drops = true },
	{ "drop and call", .drops = true, .calls = true },
	{ "call", .calls = true },
	{ "move", .moves = true },
	{ "move and call", .moves = true, .calls = true },
	{ "move and drop", .moves = true, .drops = true },
	{ "move, drop and call", .moves = true, .drops = true, .calls = true },
};

/**
 * struct output - bytes that a call returned
 * @bytes:	them
 * @len:	how many were asked for
 * @ret:	what the call returned
 * @must_be_new: whether they must come from a key that was given after the disturbance
 */
struct output {
	unsigned char bytes[OUT_MAX];
	size_t len;
	ssize_t ret;
	bool must_be_new;
};

/**
 * struct candidates - the states that may be alive: all that output can come from
 * @models:	the state from before the call, then one for each key that the kernel gave since
 * @num:	how many
 * @outputs:	outputs of the kernel's own that were found
 */
struct candidates {
	struct model models[1 + KEYS_MAX];
	unsigned int num;
	unsigned int outputs;
};

/* All of the test that the signal handlers need. */
static struct {
	struct vdso_image *image;
	size_t size;
	const struct disturbance *what;
	bool model_fits;
	struct model before;
	unsigned int keys_before;
	unsigned int first_new;

	unsigned int instructions;
	unsigned int bad;
	unsigned long first_bad;

	bool on;
	bool disturbed;
	unsigned int later;
	struct output call;
	struct output others[OUTPUTS_MAX];
	unsigned int num_others;

	struct {
		greg_t gregs[__NGREG];
		unsigned char vectors[FRAME_MAX];
		unsigned char stack[STACK_MAX];
		unsigned char state[STATE_MAX];
		unsigned char bytes[OUT_MAX];
		unsigned char *sp;
		__u64 generation;
		unsigned int keys;
		unsigned int outputs;
	} saved;
} step;

unsigned char *step_sp;
extern const unsigned char step_returned[];

/**
 * step_call - make a call of __vdso_getrandom() that traps before each instruction
 * @fn:		the function
 * @buf:	its argument
 * @len:	its argument
 * @state:	its argument
 * @size:	its argument
 *
 * Its end is a breakpoint.
 *
 * Returns: what the function returns.
 */
ssize_t step_call(void *fn, void *buf, size_t len, void *state, size_t size);

asm(".pushsection .text\n"
    ".globl step_call\n"
    ".type step_call, @function\n"
    "step_call:\n"
    "	push	%rbx\n"
    "	mov	%rsp, step_sp(%rip)\n"
    "	mov	%rdi, %rax\n"
    "	mov	%rsi, %rdi\n"
    "	mov	%rdx, %rsi\n"
    "	xor	%edx, %edx\n"
    "	pushfq\n"
    "	orq	$0x100, (%rsp)\n"
    "	popfq\n"
    "	call	*%rax\n"
    "step_returned:\n"
    "	int3\n"
    "	pop	%rbx\n"
    "	ret\n"
    ".size step_call, . - step_call\n"
    ".popsection\n");

/* Makes a call as a signal handler, or as whoever comes after the one that was stepped through. */
static void make_call(size_t len, bool must_be_new)
{
	struct output *output = &step.others[step.num_others++];

	output->len = len;
	output->must_be_new = must_be_new;
	output->ret = step.image->v.call(output->bytes, len, 0, seed.state, step.size);
}

/* Whether output is what one of the candidates makes next, which then has made it. */
static bool comes_from(struct candidates *from, const struct output *output)
{
	unsigned char bytes[OUT_MAX];

	if (output->ret != (ssize_t)output->len)
		return false;
	for (unsigned int i = output->must_be_new ? 1 + step.first_new : 0; i < from->num; i++) {
		struct model model = from->models[i];

		if (!model.generation)
			continue;
		model_output(&model, bytes, output->len);
		if (!memcmp(bytes, output->bytes, output->len)) {
			from->models[i] = model;
			return true;
		}
	}
	for (unsigned int i = 0; i < seed.outputs; i++) {
		if (from->outputs & 1U << i)
			continue;
		seed_output(bytes, output->len, i);
		if (!memcmp(bytes, output->bytes, output->len)) {
			from->outputs |= 1U << i;
			return true;
		}
	}
	return false;
}

/*
 * Whether there is an order in which all outputs were made one after the other. The call that was
 * disturbed may have come to its bytes before the handlers' calls, between them, or after them.
 */
static bool have_an_order(unsigned int handlers)
{
	static struct candidates from;
	unsigned int i;

	for (unsigned int turn = 0; turn <= handlers; turn++) {
		memset(&from, 0, sizeof(from));
		from.models[0] = step.before;
		for (from.num = 1; from.num <= seed.keys - step.keys_before; from.num++) {
			unsigned char key[CHACHA_KEY];

			if (from.num > KEYS_MAX)
				return false;
			seed_key(key, step.keys_before + from.num - 1);
			from.models[from.num] = step.before;
			model_reseed(&from.models[from.num], key, 1);
		}
		for (i = 0; i <= step.num_others; i++) {
			if (i == turn && !comes_from(&from, &step.call))
				break;
			if (i < step.num_others && !comes_from(&from, &step.others[i]))
				break;
		}
		if (i > step.num_others)
			return true;
	}
	return false;
}

/* Whether 16 bytes in a row are zeros in an output, or are in two of them. */
static bool look_bad(void)
{
	const struct output *outputs[OUTPUTS_MAX + 1] = { &step.call };

	for (unsigned int i = 0; i < step.num_others; i++)
		outputs[1 + i] = &step.others[i];
	for (unsigned int i = 0; i <= step.num_others; i++) {
		for (size_t at = 0; at + 16 <= outputs[i]->len; at += 8) {
			if (all_are(outputs[i]->bytes + at, 0, 16))
				return true;
			for (unsigned int j = 0; j < i; j++)
				if (memmem(outputs[j]->bytes, outputs[j]->len,
					   outputs[i]->bytes + at, 16))
					return true;
		}
	}
	return false;
}

static void save(const ucontext_t *context)
{
	const unsigned char *vectors = (void *)context->uc_mcontext.fpregs;
	__u32 size;

	memcpy(&size, vectors + FRAME_SIZE_AT, sizeof(size));
	/* the kernel's mark is behind it */
	if (size + 4 > FRAME_MAX)
		abort();
	memcpy(step.saved.vectors, vectors, size + 4);
	memcpy(step.saved.gregs, context->uc_mcontext.gregs, sizeof(step.saved.gregs));
	/* with the red zone */
	step.saved.sp = (unsigned char *)step.saved.gregs[REG_RSP] - 128;
	if (step_sp - step.saved.sp > STACK_MAX)
		abort();
	memcpy(step.saved.stack, step.saved.sp, step_sp - step.saved.sp);
	memcpy(step.saved.state, seed.state, step.size);
	memcpy(step.saved.bytes, step.call.bytes, step.call.len);
	step.saved.generation = step.image->rng->generation;
	step.saved.keys = seed.keys;
	step.saved.outputs = seed.outputs;
}

static void bring_back(ucontext_t *context)
{
	unsigned char *vectors = (void *)context->uc_mcontext.fpregs;
	__u32 size;

	memcpy(&size, step.saved.vectors + FRAME_SIZE_AT, sizeof(size));
	memcpy(vectors, step.saved.vectors, size + 4);
	memcpy(context->uc_mcontext.gregs, step.saved.gregs, sizeof(step.saved.gregs));
	memcpy(step.saved.sp, step.saved.stack, step_sp - step.saved.sp);
	memcpy(seed.state, step.saved.state, step.size);
	memcpy(step.call.bytes, step.saved.bytes, step.call.len);
	step.image->rng->generation = step.saved.generation;
	seed.keys = step.saved.keys;
	seed.outputs = step.saved.outputs;
}

/* The call has come to an end although it was disturbed. */
static void judge(void)
{
	unsigned int handlers = step.num_others;

	/* Whatever state it left: from a key that is as new as the generation. */
	make_call(40, step.what->moves);
	make_call(1100, step.what->moves);
	if (!step.model_fits ? !look_bad() : have_an_order(handlers))
		return;
	if (!step.bad++)
		step.first_bad = step.saved.gregs[REG_RIP] - (greg_t)step.image->base;
}

static void disturb(void)
{
	__u16 pos;

	/* What has not even been handed out must not come from the old key. */
	memcpy(&pos, seed.state + STATE_POS, sizeof(pos));
	step.call.must_be_new = step.what->moves && pos == step.before.pos;
	step.num_others = 0;
	step.first_new = seed.keys - step.keys_before;
	if (step.what->moves)
		step.image->rng->generation++;
	if (step.what->drops)
		memset(seed.state, 0, step.size);
	if (step.what->calls)
		make_call(24, step.what->moves);
}

/* The call is before an instruction that has not been disturbed yet. */
static void next_instruction(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;

	step.instructions++;
	save(context);
	disturb();
	step.disturbed = true;
	step.later = step.what->returns ? 1 + number() % 64 : 0;
	if (!step.later)
		regs[REG_EFL] &= ~EFLAGS_TF;
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *ip = (unsigned char *)regs[REG_RIP];

	(void)sig;
	(void)info;
	if (ip == step_returned) {
		/* If it was disturbed, the breakpoint comes next. */
		regs[REG_EFL] &= ~EFLAGS_TF;
		regs[REG_RIP] += !step.disturbed;
	} else if (ip == step_returned + 1) {
		step.call.ret = regs[REG_RAX];
		judge();
		bring_back(context);
		step.disturbed = false;
	} else if (ip >= step.image->base && ip < step.image->base + step.image->size) {
		if (!step.disturbed) {
			next_instruction(context);
		} else if (!--step.later) {
			make_call(24, false);
			regs[REG_EFL] &= ~EFLAGS_TF;
		}
	}
}

/* There is no trap between a system call and the instruction that follows it. */
static void answered(void *context)
{
	if (step.on && !step.disturbed &&
	    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] & EFLAGS_TF)
		next_instruction(context);
}

/* Steps through a call of @len bytes, after the @first ones of a state were handed out. */
static void step_through(size_t first, size_t len)
{
	unsigned char out[OUT_MAX];
	size_t part;

	memset(seed.state, 0, step.size);
	seed.keys = 0;
	seed.outputs = 0;
	step.before.generation = 0;
	step.before.pos = 0;
	if (first) {
		seed_key(out, 0);
		model_reseed(&step.before, out, 1);
	}
	/* bit by bit, as much of a large request would not come out of the batch */
	for (; first; first -= part) {
		part = first > 32 ? 32 : first;
		step.image->v.call(out, part, 0, seed.state, step.size);
		model_output(&step.before, out, part);
	}
	step.keys_before = seed.keys;
	step.instructions = 0;
	step.bad = 0;
	step.call.len = len;
	step.on = true;
	step.call.ret = step_call(step.image->v.call, step.call.bytes, len, seed.state, step.size);
	step.on = false;
	/* In the end nothing was disturbed: what came back is what there was. */
	step.num_others = 0;
	step.call.must_be_new = false;
	if (step.model_fits && !have_an_order(0) && !step.bad++)
		step.first_bad = 0;
}

FIXTURE(level)
{
	struct vdso_image image;
	unsigned char *state;
	size_t size;
};

FIXTURE_VARIANT(level)
{
	size_t level;
};

FIXTURE_VARIANT_ADD(level, sse2) { .level = 0 };
FIXTURE_VARIANT_ADD(level, avx2) { .level = 1 };
FIXTURE_VARIANT_ADD(level, avx512) { .level = 2 };

FIXTURE_SETUP(level)
{
	ASSERT_TRUE(open_image(&self->image, variant->level)) TH_LOG("%s", self->image.error);
	if (!vdso_cpu_level(variant->level))
		SKIP(return, "this CPU has none");
	self->size = self->image.v.params.size_of_opaque_state;
	ASSERT_LE(self->size, STATE_MAX);
	self->state = mmap(NULL, VDSO_PAGE, PROT_READ | PROT_WRITE,
			   MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	/* Older kernels have no such memory; it vanishes only when the test says so, then. */
	if (self->state == MAP_FAILED)
		self->state = mmap(NULL, VDSO_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->state);
	ASSERT_TRUE(seed_open(&self->image, self->state));
}

FIXTURE_TEARDOWN(level)
{
}

static bool step_open(struct vdso_image *image, size_t level)
{
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	step.image = image;
	step.size = image->v.params.size_of_opaque_state;
	model_open(&step.before, level);
	seed.answered = answered;
	return !sigaction(SIGTRAP, &action, NULL);
}

TEST_F(level, every_instruction_may_be_the_last_one)
{
	size_t batch;

	ASSERT_TRUE(step_open(&self->image, variant->level));
	step.model_fits = true;
	batch = step.before.batch_size;
	const struct {
		const char *name;
		size_t first, len;
		unsigned int least;
	} calls[] = {
		{ "small", 8, 24, 40 }, { "medium", 8, 150, 40 }, { "first", 0, 40, 1000 },
		{ "refill", batch - 8, 40, 1000 }, { "bulk", batch - 100, 1300, 2000 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(disturbances); j++) {
			step.what = &disturbances[j];
			step_through(calls[i].first, calls[i].len);
			EXPECT_EQ(0, step.bad) {
				TH_LOG("%s call, %s: first at %lx", calls[i].name,
				       step.what->name, step.first_bad);
			}
			EXPECT_LT(calls[i].least, step.instructions);
		}
		ksft_print_msg("%s call: %u instructions, %zu disturbances of each\n",
			       calls[i].name, step.instructions, ARRAY_SIZE(disturbances));
	}
}

/*
 * The page vanishes, a handler's call makes a new state, the call that was interrupted goes on with
 * it for some instructions, and a second handler's call takes it as it is then. Only who knows that
 * a call is under way could prevent that, and whoever knew it has vanished. It is told, not judged.
 */
TEST_F(level, two_calls_and_a_drop)
{
	static const struct disturbance twice = {
		"drop and call, and another call later", .drops = true, .calls = true,
		.returns = true
	};
	size_t batch;

	ASSERT_TRUE(step_open(&self->image, variant->level));
	step.what = &twice;
	batch = step.before.batch_size;
	const size_t calls[][2] = { { 8, 24 }, { 8, 150 }, { batch - 8, 40 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		step_through(calls[i][0], calls[i][1]);
		ksft_print_msg("%s: zeros or repeated output at %u of %u instructions\n",
			       twice.name, step.bad, step.instructions);
	}
}

static atomic_uint drops;

/* A thread that lets the page vanish. */
static void *drop_always(void *page)
{
	for (;; drops++)
		madvise(page, VDSO_PAGE, MADV_DONTNEED);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* Whether no 16 bytes are there twice; they are put in order. */
static bool all_differ(unsigned char (*blocks)[16], size_t num)
{
	qsort(blocks, num, sizeof(*blocks), compare);
	for (size_t i = 1; i < num; i++)
		if (!memcmp(blocks[i - 1], blocks[i], 16))
			return false;
	return true;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/* All lengths are multiples of 16, so that what is handed out twice begins at such a place. */
TEST_F(level, page_vanishes_at_any_time)
{
	enum { KNOWN = 1 + 256, ROOM = 1 << 16, LEN_MAX = 200 };
	static const unsigned char no_key[CHACHA_KEY];
	static unsigned char blocks[ROOM][16];
	unsigned int calls = 0;
	pthread_t thread;
	double end;

	ASSERT_EQ(0, pthread_create(&thread, NULL, drop_always, self->state));
	while (!drops)
		sched_yield();
	end = seconds() + 1.5;
	while (seconds() < end) {
		size_t num = KNOWN;

		/* Zeros, and what a key of zeros makes, are as if they had been handed out. */
		memset(blocks[0], 0, 16);
		chacha_blocks(blocks[1], no_key, 0, (KNOWN - 1) / 4);
		for (; num < ROOM - LEN_MAX; calls++) {
			size_t len = 16 * (1 + number() % (number() % 64 ? 8 : LEN_MAX));

			ASSERT_EQ((ssize_t)len, self->image.v.call(blocks[num], len, 0,
								   self->state, self->size));
			num += len / 16;
		}
		ASSERT_TRUE(all_differ(blocks, num));
	}
	EXPECT_LT(3, seed.keys + seed.outputs) TH_LOG("the page did not vanish");
	ksft_print_msg("%u drops, %u calls, %u keys, %u system calls for output\n", drops, calls,
		       seed.keys, seed.outputs);
	/* and what is looked for is found */
	memcpy(blocks[ROOM - 1], blocks[ROOM / 2], 16);
	EXPECT_FALSE(all_differ(blocks, ROOM));
}

/* How mainline's generator fares: it tells that these tests see what they look for. */
TEST(mainline)
{
	const char *path = getenv("VDSO_STOCK");
	struct vdso_image image;
	unsigned char *state;

	if (!path)
		SKIP(return, "VDSO_STOCK is not set");
	ASSERT_TRUE(vdso_image_load(&image, path)) TH_LOG("%s", image.error);
	state = aligned_alloc(VDSO_PAGE, VDSO_PAGE);
	ASSERT_NE(NULL, state);
	/* its key is elsewhere */
	ASSERT_TRUE(seed_open(&image, state));
	ASSERT_TRUE(step_open(&image, 0));
	for (size_t i = 0; i < ARRAY_SIZE(disturbances); i++) {
		step.what = &disturbances[i];
		/* over bytes that the handler's call hands out */
		step_through(8, 40);
		ksft_print_msg("mainline, %s: zeros or repeated output at %u of %u instructions\n",
			       step.what->name, step.bad, step.instructions);
	}
}

TEST_HARNESS_MAIN
