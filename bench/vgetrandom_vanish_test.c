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

#include "step.h"
#include "vdso_image.h"
#include "vgetrandom_model.h"
#include "vgetrandom_harness.h"

#define OUT_MAX		4096
#define KEYS_MAX	16
#define OUTPUTS_MAX	8

/* XSAVE area of a signal frame: its size is in the bytes that the kernel has for itself. */
#define FRAME_SIZE_AT	480
#define FRAME_MAX	16384

/* Bytes of an image, whose instructions are counted. */
/*
 * Instructions after a call, one that needs no refill or one that does, has seen that its bytes are
 * good: a fork there is one after the call.
 */
#define AFTER_THE_END_MAX 16
#define AFTER_A_REFILL_MAX 24
#define VISITED_MAX	(16 * VDSO_PAGE)
#define VISITS		2

/* Stack that a call may use; its frames are much smaller. */
#define STACK_MAX	1024

/**
 * struct disturbance - what happens between two instructions, in this order
 * @name:	what it is called
 * @moves:	the kernel has a new generation of its RNG
 * @enters:	a time namespace, whose page has zeros where the kernel's RNG had its data
 * @drops:	the page vanishes, as under memory pressure
 * @forks:	a signal handler forks; what comes now is the child, whose page is new
 * @calls:	a signal handler makes a call
 * @later:	signal handlers make so many calls more, each some instructions later
 * @switches:	before these, signal handlers leave that namespace and enter it in turn, so many times
 */
struct disturbance {
	const char *name;
	bool moves;
	bool enters;
	bool drops;
	bool forks;
	bool calls;
	unsigned int later;
	unsigned int switches;
};

static const struct disturbance disturbances[] = {
	{ "drop", .drops = true },
	{ "drop and call", .drops = true, .calls = true },
	{ "call", .calls = true },
	{ "move", .moves = true },
	{ "move and call", .moves = true, .calls = true },
	{ "move and drop", .moves = true, .drops = true },
	{ "move, drop and call", .moves = true, .drops = true, .calls = true },
	{ "enter", .enters = true },
	{ "enter and drop", .enters = true, .drops = true },
	{ "enter, drop and call", .enters = true, .drops = true, .calls = true },
};

/*
 * With these, a handler's call may come to a state that the call that was disturbed has a part in.
 * What is right then is not predicted, but what is wrong is: zeros, and anything twice.
 */
static const struct disturbance mixtures[] = {
	{ "drop, a call later", .drops = true, .later = 1 },
	{ "drop and call, a call later", .drops = true, .calls = true, .later = 1 },
	{ "drop, two calls later", .drops = true, .later = 2 },
	{ "drop and call, three calls later", .drops = true, .calls = true, .later = 3 },
	{ "move, drop and call, two calls later", .moves = true, .drops = true, .calls = true,
	  .later = 2 },
	{ "fork", .forks = true },
	{ "fork and call", .forks = true, .calls = true },
	{ "fork, a call later", .forks = true, .later = 1 },
	{ "enter, leave", .enters = true, .switches = 1 },
	{ "enter, leave, enter", .enters = true, .switches = 2 },
	{ "enter, leave, enter, leave", .enters = true, .switches = 3 },
	{ "enter and drop, leave, enter, a call later", .enters = true, .drops = true,
	  .switches = 2, .later = 1 },
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
	const unsigned char *kernels;
	greg_t kernel_returns_to;
	bool model_fits;
	struct model before;
	unsigned int keys_before;
	unsigned int first_new;

	/* of so many instructions that it has passed one is disturbed */
	unsigned int share;
	unsigned int passed;
	unsigned int instructions;
	/* forks whose children have all that the call made */
	unsigned int after_the_end;
	unsigned char visits[VISITED_MAX];
	unsigned int bad;
	unsigned long first_bad;

	bool on;
	bool disturbed;
	unsigned int calls_to_come;
	unsigned int switches_to_come;
	unsigned int wait;
	struct output call;
	struct output others[OUTPUTS_MAX];
	unsigned int num_others;
	struct output parent[3];
	unsigned char state[STATE_MAX];

	struct {
		greg_t gregs[__NGREG];
		unsigned char vectors[FRAME_MAX];
		unsigned char stack[STACK_MAX];
		unsigned char state[STATE_MAX];
		unsigned char bytes[OUT_MAX];
		size_t len;
		unsigned char *sp;
		struct vdso_rng rng;
		unsigned int keys;
		unsigned int outputs;
	} saved;
} step;

extern const unsigned char step_left_kernel[];
asm(".pushsection .text\n"
    "step_left_kernel:\n"
    "	int3\n"
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

/* What look_bad() has seen: sets of eight bytes. */
static struct {
	struct {
		__u64 bytes;
		unsigned int round;
	} slots[1 << 15];
	unsigned int round;
} sight;

/* Whether eight bytes have been seen before; @remember: they have been, then. */
static bool seen(__u64 bytes, bool remember)
{
	size_t at = bytes * 0x9e3779b97f4a7c15 >> 49;

	for (; sight.slots[at].round == sight.round; at = (at + 1) % ARRAY_SIZE(sight.slots))
		if (sight.slots[at].bytes == bytes)
			return true;
	if (remember) {
		sight.slots[at].bytes = bytes;
		sight.slots[at].round = sight.round;
	}
	return false;
}

static bool any_seen(const unsigned char *bytes, size_t len, bool remember)
{
	bool any = false;

	for (size_t at = 0; at + 8 <= len; at++) {
		__u64 word;

		memcpy(&word, bytes + at, sizeof(word));
		any |= seen(word, remember);
	}
	return any;
}

/*
 * Whether eight bytes in a row are zeros in an output, or are there twice: in two outputs, in those
 * of a process and the child that it forked, or in one of the first @handlers outputs and in the
 * state after them.
 */
static bool look_bad(unsigned int handlers)
{
	bool bad = false;

	sight.round++;
	if (step.what->forks) {
		for (unsigned int i = 0; i < ARRAY_SIZE(step.parent); i++)
			any_seen(step.parent[i].bytes, step.parent[i].len, true);
		/* if all was done when it forked, both have it */
		if (!memcmp(step.parent[0].bytes, step.call.bytes, step.call.len)) {
			step.call.len = 0;
			step.after_the_end++;
		}
	}
	bad |= any_seen(step.call.bytes, step.call.len, true);
	for (unsigned int i = 0; i < step.num_others; i++) {
		/* a state that is of no use may have what the parent has, and zeros */
		if (i == handlers && !step.what->forks && !seen(0, false))
			bad |= any_seen(step.state + STATE_KEY, step.size - STATE_KEY, false);
		bad |= any_seen(step.others[i].bytes, step.others[i].len, true);
	}
	return bad || seen(0, false);
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
	if (step_sp - (uintptr_t)step.saved.sp > STACK_MAX)
		abort();
	memcpy(step.saved.stack, step.saved.sp, step_sp - (uintptr_t)step.saved.sp);
	memcpy(step.saved.state, seed.state, step.size);
	step.saved.len = step.call.len;
	memcpy(step.saved.bytes, step.call.bytes, step.call.len);
	step.saved.rng = *step.image->rng;
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
	memcpy(step.saved.sp, step.saved.stack, step_sp - (uintptr_t)step.saved.sp);
	memcpy(seed.state, step.saved.state, step.size);
	step.call.len = step.saved.len;
	memcpy(step.call.bytes, step.saved.bytes, step.call.len);
	*step.image->rng = step.saved.rng;
	seed.keys = step.saved.keys;
	seed.outputs = step.saved.outputs;
}

/* The call has come to an end although it was disturbed. */
static void judge(void)
{
	unsigned int handlers = step.num_others;

	memcpy(step.state, seed.state, step.size);
	/* Whatever state it left: from a key that is as new as the generation. */
	make_call(40, step.what->moves);
	make_call(1100, step.what->moves);
	if (!step.model_fits ? !look_bad(handlers) : have_an_order(handlers))
		return;
	if (!step.bad++)
		step.first_bad = step.saved.gregs[REG_RIP] - (greg_t)step.image->base;
}

static void disturb(void)
{
	__u32 pos;

	/* What has not even been handed out must not come from the old key. */
	memcpy(&pos, seed.state + STATE_POS, sizeof(pos));
	step.call.must_be_new = step.what->moves && pos == step.before.pos;
	step.num_others = 0;
	step.first_new = seed.keys - step.keys_before;
	if (step.what->moves)
		step.image->rng->generation++;
	if (step.what->enters)
		*step.image->rng = (struct vdso_rng){ 0 };
	if (step.what->drops || step.what->forks)
		memset(seed.state, 0, step.size);
	if (step.what->forks) {
		/* The parent gets the keys that come next, and the child others. */
		seed.keys += 1000;
		seed.outputs += 1000;
	}
	if (step.what->calls)
		make_call(24, step.what->moves);
}

static void switch_namespace(void)
{
	*step.image->rng = step.image->rng->generation ? (struct vdso_rng){ 0 } : step.saved.rng;
}

/* Bytes that a handler asks for: often all that the state has left. */
static size_t some_bytes(void)
{
	__u32 pos;

	memcpy(&pos, seed.state + STATE_POS, sizeof(pos));
	return number() % 2 && pos < step.before.batch_size ? step.before.batch_size - pos : 24;
}

/* Instructions to the next handler's call: mostly a few. */
static unsigned int some_instructions(void)
{
	return 1 + number() % (number() % 8 ? 16 : 64);
}

/* The call is before an instruction that has not been disturbed yet. */
static void next_instruction(ucontext_t *context)
{
	greg_t *regs = context->uc_mcontext.gregs;
	size_t at = regs[REG_RIP] - (greg_t)step.image->base;

	/* The rounds are many, and all alike: mixtures take time. */
	if (!step.model_fits && at < VISITED_MAX && ++step.visits[at] > VISITS)
		return;
	if (++step.passed % step.share)
		return;
	step.instructions++;
	save(context);
	disturb();
	step.disturbed = true;
	step.calls_to_come = step.what->later;
	step.switches_to_come = step.what->switches;
	step.wait = some_instructions();
	if (!step.calls_to_come && !step.switches_to_come)
		regs[REG_EFL] &= ~STEP_FLAG;
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *ip = (unsigned char *)regs[REG_RIP];

	(void)sig;
	(void)info;
	if (ip == step_returned) {
		/* If it was disturbed, the breakpoint comes next. */
		regs[REG_EFL] &= ~STEP_FLAG;
		regs[REG_RIP] += !step.disturbed;
	} else if (ip == step_returned + 1) {
		step.call.ret = regs[REG_RAX];
		judge();
		bring_back(context);
		step.disturbed = false;
	} else if (ip == step_left_kernel + 1) {
		regs[REG_RIP] = step.kernel_returns_to;
		regs[REG_EFL] |= STEP_FLAG;
	} else if (ip >= step.image->base && ip < step.image->base + step.image->size) {
		if (!step.disturbed) {
			next_instruction(context);
		} else if (ip >= step.kernels && number() % 8) {
			/* a kernel has no frame: on with the instruction after its end */
			memcpy(&step.kernel_returns_to, (void *)regs[REG_RSP], 8);
			memcpy((void *)regs[REG_RSP], &(const void *){ step_left_kernel }, 8);
			regs[REG_EFL] &= ~STEP_FLAG;
		} else if (!--step.wait) {
			if (step.switches_to_come) {
				step.switches_to_come--;
				switch_namespace();
			} else {
				step.calls_to_come--;
				make_call(some_bytes(), false);
			}
			step.wait = some_instructions();
			if (!step.calls_to_come && !step.switches_to_come)
				regs[REG_EFL] &= ~STEP_FLAG;
		}
	}
}

/* There is no trap between a system call and the instruction that follows it. */
static void answered(void *context)
{
	if (step.on && !step.disturbed &&
	    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] & STEP_FLAG)
		next_instruction(context);
}

/* A state of which the @first bytes were handed out. */
static void begin(size_t first)
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
}

/* Steps through a call of @len bytes, after the @first ones of a state were handed out. */
static void step_through(size_t first, size_t len)
{
	const __u64 args[5] = {
		(uintptr_t)step.call.bytes, len, 0, (uintptr_t)seed.state, step.size
	};
	const size_t lens[] = { len, 40, 1100 };

	begin(first);
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		step.parent[i].len = lens[i];
		step.image->v.call(step.parent[i].bytes, lens[i], 0, seed.state, step.size);
	}
	begin(first);
	step.keys_before = seed.keys;
	step.instructions = 0;
	step.after_the_end = 0;
	memset(step.visits, 0, sizeof(step.visits));
	step.bad = 0;
	step.call.len = len;
	step.on = true;
	step.call.ret = step_call(step.image->v.call, args);
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
		SKIP(_exit(SKIP_STATUS), "this CPU has none");
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
	const unsigned char *kernels = (void *)-1UL, *kernel;

	step.share = share();
	for (size_t i = 0; i < VDSO_LEVELS; i++) {
		kernel = (void *)vdso_image_level(image, i);
		if (kernel && kernel < kernels)
			kernels = kernel;
	}
	/* they are behind everything else */
	step.kernels = kernels;
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
			EXPECT_LT(calls[i].least / step.share, step.instructions);
		}
		ksft_print_msg("%s call: %u instructions, %zu disturbances of each\n",
			       calls[i].name, step.instructions, ARRAY_SIZE(disturbances));
	}
}

TEST_F_TIMEOUT(level, calls_in_each_others_states, 60)
{
	size_t batch;

	ASSERT_TRUE(step_open(&self->image, variant->level));
	batch = step.before.batch_size;
	const struct {
		const char *name;
		size_t first, len;
		unsigned int after;
	} calls[] = {
		{ "small", 8, 24, AFTER_THE_END_MAX }, { "odd", 8, 31, AFTER_THE_END_MAX },
		{ "medium", 8, 150, AFTER_THE_END_MAX }, { "first", 0, 40, AFTER_A_REFILL_MAX },
		{ "refill", batch - 8, 40, AFTER_A_REFILL_MAX },
		{ "bulk", batch - 100, 1300, AFTER_A_REFILL_MAX },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(mixtures); j++) {
			step.what = &mixtures[j];
			step_through(calls[i].first, calls[i].len);
			EXPECT_EQ(0, step.bad) {
				TH_LOG("%s call, %s: %u of %u, first at %lx", calls[i].name,
				       step.what->name, step.bad, step.instructions,
				       step.first_bad);
			}
			EXPECT_GE(calls[i].after, step.after_the_end) {
				TH_LOG("%s call, %s", calls[i].name, step.what->name);
			}
		}
	}
}

/*
 * The one case that is left, told and not judged: see __cvdso_getrandom_data(). The child's words
 * are then in the parent, too.
 */
TEST_F(level, fork_and_two_calls_within_a_refill)
{
	static const struct disturbance twice = {
		"fork and call, a call later", .forks = true, .calls = true, .later = 1
	};
	size_t batch;

	ASSERT_TRUE(step_open(&self->image, variant->level));
	step.what = &twice;
	batch = step.before.batch_size;
	const size_t calls[][2] = { { 8, 24 }, { 8, 150 }, { batch - 8, 40 } };

	for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
		step_through(calls[i][0], calls[i][1]);
		ksft_print_msg("%s: the parent's output at %u of %u instructions\n",
			       twice.name, step.bad, step.instructions);
		/* only a refill has a part that the parent has, too */
		if (calls[i][0] == 8)
			EXPECT_EQ(0, step.bad);
	}
}

/* A kernel's call whose state vanishes at one of its instructions. */
static struct {
	const unsigned char *begin;
	const unsigned char *end;
	unsigned char *state;
	unsigned int vanishes;
	unsigned int instructions;
} lost;

static void trapped_in_kernel(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const unsigned char *ip = (unsigned char *)regs[REG_RIP];

	(void)sig;
	(void)info;
	if (!step_has_ended(regs) && ip >= lost.begin && ip < lost.end &&
	    lost.instructions++ == lost.vanishes) {
		memset(lost.state, 0, STATE_MAX);
		/* on to the breakpoint in the end */
		regs[REG_EFL] &= ~STEP_FLAG;
	}
}

/*
 * Output of rounds that began or went on with zeros tells the key to whoever gets it. Nothing of it
 * may ever be stored, not even where it would be thrown away: a fork's parent has the key, too.
 */
TEST_F(level, kernel_stores_no_bad_word)
{
	struct sigaction action = { .sa_sigaction = trapped_in_kernel, .sa_flags = SA_SIGINFO };
	static unsigned char state[STATE_MAX] __attribute__((aligned(64)));
	static __u32 dst[20 * CHACHA_BLOCK / 4], expected[20 * CHACHA_BLOCK / 4];
	const size_t num = (4 << variant->level) + 1;
	unsigned int nothing = 0, all = 0;

	lost.begin = self->image.base;
	lost.end = self->image.base + self->image.size;
	lost.state = state;
	ASSERT_EQ(0, sigaction(SIGTRAP, &action, NULL));
	for (bool vanished = true; vanished; lost.vanishes += 1 + number() % 32) {
		__u32 counter[2] = { 0 };
		const __u64 args[5] = {
			(uintptr_t)dst, (uintptr_t)(state + STATE_KEY), (uintptr_t)counter,
			num, (uintptr_t)state
		};
		unsigned int stored = 0;

		seed_key(state + STATE_KEY, 0);
		chacha_blocks((unsigned char *)expected, state + STATE_KEY, 0, num);
		memset(state + STATE_CLAIM, 1, 4);
		memset(dst, 0, sizeof(dst));
		lost.instructions = 0;
		step_call((void *)vdso_image_level(&self->image, variant->level), args);
		for (size_t i = 0; i < num * CHACHA_BLOCK / 4; i++) {
			stored += dst[i] != 0;
			ASSERT_TRUE(!dst[i] || dst[i] == expected[i]) {
				TH_LOG("word %zu, lost at instruction %u", i, lost.vanishes);
			}
		}
		vanished = lost.instructions > lost.vanishes;
		nothing += !stored;
		all += stored == num * CHACHA_BLOCK / 4;
	}
	/* before anything was stored, and after all was */
	EXPECT_LT(20, nothing);
	EXPECT_LT(0, all);
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
