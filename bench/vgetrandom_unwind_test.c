// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of a vDSO image's call frame information: from a signal handler that interrupts
 * __vdso_getrandom() or a ChaCha20 kernel before any of its instructions, the caller and what it has
 * in its registers are found. VDSO_IMAGE in the environment names the vdso64.so.dbg.
 */

#define _GNU_SOURCE

#include <unwind.h>

#include "step.h"
#include "vdso_image.h"
#include "vgetrandom_model.h"
#include "vgetrandom_harness.h"

#define FRAMES_MAX	16

/* A place is looked at so many times: the rounds are all alike. */
#define VISITS		2
#define CODE_MAX	(16 * VDSO_PAGE)

/* What the signal handler knows and finds. */
static struct {
	uintptr_t code;
	size_t size;
	unsigned char visits[CODE_MAX];
	uintptr_t ip;
	bool interrupted;
	bool found;
	unsigned int frames;
	unsigned int instructions;
	unsigned int bad;
	uintptr_t first_bad;
} look;

/* The image's functions, from libgcc: an .eh_frame section that ends with zeros. */
void __register_frame(void *begin);

extern const unsigned char lies_about_its_frame[];
extern const unsigned char lies_end[];

asm(".pushsection .text\n"
    /* Its frame is larger than it says, for one instruction, and a register is lost, for another. */
    ".globl lies_about_its_frame\n"
    ".type lies_about_its_frame, @function\n"
    "lies_about_its_frame:\n"
    "	.cfi_startproc\n"
    "	sub	$16, %rsp\n"
    "	add	$16, %rsp\n"
    "	not	%r12\n"
    "	not	%r12\n"
    "	ret\n"
    "	.cfi_endproc\n"
    "lies_end:\n"
    ".size lies_about_its_frame, . - lies_about_its_frame\n"
    ".popsection\n");

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *unused)
{
	uintptr_t ip = _Unwind_GetIP(context);

	(void)unused;
	if (++look.frames > FRAMES_MAX)
		return _URC_NORMAL_STOP;
	if (ip == look.ip)
		look.interrupted = true;
	if (!look.interrupted || ip != (uintptr_t)step_returned)
		return _URC_NO_REASON;
	look.found = _Unwind_GetCFA(context) == step_sp;
	for (size_t i = 0; i < ARRAY_SIZE(step_preserved); i++)
		look.found &= _Unwind_GetGR(context, step_preserved[i].number) == step_preserved[i].value;
	return _URC_NORMAL_STOP;
}

static void trapped(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if (step_has_ended(regs))
		return;
	look.ip = regs[REG_RIP];
	if (look.ip - look.code >= look.size || ++look.visits[look.ip - look.code] > VISITS)
		return;
	look.instructions++;
	look.frames = 0;
	look.interrupted = false;
	look.found = false;
	_Unwind_Backtrace(frame, NULL);
	if (!look.found && !look.bad++)
		look.first_bad = look.ip - look.code;
}

/* Looks at all instructions that a call comes by in @code. */
static void look_at(const void *code, size_t size, const void *fn, const __u64 *args)
{
	memset(&look, 0, sizeof(look));
	look.code = (uintptr_t)code;
	look.size = size < CODE_MAX ? size : CODE_MAX;
	step_call(fn, args);
}

FIXTURE(unwind)
{
	struct vdso_image image;
	unsigned char *state;
	unsigned char out[4096];
};

FIXTURE_VARIANT(unwind)
{
	size_t level;
};

FIXTURE_VARIANT_ADD(unwind, sse2) { .level = 0 };
FIXTURE_VARIANT_ADD(unwind, avx2) { .level = 1 };
FIXTURE_VARIANT_ADD(unwind, avx512) { .level = 2 };

/* Where PT_GNU_EH_FRAME says that the .eh_frame section is. */
static void *eh_frame(unsigned char *base)
{
	const Elf64_Ehdr *ehdr = (void *)base;
	const Elf64_Phdr *phdr = (void *)(base + ehdr->e_phoff);

	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		const unsigned char *hdr = base + phdr[i].p_vaddr;
		__s32 offset;

		/* version 1, the pointer is a __s32 that counts from itself */
		if (phdr[i].p_type != PT_GNU_EH_FRAME || hdr[0] != 1 || hdr[1] != 0x1b)
			continue;
		memcpy(&offset, hdr + 4, sizeof(offset));
		return (unsigned char *)hdr + 4 + offset;
	}
	return NULL;
}

FIXTURE_SETUP(unwind)
{
	struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };

	ASSERT_TRUE(open_image(&self->image, variant->level)) TH_LOG("%s", self->image.error);
	if (!vdso_cpu_level(variant->level))
		SKIP(_exit(SKIP_STATUS), "this CPU has none");
	self->state = aligned_alloc(VDSO_PAGE, VDSO_PAGE);
	ASSERT_NE(NULL, self->state);
	memset(self->state, 0, VDSO_PAGE);
	ASSERT_NE(NULL, eh_frame(self->image.base));
	__register_frame(eh_frame(self->image.base));
	ASSERT_EQ(0, sigaction(SIGTRAP, &action, NULL));
}

FIXTURE_TEARDOWN(unwind)
{
}

TEST_F(unwind, from_a_call)
{
	/* from an empty state, from a full batch, to the last byte of it, in bulk; and odd ones */
	static const size_t lens[] = { 40, 24, 900, 3000, 31, 1 };
	const size_t size = self->image.v.params.size_of_opaque_state;

	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		const __u64 args[5] = {
			(uintptr_t)self->out, lens[i], 0, (uintptr_t)self->state, size
		};

		look_at(self->image.base, self->image.size, self->image.v.call, args);
		EXPECT_LT(40, look.instructions);
		EXPECT_EQ(0, look.bad) {
			TH_LOG("%zu bytes: %u of %u, first at %lx", lens[i], look.bad,
			       look.instructions, look.first_bad);
		}
	}
}

TEST_F(unwind, from_the_entry_that_others_call)
{
	__u32 counter[2] = { 0 };
	const __u64 args[5] = {
		(uintptr_t)self->out, (uintptr_t)self->state, (uintptr_t)counter, 9
	};
	void *fn = vdso_image_symbol(&self->image, "__arch_chacha20_blocks_nostack", true);

	ASSERT_NE(NULL, fn);
	look_at(self->image.base, self->image.size, fn, args);
	EXPECT_EQ(9, counter[0]);
	EXPECT_LT(100, look.instructions);
	EXPECT_EQ(0, look.bad) TH_LOG("first at %lx", look.first_bad);
}

TEST_F(unwind, wrong_information_is_noticed)
{
	const __u64 args[5] = { 0 };

	look_at(lies_about_its_frame, lies_end - lies_about_its_frame, lies_about_its_frame, args);
	EXPECT_EQ(5, look.instructions);
	EXPECT_EQ(2, look.bad);
}

TEST_HARNESS_MAIN
