/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Load a vDSO image of a kernel that is not running into this process, for its getrandom().
 *
 *	struct vdso_image image;
 *
 *	if (!vdso_image_load(&image, "vdso64.so.dbg"))
 *		errx(1, "%s", image.error);
 *	vgetrandom_states_map(&image.v, &states, 1);
 *	image.v.call(buf, sizeof(buf), 0, vgetrandom_state(&states, 0),
 *		     image.v.params.size_of_opaque_state);
 *	vdso_image_unload(&image);
 *
 * An x86-64 image is one PT_LOAD without relocations. It finds the kernel's data in pages before
 * its ELF header: here these are ordinary zeroed memory, and the caller plays the kernel by
 * writing @image.rng. What its system calls do is done by the kernel that runs. Its alternatives
 * are applied as the kernel would at boot.
 *
 * Where struct vdso_rng_data is told by the symbols of a vdso64.so.dbg, and found by trying for an
 * image that has none: the function writes a state only if it sees is_ready.
 *
 * Not covered, as only a kernel has them: reseeds of its own, dropped pages, time namespaces, and
 * faults on its data.
 */

#ifndef VDSO_IMAGE_H
#define VDSO_IMAGE_H

#include <cpuid.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"

#define VDSO_PAGE	4096UL

/* More than any kernel has. */
#define VDSO_FRONT	(16 * VDSO_PAGE)

/**
 * struct vdso_rng - the kernel's struct vdso_rng_data
 * @generation:	counts the reseeds of the kernel's RNG
 * @is_ready:	whether the kernel's RNG is seeded
 * @level:	which ChaCha20 code to use, an index of vdso_levels; mainline has padding here
 */
struct vdso_rng {
	__u64 generation;
	__u8 is_ready;
	__u8 level;
};

/**
 * struct vdso_level - the ChaCha20 code for an instruction set
 * @name:	the instruction set
 * @symbol:	part of the name of that code; its arguments are those of mainline's
 *		__arch_chacha20_blocks_nostack(), and a state that is claimed
 */
struct vdso_level {
	const char *name;
	const char *symbol;
};

static const struct vdso_level vdso_levels[] = {
	{ "sse2", "chacha20_blocks_sse2" },
	{ "avx2", "chacha20_blocks_avx2" },
	{ "avx512", "chacha20_blocks_avx512" },
};

/* Where a state has its claim, and what is not 0 for that code. */
#define VDSO_STATE_CLAIM	12

#define VDSO_LEVELS	(sizeof(vdso_levels) / sizeof(*vdso_levels))

/**
 * struct vdso_image - a loaded image
 * @v:			its getrandom(), for the functions of vgetrandom_vdso.h
 * @rng:		what it reads of the kernel's RNG; may be written at any time
 * @base:		where its ELF header is
 * @size:		bytes from @base on that are mapped
 * @file:		the bytes of the file
 * @file_size:		their number
 * @symtab:		the file's symbols, or NULL
 * @nsyms:		their number
 * @strtab:		their names
 * @strsz:		size of @strtab
 * @alternatives:	alternatives that it has
 * @applied:		alternatives that this CPU wants
 * @error:		why it could not be loaded
 */
struct vdso_image {
	struct vgetrandom v;
	volatile struct vdso_rng *rng;
	unsigned char *base;
	size_t size;
	unsigned char *file;
	size_t file_size;
	const struct vgetrandom_elf_sym *symtab;
	size_t nsyms;
	const char *strtab;
	size_t strsz;
	unsigned int alternatives;
	unsigned int applied;
	char error[256];
};

static inline __attribute__((format(printf, 2, 3)))
bool vdso_image_refuse(struct vdso_image *image, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(image->error, sizeof(image->error), format, args);
	va_end(args);
	return false;
}

static inline bool vdso_image_truncated(struct vdso_image *image, const char *part)
{
	return vdso_image_refuse(image, "its %s lies outside of its %zu bytes: is it truncated?",
				 part, image->file_size);
}

/* Whether @size bytes from @offset on lie in @whole bytes. */
static inline bool vdso_within(size_t offset, size_t size, size_t whole)
{
	return offset <= whole && size <= whole - offset;
}

/* X86_FEATURE_ALWAYS */
#define VDSO_FEATURE_ALWAYS	(3 * 32 + 21)

/**
 * vdso_cpu_has - whether the CPU has a feature of the kernel's <asm/cpufeatures.h>
 * @feature:	its number
 *
 * Returns: 1 or 0, or -1 for a feature that the kernel makes up and that CPUID does not tell.
 */
static inline int vdso_cpu_has(unsigned int feature)
{
	enum { EAX, EBX, ECX, EDX };
	static const struct {
		unsigned int word, leaf, subleaf, reg;
	} words[] = {
		{ 0, 1, 0, EDX }, { 1, 0x80000001, 0, EDX }, { 4, 1, 0, ECX },
		{ 6, 0x80000001, 0, ECX }, { 9, 7, 0, EBX }, { 10, 0xd, 1, EAX },
		{ 12, 7, 1, EAX }, { 13, 0x80000008, 0, EBX }, { 14, 6, 0, EAX },
		{ 15, 0x8000000a, 0, EDX }, { 16, 7, 0, ECX }, { 17, 0x80000007, 0, EBX },
		{ 18, 7, 0, EDX }, { 19, 0x8000001f, 0, EAX }, { 20, 0x80000021, 0, EAX },
	};
	unsigned int regs[4];

	if (feature == VDSO_FEATURE_ALWAYS)
		return 1;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (words[i].word != feature / 32)
			continue;
		if (!__get_cpuid_count(words[i].leaf, words[i].subleaf, &regs[EAX], &regs[EBX],
				       &regs[ECX], &regs[EDX]))
			return 0;
		return regs[words[i].reg] >> feature % 32 & 1;
	}
	return -1;
}

/**
 * struct vdso_insn - what has to be known of an instruction to move it
 * @length:	its length
 * @rel:	where in it is a displacement from the instruction's end, or 0
 * @rel_size:	the displacement's size, 1 or 4
 */
struct vdso_insn {
	size_t length;
	size_t rel;
	size_t rel_size;
};

/**
 * vdso_insn_decode - decode an instruction, if it is of a kind that alternatives are made of
 * @code:	the instruction
 * @size:	bytes up to the end of the code
 * @insn:	filled in
 *
 * Returns: whether the instruction is known. Guessing a length would be worse than to refuse.
 */
static inline bool vdso_insn_decode(const unsigned char *code, size_t size,
				    struct vdso_insn *insn)
{
	enum { NONE = 0, MODRM = 1, REL = 2 };
	static const struct {
		bool two_bytes;
		unsigned char mask, value, flags, imm;
	} known[] = {
		{ false, 0xc4, 0x00, MODRM, 0 },	/* add, or, ... cmp */
		{ false, 0xf0, 0x50, NONE, 0 },		/* push, pop */
		{ false, 0xf0, 0x70, REL, 1 },		/* jcc */
		{ false, 0xff, 0x80, MODRM, 1 },	/* add, or, ... cmp immediate */
		{ false, 0xff, 0x81, MODRM, 4 },
		{ false, 0xff, 0x83, MODRM, 1 },
		{ false, 0xf8, 0x88, MODRM, 0 },	/* mov, lea, pop */
		{ false, 0xfe, 0x84, MODRM, 0 },	/* test */
		{ false, 0xff, 0x90, NONE, 0 },		/* nop */
		{ false, 0xf8, 0xb8, NONE, 4 },		/* mov immediate */
		{ false, 0xfe, 0xc0, MODRM, 1 },	/* shifts */
		{ false, 0xff, 0xc3, NONE, 0 },		/* ret */
		{ false, 0xff, 0xc6, MODRM, 1 },	/* mov immediate */
		{ false, 0xff, 0xc7, MODRM, 4 },
		{ false, 0xff, 0xcc, NONE, 0 },		/* int3 */
		{ false, 0xfe, 0xe8, REL, 4 },		/* call, jmp */
		{ false, 0xff, 0xeb, REL, 1 },		/* jmp */
		{ true, 0xff, 0x01, MODRM, 0 },		/* rdtscp */
		{ true, 0xff, 0x05, NONE, 0 },		/* syscall */
		{ true, 0xfe, 0x1e, MODRM, 0 },		/* endbr64, nop */
		{ true, 0xff, 0x31, NONE, 0 },		/* rdtsc */
		{ true, 0xf0, 0x40, MODRM, 0 },		/* cmov */
		{ true, 0xf0, 0x80, REL, 4 },		/* jcc */
		{ true, 0xff, 0xae, MODRM, 0 },		/* lfence, mfence */
		{ true, 0xf6, 0xb6, MODRM, 0 },		/* movzx, movsx */
		{ true, 0xff, 0xc7, MODRM, 0 },		/* rdpid, rdrand, rdseed */
	};
	bool two_bytes = false, word = false, wide = false;
	size_t at = 0, k, imm;

	memset(insn, 0, sizeof(*insn));
	for (; at < size && (code[at] == 0x66 || code[at] == 0xf2 || code[at] == 0xf3); at++)
		word |= code[at] == 0x66;
	if (at < size && (code[at] & 0xf0) == 0x40)
		wide = code[at++] & 8;
	if (at < size && code[at] == 0x0f) {
		two_bytes = true;
		at++;
	}
	if (at >= size)
		return false;
	for (k = 0; k < sizeof(known) / sizeof(*known); k++)
		if (known[k].two_bytes == two_bytes && (code[at] & known[k].mask) == known[k].value)
			break;
	if (k == sizeof(known) / sizeof(*known))
		return false;
	imm = known[k].imm;
	if (word && imm == 4)
		return false;
	if (!two_bytes && wide && (code[at] & 0xf8) == 0xb8)
		imm = 8;
	at++;

	if (known[k].flags & MODRM) {
		unsigned int mod, rm;

		if (at >= size)
			return false;
		mod = code[at] >> 6;
		rm = code[at++] & 7;
		if (mod != 3 && rm == 4) {
			if (at >= size)
				return false;
			/* A base of 5 without a displacement is no base with one. */
			if (mod == 0 && (code[at] & 7) == 5)
				at += 4;
			at++;
		} else if (mod == 0 && rm == 5) {
			insn->rel = at;
			insn->rel_size = 4;
			at += 4;
		}
		at += mod == 1 ? 1 : mod == 2 ? 4 : 0;
	} else if (known[k].flags & REL) {
		insn->rel = at;
		insn->rel_size = imm;
	}
	insn->length = at + imm;
	return insn->length <= size;
}

/**
 * vdso_alternative_copy - put the replacement of an alternative in its place
 * @place:	the place, @place_size bytes
 * @code:	the replacement, as it is at its own place
 * @size:	its size, at most @place_size
 * @place_size:	what it does not fill becomes nops
 *
 * Displacements that lead out of the replacement are made to lead to the same place as before.
 *
 * Returns: false if the replacement has an instruction that is not known, or a jump that would
 * become too far; @place is then as it was.
 */
static inline bool vdso_alternative_copy(unsigned char *place, const unsigned char *code,
					 size_t size, size_t place_size)
{
	unsigned char moved[UINT8_MAX];
	struct vdso_insn insn;

	memset(moved, 0x90, sizeof(moved));
	memcpy(moved, code, size);
	for (size_t at = 0; at < size; at += insn.length) {
		__s32 wide;
		__s8 narrow;
		long rel, target;

		if (!vdso_insn_decode(code + at, size - at, &insn))
			return false;
		if (!insn.rel)
			continue;
		memcpy(&narrow, code + at + insn.rel, sizeof(narrow));
		if (insn.rel_size == sizeof(wide))
			memcpy(&wide, code + at + insn.rel, sizeof(wide));
		else
			wide = narrow;
		target = (long)(at + insn.length) + wide;
		if (target >= 0 && target <= (long)size)
			continue;
		rel = wide + (code - place);
		wide = rel;
		narrow = rel;
		if (rel != (insn.rel_size == sizeof(wide) ? wide : narrow))
			return false;
		memcpy(moved + at + insn.rel, &wide, insn.rel_size);
	}
	memcpy(place, moved, place_size);
	return true;
}

/* The kernel's struct alt_instr up to the sizes, which follow. Since 6.3 flags are in between. */
struct vdso_alternative {
	__s32 place;
	__s32 code;
	__u16 feature;
} __attribute__((packed));

#define VDSO_ALTERNATIVE_FLAGS	2	/* bytes of them */
#define VDSO_ALTERNATIVE_NOT	1
/* without flags a bit of the feature */
#define VDSO_FEATURE_NOT	0x8000

/* What follows the feature. */
struct vdso_alternative_sizes {
	__u8 place;
	__u8 code;
};

/* The size of an entry of a section, in the one of both formats that fits. */
static inline size_t vdso_alternative_size(const struct vdso_image *image, size_t offset,
					   size_t size)
{
	const size_t old = sizeof(struct vdso_alternative) +
			   sizeof(struct vdso_alternative_sizes);
	const size_t entry = old + VDSO_ALTERNATIVE_FLAGS;
	const struct vdso_alternative *second = (const void *)(image->base + offset + entry);

	if (size % old)
		return entry;
	if (size % entry)
		return old;
	/* A multiple of both: entries of the wrong size lead to anywhere. */
	return vdso_within((unsigned char *)second - image->base + second->place, 1, image->size) ?
	       entry : old;
}

/* Applies the alternatives of a section, in order: a later one overrides an earlier one. */
static inline bool vdso_image_alternatives(struct vdso_image *image, size_t offset, size_t size)
{
	size_t entry;

	if (!vdso_within(offset, size, image->size))
		return vdso_image_refuse(image, "its .altinstructions are of an unknown format");
	entry = vdso_alternative_size(image, offset, size);
	if (size % entry)
		return vdso_image_refuse(image, "its .altinstructions are of an unknown format");
	for (; image->alternatives < size / entry; image->alternatives++, offset += entry) {
		const struct vdso_alternative *alt = (const void *)(image->base + offset);
		const struct vdso_alternative_sizes *sizes = (const void *)(image->base + offset +
							     entry - sizeof(*sizes));
		size_t place = (unsigned char *)&alt->place - image->base + alt->place;
		size_t code = (unsigned char *)&alt->code - image->base + alt->code;
		unsigned int feature = alt->feature;
		__u16 flags;
		int has;

		if ((const void *)(alt + 1) == sizes) {
			flags = feature & VDSO_FEATURE_NOT ? VDSO_ALTERNATIVE_NOT : 0;
			feature &= ~VDSO_FEATURE_NOT;
		} else {
			memcpy(&flags, alt + 1, sizeof(flags));
		}
		has = vdso_cpu_has(feature);
		if (flags & ~VDSO_ALTERNATIVE_NOT || sizes->code > sizes->place ||
		    !vdso_within(place, sizes->place, image->size) ||
		    !vdso_within(code, sizes->code, image->size))
			return vdso_image_refuse(image, "its alternative %u is of an unknown kind",
						 image->alternatives);
		/* Without knowing, the original instructions: they are right on every CPU. */
		if (has < 0 || has == (flags & VDSO_ALTERNATIVE_NOT))
			continue;
		if (!vdso_alternative_copy(image->base + place, image->base + code,
					   sizes->code, sizes->place))
			return vdso_image_refuse(image,
						 "its alternative %u cannot be moved to its place",
						 image->alternatives);
		image->applied++;
	}
	return true;
}

/* What <elf.h> calls Shdr. */
struct vdso_elf_section {
	__u32 name;
	__u32 type;
	unsigned long flags;
	unsigned long addr;
	unsigned long offset;
	unsigned long size;
	__u32 link;
	__u32 info;
	unsigned long addralign;
	unsigned long entsize;
};

/* The file's section @index, or NULL. */
static inline
const struct vdso_elf_section *vdso_image_section(const struct vdso_image *image, size_t index)
{
	const struct vgetrandom_elf_header *ehdr = (const void *)image->file;

	return index < ehdr->shnum ?
	       (const struct vdso_elf_section *)(image->file + ehdr->shoff) + index : NULL;
}

#define VDSO_ALTERNATIVES	".altinstructions"

/* Looks at the section headers: applies the alternatives and finds the symbols. */
static inline bool vdso_image_sections(struct vdso_image *image)
{
	const struct vgetrandom_elf_header *ehdr = (const void *)image->file;
	const struct vdso_elf_section *names, *section, *strtab;

	if (!ehdr->shnum)
		return true;
	if (ehdr->shentsize != sizeof(*section) || ehdr->shoff % 8 ||
	    !vdso_within(ehdr->shoff, ehdr->shnum * sizeof(*section), image->file_size))
		return vdso_image_truncated(image, "section table");
	names = vdso_image_section(image, ehdr->shstrndx);
	if (!names || !vdso_within(names->offset, names->size, image->file_size))
		return vdso_image_truncated(image, "table of section names");

	for (size_t i = 0; (section = vdso_image_section(image, i)); i++) {
		if (section->type == SHT_SYMTAB) {
			strtab = vdso_image_section(image, section->link);
			if (!strtab || section->offset % 8 || !strtab->size ||
			    !vdso_within(section->offset, section->size, image->file_size) ||
			    !vdso_within(strtab->offset, strtab->size, image->file_size) ||
			    image->file[strtab->offset + strtab->size - 1])
				return vdso_image_truncated(image, "symbol table");
			image->symtab = (const void *)(image->file + section->offset);
			image->nsyms = section->size / sizeof(*image->symtab);
			image->strtab = (const char *)image->file + strtab->offset;
			image->strsz = strtab->size;
		} else if (section->type == SHT_PROGBITS &&
			   vdso_within(section->name, sizeof(VDSO_ALTERNATIVES), names->size) &&
			   !memcmp(image->file + names->offset + section->name, VDSO_ALTERNATIVES,
				   sizeof(VDSO_ALTERNATIVES))) {
			if (!vdso_image_alternatives(image, section->addr, section->size))
				return false;
		}
	}
	return true;
}

/* Checks what vgetrandom_image_parse() takes for granted of an image that the kernel mapped. */
static inline bool vdso_image_check(struct vdso_image *image, size_t *loaded)
{
	const struct vgetrandom_elf_header *ehdr = (const void *)image->file;
	const struct vgetrandom_elf_segment *phdr, *load = NULL, *dynamic = NULL;
	const struct vgetrandom_elf_dyn *dyn;
	size_t strtab = 0;
	size_t strsz = 0;

	if (image->file_size < sizeof(*ehdr) || memcmp(ehdr->ident, ELFMAG, SELFMAG))
		return vdso_image_refuse(image, "it is not an ELF file");
	if (ehdr->ident[EI_CLASS] != ELFCLASS64 || ehdr->machine != EM_X86_64)
		return vdso_image_refuse(image, "it is not for x86-64");
	if (ehdr->type != ET_DYN || ehdr->phentsize != sizeof(*phdr) || ehdr->phoff % 8)
		return vdso_image_refuse(image, "it is not a shared object");
	if (!vdso_within(ehdr->phoff, ehdr->phnum * sizeof(*phdr), image->file_size))
		return vdso_image_truncated(image, "program header");
	phdr = (const void *)(image->file + ehdr->phoff);
	for (unsigned int i = 0; i < ehdr->phnum; i++) {
		if (phdr[i].type == PT_LOAD && load)
			return vdso_image_refuse(image, "it has more than one PT_LOAD");
		if (phdr[i].type == PT_LOAD)
			load = &phdr[i];
		if (phdr[i].type == PT_DYNAMIC)
			dynamic = &phdr[i];
	}
	if (!load || load->offset || load->vaddr || load->memsz != load->filesz)
		return vdso_image_refuse(image, "it has no PT_LOAD such as a vDSO has");
	if (load->filesz > image->file_size)
		return vdso_image_truncated(image, "PT_LOAD");
	*loaded = load->filesz;
	if (!dynamic || dynamic->offset % 8 ||
	    !vdso_within(dynamic->offset, dynamic->filesz, *loaded))
		return vdso_image_refuse(image, "it has no dynamic section");

	dyn = (const void *)(image->file + dynamic->offset);
	for (size_t i = 0;; i++) {
		if ((i + 1) * sizeof(*dyn) > dynamic->filesz)
			return vdso_image_refuse(image, "its dynamic section has no end");
		if (dyn[i].tag == DT_NULL)
			break;
		switch (dyn[i].tag) {
		case DT_REL:
		case DT_RELA:
		case DT_RELR:
		case DT_JMPREL:
		case DT_TEXTREL:
			return vdso_image_refuse(image, "it has relocations");
		case DT_STRSZ:
			strsz = dyn[i].value;
			break;
		case DT_STRTAB:
			strtab = dyn[i].value;
			break;
		case DT_HASH:
		case DT_GNU_HASH:
		case DT_SYMTAB:
		case DT_VERSYM:
		case DT_VERDEF:
			if (dyn[i].value >= *loaded)
				return vdso_image_truncated(image, "dynamic table");
		}
	}
	if (!vdso_within(strtab, strsz, *loaded))
		return vdso_image_truncated(image, "dynamic string table");
	return true;
}

/**
 * vdso_image_symbol - look for a symbol of the file, local ones too
 * @image:	from vdso_image_load()
 * @part:	the symbol's name
 * @whole:	whether @part must be the whole name and not only part of it
 *
 * Returns: what has the first such name, or NULL; an image without symbols has none.
 */
static inline void *vdso_image_symbol(const struct vdso_image *image, const char *part, bool whole)
{
	for (size_t i = 0; i < image->nsyms; i++) {
		const struct vgetrandom_elf_sym *sym = &image->symtab[i];
		const char *name;

		if (sym->name >= image->strsz || sym->shndx == SHN_UNDEF)
			continue;
		name = image->strtab + sym->name;
		if (whole ? !strcmp(name, part) : !!strstr(name, part))
			return image->base + sym->value;
	}
	return NULL;
}

/**
 * vdso_image_level - look for the ChaCha20 code of a level
 * @image:	from vdso_image_load()
 * @level:	the level, less than VDSO_LEVELS
 *
 * Returns: the code, or NULL if the image does not have it, or no symbols.
 */
static inline void *vdso_image_level(const struct vdso_image *image, size_t level)
{
	return vdso_image_symbol(image, vdso_levels[level].symbol, false);
}

/**
 * vdso_cpu_level - whether the CPU, and the kernel that runs, can do a level
 * @level:	the level, less than VDSO_LEVELS
 *
 * Returns: whether the instructions and the registers that they need may be used.
 */
static inline bool vdso_cpu_level(size_t level)
{
	__builtin_cpu_init();
	switch (level) {
	case 0:
		return true;
	case 1:
		return __builtin_cpu_supports("avx2");
	default:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
	}
}

/**
 * vdso_image_set_level - choose the ChaCha20 code, as the kernel does at boot
 * @image:	the image
 * @level:	an index of vdso_levels
 *
 * Also asks for the parameters anew: the size of a state depends on the level.
 */
static inline void vdso_image_set_level(struct vdso_image *image, size_t level)
{
	image->rng->level = level;
	image->v.call(NULL, 0, 0, &image->v.params, ~0UL);
}

/* Whether a first call with the state uses it, rather than to make the system call. */
static inline bool vdso_image_uses_state(const struct vdso_image *image, unsigned char *state)
{
	size_t size = image->v.params.size_of_opaque_state;
	unsigned char out[16];

	memset(state, 0, size);
	if (image->v.call(out, sizeof(out), 0, state, size) != sizeof(out))
		return false;
	for (size_t i = 0; i < size; i++)
		if (state[i])
			return true;
	return false;
}

/*
 * Finds is_ready by halving the memory in which it may be. It is set by bytes that are a multiple
 * of 8 apart, so that @level remains 0.
 */
static inline struct vdso_rng *vdso_image_probe(const struct vdso_image *image,
						unsigned char *state)
{
	enum { STEP = sizeof(__u64) };
	unsigned char *from = image->base - VDSO_FRONT, *to = image->base;

	while (to - from > STEP) {
		unsigned char *half = from + (to - from) / STEP / 2 * STEP;

		/* with the generation, which is just before it, and without which it is nothing */
		for (unsigned char *p = from > image->base - VDSO_FRONT ? from - STEP : from;
		     p < half; p += STEP)
			*p = 1;
		if (vdso_image_uses_state(image, state))
			to = half;
		else
			from = half;
		memset(image->base - VDSO_FRONT, 0, VDSO_FRONT);
	}
	return (void *)(from - offsetof(struct vdso_rng, is_ready));
}

/* Finds the place of @rng and sees to it that it is the right one. */
static inline bool vdso_image_find_rng(struct vdso_image *image, unsigned char *state)
{
	static const char *const names[] = { "vvar__vdso_rng_data", "vdso_u_rng_data" };
	unsigned char *rng = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !rng; i++)
		rng = vdso_image_symbol(image, names[i], true);
	if (!rng)
		rng = (void *)vdso_image_probe(image, state);
	if (rng < image->base - VDSO_FRONT || rng > image->base - sizeof(struct vdso_rng) ||
	    (uintptr_t)rng % sizeof(__u64))
		return vdso_image_refuse(image, "its struct vdso_rng_data is not where one can be");
	image->rng = (void *)rng;
	image->rng->generation = 1;
	if (vdso_image_uses_state(image, state))
		return vdso_image_refuse(image, "it uses a state although is_ready is not set");
	image->rng->is_ready = 1;
	if (!vdso_image_uses_state(image, state))
		return vdso_image_refuse(image,
					 "it makes the system call although is_ready is set");
	return true;
}

/* Makes an image of the file's bytes. The alternatives of a running vDSO have been applied. */
static inline bool vdso_image_make(struct vdso_image *image, bool running)
{
	struct vgetrandom_image elf;
	unsigned char *map, *state;
	bool good;

	if (!vdso_image_check(image, &image->size))
		return false;
	image->size = (image->size + VDSO_PAGE - 1) & -VDSO_PAGE;
	map = mmap(NULL, VDSO_FRONT + image->size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return vdso_image_refuse(image, "no memory: %s", strerror(errno));
	image->base = map + VDSO_FRONT;
	memcpy(image->base, image->file,
	       image->size < image->file_size ? image->size : image->file_size);
	if (!running && !vdso_image_sections(image))
		return false;
	if (mprotect(image->base, image->size, PROT_READ | PROT_EXEC))
		return vdso_image_refuse(image, "it cannot be made executable: %s",
					 strerror(errno));

	if (!vgetrandom_image_parse(&elf, image->base))
		return vdso_image_refuse(image, "it has no versioned symbols");
	image->v.call = vgetrandom_image_lookup(&elf, VGETRANDOM_NAME, VGETRANDOM_VERSION);
	if (!image->v.call)
		return vdso_image_refuse(image, "it has no " VGETRANDOM_NAME "@"
					 VGETRANDOM_VERSION);
	if (image->v.call(NULL, 0, 0, &image->v.params, ~0UL) ||
	    !image->v.params.size_of_opaque_state ||
	    image->v.params.size_of_opaque_state > VDSO_PAGE)
		return vdso_image_refuse(image, "its " VGETRANDOM_NAME
					 " does not tell usable parameters");

	state = mmap(NULL, VDSO_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (state == MAP_FAILED)
		return vdso_image_refuse(image, "no memory: %s", strerror(errno));
	good = vdso_image_find_rng(image, state);
	munmap(state, VDSO_PAGE);
	return good;
}

/**
 * vdso_image_unload - unload an image
 * @image:	from vdso_image_load() or vdso_image_load_running(); @image->error stays
 */
static inline void vdso_image_unload(struct vdso_image *image)
{
	if (image->base)
		munmap(image->base - VDSO_FRONT, VDSO_FRONT + image->size);
	free(image->file);
	image->base = NULL;
	image->file = NULL;
}

/**
 * vdso_image_load - load an image from a file
 * @image:	filled in: generation is 1, is_ready 1, level 0
 * @path:	a vdso64.so.dbg, a stripped one, or a dump of a running vDSO
 *
 * Returns: true, or false with the reason in @image->error.
 */
static inline bool vdso_image_load(struct vdso_image *image, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	ssize_t n = 0;

	memset(image, 0, sizeof(*image));
	if (fd < 0 || fstat(fd, &stat)) {
		vdso_image_refuse(image, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	image->file = malloc(stat.st_size + 1);
	while (image->file && (size_t)stat.st_size > image->file_size) {
		n = read(fd, image->file + image->file_size, stat.st_size - image->file_size);
		if (n <= 0)
			break;
		image->file_size += n;
	}
	if (!image->file || n < 0) {
		vdso_image_refuse(image, "%s: %s", path, strerror(errno));
	} else if (!vdso_image_make(image, false)) {
		char reason[sizeof(image->error)];

		memcpy(reason, image->error, sizeof(reason));
		vdso_image_refuse(image, "%.120s cannot be loaded: %.100s", path, reason);
	}
	close(fd);
	if (*image->error) {
		vdso_image_unload(image);
		return false;
	}
	return true;
}

/**
 * vdso_image_load_running - load a copy of the vDSO that this process has from its kernel
 * @image:	filled in as by vdso_image_load()
 *
 * Returns: true, or false with the reason in @image->error.
 */
static inline bool vdso_image_load_running(struct vdso_image *image)
{
	const void *base = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct vgetrandom_image elf;

	memset(image, 0, sizeof(*image));
	if (!vgetrandom_image_parse(&elf, base))
		return vdso_image_refuse(image, "this process has no vDSO");
	image->file_size = elf.size;
	image->file = malloc(elf.size);
	if (!image->file)
		return vdso_image_refuse(image, "no memory: %s", strerror(errno));
	memcpy(image->file, base, elf.size);
	if (!vdso_image_make(image, true)) {
		vdso_image_unload(image);
		return false;
	}
	return true;
}

/**
 * vdso_image_trap_syscalls - let a signal handler answer an image's system calls
 * @image:	the image
 * @handler:	is called with SIGSYS, and writes the answer to the context's REG_RAX
 *
 * For good, in this thread and what it makes. The handler runs on the alternate signal stack if
 * there is one: the image may have been called on a stack that has no room for it. It may call the
 * image itself.
 *
 * Returns: true, or false with errno.
 */
static inline bool vdso_image_trap_syscalls(const struct vdso_image *image,
					    void (*handler)(int, siginfo_t *, void *))
{
	/* The upper half of the address is that of all of the image. */
	const __u32 high = (uintptr_t)image->base >> 32, low = (uintptr_t)image->base;
	const size_t ip = offsetof(struct seccomp_data, instruction_pointer);
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (__u32)(low + image->size), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };
	struct sigaction action = {
		.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	return !sigaction(SIGSYS, &action, NULL) &&
	       !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#endif /* VDSO_IMAGE_H */
