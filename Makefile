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

.PHONY: help setup kernel run test test-full test-clients bench compared traces interfaces pressure scale boot shell import discard series hooks clean

help:
	@sed -n 's/^#: //p' Makefile

#: make run      build the patched kernel, boot it and show it at work
#: make test     run all tests; T=name runs those whose name contains it
#: make test-full
#:               the same, and what takes hours: comparisons with the base, long stress
#: make test-clients
#:               run unmodified programs of Debian 13: glibc 2.41, Go 1.24
#: make bench    measure the vDSO's getrandom() on this machine's CPU
#: make traces   look in a guest's memory for what pages held that are gone
#: make interfaces
#:               compare each interface with the base's: writes docs/interfaces.md
#: make pressure count which pages go while memory is short, here and in the base
#: make scale    measure in instructions what much of the memory costs, here and there
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
#: BASE=6.12 (a directory of patches/), CONFIG=production, debug, kcsan or stock

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

test-clients: setup
	@scripts/test --base $(BASE) clients

bench: setup
	@scripts/bench --base $(BASE)

# both kernels, and the programs that tell how they differ
compared = build/programs/compared-$(BASE)

compared: kernel
	@scripts/build $(BASE) stock
	@scripts/programs build/$(BASE) $(compared) guest

traces: compared
	@scripts/$@ $(compared)/vgetrandom_$@ build/$(BASE) build/$(BASE)-stock

pressure scale: compared
	@scripts/counts $@ $(compared)/vgetrandom_$@ build/$(BASE) build/$(BASE)-stock

interfaces: compared
	@scripts/interfaces $(compared)/vgetrandom_interfaces build/$(BASE) build/$(BASE)-stock \
		>build/interfaces.md
	@mv build/interfaces.md docs/interfaces.md && echo "docs/interfaces.md is written"

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
