/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness of tests, with more time for each of them than its 30 seconds: there are
 * debug kernels, and emulated ones.
 */

#ifndef VGETRANDOM_HARNESS_H
#define VGETRANDOM_HARNESS_H

#include "../kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 180

#endif /* VGETRANDOM_HARNESS_H */
