/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What 6.1 does not have, or not for all, by the names of later kernels. Included
 * by mm/vgetrandom_mapping.c and its tests only, after all other headers.
 */
#ifndef _MM_VGETRANDOM_HELPERS_6_1_H
#define _MM_VGETRANDOM_HELPERS_6_1_H

#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagevec.h>
#include <linux/rmap.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>

#define VM_LOCKED_MASK		(~VM_LOCKED_CLEAR_MASK)

/* The memory cgroup that a folio is charged to, held; NULL if none. */
static inline struct mem_cgroup *get_mem_cgroup_from_folio(struct folio *folio)
{
	struct mem_cgroup *memcg = folio_memcg(folio);

#ifdef CONFIG_MEMCG
	/* it is there as long as the folio's charge */
	if (memcg)
		css_get(&memcg->css);
#endif
	return memcg;
}

/* A batch, whose folios are put; it is empty then. */
static inline void vgetrandom_folios_put(struct folio_batch *folios)
{
	folios_put(folios->folios, folio_batch_count(folios));
	folio_batch_init(folios);
}

#define folios_put		vgetrandom_folios_put

/* These take pages. */
static inline int vgetrandom_mm_counter_file(struct folio *folio)
{
	return mm_counter_file(&folio->page);
}

#define mm_counter_file		vgetrandom_mm_counter_file

static inline void folio_remove_rmap_pte(struct folio *folio, struct page *page,
					 struct vm_area_struct *vma)
{
	page_remove_rmap(page, vma, false);
}

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

/* There is no PR_SET_MDWE. */
static inline bool map_deny_write_exec(unsigned long old, unsigned long new)
{
	return false;
}

#include "vgetrandom_helpers_common.h"

#endif /* _MM_VGETRANDOM_HELPERS_6_1_H */
