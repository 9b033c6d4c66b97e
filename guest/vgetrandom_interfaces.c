// SPDX-License-Identifier: GPL-2.0
/*
 * What each interface of the kernel does to a MAP_DROPPABLE mapping: one line for each, to be
 * compared between kernels (scripts/interfaces).
 *
 *	NAME<tab>RESULT<tab>CONTENT<tab>FLAGS
 *
 * RESULT is what the call returned, or its errno, and more where there is more to say. CONTENT is
 * what the four pages read afterwards, which had been written before: "kept", "zeros", how many
 * kept theirs, or the signal that reading brings. FLAGS are those of smaps' VmFlags that were added
 * or removed. Each line comes from a process of its own.
 */

#define _GNU_SOURCE

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"
#include "guest.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#define MADV_GUARD_INSTALL_	102	/* which no header has before 6.13 */
#define MADV_GUARD_REMOVE_	103
#ifndef __NR_mseal
#define __NR_mseal		462
#endif

/* Neither has each base in its headers. */
#ifndef PR_SET_MDWE
#define PR_SET_MDWE		65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE	67
#endif
#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN		_IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE		(1 << 2)
#define PAGE_IS_PRESENT		(1 << 3)
#define PAGE_IS_SWAPPED		(1 << 4)

struct page_region {
	uint64_t start, end;
	unsigned long long categories;
};

struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#endif

#define PAGES			4
#define SIZE			(PAGES * PAGE)
#define MARK			0x5a
#define READ_WRITE		(PROT_READ | PROT_WRITE)
#define DROPPABLE		(MAP_DROPPABLE | MAP_ANONYMOUS)

static char result[256];
static sigjmp_buf faulted;
static volatile sig_atomic_t signal_number;

/* Adds to the line's RESULT. */
__attribute__((format(printf, 1, 2)))
static void say(const char *format, ...)
{
	size_t len = strlen(result);
	va_list list;

	if (len)
		len += snprintf(result + len, sizeof(result) - len, ", ");
	va_start(list, format);
	vsnprintf(result + len, sizeof(result) - len, format, list);
	va_end(list);
}

/* What a call returned, or the errno. */
static void say_result(const char *what, long ret)
{
	if (ret == -1)
		say("%s%s", what, strerrorname_np(errno));
	else
		say("%s%ld", what, ret);
}

static void on_fault(int sig)
{
	signal_number = sig;
	siglongjmp(faulted, 1);
}

/* Reads or writes a byte; tells what came of it. */
static const char *touch(volatile char *p, bool write)
{
	signal_number = 0;
	if (!sigsetjmp(faulted, 1)) {
		if (write)
			*p = MARK;
		else
			(void)*p;
	}
	return signal_number == SIGBUS ? "SIGBUS" : signal_number ? "SIGSEGV" : "";
}

static const char *touched(volatile char *p, bool write)
{
	const char *sig = touch(p, write);

	return *sig ? sig : "works";
}

/* The first line of a file that begins with @word, of the mapping that has @address; what follows. */
static const char *proc_line(const char *path, const void *address, const char *word)
{
	static char line[512];
	unsigned long start, end;
	FILE *file = fopen(path, "r");
	bool ours = !address;

	*line = 0;
	if (!file)
		return "";
	while (fgets(line, sizeof(line), file)) {
		if (address && sscanf(line, "%lx-%lx ", &start, &end) == 2)
			ours = start <= (uintptr_t)address && (uintptr_t)address < end;
		if (ours && !strncmp(line, word, strlen(word)))
			break;
		*line = 0;
	}
	fclose(file);
	line[strcspn(line, "\n")] = 0;
	return *line ? line + strlen(word) : "";
}

static long smaps(const char *p, const char *field)
{
	return atol(proc_line("/proc/self/smaps", p, field));
}

static bool has_flag(const char *p, const char *flag)
{
	return strstr(proc_line("/proc/self/smaps", p, "VmFlags:"), flag);
}

/* The flags of one list that are not in the other, with a sign. */
static void differing(const char *list, const char *other, char sign, char *out)
{
	for (list += strspn(list, " "); list[0] && list[1]; list += strspn(list, " ")) {
		const char flag[3] = { list[0], list[1] };

		if (!strstr(other, flag))
			sprintf(out + strlen(out), "%s%c%s", *out ? " " : "", sign, flag);
		list += 2;
	}
}

static char *map_with(int prot, int flags)
{
	return mmap(NULL, SIZE, prot, DROPPABLE | flags, -1, 0);
}

static void write_all(char *p)
{
	for (size_t i = 0; i < PAGES; i++)
		*(volatile char *)(p + i * PAGE) = MARK;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	return pid;
}

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static const char *content(char *p)
{
	static char text[32];
	unsigned int kept = 0;

	for (size_t i = 0; i < PAGES; i++) {
		const char *sig = touch(p + i * PAGE, false);

		if (*sig)
			return sig;
		if (p[i * PAGE] && p[i * PAGE] != MARK)
			return "other";
		kept += p[i * PAGE] == MARK;
	}
	if (kept == PAGES || !kept)
		return kept ? "kept" : "zeros";
	snprintf(text, sizeof(text), "%u of %d kept", kept, PAGES);
	return text;
}

/* How many pages are there. */
static int present(char *p)
{
	unsigned char there[PAGES];
	int sum = 0;

	if (mincore(p, SIZE, there))
		return -1;
	for (size_t i = 0; i < PAGES; i++)
		sum += there[i] & 1;
	return sum;
}

/* An entry of /proc/self/pagemap. */
static uint64_t pagemap(const char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8) != 8)
		err(1, "pagemap");
	close(fd);
	return entry;
}

/* What came of a mapping that was made otherwise. */
static void say_mapping(const char *what, char *p)
{
	if (p == MAP_FAILED)
		say_result(what, -1);
	else
		say("%s%s", what, has_flag(p, " dp") ? "works" : "works, not droppable");
}

/* The interfaces; each gets a mapping that has been written. */

static int number;	/* of the advice of this line */

static void advice(char *p)
{
	say_result("", madvise(p, SIZE, number));
}

static void advice_readonly(char *p)
{
	mprotect(p, SIZE, PROT_READ);
	say_result("", madvise(p, SIZE, number));
}

static void process_advice(char *p)
{
	struct iovec iov = { p, SIZE };
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	say_result("", syscall(SYS_process_madvise, fd, &iov, 1L, number, 0L));
}

static void mincore_all(char *p)
{
	say("%d pages", present(p));
	madvise(p, PAGE, MADV_DONTNEED);
	say("after DONTNEED of one: %d", present(p));
}

static void mprotect_read(char *p)
{
	say_result("", mprotect(p, SIZE, PROT_READ));
	say("a write: %s", touched(p, true));
}

static void mprotect_none_and_back(char *p)
{
	say_result("", mprotect(p, SIZE, PROT_NONE));
	say("a read: %s", touched(p, false));
	say_result("back: ", mprotect(p, SIZE, READ_WRITE));
}

static void mprotect_exec(char *p)
{
	say_result("", mprotect(p, SIZE, READ_WRITE | PROT_EXEC));
}

static void mprotect_half(char *p)
{
	say_result("", mprotect(p, SIZE / 2, PROT_READ));
	say_result("back: ", mprotect(p, SIZE / 2, READ_WRITE));
	say("size %ld kB", smaps(p, "Size:"));
}

static void pkey(char *p)
{
	int key = pkey_alloc(0, PKEY_DISABLE_ACCESS);

	say("key %s", key < 0 ? "none" : "there");
	say_result("", pkey_mprotect(p, SIZE, READ_WRITE, key));
	say("a read: %s", touched(p, false));
	pkey_set(key, 0);
	say("with access: %s", touched(p, false));
}

static void mlock_all_pages(char *p)
{
	say_result("", mlock(p, SIZE));
	say("locked %ld kB", smaps(p, "Locked:"));
}

static void mlock_onfault(char *p)
{
	say_result("", mlock2(p, SIZE, MLOCK_ONFAULT));
	say("locked %ld kB", smaps(p, "Locked:"));
}

static void mlock_munlock(char *p)
{
	say_result("", mlock(p, SIZE));
	say_result("munlock: ", munlock(p, SIZE));
}

static void mlockall_current(char *p)
{
	say_result("", mlockall(MCL_CURRENT));
	say("locked %ld kB", smaps(p, "Locked:"));
}

static void mlockall_future(char *p)
{
	(void)p;
	say_result("", mlockall(MCL_FUTURE));
	p = map_with(READ_WRITE, 0);
	say_mapping("", p);
	say("a new mapping has %d pages", present(p));
	say("%s", has_flag(p, " lo") ? "VM_LOCKED" : "not VM_LOCKED");
}

static void mremap_shrink(char *p)
{
	say("%s", mremap(p, SIZE, PAGE, 0) == p ? "works" : strerrorname_np(errno));
	say("the first page: %s", p[0] == MARK ? "kept" : "lost");
}

static void mremap_grow(char *p)
{
	say("%s", mremap(p, SIZE, 2 * SIZE, MREMAP_MAYMOVE) != MAP_FAILED ? "works" :
	    strerrorname_np(errno));
}

static void mremap_move(char *p)
{
	char *to = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to) {
		say_result("", -1);
		return;
	}
	say("works, %s at the new place", content(to));
	say("%s", has_flag(to, " dp") ? "droppable" : "not droppable");
}

static void mremap_part(char *p)
{
	char *to = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mremap(p + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		say_result("", -1);
	else
		say("works, %s at the new place", *to == MARK ? "kept" : "lost");
}

static void mremap_dontunmap(char *p)
{
	char *to = mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (to == MAP_FAILED)
		say_result("", -1);
	else
		say("works, %s at the new place", content(to));
}

static void mremap_old_size_0(char *p)
{
	say("%s", mremap(p, 0, SIZE, MREMAP_MAYMOVE) != MAP_FAILED ? "works" :
	    strerrorname_np(errno));
}

static void mseal(char *p)
{
	say_result("", syscall(__NR_mseal, p, SIZE, 0L));
	say_result("munmap: ", munmap(p, SIZE));
	say_result("mprotect: ", mprotect(p, SIZE, PROT_READ));
	say_result("DONTNEED: ", madvise(p, PAGE, MADV_DONTNEED));
}

static void mseal_readonly(char *p)
{
	mprotect(p, SIZE, PROT_READ);
	say_result("", syscall(__NR_mseal, p, SIZE, 0L));
	say_result("DONTNEED: ", madvise(p, PAGE, MADV_DONTNEED));
}

static int uffd;

static void uffd_register(char *p)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)p, SIZE }, .mode = number };

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		err(1, "userfaultfd");
	say_result("", ioctl(uffd, UFFDIO_REGISTER, &reg));
}

static void ksm_for_all(char *p)
{
	say_result("", prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0));
	say("%s", has_flag(p, " mg") ? "mergeable" : "not mergeable");
}

static void thp(char *p)
{
	(void)p;
	put("/sys/kernel/mm/transparent_hugepage/enabled", "always");
	p = mmap(NULL, 8UL << 20, READ_WRITE, DROPPABLE, -1, 0);
	for (size_t i = 0; i < 8UL << 20; i += PAGE)
		p[i] = 1;
	say("huge pages %ld kB", smaps(p, "AnonHugePages:"));
	put("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
}

static void numa_mbind(char *p)
{
	unsigned long node = 2;

	say_result("", syscall(SYS_mbind, p, SIZE, MPOL_BIND, &node, 64L, 0L));
	say_result("MOVE|STRICT: ", syscall(SYS_mbind, p, SIZE, MPOL_BIND, &node, 64L,
					    MPOL_MF_MOVE | MPOL_MF_STRICT));
}

static void numa_new_pages(char *p)
{
	unsigned long node = 2;
	void *pages[] = { p };
	int at = -1;

	say_result("", syscall(SYS_mbind, p, SIZE, MPOL_BIND, &node, 64L, 0L));
	madvise(p, SIZE, MADV_DONTNEED);
	*p = MARK;
	syscall(SYS_move_pages, 0, 1L, pages, NULL, &at, 0L);
	say("a new page is on node %d", at);
}

static void numa_move_pages(char *p)
{
	void *pages[] = { p };
	int to = 1, status = 99;

	syscall(SYS_move_pages, 0, 1L, pages, NULL, &status, 0L);
	to = !status;
	say_result("", syscall(SYS_move_pages, 0, 1L, pages, &to, &status, MPOL_MF_MOVE));
	say("%s", status == to ? "moved" : status < 0 ? strerrorname_np(-status) : "not moved");
}

static void numa_migrate_pages(char *p)
{
	void *pages[] = { p };
	unsigned long from = 1, to = 2;
	int before = 99, after = 99;

	syscall(SYS_move_pages, 0, 1L, pages, NULL, &before, 0L);
	if (before)
		from = 2, to = 1;
	say("%s", syscall(SYS_migrate_pages, 0, 64L, &from, &to) >= 0 ? "works" :
	    strerrorname_np(errno));
	syscall(SYS_move_pages, 0, 1L, pages, NULL, &after, 0L);
	say("%s", after == before ? "not moved" : "moved");
}

static void soft_dirty(char *p)
{
	say("%s", pagemap(p) >> 55 & 1 ? "dirty" : "clean");
	put("/proc/self/clear_refs", "4");
	say("cleared: %s", pagemap(p) >> 55 & 1 ? "dirty" : "clean");
	*p = MARK;
	say("written: %s", pagemap(p) >> 55 & 1 ? "dirty" : "clean");
}

static void pagemap_bits(char *p)
{
	uint64_t entry = pagemap(p);

	say("%s", entry >> 63 ? "present" : "not present");
	say("%s", entry >> 62 & 1 ? "swapped" : "not swapped");
	say("%s", entry >> 61 & 1 ? "file or shared" : "anonymous");
	say("%s", entry >> 56 & 1 ? "exclusive" : "not exclusive");
}

static void pagemap_scan(char *p)
{
	struct page_region region;
	struct pm_scan_arg arg = {
		.size = sizeof(arg), .start = (uintptr_t)p, .end = (uintptr_t)p + SIZE,
		.vec = (uintptr_t)&region, .vec_len = 1, .category_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_FILE | PAGE_IS_SWAPPED
	};
	int fd = open("/proc/self/pagemap", O_RDONLY);
	int regions = ioctl(fd, PAGEMAP_SCAN, &arg);

	say_result("", regions);
	if (regions > 0)
		say("categories %#llx", region.categories);
}

static void clear_refs(char *p)
{
	say("referenced %ld kB", smaps(p, "Referenced:"));
	put("/proc/self/clear_refs", "1");
	say("cleared: %ld kB", smaps(p, "Referenced:"));
}

static void vm_readv(char *p)
{
	char buf[PAGE];
	struct iovec local = { buf, PAGE }, remote = { p, PAGE };

	say_result("", process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	say("%s", buf[0] == MARK ? "content" : "other");
}

static void vm_writev(char *p)
{
	char buf[PAGE] = { 'x' };
	struct iovec local = { buf, PAGE }, remote = { p, PAGE };

	say_result("", process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	say("%s", *p == 'x' ? "written" : "not written");
}

static void poke(char *p, int prot)
{
	pid_t pid = child();
	long word;

	if (!pid) {
		write_all(p);
		mprotect(p, SIZE, prot);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(*p != 'x');
	}
	waitpid(pid, NULL, 0);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, p, 0);
	say("peek: %s", errno ? strerrorname_np(errno) : (char)word == MARK ? "content" : "other");
	say_result("poke: ", ptrace(PTRACE_POKEDATA, pid, p, 'x'));
	ptrace(PTRACE_CONT, pid, 0, 0);
	say("%s", status_of(pid) ? "not written" : "written");
}

static void ptrace_poke(char *p)
{
	poke(p, READ_WRITE);
}

static void ptrace_poke_readonly(char *p)
{
	poke(p, PROT_READ);
}

static void proc_mem(char *p)
{
	int fd = open("/proc/self/mem", O_RDWR);
	char byte = 0;

	say_result("read: ", pread(fd, &byte, 1, (uintptr_t)p));
	say("%s", byte == MARK ? "content" : "other");
	say_result("write: ", pwrite(fd, "x", 1, (uintptr_t)p));
	say("%s", *p == 'x' ? "written" : "not written");
}

static void proc_mem_readonly(char *p)
{
	int fd = open("/proc/self/mem", O_RDWR);

	mprotect(p, SIZE, PROT_READ);
	say_result("write: ", pwrite(fd, "x", 1, (uintptr_t)p));
	say("%s", *p == 'x' ? "written" : "not written");
}

static void set_name(char *p)
{
	const char *line;

	say_result("", prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, SIZE, "states"));
	line = proc_line("/proc/self/maps", p, "");
	say("maps: %s", strchr(line, '[') ?: strchr(line, '/') ?: "no name");
}

static void mdwe(char *p)
{
	say_result("", prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0));
	say_result("PROT_EXEC by mprotect: ", mprotect(p, SIZE, PROT_READ | PROT_EXEC));
	say_mapping("writable and executable by mmap: ", map_with(READ_WRITE | PROT_EXEC, 0));
}

static void futex_wake(char *p, int private)
{
	struct timespec no_time = { 0 };

	say_result("wake: ", syscall(SYS_futex, p, FUTEX_WAKE | private, 1, NULL, NULL, 0));
	say_result("wait: ", syscall(SYS_futex, p, FUTEX_WAIT | private, *(int *)p, &no_time, NULL,
				     0));
}

static void futex_private(char *p)
{
	futex_wake(p, FUTEX_PRIVATE_FLAG);
}

static void futex_shared(char *p)
{
	futex_wake(p, 0);
}

static void membarrier(char *p)
{
	(void)p;
	say_result("register: ", syscall(SYS_membarrier,
					 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	say_result("", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
}

static void msync_all(char *p)
{
	say_result("SYNC: ", msync(p, SIZE, MS_SYNC));
	say_result("ASYNC: ", msync(p, SIZE, MS_ASYNC));
	say_result("INVALIDATE: ", msync(p, SIZE, MS_INVALIDATE));
}

static void remap_pages(char *p)
{
	say_result("", syscall(SYS_remap_file_pages, p, PAGE, 0L, 1L, 0L));
}

static void uring(char *p)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { p, SIZE };
	int fd = syscall(SYS_io_uring_setup, 4, &params);

	if (fd < 0)
		err(1, "io_uring_setup");
	say_result("", syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &iov, 1));
	say_result("DONTNEED: ", madvise(p, PAGE, MADV_DONTNEED));
	say("present %d", present(p));
}

static void splice_page(char *p)
{
	struct iovec iov = { p, PAGE };
	char byte = 0;
	int ends[2];

	if (pipe(ends))
		err(1, "pipe");
	say_result("", vmsplice(ends[1], &iov, 1, 0));
	*p = 'x';
	say("read: %s", read(ends[0], &byte, 1) == 1 && byte == 'x' ? "what was written since" :
	    "what was there then");
	*p = MARK;
}

static void splice_and_dontneed(char *p)
{
	struct iovec iov = { p, PAGE };
	char byte = 1;
	int ends[2];

	if (pipe(ends))
		err(1, "pipe");
	say_result("", vmsplice(ends[1], &iov, 1, 0));
	say_result("DONTNEED: ", madvise(p, PAGE, MADV_DONTNEED));
	if (read(ends[0], &byte, 1) != 1)
		err(1, "read");
	say("the pipe has %s", byte == MARK ? "the content" : byte ? "other" : "zeros");
}

static void direct_io(char *p)
{
	int fd = open("/dev/vda", O_RDWR | O_DIRECT);

	if (fd < 0)
		err(1, "/dev/vda");
	say_result("write: ", pwrite(fd, p, PAGE, 0));
	memset(p, 'x', PAGE);
	say_result("read: ", pread(fd, p, PAGE, 0));
	say("%s", *p == MARK ? "what was written" : *p ? "other" : "zeros");
	*p = MARK;
}

static void fixed_over(char *p)
{
	say("%s", mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    p + PAGE ? "works" : strerrorname_np(errno));
	say("size %ld kB", smaps(p, "Size:"));
}

static void fixed_into(char *p)
{
	char *at = mmap(NULL, SIZE, READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	write_all(at);
	say_mapping("", mmap(at + PAGE, PAGE, READ_WRITE, DROPPABLE | MAP_FIXED, -1, 0));
	say("around it %s", content(at));
}

static void fixed_noreplace(char *p)
{
	say_mapping("", mmap(p, PAGE, READ_WRITE, DROPPABLE | MAP_FIXED_NOREPLACE, -1, 0));
}

static void adjacent(char *p)
{
	char *at = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)p;
	mmap(at, SIZE, READ_WRITE, DROPPABLE | MAP_FIXED, -1, 0);
	mmap(at + SIZE, SIZE, READ_WRITE, DROPPABLE | MAP_FIXED, -1, 0);
	say("two adjacent mappings are %s", smaps(at, "Size:") * 1024 == 2 * SIZE ? "one" : "two");
}

static void map_flags(char *p)
{
	(void)p;
	say_mapping("", map_with(READ_WRITE, number));
}

static void map_prot(char *p)
{
	(void)p;
	say_mapping("", map_with(number, 0));
}

static void map_of_file(char *p)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	(void)p;
	say_mapping("", mmap(NULL, SIZE, PROT_READ, MAP_DROPPABLE, fd, 0));
	say_mapping("with MAP_ANONYMOUS: ", mmap(NULL, SIZE, READ_WRITE, DROPPABLE, fd, 0));
}

static void map_offset(char *p)
{
	(void)p;
	say_mapping("", mmap(NULL, SIZE, READ_WRITE, DROPPABLE, -1, PAGE));
}

static void map_sizes(char *p)
{
	(void)p;
	say_mapping("0: ", mmap(NULL, 0, READ_WRITE, DROPPABLE, -1, 0));
	say_mapping("1: ", mmap(NULL, 1, READ_WRITE, DROPPABLE, -1, 0));
	say_mapping("2^47: ", mmap(NULL, 1UL << 47, READ_WRITE, DROPPABLE, -1, 0));
	say_mapping("2^40: ", mmap(NULL, 1UL << 40, READ_WRITE, DROPPABLE, -1, 0));
}

static void overcommit(char *p)
{
	(void)p;
	put("/proc/sys/vm/overcommit_memory", "2");
	say_mapping("", mmap(NULL, 64UL << 30, READ_WRITE, DROPPABLE, -1, 0));
	put("/proc/sys/vm/overcommit_memory", "0");
}

static void limit(int resource)
{
	struct rlimit none = { 0, 0 };

	if (setrlimit(resource, &none))
		err(1, "setrlimit");
}

static void rlimit_as(char *p)
{
	(void)p;
	limit(RLIMIT_AS);
	say_mapping("", map_with(READ_WRITE, 0));
}

static void rlimit_data(char *p)
{
	(void)p;
	limit(RLIMIT_DATA);
	say_mapping("", map_with(READ_WRITE, 0));
}

static void rlimit_memlock(char *p)
{
	limit(RLIMIT_MEMLOCK);
	if (setuid(1))
		err(1, "setuid");
	say_mapping("", map_with(READ_WRITE, 0));
	say_result("mlock: ", mlock(p, SIZE));
}

static void max_map_count(char *p)
{
	unsigned int made = 0;

	(void)p;
	put("/proc/sys/vm/max_map_count", "100");
	/* every other one, so that none are joined */
	for (unsigned int i = 0; i < 200; i++)
		made += map_with(i % 2 ? PROT_READ : READ_WRITE, 0) != MAP_FAILED;
	say("%s", made < 100 ? strerrorname_np(errno) : "no limit");
	put("/proc/sys/vm/max_map_count", "65530");
}

static void read_implies_exec(char *p)
{
	(void)p;
	personality(READ_IMPLIES_EXEC);
	p = map_with(READ_WRITE, 0);
	say_mapping("", p);
	say("maps: %.4s", strchr(proc_line("/proc/self/maps", p, ""), ' ') + 1);
}

/* Whether a core dump has the content of the pages, which is nowhere else. */
static void core_dump(char *p)
{
	char filter[8], name[32];
	static char core[1 << 24];
	unsigned int in = 0;
	ssize_t len;
	pid_t pid;
	int fd;

	(void)p;
	put("/proc/sys/kernel/core_pattern", "/tmp/core.%p");
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }))
		err(1, "setrlimit");
	/* none, each bit, the default, all */
	for (unsigned int i = 0; i < 12; i++) {
		unsigned int bits = !i ? 0 : i < 10 ? 1U << (i - 1) : i == 10 ? 0x33 : 0x1ff;

		pid = child();
		if (!pid) {
			char *secret = map_with(READ_WRITE, 0);

			/* made where it is written */
			for (size_t i = 0; i < SIZE; i++)
				((volatile char *)secret)[i] = i * i * 7 + 3 * i + (i >> 8) + MARK;
			snprintf(filter, sizeof(filter), "%#x", bits);
			put("/proc/self/coredump_filter", filter);
			abort();
		}
		if (status_of(pid) != 1000 + SIGABRT)
			errx(1, "no core dump");
		snprintf(name, sizeof(name), "/tmp/core.%d", pid);
		fd = open(name, O_RDONLY);
		len = fd < 0 ? -1 : read(fd, core, sizeof(core));
		if (len <= 0)
			err(1, "%s", name);
		for (ssize_t at = 0; at + (ssize_t)PAGE <= len; at += PAGE) {
			size_t i = 0;

			while (i < 64 && core[at + i] == (char)(i * i * 7 + 3 * i + MARK))
				i++;
			in += i == 64;
		}
		close(fd);
		unlink(name);
	}
	say("has %s of it", in ? "some" : "nothing");
}

static void fork_child(char *p)
{
	pid_t pid = child();

	if (!pid) {
		bool zeros = !strcmp(content(p), "zeros");

		write_all(p);
		_exit(!zeros ? 1 : strcmp(content(p), "kept") ? 2 : !has_flag(p, " dp"));
	}
	say("the child reads %s", status_of(pid) ? "something" : "zeros, may write");
}

static void vfork_child(char *p)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(*p != MARK);
	say("the child reads %s", status_of(pid) ? "zeros" : "the content");
}

static void smaps_fields(char *p)
{
	static const char *const fields[] = {
		"Size:", "Rss:", "Pss:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:",
		"Private_Dirty:", "Anonymous:", "LazyFree:", "Swap:", "Locked:",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		say("%s %ld", fields[i], smaps(p, fields[i]));
}

static void vmflags(char *p)
{
	say("%s", proc_line("/proc/self/smaps", p, "VmFlags: "));
}

static void maps(char *p)
{
	say("%s", strchr(proc_line("/proc/self/maps", p, ""), ' ') + 1);
}

static void status_fields(char *p)
{
	long before[3], after[3];
	static const char *const fields[] = { "RssAnon:", "RssFile:", "VmData:" };

	(void)p;
	for (int i = 0; i < 3; i++)
		before[i] = atol(proc_line("/proc/self/status", NULL, fields[i]));
	p = mmap(NULL, 4UL << 20, READ_WRITE, DROPPABLE, -1, 0);
	memset(p, 1, 4UL << 20);
	for (int i = 0; i < 3; i++) {
		after[i] = atol(proc_line("/proc/self/status", NULL, fields[i]));
		/* before 6.2 a thread counts up to 64 pages for itself first */
		say("%s %s", fields[i], after[i] - before[i] >= 4096 - 256 ? "+4 MiB" : "+0");
	}
}

static void seccomp(char *p)
{
	/* a filter that knows getrandom() and no more: what a state needs later needs no call */
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };
	pid_t pid = child();

	if (!pid) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
			_exit(3);
		write_all(p);
		syscall(SYS_exit_group, *p != MARK);
	}
	say("a write and a fault without a system call: %s", status_of(pid) ? "fails" : "works");
}

static void ia32(char *p)
{
	int ret;

	(void)p;
	/* mmap2 of a 32-bit program */
	asm volatile("push %%rbp\n\txor %%ebp, %%ebp\n\tint $0x80\n\tpop %%rbp"
		     : "=a" (ret)
		     : "a" (192), "b" (0), "c" (SIZE), "d" (READ_WRITE), "S" (DROPPABLE), "D" (-1)
		     : "memory", "r8", "r9", "r10", "r11");
	if (ret < 0 && ret > -4096)
		say("%s", strerrorname_np(-ret));
	else
		say_mapping("", (char *)(uintptr_t)(unsigned int)ret);
}

static void vdso_params(char *p)
{
	struct vgetrandom v;

	(void)p;
	if (!vgetrandom_open(&v))
		errx(1, "no vDSO getrandom()");
	say("state of %u bytes, prot %#x, flags %#x", v.params.size_of_opaque_state,
	    v.params.mmap_prot, v.params.mmap_flags);
}

static void vdso_flags(char *p)
{
	static const unsigned int flags[] = { 8, 16, 1U << 31, 6 };
	struct vgetrandom v;
	char buf[16];

	if (!vgetrandom_open(&v))
		errx(1, "no vDSO getrandom()");
	memset(p, 0, SIZE);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		long ret = v.call(buf, sizeof(buf), flags[i], p, v.params.size_of_opaque_state);

		say("%#x: %s", flags[i], ret < 0 ? strerrorname_np(-ret) : "works");
	}
	write_all(p);
}

static void drop_caches(char *p)
{
	(void)p;
	put("/proc/sys/vm/drop_caches", "2");
	put("/proc/sys/vm/drop_caches", "2");
	say("written");
}

static void drop_caches_at_once(char *p)
{
	(void)p;
	put("/proc/sys/vm/drop_caches", "2");
	say("written");
}

static void drop_caches_in_use(char *p)
{
	put("/proc/sys/vm/drop_caches", "2");
	write_all(p);
	put("/proc/sys/vm/drop_caches", "2");
	(void)p;
	say("written");
}

static void memory_failure(char *p)
{
	put("/proc/sys/kernel/printk", "1");
	signal_number = 0;
	if (!sigsetjmp(faulted, 1))
		say_result("", madvise(p, PAGE, MADV_HWPOISON));
	if (signal_number)
		say("a signal");
	put("/proc/sys/kernel/printk", "5");
	say("a read: %s", touched(p, false));
}

static void soft_offline(char *p)
{
	put("/proc/sys/kernel/printk", "1");
	say_result("", madvise(p, PAGE, MADV_SOFT_OFFLINE));
	put("/proc/sys/kernel/printk", "5");
}

/* In the order of the table. */
static const struct {
	const char *name;
	void (*fn)(char *p);
	int number;
} lines[] = {
	{ "VmFlags", vmflags, 0 },
	{ "maps", maps, 0 },
	{ "smaps, in kB", smaps_fields, 0 },
	{ "status, of 4 MiB", status_fields, 0 },
	{ "pagemap", pagemap_bits, 0 },
	{ "PAGEMAP_SCAN", pagemap_scan, 0 },
	{ "fork()", fork_child, 0 },
	{ "vfork()", vfork_child, 0 },
	{ "mmap: MAP_SHARED as well", map_flags, MAP_SHARED },
	{ "mmap: MAP_PRIVATE as well", map_flags, MAP_PRIVATE },
	{ "mmap: MAP_LOCKED", map_flags, MAP_LOCKED },
	{ "mmap: MAP_POPULATE", map_flags, MAP_POPULATE },
	{ "mmap: MAP_NORESERVE", map_flags, MAP_NORESERVE },
	{ "mmap: MAP_GROWSDOWN", map_flags, MAP_GROWSDOWN },
	{ "mmap: MAP_HUGETLB", map_flags, MAP_HUGETLB },
	{ "mmap: MAP_STACK", map_flags, MAP_STACK },
	{ "mmap: MAP_32BIT", map_flags, MAP_32BIT },
	{ "mmap: PROT_NONE", map_prot, PROT_NONE },
	{ "mmap: PROT_READ", map_prot, PROT_READ },
	{ "mmap: PROT_EXEC", map_prot, READ_WRITE | PROT_EXEC },
	{ "mmap: of a file", map_of_file, 0 },
	{ "mmap: an offset", map_offset, 0 },
	{ "mmap: sizes", map_sizes, 0 },
	{ "mmap: MAP_FIXED over one page", fixed_over, 0 },
	{ "mmap: MAP_FIXED into other memory", fixed_into, 0 },
	{ "mmap: MAP_FIXED_NOREPLACE", fixed_noreplace, 0 },
	{ "mmap: two side by side", adjacent, 0 },
	{ "mmap: by a 32-bit program", ia32, 0 },
	{ "overcommit_memory=2", overcommit, 0 },
	{ "RLIMIT_AS", rlimit_as, 0 },
	{ "RLIMIT_DATA", rlimit_data, 0 },
	{ "RLIMIT_MEMLOCK", rlimit_memlock, 0 },
	{ "max_map_count", max_map_count, 0 },
	{ "READ_IMPLIES_EXEC", read_implies_exec, 0 },
	{ "MADV_NORMAL", advice, MADV_NORMAL },
	{ "MADV_RANDOM", advice, MADV_RANDOM },
	{ "MADV_SEQUENTIAL", advice, MADV_SEQUENTIAL },
	{ "MADV_WILLNEED", advice, MADV_WILLNEED },
	{ "MADV_DONTNEED", advice, MADV_DONTNEED },
	{ "MADV_DONTNEED, read-only", advice_readonly, MADV_DONTNEED },
	{ "MADV_DONTNEED_LOCKED", advice, MADV_DONTNEED_LOCKED },
	{ "MADV_FREE", advice, MADV_FREE },
	{ "MADV_REMOVE", advice, MADV_REMOVE },
	{ "MADV_DONTFORK", advice, MADV_DONTFORK },
	{ "MADV_DOFORK", advice, MADV_DOFORK },
	{ "MADV_MERGEABLE", advice, MADV_MERGEABLE },
	{ "MADV_UNMERGEABLE", advice, MADV_UNMERGEABLE },
	{ "MADV_HUGEPAGE", advice, MADV_HUGEPAGE },
	{ "MADV_NOHUGEPAGE", advice, MADV_NOHUGEPAGE },
	{ "MADV_DONTDUMP", advice, MADV_DONTDUMP },
	{ "MADV_DODUMP", advice, MADV_DODUMP },
	{ "MADV_WIPEONFORK", advice, MADV_WIPEONFORK },
	{ "MADV_KEEPONFORK", advice, MADV_KEEPONFORK },
	{ "MADV_COLD", advice, MADV_COLD },
	{ "MADV_PAGEOUT", advice, MADV_PAGEOUT },
	{ "MADV_POPULATE_READ", advice, MADV_POPULATE_READ },
	{ "MADV_POPULATE_WRITE", advice, MADV_POPULATE_WRITE },
	{ "MADV_COLLAPSE", advice, MADV_COLLAPSE },
	{ "MADV_GUARD_INSTALL", advice, MADV_GUARD_INSTALL_ },
	{ "MADV_GUARD_REMOVE", advice, MADV_GUARD_REMOVE_ },
	{ "MADV_HWPOISON", memory_failure, 0 },
	{ "MADV_SOFT_OFFLINE", soft_offline, 0 },
	{ "process_madvise: MADV_COLD", process_advice, MADV_COLD },
	{ "process_madvise: MADV_PAGEOUT", process_advice, MADV_PAGEOUT },
	{ "process_madvise: MADV_WILLNEED", process_advice, MADV_WILLNEED },
	{ "drop_caches", drop_caches_at_once, 0 },
	{ "drop_caches, twice", drop_caches, 0 },
	{ "drop_caches, twice, in use", drop_caches_in_use, 0 },
	{ "mincore", mincore_all, 0 },
	{ "mprotect: PROT_READ", mprotect_read, 0 },
	{ "mprotect: PROT_NONE", mprotect_none_and_back, 0 },
	{ "mprotect: PROT_EXEC", mprotect_exec, 0 },
	{ "mprotect: of a half, and back", mprotect_half, 0 },
	{ "pkey_mprotect", pkey, 0 },
	{ "PR_SET_MDWE", mdwe, 0 },
	{ "mlock", mlock_all_pages, 0 },
	{ "mlock2: MLOCK_ONFAULT", mlock_onfault, 0 },
	{ "mlock, munlock", mlock_munlock, 0 },
	{ "mlockall: MCL_CURRENT", mlockall_current, 0 },
	{ "mlockall: MCL_FUTURE", mlockall_future, 0 },
	{ "mremap: shrink", mremap_shrink, 0 },
	{ "mremap: grow", mremap_grow, 0 },
	{ "mremap: move", mremap_move, 0 },
	{ "mremap: move one page", mremap_part, 0 },
	{ "mremap: MREMAP_DONTUNMAP", mremap_dontunmap, 0 },
	{ "mremap: of size 0", mremap_old_size_0, 0 },
	{ "remap_file_pages", remap_pages, 0 },
	{ "mseal", mseal, 0 },
	{ "mseal, read-only", mseal_readonly, 0 },
	{ "msync", msync_all, 0 },
	{ "userfaultfd: MISSING", uffd_register, UFFDIO_REGISTER_MODE_MISSING },
	{ "userfaultfd: WP", uffd_register, UFFDIO_REGISTER_MODE_WP },
	{ "userfaultfd: MINOR", uffd_register, UFFDIO_REGISTER_MODE_MINOR },
	{ "PR_SET_MEMORY_MERGE", ksm_for_all, 0 },
	{ "transparent huge pages", thp, 0 },
	{ "PR_SET_VMA_ANON_NAME", set_name, 0 },
	{ "mbind", numa_mbind, 0 },
	{ "mbind, a new page", numa_new_pages, 0 },
	{ "move_pages", numa_move_pages, 0 },
	{ "migrate_pages", numa_migrate_pages, 0 },
	{ "soft-dirty", soft_dirty, 0 },
	{ "clear_refs", clear_refs, 0 },
	{ "process_vm_readv", vm_readv, 0 },
	{ "process_vm_writev", vm_writev, 0 },
	{ "ptrace", ptrace_poke, 0 },
	{ "ptrace, read-only", ptrace_poke_readonly, 0 },
	{ "/proc/self/mem", proc_mem, 0 },
	{ "/proc/self/mem, read-only", proc_mem_readonly, 0 },
	{ "futex, private", futex_private, 0 },
	{ "futex, shared", futex_shared, 0 },
	{ "membarrier", membarrier, 0 },
	{ "io_uring: fixed buffer", uring, 0 },
	{ "vmsplice", splice_page, 0 },
	{ "vmsplice, MADV_DONTNEED", splice_and_dontneed, 0 },
	{ "O_DIRECT", direct_io, 0 },
	{ "core dump, each coredump_filter", core_dump, 0 },
	{ "seccomp", seccomp, 0 },
	{ "vDSO: parameters", vdso_params, 0 },
	{ "vDSO: unknown flags", vdso_flags, 0 },
};

int main(void)
{
	unsigned long node = 1;

	/* some lines tell of the other node */
	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node, 64L))
		err(1, "set_mempolicy");
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		int status;
		pid_t pid;

		fflush(stdout);
		pid = child();
		if (!pid) {
			char before[512], flags[256] = "";
			char *p = map_with(READ_WRITE, 0);
			const char *after;

			if (p == MAP_FAILED)
				err(1, "mmap(MAP_DROPPABLE)");
			write_all(p);
			signal(SIGSEGV, on_fault);
			signal(SIGBUS, on_fault);
			snprintf(before, sizeof(before), "%s",
				 proc_line("/proc/self/smaps", p, "VmFlags: "));
			number = lines[i].number;
			lines[i].fn(p);
			after = proc_line("/proc/self/smaps", p, "VmFlags: ");
			if (*after) {
				differing(after, before, '+', flags);
				differing(before, after, '-', flags);
			}
			printf("%s\t%s\t%s\t%s\n", lines[i].name, result,
			       *after ? content(p) : "unmapped", flags);
			return 0;
		}
		status = status_of(pid);
		if (status)
			printf("%s\tthe program failed: %d\t\t\n", lines[i].name, status);
	}
	printf("done\n");
	return 0;
}
