// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of the symbol lookup of vgetrandom_elf.h on the vDSO of this process and on copies of it
 * that were tampered with. The function looked for is one that the vDSOs of 64 and of 32 bits have,
 * so that this can be built for ia32 too.
 */

#define _GNU_SOURCE
#include <sys/auxv.h>
#include <time.h>

#include "vgetrandom_elf.h"
#include "vgetrandom_harness.h"

/* A function whose struct timespec has two fields of 64 bits. */
#ifdef __x86_64__
#define NAME "__vdso_clock_gettime"
#define WEAK_ALIAS "clock_gettime"
#else
#define NAME "__vdso_clock_gettime64"
#endif
#define VERSION "LINUX_2.6"

FIXTURE(vdso) {
	struct vgetrandom_image image;
	struct vgetrandom_image copy;
	void *buf;
};

FIXTURE_SETUP(vdso)
{
	ASSERT_TRUE(vgetrandom_image_parse(&self->image, (void *)getauxval(AT_SYSINFO_EHDR)));
	self->buf = malloc(self->image.size);
	ASSERT_NE(NULL, self->buf);
	memcpy(self->buf, (void *)self->image.base, self->image.size);
	ASSERT_TRUE(vgetrandom_image_parse(&self->copy, self->buf));
}

FIXTURE_TEARDOWN(vdso)
{
	free(self->buf);
}

/* The copy's dynamic entry @tag. */
static struct vgetrandom_elf_dyn *dynamic_entry(void *buf, long tag)
{
	struct vgetrandom_elf_header *ehdr = buf;
	struct vgetrandom_elf_segment *segment = buf + ehdr->phoff;
	struct vgetrandom_elf_dyn *dyn;

	while (segment->type != PT_DYNAMIC)
		segment++;
	for (dyn = buf + segment->offset; dyn->tag != DT_NULL; dyn++)
		if (dyn->tag == tag)
			return dyn;
	return NULL;
}

/* The copy's symbol @name. */
static struct vgetrandom_elf_sym *symbol(struct vgetrandom_image *copy, const char *name)
{
	struct vgetrandom_elf_sym *sym = (void *)copy->symtab;

	while (strcmp(copy->strtab + sym->name, name))
		sym++;
	return sym;
}

/* Makes the copy's dynamic section forget a table, by a tag that nothing knows. */
static void forget(void *buf, long tag)
{
	dynamic_entry(buf, tag)->tag = DT_LOPROC;
}

TEST_F(vdso, both_hash_tables_give_the_same_address)
{
	static const char * const names[] = {
		NAME, "__vdso_gettimeofday", "__vdso_time", "__vdso_clock_getres",
#ifdef __x86_64__
		WEAK_ALIAS, "__vdso_getcpu", "__vdso_getrandom",
#endif
	};

	ASSERT_NE(NULL, self->image.hash);
	ASSERT_NE(NULL, self->image.gnu_hash);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *gnu = vgetrandom_image_lookup_gnu(&self->image, names[i], VERSION);
		void *sysv = vgetrandom_image_lookup_sysv(&self->image, names[i], VERSION);

		EXPECT_NE(NULL, gnu) TH_LOG("%s", names[i]);
		EXPECT_EQ(gnu, sysv) TH_LOG("%s", names[i]);
		EXPECT_EQ(gnu, vgetrandom_image_lookup(&self->image, names[i], VERSION));
	}
}

TEST_F(vdso, address_is_that_of_the_function)
{
	void *addr = vgetrandom_image_lookup(&self->image, NAME, VERSION);
	int (*gettime)(clockid_t clock, long long time[2]) = addr;
	long long time[2] = { 0, -1 };

	ASSERT_NE(NULL, addr);
	ASSERT_EQ(0, gettime(CLOCK_MONOTONIC, time));
	EXPECT_NE(0, time[0]);
	EXPECT_NE(-1, time[1]);
}

#ifdef WEAK_ALIAS
TEST_F(vdso, weak_symbol_is_found)
{
	struct vgetrandom_elf_sym *sym = symbol(&self->copy, WEAK_ALIAS);

	ASSERT_EQ(STB_WEAK, ELF32_ST_BIND(sym->info));
	EXPECT_NE(NULL, vgetrandom_image_lookup_gnu(&self->copy, WEAK_ALIAS, VERSION));
	EXPECT_NE(NULL, vgetrandom_image_lookup_sysv(&self->copy, WEAK_ALIAS, VERSION));
}
#endif

TEST_F(vdso, wrong_name_is_not_found)
{
	static const char * const names[] = {
		"", "_", "__vdso_clock_gettim", "__vdso_clock_gettimee", "_vdso_clock_gettime",
		"__vdso_clock_gettime644", "__vdso_nothing", "__vdso", VERSION,
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		EXPECT_NULL(vgetrandom_image_lookup_gnu(&self->image, names[i], VERSION));
		EXPECT_NULL(vgetrandom_image_lookup_sysv(&self->image, names[i], VERSION));
	}
}

TEST_F(vdso, wrong_version_is_not_found)
{
	/* The last ones are those of the image itself, which its symbols do not have. */
	static const char * const versions[] = {
		"", "LINUX_2.5", "LINUX_2.61", "LINUX_2.", "LINUX", "linux-vdso.so.1",
		"linux-gate.so.1",
	};

	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		EXPECT_NULL(vgetrandom_image_lookup_gnu(&self->image, NAME, versions[i]));
		EXPECT_NULL(vgetrandom_image_lookup_sysv(&self->image, NAME, versions[i]));
	}
}

TEST_F(vdso, version_of_the_symbol_itself_is_looked_at)
{
	size_t index = symbol(&self->copy, NAME) - self->copy.symtab;
	__u16 *versym = (void *)&self->copy.versym[index];

	/* Global, but of no version. */
	*versym = VER_NDX_GLOBAL;
	EXPECT_NULL(vgetrandom_image_lookup_gnu(&self->copy, NAME, VERSION));
	EXPECT_NULL(vgetrandom_image_lookup_sysv(&self->copy, NAME, VERSION));
}

TEST_F(vdso, hidden_version_is_found)
{
	size_t index = symbol(&self->copy, NAME) - self->copy.symtab;
	__u16 *versym = (void *)&self->copy.versym[index];

	*versym |= 0x8000;
	EXPECT_NE(NULL, vgetrandom_image_lookup(&self->copy, NAME, VERSION));
}

TEST_F(vdso, image_with_gnu_hash_only)
{
	forget(self->buf, DT_HASH);
	ASSERT_TRUE(vgetrandom_image_parse(&self->copy, self->buf));
	EXPECT_NULL(vgetrandom_image_lookup_sysv(&self->copy, NAME, VERSION));
	EXPECT_NE(NULL, vgetrandom_image_lookup_gnu(&self->copy, NAME, VERSION));
	EXPECT_NE(NULL, vgetrandom_image_lookup(&self->copy, NAME, VERSION));
}

TEST_F(vdso, image_with_sysv_hash_only)
{
	forget(self->buf, DT_GNU_HASH);
	ASSERT_TRUE(vgetrandom_image_parse(&self->copy, self->buf));
	EXPECT_NULL(vgetrandom_image_lookup_gnu(&self->copy, NAME, VERSION));
	EXPECT_NE(NULL, vgetrandom_image_lookup_sysv(&self->copy, NAME, VERSION));
	EXPECT_NE(NULL, vgetrandom_image_lookup(&self->copy, NAME, VERSION));
}

TEST_F(vdso, image_without_hash_is_refused)
{
	forget(self->buf, DT_HASH);
	forget(self->buf, DT_GNU_HASH);
	EXPECT_FALSE(vgetrandom_image_parse(&self->copy, self->buf));
}

TEST_F(vdso, image_without_versions_is_refused)
{
	forget(self->buf, DT_VERSYM);
	EXPECT_FALSE(vgetrandom_image_parse(&self->copy, self->buf));
}

TEST_F(vdso, image_of_other_word_size_is_refused)
{
	struct vgetrandom_elf_header *ehdr = self->buf;

	ehdr->ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	EXPECT_FALSE(vgetrandom_image_parse(&self->copy, self->buf));
}

TEST_F(vdso, no_image_is_refused)
{
	struct vgetrandom_elf_header *ehdr = self->buf;

	EXPECT_FALSE(vgetrandom_image_parse(&self->copy, NULL));
	ehdr->ident[EI_MAG0] ^= 1;
	EXPECT_FALSE(vgetrandom_image_parse(&self->copy, self->buf));
}

TEST_F(vdso, table_outside_of_the_image_is_refused)
{
	dynamic_entry(self->buf, DT_SYMTAB)->value = self->image.size + self->image.base -
						     self->image.bias;
	EXPECT_FALSE(vgetrandom_image_parse(&self->copy, self->buf));
}

FIXTURE(symbol) {
	struct vgetrandom_image image;
	void *buf;
};

/* What is wrong with the symbol. */
FIXTURE_VARIANT(symbol) {
	unsigned char info;
	__u16 shndx;
};

FIXTURE_VARIANT_ADD(symbol, object) {
	.info = ELF32_ST_INFO(STB_GLOBAL, STT_OBJECT),
	.shndx = 1,
};

FIXTURE_VARIANT_ADD(symbol, no_type) {
	.info = ELF32_ST_INFO(STB_GLOBAL, STT_NOTYPE),
	.shndx = 1,
};

FIXTURE_VARIANT_ADD(symbol, local) {
	.info = ELF32_ST_INFO(STB_LOCAL, STT_FUNC),
	.shndx = 1,
};

FIXTURE_VARIANT_ADD(symbol, undefined) {
	.info = ELF32_ST_INFO(STB_GLOBAL, STT_FUNC),
	.shndx = SHN_UNDEF,
};

FIXTURE_VARIANT_ADD(symbol, absolute) {
	.info = ELF32_ST_INFO(STB_GLOBAL, STT_FUNC),
	.shndx = SHN_ABS,
};

FIXTURE_SETUP(symbol)
{
	ASSERT_TRUE(vgetrandom_image_parse(&self->image, (void *)getauxval(AT_SYSINFO_EHDR)));
	self->buf = malloc(self->image.size);
	ASSERT_NE(NULL, self->buf);
	memcpy(self->buf, (void *)self->image.base, self->image.size);
	ASSERT_TRUE(vgetrandom_image_parse(&self->image, self->buf));
}

FIXTURE_TEARDOWN(symbol)
{
	free(self->buf);
}

TEST_F(symbol, is_not_taken)
{
	struct vgetrandom_elf_sym *sym = symbol(&self->image, NAME);

	ASSERT_NE(NULL, vgetrandom_image_lookup_gnu(&self->image, NAME, VERSION));
	ASSERT_NE(NULL, vgetrandom_image_lookup_sysv(&self->image, NAME, VERSION));
	sym->info = variant->info;
	sym->shndx = variant->shndx;
	EXPECT_NULL(vgetrandom_image_lookup_gnu(&self->image, NAME, VERSION));
	EXPECT_NULL(vgetrandom_image_lookup_sysv(&self->image, NAME, VERSION));
}

TEST_HARNESS_MAIN
