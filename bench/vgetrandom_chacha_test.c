// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the ChaCha20 kernels in a vDSO image, called by their symbols, and of what they and
 * __vdso_getrandom() leave in registers and on the stack: VDSO_IMAGE in the environment names the
 * vdso64.so.dbg.
 */

#define _GNU_SOURCE

#include <openssl/evp.h>

#include "vdso_image.h"
#include "vgetrandom_model.h"
#include "vgetrandom_harness.h"

/* A state with eight blocks, and the scratch memory in its end. */
#define STATE_SMALL	576
#define STATE_SCRATCH	544

#define BLOCKS_MAX	70
#define GUARD		64
#define FILL		0xa5

/* A place for dst: pages that nothing may leave. */
#define ROOM		(2 * VDSO_PAGE)

typedef void kernel_fn(unsigned char *dst, const unsigned char *key, __u32 *counter, size_t num,
		       unsigned char *state);

static void fill_random(void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((unsigned char *)out)[i] = number();
}

/* Memory between two pages that nobody may touch. */
static unsigned char *guarded(size_t size)
{
	unsigned char *map = mmap(NULL, size + 2 * VDSO_PAGE, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED ||
	    mprotect(map + VDSO_PAGE, size, PROT_READ | PROT_WRITE))
		return NULL;
	return map + VDSO_PAGE;
}

/* OpenSSL's ChaCha20: its first 16 bytes of "IV" are the counter and the nonce. */
static bool openssl_blocks(unsigned char *out, const unsigned char *key, __u64 counter, size_t num)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	__u64 iv[2] = { counter, 0 };
	int len = 0;
	bool good;

	memset(out, 0, num * CHACHA_BLOCK);
	good = context &&
	       EVP_EncryptInit_ex(context, EVP_chacha20(), NULL, key, (unsigned char *)iv) &&
	       EVP_EncryptUpdate(context, out, &len, out, num * CHACHA_BLOCK) &&
	       len == (int)(num * CHACHA_BLOCK);
	EVP_CIPHER_CTX_free(context);
	return good;
}

FIXTURE(kernel)
{
	struct vdso_image image;
	kernel_fn *call;
	unsigned char *dst;
	unsigned char *key;
	unsigned char *counter;
	unsigned char *state;
	unsigned char expected[BLOCKS_MAX * CHACHA_BLOCK];
};

/*
 * blocks: of a refill; 0 if the kernel is not for a state
 * scratch: whether it has use for the memory behind eight blocks of a state
 * width: bytes of a vector register that are used
 */
FIXTURE_VARIANT(kernel)
{
	const char *symbol;
	size_t level;
	size_t blocks;
	bool scratch;
	size_t width;
};

FIXTURE_VARIANT_ADD(kernel, nostack) {
	.symbol = "__arch_chacha20_blocks_nostack", .level = 0, .width = 16,
};

FIXTURE_VARIANT_ADD(kernel, sse2) {
	.symbol = "__arch_chacha20_blocks_sse2", .level = 0, .blocks = 8, .scratch = true,
	.width = 16,
};

FIXTURE_VARIANT_ADD(kernel, avx2) {
	.symbol = "__arch_chacha20_blocks_avx2", .level = 1, .blocks = 8, .scratch = true,
	.width = 64,
};

FIXTURE_VARIANT_ADD(kernel, avx512) {
	.symbol = "__arch_chacha20_blocks_avx512", .level = 2, .blocks = 15, .width = 64,
};

FIXTURE_SETUP(kernel)
{
	ASSERT_TRUE(open_image(&self->image, variant->level)) TH_LOG("%s", self->image.error);
	self->call = vdso_image_symbol(&self->image, variant->symbol, true);
	ASSERT_NE(NULL, (void *)self->call);
	if (!vdso_cpu_level(variant->level))
		SKIP(_exit(SKIP_STATUS), "this CPU has none");

	self->dst = guarded(ROOM);
	self->key = guarded(VDSO_PAGE);
	self->counter = guarded(VDSO_PAGE);
	self->state = guarded(VDSO_PAGE);
	ASSERT_TRUE(self->dst && self->key && self->counter && self->state);
	/* Reads and writes beyond their ends are stopped; before them they are seen. */
	self->key += VDSO_PAGE - CHACHA_KEY;
	self->counter += VDSO_PAGE - sizeof(__u64);
	self->state += VDSO_PAGE - STATE_SMALL;
}

FIXTURE_TEARDOWN(kernel)
{
}

static void claim(unsigned char *state, __u32 token)
{
	memcpy(state + STATE_CLAIM, &token, sizeof(token));
}

/*
 * Calls the kernel and compares with the model; tells what was wrong, or NULL. The key is at
 * self->key, or in dst.
 */
static const char *kernel_is_right(FIXTURE_DATA(kernel) *self, unsigned char *dst,
				   const unsigned char *key, unsigned char *state,
				   __u64 counter, size_t num)
{
	size_t len = num * CHACHA_BLOCK, before = dst - self->dst;
	__u64 after;

	chacha_blocks(self->expected, key, counter, num);
	memcpy(self->counter, &counter, sizeof(counter));
	self->call(dst, key, (__u32 *)self->counter, num, state);
	memcpy(&after, self->counter, sizeof(after));
	if (memcmp(dst, self->expected, len))
		return "keystream";
	if (after != counter + num)
		return "counter";
	if (!all_are(self->dst, FILL, before) ||
	    !all_are(dst + len, FILL, ROOM - before - len))
		return "bytes around dst";
	if (!all_are(self->counter - GUARD, FILL, GUARD))
		return "bytes before the counter";
	/* all but the claim, which is full of another byte, and the scratch memory */
	if (!all_are(state - GUARD, FILL, GUARD + STATE_CLAIM) ||
	    !all_are(state + STATE_CLAIM, 1, 4) ||
	    !all_are(state + STATE_CLAIM + 4, FILL, STATE_SCRATCH - STATE_CLAIM - 4) ||
	    !all_are(state + STATE_SMALL, FILL, self->state - state))
		return "state";
	return NULL;
}

static void fill(FIXTURE_DATA(kernel) *self)
{
	memset(self->dst, FILL, ROOM);
	memset(self->counter - GUARD, FILL, GUARD + sizeof(__u64));
	memset(self->state - 2 * GUARD, FILL, 2 * GUARD + STATE_SMALL);
	claim(self->state, 0x01010101);
}

/* RFC 8439, A.1, those whose nonce is 0, and the same from the drafts that came before it. */
TEST_F(kernel, published_vectors)
{
	static const struct {
		unsigned char key_at, key_byte;
		__u64 counter;
		unsigned char stream[CHACHA_BLOCK + 1];
	} vectors[] = {
		{ 0, 0, 0,
		  "\x76\xb8\xe0\xad\xa0\xf1\x3d\x90\x40\x5d\x6a\xe5\x53\x86\xbd\x28"
		  "\xbd\xd2\x19\xb8\xa0\x8d\xed\x1a\xa8\x36\xef\xcc\x8b\x77\x0d\xc7"
		  "\xda\x41\x59\x7c\x51\x57\x48\x8d\x77\x24\xe0\x3f\xb8\xd8\x4a\x37"
		  "\x6a\x43\xb8\xf4\x15\x18\xa1\x1c\xc3\x87\xb6\x69\xb2\xee\x65\x86" },
		{ 0, 0, 1,
		  "\x9f\x07\xe7\xbe\x55\x51\x38\x7a\x98\xba\x97\x7c\x73\x2d\x08\x0d"
		  "\xcb\x0f\x29\xa0\x48\xe3\x65\x69\x12\xc6\x53\x3e\x32\xee\x7a\xed"
		  "\x29\xb7\x21\x76\x9c\xe6\x4e\x43\xd5\x71\x33\xb0\x74\xd8\x39\xd5"
		  "\x31\xed\x1f\x28\x51\x0a\xfb\x45\xac\xe1\x0a\x1f\x4b\x79\x4d\x6f" },
		{ 31, 1, 1,
		  "\x3a\xeb\x52\x24\xec\xf8\x49\x92\x9b\x9d\x82\x8d\xb1\xce\xd4\xdd"
		  "\x83\x20\x25\xe8\x01\x8b\x81\x60\xb8\x22\x84\xf3\xc9\x49\xaa\x5a"
		  "\x8e\xca\x00\xbb\xb4\xa7\x3b\xda\xd1\x92\xb5\xc4\x2f\x73\xf2\xfd"
		  "\x4e\x27\x36\x44\xc8\xb3\x61\x25\xa6\x4a\xdd\xeb\x00\x6c\x13\xa0" },
		{ 1, 0xff, 2,
		  "\x72\xd5\x4d\xfb\xf1\x2e\xc4\x4b\x36\x26\x92\xdf\x94\x13\x7f\x32"
		  "\x8f\xea\x8d\xa7\x39\x90\x26\x5e\xc1\xbb\xbe\xa1\xae\x9a\xf0\xca"
		  "\x13\xb2\x5a\xa2\x6c\xb4\xa6\x48\xcb\x9b\x9d\x1b\xe6\x5b\x2c\x09"
		  "\x24\xa6\x6c\x54\xd5\x45\xec\x1b\x73\x74\xf4\x87\x2e\x99\xf0\x96" },
		{ 0, 1, 0,
		  "\xc5\xd3\x0a\x7c\xe1\xec\x11\x93\x78\xc8\x4f\x48\x7d\x77\x5a\x85"
		  "\x42\xf1\x3e\xce\x23\x8a\x94\x55\xe8\x22\x9e\x88\x8d\xe8\x5b\xbd"
		  "\x29\xeb\x63\xd0\xa1\x7a\x5b\x99\x9b\x52\xda\x22\xbe\x40\x23\xeb"
		  "\x07\x62\x0a\x54\xf6\xfa\x6a\xd8\x73\x7b\x71\xeb\x04\x64\xda\xc0" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(vectors); i++) {
		fill(self);
		memset(self->key, 0, CHACHA_KEY);
		self->key[vectors[i].key_at] = vectors[i].key_byte;
		memcpy(self->counter, &vectors[i].counter, sizeof(__u64));
		self->call(self->dst, self->key, (__u32 *)self->counter, 1, self->state);
		EXPECT_EQ(0, memcmp(self->dst, vectors[i].stream, CHACHA_BLOCK)) {
			TH_LOG("vector %u", i);
		}
	}
}

TEST_F(kernel, as_openssl)
{
	unsigned char stream[BLOCKS_MAX * CHACHA_BLOCK];

	for (size_t num = 1; num <= BLOCKS_MAX; num++) {
		/* Anything; and a carry into the upper half before, in or after each block. */
		for (size_t i = 0; i < num + 3; i++) {
			__u64 counter = i ? (number() << 32) - i + 1 : number();
			const char *wrong;

			fill(self);
			fill_random(self->key, CHACHA_KEY);
			wrong = kernel_is_right(self, self->dst + ROOM - num * CHACHA_BLOCK,
						self->key, self->state, counter, num);
			ASSERT_EQ(NULL, wrong) {
				TH_LOG("%s: %zu blocks from %llx", wrong, num, counter);
			}
			ASSERT_TRUE(openssl_blocks(stream, self->key, counter, num));
			ASSERT_EQ(0, memcmp(stream, self->expected, num * CHACHA_BLOCK)) {
				TH_LOG("%zu blocks from %llx", num, counter);
			}
		}
	}
}

TEST_F(kernel, counter_wraps_around)
{
	fill_random(self->key, CHACHA_KEY);
	for (size_t num = 1; num <= BLOCKS_MAX; num++) {
		const char *wrong;

		fill(self);
		wrong = kernel_is_right(self, self->dst, self->key, self->state, -(num / 2), num);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s: %zu blocks", wrong, num);
	}
}

TEST_F(kernel, every_alignment)
{
	for (size_t align = 0; align < 64; align++) {
		for (size_t num = 1; num <= 40; num++) {
			const char *wrong;

			fill(self);
			fill_random(self->key, CHACHA_KEY);
			/* 8 bytes are a state's least alignment */
			memset(self->state, FILL, STATE_SMALL);
			claim(self->state - align / 8 * 8, 0x01010101);
			wrong = kernel_is_right(self, self->dst + align, self->key,
						self->state - align / 8 * 8, number(), num);
			ASSERT_EQ(NULL, wrong) TH_LOG("%s: %zu blocks to %zu", wrong, num, align);
		}
	}
}

/* A call whose key or scratch memory can be written only where it is dst, too. */
TEST_F(kernel, key_may_be_in_dst)
{
	unsigned char key[CHACHA_KEY];

	for (size_t num = 1; num <= 33; num++) {
		for (size_t at = 0; at <= num * CHACHA_BLOCK - CHACHA_KEY; at += 16) {
			const char *wrong;

			fill(self);
			fill_random(key, sizeof(key));
			memcpy(self->dst + at, key, sizeof(key));
			wrong = kernel_is_right(self, self->dst, self->dst + at, self->state,
						number(), num);
			ASSERT_EQ(NULL, wrong) TH_LOG("%s: %zu blocks, key at %zu", wrong, num, at);
		}
	}
}

TEST_F(kernel, key_is_only_read)
{
	fill(self);
	fill_random(self->key, CHACHA_KEY);
	ASSERT_EQ(0, mprotect(self->key + CHACHA_KEY - VDSO_PAGE, VDSO_PAGE, PROT_READ));
	for (size_t num = 1; num <= 33; num++)
		self->call(self->dst, self->key, (__u32 *)self->counter, num, self->state);
}

/* A refill: the stream replaces its key, in the state. */
TEST_F(kernel, refill_in_place)
{
	unsigned char *state = self->state + STATE_SMALL - STATE_MAX, *key = state + STATE_KEY;
	const size_t len = variant->blocks * CHACHA_BLOCK;

	if (!len)
		return;
	for (unsigned int i = 0; i < 100; i++) {
		memset(state - GUARD, FILL, GUARD + STATE_MAX);
		claim(state, 0x80000000 >> i % 32);
		fill_random(key, CHACHA_KEY);
		chacha_blocks(self->expected, key, i, variant->blocks);
		memset(self->counter, 0, sizeof(__u64));
		*self->counter = i;
		self->call(key, key, (__u32 *)self->counter, variant->blocks, state);
		ASSERT_EQ(0, memcmp(key, self->expected, len));
		ASSERT_EQ(i + variant->blocks, *self->counter);
		ASSERT_TRUE(all_are(state - GUARD, FILL, GUARD + STATE_CLAIM));
		ASSERT_TRUE(all_are(key + len + (variant->scratch ? 32 : 0), FILL,
				    STATE_MAX - STATE_KEY - len - (variant->scratch ? 32 : 0)));
	}
}

/* Whoever has lost the claim must not write to what may be another call's. */
TEST_F(kernel, lost_claim_ends_it)
{
	__u64 counter = 7, after;

	if (!variant->blocks)
		return;
	for (size_t num = 1; num <= 40; num++) {
		fill(self);
		fill_random(self->key, CHACHA_KEY);
		claim(self->state, 0);
		memcpy(self->counter, &counter, sizeof(counter));
		self->call(self->dst, self->key, (__u32 *)self->counter, num, self->state);
		memcpy(&after, self->counter, sizeof(after));
		ASSERT_EQ(counter, after);
		ASSERT_TRUE(all_are(self->dst, FILL, ROOM)) TH_LOG("%zu blocks", num);
		ASSERT_TRUE(all_are(self->state, FILL, STATE_CLAIM));
		ASSERT_TRUE(all_are(self->state + STATE_CLAIM, 0, 4));
		ASSERT_TRUE(all_are(self->state + STATE_CLAIM + 4, FILL,
				    STATE_SCRATCH - STATE_CLAIM - 4));
	}
}

/**
 * struct call - a call with known registers
 * @fn:		what is called
 * @args:	its arguments
 * @before:	registers 0 to 15 in the instruction set's order; arguments and rsp are not used
 * @after:	registers when it returned
 * @flags:	flags then
 * @xinuse:	parts of the registers that were not in their initial state then
 * @stack:	the stack pointer before the call
 */
struct call {
	void *fn;
	__u64 args[5];
	__u64 before[16];
	__u64 after[16];
	__u64 flags;
	__u64 xinuse;
	unsigned char *stack;
};

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

/* XSAVE areas, standard format; x87, SSE, AVX and the three parts of AVX-512. */
#define XSAVE_PARTS	0xe7
#define XSAVE_SIZE	4096
#define XSAVE_MXCSR	24
#define XSAVE_XMM	160
#define XSAVE_HEADER	512

struct call registers;
unsigned char xsave_before[XSAVE_SIZE] __attribute__((aligned(64)));
unsigned char xsave_after[XSAVE_SIZE] __attribute__((aligned(64)));
unsigned char xsave_none[XSAVE_SIZE] __attribute__((aligned(64)));
__u64 registers_rsp;

/**
 * call_registers - make the call that @registers tells, with the vector registers of xsave_before
 *
 * In the end these registers are in their initial state, as a function may leave them.
 */
void call_registers(void);

asm(".pushsection .text\n"
    ".globl call_registers\n"
    ".type call_registers, @function\n"
    "call_registers:\n"
    "	push	%rbx\n"
    "	push	%rbp\n"
    "	push	%r12\n"
    "	push	%r13\n"
    "	push	%r14\n"
    "	push	%r15\n"
    "	pushfq\n"
    "	mov	%rsp, registers_rsp(%rip)\n"
    "	mov	$0xe7, %eax\n"
    "	xor	%edx, %edx\n"
    "	xrstor64 xsave_before(%rip)\n"
    "	lea	registers(%rip), %rsp\n"
    "	mov	8(%rsp), %rdi\n"
    "	mov	16(%rsp), %rsi\n"
    "	mov	24(%rsp), %rdx\n"
    "	mov	32(%rsp), %rcx\n"
    "	mov	40(%rsp), %r8\n"
    "	mov	48 + 8 * 0(%rsp), %rax\n"
    "	mov	48 + 8 * 3(%rsp), %rbx\n"
    "	mov	48 + 8 * 5(%rsp), %rbp\n"
    "	mov	48 + 8 * 9(%rsp), %r9\n"
    "	mov	48 + 8 * 10(%rsp), %r10\n"
    "	mov	48 + 8 * 11(%rsp), %r11\n"
    "	mov	48 + 8 * 12(%rsp), %r12\n"
    "	mov	48 + 8 * 13(%rsp), %r13\n"
    "	mov	48 + 8 * 14(%rsp), %r14\n"
    "	mov	48 + 8 * 15(%rsp), %r15\n"
    "	mov	320(%rsp), %rsp\n"
    "	call	*registers(%rip)\n"
    "	mov	%rax, registers + 176 + 8 * 0(%rip)\n"
    "	mov	%rcx, registers + 176 + 8 * 1(%rip)\n"
    "	mov	%rdx, registers + 176 + 8 * 2(%rip)\n"
    "	mov	%rbx, registers + 176 + 8 * 3(%rip)\n"
    "	mov	%rsp, registers + 176 + 8 * 4(%rip)\n"
    "	mov	%rbp, registers + 176 + 8 * 5(%rip)\n"
    "	mov	%rsi, registers + 176 + 8 * 6(%rip)\n"
    "	mov	%rdi, registers + 176 + 8 * 7(%rip)\n"
    "	mov	%r8, registers + 176 + 8 * 8(%rip)\n"
    "	mov	%r9, registers + 176 + 8 * 9(%rip)\n"
    "	mov	%r10, registers + 176 + 8 * 10(%rip)\n"
    "	mov	%r11, registers + 176 + 8 * 11(%rip)\n"
    "	mov	%r12, registers + 176 + 8 * 12(%rip)\n"
    "	mov	%r13, registers + 176 + 8 * 13(%rip)\n"
    "	mov	%r14, registers + 176 + 8 * 14(%rip)\n"
    "	mov	%r15, registers + 176 + 8 * 15(%rip)\n"
    "	mov	registers_rsp(%rip), %rsp\n"
    "	pushfq\n"
    "	pop	registers + 304(%rip)\n"
    "	cld\n"
    "	mov	$1, %ecx\n"
    "	xgetbv\n"
    "	mov	%eax, registers + 312(%rip)\n"
    "	mov	$0xe7, %eax\n"
    "	xor	%edx, %edx\n"
    "	xsave64	xsave_after(%rip)\n"
    "	xrstor64 xsave_none(%rip)\n"
    "	popfq\n"
    "	pop	%r15\n"
    "	pop	%r14\n"
    "	pop	%r13\n"
    "	pop	%r12\n"
    "	pop	%rbp\n"
    "	pop	%rbx\n"
    "	ret\n"
    ".size call_registers, . - call_registers\n"
    ".popsection\n");

/* Where a part of the registers is in an XSAVE area, or 0 if the CPU has it not. */
static size_t xsave_part(unsigned int part, size_t *size)
{
	unsigned int eax, ebx, ecx, edx;

	if (!__get_cpuid_count(0xd, part, &eax, &ebx, &ecx, &edx) || !eax)
		return 0;
	*size = eax;
	return ebx;
}

/* Whether there are XSAVE, and XGETBV with an argument of 1. */
static bool can_look_at_registers(void)
{
	unsigned int eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx & bit_OSXSAVE &&
	       __get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx) && eax & 1 << 2;
}

/* The bytes of vector register @index in an XSAVE area, as wide as the CPU has them. */
static size_t vector_register(const unsigned char *area, unsigned int index, unsigned char *out)
{
	size_t width = 0, size, at;

	if (index >= 16) {
		at = xsave_part(7, &size);
		if (at)
			memcpy(out, area + at + (index - 16) * 64, 64);
		return at ? 64 : 0;
	}
	memcpy(out, area + XSAVE_XMM + index * 16, 16);
	width = 16;
	at = xsave_part(2, &size);
	if (at) {
		memcpy(out + 16, area + at + index * 16, 16);
		width = 32;
	}
	at = xsave_part(6, &size);
	if (at) {
		memcpy(out + 32, area + at + index * 32, 32);
		width = 64;
	}
	return width;
}

/* Enough for what the image's functions call. */
#define STACK		(4 * VDSO_PAGE)

FIXTURE(registers)
{
	struct vdso_image image;
	unsigned char *page;
	unsigned char *state;
	unsigned char *stack;
	unsigned char stack_before[STACK];
	unsigned char out[4096];
	unsigned char expected[4096];
	struct model model;
	size_t size;
};

FIXTURE_VARIANT(registers)
{
	size_t level;
};

FIXTURE_VARIANT_ADD(registers, sse2) { .level = 0 };
FIXTURE_VARIANT_ADD(registers, avx2) { .level = 1 };
FIXTURE_VARIANT_ADD(registers, avx512) { .level = 2 };

FIXTURE_SETUP(registers)
{
	ASSERT_TRUE(open_image(&self->image, variant->level)) TH_LOG("%s", self->image.error);
	if (!vdso_cpu_level(variant->level))
		SKIP(_exit(SKIP_STATUS), "this CPU has none");
	self->size = self->image.v.params.size_of_opaque_state;
	self->page = aligned_alloc(VDSO_PAGE, VDSO_PAGE);
	self->stack = guarded(STACK);
	ASSERT_TRUE(self->page && self->stack);
	self->state = self->page;
	memset(self->state, 0, self->size);
	ASSERT_TRUE(seed_open(&self->image, self->state));

	if (!can_look_at_registers())
		SKIP(_exit(SKIP_STATUS), "this CPU does not tell which registers are in use");
	memset(xsave_none, 0, sizeof(xsave_none));
	xsave_none[XSAVE_MXCSR] = 0x80;
	xsave_none[XSAVE_MXCSR + 1] = 0x1f;
}

FIXTURE_TEARDOWN(registers)
{
}

/* Registers 0 to 31 and k0 to k7, and what may be in use after a call that began with none. */
#define VECTORS		32
#define MASKS_PART	5
#define XINUSE_WIDE	0xe4

/* Makes the call with each register full of a pattern, or the vector registers unused. */
static void call_with(FIXTURE_DATA(registers) *self, void *fn, const __u64 *args, bool unused)
{
	unsigned int parts, high;

	registers.fn = fn;
	memcpy(registers.args, args, sizeof(registers.args));
	fill_random(registers.before, sizeof(registers.before));
	fill_random(self->stack, STACK);
	memcpy(self->stack_before, self->stack, STACK);
	registers.stack = self->stack + STACK - 64;
	memcpy(xsave_before, xsave_none, sizeof(xsave_before));
	if (!unused) {
		asm("xgetbv" : "=a" (parts), "=d" (high) : "c" (0));
		/* x87 stays as it is */
		parts &= XSAVE_PARTS & ~1;
		fill_random(xsave_before + XSAVE_XMM, 256);
		fill_random(xsave_before + XSAVE_HEADER + 64,
			    sizeof(xsave_before) - XSAVE_HEADER - 64);
		memcpy(xsave_before + XSAVE_HEADER, &parts, sizeof(parts));
		/* rounds towards zero, and an exception has happened */
		xsave_before[XSAVE_MXCSR] = 0xa0;
		xsave_before[XSAVE_MXCSR + 1] = 0x7f;
	}
	memset(xsave_after, 0, sizeof(xsave_after));
	call_registers();
}

/*
 * What is wrong with the vector registers after call_with(), or NULL: the first @cleared ones must
 * be zeros in their first @width bytes, and all others as they were.
 */
static const char *vectors_are_right(unsigned int cleared, size_t width)
{
	unsigned char before[64], after[64];
	size_t at, size;

	for (unsigned int i = 0; i < VECTORS; i++) {
		size_t have = vector_register(xsave_after, i, after);
		size_t zeros = i >= cleared ? 0 : width < have ? width : have;

		vector_register(xsave_before, i, before);
		if (!all_are(after, 0, zeros))
			return "a vector register has not been cleared";
		if (memcmp(before + zeros, after + zeros, have - zeros))
			return "a vector register has changed";
	}
	at = xsave_part(MASKS_PART, &size);
	if (at && memcmp(xsave_before + at, xsave_after + at, size))
		return "a mask register has changed";
	if (memcmp(xsave_before + XSAVE_MXCSR, xsave_after + XSAVE_MXCSR, 4))
		return "MXCSR has changed";
	return NULL;
}

/* What is wrong with the general registers after call_with(), or NULL. */
static const char *generals_are_right(void)
{
	static const unsigned char preserved[] = { RBX, RBP, 12, 13, 14, 15 };

	for (unsigned int i = 0; i < ARRAY_SIZE(preserved); i++)
		if (registers.before[preserved[i]] != registers.after[preserved[i]])
			return "a register has not been preserved";
	if (registers.after[RSP] != (uintptr_t)registers.stack)
		return "the stack pointer has changed";
	if (registers.flags & 1 << 10)
		return "the direction flag is set";
	return NULL;
}

/* Whether four bytes of a secret, at a multiple of four, are in a half of a general register. */
static bool generals_tell(const unsigned char *secret, size_t len)
{
	for (size_t at = 0; at < len; at += 4) {
		__u32 word;

		memcpy(&word, secret + at, sizeof(word));
		for (unsigned int i = 0; i < 16; i++)
			if ((__u32)registers.after[i] == word || registers.after[i] >> 32 == word)
				return true;
	}
	return false;
}

/* Whether eight bytes of a secret are anywhere on the stack. */
static bool stack_tells(FIXTURE_DATA(registers) *self, const unsigned char *secret, size_t len)
{
	for (size_t at = 0; at < len; at += 8)
		if (memmem(self->stack, STACK, secret + at, 8))
			return true;
	return false;
}

TEST_F(registers, kernels_leave_nothing)
{
	static const char *const symbols[VDSO_LEVELS] = {
		"__arch_chacha20_blocks_sse2", "__arch_chacha20_blocks_avx2",
		"__arch_chacha20_blocks_avx512",
	};
	void *fns[] = {
		vdso_image_symbol(&self->image, symbols[variant->level], true),
		vdso_image_symbol(&self->image, "__arch_chacha20_blocks_nostack", true),
	};
	const size_t width = variant->level ? 64 : 16;
	unsigned char key[CHACHA_KEY], state[STATE_SMALL];
	__u64 counter;

	/* the second one belongs to the lowest level */
	for (unsigned int i = 0; i < (variant->level ? 1 : 2); i++) {
		ASSERT_NE(NULL, fns[i]);
		for (size_t num = 2; num <= 81; num++) {
			const __u64 args[5] = {
				(uintptr_t)self->out, (uintptr_t)key, (uintptr_t)&counter, num / 2,
				(uintptr_t)state
			};
			const char *wrong;

			fill_random(key, sizeof(key));
			counter = number();
			/* each second call finds it lost */
			claim(state, num % 2);
			call_with(self, fns[i], args, false);
			wrong = vectors_are_right(16, width) ?: generals_are_right();
			ASSERT_EQ(NULL, wrong) TH_LOG("%s: %zu blocks", wrong, num);
			ASSERT_FALSE(generals_tell(key, sizeof(key))) TH_LOG("%zu blocks", num);
			/* all but the return address */
			ASSERT_EQ(0, memcmp(self->stack, self->stack_before, STACK - 64 - 8));
			ASSERT_EQ(0, memcmp(self->stack + STACK - 64,
					    self->stack_before + STACK - 64, 64));

			call_with(self, fns[i], args, true);
			ASSERT_EQ(0, registers.xinuse & XINUSE_WIDE) {
				TH_LOG("%zu blocks: %llx", num, registers.xinuse);
			}
		}
	}
}

TEST_F(registers, calls_leave_nothing)
{
	const size_t width = variant->level ? 64 : 16;
	unsigned char key[CHACHA_KEY], old[CHACHA_KEY];
	unsigned int kinds[3] = { 0 };

	model_open(&self->model, variant->level);
	for (unsigned int i = 0; i < 4000; i++) {
		size_t len = 1 + number() % (number() % 8 ? 100 : 4000);
		const bool unused = number() % 2, reseeds = !(number() % 50) || !i;
		const __u64 args[5] = {
			(uintptr_t)self->out, len, 0, (uintptr_t)self->state, self->size
		};
		const unsigned char *batch;
		unsigned int cleared;
		const char *wrong;
		size_t left;

		if (reseeds) {
			self->image.rng->generation++;
			seed_key(key, seed.keys);
			model_reseed(&self->model, key, self->image.rng->generation);
		}
		memcpy(old, self->model.key, sizeof(old));
		model_output(&self->model, self->expected, len);
		call_with(self, self->image.v.call, args, unused);
		ASSERT_EQ(len, registers.after[RAX]);
		ASSERT_EQ(0, memcmp(self->out, self->expected, len));

		cleared = memcmp(old, self->model.key, sizeof(old)) ? 16 : 0;
		kinds[cleared ? 1 + reseeds : 0]++;
		wrong = generals_are_right() ?:
			unused ? NULL : vectors_are_right(cleared, width);
		ASSERT_EQ(NULL, wrong) TH_LOG("%s: call %u, %zu bytes", wrong, i, len);
		if (unused) {
			ASSERT_EQ(0, registers.xinuse & XINUSE_WIDE) {
				TH_LOG("%zu bytes: %llx", len, registers.xinuse);
			}
		}
		/* what was not handed out, by whole words */
		left = (self->model.batch_size - self->model.pos) / 8 * 8;
		batch = self->model.batch + self->model.batch_size - left;
		ASSERT_FALSE(generals_tell(old, sizeof(old)) ||
			     generals_tell(key, sizeof(key)) ||
			     generals_tell(self->model.key, CHACHA_KEY) ||
			     generals_tell(batch, left)) {
			TH_LOG("call %u, %zu bytes", i, len);
		}
		ASSERT_FALSE(stack_tells(self, old, sizeof(old)) ||
			     stack_tells(self, key, sizeof(key)) ||
			     stack_tells(self, self->model.key, CHACHA_KEY) ||
			     stack_tells(self, batch, left)) {
			TH_LOG("call %u, %zu bytes", i, len);
		}
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		EXPECT_LT(10, kinds[i]) TH_LOG("calls of kind %u", i);
	}
}

/* What these tests look for is found where it is. */
void dirty_wide(void);
void dirty_mask(void);
void dirty_upper(void);
void dirty_secret(void);
void dirty_stack(void);

asm(".pushsection .text\n"
    "dirty_wide:	vpcmpeqd %ymm3, %ymm3, %ymm3\n"
    "	ret\n"
    "dirty_mask:	kxnorw	%k7, %k7, %k7\n"
    "	ret\n"
    "dirty_upper:	vpternlogd $0xff, %zmm31, %zmm31, %zmm31\n"
    "	ret\n"
    "dirty_secret:	movslq	(%rdi), %r9\n"
    "	std\n"
    "	ret\n"
    "dirty_stack:	mov	(%rdi), %rax\n"
    "	mov	%rax, -400(%rsp)\n"
    "	ret\n"
    ".popsection\n");

TEST_F(registers, what_is_left_is_found)
{
	static const unsigned char secret[8] = "secret!";
	const __u64 args[5] = { (uintptr_t)secret };

	call_with(self, dirty_secret, args, false);
	EXPECT_TRUE(generals_tell(secret, 4));
	EXPECT_FALSE(generals_tell(secret + 4, 4));
	EXPECT_NE(NULL, generals_are_right());
	EXPECT_EQ(NULL, vectors_are_right(0, 0));
	EXPECT_NE(NULL, vectors_are_right(1, 16));
	EXPECT_FALSE(stack_tells(self, secret, 8));
	call_with(self, dirty_stack, args, false);
	EXPECT_TRUE(stack_tells(self, secret, 8));
	EXPECT_NE(0, memcmp(self->stack, self->stack_before, STACK - 64 - 8));
	EXPECT_EQ(NULL, generals_are_right());
	if (vdso_cpu_level(1)) {
		call_with(self, dirty_wide, args, true);
		EXPECT_NE(0, registers.xinuse & XINUSE_WIDE);
		call_with(self, dirty_wide, args, false);
		EXPECT_NE(NULL, vectors_are_right(0, 0));
	}
	if (vdso_cpu_level(2)) {
		call_with(self, dirty_mask, args, true);
		EXPECT_NE(0, registers.xinuse & XINUSE_WIDE);
		call_with(self, dirty_mask, args, false);
		EXPECT_NE(NULL, vectors_are_right(0, 0));
		call_with(self, dirty_upper, args, true);
		EXPECT_NE(0, registers.xinuse & XINUSE_WIDE);
		call_with(self, dirty_upper, args, false);
		EXPECT_NE(NULL, vectors_are_right(16, 64));
	}
}

TEST_HARNESS_MAIN
