// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states: what the shrinker drops,
 * what it leaves, and what it tells of it.
 */
#include "vgetrandom_kunit.h"

/* What trace events have told of the test's mm. */
static struct {
	const struct mm_struct	*mm;
	unsigned int		fresh;
	unsigned int		found;
	unsigned int		drops[VGETRANDOM_DROP_POISON + 1];
	unsigned long		skips;	/* a bit for each cause */
} told;

#define test_expect_told(test, expected, number) do {			\
	if (IS_ENABLED(CONFIG_TRACEPOINTS))				\
		KUNIT_EXPECT_EQ(test, expected, number);		\
} while (0)

static void test_told_fault(void *unused, const struct mm_struct *mm,
			    unsigned long address, bool fresh)
{
	if (mm == told.mm && fresh)
		told.fresh++;
	else if (mm == told.mm)
		told.found++;
}

static void test_told_drop(void *unused, const struct mm_struct *mm,
			   unsigned long address,
			   enum vgetrandom_drop_cause cause)
{
	if (mm == told.mm)
		told.drops[cause]++;
}

static void test_told_skip(void *unused, const struct mm_struct *mm,
			   unsigned long address,
			   enum vgetrandom_skip_cause cause)
{
	if (mm == told.mm)
		told.skips |= BIT(cause);
}

static int test_shrink_init(struct kunit *test)
{
	int error = test_init(test);

	if (error || !IS_ENABLED(CONFIG_TRACEPOINTS))
		return error;
	memset(&told, 0, sizeof(told));
	told.mm = current->mm;
	return register_trace_vgetrandom_fault(test_told_fault, NULL) ?:
	       register_trace_vgetrandom_drop(test_told_drop, NULL) ?:
	       register_trace_vgetrandom_skip(test_told_skip, NULL);
}

static void test_shrink_exit(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_TRACEPOINTS)) {
		unregister_trace_vgetrandom_fault(test_told_fault, NULL);
		unregister_trace_vgetrandom_drop(test_told_drop, NULL);
		unregister_trace_vgetrandom_skip(test_told_skip, NULL);
		tracepoint_synchronize_unregister();
	}
	test_exit(test);
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
	test_expect_told(test, pages, told.drops[VGETRANDOM_DROP_RECLAIM]);
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
	test_expect_told(test, 40U, told.fresh);
	test_expect_told(test, 1U, told.found);
	KUNIT_EXPECT_EQ(test, 29UL, test_shrink(200));
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr + 29 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(200));
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
}

/* A pinned page is not even unmapped: mincore() would say that it is gone. */
static void test_shrinker_leaves_pinned_mapped(struct kunit *test)
{
	unsigned long addr = test_map(test, 2);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct folio *pinned = test_pin(mapping, addr + PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(10));
	KUNIT_EXPECT_FALSE(test, test_present(mapping, addr));
	KUNIT_EXPECT_TRUE(test, folio_mapped(pinned));
	folio_put(pinned);
}

#ifdef CONFIG_MMU_NOTIFIER
struct test_secondary {
	struct mmu_notifier	notifier;
	unsigned long		addr;
	unsigned int		told;
};

static int test_invalidate(struct mmu_notifier *notifier,
			   const struct mmu_notifier_range *range)
{
	struct test_secondary *secondary =
		container_of(notifier, struct test_secondary, notifier);

	if (range->start <= secondary->addr && secondary->addr < range->end)
		secondary->told++;
	return 0;
}

static const struct mmu_notifier_ops test_secondary_ops = {
	.invalidate_range_start	= test_invalidate,
};

/* As of an IOMMU or of a guest: it must not keep a page that is dropped. */
static void test_shrinker_tells_secondary_mmus(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct test_secondary secondary = {
		.notifier.ops = &test_secondary_ops, .addr = addr,
	};

	KUNIT_ASSERT_EQ(test, 0, mmu_notifier_register(&secondary.notifier,
						       current->mm));
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	KUNIT_EXPECT_EQ(test, 0U, secondary.told);
	KUNIT_EXPECT_EQ(test, 1UL, test_shrink(10));
	KUNIT_EXPECT_EQ(test, 1U, secondary.told);
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
	mmu_notifier_unregister(&secondary.notifier, current->mm);
}
#endif

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

/* A scan leaves the test's pages, and tells of no other cause. */
static void test_left(struct kunit *test, enum vgetrandom_skip_cause cause)
{
	told.skips = 0;
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	test_expect_told(test, BIT(cause), told.skips);
}

static void test_shrinker_leaves_what_is_busy(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *vma = test_vma(test, addr);
	unsigned long skipped = test_events(VGETRANDOM_SKIPPED);
	struct folio *folio;

	test_left(test, VGETRANDOM_SKIP_USED);
	test_unmap_ptes(test, addr, PAGE_SIZE);

	mutex_lock(&mapping->lock);
	test_left(test, VGETRANDOM_SKIP_MAPPING_LOCKED);
	mutex_unlock(&mapping->lock);

	/* then the page may not be in the tree */
	mapping->emptying++;
	test_left(test, VGETRANDOM_SKIP_MAPPING_LOCKED);
	mapping->emptying--;

	/* locked by a fault; the reference would keep the page by itself */
	folio = test_pin(mapping, addr);
	test_left(test, VGETRANDOM_SKIP_PINNED);
	folio_lock(folio);
	folio_put(folio);
	test_left(test, VGETRANDOM_SKIP_PAGE_LOCKED);
	folio_unlock(folio);

	/* as if the test had ended */
	KUNIT_EXPECT_TRUE(test, atomic_dec_and_test(&current->mm->mm_users));
	test_left(test, VGETRANDOM_SKIP_EXITING);
	atomic_inc(&current->mm->mm_users);

	/* or as if another mapping were there already */
	vma->vm_private_data = (void *)&vgetrandom_mapping_empty;
	test_left(test, VGETRANDOM_SKIP_EXITING);
	vma->vm_private_data = &mapping->spec;

	mmap_write_lock(current->mm);
	vma_start_write(vma);
	KUNIT_EXPECT_EQ(test, skipped, test_events(VGETRANDOM_SKIPPED));
	test_left(test, VGETRANDOM_SKIP_VMA_LOCKED);
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

static void test_broken_page_is_told(struct kunit *test)
{
#ifdef CONFIG_MEMORY_FAILURE
	unsigned long addr = test_map(test, 1);
	struct folio *broken = test_pin(test_mapping(test, addr), addr);

	KUNIT_ASSERT_NOT_NULL(test, broken);
	SetPageHWPoison(folio_page(broken, 0));
	test_unmap_ptes(test, addr, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
	test_expect_told(test, 1U, told.drops[VGETRANDOM_DROP_POISON]);
	test_expect_told(test, 2U, told.fresh);
	test_expect_told(test, 0U, told.found);
	ClearPageHWPoison(folio_page(broken, 0));
	folio_put(broken);
#else
	kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
#endif
}

static struct kunit_case vgetrandom_shrink_test_cases[] = {
	KUNIT_CASE(test_shrinker_counts_and_drops),
	KUNIT_CASE(test_shrinker_spares_used_pages),
	KUNIT_CASE(test_shrinker_leaves_pinned_mapped),
#ifdef CONFIG_MMU_NOTIFIER
	KUNIT_CASE(test_shrinker_tells_secondary_mmus),
#endif
	KUNIT_CASE(test_shrinker_reports_to_reclaim),
	KUNIT_CASE(test_shrinker_leaves_what_is_busy),
#ifdef CONFIG_PER_VMA_LOCK
	KUNIT_CASE(test_shrinker_needs_no_mmap_lock),
#endif
	KUNIT_CASE(test_broken_page_is_told),
	{}
};

static struct kunit_suite vgetrandom_shrink_test_suite = {
	.name = "vgetrandom_shrink",
	.init = test_shrink_init,
	.exit = test_shrink_exit,
	.test_cases = vgetrandom_shrink_test_cases,
};

kunit_test_suite(vgetrandom_shrink_test_suite);
