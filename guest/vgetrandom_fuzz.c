// SPDX-License-Identifier: GPL-2.0
/*
 * Does at random what processes can do to MAP_DROPPABLE memory, and predicts by a model what it
 * returns and what is in each page then.
 *
 *	vgetrandom_fuzz OPERATIONS [SEED]
 *
 * The operations come in episodes, each with processes of its own and a seed of its own: SEED for
 * the first, one more for each next one. They are made from the seed alone, never from what
 * happened. If one ends otherwise than predicted, the episode is repeated with operations left
 * out, for as long as it still fails, and those that are left are printed; so is the seed with
 * which "vgetrandom_fuzz 1 SEED" repeats it. Ends with "done".
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "guest.h"

#define EPISODE		400	/* operations in an episode */
#define PAGES		24	/* of each process's arena */
#define LENGTH_MAX	6	/* pages in an operation's range */
#define PROCESSES	4
#define PINS		2	/* per process */
#define SECONDS_MAX	60	/* of an operation */
#define NOT_UNIFORM	0x100	/* of a page whose bytes differ */
#define ARENA		((unsigned char *)(1UL << 40))

enum kind { NOTHING, PLAIN, DROPPABLE };

/**
 * struct page - what the model knows of a page
 * @kind:	what is mapped there
 * @prot:	its access
 * @value:	each of its bytes
 * @maybe:	it may have been dropped, and be zeros
 * @resident:	whether it is in memory: 0, 1, or -1 if that is not known
 * @no_fork:	a child does not get it
 * @vma:	pages of the same VMA have the same number here
 */
struct page {
	enum kind kind;
	int prot;
	int value;
	bool maybe;
	int resident;
	bool no_fork;
	unsigned int vma;
};

/**
 * struct pin - a page that is held by a pipe
 * @page:	its number, PAGES if it has left the mapping since
 * @used:	whether the pin is in use
 */
struct pin {
	unsigned int page;
	bool used;
};

enum what { MAP_DROP, MAP_PLAIN, UNMAP, MOVE, GROW, SHRINK, PROTECT, ADVISE, READ, WRITE, PEEK,
	    POKE, PIN, UNPIN, DROP, FORK, EXIT, INCORE, LOCK, CLEAR_REFS, WHATS };

static const struct {
	const char *name;
	unsigned int weight;
} whats[WHATS] = {
	[MAP_DROP] = { "mmap droppable", 10 },
	[MAP_PLAIN] = { "mmap plain", 2 },
	[UNMAP] = { "munmap", 5 },
	[MOVE] = { "mremap move", 10 },
	[GROW] = { "mremap grow", 1 },
	[SHRINK] = { "mremap shrink", 2 },
	[PROTECT] = { "mprotect", 8 },
	[ADVISE] = { "madvise", 12 },
	[READ] = { "read", 20 },
	[WRITE] = { "write", 25 },
	[PEEK] = { "process_vm_readv", 5 },
	[POKE] = { "process_vm_writev", 5 },
	[PIN] = { "vmsplice", 4 },
	[UNPIN] = { "read pipe", 4 },
	[DROP] = { "drop_caches", 1 },
	[FORK] = { "fork", 3 },
	[EXIT] = { "exit", 2 },
	[INCORE] = { "mincore", 6 },
	[LOCK] = { "mlock", 2 },
	[CLEAR_REFS] = { "clear_refs", 1 },
};

static const struct {
	const char *name;
	int number;
} advices[] = {
	{ "DONTNEED", MADV_DONTNEED },
	{ "FREE", MADV_FREE },
	{ "PAGEOUT", MADV_PAGEOUT },
	{ "DONTFORK", MADV_DONTFORK },
	{ "DOFORK", MADV_DOFORK },
	{ "COLD", MADV_COLD },
	{ "WIPEONFORK", MADV_WIPEONFORK },
};

static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

/**
 * struct operation - one operation, which means something whatever was before it
 * @what:	which
 * @process:	which process makes it
 * @at:		first page
 * @num:	pages
 * @to:		page to move to, or another process
 * @value:	byte to write, or number of an access or an advice
 */
struct operation {
	enum what what;
	unsigned int process;
	unsigned int at;
	unsigned int num;
	unsigned int to;
	unsigned int value;
};

/* What came of it: an errno or 0, a signal or 0, and the bytes or the residents that were seen. */
struct outcome {
	int error;
	int signal;
	int seen[PAGES];
};

/* A process, its mailbox, and what the model knows of it. */
static struct process {
	/* shared with the process */
	struct mailbox {
		atomic_int full;
		struct operation op;
		struct outcome outcome;
		pid_t pid;
	} *box;
	bool alive;
	struct page pages[PAGES];
	struct pin pins[PINS];
} processes[PROCESSES];

/* set at the start by kernel_moves_several() */
static bool moves_several;

static unsigned int vmas;
static char complaint[512];

static uint64_t rng;

/* xorshift64* of Sebastiano Vigna */
static unsigned int below(unsigned int limit)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (rng * 0x2545f4914f6cdd1dULL >> 33) % limit;
}

/* Says that a mailbox is full, or empty again. */
static void turn(struct mailbox *box, int full)
{
	atomic_store(&box->full, full);
	syscall(SYS_futex, &box->full, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Waits while a mailbox is full, or empty; at most a second. */
static void wait_while(struct mailbox *box, int full)
{
	static const struct timespec second = { 1, 0 };

	syscall(SYS_futex, &box->full, FUTEX_WAIT, full, &second, NULL, 0);
}

/* ------------------------------------------------------- in the processes */

static sigjmp_buf jump;
static int pipes[PINS][2];

static void handler(int sig)
{
	siglongjmp(jump, sig);
}

static int uniform(const unsigned char *page)
{
	return memcmp(page, page + 1, PAGE - 1) ? NOT_UNIFORM : *page;
}

static int do_operation(const struct operation *op, unsigned int *me, struct outcome *outcome)
{
	unsigned char *at = ARENA + op->at * PAGE, vec[PAGES], page[PAGE];
	size_t size = op->num * PAGE;
	struct iovec iov = { at, PAGE };
	void *got;
	pid_t pid;

	switch (op->what) {
	case MAP_DROP:
		return mmap(at, size, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS |
			    MAP_FIXED, -1, 0) != at;
	case MAP_PLAIN:
		return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			    MAP_FIXED, -1, 0) != at;
	case UNMAP:
		return munmap(at, size);
	case MOVE:
		got = mremap(at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, ARENA + op->to * PAGE);
		if (got == MAP_FAILED && errno == EFAULT) {
			/* the target may be unmapped already or not yet */
			munmap(ARENA + op->to * PAGE, size);
			errno = EFAULT;
		}
		return got == MAP_FAILED;
	case GROW:
		return mremap(at, size, size + PAGE, MREMAP_MAYMOVE) == MAP_FAILED;
	case SHRINK:
		return mremap(at, size, PAGE, 0) == MAP_FAILED;
	case PROTECT:
		return mprotect(at, size, prots[op->value]);
	case ADVISE:
		return madvise(at, size, advices[op->value].number);
	case READ:
		outcome->signal = sigsetjmp(jump, 1);
		if (!outcome->signal)
			outcome->seen[0] = uniform(at);
		return 0;
	case WRITE:
		outcome->signal = sigsetjmp(jump, 1);
		if (!outcome->signal)
			memset(at, op->value, PAGE);
		return 0;
	case PIN:
		if (pipe(pipes[op->to]))
			err(1, "pipe");
		if (vmsplice(pipes[op->to][1], &iov, 1, SPLICE_F_NONBLOCK) == (ssize_t)PAGE) {
			outcome->seen[0] = uniform(at);
			return 0;
		}
		close(pipes[op->to][0]);
		close(pipes[op->to][1]);
		return 1;
	case UNPIN:
		if (read(pipes[op->to][0], page, PAGE) != (ssize_t)PAGE)
			err(1, "read of a pipe");
		outcome->seen[0] = uniform(page);
		close(pipes[op->to][0]);
		close(pipes[op->to][1]);
		return 0;
	case FORK:
		pid = fork();
		if (!pid)
			*me = op->to;
		else
			processes[op->to].box->pid = pid;
		return pid < 0;
	case EXIT:
		_exit(0);
	case INCORE:
		if (mincore(at, size, vec))
			return 1;
		for (unsigned int i = 0; i < op->num; i++)
			outcome->seen[i] = vec[i] & 1;
		return 0;
	case LOCK:
		return op->value ? mlock(at, size) : munlock(at, size);
	default:
		errx(1, "not an operation of a process");
	}
}

static void run_loop(unsigned int me)
{
	struct sigaction action = { .sa_handler = handler };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		struct mailbox *box = processes[me].box;
		unsigned int was = me;
		struct operation op;
		int error;

		while (!atomic_load(&box->full))
			wait_while(box, 0);
		/* the box may hold the next one by the time that a child looks */
		op = box->op;
		memset(&box->outcome, 0, sizeof(box->outcome));
		error = do_operation(&op, &me, &box->outcome) ? errno : 0;
		/* the child of a fork has a box of its own, and nothing to say */
		if (me != was)
			continue;
		box->outcome.error = error;
		turn(box, 0);
	}
}

/* ------------------------------------------------------------- the model */

static bool complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint, sizeof(complaint), format, args);
	va_end(args);
	return false;
}

static bool all_are(const struct process *p, const struct operation *op, enum kind kind)
{
	for (unsigned int i = op->at; i < op->at + op->num; i++)
		if (p->pages[i].kind != kind)
			return false;
	return true;
}

static bool any_is(const struct process *p, const struct operation *op, enum kind kind)
{
	for (unsigned int i = op->at; i < op->at + op->num; i++)
		if (p->pages[i].kind == kind)
			return true;
	return false;
}

static bool pinned(const struct process *p, unsigned int page)
{
	for (unsigned int i = 0; i < PINS; i++)
		if (p->pins[i].used && p->pins[i].page == page)
			return true;
	return false;
}

/* The page is none of the mapping's any more: it was wiped, also for whoever has pinned it. */
static void lose(struct process *p, unsigned int page)
{
	for (unsigned int i = 0; i < PINS; i++)
		if (p->pins[i].used && p->pins[i].page == page)
			p->pins[i].page = PAGES;
}

static void map_new(struct process *p, unsigned int at, unsigned int num, enum kind kind)
{
	vmas++;
	for (unsigned int i = at; i < at + num; i++) {
		lose(p, i);
		p->pages[i] = (struct page){ .kind = kind, .prot = PROT_READ | PROT_WRITE,
					     .vma = vmas };
	}
}

/* What changes the flags of pages splits them off their VMA, and they never merge again. */
static void split_off(struct process *p, unsigned int from, unsigned int to)
{
	unsigned int old = 0;

	for (unsigned int i = from; i < to; i++) {
		if (i == from || p->pages[i].vma != old)
			vmas++;
		old = p->pages[i].vma;
		p->pages[i].vma = vmas;
	}
}

/* Gives the runs of pages that have not yet the flag or access a VMA of their own each. */
static void change(struct process *p, unsigned int from, unsigned int to,
		   bool (*set)(struct page *page, int value), int value)
{
	for (unsigned int i = from, start; i < to; i++) {
		for (start = i; i < to && set(&p->pages[i], value); i++)
			;
		split_off(p, start, i);
	}
}

static bool set_prot(struct page *page, int prot)
{
	bool changes = page->kind != NOTHING && page->prot != prot;

	page->prot = prot;
	return changes;
}

static bool set_no_fork(struct page *page, int no_fork)
{
	bool changes = page->kind != NOTHING && page->no_fork != no_fork;

	page->no_fork = no_fork;
	return changes;
}

static void advise(struct process *p, const struct operation *op)
{
	for (unsigned int i = op->at; i < op->at + op->num; i++) {
		struct page *page = &p->pages[i];

		switch (advices[op->value].number) {
		case MADV_FREE:
			if (page->kind == PLAIN) {
				page->maybe = true;
				break;
			}
			/* fall through */
		case MADV_DONTNEED:
			lose(p, i);
			page->value = 0;
			page->maybe = false;
			page->resident = 0;
			break;
		case MADV_PAGEOUT:
			if (page->kind == PLAIN || pinned(p, i))
				break;
			page->value = 0;
			page->maybe = false;
			page->resident = 0;
			break;
		}
	}
	switch (advices[op->value].number) {
	case MADV_DONTFORK:
	case MADV_DOFORK:
		change(p, op->at, op->at + op->num, set_no_fork,
		       advices[op->value].number == MADV_DONTFORK);
	}
}

/*
 * Whether what was seen is what the page holds; it is certain then, unless MADV_FREE has left it to
 * reclaim: until it is written, a page that is not droppable may go at any time.
 */
static bool holds(struct page *page, int seen)
{
	if (seen != page->value && !(page->maybe && !seen))
		return complain("the page holds %#x, not %#x%s", seen, page->value,
				page->maybe ? " or 0" : "");
	page->value = seen;
	page->maybe = page->maybe && seen && page->kind == PLAIN;
	page->resident = 1;
	return true;
}

static void write_page(struct page *page, int value)
{
	page->value = value;
	page->maybe = false;
	page->resident = 1;
}

static bool failed_as(const struct outcome *got, int error)
{
	if (got->error != error)
		return complain("%s, not %s", strerrorname_np(got->error), strerrorname_np(error));
	return true;
}

/* Has an operation made by its process. */
static bool send(struct process *p, const struct operation *op, struct outcome *got)
{
	unsigned int waited;

	p->box->op = *op;
	turn(p->box, 1);
	for (waited = 0; op->what != EXIT && atomic_load(&p->box->full); waited++) {
		if (waited > SECONDS_MAX)
			return complain("it does not end");
		if (waited && waitpid(p->box->pid, NULL, WNOHANG) == p->box->pid)
			return complain("its process has died");
		wait_while(p->box, 1);
	}
	*got = p->box->outcome;
	return true;
}

static bool peek_or_poke(struct process *p, const struct operation *op)
{
	struct page *page = &p->pages[op->at];
	unsigned char data[PAGE];
	struct iovec local = { data, PAGE }, remote = { ARENA + op->at * PAGE, PAGE };
	int needs = op->what == PEEK ? PROT_READ : PROT_WRITE;
	bool can = page->kind != NOTHING && (page->prot & needs);
	ssize_t done;

	memset(data, op->value, PAGE);
	done = op->what == PEEK ? process_vm_readv(p->box->pid, &local, 1, &remote, 1, 0)
				: process_vm_writev(p->box->pid, &local, 1, &remote, 1, 0);
	if (can != (done == (ssize_t)PAGE) || (!can && errno != EFAULT))
		return complain("%zd, errno %s", done, strerrorname_np(errno));
	if (!can)
		return true;
	if (op->what == PEEK)
		return holds(page, uniform(data));
	write_page(page, op->value);
	return true;
}

static void drop_all(void)
{
	put("/proc/sys/vm/drop_caches", "2");
	for (unsigned int i = 0; i < PROCESSES; i++)
		for (unsigned int j = 0; j < PAGES; j++) {
			struct page *page = &processes[i].pages[j];

			if (page->kind != DROPPABLE || pinned(&processes[i], j))
				continue;
			page->maybe = true;
			if (page->resident)
				page->resident = -1;
		}
}

static bool forked(struct process *p, struct process *child)
{
	child->alive = true;
	memset(child->pins, 0, sizeof(child->pins));
	memcpy(child->pages, p->pages, sizeof(child->pages));
	for (unsigned int i = 0; i < PAGES; i++) {
		struct page *page = &child->pages[i];

		if (page->no_fork)
			*page = (struct page){ 0 };
		if (page->kind != DROPPABLE)
			continue;
		page->value = 0;
		page->maybe = false;
		page->resident = 0;
	}
	return true;
}

/* Makes an operation, and says whether it ended as predicted. */
static bool operate(const struct operation *op)
{
	struct process *p = &processes[op->process];
	struct page *page = &p->pages[op->at];
	unsigned int end = op->at + op->num, hole;
	struct page moved[LENGTH_MAX];
	struct outcome got;
	bool one_vma = true, overlap;
	char path[64];

	if (!p->alive)
		return true;
	for (hole = op->at; hole < end && p->pages[hole].kind != NOTHING; hole++)
		one_vma &= p->pages[hole].vma == page->vma;
	switch (op->what) {
	case MAP_DROP:
	case MAP_PLAIN:
		map_new(p, op->at, op->num, op->what == MAP_DROP ? DROPPABLE : PLAIN);
		return send(p, op, &got) && failed_as(&got, 0);
	case UNMAP:
		map_new(p, op->at, op->num, NOTHING);
		return send(p, op, &got) && failed_as(&got, 0);
	case MOVE:
		/* of plain VMAs it is not known which have merged */
		if (any_is(p, op, PLAIN))
			return true;
		/* since 6.17 several VMAs are moved, and what is between them is not looked at */
		if (moves_several && (hole < end || !one_vma))
			return true;
		if (!send(p, op, &got))
			return false;
		if (page->kind == NOTHING)
			/* the target was unmapped by the process */
			map_new(p, op->to, op->num, NOTHING);
		overlap = op->at < op->to + op->num && op->to < end;
		if (page->kind == NOTHING)
			return failed_as(&got, overlap && moves_several ? EINVAL : EFAULT);
		if (overlap)
			return failed_as(&got, EINVAL);
		memcpy(moved, page, op->num * sizeof(*page));
		map_new(p, op->to, op->num, NOTHING);
		if (hole < end || !one_vma)
			return failed_as(&got, EFAULT);
		memcpy(&p->pages[op->to], moved, op->num * sizeof(*page));
		split_off(p, op->to, op->to + op->num);
		for (unsigned int i = 0; i < PINS; i++)
			if (p->pins[i].used && p->pins[i].page >= op->at && p->pins[i].page < end)
				p->pins[i].page += op->to - op->at;
		map_new(p, op->at, op->num, NOTHING);
		return failed_as(&got, 0);
	case GROW:
		if (page->kind == PLAIN)
			return true;
		return send(p, op, &got) && failed_as(&got, EFAULT);
	case SHRINK:
		if (!send(p, op, &got))
			return false;
		if (page->kind == NOTHING)
			return failed_as(&got, EFAULT);
		if (op->num > 1)
			map_new(p, op->at + 1, op->num - 1, NOTHING);
		return failed_as(&got, 0);
	case PROTECT:
		change(p, op->at, hole, set_prot, prots[op->value]);
		return send(p, op, &got) && failed_as(&got, hole < end ? ENOMEM : 0);
	case ADVISE:
		/* that is for anonymous memory only, and splits it: which is not followed here */
		if (any_is(p, op, PLAIN) && advices[op->value].number == MADV_WIPEONFORK)
			return true;
		advise(p, op);
		return send(p, op, &got) && failed_as(&got, any_is(p, op, NOTHING) ? ENOMEM : 0);
	case READ:
		if (!send(p, op, &got))
			return false;
		if (page->kind == NOTHING || !(page->prot & PROT_READ))
			return got.signal == SIGSEGV || complain("signal %d", got.signal);
		return got.signal ? complain("signal %d", got.signal) : holds(page, got.seen[0]);
	case WRITE:
		if (!send(p, op, &got))
			return false;
		if (page->kind == NOTHING || !(page->prot & PROT_WRITE))
			return got.signal == SIGSEGV || complain("signal %d", got.signal);
		write_page(page, op->value);
		return !got.signal || complain("signal %d", got.signal);
	case PEEK:
	case POKE:
		return peek_or_poke(p, op);
	case PIN:
		if (page->kind == PLAIN || p->pins[op->to].used)
			return true;
		if (!send(p, op, &got))
			return false;
		if (page->kind == NOTHING || !(page->prot & PROT_READ))
			return failed_as(&got, EFAULT);
		p->pins[op->to] = (struct pin){ op->at, true };
		return failed_as(&got, 0) && holds(page, got.seen[0]);
	case UNPIN:
		if (!p->pins[op->to].used)
			return true;
		p->pins[op->to].used = false;
		if (!send(p, op, &got))
			return false;
		if (p->pins[op->to].page < PAGES)
			return holds(&p->pages[p->pins[op->to].page], got.seen[0]);
		return !got.seen[0] || complain("a pinned page that was dropped holds %#x",
						got.seen[0]);
	case DROP:
		drop_all();
		return true;
	case FORK:
		if (processes[op->to].alive)
			return true;
		return send(p, op, &got) && failed_as(&got, 0) && forked(p, &processes[op->to]);
	case EXIT:
		if (!op->process)
			return true;
		p->alive = false;
		if (!send(p, op, &got))
			return false;
		/* its box is for the next one */
		while (!kill(p->box->pid, 0)) {
			waitpid(p->box->pid, NULL, WNOHANG);
			usleep(100);
		}
		atomic_store(&p->box->full, 0);
		return true;
	case INCORE:
		if (!send(p, op, &got))
			return false;
		if (hole < end)
			return failed_as(&got, ENOMEM);
		for (unsigned int i = 0; i < op->num; i++)
			if (page[i].kind == DROPPABLE && page[i].resident >= 0 &&
			    page[i].resident != got.seen[i])
				return complain("page %u: %d", op->at + i, got.seen[i]);
		return failed_as(&got, 0);
	case LOCK:
		/* it locks no droppable page, but makes them; and would split plain VMAs */
		if (!all_are(p, op, DROPPABLE))
			return true;
		if (!send(p, op, &got) || !op->value)
			return failed_as(&got, 0);
		for (unsigned int i = op->at; i < end; i++) {
			if (!p->pages[i].prot)
				return failed_as(&got, ENOMEM);
			p->pages[i].resident = 1;
		}
		return failed_as(&got, 0);
	case CLEAR_REFS:
		snprintf(path, sizeof(path), "/proc/%d/clear_refs", p->box->pid);
		put(path, (const char *[]){ "1", "2", "3", "4" }[op->value % 4]);
		return true;
	default:
		errx(1, "unknown operation");
	}
}

/* ------------------------------------------------------------- episodes */

static void make_operations(unsigned long seed, struct operation *ops)
{
	unsigned int weights = 0;

	for (unsigned int i = 0; i < WHATS; i++)
		weights += whats[i].weight;
	rng = (seed + 1) * 0x9e3779b97f4a7c15ULL | 1;
	for (unsigned int i = 0; i < 20; i++)
		below(2);
	for (unsigned int i = 0; i < EPISODE; i++) {
		struct operation *op = &ops[i];
		unsigned int left = below(weights);

		for (op->what = 0; left >= whats[op->what].weight; op->what++)
			left -= whats[op->what].weight;
		/* the first one is always there */
		op->process = below(2) ? 0 : below(PROCESSES);
		op->num = 1 + below(LENGTH_MAX);
		op->at = below(PAGES - op->num + 1);
		op->to = below(PAGES - op->num + 1);
		op->value = 1 + below(255);
		if (op->what == PROTECT)
			op->value = below(2) ? 2 : below(3);
		else if (op->what == ADVISE)
			op->value = below(sizeof(advices) / sizeof(*advices));
		else if (op->what == LOCK)
			op->value = below(2);
		else if (op->what == PIN || op->what == UNPIN)
			op->to = below(PINS);
		else if (op->what == FORK)
			op->to = 1 + below(PROCESSES - 1);
	}
}

static void print_operation(const struct operation *op)
{
	printf("  process %u: %s, page %u", op->process, whats[op->what].name, op->at);
	if (op->num > 1)
		printf(" to %u", op->at + op->num - 1);
	if (op->what == MOVE || op->what == FORK || op->what == PIN || op->what == UNPIN)
		printf(", to %u", op->to);
	if (op->what == ADVISE)
		printf(", MADV_%s", advices[op->value].name);
	else
		printf(", value %#x", op->value);
	puts("");
}

/* Kills all processes, and waits until their memory is gone. */
static void end_all(void)
{
	for (unsigned int i = 0; i < PROCESSES; i++)
		if (processes[i].alive)
			kill(processes[i].box->pid, SIGKILL);
	/* those whose parent has died are ours now */
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

/* Runs an episode but for the operations left out; returns the one that failed, or EPISODE. */
static unsigned int run_episode(const struct operation *ops, const bool *left_out)
{
	unsigned int i;
	pid_t pid;

	vmas = 0;
	for (i = 0; i < PROCESSES; i++) {
		memset(processes[i].box, 0, sizeof(*processes[i].box));
		processes[i].alive = !i;
		memset(processes[i].pages, 0, sizeof(processes[i].pages));
		memset(processes[i].pins, 0, sizeof(processes[i].pins));
	}
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		run_loop(0);
	processes[0].box->pid = pid;
	for (i = 0; i < EPISODE; i++) {
		if (left_out && left_out[i])
			continue;
		if (!operate(&ops[i]))
			break;
	}
	end_all();
	return i;
}

/* Leaves out what the failure does not need: halves, then smaller and smaller pieces. */
static void minimise(const struct operation *ops, unsigned int failed)
{
	static bool left_out[EPISODE], tried[EPISODE];
	char first[sizeof(complaint)];

	strcpy(first, complaint);
	for (unsigned int i = failed + 1; i < EPISODE; i++)
		left_out[i] = true;
	for (unsigned int piece = EPISODE / 2; piece; piece /= 2)
		for (unsigned int at = 0; at < failed; at += piece) {
			memcpy(tried, left_out, sizeof(tried));
			for (unsigned int i = at; i < at + piece && i < failed; i++)
				tried[i] = true;
			if (run_episode(ops, tried) == failed)
				memcpy(left_out, tried, sizeof(left_out));
		}
	if (run_episode(ops, left_out) != failed) {
		puts("it does not fail each time; all of the episode:");
		memset(left_out, 0, failed * sizeof(*left_out));
		strcpy(complaint, first);
	}
	for (unsigned int i = 0; i <= failed; i++)
		if (!left_out[i])
			print_operation(&ops[i]);
	printf("the last one: %s\n", complaint);
}

/* Whether the kernel's mremap() moves several VMAs at once, and checks its arguments first. */
static bool kernel_moves_several(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		err(1, "uname");
	return major > 6 || (major == 6 && minor >= 17);
}

int main(int argc, char **argv)
{
	static struct operation ops[EPISODE];
	unsigned long operations, seed, episodes;
	struct mailbox *boxes;
	long left;

	if (argc < 2 || argc > 3 || !strtoul(argv[1], NULL, 0))
		errx(2, "usage: vgetrandom_fuzz OPERATIONS [SEED]");
	operations = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoul(argv[2], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		err(1, "getrandom");
	moves_several = kernel_moves_several();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	boxes = mmap(NULL, PROCESSES * sizeof(*boxes), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (boxes == MAP_FAILED)
		err(1, "mmap");
	for (unsigned int i = 0; i < PROCESSES; i++)
		processes[i].box = &boxes[i];
	printf("seed %#lx\n", seed);
	episodes = (operations + EPISODE - 1) / EPISODE;
	for (unsigned long i = 0; i < episodes; i++) {
		unsigned int failed;

		make_operations(seed + i, ops);
		failed = run_episode(ops, NULL);
		if (failed < EPISODE) {
			printf("failed: seed %#lx, operation %u: %s\n", seed + i, failed, complaint);
			print_operation(&ops[failed]);
			puts("it needs:");
			minimise(ops, failed);
			return 1;
		}
		if (i % 64 == 63 || i == episodes - 1) {
			left = pages_left();
			if (left)
				errx(1, "seed %#lx or one of 64 before: %ld pages are lost", seed + i, left);
		}
	}
	printf("operations %lu\n", episodes * EPISODE);
	puts("done");
}
