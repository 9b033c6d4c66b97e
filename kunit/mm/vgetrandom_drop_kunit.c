// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states: how its pages are
 * dropped by advice, and that all is given back.
 */
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
	const unsigned int pages = 1003;
	unsigned long addr = test_map(test, pages);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	unsigned long listed = test_count();
	u64 changes = mapping->changes;
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
	KUNIT_EXPECT_EQ(test, 0U, mapping->emptying);
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
	/* nor is there a page left whose only other reference was its mapping */
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr + 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 3U, test_pages(mapping));

	mmap_read_lock(current->mm);
	KUNIT_EXPECT_TRUE(test, vgetrandom_mapping_forget_all(mapping, vpn,
							      vpn + 3, vma,
							      cause));
	mmap_read_unlock(current->mm);
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
	KUNIT_EXPECT_FALSE(test, folio_mapped(all));
	KUNIT_EXPECT_TRUE(test, test_folio_is_zero(all));
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));
	folio_put(one);
	folio_put(all);
}

/**
 * struct test_drop - a MADV_DONTNEED by another thread
 * @mm: where
 * @addr: its begin, which is that of a VMA
 * @len: bytes
 * @done: it has returned
 */
struct test_drop {
	struct mm_struct	*mm;
	unsigned long		addr;
	unsigned long		len;
	struct completion	done;
};

static int test_drop_thread(void *data)
{
	struct test_drop *drop = data;

	mmap_read_lock(drop->mm);
	vgetrandom_mapping_drop(vma_lookup(drop->mm, drop->addr), drop->addr,
				drop->addr + drop->len,
				VGETRANDOM_DROP_DONTNEED);
	mmap_read_unlock(drop->mm);
	complete(&drop->done);
	return 0;
}

static void test_drop_start(struct kunit *test, struct test_drop *drop,
			    unsigned long addr, unsigned long len)
{
	drop->mm = current->mm;
	drop->addr = addr;
	drop->len = len;
	init_completion(&drop->done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(test_drop_thread, drop,
						    "vgetrandom_drop")));
}

/*
 * A fault that has mapped its page goes on with it until it unlocks it, with no
 * reference of its own, whoever unmaps the page meanwhile.
 */
static void test_drop_waits_for_faults(struct kunit *test)
{
	unsigned int pages;

	for (pages = 1; pages <= 2; pages++) {
		unsigned long addr = test_map(test, 2);
		struct folio *folio = test_pin(test_mapping(test, addr), addr);
		struct test_drop drop;

		KUNIT_ASSERT_NOT_NULL(test, folio);
		folio_lock(folio);
		test_unmap_ptes(test, addr, PAGE_SIZE);
		folio_put(folio);
		KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
		test_drop_start(test, &drop, addr, pages * PAGE_SIZE);
		msleep(50);
		KUNIT_EXPECT_FALSE(test, completion_done(&drop.done));
		KUNIT_EXPECT_FALSE(test, test_folio_is_zero(folio));
		folio_unlock(folio);
		wait_for_completion(&drop.done);
		KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
		KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, 2 * PAGE_SIZE));
	}
}

/* It may have a page in hand that a fault in flight is about to map. */
static void test_drop_waits_for_another(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct test_drop drop;

	mutex_lock(&mapping->drop_lock);
	test_drop_start(test, &drop, addr, PAGE_SIZE);
	msleep(50);
	KUNIT_EXPECT_FALSE(test, completion_done(&drop.done));
	mutex_unlock(&mapping->drop_lock);
	wait_for_completion(&drop.done);
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
}

/* Of a MADV_DONTNEED: a fault may still map a page of before, not after another. */
static void test_pageout_leaves_pages_of_after(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);

	mapping->emptying++;
	test_madvise(test, addr, PAGE_SIZE, MADV_PAGEOUT);
	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));
	mapping->emptying--;
	test_madvise(test, addr, PAGE_SIZE, MADV_PAGEOUT);
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
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
	KUNIT_CASE(test_drop_waits_for_faults),
	KUNIT_CASE(test_drop_waits_for_another),
	KUNIT_CASE(test_pageout_leaves_pages_of_after),
	KUNIT_CASE(test_pinned_page_is_not_dropped),
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
