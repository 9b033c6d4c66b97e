/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * getrandom() and its family by the vDSO: what libvgetrandom has beside libc's names. vgetrandom(3)
 * has the details.
 */

#ifndef VGETRANDOM_H
#define VGETRANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * vgetrandom_getrandom - getrandom(): a cancellation point
 * @buf:	where random bytes go
 * @len:	how many
 * @flags:	GRND_NONBLOCK, GRND_RANDOM, GRND_INSECURE
 *
 * Returns: bytes written, or -1 and errno.
 */
ssize_t vgetrandom_getrandom(void *buf, size_t len, unsigned int flags);

/**
 * vgetrandom_getentropy - getentropy(): all bytes or none
 * @buf:	where random bytes go
 * @len:	how many, 256 at most
 *
 * Returns: 0, or -1 and errno: EIO for more bytes.
 */
int vgetrandom_getentropy(void *buf, size_t len);

/**
 * vgetrandom_arc4random - arc4random(): never fails
 *
 * Returns: a random number.
 */
uint32_t vgetrandom_arc4random(void);

/**
 * vgetrandom_arc4random_buf - arc4random_buf(): never fails
 * @buf:	where random bytes go
 * @len:	how many
 */
void vgetrandom_arc4random_buf(void *buf, size_t len);

/**
 * vgetrandom_arc4random_uniform - arc4random_uniform(): never fails
 * @upper_bound:	one more than the largest number wanted
 *
 * Returns: a random number less than @upper_bound, each as likely as the others; 0 for a bound
 * of 0.
 */
uint32_t vgetrandom_arc4random_uniform(uint32_t upper_bound);

/**
 * vgetrandom_uses_vdso - whether this thread's calls are answered by the vDSO
 *
 * Returns: false if they make the system call: there is no vDSO getrandom, no memory for a state,
 * or a call of this thread is interrupted by this one.
 */
bool vgetrandom_uses_vdso(void);

#ifdef __cplusplus
}
#endif

#endif /* VGETRANDOM_H */
