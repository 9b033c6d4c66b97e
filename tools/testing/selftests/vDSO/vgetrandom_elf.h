/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Look up a versioned symbol in an ELF image that the kernel mapped, such as
 * the vDSO: no dynamic linker, no relocation, nothing written.
 *
 *	struct vgetrandom_image image;
 *
 *	if (vgetrandom_image_parse(&image, (void *)getauxval(AT_SYSINFO_EHDR)))
 *		fn = vgetrandom_image_lookup(&image, "__vdso_getcpu", "LINUX_2.6");
 */

#ifndef VGETRANDOM_ELF_H
#define VGETRANDOM_ELF_H

#include <elf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * What <elf.h> calls Ehdr, Phdr, Dyn, Sym, Verdef and Verdaux, in this program's word size, which
 * is that of a long. Only Phdr and Sym order their fields differently in the two sizes.
 */
struct vgetrandom_elf_header {
	unsigned char ident[EI_NIDENT];
	__u16 type;
	__u16 machine;
	__u32 version;
	unsigned long entry;
	unsigned long phoff;
	unsigned long shoff;
	__u32 flags;
	__u16 ehsize;
	__u16 phentsize;
	__u16 phnum;
	__u16 shentsize;
	__u16 shnum;
	__u16 shstrndx;
};

struct vgetrandom_elf_dyn {
	long tag;
	unsigned long value;
};

struct vgetrandom_elf_verdef {
	__u16 version;
	__u16 flags;
	__u16 ndx;
	__u16 cnt;
	__u32 hash;
	__u32 aux;
	__u32 next;
};

struct vgetrandom_elf_verdaux {
	__u32 name;
	__u32 next;
};

#if __SIZEOF_LONG__ == 8
struct vgetrandom_elf_segment {
	__u32 type;
	__u32 flags;
	unsigned long offset;
	unsigned long vaddr;
	unsigned long paddr;
	unsigned long filesz;
	unsigned long memsz;
	unsigned long align;
};

struct vgetrandom_elf_sym {
	__u32 name;
	unsigned char info;
	unsigned char other;
	__u16 shndx;
	unsigned long value;
	unsigned long size;
};
#else
struct vgetrandom_elf_segment {
	__u32 type;
	unsigned long offset;
	unsigned long vaddr;
	unsigned long paddr;
	unsigned long filesz;
	unsigned long memsz;
	__u32 flags;
	unsigned long align;
};

struct vgetrandom_elf_sym {
	__u32 name;
	unsigned long value;
	unsigned long size;
	unsigned char info;
	unsigned char other;
	__u16 shndx;
};
#endif

/* The version index without the bit that hides it from unversioned lookups. */
#define VGETRANDOM_VERSYM_MASK 0x7fff

/**
 * struct vgetrandom_image - the parts of a mapped ELF image that a lookup needs
 * @base:	where the ELF header is mapped
 * @size:	mapped bytes from @base on, as the PT_LOAD segments tell
 * @bias:	what to add to an address in the file to get one in memory
 * @symtab:	DT_SYMTAB
 * @strtab:	DT_STRTAB
 * @strsz:	DT_STRSZ
 * @hash:	DT_HASH, or NULL
 * @gnu_hash:	DT_GNU_HASH, or NULL
 * @versym:	DT_VERSYM, or NULL
 * @verdef:	DT_VERDEF, or NULL
 * @verdefnum:	DT_VERDEFNUM
 */
struct vgetrandom_image {
	uintptr_t base;
	size_t size;
	uintptr_t bias;
	const struct vgetrandom_elf_sym *symtab;
	const char *strtab;
	size_t strsz;
	const __u32 *hash;
	const __u32 *gnu_hash;
	const __u16 *versym;
	const struct vgetrandom_elf_verdef *verdef;
	size_t verdefnum;
};

/* An address that the image's dynamic section gives, or NULL if it lies outside of the image. */
static inline const void *vgetrandom_image_at(const struct vgetrandom_image *image, uintptr_t addr)
{
	uintptr_t p = image->bias + addr;

	return p - image->base < image->size ? (const void *)p : NULL;
}

/**
 * vgetrandom_image_parse - find the symbol tables of a mapped ELF image
 * @image:	filled in
 * @base:	the image's ELF header, for the vDSO getauxval(AT_SYSINFO_EHDR); may be NULL
 *
 * Returns: whether @base is an image of this program's word size with symbols, strings, versions
 * and at least one kind of hash table.
 */
static inline bool vgetrandom_image_parse(struct vgetrandom_image *image, const void *base)
{
	const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	const struct vgetrandom_elf_header *ehdr = base;
	const struct vgetrandom_elf_dyn *dyn = NULL;
	const struct vgetrandom_elf_segment *phdr;
	bool loaded = false;

	memset(image, 0, sizeof(*image));
	if (!ehdr || memcmp(ehdr->ident, ELFMAG, SELFMAG) || ehdr->ident[EI_CLASS] != class ||
	    ehdr->phentsize != sizeof(*phdr))
		return false;

	image->base = (uintptr_t)base;
	phdr = (const void *)(image->base + ehdr->phoff);
	for (unsigned int i = 0; i < ehdr->phnum; i++) {
		if (phdr[i].type == PT_LOAD) {
			uintptr_t end;

			if (!loaded)
				image->bias = image->base + phdr[i].offset - phdr[i].vaddr;
			loaded = true;
			end = image->bias + phdr[i].vaddr + phdr[i].memsz - image->base;
			if (end > image->size)
				image->size = end;
		} else if (phdr[i].type == PT_DYNAMIC) {
			dyn = (const void *)(image->base + phdr[i].offset);
		}
	}
	if (!loaded || !dyn)
		return false;

	for (; dyn->tag != DT_NULL; dyn++) {
		const void *table = vgetrandom_image_at(image, dyn->value);

		switch (dyn->tag) {
		case DT_SYMTAB:
			image->symtab = table;
			break;
		case DT_STRTAB:
			image->strtab = table;
			break;
		case DT_STRSZ:
			image->strsz = dyn->value;
			break;
		case DT_HASH:
			image->hash = table;
			break;
		case DT_GNU_HASH:
			image->gnu_hash = table;
			break;
		case DT_VERSYM:
			image->versym = table;
			break;
		case DT_VERDEF:
			image->verdef = table;
			break;
		case DT_VERDEFNUM:
			image->verdefnum = dyn->value;
			break;
		}
	}
	return image->symtab && image->strtab && image->strsz && image->versym && image->verdef &&
	       (image->hash || image->gnu_hash);
}

static inline bool vgetrandom_image_streq(const struct vgetrandom_image *image, size_t offset,
					  const char *name)
{
	size_t size = strlen(name) + 1;

	return offset < image->strsz && size <= image->strsz - offset &&
	       !memcmp(image->strtab + offset, name, size);
}

static inline __u32 vgetrandom_hash_sysv(const char *name)
{
	__u32 h = 0;

	for (; *name; name++) {
		h = (h << 4) + (unsigned char)*name;
		h ^= (h >> 24) & 0xf0;
		h &= 0x0fffffff;
	}
	return h;
}

static inline __u32 vgetrandom_hash_gnu(const char *name)
{
	__u32 h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

/* Whether the symbol's version is one that the image itself defines under this name. */
static inline bool vgetrandom_image_has_version(const struct vgetrandom_image *image, size_t index,
						const char *version)
{
	unsigned int wanted = image->versym[index] & VGETRANDOM_VERSYM_MASK;
	const struct vgetrandom_elf_verdef *def = image->verdef;

	for (size_t i = 0; i < image->verdefnum; i++) {
		const struct vgetrandom_elf_verdaux *aux;

		aux = (const void *)((const char *)def + def->aux);
		if (!(def->flags & VER_FLG_BASE) &&
		    (def->ndx & VGETRANDOM_VERSYM_MASK) == wanted)
			return def->hash == vgetrandom_hash_sysv(version) &&
			       vgetrandom_image_streq(image, aux->name, version);
		if (!def->next)
			break;
		def = (const void *)((const char *)def + def->next);
	}
	return false;
}

/* The address of symbol @index, if it is a visible function with this name and version. */
static inline void *vgetrandom_image_match(const struct vgetrandom_image *image, size_t index,
					   const char *name, const char *version)
{
	const struct vgetrandom_elf_sym *sym = &image->symtab[index];
	/* Both word sizes encode info in the same way. */
	unsigned int bind = ELF32_ST_BIND(sym->info);

	if (ELF32_ST_TYPE(sym->info) != STT_FUNC || (bind != STB_GLOBAL && bind != STB_WEAK) ||
	    sym->shndx == SHN_UNDEF || sym->shndx >= SHN_LORESERVE ||
	    !vgetrandom_image_streq(image, sym->name, name) ||
	    !vgetrandom_image_has_version(image, index, version))
		return NULL;
	return (void *)vgetrandom_image_at(image, sym->value);
}

/**
 * vgetrandom_image_lookup_sysv - look a function up by the image's DT_HASH
 * @image:	from vgetrandom_image_parse()
 * @name:	the symbol's name
 * @version:	the name of the version that must be the symbol's
 *
 * Returns: the function's address, or NULL if there is no such function or no DT_HASH.
 */
static inline void *vgetrandom_image_lookup_sysv(const struct vgetrandom_image *image,
						 const char *name, const char *version)
{
	const __u32 *bucket, *chain;
	__u32 nbucket, nchain;

	if (!image->hash || !image->hash[0])
		return NULL;
	nbucket = image->hash[0];
	nchain = image->hash[1];
	bucket = image->hash + 2;
	chain = bucket + nbucket;

	for (__u32 i = bucket[vgetrandom_hash_sysv(name) % nbucket];
	     i != STN_UNDEF && i < nchain; i = chain[i]) {
		void *addr = vgetrandom_image_match(image, i, name, version);

		if (addr)
			return addr;
	}
	return NULL;
}

/**
 * vgetrandom_image_lookup_gnu - look a function up by the image's DT_GNU_HASH
 * @image:	from vgetrandom_image_parse()
 * @name:	the symbol's name
 * @version:	the name of the version that must be the symbol's
 *
 * Returns: the function's address, or NULL if there is no such function or no DT_GNU_HASH.
 */
static inline void *vgetrandom_image_lookup_gnu(const struct vgetrandom_image *image,
						const char *name, const char *version)
{
	const __u32 word_bits = 8 * sizeof(unsigned long);
	const __u32 hash = vgetrandom_hash_gnu(name);
	__u32 nbucket, first, nbloom, shift, i;
	const __u32 *bucket, *chain;
	const unsigned long *bloom;
	unsigned long word;

	if (!image->gnu_hash || !image->gnu_hash[0] || !image->gnu_hash[2])
		return NULL;
	nbucket = image->gnu_hash[0];
	first = image->gnu_hash[1];
	nbloom = image->gnu_hash[2];
	shift = image->gnu_hash[3];
	bloom = (const void *)(image->gnu_hash + 4);
	bucket = (const void *)(bloom + nbloom);
	chain = bucket + nbucket;

	word = bloom[hash / word_bits % nbloom];
	if (!(word >> (hash % word_bits) & word >> ((hash >> shift) % word_bits) & 1))
		return NULL;

	i = bucket[hash % nbucket];
	if (i < first)
		return NULL;
	/* A chain's entries are hashes whose lowest bit says instead that the chain ends there. */
	for (;; i++) {
		__u32 entry = chain[i - first];

		if ((entry | 1) == (hash | 1)) {
			void *addr = vgetrandom_image_match(image, i, name, version);

			if (addr)
				return addr;
		}
		if (entry & 1)
			return NULL;
	}
}

/**
 * vgetrandom_image_lookup - look a function up by whichever hash table the image has
 * @image:	from vgetrandom_image_parse()
 * @name:	the symbol's name
 * @version:	the name of the version that must be the symbol's
 *
 * Returns: the function's address, or NULL if there is no such function.
 */
static inline void *vgetrandom_image_lookup(const struct vgetrandom_image *image,
					    const char *name, const char *version)
{
	if (image->gnu_hash)
		return vgetrandom_image_lookup_gnu(image, name, version);
	return vgetrandom_image_lookup_sysv(image, name, version);
}

#endif /* VGETRANDOM_ELF_H */
