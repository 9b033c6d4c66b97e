// SPDX-License-Identifier: GPL-2.0
/*
 * Sets a uprobe on an instruction of its own, and hits it, alone and in children that exit. The
 * instruction runs from a special mapping that the kernel makes for it, whose struct
 * vm_special_mapping must last until the VMA is closed: KASAN would tell. Prints TAP.
 */

#define _GNU_SOURCE

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "guest.h"

#define TRACING		"/sys/kernel/tracing/"
#define EVENT		TRACING "events/uprobes/vgetrandom_probed/"
#define HITS		100
#define CHILDREN	8

/* One that the kernel does not emulate, as it does nop, push or call. */
long probed(long n);
asm(".text\n"
	".type probed, @function\n"
	"probed:\n"
	"	lea	1(%rdi), %rax\n"
	"	ret\n"
	".size probed, . - probed\n");

static bool hit(void)
{
	for (long n = 0; n < HITS; n++)
		if (probed(n) != n + 1)
			return false;
	return true;
}

/* The mapping that has the address, or the one of that name: where it begins, and in its file. */
static bool find(unsigned long address, const char *name, unsigned long *start,
		 unsigned long *offset)
{
	FILE *file = fopen("/proc/self/maps", "r");
	bool found = false;
	unsigned long end;
	char line[512];

	if (!file)
		err(1, "/proc/self/maps");
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%lx-%lx %*s %lx", start, &end, offset) == 3 &&
			(name ? !!strstr(line, name) : *start <= address && address < end);
	fclose(file);
	return found;
}

static bool has_area(void)
{
	unsigned long start, offset;

	return find(0, "[uprobes]", &start, &offset);
}

static long hits(void)
{
	FILE *file = fopen(TRACING "uprobe_profile", "r");
	long count, found = -1;
	char name[128];

	if (!file)
		err(1, "uprobe_profile");
	while (fscanf(file, "%*s %127s %ld", name, &count) == 2)
		if (!strcmp(name, "vgetrandom_probed"))
			found = count;
	fclose(file);
	return found;
}

/* A child has none of its parent's, and one of its own once it needs it. */
static int in_child(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || has_area())
		return 1;
	*p = 1;
	return !hit() || !has_area();
}

static void result(const char *name, bool good)
{
	static int number;

	printf("%sok %d %s\n", good ? "" : "not ", ++number, name);
}

int main(void)
{
	unsigned long start, offset;
	char path[128] = "", probe[256];
	int status, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 ||
	    !find((unsigned long)probed, NULL, &start, &offset))
		err(1, "where the instruction is");
	snprintf(probe, sizeof(probe), "p:vgetrandom_probed %s:%#lx\n", path,
		 (unsigned long)probed - start + offset);
	puts("TAP version 13\n1..5");
	put(TRACING "uprobe_events", probe);
	put(EVENT "enable", "1");
	result("none_is_there_before_the_first_hit", !has_area() && !hits());
	result("what_is_probed_goes_on", hit() && has_area());
	result("each_hit_is_counted", hits() == HITS);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(in_child());
		if (pid < 0)
			err(1, "fork");
	}
	while (wait(&status) > 0)
		bad += !!status;
	result("children_have_their_own", !bad);
	result("the_hits_of_children_are_counted", hits() == (CHILDREN + 1) * HITS);
	put(EVENT "enable", "0");
	put(TRACING "uprobe_events", "-:vgetrandom_probed\n");
	return 0;
}
