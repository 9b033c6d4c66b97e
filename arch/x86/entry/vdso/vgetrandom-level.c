// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses the ChaCha20 kernel of vDSO getrandom(), once, at boot.
 */
#define pr_fmt(fmt) "vdso_getrandom: " fmt

#include <linux/cpufeature.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/string.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/vdso/vgetrandom.h>
#include <asm/vdso/vsyscall.h>
#include <vdso/vgetrandom_helpers.h>

static const char * const vgetrandom_levels[] = {
	[VGETRANDOM_SSE2]	= "sse2",
	[VGETRANDOM_AVX2]	= "avx2",
	[VGETRANDOM_AVX512]	= "avx512",
};

static u8 vgetrandom_highest __initdata = VGETRANDOM_AVX512;

static int __init vgetrandom_parse_level(char *name)
{
	int level = match_string(vgetrandom_levels,
				 ARRAY_SIZE(vgetrandom_levels), name ?: "");

	if (level < 0) {
		pr_warn("no such level: not sse2, avx2 or avx512\n");
		return -EINVAL;
	}
	vgetrandom_highest = level;
	return 0;
}
early_param("vdso_getrandom", vgetrandom_parse_level);

/*
 * What the CPU can do, the kernel saves on a context switch, and does not slow
 * the CPU down.
 */
static u8 __init vgetrandom_cpu_level(void)
{
	if (!boot_cpu_has(X86_FEATURE_AVX2) ||
	    !cpu_has_xfeatures(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM, NULL))
		return VGETRANDOM_SSE2;
	if (!boot_cpu_has(X86_FEATURE_AVX512F) ||
	    !boot_cpu_has(X86_FEATURE_AVX512VL) ||
	    !cpu_has_xfeatures(XFEATURE_MASK_AVX512, NULL) ||
	    boot_cpu_has(X86_FEATURE_PREFER_YMM))
		return VGETRANDOM_AVX2;
	return VGETRANDOM_AVX512;
}

static int __init vgetrandom_set_level(void)
{
	u8 level = min(vgetrandom_cpu_level(), vgetrandom_highest);

	WRITE_ONCE(vgetrandom_k_rng_data()->level, level);
	pr_info("%s\n", vgetrandom_levels[level]);
	return 0;
}
arch_initcall(vgetrandom_set_level);
