/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs of this directory share. They run as root in a guest of their own.
 */

#ifndef GUEST_H
#define GUEST_H

#include <err.h>
#include <fcntl.h>
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

#endif /* GUEST_H */
