// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states: what the shrinker drops,
 * what it leaves, and what it tells of it.
 */
#include "vgetrandom_kunit.h"

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

	/* then the page may not be in the tree */
	mapping->emptying++;
	KUNIT_EXPECT_EQ(test, 0UL, test_shrink(10));
	mapping->emptying--;

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

static struct kunit_case vgetrandom_shrink_test_cases[] = {
	KUNIT_CASE(test_shrinker_counts_and_drops),
	KUNIT_CASE(test_shrinker_spares_used_pages),
	KUNIT_CASE(test_shrinker_reports_to_reclaim),
	KUNIT_CASE(test_shrinker_leaves_what_is_busy),
#ifdef CONFIG_PER_VMA_LOCK
	KUNIT_CASE(test_shrinker_needs_no_mmap_lock),
#endif
	{}
};

static struct kunit_suite vgetrandom_shrink_test_suite = {
	.name = "vgetrandom_shrink",
	.init = test_init,
	.exit = test_exit,
	.test_cases = vgetrandom_shrink_test_cases,
};

kunit_test_suite(vgetrandom_shrink_test_suite);
