// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the memory of vDSO getrandom() states, from inside.  Included
 * by mm/vgetrandom_mapping.c.
 *
 * Each test runs in a kthread with an mm of its own, which is torn down when
 * the kthread ends, also after a failed assertion.  The kernel then checks the
 * mm's counters and says "Bad rss-counter state" of one that is not zero.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#define TEST_BYTE	0x5a

static struct mm_struct *test_mm_alloc(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();

	KUNIT_ASSERT_NOT_NULL(test, mm);
	mm->task_size = TASK_SIZE;
	arch_pick_mmap_layout(mm, &current->signal->rlim[RLIMIT_STACK]);
	return mm;
}

static int test_init(struct kunit *test)
{
	struct mm_struct *mm = test_mm_alloc(test);

	kthread_use_mm(mm);
	test->priv = mm;
	return 0;
}

/*
 * The end of the test's kthread tears its mm down, and may not have come that
 * far: the next test is not to see the pages go.  It knows nothing of the
 * reference that kthread_use_mm() took, and this kthread, another one, cannot
 * call kthread_unuse_mm() for it.  But for kernels where it is the same one,
 * unless an assertion has failed.
 */
static void test_exit(struct kunit *test)
{
	struct mm_struct *mm = test->priv;
	unsigned long deadline = jiffies + 10 * HZ;

	if (!mm)
		return;
	if (current->mm == mm) {
		mmgrab(mm);
		kthread_unuse_mm(mm);
		mmput(mm);
	}
	while ((atomic_read(&mm->mm_users) || !mtree_empty(&mm->mm_mt)) &&
	       time_before(jiffies, deadline))
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, mtree_empty(&mm->mm_mt));
	mmdrop(mm);
}

/* Maps @pages pages and writes TEST_BYTE plus its number into each. */
static unsigned long test_map(struct kunit *test, unsigned int pages)
{
	unsigned long addr;
	unsigned int i;

	addr = vm_mmap(NULL, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_DROPPABLE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	for (i = 0; i < pages; i++)
		KUNIT_ASSERT_EQ(test, 0,
				put_user((u8)(TEST_BYTE + i),
					 (u8 __user *)(addr + i * PAGE_SIZE)));
	return addr;
}

static u8 test_read(struct kunit *test, unsigned long addr)
{
	u8 byte;

	KUNIT_ASSERT_EQ(test, 0, get_user(byte, (u8 __user *)addr));
	return byte;
}

static struct vm_area_struct *test_vma(struct kunit *test, unsigned long addr)
{
	struct vm_area_struct *vma;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	mmap_read_unlock(current->mm);
	KUNIT_ASSERT_NOT_NULL(test, vma);
	KUNIT_ASSERT_TRUE(test, vma_is_vgetrandom_mapping(vma));
	return vma;
}

static struct vgetrandom_mapping *test_mapping(struct kunit *test,
					       unsigned long addr)
{
	struct vgetrandom_mapping *mapping;

	mapping = vgetrandom_mapping_of(test_vma(test, addr));
	KUNIT_ASSERT_NOT_NULL(test, mapping);
	return mapping;
}

/* The page's folio with a reference, like a pin by GUP; NULL if there is none. */
static struct folio *test_pin(struct vgetrandom_mapping *mapping,
			      unsigned long addr)
{
	struct vgetrandom_place place;
	struct vgetrandom_page *page;
	struct folio *folio = NULL;

	mutex_lock(&mapping->lock);
	page = vgetrandom_mapping_find(mapping, addr >> PAGE_SHIFT, &place);
	if (page) {
		folio = page->folio;
		folio_get(folio);
	}
	mutex_unlock(&mapping->lock);
	return folio;
}

static bool test_present(struct vgetrandom_mapping *mapping, unsigned long addr)
{
	struct folio *folio = test_pin(mapping, addr);

	if (folio)
		folio_put(folio);
	return folio;
}

static unsigned int test_pages(struct vgetrandom_mapping *mapping)
{
	struct vgetrandom_place unused;
	struct vgetrandom_page *page;
	unsigned int pages = 0;

	mutex_lock(&mapping->lock);
	for (page = vgetrandom_mapping_first(mapping, 0, &unused); page;
	     page = vgetrandom_page_next(page))
		pages++;
	mutex_unlock(&mapping->lock);
	return pages;
}

static void test_unmap_ptes(struct kunit *test, unsigned long addr,
			    unsigned long len)
{
	struct vm_area_struct *vma = test_vma(test, addr);

	mmap_read_lock(current->mm);
	vgetrandom_zap(vma, addr, len);
	mmap_read_unlock(current->mm);
}

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

static bool test_folio_is_zero(struct folio *folio)
{
	void *data = kmap_local_folio(folio, 0);
	bool zero = !memchr_inv(data, 0, PAGE_SIZE);

	kunmap_local(data);
	return zero;
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

static void test_mremap_rekeys(struct kunit *test)
{
	unsigned long addr = test_map(test, 4), to;
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *copy = test_copy_vma(test, addr);

	to = copy->vm_start;
	test_unmap_ptes(test, addr + PAGE_SIZE, 2 * PAGE_SIZE);
	mmap_write_lock(current->mm);
	vma_start_write(copy);
	KUNIT_EXPECT_EQ(test, 0, copy->vm_ops->mremap(copy));
	mmap_write_unlock(current->mm);
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

/* The rest of an mremap() that failed, and could not be undone. */
static void test_wrong_key_is_not_served(struct kunit *test)
{
	unsigned long addr = test_map(test, 4);
	struct vgetrandom_mapping *mapping = test_mapping(test, addr);
	struct vm_area_struct *copy = test_copy_vma(test, addr);
	u8 byte;

	KUNIT_EXPECT_EQ(test, -EFAULT,
			get_user(byte, (u8 __user *)copy->vm_start));
	KUNIT_EXPECT_EQ(test, 4U, test_pages(mapping));

	/* moved on, it has no pages either: they are mapped where they were */
	mmap_write_lock(current->mm);
	vma_start_write(copy);
	KUNIT_EXPECT_EQ(test, 0, copy->vm_ops->mremap(copy));
	mmap_write_unlock(current->mm);
	KUNIT_EXPECT_TRUE(test, test_present(mapping, addr + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, test_read(test, copy->vm_start));
	KUNIT_EXPECT_EQ(test, TEST_BYTE + 1, test_read(test, addr + PAGE_SIZE));
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
	KUNIT_CASE(test_mremap_rekeys),
	KUNIT_CASE(test_failed_mremap_keeps_pages),
	KUNIT_CASE(test_split_and_close_forget_their_range),
	KUNIT_CASE(test_drop_wipes),
	KUNIT_CASE(test_pinned_page_is_not_dropped),
	KUNIT_CASE(test_shrinker_counts_and_drops),
	KUNIT_CASE(test_shrinker_spares_used_pages),
	KUNIT_CASE(test_shrinker_reports_to_reclaim),
	KUNIT_CASE(test_shrinker_leaves_what_is_busy),
#ifdef CONFIG_PER_VMA_LOCK
	KUNIT_CASE(test_shrinker_needs_no_mmap_lock),
#endif
	KUNIT_CASE(test_wrong_key_is_not_served),
	KUNIT_CASE(test_accounting_returns_to_zero),
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
