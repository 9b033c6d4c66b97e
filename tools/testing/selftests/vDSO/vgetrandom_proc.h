/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel tells of a mapping, a process and a cgroup, for the tests of
 * mmap(MAP_DROPPABLE).
 */

#ifndef VGETRANDOM_PROC_H
#define VGETRANDOM_PROC_H

#include "vgetrandom_mapping.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif

/* A line of /proc/PID/maps, with what smaps says about it. */
struct mapped {
	unsigned long long start;
	unsigned long long end;
	unsigned long long offset;
	unsigned long inode;
	char perms[5];
	char dev[16];
	char name[128];
	char flags[128];
	unsigned long rss_kb;
	unsigned long swap_kb;
	unsigned long locked_kb;
};

/* Looks up the mapping that contains p in /proc/PID/smaps ("self" for own). */
static inline bool find_mapped_in(const char *pid, const void *p,
				  struct mapped *m)
{
	unsigned long long start, end;
	bool inside = false, found = false;
	char path[64], line[512], key[32];
	unsigned long kb;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	memset(m, 0, sizeof(*m));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
			if (inside)
				break;
			inside = start <= (uintptr_t)p && (uintptr_t)p < end;
			if (!inside)
				continue;
			found = true;
			m->start = start;
			m->end = end;
			if (sscanf(line, "%*s %4s %llx %15s %lu %127[^\n]",
				   m->perms, &m->offset, m->dev, &m->inode,
				   m->name) < 4)
				break;
		} else if (inside && !strncmp(line, "VmFlags: ", 9)) {
			snprintf(m->flags, sizeof(m->flags), "%s", line + 9);
		} else if (inside && sscanf(line, "%31[^:]: %lu", key, &kb) == 2) {
			if (!strcmp(key, "Rss"))
				m->rss_kb = kb;
			else if (!strcmp(key, "Swap"))
				m->swap_kb = kb;
			else if (!strcmp(key, "Locked"))
				m->locked_kb = kb;
		}
	}
	fclose(f);
	return found;
}

static inline bool find_mapped(const void *p, struct mapped *m)
{
	return find_mapped_in("self", p, m);
}

/* Whether VmFlags has the two letters. */
static inline bool has_flag(const struct mapped *m, const char *letters)
{
	const char *f;

	for (f = m->flags; strlen(f) > 2; f += 3)
		if (!strncmp(f, letters, 2))
			return true;
	return false;
}

/* Whether exactly this range is one mapping, a droppable one. */
static inline bool is_droppable(const char *p, size_t pages)
{
	struct mapped m;

	return find_mapped(p, &m) && has_flag(&m, "dp") &&
	       m.start == (uintptr_t)p &&
	       m.end == (uintptr_t)p + pages * PAGE;
}

static inline bool is_mapped(const void *p)
{
	struct mapped m;

	return find_mapped(p, &m);
}

/*
 * A number in a file: of the line that begins with the word, or the only one
 * if that is NULL. -1 if there is none.
 */
static inline long number_in(const char *path, const char *word)
{
	char line[256], key[64];
	long value, found = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!word)
			found = strtol(line, NULL, 10);
		else if (sscanf(line, "%63s %ld", key, &value) == 2 &&
			 !strcmp(key, word))
			found = value;
	}
	fclose(f);
	return found;
}

/* A kB value of /proc/self/status, -1 if there is none of that name. */
static inline long status_kb(const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "%s:", name);
	return number_in("/proc/self/status", key);
}

/* A number in a cgroup's control file, see number_in(). */
static inline long counter(const char *dir, const char *file, const char *word)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return number_in(path, word);
}

/* total_vm, without a library call that might itself map something. */
static inline unsigned long mapped_pages(void)
{
	char text[128];

	return read_file("/proc/self/statm", text, sizeof(text)) ?
	       strtoul(text, NULL, 10) : 0;
}

static inline bool name_range(char *p, size_t pages, const char *name)
{
	return !prctl(PR_SET_VMA, (long)PR_SET_VMA_ANON_NAME, p, pages * PAGE,
		      name);
}

#endif /* VGETRANDOM_PROC_H */
