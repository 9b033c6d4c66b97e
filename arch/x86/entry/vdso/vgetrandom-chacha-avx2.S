/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20 for vDSO getrandom(), with AVX2: eight blocks at a time.
 *
 * Each register holds one word of the state, of eight blocks: row i is word i,
 * and one of rows 8 and 10 waits in memory, as in vgetrandom-chacha.S, which tells
 * what that means.
 */
#include <linux/linkage.h>
#include <asm/vdso/vgetrandom.h>

#ifndef BUILD_VDSO	/* the kernel, for a test */
	.cfi_sections .debug_frame
#endif

.section .rodata.chacha20_avx2, "a"
.balign 32
.Lrotate16:
	.octa	0x0d0c0f0e09080b0a0504070601000302
	.octa	0x0d0c0f0e09080b0a0504070601000302
.Lrotate8:
	.octa	0x0e0d0c0f0a09080b0605040702010003
	.octa	0x0e0d0c0f0a09080b0605040702010003
.Lblocks0145:
	.quad	0, 1, 4, 5
.Lblocks2367:
	.quad	2, 3, 6, 7
.Lconstants:
	.long	0x61707865, 0x3320646e, 0x79622d32, 0x6b206574

.text

.set	dst,		%rdi
.set	key0,		%rsi	/* two words of the key each */
.set	counter,	%rdx
.set	nblocks,	%rcx
.set	state,		%r8
.set	key1,		%r9
.set	key2,		%r10
.set	key3,		%r11
.set	words,		%rax
.set	word,		%eax
.set	round,		%eax

.set	row0,		%ymm0
.set	row1,		%ymm1
.set	row2,		%ymm2
.set	row3,		%ymm3
.set	row4,		%ymm4
.set	row5,		%ymm5
.set	row6,		%ymm6
.set	row7,		%ymm7
.set	row8_10,	%ymm8
.set	row9,		%ymm9
.set	row11,		%ymm10
.set	row12,		%ymm11
.set	row13,		%ymm12
.set	row14,		%ymm13
.set	row15,		%ymm14
.set	temp,		%ymm15
.set	temp_x,		%xmm15

/* The idle row's place. */
#define IDLE	VGETRANDOM_SCRATCH(state)

.macro rotate row, bits
	vpslld	$\bits, \row, temp
	vpsrld	$32 - \bits, \row, \row
	vpor	temp, \row, \row
.endm

/* Two quarter rounds. */
.macro quarter2 a, b, c, d, e, f, g, h
	vpaddd	\b, \a, \a
	vpaddd	\f, \e, \e
	vpxor	\a, \d, \d
	vpxor	\e, \h, \h
	vpshufb	.Lrotate16(%rip), \d, \d
	vpshufb	.Lrotate16(%rip), \h, \h
	vpaddd	\d, \c, \c
	vpaddd	\h, \g, \g
	vpxor	\c, \b, \b
	vpxor	\g, \f, \f
	rotate	\b, 12
	rotate	\f, 12
	vpaddd	\b, \a, \a
	vpaddd	\f, \e, \e
	vpxor	\a, \d, \d
	vpxor	\e, \h, \h
	vpshufb	.Lrotate8(%rip), \d, \d
	vpshufb	.Lrotate8(%rip), \h, \h
	vpaddd	\d, \c, \c
	vpaddd	\h, \g, \g
	vpxor	\c, \b, \b
	vpxor	\g, \f, \f
	rotate	\b, 7
	rotate	\f, 7
.endm

/* Rows 8 and 10 change places. */
.macro swap_idle
	vmovdqu	IDLE, temp
	vmovdqu	row8_10, IDLE
	vmovdqa	temp, row8_10
.endm

/* temp = a word of the key, for each block */
.macro key_low pair
	vmovq	\pair, temp_x
	vpbroadcastd temp_x, temp
.endm

.macro key_high pair
	mov	\pair, words
	shr	$32, words
	vmovd	word, temp_x
	vpbroadcastd temp_x, temp
.endm

/* Two rows: the low and the high halves of the numbers of eight blocks. */
.macro numbers low, high
	vpbroadcastq (counter), \low
	vpaddq	.Lblocks2367(%rip), \low, temp
	vpaddq	.Lblocks0145(%rip), \low, \low
	vshufps	$0xdd, temp, \low, \high
	vshufps	$0x88, temp, \low, \low
.endm

/*
 * The rows a to d of eight blocks become words a to d of each, and go to dst:
 * blocks 0 to 3 are in the lower halves, 4 to 7 in the upper ones.
 */
.macro store_rows offset, a, b, c, d
	vpunpckldq	%ymm\b, %ymm\a, temp
	vpunpckhdq	%ymm\b, %ymm\a, %ymm\a
	vpunpckldq	%ymm\d, %ymm\c, %ymm\b
	vpunpckhdq	%ymm\d, %ymm\c, %ymm\c
	vpunpcklqdq	%ymm\b, temp, %ymm\d
	vpunpckhqdq	%ymm\b, temp, temp
	vpunpcklqdq	%ymm\c, %ymm\a, %ymm\b
	vpunpckhqdq	%ymm\c, %ymm\a, %ymm\a
	vmovdqu		%xmm\d, \offset(dst)
	cmp		$8, nblocks
	jb		.Lpart\@
	vmovdqu		temp_x, 64 + \offset(dst)
	vmovdqu		%xmm\b, 128 + \offset(dst)
	vmovdqu		%xmm\a, 192 + \offset(dst)
	vextracti128	$1, %ymm\d, 256 + \offset(dst)
	vextracti128	$1, temp, 320 + \offset(dst)
	vextracti128	$1, %ymm\b, 384 + \offset(dst)
	vextracti128	$1, %ymm\a, 448 + \offset(dst)
	jmp		.Lstored\@
.Lpart\@:
	cmp		$2, nblocks
	jb		.Lstored\@
	vmovdqu		temp_x, 64 + \offset(dst)
	je		.Lstored\@
	vmovdqu		%xmm\b, 128 + \offset(dst)
	cmp		$4, nblocks
	jb		.Lstored\@
	vmovdqu		%xmm\a, 192 + \offset(dst)
	je		.Lstored\@
	vextracti128	$1, %ymm\d, 256 + \offset(dst)
	cmp		$6, nblocks
	jb		.Lstored\@
	vextracti128	$1, temp, 320 + \offset(dst)
	je		.Lstored\@
	vextracti128	$1, %ymm\b, 384 + \offset(dst)
.Lstored\@:
.endm

.macro return_if_lost
	cmpl	$0, VGETRANDOM_CLAIM(state)
	je	.Lclear
.endm

/**
 * __arch_chacha20_blocks_avx2 - ChaCha20 keystream, nonce 0, for a claimed state
 * @dst:	%rdi, @nblocks * 64 bytes, of any alignment
 * @key:	%rsi, 32 bytes, read before anything is written
 * @counter:	%rdx, 64-bit number of the first block; increased by @nblocks
 * @nblocks:	%rcx, at least 1
 * @state:	%r8, struct vgetrandom_state with the 32 bytes of scratch memory that
 *		follow eight blocks; what is left there must be overwritten
 *
 * Writes nothing but @dst, @counter and the scratch memory, and leaves no vector
 * register and no register that held a key behind. If the state's claim is 0, it
 * comes to its end early.
 */
	.cfi_startproc
SYM_FUNC_START(__arch_chacha20_blocks_avx2)
	mov	24(%rsi), key3
	mov	16(%rsi), key2
	mov	8(%rsi), key1
	mov	(%rsi), key0

.Lgroup:
	vpbroadcastd .Lconstants(%rip), row0
	vpbroadcastd 4 + .Lconstants(%rip), row1
	vpbroadcastd 8 + .Lconstants(%rip), row2
	vpbroadcastd 12 + .Lconstants(%rip), row3
	key_low	key0
	vmovdqa	temp, row4
	key_high key0
	vmovdqa	temp, row5
	key_low	key1
	vmovdqa	temp, row6
	key_high key1
	vmovdqa	temp, row7
	key_low	key3
	vmovdqu	temp, IDLE
	key_low	key2
	vmovdqa	temp, row8_10
	key_high key2
	vmovdqa	temp, row9
	key_high key3
	vmovdqa	temp, row11
	numbers	row12, row13
	vpxor	row14, row14, row14
	vpxor	row15, row15, row15

	mov	$10, round
.Lrounds:
	quarter2 row0, row4, row8_10, row12, row1, row5, row9, row13
	swap_idle
	quarter2 row2, row6, row8_10, row14, row3, row7, row11, row15
	quarter2 row0, row5, row8_10, row15, row1, row6, row11, row12
	swap_idle
	quarter2 row2, row7, row8_10, row13, row3, row4, row9, row14
	dec	round
	jnz	.Lrounds

	vpbroadcastd .Lconstants(%rip), temp
	vpaddd	temp, row0, row0
	vpbroadcastd 4 + .Lconstants(%rip), temp
	vpaddd	temp, row1, row1
	vpbroadcastd 8 + .Lconstants(%rip), temp
	vpaddd	temp, row2, row2
	vpbroadcastd 12 + .Lconstants(%rip), temp
	vpaddd	temp, row3, row3
	return_if_lost
	store_rows 0, 0, 1, 2, 3

	key_low	key0
	vpaddd	temp, row4, row4
	key_high key0
	vpaddd	temp, row5, row5
	key_low	key1
	vpaddd	temp, row6, row6
	key_high key1
	vpaddd	temp, row7, row7
	store_rows 16, 4, 5, 6, 7

	/* row 10 comes back; rows 0 to 7 are free */
	key_low	key2
	vpaddd	temp, row8_10, row8_10
	key_high key2
	vpaddd	temp, row9, row9
	key_low	key3
	vpaddd	IDLE, temp, row0
	return_if_lost
	key_high key3
	vpaddd	temp, row11, row11
	store_rows 32, 8, 9, 0, 10

	numbers	row0, row1
	vpaddd	row0, row12, row12
	vpaddd	row1, row13, row13
	store_rows 48, 11, 12, 13, 14

	cmp	$8, nblocks
	jb	.Lpart
	addq	$8, (counter)
	add	$512, dst
	sub	$8, nblocks
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
SYM_FUNC_END(__arch_chacha20_blocks_avx2)
	.cfi_endproc
