/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/vgetrandom_mapping.c asks of mm, and kernels call by different names.
 */
#ifndef _MM_VGETRANDOM_HELPERS_H
#define _MM_VGETRANDOM_HELPERS_H

#include <linux/folio_batch.h>
#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/slab.h>

#include "internal.h"
#include "vma.h"

/* Memory for what @ptr points to, charged to the current cgroup; or NULL. */
#define vgetrandom_alloc(ptr)	kmalloc_obj(*(ptr), GFP_KERNEL_ACCOUNT)

/* PR_SET_MDWE */
static inline bool vgetrandom_deny_write_exec(vm_flags_t vm_flags)
{
	vma_flags_t flags = legacy_to_vma_flags(vm_flags);

	return map_deny_write_exec(&flags, &flags);
}

/* RLIMIT_AS */
static inline bool vgetrandom_may_expand(struct mm_struct *mm,
					 vm_flags_t vm_flags,
					 unsigned long npages)
{
	vma_flags_t flags = legacy_to_vma_flags(vm_flags);

	return may_expand_vm(mm, &flags, npages);
}

/* For a VMA that is locked for writing. */
static inline void vgetrandom_set_pgoff(struct vm_area_struct *vma,
					unsigned long pgoff)
{
	vma_set_pgoff(vma, pgoff);
}

/* Clears the page table entries of a range within @vma, and flushes the TLBs. */
static inline void vgetrandom_zap(struct vm_area_struct *vma,
				  unsigned long addr, unsigned long size)
{
	zap_vma_range(vma, addr, size);
}

/* Whether the page was used through @pte, or by a secondary MMU. */
static inline bool vgetrandom_clear_young(struct vm_area_struct *vma,
					  unsigned long addr, pte_t *pte)
{
	return test_and_clear_young_ptes_notify(vma, addr, pte, 1);
}

/*
 * A callback that answers LRU_RETRY leaves the list unlocked: by then it may be
 * gone, with its cgroup.
 */
#define VGETRANDOM_LRU_CONTEXT(lock)
static inline void vgetrandom_lru_relock(spinlock_t *lock)
{
}

static enum lru_status vgetrandom_lru_isolate(struct list_head *item,
					      struct list_lru_one *list,
					      spinlock_t *lru_lock, void *arg);

/* list_lru_walk_cb */
static enum lru_status vgetrandom_lru_visit(struct list_head *item,
					    struct list_lru_one *list,
					    void *arg)
{
	return vgetrandom_lru_isolate(item, list, &list->lock, arg);
}

#endif /* _MM_VGETRANDOM_HELPERS_H */
