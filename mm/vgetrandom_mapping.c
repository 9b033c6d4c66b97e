// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of vDSO getrandom() states: mmap(MAP_DROPPABLE).
 *
 * A special mapping (see _install_special_mapping()) whose pages are filled
 * with zeros on fault, stay behind on fork, go away under memory pressure, are
 * neither swapped nor dumped, and are wiped before they are freed.
 *
 * The VMA is VM_SHARED without a file, so that its pages are never anonymous:
 * no swap, no copy on write, and fork does not copy its page table entries.
 * The pages belong to a struct vgetrandom_mapping, which the VMA finds through
 * vm_private_data.  It is made at the first fault; until then, and again in the
 * child of a fork, vm_private_data points to vgetrandom_mapping_empty.
 *
 * vm_pgoff is always the VMA's virtual page number, so a page's key in its
 * mapping is its virtual page number too, whatever splits the VMA sees.
 *
 * Lock order: mmap_lock or VMA lock -> vgetrandom_mapping.drop_lock ->
 * vgetrandom_mapping.lock -> folio lock -> { mmu notifiers, page table lock }.
 * The list_lru's lock is a leaf under vgetrandom_mapping.lock.  The shrinker
 * comes from the list, in the wrong order, and with any lock of mm held by
 * whoever allocates: it only tries.
 */
#include <linux/cacheflush.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vgetrandom.h>
#include <linux/vmstat.h>

#include "internal.h"
#include "vgetrandom_helpers.h"

#define CREATE_TRACE_POINTS
#include <trace/events/vgetrandom.h>

/**
 * struct vgetrandom_mapping - the pages of one mapping in one mm
 * @spec: what vm_private_data of each VMA of this mapping points to
 * @refs: one for each such VMA, one for a shrinker at work on it
 * @drop_lock: held by MADV_DONTNEED, which unmaps again what a fault in flight
 *	has mapped: another one is not to return before
 * @lock: protects @pages, @changes and @emptying
 * @mm: where the VMAs are; its mm_struct is held, not its users
 * @pages: the struct vgetrandom_page, by virtual page number
 * @changes: of @pages so far; 2^32 of them could be had on purpose
 * @emptying: calls at work that have taken all of @pages at once, and free them
 *
 * A VMA that is split or moved shares the object with its other parts.
 */
struct vgetrandom_mapping {
	struct vm_special_mapping	spec;
	refcount_t			refs;
	struct mutex			drop_lock;	/* for MADV_DONTNEED */
	struct mutex			lock;	/* protects all below but @mm */
	struct mm_struct		*mm;
	struct rb_root			pages;
	u64				changes;
	unsigned int			emptying;
};

/**
 * struct vgetrandom_page - one page of a mapping
 * @lru: on vgetrandom_lru, or on a private list once unlinked
 * @node: in vgetrandom_mapping.pages, as long as @lru is on vgetrandom_lru and
 *	the mapping is neither locked nor emptied
 * @folio: the page; one reference is ours
 * @mapping: the mapping, which cannot go away while it has pages
 * @vpn: virtual page number, the key in @mapping
 * @spared: vgetrandom_scans when the shrinker found it used, and left it
 *
 * @vpn and @spared are protected by vgetrandom_mapping.lock.
 */
struct vgetrandom_page {
	struct list_head		lru;
	struct rb_node			node;
	struct folio			*folio;
	struct vgetrandom_mapping	*mapping;
	unsigned long			vpn;
	unsigned int			spared;
};

/*
 * As for any user page, but it cannot be migrated.  No warning: the user gets
 * what any page fault gets, out of memory handling.
 */
#define VGETRANDOM_PAGE_GFP	((GFP_HIGHUSER_MOVABLE & ~__GFP_MOVABLE) | \
				 __GFP_RECLAIMABLE | __GFP_NOWARN)

static struct kmem_cache *vgetrandom_page_cache __ro_after_init;
static struct shrinker *vgetrandom_shrinker __ro_after_init;
static struct list_lru vgetrandom_lru;

/* scans of the shrinker, each of one or more calls of .scan_objects */
static atomic_t vgetrandom_scans = ATOMIC_INIT(0);

static const struct vm_special_mapping vgetrandom_mapping_empty;

/* NULL: no page has been touched since the mmap() or fork() */
static struct vgetrandom_mapping *
vgetrandom_mapping_of(const struct vm_area_struct *vma)
{
	/* a fault in another thread may be about to make the mapping */
	struct vm_special_mapping *spec = READ_ONCE(vma->vm_private_data);

	if (spec == &vgetrandom_mapping_empty)
		return NULL;
	return container_of(spec, struct vgetrandom_mapping, spec);
}

static void vgetrandom_mapping_put(struct vgetrandom_mapping *mapping)
{
	if (!refcount_dec_and_test(&mapping->refs))
		return;
	/* rather lost than found by the shrinker when it is freed */
	if (WARN_ON_ONCE(!RB_EMPTY_ROOT(&mapping->pages)))
		return;
	mmdrop(mapping->mm);
	kfree(mapping);
}

/* The VMA's mapping, made if it has none; NULL when out of memory. */
static struct vgetrandom_mapping *
vgetrandom_mapping_make(struct vm_area_struct *vma)
{
	struct vgetrandom_mapping *mapping;
	void *empty = (void *)&vgetrandom_mapping_empty;

	mapping = vgetrandom_mapping_of(vma);
	if (mapping)
		return mapping;

	mapping = vgetrandom_alloc(mapping);
	if (!mapping)
		return NULL;
	mapping->spec = vgetrandom_mapping_empty;
	refcount_set(&mapping->refs, 1);
	mutex_init(&mapping->drop_lock);
	mutex_init(&mapping->lock);
	mmgrab(vma->vm_mm);
	mapping->mm = vma->vm_mm;
	mapping->pages = RB_ROOT;
	mapping->changes = 0;
	mapping->emptying = 0;

	/* the VMA is locked for reading only: another fault may be first */
	if (cmpxchg(&vma->vm_private_data, empty, &mapping->spec) != empty)
		vgetrandom_mapping_put(mapping);
	return vgetrandom_mapping_of(vma);
}

/**
 * struct vgetrandom_place - where a page would be put into a mapping's tree
 * @link: what would point to it
 * @parent: the node that @link is in, NULL for the root
 * @changes: vgetrandom_mapping.changes, with any other the place is void
 */
struct vgetrandom_place {
	struct rb_node			**link;
	struct rb_node			*parent;
	u64				changes;
};

/*
 * The page with the lowest number not below @vpn, or NULL, and the place of a
 * page with number @vpn, if that is not there.
 */
static struct vgetrandom_page *
vgetrandom_mapping_first(struct vgetrandom_mapping *mapping, unsigned long vpn,
			 struct vgetrandom_place *place)
{
	struct rb_node **link = &mapping->pages.rb_node, *parent = NULL;
	struct vgetrandom_page *page, *first = NULL;

	lockdep_assert_held(&mapping->lock);
	while (*link) {
		parent = *link;
		page = rb_entry(parent, struct vgetrandom_page, node);
		if (page->vpn < vpn) {
			link = &parent->rb_right;
		} else {
			first = page;
			link = &parent->rb_left;
		}
	}
	*place = (struct vgetrandom_place) {
		.link = link, .parent = parent, .changes = mapping->changes,
	};
	return first;
}

/* NULL for NULL */
static struct vgetrandom_page *vgetrandom_page_of(struct rb_node *node)
{
	return rb_entry_safe(node, struct vgetrandom_page, node);
}

static struct vgetrandom_page *vgetrandom_page_next(struct vgetrandom_page *page)
{
	return vgetrandom_page_of(rb_next(&page->node));
}

static struct vgetrandom_page *
vgetrandom_mapping_find(struct vgetrandom_mapping *mapping, unsigned long vpn,
			struct vgetrandom_place *place)
{
	struct vgetrandom_page *page = vgetrandom_mapping_first(mapping, vpn,
								place);

	return page && page->vpn == vpn ? page : NULL;
}

static void vgetrandom_mapping_insert(struct vgetrandom_mapping *mapping,
				      struct vgetrandom_page *page,
				      struct vgetrandom_place *place)
{
	lockdep_assert_held(&mapping->lock);
	VM_WARN_ON_ONCE(*place->link || place->changes != mapping->changes);
	rb_link_node(&page->node, place->parent, place->link);
	rb_insert_color(&page->node, &mapping->pages);
	mapping->changes++;
}

static void vgetrandom_mapping_erase(struct vgetrandom_mapping *mapping,
				     struct vgetrandom_page *page)
{
	lockdep_assert_held(&mapping->lock);
	rb_erase(&page->node, &mapping->pages);
	mapping->changes++;
}

/* For /proc/vmstat and memory.stat, and for who guesses what can be had. */
static void vgetrandom_page_account(struct folio *folio, int pages)
{
	lruvec_stat_mod_folio(folio, NR_VGETRANDOM_PAGES, pages);
	mod_node_page_state(folio_pgdat(folio), NR_KERNEL_MISC_RECLAIMABLE,
			    pages);
}

/*
 * Makes a zeroed page for @addr, charged to the mm's memory cgroup: a fault may
 * come from another process, by ptrace or process_vm_writev().  May sleep and
 * reclaim; hence vgetrandom_mapping.lock must not be held, or the shrinker
 * could not take pages from this mapping.
 */
static struct vgetrandom_page *
vgetrandom_page_alloc(struct vgetrandom_mapping *mapping,
		      struct vm_area_struct *vma, unsigned long addr)
{
	struct mem_cgroup *memcg, *outer;
	struct vgetrandom_page *page;
	struct page *memory;
	struct folio *folio;

	memory = alloc_page_vma(VGETRANDOM_PAGE_GFP, vma, addr);
	if (!memory)
		return NULL;
	folio = page_folio(memory);
	if (mem_cgroup_charge(folio, vma->vm_mm, GFP_KERNEL))
		goto put_folio;

	memcg = get_mem_cgroup_from_folio(folio);
	outer = set_active_memcg(memcg);
	page = kmem_cache_alloc(vgetrandom_page_cache, GFP_KERNEL);
	set_active_memcg(outer);
	if (!page)
		goto put_memcg;
	if (memcg && memcg_list_lru_alloc(memcg, &vgetrandom_lru, GFP_KERNEL))
		goto free_page;
	mem_cgroup_put(memcg);

	INIT_LIST_HEAD(&page->lru);
	page->folio = folio;
	page->mapping = mapping;
	page->vpn = addr >> PAGE_SHIFT;
	page->spared = atomic_read(&vgetrandom_scans) - 1;

	clear_user_highpage(memory, addr);
	/* orders the zeros before the page table entry */
	__folio_mark_uptodate(folio);
	vgetrandom_page_account(folio, 1);
	return page;

free_page:
	kmem_cache_free(vgetrandom_page_cache, page);
put_memcg:
	mem_cgroup_put(memcg);
put_folio:
	folio_put(folio);
	return NULL;
}

/*
 * Wipes a page that nothing can find any more, and that no page table or TLB
 * entry leads to.  folio_mapped() may lag behind: another thread's zap may not
 * have come to its delayed rmap removal.
 */
static void vgetrandom_folio_wipe(struct folio *folio)
{
	/* touching a broken page might be fatal; it is never used again */
	if (!folio_test_hwpoison(folio))
		clear_highpage(&folio->page);
}

static void vgetrandom_page_free(struct vgetrandom_page *page)
{
	vgetrandom_folio_wipe(page->folio);
	vgetrandom_page_account(page->folio, -1);
	folio_put(page->folio);
	kmem_cache_free(vgetrandom_page_cache, page);
}

/**
 * struct vgetrandom_batch - pages to be wiped and freed together
 * @folios: the memory
 * @pages: the struct vgetrandom_page of each
 */
struct vgetrandom_batch {
	struct folio_batch	folios;
	void			*pages[ARRAY_SIZE(((struct folio_batch *)NULL)->folios)];
};

static void vgetrandom_batch_init(struct vgetrandom_batch *batch)
{
	folio_batch_init(&batch->folios);
}

/* Whether there is room for another one. */
static bool vgetrandom_batch_add(struct vgetrandom_batch *batch,
				 struct vgetrandom_page *page)
{
	batch->pages[folio_batch_count(&batch->folios)] = page;
	return folio_batch_add(&batch->folios, page->folio);
}

/*
 * Wipes and frees what there is, and empties the batch; runs of one node and
 * cgroup are counted at once.
 */
static void vgetrandom_batch_free(struct vgetrandom_batch *batch)
{
	unsigned int i, num = folio_batch_count(&batch->folios);
	struct mem_cgroup *memcg, *same_memcg;
	struct folio *folio, *same;
	int count = 0;

	if (!num)
		return;
	for (i = 0; i < num; i++)
		vgetrandom_folio_wipe(batch->folios.folios[i]);

	/* a cgroup that goes may hand its pages to its parent */
	rcu_read_lock();
	same = batch->folios.folios[0];
	same_memcg = folio_memcg(same);
	for (i = 0; i < num; i++) {
		folio = batch->folios.folios[i];
		memcg = folio_memcg(folio);
		if (memcg != same_memcg ||
		    folio_nid(folio) != folio_nid(same)) {
			vgetrandom_page_account(same, -count);
			same = folio;
			same_memcg = memcg;
			count = 0;
		}
		count++;
	}
	vgetrandom_page_account(same, -count);
	rcu_read_unlock();
	kmem_cache_free_bulk(vgetrandom_page_cache, num, batch->pages);
	folios_put(&batch->folios);
}

#ifdef CONFIG_MEMCG
/*
 * list_lru_add() tells the page's cgroup that its shrinker has work to do, when
 * its list was empty.  That is not enough if the list is another cgroup's: the
 * list of the parent, once the cgroup is dying, or the common one, if
 * cgroup.memory=nokmem rules out any other.  The latter's pages are not handed
 * to the parent when the cgroup goes, so each ancestor is told of them now.
 */
static void vgetrandom_shrinker_wake(struct mem_cgroup *memcg, int nid)
{
	if (!mem_cgroup_kmem_disabled() &&
	    !(memcg && css_is_dying(&memcg->css)))
		return;
	for (; memcg; memcg = parent_mem_cgroup(memcg))
		set_shrinker_bit(memcg, nid, vgetrandom_shrinker->id);
}
#else
static void vgetrandom_shrinker_wake(struct mem_cgroup *memcg, int nid)
{
}
#endif

static void vgetrandom_page_link(struct vgetrandom_page *page,
				 struct vgetrandom_place *place)
{
	int nid = folio_nid(page->folio);
	struct mem_cgroup *memcg;

	vgetrandom_mapping_insert(page->mapping, page, place);
	/* a cgroup that goes may hand its pages to its parent */
	rcu_read_lock();
	memcg = folio_memcg(page->folio);
	list_lru_add(&vgetrandom_lru, &page->lru, nid, memcg);
	vgetrandom_shrinker_wake(memcg, nid);
	rcu_read_unlock();
}

/*
 * Takes a page, which is not in its mapping's tree any more, from the shrinker.
 * The mapping is locked.
 */
static void vgetrandom_page_unlist(struct vgetrandom_page *page,
				   enum vgetrandom_drop_cause cause)
{
	struct folio *folio = page->folio;

	trace_vgetrandom_drop(page->mapping->mm, page->vpn << PAGE_SHIFT, cause);
	rcu_read_lock();
	list_lru_del(&vgetrandom_lru, &page->lru, folio_nid(folio),
		     folio_memcg(folio));
	rcu_read_unlock();
}

static void vgetrandom_page_unlink(struct vgetrandom_page *page,
				   enum vgetrandom_drop_cause cause)
{
	vgetrandom_mapping_erase(page->mapping, page);
	vgetrandom_page_unlist(page, cause);
}

static void vgetrandom_page_skip(const struct vgetrandom_page *page,
				 enum vgetrandom_skip_cause cause)
{
	/* a move may just renumber it, if the mapping is not locked */
	trace_vgetrandom_skip(page->mapping->mm,
			      READ_ONCE(page->vpn) << PAGE_SHIFT, cause);
	if (cause == VGETRANDOM_SKIP_VMA_LOCKED)
		count_vm_event(VGETRANDOM_SKIPPED);
}

/*
 * Unmaps a page of @vma whose page table entry has just gone, and waits for a
 * fault that has found it before.  That holds a reference until the page table
 * entry has it, and the folio lock even longer: the page must not be freed under
 * it.  No other fault finds the page: the mapping is locked, or has lost it.
 *
 * A reference may also be that of another thread's zap, which has cleared the
 * page table entry and not yet flushed the TLBs: the zap here does.
 */
static inline void vgetrandom_page_unmap(struct vgetrandom_page *page,
					 struct vm_area_struct *vma)
{
	struct folio *folio = page->folio;

	if (folio_ref_count(folio) == 1 && !folio_test_locked(folio))
		return;
	folio_lock(folio);
	vgetrandom_zap(vma, page->vpn << PAGE_SHIFT, PAGE_SIZE);
	folio_unlock(folio);
}

/* Whether something besides the mapping and page tables uses it: a pin by GUP. */
static bool vgetrandom_page_pinned(struct vgetrandom_page *page)
{
	struct folio *folio = page->folio;

	return folio_ref_count(folio) > 1 + folio_mapcount(folio);
}

/*
 * Unmaps a page and unlinks it from its mapping, unless something besides the
 * mapping uses it: a pin by GUP.  Called with the mapping and the folio locked:
 * the folio lock keeps out a fault that found the page.
 *
 * The caller wipes the page: never while it is mapped.  Zeroing is not atomic,
 * a thread in the vDSO could use a half-wiped state.
 *
 * Return: whether the page was unlinked and is now the caller's to free.
 */
static bool vgetrandom_page_drop(struct vgetrandom_page *page,
				 struct vm_area_struct *vma,
				 enum vgetrandom_drop_cause cause)
{
	struct folio *folio = page->folio;

	/* not worth a fault of the user to find out that it is pinned */
	if (vgetrandom_page_pinned(page))
		return false;
	if (folio_mapped(folio))
		vgetrandom_zap(vma, page->vpn << PAGE_SHIFT, PAGE_SIZE);
	/* atomic against GUP-fast, which may just take a reference */
	if (!folio_ref_freeze(folio, 1))
		return false;
	folio_ref_unfreeze(folio, 1);
	vgetrandom_page_unlink(page, cause);
	return true;
}

/*
 * vgetrandom_mapping_forget() for all pages of the mapping, if none is outside the
 * range; not for MADV_PAGEOUT.  Nodes of a tree that nothing finds any more need not be erased
 * one by one.  Only the shrinker comes to these pages, by its list, and leaves
 * them as long as vgetrandom_mapping.emptying says so: faults and all else need
 * not wait until the last one is wiped.  But as long, a fault that began before
 * may map a page of the old tree: a page that others have faulted in instead
 * must not be dropped, or a call in the vDSO would see the old state return.
 *
 * Return: whether all pages were in the range.
 */
static bool vgetrandom_mapping_forget_all(struct vgetrandom_mapping *mapping,
					  unsigned long vpn, unsigned long last,
					  struct vm_area_struct *vma,
					  enum vgetrandom_drop_cause cause)
{
	struct vgetrandom_page *page, *next;
	struct vgetrandom_batch batch;
	struct rb_root pages;
	bool all;

	vgetrandom_batch_init(&batch);
	mutex_lock(&mapping->lock);
	pages = mapping->pages;
	page = vgetrandom_page_of(rb_first(&pages));
	all = !page || (page->vpn >= vpn &&
			vgetrandom_page_of(rb_last(&pages))->vpn <= last);
	if (page && all) {
		mapping->pages = RB_ROOT;
		mapping->changes++;
		mapping->emptying++;
		rbtree_postorder_for_each_entry_safe(page, next, &pages, node) {
			if (vma)
				vgetrandom_page_unmap(page, vma);
			vgetrandom_page_unlist(page, cause);
			if (vgetrandom_batch_add(&batch, page))
				continue;
			mutex_unlock(&mapping->lock);
			vgetrandom_batch_free(&batch);
			cond_resched();
			mutex_lock(&mapping->lock);
		}
		mapping->emptying--;
	}
	mutex_unlock(&mapping->lock);
	vgetrandom_batch_free(&batch);
	return all;
}

/*
 * Forgets pages @vpn to @last of a VMA, and wipes and frees them.  With a @vma of
 * NULL, it goes, and no page table entry is left; otherwise the pages are dropped:
 * all, or, for MADV_PAGEOUT, those that are not pinned.
 */
static void vgetrandom_mapping_forget(struct vgetrandom_mapping *mapping,
				      unsigned long vpn, unsigned long last,
				      struct vm_area_struct *vma,
				      enum vgetrandom_drop_cause cause)
{
	struct vgetrandom_page *page, *next;
	struct vgetrandom_place unused;
	struct vgetrandom_batch batch;
	unsigned int left;

	if (cause != VGETRANDOM_DROP_PAGEOUT &&
	    vgetrandom_mapping_forget_all(mapping, vpn, last, vma, cause))
		return;

	vgetrandom_batch_init(&batch);
	do {
		mutex_lock(&mapping->lock);
		page = vgetrandom_mapping_first(mapping, vpn, &unused);
		for (left = ARRAY_SIZE(batch.pages);
		     left && page && page->vpn <= last; left--) {
			struct folio *folio = page->folio;
			bool unlinked = true;

			vpn = page->vpn + 1;
			next = vgetrandom_page_next(page);
			if (cause == VGETRANDOM_DROP_PAGEOUT) {
				folio_lock(folio);
				unlinked = !mapping->emptying &&
					   vgetrandom_page_drop(page, vma,
								cause);
				folio_unlock(folio);
			} else {
				if (vma)
					vgetrandom_page_unmap(page, vma);
				vgetrandom_page_unlink(page, cause);
			}
			if (unlinked)
				vgetrandom_batch_add(&batch, page);
			page = next;
		}
		mutex_unlock(&mapping->lock);
		vgetrandom_batch_free(&batch);
		cond_resched();
	} while (!left);
}

/* Drops a range of @vma.  It is locked, or mmap_lock is, for reading at least. */
static void vgetrandom_mapping_drop(struct vm_area_struct *vma,
				    unsigned long start, unsigned long end,
				    enum vgetrandom_drop_cause cause)
{
	struct vgetrandom_mapping *mapping = vgetrandom_mapping_of(vma);
	unsigned long first = start >> PAGE_SHIFT;
	unsigned long last = (end - 1) >> PAGE_SHIFT;

	if (!mapping)
		return;

	/*
	 * What MADV_PAGEOUT leaves, as it is pinned, has to stay mapped:
	 * mincore() would say that it is gone.
	 */
	if (cause == VGETRANDOM_DROP_PAGEOUT) {
		vgetrandom_mapping_forget(mapping, first, last, vma, cause);
		return;
	}

	mutex_lock(&mapping->drop_lock);
	/* one flush for the range; a fault in flight may map a page again */
	vgetrandom_zap(vma, start, end - start);
	vgetrandom_mapping_forget(mapping, first, last, vma, cause);
	mutex_unlock(&mapping->drop_lock);
}

static vm_fault_t vgetrandom_mapping_fault(const struct vm_special_mapping *spec,
					   struct vm_area_struct *vma,
					   struct vm_fault *vmf)
{
	struct vgetrandom_page *page, *unused = NULL, *broken = NULL;
	struct vgetrandom_mapping *mapping;
	struct vgetrandom_place place;
	bool fresh = false;

	/* left over from an mremap() that failed, and could not be undone */
	if (vma->vm_pgoff != vma->vm_start >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;

	mapping = vgetrandom_mapping_make(vma);
	if (!mapping)
		return VM_FAULT_OOM;

	mutex_lock(&mapping->lock);
	page = vgetrandom_mapping_find(mapping, vmf->pgoff, &place);
	if (!page || folio_test_hwpoison(page->folio)) {
		mutex_unlock(&mapping->lock);
		unused = vgetrandom_page_alloc(mapping, vma, vmf->address);
		if (!unused)
			return VM_FAULT_OOM;
		mutex_lock(&mapping->lock);

		if (mapping->changes != place.changes)
			page = vgetrandom_mapping_find(mapping, vmf->pgoff,
						       &place);
		if (page && folio_test_hwpoison(page->folio)) {
			vgetrandom_page_unlink(page, VGETRANDOM_DROP_POISON);
			broken = page;
			page = vgetrandom_mapping_find(mapping, vmf->pgoff,
						       &place);
		}
		if (!page) {
			swap(page, unused);
			vgetrandom_page_link(page, &place);
			fresh = true;
		}
	}
	trace_vgetrandom_fault(vma->vm_mm, vmf->address, fresh);
	/*
	 * Locked until it is mapped: a page that is dropped in between would be
	 * mapped after its wipe, and never be wiped again.
	 */
	folio_get(page->folio);
	folio_lock(page->folio);
	vmf->page = &page->folio->page;
	mutex_unlock(&mapping->lock);

	if (unused)
		vgetrandom_page_free(unused);
	if (broken) {
		vgetrandom_page_unmap(broken, vma);
		vgetrandom_page_free(broken);
	}
	return VM_FAULT_LOCKED;
}

/*
 * A VMA was duplicated, with its vm_private_data: by fork, a split or mremap().
 * After fork the child's VMA must not find the parent's pages, or both would
 * emit the same random bytes.
 */
static void vgetrandom_mapping_open(const struct vm_special_mapping *spec,
				    struct vm_area_struct *vma)
{
	struct vgetrandom_mapping *mapping = vgetrandom_mapping_of(vma);

	if (!mapping)
		return;
	if (vma->vm_mm == mapping->mm) {
		refcount_inc(&mapping->refs);
		return;
	}
	vma->vm_private_data = (void *)&vgetrandom_mapping_empty;
	trace_vgetrandom_fork(mapping->mm, vma->vm_mm, vma->vm_start,
			      vma->vm_end);
}

/* A VMA goes away.  Its page table entries are gone and flushed. */
static void vgetrandom_mapping_close(const struct vm_special_mapping *spec,
				     struct vm_area_struct *vma)
{
	struct vgetrandom_mapping *mapping = vgetrandom_mapping_of(vma);
	unsigned long last = (vma->vm_end - 1) >> PAGE_SHIFT;

	if (!mapping)
		return;

	/*
	 * The target of an mremap() that failed still has the vm_pgoff of its
	 * source, whose pages live on.
	 */
	if (vma->vm_pgoff == vma->vm_start >> PAGE_SHIFT)
		vgetrandom_mapping_forget(mapping, vma->vm_pgoff, last, NULL,
					  VGETRANDOM_DROP_UNMAP);
	vgetrandom_mapping_put(mapping);
}

/* Whether a page table entry of @vma, which may be NULL, maps the page. */
static bool vgetrandom_page_mapped_in(struct vgetrandom_page *page,
				      struct vm_area_struct *vma)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, page->folio, vma, page->vpn << PAGE_SHIFT,
			      0);
	bool mapped = false;

	/* to its end: sparse cannot tell that it is done before */
	while (vma && page_vma_mapped_walk(&pvmw))
		mapped = true;
	return mapped;
}

/*
 * The page table entries of a VMA have moved to @new_vma: the pages follow.
 * mmap_lock is held for writing and @new_vma is write-locked, as is what is
 * mapped where it was, so nothing sees the keys in between.
 *
 * A page that is still mapped where it was has not moved.  @new_vma then comes
 * from the rest of an mremap() that failed and could not be undone, and has no
 * pages; nor is it the VMA there that mremap() has locked, under whose lock a
 * fault may be about to map a page.
 */
static int vgetrandom_mapping_mremap(const struct vm_special_mapping *spec,
				     struct vm_area_struct *new_vma)
{
	VMA_ITERATOR(vmi, new_vma->vm_mm, new_vma->vm_pgoff << PAGE_SHIFT);
	struct vgetrandom_mapping *mapping = vgetrandom_mapping_of(new_vma);
	unsigned long old = new_vma->vm_pgoff;
	unsigned long new = new_vma->vm_start >> PAGE_SHIFT;
	struct vgetrandom_page *page, *next;
	struct vgetrandom_place place;
	struct vm_area_struct *old_vma;

	if (mapping) {
		for_each_vma_range(vmi, old_vma,
				   (old + vma_pages(new_vma)) << PAGE_SHIFT)
			vma_start_write(old_vma);
		old_vma = NULL;
		mutex_lock(&mapping->lock);
		for (page = vgetrandom_mapping_first(mapping, old, &place);
		     page && page->vpn < old + vma_pages(new_vma);
		     page = next) {
			next = vgetrandom_page_next(page);
			/* after a failed mremap() it may have been split */
			if (!old_vma || page->vpn << PAGE_SHIFT >= old_vma->vm_end)
				old_vma = vma_lookup(mapping->mm,
						     page->vpn << PAGE_SHIFT);
			if (vgetrandom_page_mapped_in(page, old_vma))
				continue;
			vgetrandom_mapping_erase(mapping, page);
			page->vpn += new - old;
			vgetrandom_mapping_find(mapping, page->vpn, &place);
			vgetrandom_mapping_insert(mapping, page, &place);
			cond_resched();
		}
		mutex_unlock(&mapping->lock);
	}
	vgetrandom_set_pgoff(new_vma, new);
	return 0;
}

/*
 * A split copies vm_private_data and calls .open before it locks the VMA: a
 * fault that holds the VMA's lock must not make the mapping in between, or one
 * half would have the page and the other the mapping.  mmap_lock is held for
 * writing.
 */
static int vgetrandom_mapping_may_split(const struct vm_special_mapping *spec,
					struct vm_area_struct *vma,
					unsigned long addr)
{
	vma_start_write(vma);
	return 0;
}

/*
 * No name: it would put the pages into every core dump, before VM_DONTDUMP is
 * looked at.
 */
static const struct vm_special_mapping vgetrandom_mapping_empty = {
	.fault		= vgetrandom_mapping_fault,
	.mremap		= vgetrandom_mapping_mremap,
	.open		= vgetrandom_mapping_open,
	.close		= vgetrandom_mapping_close,
	.may_split	= vgetrandom_mapping_may_split,
};

/**
 * vma_is_vgetrandom_mapping - is this memory of vDSO getrandom() states?
 * @vma: any VMA; its mmap_lock is held, or the VMA cannot go away otherwise
 *
 * Return: true if @vma was made by mmap(MAP_DROPPABLE).
 */
bool vma_is_vgetrandom_mapping(const struct vm_area_struct *vma)
{
	const struct vm_special_mapping *spec = vma_special_mapping(vma);

	return spec && spec->fault == vgetrandom_mapping_fault;
}

/**
 * vgetrandom_mapping_mmap - install the mapping: mmap(MAP_DROPPABLE)
 * @addr: page-aligned start, from get_unmapped_area(); what is mapped there is
 *	replaced, as for MAP_FIXED
 * @len: bytes, a multiple of the page size, not 0
 * @vm_flags: requested access, VM_MAY* and flags of the architecture
 * @uf: userfaultfd contexts to notify of what is unmapped
 *
 * Makes the checks that mmap_region() makes for other mappings, before anything
 * is unmapped.  The memory is never locked and not accounted as committed.
 * Called by do_mmap() for current->mm with its mmap_lock held for writing.  May
 * sleep.
 *
 * Return: @addr, or -EACCES (PR_SET_MDWE), -EINVAL (@vm_flags), -ENOMEM, -EPERM
 * (the range is sealed).
 */
unsigned long vgetrandom_mapping_mmap(unsigned long addr, unsigned long len,
				      vm_flags_t vm_flags,
				      struct list_head *uf)
{
	struct mm_struct *mm = current->mm;
	unsigned long end = addr + len, replaced = 0;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	int error;

	vm_flags &= ~VM_LOCKED_MASK;
	/*
	 * VM_SHARED for mm's inside only: not VM_MAYSHARE, which user space
	 * would see as a shared mapping.
	 */
	vm_flags |= VM_SHARED | VM_DONTDUMP;

	if (vgetrandom_deny_write_exec(vm_flags))
		return -EACCES;
	if (!arch_validate_flags(vm_flags))
		return -EINVAL;

	vma_iter_init(&vmi, mm, addr);
	for_each_vma_range(vmi, vma, end)
		replaced += min(end, vma->vm_end) - max(addr, vma->vm_start);
	if (!vgetrandom_may_expand(mm, vm_flags, (len - replaced) >> PAGE_SHIFT))
		return -ENOMEM;

	if (replaced) {
		error = do_munmap(mm, addr, len, uf);
		if (error)
			return error;
	}

	vma = _install_special_mapping(mm, addr, len, vm_flags,
				       &vgetrandom_mapping_empty);
	if (IS_ERR(vma))
		return PTR_ERR(vma);
	vgetrandom_set_pgoff(vma, addr >> PAGE_SHIFT);
	return addr;
}

/**
 * vgetrandom_mapping_madvise - what madvise() does differently here
 * @vma: a VMA of this mapping; it is locked, or mmap_lock is held, as @behavior
 *	demands
 * @start: page-aligned start within @vma
 * @end: page-aligned end within @vma
 * @behavior: a MADV_* value
 * @error: result, 0 or -EINVAL, if the return value is true
 *
 * MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE and MADV_PAGEOUT drop the
 * pages of the range; pinned ones stay for MADV_PAGEOUT, and are unmapped,
 * wiped and replaced for the others.  MADV_WIPEONFORK is what the mapping does
 * anyway, MADV_KEEPONFORK what it never does.  May sleep.
 *
 * Return: true if that was all, false if madvise() has to go on.
 */
bool vgetrandom_mapping_madvise(struct vm_area_struct *vma,
				unsigned long start, unsigned long end,
				int behavior, int *error)
{
	*error = 0;
	switch (behavior) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		vgetrandom_mapping_drop(vma, start, end,
					VGETRANDOM_DROP_DONTNEED);
		return true;
	case MADV_PAGEOUT:
		vgetrandom_mapping_drop(vma, start, end,
					VGETRANDOM_DROP_PAGEOUT);
		return true;
	case MADV_WIPEONFORK:
		return true;
	case MADV_KEEPONFORK:
		*error = -EINVAL;
		return true;
	default:
		return false;
	}
}

/*
 * Clears the page table entry @pte of a page, under the page table lock.  The
 * page is never written back: whether it was dirty is of no interest.
 */
static void vgetrandom_page_unmap_pte(struct vgetrandom_page *page,
				      struct vm_area_struct *vma,
				      unsigned long addr, pte_t *pte)
{
	struct folio *folio = page->folio;

	flush_cache_page(vma, addr, folio_pfn(folio));
	ptep_clear_flush(vma, addr, pte);
	update_hiwater_rss(vma->vm_mm);
	dec_mm_counter(vma->vm_mm, mm_counter_file(folio));
	folio_remove_rmap_pte(folio, &folio->page, vma);
	folio_put(folio);
}

/*
 * Unmaps a page, unless it was used since the last call, as far as the CPU
 * tells, or is spared in this scan, or pinned.
 *
 * The zap of vgetrandom_page_drop() could do that, but is a quarter of what
 * reclaim costs besides the wipe.  It is left with what a secondary MMU may map,
 * too; none registers while the VMA is locked.  A zap elsewhere that has not yet
 * flushed the TLBs has a reference: the page is as good as pinned.
 */
static void vgetrandom_page_unmap_unused(struct vgetrandom_page *page,
					 struct vm_area_struct *vma,
					 unsigned int scan)
{
	DEFINE_FOLIO_VMA_WALK(pvmw, page->folio, vma, page->vpn << PAGE_SHIFT,
			      0);

	while (page_vma_mapped_walk(&pvmw)) {
		if (vgetrandom_clear_young(vma, pvmw.address, pvmw.pte))
			page->spared = scan;
		else if (page->spared != scan &&
			 !vgetrandom_page_pinned(page) &&
			 !mm_has_notifiers(vma->vm_mm))
			vgetrandom_page_unmap_pte(page, vma, pvmw.address,
						  pvmw.pte);
	}
}

/*
 * Drops a page, unless it is in use: pinned, or used since the shrinker last
 * came by.  One scan may come by twice, and would find any page unused the
 * second time; what it has spared it spares to its end, or until somebody else
 * starts a scan.
 *
 * Called with the mapping and @vma locked, for reading at least.
 *
 * Return: whether the page was unlinked and is now the caller's to free.
 */
static bool vgetrandom_page_reclaim(struct vgetrandom_page *page,
				    struct vm_area_struct *vma)
{
	unsigned int scan = atomic_read(&vgetrandom_scans);
	struct folio *folio = page->folio;
	bool dropped = false;

	if (!folio_trylock(folio)) {
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_PAGE_LOCKED);
		return false;
	}
	vgetrandom_page_unmap_unused(page, vma, scan);
	if (page->spared == scan) {
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_USED);
	} else {
		dropped = vgetrandom_page_drop(page, vma,
					       VGETRANDOM_DROP_RECLAIM);
		if (!dropped)
			vgetrandom_page_skip(page, VGETRANDOM_SKIP_PINNED);
	}
	folio_unlock(folio);
	return dropped;
}

/*
 * Locks the VMA of a page, without waiting.  The VMA's own lock will do, and is
 * free while another thread holds mmap_lock for something else, or waits for it.
 *
 * NULL also if munmap() has taken the VMA from the tree, but not yet unmapped
 * its pages: they are about to be freed anyway.
 */
static struct vm_area_struct *
vgetrandom_page_trylock_vma(struct vgetrandom_page *page, bool *mmap_locked)
{
	struct mm_struct *mm = page->mapping->mm;
	unsigned long addr = page->vpn << PAGE_SHIFT;
	struct vm_area_struct *vma;

	vma = lock_vma_under_rcu(mm, addr);
	*mmap_locked = !vma;
	if (vma)
		return vma;
	if (!mmap_read_trylock(mm)) {
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_VMA_LOCKED);
		return NULL;
	}
	vma = vma_lookup(mm, addr);
	if (!vma) {
		mmap_read_unlock(mm);
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_EXITING);
	}
	return vma;
}

/**
 * struct vgetrandom_walk - one call of the shrinker
 * @sc: what is asked for
 * @dropped: pages dropped
 */
struct vgetrandom_walk {
	struct shrink_control	*sc;
	unsigned long		dropped;
};

#ifdef CONFIG_MEMCG
/* Under cgroup.memory=nokmem the list has the pages of all cgroups. */
static bool vgetrandom_page_is_wanted(const struct vgetrandom_page *page,
				      const struct shrink_control *sc)
{
	struct mem_cgroup *memcg;
	bool wanted;

	if (!mem_cgroup_kmem_disabled() || !sc->memcg ||
	    mem_cgroup_is_root(sc->memcg))
		return true;
	rcu_read_lock();
	memcg = folio_memcg(page->folio);
	wanted = memcg && mem_cgroup_is_descendant(memcg, sc->memcg);
	rcu_read_unlock();
	return wanted;
}
#else
static bool vgetrandom_page_is_wanted(const struct vgetrandom_page *page,
				      const struct shrink_control *sc)
{
	return true;
}
#endif

/*
 * Drops one page for the shrinker.  Everything that holds on to the page leaves
 * it at the end of the list, so that it does not block what comes behind.
 *
 * The page stays on the list until it is dropped.  What keeps it and its
 * mapping alive while the list is unlocked is the mapping's lock; what keeps
 * the mapping until that is unlocked is a reference.
 */
static enum lru_status vgetrandom_lru_isolate(struct list_head *item,
					      struct list_lru_one *list,
					      spinlock_t *lru_lock, void *arg)
	VGETRANDOM_LRU_CONTEXT(lru_lock)
{
	struct vgetrandom_page *page = list_entry(item, struct vgetrandom_page,
						  lru);
	struct vgetrandom_mapping *mapping = page->mapping;
	struct vgetrandom_walk *walk = arg;
	struct mm_struct *mm = mapping->mm;
	struct vm_area_struct *vma;
	bool dropped = false;
	bool mmap_locked;

	if (!vgetrandom_page_is_wanted(page, walk->sc))
		return LRU_ROTATE;
	if (!mutex_trylock(&mapping->lock)) {
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_MAPPING_LOCKED);
		return LRU_ROTATE;
	}
	refcount_inc(&mapping->refs);
	list_move_tail(item, &list->list);
	spin_unlock(lru_lock);

	if (mapping->emptying) {
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_MAPPING_LOCKED);
		goto unlock;
	}
	/* an mm that is being torn down frees its pages itself */
	if (!mmget_not_zero(mm)) {
		vgetrandom_page_skip(page, VGETRANDOM_SKIP_EXITING);
		goto unlock;
	}
	vma = vgetrandom_page_trylock_vma(page, &mmap_locked);
	if (vma) {
		if (vgetrandom_mapping_of(vma) == mapping)
			dropped = vgetrandom_page_reclaim(page, vma);
		else
			vgetrandom_page_skip(page, VGETRANDOM_SKIP_EXITING);
		if (mmap_locked)
			mmap_read_unlock(mm);
		else
			vma_end_read(vma);
	}
	/* not mmput(): tearing down the mm would need locks of the caller */
	mmput_async(mm);
unlock:
	mutex_unlock(&mapping->lock);
	if (dropped) {
		vgetrandom_page_free(page);
		walk->dropped++;
	}
	vgetrandom_mapping_put(mapping);

	cond_resched();
	vgetrandom_lru_relock(lru_lock);
	return LRU_RETRY;
}

#ifdef CONFIG_MEMCG
/* Whether the cgroup, or one above it, has more than it may: a limit was lowered. */
static bool vgetrandom_memcg_is_over(struct mem_cgroup *memcg)
{
	for (; memcg; memcg = parent_mem_cgroup(memcg))
		if (page_counter_read(&memcg->memory) >
		    min(READ_ONCE(memcg->memory.max),
			READ_ONCE(memcg->memory.high)))
			return true;
	return false;
}

/*
 * A charge that finds no room wants a few pages.  But reclaim for a cgroup does
 * not count those that come from a shrinker, and would go on up to the highest
 * priority: to the last page.  An eighth of the pages is enough for once.
 */
static bool vgetrandom_shrink_has_enough(struct shrink_control *sc)
{
	struct reclaim_state *reclaim = current->reclaim_state;
	unsigned long enough = SWAP_CLUSTER_MAX;

	if (!reclaim || current_is_kswapd() ||
	    !sc->memcg || mem_cgroup_is_root(sc->memcg))
		return false;
	/* or else the list is not only that of this cgroup */
	if (!mem_cgroup_kmem_disabled())
		enough = max(enough,
			     list_lru_shrink_count(&vgetrandom_lru, sc) / 8);
	return reclaim->reclaimed >= enough &&
	       !vgetrandom_memcg_is_over(sc->memcg);
}
#else
static bool vgetrandom_shrink_has_enough(struct shrink_control *sc)
{
	return false;
}
#endif

/* The start of a scan, too: it is called once for each. */
static unsigned long vgetrandom_shrink_count(struct shrinker *shrinker,
					     struct shrink_control *sc)
{
	atomic_inc(&vgetrandom_scans);
	return list_lru_shrink_count(&vgetrandom_lru, sc) ?: SHRINK_EMPTY;
}

static unsigned long vgetrandom_shrink_scan(struct shrinker *shrinker,
					    struct shrink_control *sc)
{
	struct vgetrandom_walk walk = { .sc = sc };

	/* not SHRINK_STOP: it would leave the work to a later scan */
	if (vgetrandom_shrink_has_enough(sc))
		return 0;
	list_lru_shrink_walk(&vgetrandom_lru, sc, vgetrandom_lru_visit, &walk);
	mm_account_reclaimed_pages(walk.dropped);
	count_vm_events(VGETRANDOM_DROPPED, walk.dropped);
	return walk.dropped;
}

static int __init vgetrandom_mapping_init(void)
{
	vgetrandom_page_cache = KMEM_CACHE(vgetrandom_page,
					   SLAB_PANIC | SLAB_ACCOUNT |
					   SLAB_RECLAIM_ACCOUNT);
	vgetrandom_shrinker = shrinker_alloc(SHRINKER_MEMCG_AWARE |
					     SHRINKER_NUMA_AWARE |
					     SHRINKER_NONSLAB,
					     "mm-vgetrandom");
	if (!vgetrandom_shrinker ||
	    list_lru_init_memcg(&vgetrandom_lru, vgetrandom_shrinker))
		panic("vgetrandom_mapping: out of memory\n");

	vgetrandom_shrinker->count_objects = vgetrandom_shrink_count;
	vgetrandom_shrinker->scan_objects = vgetrandom_shrink_scan;
	/* less than others': a new page and a reseed, no page to be written */
	vgetrandom_shrinker->seeks = 1;
	shrinker_register(vgetrandom_shrinker);
	return 0;
}
core_initcall(vgetrandom_mapping_init);

#ifdef CONFIG_VGETRANDOM_MAPPING_KUNIT_TEST
#include "tests/vgetrandom_mapping_kunit.c"
#include "tests/vgetrandom_move_kunit.c"
#include "tests/vgetrandom_shrink_kunit.c"
#include "tests/vgetrandom_drop_kunit.c"
#endif
