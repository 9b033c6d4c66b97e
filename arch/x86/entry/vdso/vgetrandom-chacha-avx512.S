/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20 for vDSO getrandom(), with AVX-512 (F): sixteen blocks at a time.
 *
 * Each register holds one word of the state, of sixteen blocks: row i is word i,
 * as in vgetrandom-chacha.S, which tells what is read and written when. Rotations
 * need no temporary here, so the sixteen rows fit. One register more is needed
 * only after the last round: the first one that comes out of four rows is made
 * without, and stored.
 *
 * Registers 16 to 31 and the mask registers would help, but nothing that is
 * cheap returns them to their initial state, and without that each context
 * switch of the thread would save and restore them from then on.
 */
#include <linux/linkage.h>
#include <asm/vdso/vgetrandom.h>

#ifndef BUILD_VDSO	/* the kernel, for a test */
	.cfi_sections .debug_frame
#endif

.section .rodata.chacha20_avx512, "a"
.balign 64
.Lblocks:
	.long	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
.Lodd_quads:
	.quad	0, -1, 0, -1, 0, -1, 0, -1
.Lodd_words:
	.long	0, -1
.Lconstants:
	.long	0x61707865, 0x3320646e, 0x79622d32, 0x6b206574

.text

.set	dst,		%rdi
.set	key0,		%rsi	/* two words of the key each */
.set	key0d,		%esi
.set	counter,	%rdx
.set	nblocks,	%rcx
.set	state,		%r8
.set	key1,		%r9
.set	key1d,		%r9d
.set	key2,		%r10
.set	key2d,		%r10d
.set	key3,		%r11
.set	key3d,		%r11d
.set	words,		%rax
.set	word,		%eax
.set	round,		%eax

/* Four quarter rounds, on rows a0.. to d0.. */
.macro quarter4 b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3
	quarter_step \b0, \b1, \b2, \b3, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, 16, 12
	quarter_step \b0, \b1, \b2, \b3, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, 8, 7
.endm

.macro quarter_step b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, bits_d, bits_b
	vpaddd	%zmm\b0, %zmm0, %zmm0
	vpaddd	%zmm\b1, %zmm1, %zmm1
	vpaddd	%zmm\b2, %zmm2, %zmm2
	vpaddd	%zmm\b3, %zmm3, %zmm3
	vpxord	%zmm0, %zmm\d0, %zmm\d0
	vpxord	%zmm1, %zmm\d1, %zmm\d1
	vpxord	%zmm2, %zmm\d2, %zmm\d2
	vpxord	%zmm3, %zmm\d3, %zmm\d3
	.irp	d, \d0, \d1, \d2, \d3
	vprold	$\bits_d, %zmm\d, %zmm\d
	.endr
	vpaddd	%zmm\d0, %zmm\c0, %zmm\c0
	vpaddd	%zmm\d1, %zmm\c1, %zmm\c1
	vpaddd	%zmm\d2, %zmm\c2, %zmm\c2
	vpaddd	%zmm\d3, %zmm\c3, %zmm\c3
	vpxord	%zmm\c0, %zmm\b0, %zmm\b0
	vpxord	%zmm\c1, %zmm\b1, %zmm\b1
	vpxord	%zmm\c2, %zmm\b2, %zmm\b2
	vpxord	%zmm\c3, %zmm\b3, %zmm\b3
	.irp	b, \b0, \b1, \b2, \b3
	vprold	$\bits_b, %zmm\b, %zmm\b
	.endr
.endm

/* Adds two words of the key, by way of zmm0, to two rows. */
.macro add_key pair, pair_d, low, high
	vpbroadcastd \pair_d, %zmm0
	vpaddd	%zmm0, %zmm\low, %zmm\low
	mov	\pair, words
	shr	$32, words
	vpbroadcastd word, %zmm0
	vpaddd	%zmm0, %zmm\high, %zmm\high
.endm

/*
 * Adds the numbers of the blocks, by way of zmm0, to rows 12 and 13. The lower
 * half overflows where its highest bit was set and no longer is: what is added
 * is less than 16.
 */
.macro add_numbers
	vpbroadcastd (counter), %zmm0
	vpaddd	.Lblocks(%rip), %zmm0, %zmm0
	vpaddd	%zmm0, %zmm12, %zmm12
	vpandnd	(counter){1to16}, %zmm0, %zmm0
	vpsrld	$31, %zmm0, %zmm0
	vpaddd	%zmm0, %zmm13, %zmm13
	vpaddd	4(counter){1to16}, %zmm13, %zmm13
.endm

/*
 * Transposes four rows in each quarter of the registers: rows a to d become, in
 * d, t, b and a, four words each of blocks 0, 1, 2 and 3 of every four. c is
 * free then.
 */
.macro words4 a, b, c, d, t
	vpunpckldq	%zmm\b, %zmm\a, %zmm\t
	vpunpckhdq	%zmm\b, %zmm\a, %zmm\a
	vpunpckldq	%zmm\d, %zmm\c, %zmm\b
	vpunpckhdq	%zmm\d, %zmm\c, %zmm\c
	vpunpcklqdq	%zmm\b, %zmm\t, %zmm\d
	vpunpckhqdq	%zmm\b, %zmm\t, %zmm\t
	vpunpcklqdq	%zmm\c, %zmm\a, %zmm\b
	vpunpckhqdq	%zmm\c, %zmm\a, %zmm\a
.endm

/* Rows a and b change places where the mask says so, without a temporary. */
.macro swap a, b, mask:vararg
	vpxord		%zmm\b, %zmm\a, %zmm\a
	vpternlogq	$0x78, \mask, %zmm\a, %zmm\b	/* b ^= a & mask */
	vpxord		%zmm\b, %zmm\a, %zmm\a
.endm

/* Four words of each of the blocks 0, 4, 8 and 12. */
.macro store_quarters offset, row
	vmovdqu		%xmm\row, \offset(dst)
	cmp		$4, nblocks
	jbe		.Lstored\@
	vextracti32x4	$1, %zmm\row, 256 + \offset(dst)
	cmp		$8, nblocks
	jbe		.Lstored\@
	vextracti32x4	$2, %zmm\row, 512 + \offset(dst)
	cmp		$12, nblocks
	jbe		.Lstored\@
	vextracti32x4	$3, %zmm\row, 768 + \offset(dst)
.Lstored\@:
.endm

.macro store_block number, row
	cmp	$\number, nblocks
	jbe	.Lnot\@
	vmovdqu32 %zmm\row, 64 * (\number)(dst)
.Lnot\@:
.endm

/*
 * Transposes the quarters of four registers, which have words 0-3, 4-7, 8-11 and
 * 12-15 of four blocks, and stores the blocks. All but c are used up.
 */
.macro store_blocks first, a, b, c, d, t
	vshufi32x4	$0x44, %zmm\b, %zmm\a, %zmm\t
	vshufi32x4	$0xee, %zmm\b, %zmm\a, %zmm\a
	vshufi32x4	$0x44, %zmm\d, %zmm\c, %zmm\b
	vshufi32x4	$0xee, %zmm\d, %zmm\c, %zmm\c
	vshufi32x4	$0x88, %zmm\b, %zmm\t, %zmm\d
	vshufi32x4	$0xdd, %zmm\b, %zmm\t, %zmm\t
	vshufi32x4	$0x88, %zmm\c, %zmm\a, %zmm\b
	vshufi32x4	$0xdd, %zmm\c, %zmm\a, %zmm\a
	store_block	\first, \d
	store_block	\first + 4, \t
	store_block	\first + 8, \b
	store_block	\first + 12, \a
.endm

/**
 * __arch_chacha20_blocks_avx512 - ChaCha20 keystream, nonce 0, for a claimed state
 * @dst:	%rdi, @nblocks * 64 bytes, of any alignment
 * @key:	%rsi, 32 bytes, read before anything is written
 * @counter:	%rdx, 64-bit number of the first block; increased by @nblocks
 * @nblocks:	%rcx, at least 1
 * @state:	%r8, struct vgetrandom_state
 *
 * Writes nothing but @dst and @counter, and leaves no vector register and no
 * register that held a key behind. If the state's claim is 0, it comes to its end
 * early.
 */
	.cfi_startproc
SYM_FUNC_START(__arch_chacha20_blocks_avx512)
	mov	24(%rsi), key3
	mov	16(%rsi), key2
	mov	8(%rsi), key1
	mov	(%rsi), key0

.Lgroup:
	.irp	i, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vpxor	%xmm\i, %xmm\i, %xmm\i
	.endr
	add_key	key0, key0d, 4, 5
	add_key	key1, key1d, 6, 7
	add_key	key2, key2d, 8, 9
	add_key	key3, key3d, 10, 11
	add_numbers
	vpbroadcastd .Lconstants(%rip), %zmm0
	vpbroadcastd 4 + .Lconstants(%rip), %zmm1
	vpbroadcastd 8 + .Lconstants(%rip), %zmm2
	vpbroadcastd 12 + .Lconstants(%rip), %zmm3

	mov	$10, round
.Lrounds:
	quarter4 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	quarter4 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14
	dec	round
	jnz	.Lrounds

	vpaddd	.Lconstants(%rip){1to16}, %zmm0, %zmm0
	vpaddd	4 + .Lconstants(%rip){1to16}, %zmm1, %zmm1
	vpaddd	8 + .Lconstants(%rip){1to16}, %zmm2, %zmm2
	vpaddd	12 + .Lconstants(%rip){1to16}, %zmm3, %zmm3
	/* the key is read, nothing is stored */
	cmpl	$0, VGETRANDOM_CLAIM(state)
	je	.Lclear

	vpshufd	$0x4e, %zmm2, %zmm2
	vpshufd	$0x4e, %zmm3, %zmm3
	swap	0, 2, .Lodd_quads(%rip)
	swap	1, 3, .Lodd_quads(%rip)
	vpshufd	$0xb1, %zmm1, %zmm1
	swap	0, 1, .Lodd_words(%rip){1to8}
	store_quarters 0, 0
	vpshufd	$0xb1, %zmm1, %zmm1
	vpunpckldq %zmm3, %zmm2, %zmm0
	vpunpckhdq %zmm3, %zmm2, %zmm2
	vpunpcklqdq %zmm0, %zmm2, %zmm3
	vpunpckhqdq %zmm0, %zmm2, %zmm2	/* words 0-3 in (stored), 1, 3, 2 */

	add_key	key0, key0d, 4, 5
	add_key	key1, key1d, 6, 7
	add_key	key2, key2d, 8, 9
	add_key	key3, key3d, 10, 11
	add_numbers
	words4	4, 5, 6, 7, 0		/* words 4-7 in 7, 0, 5, 4 */
	words4	8, 9, 10, 11, 6		/* words 8-11 in 11, 6, 9, 8 */
	words4	12, 13, 14, 15, 10	/* words 12-15 in 15, 10, 13, 12 */

	store_quarters 16, 7
	store_quarters 32, 11
	store_quarters 48, 15
	store_blocks 1, 1, 0, 6, 10, 14
	store_blocks 2, 3, 5, 9, 13, 14
	store_blocks 3, 2, 4, 8, 12, 14

	cmp	$16, nblocks
	jb	.Lpart
	addq	$16, (counter)
	add	$1024, dst
	sub	$16, nblocks
	jnz	.Lgroup
	jmp	.Lclear
.Lpart:
	add	nblocks, (counter)

.Lclear:
	xor	%eax, %eax
	xor	%esi, %esi
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vpxor	%xmm\i, %xmm\i, %xmm\i
	.endr
	vzeroupper
	RET
SYM_FUNC_END(__arch_chacha20_blocks_avx512)
	.cfi_endproc
