/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit tests of the memory of vDSO getrandom() states share.  They
 * test it from inside: mm/vgetrandom_mapping.c includes them.
 *
 * Each test runs in a kthread with an mm of its own, which is torn down when
 * the kthread ends, also after a failed assertion.  The kernel then checks the
 * mm's counters and says "Bad rss-counter state" of one that is not zero.
 */
#ifndef VGETRANDOM_KUNIT_H
#define VGETRANDOM_KUNIT_H

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

static bool test_folio_is_zero(struct folio *folio)
{
	void *data = kmap_local_folio(folio, 0);
	bool zero = !memchr_inv(data, 0, PAGE_SIZE);

	kunmap_local(data);
	return zero;
}

/* What /proc/vmstat says of an event. */
static inline unsigned long test_events(enum vm_event_item item)
{
	static unsigned long events[NR_VM_EVENT_ITEMS];

	all_vm_events(events);
	return events[item];
}

/* What is listed, on all nodes; the kthread is in the root cgroup. */
static inline unsigned long test_count(void)
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
static inline unsigned long test_shrink(unsigned long nr)
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

#endif /* VGETRANDOM_KUNIT_H */
