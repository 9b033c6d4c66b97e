// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states: how its pages are
 * dropped, by advice and by the shrinker, and that all is given back.
 */
#include <linux/vmstat.h>
#include "vgetrandom_kunit.h"

static void test_madvise(struct kunit *test, unsigned long addr,
			 unsigned long len, int behavior)
{
	struct vm_area_struct *vma = test_vma(test, addr);
	int error = -1;

	mmap_read_lock(current->mm);
	KUNIT_EXPECT_TRUE(test, vgetrandom_mapping_madvise(vma, addr,
							   addr + len, behavior,
							   &error));
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, 0, error);
}

/* What /proc/vmstat says of an event. */
static unsigned long test_events(enum vm_event_item item)
{
	static unsigned long events[NR_VM_EVENT_ITEMS];

	all_vm_events(events);
	return events[item];
}

/* What is listed, on all nodes; the kthread is in the root cgroup. */
static unsigned long test_count(void)
{
	unsigned long total = 0, count;
	int nid;

	for_each_online_node(nid) {
		struct shrink_control sc = { .nid = nid };

		count = vgetrandom_shrink_count(vgetrandom_shrinker, &sc);
		if (count != SHRINK_EMPTY)
			total += count;
	}
	return total;
}

/*
 * A scan as by do_shrink_slab(), on all nodes: counts, then visits @nr pages of
 * each, at most ten in a call.  Returns how many were dropped.
 */
static unsigned long test_shrink(unsigned long nr)
{
	unsigned long total = 0, left;
	int nid;

	test_count();
	for_each_online_node(nid) {
		for (left = nr; left; left -= min(left, 10UL)) {
			struct shrink_control sc = {
				.gfp_mask = GFP_KERNEL,
				.nid = nid,
				.nr_to_scan = min(left, 10UL),
			};

			total += vgetrandom_shrink_scan(vgetrandom_shrinker,
							&sc);
		}
	}
	return total;
}

static void test_drop_wipes(struct kunit *test)
{
	static const int behaviors[] = {
		MADV_DONTNEED, MADV_DONTNEED_LOCKED, MADV_FREE
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(behaviors); i++) {
		unsigned long addr = test_map(test, 3);
		struct vgetrandom_mapping *mapping = test_mapping(test, addr);
		struct folio *folio = test_pin(mapping, addr + PAGE_SIZE);

		KUNIT_ASSERT_NOT_NULL(test, folio);
		KUNIT_EXPECT_FALSE(test, test_folio_is_zero(folio));
		test_madvise(test, addr + PAGE_SIZE, PAGE_SIZE, behaviors[i]);
		KUNIT_EXPECT_FALSE(test, folio_mapped(folio));
		KUNIT_EXPECT_TRUE(test, test_folio_is_zero(folio));
		KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
		KUNIT_EXPECT_EQ(test, 2U, test_pages(mapping));

		/* the next fault takes another page; neighbours keep theirs */
		KUNIT_EXPECT_EQ(test, 0, test_read(test, addr + PAGE_SIZE));
		KUNIT_EXPECT_FALSE(test, folio_mapped(folio));
		KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));
		KUNIT_EXPECT_EQ(test, TEST_BYTE + 2,
				test_read(test, addr + 2 * PAGE_SIZE));
		folio_put(folio);
		KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, 3 * PAGE_SIZE));
	}
}

/* All pages of a mapping go with its tree, whether pinned or not. */
static void test_drop_of_all_wipes(struct kunit *test)
{
	const unsigned int pages = 2 * VGETRANDOM_AT_ONCE + 3;
	unsigned long addr = test_map(test, pages);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	unsigned long listed = test_count(), changes = mapping->changes;
	struct folio *folio = test_pin(mapping, addr + PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	test_madvise(test, addr, pages * PAGE_SIZE, MADV_DONTNEED);
	KUNIT_EXPECT_EQ(test, changes + 1, mapping->changes);
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, listed - pages, test_count());
	KUNIT_EXPECT_FALSE(test, folio_mapped(folio));
	KUNIT_EXPECT_TRUE(test, test_folio_is_zero(folio));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));
}

/* As if a fault that had found the page before has mapped it since the unmapping. */
static void test_drop_unmaps_late_faults(struct kunit *test)
{
	unsigned long addr = test_map(test, 4), vpn = addr >> PAGE_SHIFT;
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *vma = test_vma(test, addr);
	struct folio *one = test_pin(mapping, addr + PAGE_SIZE);
	struct folio *all = test_pin(mapping, addr + 3 * PAGE_SIZE);
	enum vgetrandom_drop_cause cause = VGETRANDOM_DROP_DONTNEED;

	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, all);
	mmap_read_lock(current->mm);
	KUNIT_EXPECT_FALSE(test, vgetrandom_mapping_forget_all(mapping, vpn + 1,
							       vpn + 3, vma,
							       cause));
	KUNIT_EXPECT_FALSE(test, vgetrandom_mapping_forget_all(mapping, vpn,
							       vpn + 2, vma,
							       cause));
	vgetrandom_mapping_forget(mapping, vpn + 1, vpn + 2, vma, cause);
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, 2U, test_pages(mapping));
	KUNIT_EXPECT_FALSE(test, folio_mapped(one));
	KUNIT_EXPECT_TRUE(test, test_folio_is_zero(one));
	KUNIT_EXPECT_TRUE(test, folio_mapped(all));
	KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));

	mmap_read_lock(current->mm);
	KUNIT_EXPECT_TRUE(test, vgetrandom_mapping_forget_all(mapping, vpn,
							      vpn + 3, vma,
							      cause));
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
	KUNIT_EXPECT_FALSE(test, folio_mapped(all));
	KUNIT_EXPECT_TRUE(test, test_folio_is_zero(all));
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
	folio_put(one);
	folio_put(all);
}

static void test_pinned_page_is_not_dropped(struct kunit *test)
{
	unsigned long addr = test_map(test, 2);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct folio *folio = test_pin(mapping, addr);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	test_madvise(test, addr, 2 * PAGE_SIZE, MADV_PAGEOUT);
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr));
	KUNIT_EXPECT_FALSE(test, test_present(mapping, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));
	KUNIT_EXPECT_TRUE(test, folio_mapped(folio));

	/* nor unmapped to find that out, once it looks unused */
	test_shrink(100);
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(100));
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr));
	KUNIT_EXPECT_TRUE(test, folio_mapped(folio));

	test_unmap_ptes(test, addr, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(100));
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr));
	KUNIT_EXPECT_FALSE(test, test_folio_is_zero(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(100));
	KUNIT_EXPECT_FALSE(test, test_present(mapping, addr));
}

static void test_shrinker_counts_and_drops(struct kunit *test)
{
	const unsigned int pages = 100;
	unsigned long before = test_count();
	unsigned long dropped = test_events(VGETRANDOM_DROPPED);
	unsigned long addr = test_map(test, pages);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, before + pages, test_count());
	test_unmap_ptes(test, addr, pages * PAGE_SIZE);

	/* what is visited is limited, and what is dropped is reported */
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(0));
	i = test_shrink(5);
	KUNIT_EXPECT_GE(test, i, 1U);
	KUNIT_EXPECT_LE(test, i, 5 * num_online_nodes());
	KUNIT_EXPECT_EQ(test, pages - i, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, before + pages - i, test_count());

	KUNIT_EXPECT_EQ(test, (unsigned long)(pages - i),
			test_shrink(pages));
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, before, test_count());
	KUNIT_EXPECT_EQ(test, dropped + pages, test_events(VGETRANDOM_DROPPED));
	for (i = 0; i < pages; i++)
		KUNIT_EXPECT_EQ(test, 0, test_read(test, addr + i * PAGE_SIZE));
}

/* A page that is used between two scans survives both. */
static void test_shrinker_spares_used_pages(struct kunit *test)
{
	unsigned long addr = test_map(test, 40);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);

	/* the first 30 look used: they were written through their mapping */
	test_unmap_ptes(test, addr + 30 * PAGE_SIZE, 10 * PAGE_SIZE);
	/* a scan that comes by each page five times */
	KUNIT_EXPECT_EQ(test, 10UL, test_shrink(200));
	KUNIT_EXPECT_EQ(test, 30U, test_pages(mapping));
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr));

	/* used again; by a fault, as the TLB may know that it was used before */
	test_unmap_ptes(test, addr + 29 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 29,
			test_read(test, addr + 29 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 29UL, test_shrink(200));
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr + 29 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(200));
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
}

/* Reclaim hears of each page, or it would go on to the last one. */
static void test_shrinker_reports_to_reclaim(struct kunit *test)
{
	unsigned long addr = test_map(test, 20);
	struct reclaim_state reclaim = {}, *outer = current->reclaim_state;

	test_unmap_ptes(test, addr, 20 * PAGE_SIZE);
	current->reclaim_state = &reclaim;
	KUNIT_EXPECT_EQ(test, 20UL, test_shrink(20));
	current->reclaim_state = outer;
	KUNIT_EXPECT_GE(test, reclaim.reclaimed, 20UL);
}

static void test_shrinker_leaves_what_is_busy(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	unsigned long skipped = test_events(VGETRANDOM_SKIPPED);
	struct folio *folio;

	test_unmap_ptes(test, addr, PAGE_SIZE);

	mutex_lock(&mapping->lock);
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	mutex_unlock(&mapping->lock);

	/* locked by a fault; the reference would keep the page by itself */
	folio = test_pin(mapping, addr);
	folio_lock(folio);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	folio_unlock(folio);

	mmap_write_lock(current->mm);
	vma_start_write(vma_lookup(current->mm, addr));
	KUNIT_EXPECT_EQ(test, skipped, test_events(VGETRANDOM_SKIPPED));
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	KUNIT_EXPECT_LT(test, skipped, test_events(VGETRANDOM_SKIPPED));
	mmap_write_unlock(current->mm);

	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, 1U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(10));
}

#ifdef CONFIG_PER_VMA_LOCK
/* A thread that maps something else, or waits to, is no reason to keep pages. */
static void test_shrinker_needs_no_mmap_lock(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);

	test_unmap_ptes(test, addr, PAGE_SIZE);
	mmap_write_lock(current->mm);
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(10));
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
}
#endif

static void test_accounting_returns_to_zero(struct kunit *test)
{
	struct mm_struct *mm = current->mm;
	unsigned long listed = test_count();
	unsigned long total_vm = mm->total_vm;
	int grabs = atomic_read(&mm->mm_count);
	unsigned long addr = test_map(test, 20);

	KUNIT_EXPECT_EQ(test, total_vm + 20, mm->total_vm);
	KUNIT_EXPECT_EQ(test, grabs + 1, atomic_read(&mm->mm_count));
	KUNIT_EXPECT_EQ(test, listed + 20, test_count());

	test_madvise(test, addr, 5 * PAGE_SIZE, MADV_DONTNEED);
	KUNIT_EXPECT_EQ(test, listed + 15, test_count());

	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, 20 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, total_vm, mm->total_vm);
	KUNIT_EXPECT_EQ(test, grabs, atomic_read(&mm->mm_count));
	KUNIT_EXPECT_EQ(test, listed, test_count());
}

static struct kunit_case vgetrandom_drop_test_cases[] = {
	KUNIT_CASE(test_drop_wipes),
	KUNIT_CASE(test_drop_of_all_wipes),
	KUNIT_CASE(test_drop_unmaps_late_faults),
	KUNIT_CASE(test_pinned_page_is_not_dropped),
	KUNIT_CASE(test_shrinker_counts_and_drops),
	KUNIT_CASE(test_shrinker_spares_used_pages),
	KUNIT_CASE(test_shrinker_reports_to_reclaim),
	KUNIT_CASE(test_shrinker_leaves_what_is_busy),
#ifdef CONFIG_PER_VMA_LOCK
	KUNIT_CASE(test_shrinker_needs_no_mmap_lock),
#endif
	KUNIT_CASE(test_accounting_returns_to_zero),
	{}
};

static struct kunit_suite vgetrandom_drop_test_suite = {
	.name = "vgetrandom_drop",
	.init = test_init,
	.exit = test_exit,
	.test_cases = vgetrandom_drop_test_cases,
};

kunit_test_suite(vgetrandom_drop_test_suite);
