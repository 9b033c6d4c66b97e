/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The special mapping behind MAP_DROPPABLE, which holds the states of vDSO
 * getrandom().  What the rest of mm/ and fs/ calls; mm/vgetrandom_mapping.c.
 */
#ifndef _LINUX_VGETRANDOM_H
#define _LINUX_VGETRANDOM_H

#include <linux/mm_types.h>

struct list_head;

unsigned long vgetrandom_mapping_mmap(unsigned long addr, unsigned long len,
				      vm_flags_t vm_flags,
				      struct list_head *uf);
bool vma_is_vgetrandom_mapping(const struct vm_area_struct *vma);
bool vgetrandom_mapping_madvise(struct vm_area_struct *vma,
				unsigned long start, unsigned long end,
				int behavior, int *error);

#endif /* _LINUX_VGETRANDOM_H */
