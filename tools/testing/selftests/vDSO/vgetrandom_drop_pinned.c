// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of mmap(MAP_DROPPABLE) that a pipe or io_uring has pinned, and what takes pages away.
 */

#include "vgetrandom_drop.h"
#include <linux/io_uring.h>
#include <sys/uio.h>
#include "vgetrandom_harness.h"

enum pin_kind { IN_PIPE, FIXED_BUFFER };

/* Who holds a reference to the page, and a way to look through it. */
struct pin {
	enum pin_kind kind;
	int pipe[2];
	int ring;
	int file;
	unsigned int *tail;
	unsigned int *mask;
	unsigned int *array;
	unsigned int *cq_head;
	unsigned int *cq_mask;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static char *map_ring(int fd, size_t len, off_t offset)
{
	return mmap(NULL, len, RW, MAP_SHARED | MAP_POPULATE, fd, offset);
}

static bool open_ring(struct pin *pin)
{
	struct io_uring_params params = { 0 };
	char *sq, *cq, *sqes;

	pin->file = (int)syscall(__NR_memfd_create, "pin", 0);
	pin->ring = (int)syscall(__NR_io_uring_setup, 4, &params);
	if (pin->file < 0 || pin->ring < 0)
		return false;
	sq = map_ring(pin->ring, params.sq_off.array + params.sq_entries *
		      sizeof(unsigned int), IORING_OFF_SQ_RING);
	cq = map_ring(pin->ring, params.cq_off.cqes + params.cq_entries *
		      sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	sqes = map_ring(pin->ring, params.sq_entries *
			sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		return false;
	pin->tail = (unsigned int *)(sq + params.sq_off.tail);
	pin->mask = (unsigned int *)(sq + params.sq_off.ring_mask);
	pin->array = (unsigned int *)(sq + params.sq_off.array);
	pin->cq_head = (unsigned int *)(cq + params.cq_off.head);
	pin->cq_mask = (unsigned int *)(cq + params.cq_off.ring_mask);
	pin->cqes = (struct io_uring_cqe *)(cq + params.cq_off.cqes);
	pin->sqes = (struct io_uring_sqe *)sqes;
	return true;
}

static bool pin_page(struct pin *pin, enum pin_kind kind, char *p)
{
	struct iovec page = { p, PAGE };

	pin->kind = kind;
	if (kind == IN_PIPE)
		return !pipe(pin->pipe) &&
		       vmsplice(pin->pipe[1], &page, 1, 0) == (long)PAGE;
	return open_ring(pin) &&
	       !syscall(__NR_io_uring_register, pin->ring,
			IORING_REGISTER_BUFFERS, &page, 1);
}

/* The page that is pinned, wherever it is mapped now; p: where it was. */
static bool through_pin(struct pin *pin, const char *p, char *into)
{
	struct io_uring_sqe *sqe;
	unsigned int at, head;

	if (pin->kind == IN_PIPE)
		return read(pin->pipe[0], into, PAGE) == (long)PAGE;
	at = *pin->tail & *pin->mask;
	sqe = &pin->sqes[at];
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_WRITE_FIXED;
	sqe->fd = pin->file;
	sqe->addr = (uintptr_t)p;
	sqe->len = PAGE;
	pin->array[at] = at;
	__atomic_store_n(pin->tail, *pin->tail + 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, pin->ring, 1, 1,
		    IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		return false;
	head = *pin->cq_head;
	if (pin->cqes[head & *pin->cq_mask].res != (int)PAGE)
		return false;
	__atomic_store_n(pin->cq_head, head + 1, __ATOMIC_RELEASE);
	return pread(pin->file, into, PAGE, 0) == (long)PAGE;
}

static void unpin(struct pin *pin)
{
	if (pin->kind == IN_PIPE) {
		close(pin->pipe[0]);
		close(pin->pipe[1]);
		return;
	}
	/* before the ring is closed, which gives pages back only later */
	syscall(__NR_io_uring_register, pin->ring, IORING_UNREGISTER_BUFFERS,
		NULL, 0);
	close(pin->ring);
	close(pin->file);
}

FIXTURE(pinned) {
	struct pin pin;
	char *p;	/* three pages, the second is pinned */
	char *page;
	char *seen;
};

FIXTURE_VARIANT(pinned) {
	enum pin_kind kind;
};

FIXTURE_VARIANT_ADD(pinned, in_pipe) { IN_PIPE };
FIXTURE_VARIANT_ADD(pinned, fixed_buffer) { FIXED_BUFFER };

FIXTURE_SETUP(pinned)
{
	self->p = droppable(3);
	ASSERT_NE(MAP_FAILED, self->p);
	self->seen = plain(1);
	ASSERT_NE(MAP_FAILED, self->seen);
	self->page = self->p + PAGE;
	fill(self->p, 3, 1);
	ASSERT_TRUE(pin_page(&self->pin, variant->kind, self->page));
}

FIXTURE_TEARDOWN(pinned)
{
	munmap(self->p, 3 * PAGE);
}

TEST_F(pinned, is_the_same_page)
{
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->page, 1, 2));
}

/* Not mainline: the pin of a reader would hold the common zero page there. */
TEST_F(pinned, absent_page)
{
	char *p = droppable(1);
	struct pin pin;

	unpin(&self->pin);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(pin_page(&pin, variant->kind, p));
	fill(p, 1, 2);
	ASSERT_TRUE(through_pin(&pin, p, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&pin);
}

/* Otherwise the one who pinned and the one who mapped part for ever. */
TEST_F(pinned, survives_pageout)
{
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(is_zero(self->p, 1));
	EXPECT_TRUE(holds_from(self->page, 1, 1, 1));
	EXPECT_TRUE(is_zero(self->p + 2 * PAGE, 1));
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(is_zero(self->p, 3));
}

/* Not mainline: drop_caches does not reach anonymous pages there. */
TEST_F(pinned, survives_drop_caches)
{
	int i;

	for (i = 0; i < PATIENCE; i++)
		ASSERT_TRUE(drop_slab());
	EXPECT_EQ(1, resident(self->p, 3));
	EXPECT_TRUE(holds_from(self->page, 1, 1, 1));
	fill(self->page, 1, 2);
	EXPECT_TRUE(is_zero(self->p, 1));
	EXPECT_TRUE(is_zero(self->p + 2 * PAGE, 1));
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_TRUE(drop_until_gone(self->p, 3));
	EXPECT_TRUE(is_zero(self->p, 3));
}

/* Advice that promises zeroes keeps its word; the pin keeps an old page. */
TEST_F(pinned, dontneed_parts)
{
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, resident(self->p, 3));
	EXPECT_TRUE(is_zero(self->p, 3));
	fill(self->p, 3, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(is_zero(self->seen, 1) || holds_from(self->seen, 1, 1, 1));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->p, 3, 2));
}

/* Not mainline: MADV_FREE leaves a pinned page where it is there. */
TEST_F(pinned, free_parts)
{
	EXPECT_EQ(0, madvise(self->p, 3 * PAGE, MADV_FREE));
	EXPECT_TRUE(is_zero(self->p, 3));
	fill(self->p, 3, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(is_zero(self->seen, 1) || holds_from(self->seen, 1, 1, 1));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->p, 3, 2));
}

TEST_F(pinned, fork_leaves_it_to_the_parent)
{
	pid_t pid = fork();

	if (!pid) {
		if (!is_zero(self->p, 3))
			_exit(1);
		fill(self->p, 3, 3);
		_exit(0);
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(self->p, 3, 1));
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
}

TEST_F(pinned, moves_along)
{
	char *to = mmap(NULL, 3 * PAGE, PROT_NONE, PLAIN, -1, 0);

	ASSERT_NE(MAP_FAILED, to);
	ASSERT_EQ(to, mremap(self->p, 3 * PAGE, 3 * PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_TRUE(holds(to, 3, 1));
	fill(to + PAGE, 1, 2);
	EXPECT_EQ(0, madvise(to, 3 * PAGE, MADV_PAGEOUT));
	EXPECT_TRUE(holds(to + PAGE, 1, 2));
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
	EXPECT_EQ(0, munmap(to, 3 * PAGE));
}

TEST_F(pinned, write_protected_and_written)
{
	ASSERT_TRUE(write_file("/proc/self/clear_refs", "4"));
	fill(self->page, 1, 2);
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(holds(self->seen, 1, 2));
	unpin(&self->pin);
}

TEST_F(pinned, unmapped_while_pinned)
{
	EXPECT_EQ(0, munmap(self->page, PAGE));
	ASSERT_TRUE(through_pin(&self->pin, self->page, self->seen));
	EXPECT_TRUE(is_zero(self->seen, 1) || holds_from(self->seen, 1, 1, 1));
	ASSERT_EQ(self->page, mmap(self->page, PAGE, RW, DROPPABLE | MAP_FIXED,
				   -1, 0));
	EXPECT_TRUE(is_zero(self->page, 1));
	unpin(&self->pin);
	EXPECT_TRUE(holds(self->p, 1, 1));
	EXPECT_TRUE(holds_from(self->p + 2 * PAGE, 2, 1, 1));
}

TEST_F(pinned, exits_while_pinned)
{
	pid_t pid = fork();
	struct pin pin;

	if (!pid) {
		fill(self->p, 3, 2);
		_exit(!pin_page(&pin, variant->kind, self->page));
	}
	EXPECT_TRUE(child_succeeds(pid));
	EXPECT_TRUE(holds(self->p, 3, 1));
	unpin(&self->pin);
}

TEST_HARNESS_MAIN
