/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of this directory share. They run as root in a guest of their own.
 */

#ifndef GUEST_H
#define GUEST_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif

#define PAGE		4096UL
#define MIB		(1UL << 20)

/* Writes a file of /proc or /sys, or ends the program. */
static inline void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err(1, "%s", path);
	close(fd);
}

/*
 * A number in a file of /proc or /sys: of the line that begins with the word, or the only one if
 * that is NULL; -1: there is none. Without the file the program ends.
 */
static inline long number_in(const char *path, const char *word)
{
	char line[128], key[64];
	long value, found = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file))
		if (word ? sscanf(line, "%63s %ld", key, &value) == 2 && !strcmp(key, word)
			 : sscanf(line, "%ld", &value) == 1)
			found = value;
	fclose(file);
	return found;
}

/* How many pages the kernel's mappings for MAP_DROPPABLE have, after those who end have gone. */
static inline long pages_left(void)
{
	long pages = -1;

	for (int i = 0; i < 100 && pages; i++) {
		if (i)
			usleep(50000);
		put("/proc/sys/vm/stat_refresh", "1");
		pages = number_in("/proc/vmstat", "nr_vgetrandom_pages");
		if (pages < 0)
			errx(1, "/proc/vmstat has no nr_vgetrandom_pages");
	}
	return pages;
}

/*
 * A word that nobody else has, to be looked for in the guest's memory: the splitmix64 of Sebastiano
 * Vigna, from a seed, the number of a way and the word's; scripts/traces has it, too. Each 128th
 * word is always the same: these are what is looked for at first.
 */
static inline uint64_t traces_word(uint64_t seed, unsigned int way, uint64_t index)
{
	uint64_t x = seed;

	if (index % 128)
		x += ((uint64_t)way << 32 | index) * 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* Asks the host to save the guest's memory; standard input, its line, has the answer. */
static inline void save_memory(void)
{
	char answer;

	put("/dev/ttyS1", "\nvgetrandom-guest: memory\n");
	if (read(0, &answer, 1) != 1)
		err(1, "no answer from the host");
}

#endif /* GUEST_H */
