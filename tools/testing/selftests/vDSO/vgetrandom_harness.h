/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness of tests, with more time for each of them than its 30 seconds: there are
 * debug kernels, and emulated ones.
 */

#ifndef VGETRANDOM_HARNESS_H
#define VGETRANDOM_HARNESS_H

#include "../kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 400

/*
 * SKIP(_exit(SKIP_STATUS), ...) is for a FIXTURE_SETUP(): a harness that knows no expected failures
 * is so old that it runs a test whose setup returns, skipped or not, and has a status of its own.
 */
#ifdef XFAIL_ADD
#define SKIP_STATUS KSFT_SKIP
#else
#define SKIP_STATUS 255
#endif

/*
 * One of so many forks, and of instructions at which something happens, is enough: what the
 * environment's VGETRANDOM_SHARE says, where each of them takes long.
 */
static inline size_t share(void)
{
	const char *value = getenv("VGETRANDOM_SHARE");
	size_t num = value ? strtoul(value, NULL, 10) : 1;

	return num ? num : 1;
}

#endif /* VGETRANDOM_HARNESS_H */
