/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of dropped pages of mmap(MAP_DROPPABLE) share: drop_caches, and a thread that
 * uses pages while they are dropped.
 */

#ifndef VGETRANDOM_DROP_H
#define VGETRANDOM_DROP_H

#include "vgetrandom_mapping.h"

static inline bool drop_slab(void)
{
	return write_file("/proc/sys/vm/drop_caches", "2");
}

/* How often an untouched page may survive a request to drop every cache. */
#define PATIENCE 20

/* Drops until none of the pages is left, without touching them. */
static inline bool drop_until_gone(const char *p, size_t pages)
{
	int i;

	for (i = 0; i < PATIENCE && resident(p, pages) > 0; i++)
		if (!drop_slab())
			return false;
	return resident(p, pages) == 0;
}

/* A thread that uses pages, and what it found. */
struct reader {
	char *p;
	size_t pages;
	unsigned long tag;
	bool stop;
	bool failed;
};

static inline void *write_and_read(void *arg)
{
	struct reader *r = arg;
	unsigned long *word, seen;
	size_t i;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < r->pages; i++) {
			word = (unsigned long *)(r->p + i * PAGE) + i;
			__atomic_store_n(word, r->tag + i, __ATOMIC_RELAXED);
			seen = __atomic_load_n(word, __ATOMIC_RELAXED);
			if (seen && seen != r->tag + i)
				r->failed = true;
			/* only this word of the page is ever written */
			seen = __atomic_load_n(word + 1, __ATOMIC_RELAXED);
			if (seen)
				r->failed = true;
		}
	}
	return NULL;
}

#endif /* VGETRANDOM_DROP_H */
