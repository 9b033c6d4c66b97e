/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What 7.2 does not have, by 7.3's names. Included by mm/vgetrandom_mapping.c and its
 * tests only, after all other headers.
 */
#ifndef _MM_VGETRANDOM_HELPERS_7_2_H
#define _MM_VGETRANDOM_HELPERS_7_2_H

#include <linux/mm.h>

static inline void vma_set_pgoff(struct vm_area_struct *vma, pgoff_t pgoff)
{
	vma->vm_pgoff = pgoff;
}

#include "vgetrandom_helpers_common.h"

#endif /* _MM_VGETRANDOM_HELPERS_7_2_H */
