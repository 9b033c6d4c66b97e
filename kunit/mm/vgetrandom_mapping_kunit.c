// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states: which page a fault
 * gives, and what a fork leaves to the child.
 */
#include "vgetrandom_kunit.h"

/* Leaves free pages behind that are not zero and likely to be taken next. */
static void test_soil_free_pages(struct kunit *test, unsigned int pages)
{
	struct page *page, *next;
	LIST_HEAD(soiled);

	while (pages--) {
		page = alloc_page(VGETRANDOM_PAGE_GFP);
		KUNIT_EXPECT_NOT_NULL(test, page);
		if (!page)
			break;
		memset_page(page, 0, TEST_BYTE, PAGE_SIZE);
		list_add(&page->lru, &soiled);
	}
	list_for_each_entry_safe(page, next, &soiled, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static void test_fault_gives_zeros(struct kunit *test)
{
	const unsigned int pages = 32;
	unsigned long addr;
	unsigned int i;
	u8 *data = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, data);
	addr = vm_mmap(NULL, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_DROPPABLE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_NULL(test, vgetrandom_mapping_of(test_vma(test, addr)));

	test_soil_free_pages(test, pages);
	for (i = 0; i < pages; i++) {
		memset(data, TEST_BYTE, PAGE_SIZE);
		KUNIT_ASSERT_EQ(test, 0UL,
				copy_from_user(data, (void __user *)addr +
					       i * PAGE_SIZE, PAGE_SIZE));
		KUNIT_EXPECT_NULL(test, memchr_inv(data, 0, PAGE_SIZE));
	}
	KUNIT_EXPECT_EQ(test, pages, test_pages(test_mapping(test, addr)));
}

static void test_second_fault_gives_same_page(struct kunit *test)
{
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct folio *first = test_pin(mapping, addr), *second;

	KUNIT_ASSERT_NOT_NULL(test, first);
	test_unmap_ptes(test, addr, PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, folio_mapped(first));
	KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));
	KUNIT_EXPECT_TRUE(test, folio_mapped(first));

	second = test_pin(mapping, addr);
	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));
	KUNIT_EXPECT_PTR_EQ(test, mapping, test_mapping(test, addr));
	folio_put(second);
	folio_put(first);
}

/* As dup_mmap() does it: the VMA is copied, then its open() is called. */
static void test_fork_leaves_child_empty(struct kunit *test)
{
	unsigned long addr = test_map(test, 2);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct mm_struct *parent = current->mm;
	struct mm_struct *mm = test_mm_alloc(test);
	struct vm_area_struct *vma;
	int error;

	mmap_write_lock(parent);
	vma = vm_area_dup(vma_lookup(parent, addr));
	KUNIT_EXPECT_NOT_NULL(test, vma);
	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING);
	if (vma) {
		vma->vm_mm = mm;
		vma->vm_ops->open(vma);
		error = insert_vm_struct(mm, vma);
	} else {
		error = -ENOMEM;
	}
	mmap_write_unlock(mm);
	mmap_write_unlock(parent);
	KUNIT_EXPECT_EQ(test, 0, error);
	if (error)
		goto put_child;

	KUNIT_EXPECT_NULL(test, vgetrandom_mapping_of(vma));
	KUNIT_EXPECT_EQ(test, 1U, refcount_read(&mapping->refs));

	kthread_unuse_mm(parent);
	kthread_use_mm(mm);
	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
	KUNIT_EXPECT_EQ(test, 0, put_user((u8)1, (u8 __user *)addr));
	KUNIT_EXPECT_PTR_NE(test, mapping, test_mapping(test, addr));
	KUNIT_EXPECT_PTR_EQ(test, mm, test_mapping(test, addr)->mm);
	kthread_unuse_mm(mm);
	kthread_use_mm(parent);

	KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 1, test_read(test, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 2U, test_pages(mapping));
put_child:
	mmput(mm);
	KUNIT_EXPECT_EQ(test, 2U, test_pages(mapping));
}

static void test_broken_page_is_replaced(struct kunit *test)
{
#ifdef CONFIG_MEMORY_FAILURE
	unsigned long addr = test_map(test, 1);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct folio *broken = test_pin(mapping, addr), *fresh;

	KUNIT_ASSERT_NOT_NULL(test, broken);
	SetPageHWPoison(folio_page(broken, 0));
	test_unmap_ptes(test, addr, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, 0, test_read(test, addr));
	fresh = test_pin(mapping, addr);
	KUNIT_EXPECT_PTR_NE(test, broken, fresh);
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(broken));
	/* nobody touched it */
	KUNIT_EXPECT_FALSE(test, test_folio_is_zero(broken));
	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));

	folio_put(fresh);
	ClearPageHWPoison(folio_page(broken, 0));
	folio_put(broken);
#else
	kunit_skip(test, "needs CONFIG_MEMORY_FAILURE");
#endif
}

static struct kunit_case vgetrandom_mapping_test_cases[] = {
	KUNIT_CASE(test_fault_gives_zeros),
	KUNIT_CASE(test_second_fault_gives_same_page),
	KUNIT_CASE(test_fork_leaves_child_empty),
	KUNIT_CASE(test_broken_page_is_replaced),
	{}
};

static struct kunit_suite vgetrandom_mapping_test_suite = {
	.name = "vgetrandom_mapping",
	.init = test_init,
	.exit = test_exit,
	.test_cases = vgetrandom_mapping_test_cases,
};

kunit_test_suite(vgetrandom_mapping_test_suite);
