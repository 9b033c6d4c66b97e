/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What happens to the pages of vDSO getrandom() states; mm/vgetrandom_mapping.c.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vgetrandom

#ifndef _TRACE_VGETRANDOM_ENUMS
#define _TRACE_VGETRANDOM_ENUMS

/**
 * enum vgetrandom_drop_cause - why a page went
 * @VGETRANDOM_DROP_UNMAP: munmap(), exit, exec, mremap() or a MAP_FIXED over it
 * @VGETRANDOM_DROP_DONTNEED: MADV_DONTNEED, MADV_DONTNEED_LOCKED or MADV_FREE
 * @VGETRANDOM_DROP_PAGEOUT: MADV_PAGEOUT
 * @VGETRANDOM_DROP_RECLAIM: memory pressure, or drop_caches
 * @VGETRANDOM_DROP_POISON: a hardware memory error
 */
enum vgetrandom_drop_cause {
	VGETRANDOM_DROP_UNMAP,
	VGETRANDOM_DROP_DONTNEED,
	VGETRANDOM_DROP_PAGEOUT,
	VGETRANDOM_DROP_RECLAIM,
	VGETRANDOM_DROP_POISON,
};

/**
 * enum vgetrandom_skip_cause - why a page that reclaim looked at stays
 * @VGETRANDOM_SKIP_USED: used since the scan before
 * @VGETRANDOM_SKIP_PINNED: something besides the mapping holds it
 * @VGETRANDOM_SKIP_MAPPING_LOCKED: a fault, a drop or a move is at work
 * @VGETRANDOM_SKIP_VMA_LOCKED: the VMA's lock and mmap_lock are taken
 * @VGETRANDOM_SKIP_PAGE_LOCKED: a fault is about to map it
 * @VGETRANDOM_SKIP_EXITING: its VMA or mm is going away
 */
enum vgetrandom_skip_cause {
	VGETRANDOM_SKIP_USED,
	VGETRANDOM_SKIP_PINNED,
	VGETRANDOM_SKIP_MAPPING_LOCKED,
	VGETRANDOM_SKIP_VMA_LOCKED,
	VGETRANDOM_SKIP_PAGE_LOCKED,
	VGETRANDOM_SKIP_EXITING,
};

#endif /* _TRACE_VGETRANDOM_ENUMS */

#if !defined(_TRACE_VGETRANDOM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_VGETRANDOM_H

#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(VGETRANDOM_DROP_UNMAP);
TRACE_DEFINE_ENUM(VGETRANDOM_DROP_DONTNEED);
TRACE_DEFINE_ENUM(VGETRANDOM_DROP_PAGEOUT);
TRACE_DEFINE_ENUM(VGETRANDOM_DROP_RECLAIM);
TRACE_DEFINE_ENUM(VGETRANDOM_DROP_POISON);
TRACE_DEFINE_ENUM(VGETRANDOM_SKIP_USED);
TRACE_DEFINE_ENUM(VGETRANDOM_SKIP_PINNED);
TRACE_DEFINE_ENUM(VGETRANDOM_SKIP_MAPPING_LOCKED);
TRACE_DEFINE_ENUM(VGETRANDOM_SKIP_VMA_LOCKED);
TRACE_DEFINE_ENUM(VGETRANDOM_SKIP_PAGE_LOCKED);
TRACE_DEFINE_ENUM(VGETRANDOM_SKIP_EXITING);

#define vgetrandom_show_drop_cause(cause)				\
	__print_symbolic(cause,						\
			 { VGETRANDOM_DROP_UNMAP,	"unmap" },	\
			 { VGETRANDOM_DROP_DONTNEED,	"dontneed" },	\
			 { VGETRANDOM_DROP_PAGEOUT,	"pageout" },	\
			 { VGETRANDOM_DROP_RECLAIM,	"reclaim" },	\
			 { VGETRANDOM_DROP_POISON,	"poison" })

#define vgetrandom_show_skip_cause(cause)				\
	__print_symbolic(cause,						\
			 { VGETRANDOM_SKIP_USED,	"used" },	\
			 { VGETRANDOM_SKIP_PINNED,	"pinned" },	\
			 { VGETRANDOM_SKIP_MAPPING_LOCKED, "mapping-locked" }, \
			 { VGETRANDOM_SKIP_VMA_LOCKED,	"vma-locked" },	\
			 { VGETRANDOM_SKIP_PAGE_LOCKED,	"page-locked" }, \
			 { VGETRANDOM_SKIP_EXITING,	"exiting" })

/**
 * vgetrandom_fault - a fault has found or made a page
 * @mm: where
 * @address: of the page
 * @fresh: whether it was made, and reads as zeros
 */
TRACE_EVENT(vgetrandom_fault,
	    TP_PROTO(const struct mm_struct *mm, unsigned long address,
		     bool fresh),
	    TP_ARGS(mm, address, fresh),
	    TP_STRUCT__entry(__field(const void *, mm)
			     __field(unsigned long, address)
			     __field(bool, fresh)),
	    TP_fast_assign(__entry->mm = mm;
			   __entry->address = address;
			   __entry->fresh = fresh;),
	    TP_printk("mm=%p address=%lx fresh=%d",
		      __entry->mm, __entry->address, __entry->fresh)
);

/**
 * vgetrandom_fork - a mapping with pages was left empty in the child
 * @mm: the parent's
 * @child: the child's
 * @start: of the VMA
 * @end: of the VMA
 */
TRACE_EVENT(vgetrandom_fork,
	    TP_PROTO(const struct mm_struct *mm, const struct mm_struct *child,
		     unsigned long start, unsigned long end),
	    TP_ARGS(mm, child, start, end),
	    TP_STRUCT__entry(__field(const void *, mm)
			     __field(const void *, child)
			     __field(unsigned long, start)
			     __field(unsigned long, end)),
	    TP_fast_assign(__entry->mm = mm;
			   __entry->child = child;
			   __entry->start = start;
			   __entry->end = end;),
	    TP_printk("mm=%p child=%p range=%lx-%lx",
		      __entry->mm, __entry->child, __entry->start, __entry->end)
);

/**
 * vgetrandom_drop - a page leaves its mapping, to be wiped and freed
 * @mm: whose it was; may be another than the current one
 * @address: where it was
 * @cause: why
 */
TRACE_EVENT(vgetrandom_drop,
	    TP_PROTO(const struct mm_struct *mm, unsigned long address,
		     enum vgetrandom_drop_cause cause),
	    TP_ARGS(mm, address, cause),
	    TP_STRUCT__entry(__field(const void *, mm)
			     __field(unsigned long, address)
			     __field(enum vgetrandom_drop_cause, cause)),
	    TP_fast_assign(__entry->mm = mm;
			   __entry->address = address;
			   __entry->cause = cause;),
	    TP_printk("mm=%p address=%lx cause=%s",
		      __entry->mm, __entry->address,
		      vgetrandom_show_drop_cause(__entry->cause))
);

/**
 * vgetrandom_skip - reclaim has looked at a page and left it
 * @mm: whose it is; most often another than the current one
 * @address: where it is, or was a moment ago
 * @cause: why
 */
TRACE_EVENT(vgetrandom_skip,
	    TP_PROTO(const struct mm_struct *mm, unsigned long address,
		     enum vgetrandom_skip_cause cause),
	    TP_ARGS(mm, address, cause),
	    TP_STRUCT__entry(__field(const void *, mm)
			     __field(unsigned long, address)
			     __field(enum vgetrandom_skip_cause, cause)),
	    TP_fast_assign(__entry->mm = mm;
			   __entry->address = address;
			   __entry->cause = cause;),
	    TP_printk("mm=%p address=%lx cause=%s",
		      __entry->mm, __entry->address,
		      vgetrandom_show_skip_cause(__entry->cause))
);

#endif /* _TRACE_VGETRANDOM_H */

#include <trace/define_trace.h>
