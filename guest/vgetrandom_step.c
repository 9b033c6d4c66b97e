// SPDX-License-Identifier: GPL-2.0
/*
 * Steps through calls of the vDSO's getrandom() by ptrace, with a state in MAP_DROPPABLE memory,
 * and at each instruction does to them what can happen there: the page is dropped, the process is
 * forked, a signal handler makes a call with the same state, the kernel's generator is reseeded.
 * Then the call runs to its end, and two more are made with what it left.
 *
 *	vgetrandom_step sse2|avx2
 *
 * Nothing that any of them returns may be there twice, be zeros, come from a key of zeros, or be
 * ChaCha20's permutation without the last addition; nor, after a reseed, come from the key before.
 * For the next instruction all that the process had is brought back, but after a reseed, which
 * cannot be undone: these calls begin anew, and run to a breakpoint of the processor's.
 * bench/vgetrandom_vanish_test.c does the same natively, and knows the keys. Ends with "done".
 */

#define _GNU_SOURCE

#include <elf.h>
#include <linux/random.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof(*(array)))
#include "../bench/vdso_image.h"
#include "../bench/vgetrandom_model.h"
#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"
#include "guest.h"

#define OUT_MAX		2304
#define STACK_BELOW	1024
#define STACK_SIZE	4096
#define XSTATE_MAX	16384
#define STEPS_MAX	200000
#define TEXT_MAX	(16 * VDSO_PAGE)
/* In loops all rounds are alike. */
#define VISITS		1

/* Of the process that is stepped through; it and its tracer have it at the same address. */
static struct area {
	unsigned char *state;
	size_t size;
	size_t len;
	unsigned char out[OUT_MAX];
	long ret;
	unsigned char handlers_out[24];
	long handlers_ret;
} area;

struct vgetrandom vdso;
static unsigned char *text;	/* the vDSO's first page */
static pid_t tracee;
static unsigned long stack_top;

extern const unsigned char call_begins[], call_ends[], gadget[];
void call(void);

asm(".pushsection .text\n"
    ".globl call\n"
    "call:\n"
    "	push	%rbx\n"
    "	mov	%rdi, %rbx\n"
    "call_begins:\n"
    "	int3\n"
    "	mov	(%rbx), %rcx\n"
    "	mov	8(%rbx), %r8\n"
    "	mov	16(%rbx), %rsi\n"
    "	lea	24(%rbx), %rdi\n"
    "	xor	%edx, %edx\n"
    "	call	*vdso(%rip)\n"
    "	mov	%rax, 24+2304(%rbx)\n"
    "call_ends:\n"
    "	int3\n"
    "	pop	%rbx\n"
    "	ret\n"
    "gadget:\n"
    "	syscall\n"
    "	int3\n"
    ".popsection\n");

static void handler(int sig)
{
	(void)sig;
	area.handlers_ret = vdso.call(area.handlers_out, sizeof(area.handlers_out), 0, area.state,
				      area.size);
}

/* Where the stack's mapping ends: not far above main(). */
static unsigned long end_of_stack(void)
{
	unsigned long start, end = 0;
	char line[256];
	FILE *f = fopen("/proc/self/maps", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[stack]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			break;
	if (!end)
		errx(1, "/proc/self/maps has no stack");
	fclose(f);
	return end;
}

static void be_traced(void)
{
	void (*call_with)(struct area *area) = (void (*)(struct area *))call;
	struct sigaction action = { .sa_handler = handler };

	sigset_t ends;

	/* the ends of its children are not to stop it */
	sigemptyset(&ends);
	sigaddset(&ends, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	sigaction(SIGUSR1, &action, NULL);
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		err(1, "PTRACE_TRACEME");
	for (;;)
		call_with(&area);
}

/* ---------------------------------------------------------------- the tracer */

static void read_from(pid_t pid, void *to, const void *from, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)from, size };

	if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != (ssize_t)size)
		err(1, "process_vm_readv");
}

static void write_to(pid_t pid, void *to, const void *from, size_t size)
{
	struct iovec local = { (void *)from, size }, remote = { to, size };

	if (process_vm_writev(pid, &local, 1, &remote, 1, 0) != (ssize_t)size)
		err(1, "process_vm_writev");
}

static void get_regs(pid_t pid, struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_GETREGS, pid, 0, regs))
		err(1, "PTRACE_GETREGS");
}

static void set_regs(pid_t pid, const struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_SETREGS, pid, 0, regs))
		err(1, "PTRACE_SETREGS");
}

/* Waits for a stop by SIGTRAP, or by another signal or event if that is given. */
static void wait_for(pid_t pid, int sig, int event)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid)
		err(1, "waitpid");
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != sig || status >> 16 != event)
		errx(1, "the process is in state %#x, not stopped by signal %d, event %d", status, sig,
		     event);
}

/* Lets it run to the next breakpoint, which must be this one. */
static void run_to(pid_t pid, const unsigned char *breakpoint, int sig)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_CONT, pid, 0, sig))
		err(1, "PTRACE_CONT");
	wait_for(pid, SIGTRAP, 0);
	get_regs(pid, &regs);
	if (regs.rip != (unsigned long)breakpoint + 1)
		errx(1, "a breakpoint at %#llx", regs.rip);
}

/* Lets it run to an instruction of the vDSO; false if the call has ended without it. */
static bool run_to_point(const unsigned char *point)
{
	const size_t registers = offsetof(struct user, u_debugreg);
	struct user_regs_struct regs;

	if (ptrace(PTRACE_POKEUSER, tracee, registers, point) ||
	    ptrace(PTRACE_POKEUSER, tracee, registers + 7 * sizeof(long), 1))
		err(1, "PTRACE_POKEUSER");
	if (ptrace(PTRACE_CONT, tracee, 0, 0))
		err(1, "PTRACE_CONT");
	wait_for(tracee, SIGTRAP, 0);
	get_regs(tracee, &regs);
	if (ptrace(PTRACE_POKEUSER, tracee, registers + 7 * sizeof(long), 0))
		err(1, "PTRACE_POKEUSER");
	if (regs.rip != (unsigned long)point && regs.rip != (unsigned long)call_ends + 1)
		errx(1, "a breakpoint at %#llx", regs.rip);
	return regs.rip == (unsigned long)point;
}

static void set_len(pid_t pid, size_t len)
{
	write_to(pid, &area.len, &len, sizeof(len));
}

/* Makes a whole call; the process is where the one before it ended. */
static void make_call(pid_t pid, size_t len, struct area *into)
{
	run_to(pid, call_begins, 0);
	set_len(pid, len);
	run_to(pid, call_ends, 0);
	if (into)
		read_from(pid, into, &area, sizeof(area));
}

/* All that is brought back. */
struct checkpoint {
	struct user_regs_struct regs;
	unsigned char xstate[XSTATE_MAX];
	struct iovec vectors;
	unsigned char stack[STACK_SIZE];
	size_t stack_size;
	unsigned char state[STATE_MAX];
	struct area area;
};

static void save(struct checkpoint *c)
{
	get_regs(tracee, &c->regs);
	c->vectors = (struct iovec){ c->xstate, sizeof(c->xstate) };
	if (ptrace(PTRACE_GETREGSET, tracee, NT_X86_XSTATE, &c->vectors))
		err(1, "PTRACE_GETREGSET");
	c->stack_size = stack_top - (c->regs.rsp - STACK_BELOW);
	if (c->stack_size > STACK_SIZE)
		c->stack_size = STACK_SIZE;
	read_from(tracee, c->stack, (void *)(c->regs.rsp - STACK_BELOW), c->stack_size);
	read_from(tracee, c->state, area.state, area.size);
	read_from(tracee, &c->area, &area, sizeof(area));
}

static void set_registers(pid_t pid, const struct checkpoint *c)
{
	set_regs(pid, &c->regs);
	if (ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &c->vectors))
		err(1, "PTRACE_SETREGSET");
}

static void bring_back(const struct checkpoint *c)
{
	set_registers(tracee, c);
	write_to(tracee, (void *)(c->regs.rsp - STACK_BELOW), c->stack, c->stack_size);
	write_to(tracee, area.state, c->state, area.size);
	write_to(tracee, &area, &c->area, sizeof(area));
}

/* Has it make a system call, for a fork with *child; its registers are to be set again. */
static long inject(const struct checkpoint *c, long number, unsigned long a, unsigned long b,
		   unsigned long d, pid_t *child)
{
	struct user_regs_struct regs = c->regs;
	unsigned long message;

	regs.rip = (unsigned long)gadget;
	regs.rax = number;
	regs.orig_rax = -1;
	regs.rdi = a;
	regs.rsi = b;
	regs.rdx = d;
	set_regs(tracee, &regs);
	if (child) {
		if (ptrace(PTRACE_CONT, tracee, 0, 0))
			err(1, "PTRACE_CONT");
		wait_for(tracee, SIGTRAP, PTRACE_EVENT_FORK);
		if (ptrace(PTRACE_GETEVENTMSG, tracee, 0, &message))
			err(1, "PTRACE_GETEVENTMSG");
		*child = message;
		wait_for(*child, SIGSTOP, 0);
		run_to(*child, gadget + 2, 0);
	}
	run_to(tracee, gadget + 2, 0);
	get_regs(tracee, &regs);
	return regs.rax;
}

/* ------------------------------------------------------------------ judging */

/*
 * Sets of eight bytes: what is forbidden in a pass, what the key that a call begins with has still
 * to give, and what has been seen since a disturbance.
 */
static struct sight {
	struct {
		__u64 bytes;
		unsigned int round;
	} slots[1 << 14];
	unsigned int round;
} forbidden, old, sight;

static bool seen(struct sight *in, const unsigned char *p, bool remember)
{
	__u64 bytes;
	size_t at;

	memcpy(&bytes, p, sizeof(bytes));
	for (at = bytes * 0x9e3779b97f4a7c15 >> 50; in->slots[at].round == in->round;
	     at = (at + 1) % ARRAY_SIZE(in->slots))
		if (in->slots[at].bytes == bytes)
			return true;
	if (remember) {
		in->slots[at].bytes = bytes;
		in->slots[at].round = in->round;
	}
	return false;
}

/* Whether eight bytes in a row are forbidden or have been seen; they all have been, then. */
static bool any_seen(const unsigned char *bytes, size_t len)
{
	bool any = false;

	for (size_t at = 0; at + 8 <= len; at++)
		any |= seen(&forbidden, bytes + at, false) || seen(&sight, bytes + at, true);
	return any;
}

static bool any_old(const unsigned char *bytes, size_t len)
{
	bool any = false;

	for (size_t at = 0; at + 8 <= len; at++)
		any |= seen(&old, bytes + at, false);
	return any;
}

static void put_in(struct sight *in, const void *bytes, size_t len)
{
	for (size_t at = 0; at + 8 <= len; at++)
		seen(in, (const unsigned char *)bytes + at, true);
}

static void forbid(const void *bytes, size_t len)
{
	put_in(&forbidden, bytes, len);
}

/* What nobody may ever get: zeros, a stream of the key of zeros, a permutation's raw output. */
static void forbid_all(const unsigned char *state)
{
	static const unsigned char zeros[CHACHA_KEY];
	unsigned char stream[16 * CHACHA_BLOCK];
	__u32 words[16], first[16] = { 0 };

	forbidden.round++;
	forbid(zeros, 8);
	for (unsigned int k = 0; k < 2; k++) {
		const unsigned char *key = k ? state + STATE_KEY : zeros;

		chacha_blocks(stream, key, 0, 16);
		if (!k)
			forbid(stream, sizeof(stream));
		memcpy(first, "expand 32-byte k", 16);
		memcpy(first + 4, key, CHACHA_KEY);
		for (unsigned int b = 0; b < 16; b++) {
			first[12] = b;
			memcpy(words, stream + b * CHACHA_BLOCK, sizeof(words));
			for (unsigned int i = 0; i < 16; i++)
				words[i] -= first[i];
			/* to the last words nothing is added: counter and nonce are 0 there */
			forbid(words, 12 * sizeof(*words));
		}
	}
}

static struct model level;	/* with a state's key and batch where it is copied */
static unsigned char undisturbed[OUT_MAX];

/* What comes from a state's key, and what a call makes if nothing happens to it. */
static void foresee(const unsigned char *state, size_t len)
{
	/* as far as the longest call goes, and a refill behind it */
	unsigned char stream[OUT_MAX + STATE_MAX];
	struct model model = level;
	__u32 pos;

	memcpy(&pos, state + STATE_POS, sizeof(pos));
	if (pos > model.batch_size)
		pos = model.batch_size;
	model.pos = pos;
	memcpy(model.key, state + STATE_KEY, CHACHA_KEY);
	memcpy(model.batch, state + STATE_BATCH, model.batch_size);
	old.round++;
	put_in(&old, model.batch + pos, model.batch_size - pos);
	chacha_blocks(stream, model.key, 0, sizeof(stream) / CHACHA_BLOCK);
	put_in(&old, stream, sizeof(stream));
	/* the key may be another one after the call */
	model_output(&model, undisturbed, len);
	chacha_blocks(stream, model.key, 0, sizeof(stream) / CHACHA_BLOCK);
	put_in(&old, stream, sizeof(stream));
}

static unsigned long bad, bad_at;
static unsigned int after_the_end;

/*
 * What it has made: of a call, of the handler's if there was one, and of two calls more. A call
 * looks at the generation last of all. If that has @moved, the call has all from the old key, if it
 * had looked before, or nothing.
 */
static bool outputs_are_bad(pid_t pid, const struct area *made, bool handled, bool moved)
{
	struct area more;
	bool is_bad = made->ret != (long)made->len || any_seen(made->out, made->len);

	if (moved && !memcmp(made->out, undisturbed, made->len))
		after_the_end++;
	else if (moved)
		is_bad |= any_old(made->out, made->len);
	if (handled)
		is_bad |= made->handlers_ret != sizeof(made->handlers_out) ||
			  any_seen(made->handlers_out, sizeof(made->handlers_out));
	for (unsigned int i = 0; i < 2; i++) {
		make_call(pid, i ? 600 : 40, &more);
		is_bad |= more.ret != (long)more.len || any_seen(more.out, more.len) ||
			  (moved && any_old(more.out, more.len));
	}
	return is_bad;
}

enum disturbance { DROP, CALL, DROP_AND_CALL, FORK, MOVE, DISTURBANCES };

static const char *const names[] = { "drop", "signal", "drop and signal", "fork", "reseed" };

static void move_generation(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/random", O_RDWR);
	if (fd < 0 || ioctl(fd, RNDRESEEDCRNG))
		err(1, "RNDRESEEDCRNG");
}

/* Disturbs the call where it stands, lets it run, and judges what comes of it. */
static void disturb(const struct checkpoint *c, enum disturbance what)
{
	bool is_bad = false, handled = what == CALL || what == DROP_AND_CALL;
	struct area made;
	pid_t child = 0;

	sight.round++;
	if (what == DROP || what == DROP_AND_CALL) {
		if (inject(c, SYS_madvise, (unsigned long)area.state, VDSO_PAGE, MADV_DONTNEED, NULL))
			errx(1, "madvise failed");
		set_registers(tracee, c);
	} else if (what == FORK) {
		inject(c, SYS_fork, 0, 0, 0, &child);
		set_registers(tracee, c);
		set_registers(child, c);
	} else if (what == MOVE) {
		move_generation();
	}
	if (handled) {
		if (kill(tracee, SIGUSR1) || ptrace(PTRACE_CONT, tracee, 0, 0))
			err(1, "SIGUSR1");
		wait_for(tracee, SIGUSR1, 0);
	}
	run_to(tracee, call_ends, handled ? SIGUSR1 : 0);
	read_from(tracee, &made, &area, sizeof(area));
	is_bad |= outputs_are_bad(tracee, &made, handled, what == MOVE);
	if (child) {
		struct area childs;

		run_to(child, call_ends, 0);
		read_from(child, &childs, &area, sizeof(area));
		/* if all was done when it forked, both have it */
		if (!memcmp(childs.out, made.out, childs.len)) {
			childs.ret = childs.len = 0;
			after_the_end++;
		}
		is_bad |= outputs_are_bad(child, &childs, false, false);
		kill(child, SIGKILL);
		waitpid(child, NULL, __WALL);
	}
	if (is_bad && !bad++)
		bad_at = c->regs.rip - (unsigned long)text;
}

/* One instruction; false if the call has ended. */
static bool step(struct user_regs_struct *regs)
{
	if (ptrace(PTRACE_SINGLESTEP, tracee, 0, 0))
		err(1, "PTRACE_SINGLESTEP");
	wait_for(tracee, SIGTRAP, 0);
	get_regs(tracee, regs);
	return regs->rip != (unsigned long)call_ends;
}

static bool is_new(const struct user_regs_struct *regs, unsigned char *visits)
{
	size_t at = regs->rip - (unsigned long)text;

	return at < TEXT_MAX && visits[at]++ < VISITS;
}

/* Before a call: a batch that has been filled, and of which other calls have used some bytes. */
static void begin(size_t used, size_t len)
{
	unsigned char state[STATE_MAX];
	__u32 pos;

	make_call(tracee, 1, NULL);
	read_from(tracee, &pos, area.state + STATE_POS, sizeof(pos));
	make_call(tracee, level.batch_size - pos, NULL);
	/* large calls would take what they can from the stream, not from the batch */
	for (size_t left = used, part; left; left -= part) {
		part = left < 200 ? left : 200;
		make_call(tracee, part, NULL);
	}
	run_to(tracee, call_begins, 0);
	set_len(tracee, len);
	read_from(tracee, state, area.state, area.size);
	forbid_all(state);
	foresee(state, len);
}

/* One pass over a call, all of whose instructions are disturbed. */
static unsigned int pass(size_t used, size_t len, enum disturbance what)
{
	static unsigned char visits[TEXT_MAX];
	static struct checkpoint c;
	struct user_regs_struct regs;
	unsigned int instructions = 0;

	memset(visits, 0, sizeof(visits));
	begin(used, len);
	for (unsigned int n = 0; n < STEPS_MAX && step(&regs); n++) {
		if (!is_new(&regs, visits))
			continue;
		save(&c);
		disturb(&c, what);
		bring_back(&c);
		instructions++;
	}
	run_to(tracee, call_ends, 0);
	return instructions;
}

/* A pass for each instruction: what cannot be undone. */
static unsigned int passes(size_t used, size_t len, enum disturbance what)
{
	static unsigned char visits[TEXT_MAX], *points[TEXT_MAX];
	static struct checkpoint c;
	struct user_regs_struct regs;
	unsigned int num = 0, instructions = 0;

	memset(visits, 0, sizeof(visits));
	begin(used, len);
	while (step(&regs))
		if (is_new(&regs, visits))
			points[num++] = (unsigned char *)regs.rip;
	run_to(tracee, call_ends, 0);

	for (unsigned int i = 0; i < num; i++) {
		begin(used, len);
		/* the kernel reseeds by itself, too: a call may do what it did not do before */
		if (!run_to_point(points[i]))
			continue;
		get_regs(tracee, &c.regs);
		disturb(&c, what);
		instructions++;
	}
	return instructions;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		size_t used, len;
		/*
		 * A call is over when it has seen that its bytes are good. A fork after
		 * that finds the bytes in the buffer, and a reseed comes too late for
		 * them, as one after the return would: only so many instructions may
		 * follow.
		 */
		unsigned int after;
	} calls[] = {
		{ "small", 32, 32, 16 },
		{ "refill", 470, 64, 24 },
		{ "bulk", 470, 1500, 24 },
	};
	unsigned long total = 0;
	cpu_set_t one;

	if (argc != 2 || (strcmp(argv[1], "sse2") && strcmp(argv[1], "avx2")))
		errx(2, "usage: vgetrandom_step sse2|avx2");
	if (!vgetrandom_open(&vdso))
		err(1, "no vDSO getrandom");
	model_open(&level, !strcmp(argv[1], "avx2"));
	text = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
	area.size = vdso.params.size_of_opaque_state;
	area.state = mmap(NULL, VDSO_PAGE, vdso.params.mmap_prot, vdso.params.mmap_flags, -1, 0);
	if (area.state == MAP_FAILED)
		err(1, "mmap of a state");

	stack_top = end_of_stack();
	/* with a processor for each the two would spend their time on waking each other up */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		err(1, "sched_setaffinity");
	fflush(stdout);
	tracee = fork();
	if (tracee < 0)
		err(1, "fork");
	if (!tracee)
		be_traced();
	wait_for(tracee, SIGTRAP, 0);
	if (ptrace(PTRACE_SETOPTIONS, tracee, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK))
		err(1, "PTRACE_SETOPTIONS");
	set_len(tracee, 8);
	run_to(tracee, call_ends, 0);

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (enum disturbance what = 0; what < DISTURBANCES; what++) {
			unsigned int points = what == MOVE ?
				passes(calls[i].used, calls[i].len, what) :
				pass(calls[i].used, calls[i].len, what);

			printf("%s, %s: %u points, %lu bad, %u after the end\n", calls[i].name,
			       names[what], points, bad, after_the_end);
			fflush(stdout);
			total += points;
			if (after_the_end > calls[i].after)
				errx(1, "%s: %u of %s came too late for the call to see them",
				     argv[1], after_the_end, names[what]);
			/* or else nothing that is looked for is what a call would have made */
			if (what == MOVE && !after_the_end)
				errx(1, "%s: no call has made what was foreseen", argv[1]);
			after_the_end = 0;
			if (bad)
				errx(1, "%s: bad output, first at %#lx of the vDSO", argv[1], bad_at);
		}
	printf("%s: %lu points\n", argv[1], total);
	puts("done");
}
