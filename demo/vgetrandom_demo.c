// SPDX-License-Identifier: GPL-2.0
/*
 * Shows the vDSO's getrandom() and the memory of its states at work, step by step. What a step
 * claims is verified, as far as possible against a counterpart for which the opposite holds;
 * the first claim that is not true ends the program.
 *
 *	clang -std=c11 -O2 -static -o vgetrandom_demo vgetrandom_demo.c
 *	vgetrandom_demo
 *
 * The last steps drop the machine's caches and make a memory cgroup: they want root and a machine
 * of one's own, such as a guest. --unprivileged leaves them out.
 *
 * Exit status: 0 everything verified, 1 something was not as it should be, 2 bad arguments.
 */

#define _GNU_SOURCE

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"

#define PAGE		4096
#define BYTES		32
#define WARM_CALLS	10000

/* The cgroup may use a quarter of what its process writes. */
#define LIMIT_PAGES	2048
#define PRESSURE_PAGES	8192

/* What the kernel's generator reseeds in between, is tried again so often. */
#define TRIES		5

/* A child that takes longer hangs. */
#define CHILD_SECONDS	120

/**
 * struct shared - what the children tell their parent
 * @page:	the state's page as the child found it
 * @state:	the child's first bytes from the state in droppable memory
 * @plain:	the child's first bytes from the state in ordinary memory
 * @resident:	pages that are there after more were written than the cgroup may have
 * @dropped:	pages that are not, and read zero
 * @kept:	pages that still have what was written
 * @calls:	calls of getrandom() meanwhile
 */
struct shared {
	unsigned char page[PAGE];
	unsigned char state[BYTES];
	unsigned char plain[BYTES];
	size_t resident;
	size_t dropped;
	size_t kept;
	size_t calls;
};

static struct vgetrandom vdso;
static struct vgetrandom_states states;
static struct shared *shared;
static bool special_mapping;

static unsigned int step, steps;
static char cgroup_mount[PATH_MAX], cgroup_dir[PATH_MAX];
static bool cgroup_mounted;

/* Macros, for the compiler to check their formats. */
#define say(...)					\
	do {						\
		printf("    " __VA_ARGS__);		\
		printf("\n");				\
	} while (0)

#define fail(...)							\
	do {								\
		printf("vgetrandom demo: step %u FAILED: ", step);	\
		printf(__VA_ARGS__);					\
		printf("\n");						\
		exit(1);						\
	} while (0)

static void begin(const char *title)
{
	printf("\n[%u/%u] %s\n", ++step, steps, title);
}

static void proved(const char *what)
{
	printf("  ok: %s\n", what);
}

static noreturn void fail_errno(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

static void say_bytes(const char *who, const unsigned char *bytes)
{
	char hex[2 * BYTES + 1];

	for (int i = 0; i < BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	say("%-28s %s", who, hex);
}

static bool all_zero(const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	return !b[0] && !memcmp(b, b + 1, len - 1);
}

static bool take(void *state, unsigned char *bytes)
{
	return vgetrandom(&vdso, state, bytes, BYTES, 0) == BYTES;
}

/* Random bytes by the vDSO from this state; calls that fail end the demo. */
static void get_random(void *state, unsigned char *bytes)
{
	if (!take(state, bytes))
		fail_errno("the vDSO's getrandom()");
}

static void *ordinary_page(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		fail_errno("mmap of an ordinary page");
	return page;
}

static bool is_resident(void *page)
{
	unsigned char vec;

	if (mincore(page, PAGE, &vec))
		fail_errno("mincore");
	return vec & 1;
}

/* Runs in a new process; its return value says in words what went wrong, NULL for nothing. */
static pid_t start_child(const char *(*body)(void *), void *context)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fail_errno("fork");
	if (!pid) {
		const char *problem;

		alarm(CHILD_SECONDS);
		problem = body(context);
		if (problem) {
			say("in the child: %s (errno %d: %s)", problem, errno, strerror(errno));
			fflush(stdout);
		}
		_exit(problem ? 1 : 0);
	}
	return pid;
}

static void check_status(int status)
{
	if (WIFSIGNALED(status))
		fail("the child was killed by signal %d (%s)", WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail("the child did not succeed");
}

static void run_child(const char *(*body)(void *), void *context)
{
	pid_t pid = start_child(body, context);
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail_errno("waitpid");
	check_status(status);
}

/* The line of /proc/self/maps for the mapping with this address. */
static void find_mapping(const void *addr, char *line, size_t size)
{
	unsigned long start, end;
	FILE *f = fopen("/proc/self/maps", "r");

	if (!f)
		fail_errno("/proc/self/maps");
	while (fgets(line, size, f)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= (uintptr_t)addr &&
		    (uintptr_t)addr < end) {
			line[strcspn(line, "\n")] = '\0';
			fclose(f);
			return;
		}
	}
	fail("/proc/self/maps has nothing at %p", addr);
}

static void show_symbol(void)
{
	char line[256];

	begin("The symbol");
	if (!vgetrandom_open(&vdso))
		fail("%s", errno == ENOEXEC ? "this process has no vDSO" :
		     "the vDSO has no usable " VGETRANDOM_NAME "@" VGETRANDOM_VERSION);
	say("%s@%s is at %p", VGETRANDOM_NAME, VGETRANDOM_VERSION, (void *)vdso.call);
	find_mapping((void *)vdso.call, line, sizeof(line));
	say("%s", line);
	if (!strstr(line, "[vdso]"))
		fail("that is not the vDSO");
	proved("the kernel's vDSO has getrandom(), found by name and version, inside [vdso].");
}

static void show_params(void)
{
	const struct vgetrandom_params *params = &vdso.params;

	begin("What the vDSO asks for");
	say("mmap prot      %#x   PROT_READ | PROT_WRITE", params->mmap_prot);
	say("mmap flags     %#x  MAP_DROPPABLE | MAP_ANONYMOUS", params->mmap_flags);
	say("size of state  %u bytes, %u states in a page", params->size_of_opaque_state,
	    PAGE / params->size_of_opaque_state);
	if (params->mmap_prot != (PROT_READ | PROT_WRITE) ||
	    params->mmap_flags != (MAP_DROPPABLE | MAP_ANONYMOUS))
		fail("prot and flags should be 0x3 and 0x28");
	if (!all_zero(params->reserved, sizeof(params->reserved)))
		fail("reserved fields are not zero");
	proved("the parameters are those of mainline's ABI: a libc for mainline works unchanged.");
}

static bool has_flag(const char *flags, const char *flag)
{
	const char *at = strstr(flags, flag);

	return at && at[-1] == ' ' && (at[2] == ' ' || !at[2]);
}

/* Prints what matters of the smaps entry after its first line, and gets its last one. */
static unsigned long read_smaps(const char *maps_line, char *flags, size_t size)
{
	unsigned long rss = ULONG_MAX;
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[256];
	bool here = false;

	if (!f)
		fail_errno("/proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!here) {
			here = !strcmp(line, maps_line);
			continue;
		}
		if (!strncmp(line, "Size:", 5) || !strncmp(line, "Rss:", 4) ||
		    !strncmp(line, "Swap:", 5) || !strncmp(line, "Locked:", 7))
			say("%s", line);
		if (!strncmp(line, "Rss:", 4))
			rss = strtoul(line + 4, NULL, 10);
		if (!strncmp(line, "VmFlags:", 8)) {
			say("%s", line);
			snprintf(flags, size, "%s", line);
			fclose(f);
			return rss;
		}
	}
	fail("/proc/self/smaps has no VmFlags for the mapping");
}

static void show_mapping(void)
{
	unsigned char bytes[BYTES];
	char line[256], flags[256];
	unsigned long rss;

	begin("The mapping");
	if (!vgetrandom_states_map(&vdso, &states, 1))
		fail_errno("mmap with these parameters");
	get_random(states.base, bytes);
	find_mapping(states.base, line, sizeof(line));
	say("%s", line);
	rss = read_smaps(line, flags, sizeof(flags));
	if (!strstr(line, " rw-p "))
		fail("the mapping should be private, readable and writable for whoever looks");
	if (rss != PAGE / 1024)
		fail("one page should be there, not %lu kB", rss);
	if (!has_flag(flags, "dp"))
		fail("VmFlags has no dp");
	if (!has_flag(flags, "dd"))
		fail("VmFlags has no dd");
	say("dp: the kernel may drop its pages; dd: it is left out of core dumps;");
	special_mapping = has_flag(flags, "de");
	if (special_mapping)
		say("sh, de: a special mapping with callbacks, not a kind of anonymous memory.");
	else
		say("no de: this is not a special mapping, but mainline's VM_DROPPABLE.");
	proved("one page is in use, and tools that look for dp (CRIU, LUKS tests) recognise it.");
}

static const char *call_many(void *context)
{
	unsigned char bytes[BYTES];
	void *state = context;

	if (!take(state, bytes))
		return "the warming call";
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		return "PTRACE_TRACEME";
	raise(SIGSTOP);
	syscall(SYS_getppid);
	for (int i = 0; i < WARM_CALLS; i++)
		if (vdso.call(bytes, BYTES, 0, state, vdso.params.size_of_opaque_state) != BYTES)
			return "a warm call";
	syscall(SYS_getppid);
	syscall(SYS_getrandom, bytes, BYTES, 0);
	return NULL;
}

/*
 * The tracer sees every system call of the child: the two getppid() frame the warm calls, and the
 * getrandom() behind them shows that one would have been seen.
 */
static unsigned long count_syscalls(void)
{
	pid_t pid = start_child(call_many, states.base);
	unsigned long frames = 0, warm = 0, control = 0;
	struct __ptrace_syscall_info info;
	int status;

	for (;;) {
		if (waitpid(pid, &status, 0) != pid)
			fail_errno("waitpid");
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) == SIGSTOP) {
			if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
				   PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL))
				fail_errno("PTRACE_SETOPTIONS");
		} else if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			kill(pid, SIGKILL);
			fail("the child got signal %d", WSTOPSIG(status));
		} else {
			if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
				fail_errno("PTRACE_GET_SYSCALL_INFO");
			if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
				if (info.entry.nr == SYS_getppid)
					frames++;
				else if (frames == 1)
					warm++;
				else if (frames == 2 && info.entry.nr == SYS_getrandom)
					control++;
			}
		}
		if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL))
			fail_errno("PTRACE_SYSCALL");
	}
	check_status(status);
	if (frames != 2 || control != 1)
		fail("the tracer missed system calls that were made");
	return warm;
}

static void show_bytes(void)
{
	unsigned char first[BYTES], second[BYTES];
	unsigned long count = ULONG_MAX;

	begin("Random bytes without a system call");
	get_random(states.base, first);
	get_random(states.base, second);
	say_bytes("first call", first);
	say_bytes("second call", second);
	if (!memcmp(first, second, BYTES))
		fail("two calls gave the same bytes");
	if (all_zero(first, BYTES) || all_zero(second, BYTES))
		fail("a call left its buffer zero");

	for (int i = 0; i < TRIES && count; i++) {
		count = count_syscalls();
		say("system calls during %d warm calls, counted by ptrace: %lu", WARM_CALLS, count);
	}
	if (count)
		fail("warm calls make system calls");
	say("a getrandom system call made on purpose right after them was seen.");
	proved("calls differ, and warm calls are served in user space alone.");
}

/* States of the fork step: in droppable memory, and the same in ordinary memory to compare. */
struct fork_context {
	void *state;
	void *plain;
};

static const char *use_after_fork(void *context)
{
	struct fork_context *ctx = context;

	memcpy(shared->page, ctx->state, PAGE);
	if (!take(ctx->state, shared->state) || !take(ctx->plain, shared->plain))
		return "the vDSO's getrandom()";
	return NULL;
}

static void show_fork(void)
{
	struct fork_context ctx = { states.base, ordinary_page() };
	unsigned char parent[BYTES], plain[BYTES], *before = ordinary_page();
	bool alike = false;

	begin("fork");
	for (int i = 0; i < TRIES && !alike; i++) {
		get_random(ctx.state, parent);
		get_random(ctx.plain, plain);
		memcpy(before, ctx.state, PAGE);
		if (all_zero(before, PAGE))
			fail("the parent's state is empty before the fork");
		run_child(use_after_fork, &ctx);
		if (!all_zero(shared->page, PAGE))
			fail("the child found something of its parent's state");
		if (memcmp(before, ctx.state, PAGE))
			fail("the parent's state changed");
		get_random(ctx.state, parent);
		get_random(ctx.plain, plain);
		if (!memcmp(parent, shared->state, BYTES))
			fail("parent and child gave the same bytes");
		alike = !memcmp(plain, shared->plain, BYTES);
	}
	if (!alike)
		fail("states in ordinary memory should repeat after fork, so nothing is proved");
	say("the child finds its state's page zero; the parent's page is as it was");
	say_bytes("next from the parent", parent);
	say_bytes("next from the child", shared->state);
	say("for comparison, with the state in ordinary memory, which fork copies:");
	say_bytes("next from the parent", plain);
	say_bytes("next from the child: same!", shared->plain);
	munmap(ctx.plain, PAGE);
	munmap(before, PAGE);
	proved("a child starts clean and cannot repeat its parent's bytes; the parent goes on.");
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* Makes the kernel drop the page; says how. */
static void drop_page(void *page)
{
	for (int i = 1; i <= 10; i++) {
		/* Slab caches and whatever else has a shrinker, which this memory has. */
		if (!write_file("/proc/sys/vm/drop_caches", "2"))
			fail_errno("/proc/sys/vm/drop_caches");
		if (!is_resident(page)) {
			say("after echo 2 > /proc/sys/vm/drop_caches (%d time%s): not resident", i,
			    i > 1 ? "s" : "");
			return;
		}
	}
	if (special_mapping)
		fail("the page is still resident after drop_caches");
	say("drop_caches does not reach mainline's VM_DROPPABLE; MADV_PAGEOUT does:");
	if (madvise(page, PAGE, MADV_PAGEOUT))
		fail_errno("MADV_PAGEOUT");
	if (is_resident(page))
		fail("the page is still resident after MADV_PAGEOUT");
	say("after madvise(MADV_PAGEOUT): not resident");
}

static void show_drop(void)
{
	unsigned char expected[BYTES], again[BYTES], fresh[BYTES];
	void *copy = ordinary_page(), *copy2 = ordinary_page();
	bool alike = false;

	begin("A dropped page");
	for (int i = 0; i < TRIES && !alike; i++) {
		get_random(states.base, fresh);
		memcpy(copy, states.base, PAGE);
		memcpy(copy2, states.base, PAGE);
		get_random(copy, expected);
		get_random(copy2, again);
		alike = !memcmp(expected, again, BYTES);
	}
	if (!alike)
		fail("copies of a state should give the same bytes, so nothing is proved");
	if (!is_resident(states.base))
		fail("a page just used is not resident");
	say("the state's page is resident (mincore)");
	drop_page(states.base);
	if (!all_zero(states.base, PAGE))
		fail("the dropped page does not read zero");
	say("read again, it is zero: the old key is gone");
	get_random(states.base, fresh);
	if (!memcmp(fresh, expected, BYTES))
		fail("the call after the drop gave what the old state would have given");
	say_bytes("a copy of the old state", expected);
	say_bytes("the call after the drop", fresh);
	munmap(copy, PAGE);
	munmap(copy2, PAGE);
	proved("a state may vanish at any time; the next call seeds a new one by itself.");
}

static void remove_cgroup(void)
{
	if (*cgroup_dir)
		rmdir(cgroup_dir);
	if (cgroup_mounted)
		umount(cgroup_mount);
	if (cgroup_mounted)
		rmdir(cgroup_mount);
	*cgroup_dir = '\0';
	cgroup_mounted = false;
}

/* The whole of a file in the demo's cgroup, or in the hierarchy's root before there is one. */
static const char *read_cgroup(const char *file)
{
	static char text[4096];
	char path[2 * PATH_MAX];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", *cgroup_dir ? cgroup_dir : cgroup_mount, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_errno(path);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		fail_errno(path);
	text[len] = '\0';
	return text;
}

static void write_cgroup(const char *file, const char *text)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", *cgroup_dir ? cgroup_dir : cgroup_mount, file);
	if (!write_file(path, text))
		fail_errno(path);
}

static unsigned long read_event(const char *name)
{
	const char *text = read_cgroup("memory.events");
	size_t len = strlen(name);

	while (*text) {
		if (!strncmp(text, name, len) && text[len] == ' ')
			return strtoul(text + len, NULL, 10);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	fail("memory.events has no %s", name);
}

/* Uses the cgroup2 hierarchy that is mounted, or mounts it for the time of the demo. */
static void find_cgroups(void)
{
	char source[256], target[256], type[64];
	FILE *f = fopen("/proc/mounts", "r");

	if (!f)
		fail_errno("/proc/mounts");
	*cgroup_mount = '\0';
	while (fscanf(f, "%255s %255s %63s %*[^\n]", source, target, type) == 3)
		if (!strcmp(type, "cgroup2"))
			snprintf(cgroup_mount, sizeof(cgroup_mount), "%s", target);
	fclose(f);
	if (!*cgroup_mount) {
		snprintf(cgroup_mount, sizeof(cgroup_mount), "/vgetrandom-demo-XXXXXX");
		if (!mkdtemp(cgroup_mount))
			fail_errno(cgroup_mount);
		cgroup_mounted = true;
		if (mount("cgroup2", cgroup_mount, "cgroup2", 0, NULL))
			fail_errno("mount of cgroup2");
	}
	if (!strstr(read_cgroup("cgroup.controllers"), "memory"))
		fail("there is no memory controller in %s", cgroup_mount);
}

static void make_cgroup(void)
{
	char text[32], path[PATH_MAX];

	atexit(remove_cgroup);
	find_cgroups();
	write_cgroup("cgroup.subtree_control", "+memory");
	snprintf(path, sizeof(path), "%.4000s/vgetrandom-demo-%d", cgroup_mount, getpid());
	if (mkdir(path, 0755))
		fail_errno(path);
	snprintf(cgroup_dir, sizeof(cgroup_dir), "%s", path);
	snprintf(text, sizeof(text), "%d", LIMIT_PAGES * PAGE);
	write_cgroup("memory.max", text);
	/* Droppable memory must not need swap; without CONFIG_SWAP there is no such file. */
	snprintf(path, sizeof(path), "%.4000s/memory.swap.max", cgroup_dir);
	if (!write_file(path, "0") && errno != ENOENT)
		fail_errno(path);
}

static unsigned char mark_of(size_t i)
{
	return 1 + i % 255;
}

/*
 * Counts what became of the pages. Those that are there come first: looking at one that is gone
 * makes a zero page, which may push out others. They may still go, or have gone while they were
 * written, and be zero as a whole or in part.
 */
static const char *count_pages(const unsigned char *pages)
{
	static unsigned char vec[PRESSURE_PAGES];

	if (mincore((void *)pages, PRESSURE_PAGES * PAGE, vec))
		return "mincore";
	for (size_t i = 0; i < PRESSURE_PAGES; i++) {
		const unsigned char *page = pages + i * PAGE;

		if (!(vec[i] & 1))
			continue;
		shared->resident++;
		shared->kept += page[0] == mark_of(i);
		for (size_t j = 0; j < PAGE; j++)
			if (page[j] && page[j] != mark_of(i))
				return "a page has what nobody wrote";
	}
	for (size_t i = 0; i < PRESSURE_PAGES; i++) {
		if (vec[i] & 1)
			continue;
		shared->dropped++;
		if (!all_zero(pages + i * PAGE, PAGE))
			return "a page that is not resident does not read zero";
	}
	return NULL;
}

static const char *use_too_much(void *context)
{
	unsigned char bytes[BYTES] = { 0 }, last[BYTES];
	struct vgetrandom_states own;
	unsigned char *pages;
	const char *problem;

	if (!write_file(context, "0"))
		return context;
	if (!vgetrandom_states_map(&vdso, &own, 1))
		return "mmap of a state";
	pages = mmap(NULL, PRESSURE_PAGES * PAGE, vdso.params.mmap_prot, vdso.params.mmap_flags,
		     -1, 0);
	if (pages == MAP_FAILED)
		return "mmap of much droppable memory";
	for (size_t i = 0; i < PRESSURE_PAGES; i++) {
		memset(pages + i * PAGE, mark_of(i), PAGE);
		if (i % 64)
			continue;
		memcpy(last, bytes, BYTES);
		if (!take(own.base, bytes))
			return "the vDSO's getrandom() under memory pressure";
		if (!memcmp(last, bytes, BYTES))
			return "the vDSO's getrandom() gave the same bytes twice";
		shared->calls++;
	}
	problem = count_pages(pages);
	memcpy(last, bytes, BYTES);
	if (!problem && (!take(own.base, bytes) || !memcmp(last, bytes, BYTES)))
		problem = "the vDSO's getrandom() after memory pressure";
	shared->calls++;
	return problem;
}

static void show_pressure(void)
{
	char procs[PATH_MAX];
	unsigned long hits;

	begin("Memory pressure");
	make_cgroup();
	snprintf(procs, sizeof(procs), "%.4000s/cgroup.procs", cgroup_dir);
	say("a cgroup with memory.max = %d kB; a process in it writes %d kB of such memory",
	    LIMIT_PAGES * (PAGE / 1024), PRESSURE_PAGES * (PAGE / 1024));
	run_child(use_too_much, procs);
	hits = read_event("max");
	say("memory.events: the limit was hit %lu times; oom %lu, oom_kill %lu", hits,
	    read_event("oom"), read_event("oom_kill"));
	say("pages written %d: resident afterwards %zu, dropped and read as zero %zu",
	    PRESSURE_PAGES, shared->resident, shared->dropped);
	say("resident pages that still had what was written when looked at: %zu", shared->kept);
	say("getrandom() by a state in the same cgroup, meanwhile: %zu calls, all good",
	    shared->calls);
	if (read_event("oom_kill"))
		fail("the OOM killer struck");
	if (!hits)
		fail("the limit was never reached, so nothing is proved");
	if (shared->resident > LIMIT_PAGES)
		fail("more pages are resident than the cgroup may have");
	if (!shared->resident || !shared->kept)
		fail("nothing was kept: that is not pressure, but loss");
	remove_cgroup();
	proved("under pressure pages are dropped, nobody is killed, and random bytes go on.");
}

int main(int argc, char **argv)
{
	bool unprivileged = argc == 2 && !strcmp(argv[1], "--unprivileged");
	struct utsname uts;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		printf("Usage: vgetrandom_demo [--unprivileged]\n"
		       "Show the vDSO's getrandom() at work; --unprivileged leaves out the steps\n"
		       "that need root and disturb other programs on the machine.\n");
		return 0;
	}
	if (argc > 1 && !unprivileged)
		errx(2, "unexpected argument '%s'; --help tells more", argv[1]);
	if (!unprivileged && geteuid())
		errx(1, "not root: use --unprivileged to leave out the steps that need it");
	if (sysconf(_SC_PAGESIZE) != PAGE)
		errx(1, "pages have %ld bytes, not %d", sysconf(_SC_PAGESIZE), PAGE);

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap of shared memory");
	if (uname(&uts))
		err(1, "uname");

	/* In order with the kernel's log on the same console. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	steps = unprivileged ? 5 : 7;
	printf("vDSO getrandom() on Linux %s\n", uts.release);
	show_symbol();
	show_params();
	show_mapping();
	show_bytes();
	show_fork();
	if (!unprivileged) {
		show_drop();
		show_pressure();
	}
	printf("\nvgetrandom demo: all %u steps verified%s\n", step,
	       unprivileged ? " (2 more were left out: --unprivileged)" : "");
	return fflush(stdout) ? 1 : 0;
}
