// SPDX-License-Identifier: GPL-2.0
/*
 * vgetrandom_output IMAGE LEVEL BYTES [broken]: writes output of the generator in a vDSO image, for
 * statistics. "broken" is one that hands out bytes that are wiped, now and then.
 */

#define _GNU_SOURCE

#include <err.h>

#include "vdso_image.h"

int main(int argc, char **argv)
{
	static unsigned char out[1 << 16];
	struct vgetrandom_states states;
	struct vdso_image image;
	size_t level = 0, left, len;
	bool broken = argc == 5 && !strcmp(argv[4], "broken");
	void *state;

	if (argc != 4 && !broken)
		errx(2, "usage: vgetrandom_output IMAGE LEVEL BYTES [broken]");
	while (level < VDSO_LEVELS && strcmp(argv[2], vdso_levels[level].name))
		level++;
	left = strtoull(argv[3], NULL, 0);
	if (!vdso_image_load(&image, argv[1]))
		errx(1, "%s", image.error);
	if (level == VDSO_LEVELS || !vdso_image_level(&image, level))
		errx(1, "%s has no level %s", argv[1], argv[2]);
	if (!vdso_cpu_level(level))
		errx(4, "this CPU has no %s", argv[2]);
	vdso_image_set_level(&image, level);
	/* no states that vanish: kernels before 6.11 have none */
	image.v.params.mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS;
	if (!vgetrandom_states_map(&image.v, &states, 1))
		err(1, "no memory");
	state = vgetrandom_state(&states, 0);

	/* Lengths that the bytes themselves tell: mostly small ones, and all others. */
	for (size_t i = 0; left; left -= len, i++) {
		len = 1 + (i % 16 ? out[0] % 64 : out[1] << 8 | out[2]);
		if (len > left)
			len = left;
		if (vgetrandom(&image.v, state, out, len, 0) != (ssize_t)len)
			err(1, "getrandom");
		if (broken && i % 16 == 1)
			memset(out, 0, len);
		if (fwrite(out, len, 1, stdout) != 1)
			err(1, "write");
	}
	if (fflush(stdout))
		err(1, "write");
	return 0;
}
