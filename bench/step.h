/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Step through a call: SIGTRAP comes before each of its instructions, and in its end.
 *
 *	static void trapped(int sig, siginfo_t *info, void *context)
 *	{
 *		greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
 *
 *		if (step_has_ended(regs))
 *			return;
 *		...
 *	}
 *
 * At step_returned is a breakpoint, which comes as a signal, with the address behind it, if the
 * call was not stepped through to its end; or a second one, if the first has not gone past it.
 */

#ifndef STEP_H
#define STEP_H

#include <linux/types.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

/* The trap flag: in REG_EFL, it lets the next instruction be the last one before a signal. */
#define STEP_FLAG	0x100

/* The stack pointer of step_call(), as it is at step_returned. */
uintptr_t step_sp;
extern const unsigned char step_returned[];

/* Registers that a call preserves, in DWARF's numbers, and what they hold at step_returned. */
static const struct {
	unsigned char number;
	__u64 value;
} step_preserved[] = {
	{ 3, 0x3b3b3b3b3b3b3b3b }, { 6, 0x6b6b6b6b6b6b6b6b }, { 12, 0xc1c1c1c1c1c1c1c1 },
	{ 13, 0xd1d1d1d1d1d1d1d1 }, { 14, 0xe1e1e1e1e1e1e1e1 }, { 15, 0xf1f1f1f1f1f1f1f1 },
};

/**
 * step_call - make a call step by step
 * @fn:		the function
 * @args:	its five arguments
 *
 * Returns: what the function returns.
 */
long step_call(const void *fn, const __u64 *args);

asm(".pushsection .text\n"
    ".globl step_call\n"
    ".type step_call, @function\n"
    "step_call:\n"
    "	push	%rbx\n"
    "	push	%rbp\n"
    "	push	%r12\n"
    "	push	%r13\n"
    "	push	%r14\n"
    "	push	%r15\n"
    "	sub	$8, %rsp\n"
    "	mov	%rsp, step_sp(%rip)\n"
    "	movabs	$0x3b3b3b3b3b3b3b3b, %rbx\n"
    "	movabs	$0x6b6b6b6b6b6b6b6b, %rbp\n"
    "	movabs	$0xc1c1c1c1c1c1c1c1, %r12\n"
    "	movabs	$0xd1d1d1d1d1d1d1d1, %r13\n"
    "	movabs	$0xe1e1e1e1e1e1e1e1, %r14\n"
    "	movabs	$0xf1f1f1f1f1f1f1f1, %r15\n"
    "	mov	%rdi, %rax\n"
    "	mov	(%rsi), %rdi\n"
    "	mov	16(%rsi), %rdx\n"
    "	mov	24(%rsi), %rcx\n"
    "	mov	32(%rsi), %r8\n"
    "	mov	8(%rsi), %rsi\n"
    "	pushfq\n"
    "	orq	$0x100, (%rsp)\n"
    "	popfq\n"
    "	call	*%rax\n"
    "step_returned:\n"
    "	int3\n"
    "	add	$8, %rsp\n"
    "	pop	%r15\n"
    "	pop	%r14\n"
    "	pop	%r13\n"
    "	pop	%r12\n"
    "	pop	%rbp\n"
    "	pop	%rbx\n"
    "	ret\n"
    ".size step_call, . - step_call\n"
    ".popsection\n");

/**
 * step_has_ended - go past the breakpoint, without more signals, if the call has returned
 * @regs:	of the signal's context
 *
 * Returns: whether it has.
 */
static inline int step_has_ended(greg_t *regs)
{
	if (regs[REG_RIP] != (greg_t)step_returned)
		return 0;
	regs[REG_EFL] &= ~STEP_FLAG;
	regs[REG_RIP]++;
	return 1;
}

#endif /* STEP_H */
