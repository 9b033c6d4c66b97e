/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ChaCha20 for vDSO getrandom(), with SSE2: four blocks at a time.
 *
 * Each register holds one word of the state, of four blocks: row i is word i.
 * A quarter round is then the same for all of them, and no word ever changes
 * its place. 16 rows and a temporary are one register more than there are. Of
 * rows 8 and 10 one is always idle: it waits in memory, and the other is in
 * row8_10.
 *
 *	column round	(0 4 8 12) (1 5 9 13)	needs row 8
 *			(2 6 10 14) (3 7 11 15)	needs row 10
 *	diagonal round	(0 5 10 15) (1 6 11 12)	needs row 10
 *			(2 7 8 13) (3 4 9 14)	needs row 8
 *
 * That memory is the caller's, and must be as private as the key: with two rows
 * of a few rounds the others can be computed.
 *
 * The key is read once, and stays in general registers: the page that it comes
 * from may vanish at any time, and a second look could find zeros. Added to the
 * last round instead of the key, they would let whoever sees the output run the
 * rounds backwards.
 *
 * If the page has vanished, key and idle row are zeros, or somebody else's.
 * Therefore the claim to the state is looked at after they are read and before
 * what comes of them is stored. Nothing more is stored if it is lost.
 */
#include <linux/linkage.h>
#include <asm/vdso/vgetrandom.h>

#ifndef BUILD_VDSO	/* the kernel, for a test */
	.cfi_sections .debug_frame
#endif

.section .rodata.chacha20_sse2, "a"
.balign 16
.Lconstants:
	.rept 4
	.long	0x61707865
	.endr
	.rept 4
	.long	0x3320646e
	.endr
	.rept 4
	.long	0x79622d32
	.endr
	.rept 4
	.long	0x6b206574
	.endr
.Lblocks01:
	.quad	0, 1
.Lblocks23:
	.quad	2, 3

.text

.set	dst,		%rdi
.set	key0,		%rsi	/* two words of the key each */
.set	key0d,		%esi
.set	counter,	%rdx
.set	nblocks,	%rcx	/* times 256 */
.set	round,		%cl
.set	idle,		%r8	/* where the idle row is */
.set	claim,		%rax
.set	key1,		%r9
.set	key1d,		%r9d
.set	key2,		%r10
.set	key2d,		%r10d
.set	key3,		%r11
.set	key3d,		%r11d

.set	row0,		%xmm0
.set	row1,		%xmm1
.set	row2,		%xmm2
.set	row3,		%xmm3
.set	row4,		%xmm4
.set	row5,		%xmm5
.set	row6,		%xmm6
.set	row7,		%xmm7
.set	row8_10,	%xmm8
.set	row9,		%xmm9
.set	row11,		%xmm10
.set	row12,		%xmm11
.set	row13,		%xmm12
.set	row14,		%xmm13
.set	row15,		%xmm14
.set	temp,		%xmm15

.macro rotate row, bits
	movdqa	\row, temp
	pslld	$\bits, \row
	psrld	$32 - \bits, temp
	por	temp, \row
.endm

.macro rotate16 row
	pshuflw	$0xb1, \row, \row
	pshufhw	$0xb1, \row, \row
.endm

/* Two quarter rounds. */
.macro quarter2 a, b, c, d, e, f, g, h
	paddd	\b, \a
	paddd	\f, \e
	pxor	\a, \d
	pxor	\e, \h
	rotate16 \d
	rotate16 \h
	paddd	\d, \c
	paddd	\h, \g
	pxor	\c, \b
	pxor	\g, \f
	rotate	\b, 12
	rotate	\f, 12
	paddd	\b, \a
	paddd	\f, \e
	pxor	\a, \d
	pxor	\e, \h
	rotate	\d, 8
	rotate	\h, 8
	paddd	\d, \c
	paddd	\h, \g
	pxor	\c, \b
	pxor	\g, \f
	rotate	\b, 7
	rotate	\f, 7
.endm

/* Rows 8 and 10 change places. */
.macro swap_idle
	movdqu	(idle), temp
	movdqu	row8_10, (idle)
	movdqa	temp, row8_10
.endm

/* temp = a word of the key, for each block */
.macro key_low wordd
	movd	\wordd, temp
	pshufd	$0x00, temp, temp
.endm

.macro key_high words
	movq	\words, temp
	pshufd	$0x55, temp, temp
.endm

/* The rows a to d of four blocks become words a to d of each, and go to dst. */
.macro store_rows offset, a, b, c, d
	movdqa		\a, temp
	punpckldq	\b, temp
	punpckhdq	\b, \a
	movdqa		\c, \b
	punpckldq	\d, \b
	punpckhdq	\d, \c
	movdqa		temp, \d
	punpcklqdq	\b, \d
	punpckhqdq	\b, temp
	movdqa		\a, \b
	punpcklqdq	\c, \b
	punpckhqdq	\c, \a
	movdqu		\d, \offset(dst)
	cmp		$2 * 256, nblocks
	jb		.Lstored\@
	movdqu		temp, 64 + \offset(dst)
	je		.Lstored\@
	movdqu		\b, 128 + \offset(dst)
	cmp		$4 * 256, nblocks
	jb		.Lstored\@
	movdqu		\a, 192 + \offset(dst)
.Lstored\@:
.endm

.macro return_if_lost
	cmpl	$0, (claim)
	je	.Lclear
.endm

/**
 * __arch_chacha20_blocks_nostack - ChaCha20 keystream, nonce 0
 * @dst:	%rdi, @nblocks * 64 bytes, of any alignment
 * @key:	%rsi, 32 bytes, read before anything is written
 * @counter:	%rdx, 64-bit number of the first block; increased by @nblocks
 * @nblocks:	%rcx, 1 to 2^48
 *
 * Writes nothing but @dst, where its last 16 bytes are scratch memory until they are
 * stored, and @counter; leaves no vector register and no register that held a key
 * behind. Not for a @dst that others can read or write meanwhile.
 */
	.cfi_startproc
SYM_FUNC_START(__arch_chacha20_blocks_nostack)
	mov	nblocks, idle
	shl	$6, idle
	lea	-16(dst, idle), idle
	/* never 0 */
	lea	.Lconstants(%rip), claim
	jmp	__arch_chacha20_groups_sse2
SYM_FUNC_END(__arch_chacha20_blocks_nostack)
	.cfi_endproc

/**
 * __arch_chacha20_blocks_sse2 - ChaCha20 keystream, nonce 0, for a claimed state
 * @dst:	%rdi, @nblocks * 64 bytes, of any alignment
 * @key:	%rsi, 32 bytes, read before anything is written
 * @counter:	%rdx, 64-bit number of the first block; increased by @nblocks
 * @nblocks:	%rcx, 1 to 2^48
 * @state:	%r8, struct vgetrandom_state with the 32 bytes of scratch memory that
 *		follow eight blocks; what is left there must be overwritten
 *
 * Writes nothing but @dst, @counter and the scratch memory, and leaves no vector
 * register and no register that held a key behind. If the state's claim is 0, it
 * comes to its end early.
 */
	.cfi_startproc
SYM_FUNC_START(__arch_chacha20_blocks_sse2)
	lea	VGETRANDOM_CLAIM(%r8), claim
	add	$VGETRANDOM_SCRATCH, idle
	jmp	__arch_chacha20_groups_sse2
SYM_FUNC_END(__arch_chacha20_blocks_sse2)
	.cfi_endproc

/* What both have in common. */
	.cfi_startproc
SYM_FUNC_START(__arch_chacha20_groups_sse2)
	mov	24(%rsi), key3
	mov	16(%rsi), key2
	mov	8(%rsi), key1
	mov	(%rsi), key0
	shl	$8, nblocks

.Lgroup:
	movdqa	.Lconstants(%rip), row0
	movdqa	16 + .Lconstants(%rip), row1
	movdqa	32 + .Lconstants(%rip), row2
	movdqa	48 + .Lconstants(%rip), row3
	key_low	key0d
	movdqa	temp, row4
	key_high key0
	movdqa	temp, row5
	key_low	key1d
	movdqa	temp, row6
	key_high key1
	movdqa	temp, row7
	key_low	key2d
	movdqa	temp, row8_10
	key_high key2
	movdqa	temp, row9
	key_low	key3d
	movdqu	temp, (idle)
	key_high key3
	movdqa	temp, row11
	movq	(counter), row12
	punpcklqdq row12, row12
	movdqa	row12, temp
	paddq	.Lblocks01(%rip), row12
	paddq	.Lblocks23(%rip), temp
	movdqa	row12, row13
	shufps	$0x88, temp, row12
	shufps	$0xdd, temp, row13
	pxor	row14, row14
	pxor	row15, row15

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

	paddd	.Lconstants(%rip), row0
	paddd	16 + .Lconstants(%rip), row1
	paddd	32 + .Lconstants(%rip), row2
	paddd	48 + .Lconstants(%rip), row3
	return_if_lost
	store_rows 0, row0, row1, row2, row3

	key_low	key0d
	paddd	temp, row4
	key_high key0
	paddd	temp, row5
	key_low	key1d
	paddd	temp, row6
	key_high key1
	paddd	temp, row7
	store_rows 16, row4, row5, row6, row7

	/* row 10 comes back; rows 0 to 7 are free */
	movdqu	(idle), row0
	return_if_lost
	key_low	key2d
	paddd	temp, row8_10
	key_high key2
	paddd	temp, row9
	key_low	key3d
	paddd	temp, row0
	key_high key3
	paddd	temp, row11
	store_rows 32, row8_10, row9, row0, row11

	movq	(counter), row0
	punpcklqdq row0, row0
	movdqa	row0, temp
	paddq	.Lblocks01(%rip), row0
	paddq	.Lblocks23(%rip), temp
	movdqa	row0, row1
	shufps	$0x88, temp, row0
	shufps	$0xdd, temp, row1
	paddd	row0, row12
	paddd	row1, row13
	store_rows 48, row12, row13, row14, row15

	cmp	$4 * 256, nblocks
	jb	.Lpart
	addq	$4, (counter)
	add	$256, dst
	sub	$4 * 256, nblocks
	jnz	.Lgroup
	jmp	.Lclear
.Lpart:
	shr	$8, nblocks
	add	nblocks, (counter)

.Lclear:
	xor	%esi, %esi
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	pxor	%xmm\i, %xmm\i
	.endr
	RET
SYM_FUNC_END(__arch_chacha20_groups_sse2)
	.cfi_endproc
