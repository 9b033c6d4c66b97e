/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vgetrandom_mapping.c calls by the names of later kernels, for 6.1, which
 * has something else, or nothing.  Included before everything else in that file,
 * and nowhere else.
 */
#ifndef _MM_VGETRANDOM_COMPAT_H
#define _MM_VGETRANDOM_COMPAT_H

#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>

#define VM_LOCKED_MASK		(~VM_LOCKED_CLEAR_MASK)

/* The forms with a node and a memory cgroup are the only ones used. */
#define list_lru_add		list_lru_add_memcg
#define list_lru_del		list_lru_del_memcg

#ifndef CONFIG_MEMCG_KMEM
/* all items are on one list for each node */
#define memcg_list_lru_alloc(memcg, lru, gfp)	0
#endif

/* Member of struct reclaim_state, which counts pages of shrinkers, too. */
#define reclaimed		reclaimed_slab

static inline void mm_account_reclaimed_pages(unsigned long pages)
{
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
}

/* No VMA has a lock of its own: mmap_lock it is. */
static inline struct vm_area_struct *
lock_vma_under_rcu(struct mm_struct *mm, unsigned long address)
{
	return NULL;
}

static inline void vma_end_read(struct vm_area_struct *vma)
{
}

static inline void vma_start_write(struct vm_area_struct *vma)
{
}

/* There is no PR_SET_MDWE. */
static inline bool map_deny_write_exec(unsigned long old, unsigned long new)
{
	return false;
}

/* Shrinkers are allocated by their users, and prepared before they register. */
static inline struct shrinker *shrinker_alloc(unsigned int flags,
					      const char *name)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->flags = flags;
	shrinker->seeks = DEFAULT_SEEKS;
	if (prealloc_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
	return shrinker;
}

#define shrinker_register	register_shrinker_prepared

#endif /* _MM_VGETRANDOM_COMPAT_H */
