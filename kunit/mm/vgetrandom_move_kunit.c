// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states: whose its pages are
 * after a move, one that failed, and a split.
 */
#include "vgetrandom_kunit.h"

/*
 * As copy_vma() does it: a copy of two pages from the second on, in the same
 * mm, at a free address.
 */
static struct vm_area_struct *test_copy_vma(struct kunit *test,
					    unsigned long addr)
{
	unsigned long to;
	struct vm_area_struct *vma = test_vma(test, addr), *copy;

	to = vm_mmap(NULL, 0, 2 * PAGE_SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(to));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(to, 2 * PAGE_SIZE));

	mmap_write_lock(current->mm);
	copy = vm_area_dup(vma);
	if (copy) {
		copy->vm_start = to;
		copy->vm_end = to + 2 * PAGE_SIZE;
		copy->vm_pgoff = vma->vm_pgoff + 1;
		copy->vm_ops->open(copy);
		if (insert_vm_struct(current->mm, copy)) {
			copy->vm_ops->close(copy);
			vm_area_free(copy);
			copy = NULL;
		} else {
			vm_stat_account(current->mm, copy->vm_flags, 2);
		}
	}
	mmap_write_unlock(current->mm);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	return copy;
}

static void test_mremap(struct kunit *test, struct vm_area_struct *copy)
{
	mmap_write_lock(current->mm);
	vma_start_write(copy);
	KUNIT_EXPECT_EQ(test, 0, copy->vm_ops->mremap(copy));
	mmap_write_unlock(current->mm);
}

static void test_mremap_rekeys(struct kunit *test)
{
	unsigned long addr = test_map(test, 4), to;
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *copy = test_copy_vma(test, addr);

	to = copy->vm_start;
	test_unmap_ptes(test, addr + PAGE_SIZE, 2 * PAGE_SIZE);
	test_mremap(test, copy);
	KUNIT_EXPECT_EQ(test, to >> PAGE_SHIFT, copy->vm_pgoff);
	KUNIT_EXPECT_EQ(test, 2U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_FALSE(test, test_present(mapping, addr + PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, test_present(mapping, to));

	/* the old range goes, in a split of the old VMA */
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr + PAGE_SIZE, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 3U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 4U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, TEST_BYTE, test_read(test, addr));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 1, test_read(test, to));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 2, test_read(test, to + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 3,
			test_read(test, addr + 3 * PAGE_SIZE));
}

/* The target of a move that failed is closed without having seen mremap(). */
static void test_failed_mremap_keeps_pages(struct kunit *test)
{
	unsigned long addr = test_map(test, 4);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *copy = test_copy_vma(test, addr);

	KUNIT_EXPECT_EQ(test, 2U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(copy->vm_start, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 4U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 1, test_read(test, addr + PAGE_SIZE));
}

static void test_split_and_close_forget_their_range(struct kunit *test)
{
	unsigned long addr = test_map(test, 5);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct folio *folio = test_pin(mapping, addr + 2 * PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, folio);
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr + 2 * PAGE_SIZE, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 2U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 4U, test_pages(mapping));
	KUNIT_EXPECT_FALSE(test, test_present(mapping, addr + 2 * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, test_folio_is_zero(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 1, test_read(test, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 3,
			test_read(test, addr + 3 * PAGE_SIZE));
	KUNIT_EXPECT_PTR_EQ(test, mapping,
			    test_mapping(test, addr + 3 * PAGE_SIZE));

	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 2U, test_pages(mapping));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 4,
			test_read(test, addr + 4 * PAGE_SIZE));
}

/*
 * The last page's VMA has no page when that of all others goes; a fault there
 * may just have looked for its page's place in the tree.
 */
static void test_close_forgets_all_pages(struct kunit *test)
{
	const unsigned int pages = 1003;
	unsigned long addr = test_map(test, pages + 1);
	unsigned long last = addr + pages * PAGE_SIZE;
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct folio *folio = test_pin(mapping, addr + 500 * PAGE_SIZE);
	struct vgetrandom_place place;

	KUNIT_ASSERT_NOT_NULL(test, folio);
	mmap_read_lock(current->mm);
	vgetrandom_mapping_drop(vma_lookup(current->mm, last), last,
				last + PAGE_SIZE, VGETRANDOM_DROP_DONTNEED);
	mmap_read_unlock(current->mm);
	mutex_lock(&mapping->lock);
	KUNIT_EXPECT_NULL(test, vgetrandom_mapping_find(mapping,
							last >> PAGE_SHIFT,
							&place));
	mutex_unlock(&mapping->lock);
	KUNIT_EXPECT_EQ(test, pages, test_pages(mapping));

	KUNIT_EXPECT_EQ(test, 0, vm_munmap(addr, pages * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 1U, refcount_read(&mapping->refs));
	KUNIT_EXPECT_EQ(test, 0U, test_pages(mapping));
	KUNIT_EXPECT_TRUE(test, test_folio_is_zero(folio));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	folio_put(folio);

	KUNIT_EXPECT_NE(test, place.changes, mapping->changes);
	KUNIT_EXPECT_EQ(test, 0, test_read(test, last));
	KUNIT_EXPECT_EQ(test, 1U, test_pages(mapping));
}

/* The rest of an mremap() that failed, and could not be undone. */
static void test_wrong_key_is_not_served(struct kunit *test)
{
	unsigned long addr = test_map(test, 4);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *copy = test_copy_vma(test, addr);
	u8 byte;

	KUNIT_EXPECT_EQ(test, 1UL,
			copy_from_user(&byte, (u8 __user *)copy->vm_start, 1));
	KUNIT_EXPECT_EQ(test, 4U, test_pages(mapping));

	/* moved on, it has no pages either: they are mapped where they were */
	test_mremap(test, copy);
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, test_read(test, copy->vm_start));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 1, test_read(test, addr + PAGE_SIZE));
}

/* The same, and its source has lost its first page since. */
static void test_wrong_key_after_a_split(struct kunit *test)
{
	unsigned long addr = test_map(test, 4);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *copy = test_copy_vma(test, addr);

	KUNIT_ASSERT_EQ(test, 0, vm_munmap(addr + PAGE_SIZE, PAGE_SIZE));
	test_mremap(test, copy);
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr + 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, test_read(test, copy->vm_start + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 2,
			test_read(test, addr + 2 * PAGE_SIZE));
}

#ifdef CONFIG_PER_VMA_LOCK
/**
 * struct test_fault - what a fault holds for a while, in another thread
 * @mm: where
 * @addr: in a VMA, whose lock it is
 * @locked: it holds it
 * @over: it held it, and is about to unlock it
 * @done: it does nothing more
 */
struct test_fault {
	struct mm_struct	*mm;
	unsigned long		addr;
	struct completion	locked;
	bool			over;
	struct completion	done;
};

static int test_fault_thread(void *data)
{
	struct test_fault *fault = data;
	struct vm_area_struct *vma = lock_vma_under_rcu(fault->mm, fault->addr);

	complete(&fault->locked);
	msleep(50);
	WRITE_ONCE(fault->over, vma);
	if (vma)
		vma_end_read(vma);
	complete(&fault->done);
	return 0;
}

/* The same: a fault may be about to map what then seems to have moved. */
static void test_wrong_key_waits_for_faults(struct kunit *test)
{
	unsigned long addr = test_map(test, 4);
	struct vm_area_struct *copy = test_copy_vma(test, addr);
	struct test_fault fault = {
		.mm = current->mm, .addr = addr + PAGE_SIZE,
	};

	init_completion(&fault.locked);
	init_completion(&fault.done);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(test_fault_thread, &fault,
						    "vgetrandom_move")));
	wait_for_completion(&fault.locked);
	test_mremap(test, copy);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(fault.over));
	wait_for_completion(&fault.done);
	KUNIT_EXPECT_TRUE(test, fault.over);
}
#endif

static struct kunit_case vgetrandom_move_test_cases[] = {
	KUNIT_CASE(test_mremap_rekeys),
	KUNIT_CASE(test_failed_mremap_keeps_pages),
	KUNIT_CASE(test_split_and_close_forget_their_range),
	KUNIT_CASE(test_close_forgets_all_pages),
	KUNIT_CASE(test_wrong_key_is_not_served),
	KUNIT_CASE(test_wrong_key_after_a_split),
#ifdef CONFIG_PER_VMA_LOCK
	KUNIT_CASE(test_wrong_key_waits_for_faults),
#endif
	{}
};

static struct kunit_suite vgetrandom_move_test_suite = {
	.name = "vgetrandom_move",
	.init = test_init,
	.exit = test_exit,
	.test_cases = vgetrandom_move_test_cases,
};

kunit_test_suite(vgetrandom_move_test_suite);
