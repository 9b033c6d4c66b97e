# SPDX-License-Identifier: GPL-2.0
#
# vDSO getrandom() on a special mapping: builds, boots and tests the patched
# kernel. The work is done by scripts/; "make" alone says what there is.

BASE = 6.12
CONFIG = production

tree = build/$(BASE)$(if $(filter production,$(CONFIG)),,-$(CONFIG))

# What a user passes to the guest goes through the environment, unchanged by
# make and by the shell.
override CMD := $(value CMD)
export CMD FILES TIMEOUT T

.PHONY: help setup kernel run test test-full bench boot shell import discard series hooks clean

help:
	@sed -n 's/^#: //p' Makefile

#: make run      build the patched kernel, boot it and show it at work
#: make test     run all tests; T=name runs those whose name contains it
#: make test-full
#:               the same, and statistics of the generator's output (T=statistics)
#: make bench    measure the vDSO's getrandom() on this machine's CPU
#: make kernel   build the kernel only, into build/BASE[-CONFIG]
#: make boot CMD='command' FILES='file ...' [TIMEOUT=120]
#:               run a command in the guest; the files are in /tests
#: make shell    open a shell in the guest
#: make import   carry edits in build/source-BASE back into files and patches;
#:               STEP=0004 says which patch takes those that have no home
#: make discard  throw edits in build/source-BASE away
#: make series   write the mailable series of patches
#: make hooks    list what the patches change in existing files
#: make setup    install the Debian packages that are missing
#: make clean    remove build/; the cache in ~/.cache/vgetrandom stays
#:
#: BASE=6.12 (a directory of patches/), CONFIG=production, debug or stock

setup:
	@scripts/setup

kernel: setup
	@scripts/build $(BASE) $(CONFIG)

run: kernel
	@scripts/run $(BASE) $(CONFIG)

test: setup
	@scripts/test --base $(BASE) $${T:+"$$T"}

test-full: setup
	@scripts/test --full --base $(BASE) $${T:+"$$T"}

bench: setup
	@scripts/bench --base $(BASE)

boot: kernel
	@[ -n "$$CMD" ] || { echo "make boot: CMD='command' is missing" >&2; exit 2; }
	@scripts/boot --kernel $(tree) --timeout "$${TIMEOUT:-120}" --cmd "$$CMD" -- $$FILES

shell: kernel
	@scripts/boot --kernel $(tree) --shell -- $$FILES

import: setup
	@scripts/series import $(BASE) $(STEP)

discard hooks: setup
	@scripts/series $@ $(BASE)

series: setup
	@scripts/series mail $(BASE)

clean:
	rm -rf build
