// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of vdso_image.h: VDSO_IMAGE in the environment names the vdso64.so.dbg to load. Copies of
 * it that were tampered with must be refused, each for its reason.
 *
 * The system calls that an image makes are caught by seccomp, which tells them by their place.
 */

#define _GNU_SOURCE

#include <ucontext.h>

#include "vdso_image.h"
#include "vgetrandom_harness.h"

/* The system calls that were caught: their number, and what the last one asked for. */
static struct {
	volatile unsigned int calls;
	void *volatile buf;
	volatile size_t len;
} caught;

/* Gives the caller bytes that are not random but differ from call to call. */
static void catch_syscall(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	if (info->si_syscall != SYS_getrandom)
		abort();
	caught.calls++;
	caught.buf = (void *)regs[REG_RDI];
	caught.len = regs[REG_RSI];
	memset(caught.buf, 0x40 + caught.calls, caught.len);
	regs[REG_RAX] = regs[REG_RSI];
}

/* A state for the image, in ordinary memory. */
static void *new_state(const struct vdso_image *image)
{
	void *state = aligned_alloc(VDSO_PAGE, VDSO_PAGE);

	if (state)
		memset(state, 0, image->v.params.size_of_opaque_state);
	return state;
}

static bool read_image(struct vdso_image *image)
{
	const char *path = getenv("VDSO_IMAGE");

	if (!path) {
		ksft_print_msg("VDSO_IMAGE is not set\n");
		return false;
	}
	if (!vdso_image_load(image, path)) {
		ksft_print_msg("%s\n", image->error);
		return false;
	}
	return true;
}

/* Loads an image from memory. */
static bool load_bytes(struct vdso_image *image, const void *bytes, size_t size)
{
	char path[] = "/tmp/vdso_image_test-XXXXXX";
	int fd = mkstemp(path);
	bool good;

	memset(image, 0, sizeof(*image));
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) {
		vdso_image_refuse(image, "the test could not write %s", path);
		return false;
	}
	close(fd);
	good = vdso_image_load(image, path);
	unlink(path);
	return good;
}

FIXTURE(image)
{
	struct vdso_image image;
	void *state;
	size_t size;
};

FIXTURE_SETUP(image)
{
	ASSERT_TRUE(read_image(&self->image));
	self->size = self->image.v.params.size_of_opaque_state;
	self->state = new_state(&self->image);
	ASSERT_NE(NULL, self->state);
}

FIXTURE_TEARDOWN(image)
{
	free(self->state);
	vdso_image_unload(&self->image);
}

TEST_F(image, parameters_are_those_of_the_abi)
{
	EXPECT_EQ(PROT_READ | PROT_WRITE, self->image.v.params.mmap_prot);
	EXPECT_EQ(MAP_DROPPABLE | MAP_ANONYMOUS, self->image.v.params.mmap_flags);
	EXPECT_GE(self->size, 64);
	EXPECT_LE(self->size, 1024);
}

TEST_F(image, bytes_differ_and_none_is_left_out)
{
	unsigned char out[2][3000 + 32], changed[3000] = { 0 };

	for (unsigned int i = 0; i < 24; i++) {
		unsigned char *now = out[i % 2], before = i / 2 % 2 ? 0xff : 0;

		memset(now, before, sizeof(*out));
		ASSERT_EQ(3000, self->image.v.call(now + 16, 3000, 0, self->state, self->size));
		EXPECT_NE(0, memcmp(out[0] + 16, out[1] + 16, 3000));
		for (unsigned int j = 0; j < 16; j++) {
			EXPECT_EQ(before, now[j]);
			EXPECT_EQ(before, now[16 + 3000 + j]);
		}
		for (unsigned int j = 0; j < 3000; j++)
			changed[j] |= now[16 + j] != before;
	}
	for (unsigned int j = 0; j < 3000; j++) {
		EXPECT_NE(0, changed[j]) TH_LOG("byte %u is never written", j);
	}
}

TEST_F(image, bytes_come_without_a_system_call)
{
	char out[32];

	ASSERT_TRUE(vdso_image_trap_syscalls(&self->image, catch_syscall));
	ASSERT_EQ(32, self->image.v.call(out, 32, 0, self->state, self->size));
	EXPECT_EQ(1, caught.calls) TH_LOG("a state without a key asks for one");
	for (unsigned int i = 0; i < 1000; i++)
		ASSERT_EQ(32, self->image.v.call(out, 32, 0, self->state, self->size));
	EXPECT_EQ(1, caught.calls);
}

TEST_F(image, moved_generation_reseeds)
{
	char out[32];

	ASSERT_TRUE(vdso_image_trap_syscalls(&self->image, catch_syscall));
	for (unsigned int i = 1; i <= 10; i++) {
		self->image.rng->generation++;
		ASSERT_EQ(32, self->image.v.call(out, 32, 0, self->state, self->size));
		EXPECT_EQ(i, caught.calls);
		EXPECT_EQ(32, caught.len) TH_LOG("a key");
		EXPECT_NE((void *)out, caught.buf);
	}
}

TEST_F(image, same_key_gives_same_bytes)
{
	char out[2][300];

	ASSERT_TRUE(vdso_image_trap_syscalls(&self->image, catch_syscall));
	for (unsigned int i = 0; i < 2; i++) {
		caught.calls = 0;
		self->image.rng->generation++;
		ASSERT_EQ(300, self->image.v.call(out[i], 300, 0, self->state, self->size));
	}
	EXPECT_EQ(0, memcmp(out[0], out[1], 300));
}

TEST_F(image, not_ready_makes_the_system_call)
{
	void *state = new_state(&self->image);
	char out[48];

	ASSERT_NE(NULL, state);
	self->image.rng->is_ready = 0;
	ASSERT_TRUE(vdso_image_trap_syscalls(&self->image, catch_syscall));
	ASSERT_EQ(48, self->image.v.call(out, 48, 0, self->state, self->size));
	EXPECT_EQ(1, caught.calls);
	EXPECT_EQ(48, caught.len);
	EXPECT_EQ((void *)out, caught.buf);
	EXPECT_EQ(0, memcmp(state, self->state, self->size));
	free(state);
}

TEST_F(image, level_is_the_byte_after_is_ready)
{
	EXPECT_EQ(8, offsetof(struct vdso_rng, is_ready));
	EXPECT_EQ(9, offsetof(struct vdso_rng, level));
	EXPECT_EQ(1, self->image.rng->generation);
	EXPECT_EQ(1, self->image.rng->is_ready);
	EXPECT_EQ(0, self->image.rng->level);
}

/* All levels are ChaCha20: from the same key they make the same bytes. */
/* The whole blocks of a large call; where they end, and the batch begins, differs. */
TEST_F(image, levels_agree)
{
	char out[2][5000];

	ASSERT_TRUE(vdso_image_trap_syscalls(&self->image, catch_syscall));
	for (size_t level = 0; level < VDSO_LEVELS; level++) {
		if (level && (!vdso_cpu_level(level) || !vdso_image_level(&self->image, level)))
			continue;
		caught.calls = 0;
		vdso_image_set_level(&self->image, level);
		self->image.rng->generation++;
		ASSERT_EQ(5000, self->image.v.call(out[!!level], 5000, 0, self->state,
						   self->image.v.params.size_of_opaque_state));
		EXPECT_EQ(0, memcmp(out[0], out[!!level], 4096))
			TH_LOG("%s", vdso_levels[level].name);
	}
}

/* The kernel's: the keystream for a key, a counter and a number of blocks. */
TEST_F(image, bare_chacha20_is_found)
{
	static const unsigned char expected[8] = {
		0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90
	};
	void (*blocks)(void *out, const void *key, __u32 *counter, size_t num, void *state);
	unsigned char key[32] = { 0 }, out[64] = { 0 };
	__u32 counter[2] = { 0 }, state[256] = { [VDSO_STATE_CLAIM / 4] = 1 };

	blocks = vdso_image_level(&self->image, 0);
	ASSERT_NE(NULL, (void *)blocks);
	blocks(out, key, counter, 1, state);
	EXPECT_EQ(0, memcmp(out, expected, sizeof(expected)));
	EXPECT_EQ(1, counter[0]);
}

TEST_F(image, two_images_do_not_share)
{
	struct vdso_image other;
	char out[16];

	ASSERT_TRUE(read_image(&other));
	EXPECT_NE(self->image.base, other.base);
	other.rng->is_ready = 0;
	memset(self->state, 0, self->size);
	EXPECT_TRUE(vdso_image_uses_state(&self->image, self->state));
	EXPECT_FALSE(vdso_image_uses_state(&other, self->state));
	vdso_image_unload(&other);
	EXPECT_EQ(16, self->image.v.call(out, 16, 0, self->state, self->size));
}

/* A state in the memory that the image asks for. */
TEST_F(image, works_with_states_of_its_own)
{
	struct vgetrandom_states states;
	char out[2][64] = { 0 };

	if (!vgetrandom_states_map(&self->image.v, &states, 1))
		SKIP(return, "this kernel has no MAP_DROPPABLE: %s", strerror(errno));
	for (unsigned int i = 0; i < 2; i++)
		ASSERT_EQ(64, vgetrandom(&self->image.v, vgetrandom_state(&states, 0), out[i],
					 64, 0));
	EXPECT_NE(0, memcmp(out[0], out[1], 64));
	vgetrandom_states_unmap(&states);
}

static struct vgetrandom_elf_segment *segment(struct vdso_image *image, __u32 type)
{
	struct vgetrandom_elf_header *ehdr = (void *)image->file;
	struct vgetrandom_elf_segment *phdr = (void *)(image->file + ehdr->phoff);

	while (phdr->type != type)
		phdr++;
	return phdr;
}

static struct vgetrandom_elf_dyn *dynamic_entry(struct vdso_image *image, long tag)
{
	struct vgetrandom_elf_dyn *dyn;

	dyn = (void *)(image->file + segment(image, PT_DYNAMIC)->offset);
	while (dyn->tag != tag && dyn->tag != DT_NULL)
		dyn++;
	return dyn;
}

/**
 * struct alternative - an alternative of an image
 * @head: up to the feature
 * @flags: or NULL, if the kernel had none yet
 * @sizes: the rest
 */
struct alternative {
	struct vdso_alternative *head;
	__u16 *flags;
	struct vdso_alternative_sizes *sizes;
};

/* The last one, as no other one can have the same place and override it. */
static bool last_alternative(struct vdso_image *image, struct alternative *alt)
{
	struct vgetrandom_elf_header *ehdr = (void *)image->file;
	const struct vdso_elf_section *names = vdso_image_section(image, ehdr->shstrndx);
	const struct vdso_elf_section *section;
	unsigned char *end;
	size_t size;

	for (size_t i = 0; (section = vdso_image_section(image, i)); i++)
		if (!strcmp((char *)image->file + names->offset + section->name,
			    VDSO_ALTERNATIVES))
			break;
	if (!section)
		return false;
	/* one PT_LOAD at 0, so that offsets are the same in the file and in memory */
	end = image->file + section->offset + section->size;
	size = vdso_alternative_size(&(struct vdso_image) { .base = image->file,
							    .size = image->file_size },
				     section->offset, section->size);
	alt->head = (struct vdso_alternative *)(end - size);
	alt->sizes = (struct vdso_alternative_sizes *)end - 1;
	alt->flags = (void *)(alt->head + 1) == alt->sizes ? NULL : (__u16 *)(alt->head + 1);
	return true;
}

static unsigned char *alternative_place(struct alternative *alt)
{
	return (unsigned char *)&alt->head->place + alt->head->place;
}

static unsigned char *alternative_code(struct alternative *alt)
{
	return (unsigned char *)&alt->head->code + alt->head->code;
}

/* The alternative is for CPUs with a feature, or for those without. */
static void alternative_is_for(struct alternative *alt, unsigned int feature, bool without)
{
	if (alt->flags)
		*alt->flags = without ? VDSO_ALTERNATIVE_NOT : 0;
	else if (without)
		feature |= VDSO_FEATURE_NOT;
	alt->head->feature = feature;
}

static void no_elf(struct vdso_image *image)
{
	image->file[0] = 0;
}

static void empty(struct vdso_image *image)
{
	image->file_size = 0;
}

static void short_header(struct vdso_image *image)
{
	image->file_size = 40;
}

static void short_program_headers(struct vdso_image *image)
{
	image->file_size = 100;
}

static void short_load(struct vdso_image *image)
{
	image->file_size = segment(image, PT_LOAD)->filesz - 1;
}

static void short_sections(struct vdso_image *image)
{
	image->file_size--;
}

static struct vdso_elf_section *symbol_section(struct vdso_image *image)
{
	struct vdso_elf_section *section = (void *)vdso_image_section(image, 0);

	while (section->type != SHT_SYMTAB)
		section++;
	return section;
}

static void symbols_outside(struct vdso_image *image)
{
	symbol_section(image)->offset = image->file_size;
}

static void endless_name(struct vdso_image *image)
{
	const struct vdso_elf_section *names;

	names = vdso_image_section(image, symbol_section(image)->link);
	image->file[names->offset + names->size - 1] = 'x';
}

static void of_32_bits(struct vdso_image *image)
{
	image->file[EI_CLASS] = ELFCLASS32;
}

static void of_another_machine(struct vdso_image *image)
{
	((struct vgetrandom_elf_header *)image->file)->machine = EM_AARCH64;
}

static void executable(struct vdso_image *image)
{
	((struct vgetrandom_elf_header *)image->file)->type = ET_EXEC;
}

static void two_loads(struct vdso_image *image)
{
	segment(image, PT_NOTE)->type = PT_LOAD;
}

static void no_load(struct vdso_image *image)
{
	segment(image, PT_LOAD)->type = PT_NULL;
}

static void no_dynamic(struct vdso_image *image)
{
	segment(image, PT_DYNAMIC)->type = PT_NULL;
}

static void endless_dynamic(struct vdso_image *image)
{
	struct vgetrandom_elf_segment *phdr = segment(image, PT_DYNAMIC);
	unsigned long size = 0;

	while (dynamic_entry(image, DT_NULL) > (struct vgetrandom_elf_dyn *)
	       (image->file + phdr->offset + size))
		size += sizeof(struct vgetrandom_elf_dyn);
	phdr->filesz = size;
}

static void hash_outside(struct vdso_image *image)
{
	dynamic_entry(image, DT_GNU_HASH)->value = 1 << 20;
}

static void strings_outside(struct vdso_image *image)
{
	dynamic_entry(image, DT_STRSZ)->value = 1 << 20;
}

static void relocations(struct vdso_image *image)
{
	dynamic_entry(image, DT_SONAME)->tag = DT_RELA;
}

static void no_versions(struct vdso_image *image)
{
	dynamic_entry(image, DT_VERDEF)->tag = DT_LOPROC;
}

static void no_getrandom(struct vdso_image *image)
{
	char *strings = (char *)image->file + dynamic_entry(image, DT_STRTAB)->value;

	while (strcmp(strings, VGETRANDOM_NAME))
		strings += strlen(strings) + 1;
	strings[0] = 'X';
}

/* Moves what a symbol of vdso_image_find_rng() says. */
static void move_rng(struct vdso_image *image, unsigned long by)
{
	struct vgetrandom_elf_sym *sym = (void *)image->symtab;

	while (sym->value != (unsigned long)((unsigned char *)image->rng - image->base) ||
	       !strstr(image->strtab + sym->name, "rng_data"))
		sym++;
	sym->value += by;
}

static void rng_outside(struct vdso_image *image)
{
	move_rng(image, 1UL << 20);
}

static void rng_elsewhere(struct vdso_image *image)
{
	move_rng(image, 512);
}

static void alternative_outside(struct vdso_image *image)
{
	struct alternative alt;

	last_alternative(image, &alt);
	alt.head->place = -(1 << 20);
}

static void unknown_flag(struct vdso_image *image)
{
	struct alternative alt;

	last_alternative(image, &alt);
	if (alt.flags)
		*alt.flags = 2;
	else
		alternative_outside(image);
}

static void long_alternative(struct vdso_image *image)
{
	struct alternative alt;

	last_alternative(image, &alt);
	alt.sizes->code = alt.sizes->place + 1;
}

static void unknown_instruction(struct vdso_image *image)
{
	struct alternative alt;

	last_alternative(image, &alt);
	alternative_is_for(&alt, VDSO_FEATURE_ALWAYS, false);
	memcpy(alternative_code(&alt), "\xd9\xc0\x90", 3);
}

/**
 * struct bad_image - an image that must be refused
 * @name:	what is bad
 * @spoil:	makes it so in the file's bytes, of which it may take some away
 * @why:	what the reason must contain
 */
static const struct bad_image {
	const char *name;
	void (*spoil)(struct vdso_image *image);
	const char *why;
} bad_images[] = {
	{ "not ELF", no_elf, "not an ELF file" },
	{ "empty", empty, "not an ELF file" },
	{ "ends in the ELF header", short_header, "not an ELF file" },
	{ "ends in the program headers", short_program_headers, "program header lies outside" },
	{ "ends in the PT_LOAD", short_load, "PT_LOAD lies outside" },
	{ "ends in the section table", short_sections, "section table lies outside" },
	{ "symbols outside", symbols_outside, "symbol table lies outside" },
	{ "endless name of a symbol", endless_name, "symbol table lies outside" },
	{ "32 bits", of_32_bits, "not for x86-64" },
	{ "another machine", of_another_machine, "not for x86-64" },
	{ "an executable", executable, "not a shared object" },
	{ "two PT_LOADs", two_loads, "more than one PT_LOAD" },
	{ "no PT_LOAD", no_load, "no PT_LOAD" },
	{ "no dynamic section", no_dynamic, "no dynamic section" },
	{ "endless dynamic section", endless_dynamic, "has no end" },
	{ "hash table outside", hash_outside, "dynamic table lies outside" },
	{ "strings outside", strings_outside, "dynamic string table lies outside" },
	{ "relocations", relocations, "it has relocations" },
	{ "no versions", no_versions, "no versioned symbols" },
	{ "no getrandom", no_getrandom, "no " VGETRANDOM_NAME },
	{ "rng data outside", rng_outside, "not where one can be" },
	{ "rng data elsewhere", rng_elsewhere, "although is_ready is set" },
	{ "alternative with an unknown flag", unknown_flag, "unknown kind" },
	{ "alternative outside", alternative_outside, "unknown kind" },
	{ "alternative too long", long_alternative, "unknown kind" },
	{ "alternative with an unknown instruction", unknown_instruction, "cannot be moved" },
};

TEST(bad_images_are_refused)
{
	struct vdso_image image, bad;

	for (size_t i = 0; i < sizeof(bad_images) / sizeof(*bad_images); i++) {
		ASSERT_TRUE(read_image(&image));
		bad_images[i].spoil(&image);
		EXPECT_FALSE(load_bytes(&bad, image.file, image.file_size))
			TH_LOG("%s", bad_images[i].name);
		EXPECT_NE(NULL, strstr(bad.error, bad_images[i].why))
			TH_LOG("%s: %s", bad_images[i].name, bad.error);
		EXPECT_EQ(NULL, bad.base);
		vdso_image_unload(&image);
	}
}

TEST(unspoilt_copy_loads)
{
	struct vdso_image image, copy;

	ASSERT_TRUE(read_image(&image));
	EXPECT_TRUE(load_bytes(&copy, image.file, image.file_size)) TH_LOG("%s", copy.error);
	vdso_image_unload(&copy);
	vdso_image_unload(&image);
}

TEST(symbol_with_a_wild_name_is_passed_over)
{
	struct vdso_image image, copy;

	ASSERT_TRUE(read_image(&image));
	((struct vgetrandom_elf_sym *)image.symtab)[1].name = 1U << 31;
	EXPECT_TRUE(load_bytes(&copy, image.file, image.file_size)) TH_LOG("%s", copy.error);
	EXPECT_EQ(NULL, vdso_image_symbol(&copy, "no such name", false));
	vdso_image_unload(&copy);
	vdso_image_unload(&image);
}

TEST(levels_are_told_by_symbols)
{
	struct vdso_image image, copy;

	ASSERT_TRUE(read_image(&image));
	for (size_t i = 0; i < image.nsyms; i++) {
		char *name = (char *)image.strtab + image.symtab[i].name;

		if (strstr(name, vdso_levels[0].symbol))
			strcpy(strstr(name, vdso_levels[0].symbol), vdso_levels[1].symbol);
	}
	ASSERT_TRUE(load_bytes(&copy, image.file, image.file_size)) TH_LOG("%s", copy.error);
	EXPECT_EQ(NULL, vdso_image_level(&copy, 0));
	EXPECT_NE(NULL, vdso_image_level(&copy, 1));
	EXPECT_TRUE(vdso_cpu_level(0));
	vdso_image_unload(&copy);
	vdso_image_unload(&image);
}

TEST(missing_file_is_refused)
{
	struct vdso_image image;

	EXPECT_FALSE(vdso_image_load(&image, "/nonexistent"));
	EXPECT_NE(NULL, strstr(image.error, "/nonexistent: No such file"));
	EXPECT_FALSE(vdso_image_load(&image, "/tmp"));
	EXPECT_NE(NULL, strstr(image.error, "/tmp: Is a directory"));
}

TEST(rng_data_is_found_without_symbols)
{
	struct vdso_image image, stripped;

	ASSERT_TRUE(read_image(&image));
	ASSERT_NE(0, image.nsyms);
	((struct vgetrandom_elf_header *)image.file)->shnum = 0;
	ASSERT_TRUE(load_bytes(&stripped, image.file, image.file_size))
		TH_LOG("%s", stripped.error);
	EXPECT_EQ(0, stripped.nsyms);
	EXPECT_EQ((unsigned char *)image.rng - image.base,
		  (unsigned char *)stripped.rng - stripped.base);
	vdso_image_unload(&stripped);
	vdso_image_unload(&image);
}

TEST(running_vdso_loads)
{
	struct vdso_image image;
	struct vgetrandom v;
	void *state;

	if (!vgetrandom_open(&v))
		SKIP(return, "this kernel's vDSO has no getrandom");
	ASSERT_TRUE(vdso_image_load_running(&image)) TH_LOG("%s", image.error);
	EXPECT_NE((void *)v.call, (void *)image.v.call);
	EXPECT_EQ(0, memcmp(&v.params, &image.v.params, sizeof(v.params)));
	state = new_state(&image);
	ASSERT_NE(NULL, state);
	EXPECT_TRUE(vdso_image_uses_state(&image, state));
	image.rng->is_ready = 0;
	EXPECT_FALSE(vdso_image_uses_state(&image, state));
	free(state);
	vdso_image_unload(&image);
}

TEST(alternatives_are_applied)
{
	struct vdso_image image, with;
	struct alternative alt;
	unsigned char *place;

	ASSERT_TRUE(read_image(&image));
	if (!last_alternative(&image, &alt))
		SKIP(return, "the image has no alternatives");
	place = alternative_place(&alt);

	alternative_is_for(&alt, VDSO_FEATURE_ALWAYS, false);
	ASSERT_TRUE(load_bytes(&with, image.file, image.file_size)) TH_LOG("%s", with.error);
	EXPECT_NE(0, with.alternatives);
	EXPECT_EQ(0, memcmp(with.base + (place - image.file), alternative_code(&alt),
			    alt.sizes->code));
	vdso_image_unload(&with);

	alternative_is_for(&alt, VDSO_FEATURE_ALWAYS, true);
	ASSERT_TRUE(load_bytes(&with, image.file, image.file_size)) TH_LOG("%s", with.error);
	EXPECT_EQ(0, memcmp(with.base + (place - image.file), place, alt.sizes->place));
	vdso_image_unload(&with);

	/* A feature that the kernel makes up. */
	alternative_is_for(&alt, 7 * 32, false);
	ASSERT_TRUE(load_bytes(&with, image.file, image.file_size)) TH_LOG("%s", with.error);
	EXPECT_EQ(0, memcmp(with.base + (place - image.file), place, alt.sizes->place));
	vdso_image_unload(&with);
	vdso_image_unload(&image);
}

TEST(features_are_those_of_the_processor)
{
	EXPECT_EQ(1, vdso_cpu_has(0 * 32 + 26)) TH_LOG("SSE2");
	EXPECT_EQ(1, vdso_cpu_has(1 * 32 + 29)) TH_LOG("long mode");
	EXPECT_EQ(!!__builtin_cpu_supports("sse4.2"), vdso_cpu_has(4 * 32 + 20));
	EXPECT_EQ(!!__builtin_cpu_supports("bmi"), vdso_cpu_has(9 * 32 + 3));
	EXPECT_EQ(1, vdso_cpu_has(VDSO_FEATURE_ALWAYS));
	EXPECT_EQ(-1, vdso_cpu_has(3 * 32 + 18));
	EXPECT_EQ(-1, vdso_cpu_has(21 * 32));
}

/*
 * A page of code for alternatives: the place of one at its start, the replacement in its middle,
 * and a constant at its end.
 */
FIXTURE(code)
{
	unsigned char *page;
	unsigned char *replacement;
};

FIXTURE_SETUP(code)
{
	self->page = mmap(NULL, VDSO_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	self->replacement = self->page + 2048;
	memset(self->page, 0xcc, 32);
	memcpy(self->page + VDSO_PAGE - 4, "\x78\x56\x34\x12", 4);
}

FIXTURE_TEARDOWN(code)
{
	munmap(self->page, VDSO_PAGE);
}

/* Writes a displacement that leads from the end of an instruction, @end, to @target. */
static void lead_to(unsigned char *end, const unsigned char *target)
{
	__s32 rel = target - end;

	memcpy(end - sizeof(rel), &rel, sizeof(rel));
}

TEST_F(code, operand_relative_to_the_instruction_is_moved)
{
	unsigned int (*function)(void) = (void *)self->page;

	/* mov constant(%rip), %eax; ret */
	memcpy(self->replacement, "\x8b\x05....\xc3", 7);
	lead_to(self->replacement + 6, self->page + VDSO_PAGE - 4);
	ASSERT_TRUE(vdso_alternative_copy(self->page, self->replacement, 7, 9));
	EXPECT_EQ(0x12345678, function());
	EXPECT_EQ(0x90, self->page[7]);
	EXPECT_EQ(0x90, self->page[8]);
	EXPECT_EQ(0xcc, self->page[9]);
}

TEST_F(code, branches_are_moved)
{
	static const char *const branches[] = { "\xe9", "\x0f\x84", "\xe8" };	/* jmp, je, call */
	unsigned int (*function)(void) = (void *)self->page;
	unsigned char *target = self->page + 3072;

	/* mov $7, %eax; ret */
	memcpy(target, "\xb8\x07\0\0\0\xc3", 6);
	for (unsigned int i = 0; i < 3; i++) {
		size_t opcode = strlen(branches[i]), size = opcode + sizeof(__s32);

		/* xor %eax, %eax sets ZF; a ret for the call to come back to */
		memcpy(self->replacement, "\x31\xc0", 2);
		memcpy(self->replacement + 2, branches[i], opcode);
		lead_to(self->replacement + 2 + size, target);
		self->replacement[2 + size] = 0xc3;
		ASSERT_TRUE(vdso_alternative_copy(self->page, self->replacement, 3 + size, 32));
		EXPECT_EQ(7, function());
	}
}

TEST_F(code, branch_inside_stays)
{
	unsigned int (*function)(void) = (void *)self->page;

	/* mov $1, %eax; jmp over the next; mov $2, %eax; ret */
	memcpy(self->replacement, "\xb8\x01\0\0\0\xeb\x05\xb8\x02\0\0\0\xc3", 13);
	ASSERT_TRUE(vdso_alternative_copy(self->page, self->replacement, 13, 13));
	EXPECT_EQ(0, memcmp(self->page, self->replacement, 13));
	EXPECT_EQ(1, function());
}

TEST_F(code, what_cannot_be_moved_is_refused)
{
	static const struct {
		const char *what, *code;
		size_t size;
	} refused[] = {
		{ "a short jump that becomes too far", "\xeb\x10", 2 },
		{ "an instruction that is not known", "\xd9\xc0", 2 },
		{ "a cut instruction", "\x8b\x05\0\0", 4 },
		{ "a cut opcode", "\x0f", 1 },
		{ "a cut immediate", "\xb8\x01\0\0", 4 },
		{ "an immediate of 16 bits", "\x66\xb8\x01\0\x90\x90", 6 },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		memcpy(self->replacement, refused[i].code, refused[i].size);
		EXPECT_FALSE(vdso_alternative_copy(self->page, self->replacement,
						   refused[i].size, 8))
			TH_LOG("%s", refused[i].what);
		for (unsigned int j = 0; j < 8; j++) {
			EXPECT_EQ(0xcc, self->page[j]);
		}
	}
}

TEST(instruction_lengths)
{
	static const struct {
		const char *code;
		size_t length, rel;
	} insns[] = {
		{ "\x90", 1, 0 },				/* nop */
		{ "\x0f\xae\xe8", 3, 0 },			/* lfence */
		{ "\x0f\x01\xf9", 3, 0 },			/* rdtscp */
		{ "\xf3\x0f\xc7\xf8", 4, 0 },			/* rdpid %rax */
		{ "\xf3\x0f\x1e\xfa", 4, 0 },			/* endbr64 */
		{ "\x66\x0f\x1f\x44\0\0", 6, 0 },		/* nopw 0(%rax,%rax) */
		{ "\x48\x8d\x05\1\0\0\0", 7, 3 },		/* lea 1(%rip), %rax */
		{ "\x48\xc7\x05\1\0\0\0\2\0\0\0", 11, 3 },	/* movq $2, 1(%rip) */
		{ "\x80\x3d\1\0\0\0\0", 7, 2 },			/* cmpb $0, 1(%rip) */
		{ "\x8b\x04\x25\1\0\0\0", 7, 0 },		/* mov 1, %eax */
		{ "\x8b\x44\x24\x08", 4, 0 },			/* mov 8(%rsp), %eax */
		{ "\x8b\x80\1\0\0\0", 6, 0 },			/* mov 1(%rax), %eax */
		{ "\x49\xb8\1\2\3\4\5\6\7\10", 10, 0 },		/* movabs, %r8 */
		{ "\x74\1", 2, 1 },				/* je */
		{ "\x0f\x85\1\0\0\0", 6, 2 },			/* jne */
		{ "\x41\x54", 2, 0 },				/* push %r12 */
	};

	for (size_t i = 0; i < sizeof(insns) / sizeof(*insns); i++) {
		struct vdso_insn insn;

		EXPECT_TRUE(vdso_insn_decode((const void *)insns[i].code, insns[i].length,
					     &insn)) TH_LOG("instruction %zu", i);
		EXPECT_EQ(insns[i].length, insn.length) TH_LOG("instruction %zu", i);
		EXPECT_EQ(insns[i].rel, insn.rel) TH_LOG("instruction %zu", i);
		EXPECT_FALSE(vdso_insn_decode((const void *)insns[i].code, insns[i].length - 1,
					      &insn)) TH_LOG("instruction %zu", i);
	}
}

TEST_HARNESS_MAIN
