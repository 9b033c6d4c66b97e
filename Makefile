# SPDX-License-Identifier: GPL-2.0
#
# vDSO getrandom() on a special mapping: builds, boots and tests the patched
# kernel. The work is done by scripts/; "make" alone says what there is.

BASE = 6.12
CONFIG = production

tree = build/$(BASE)$(if $(filter production,$(CONFIG)),,-$(CONFIG))

bases = $(notdir $(wildcard patches/*))
ifneq ($(words $(BASE)) $(words $(filter $(bases),$(BASE))),1 1)
$(error unknown BASE "$(BASE)"; there are patches for: $(bases))
endif

# What a user passes to the guest goes through the environment, unchanged by
# make and by the shell.
override CMD := $(value CMD)
export CMD FILES TIMEOUT T LINUX

.PHONY: help setup kernel named-command run gdb test test-full test-quick test-clients selftests kunit htmldocs matrix check-bases deb \
	bench compared traces interfaces pressure scale boot shell import discard series hooks clean

# headings in bold, on a terminal only
help:
	@[ -t 1 ] && bold=$$(printf '\033[1m') plain=$$(printf '\033[0m'); \
	sed -n -e "s/^#: \(== \)\(.*\)/$$bold\2$$plain/p; t" -e 's/^#: //p; s/^#:$$//p' Makefile

#: == To see it
#: make run      build the patched kernel, boot it and show it at work
#: make boot CMD='command' FILES='file ...' [TIMEOUT=120]
#:               run a command in the guest; the files are in /tests
#: make shell    open a shell in the guest
#:
#: == To install it
#: make deb      make Debian packages of the patched kernel, in build/deb/BASE-CONFIG, with
#:               CONFIG=debian (Debian's own configuration: hours), small (for a virtual
#:               machine) or ./FILE (a .config, such as /boot/config-VERSION)
#:
#: == To change it (CONTRIBUTING.md)
#: make kernel   build the kernel only, into build/BASE[-CONFIG]
#: make import   carry edits in build/source-BASE back into files and patches;
#:               STEP=0004 says which patch takes those that have no home
#: make discard  throw edits in build/source-BASE away
#: make series   write the mailable series of patches; LINUX=repository that has the base
#: make hooks    list what the patches change in existing files
#: make gdb [CMD='command' FILES='file ...']
#:               run a command in the guest under gdb; the demo, if none is named
#:
#: == To test it
#: make test-quick
#:               what takes few minutes: before each commit
#: make test     run all tests of 6.12, and of 7.3 and 6.1 what tells whether they behave the
#:               same; BASE=6.12 runs those of one base, T=name those of 6.12 (or BASE) whose
#:               name contains it; MINUTES=55 begins with no other base after that time
#: make test-full
#:               the same, and what takes hours: comparisons with the unpatched base, long
#:               stress (STRESS=7200 for two hours), packages, other configurations and
#:               compilers
#: make selftests
#:               run the user-space tests in the guest; T=name those of that name
#: make kunit    run the KUnit suites; T=suite or T=suite.case runs that only
#: make test-clients
#:               run unmodified programs of Debian 13: glibc 2.41, Go 1.24, CRIU, stress-ng
#:
#: == To measure and compare it
#: make bench    measure the vDSO's getrandom() on this machine's CPU
#: make traces   look in a guest's memory for what pages held that are gone
#: make interfaces
#:               compare each interface with the base's: writes docs/interfaces.md
#: make pressure count which pages go while memory is short, here and in the base
#: make scale    measure in instructions what much of the memory costs, here and there
#:
#: == Other
#: make check-bases
#:               apply and build the patches with each version that Debian has of the bases
#: make matrix   compile for other configurations, architectures and compilers
#: make htmldocs make HTML of the project's part of the kernel's documentation
#: make setup    install the Debian packages that are missing
#: make clean    remove build/, unless there are edits in it; the cache in ~/.cache/vgetrandom
#:               stays
#:
#: BASE=6.12 (a directory of patches/), CONFIG=production, debug, gdb, kcsan, stock, or
#: what "make deb" takes

setup:
	@scripts/setup

kernel: setup
	@scripts/build $(BASE) $(CONFIG)

# Debian's own configuration, if none is named
deb: CONFIG = debian
deb: setup
	@scripts/build $(BASE) $(CONFIG) --deb

run: kernel
	@scripts/run $(BASE) $(CONFIG)

# one base only if it is named
one_base = $(if $(filter file,$(origin BASE)),,--base $(BASE))

test: setup
	@scripts/test $(one_base) $(MINUTES:%=--minutes %) $(STRESS:%=--stress %) $${T:+"$$T"}

test-full: setup
	@scripts/test --full $(one_base) $(STRESS:%=--stress %) $${T:+"$$T"}

test-clients: setup
	@scripts/test --base $(BASE) clients

test-quick: setup
	@scripts/test --base $(BASE) --part quick

selftests: setup
	@scripts/test --base $(BASE) --part selftests $${T:+"$$T"}

kunit: setup
	@scripts/test --base $(BASE) $${T:+--suite "$$T"} kunit

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

boot: named-command kernel
	@scripts/boot --kernel $(tree) --timeout "$${TIMEOUT:-120}" --cmd "$$CMD" -- $$FILES

# before anything is built
named-command:
	@[ -n "$$CMD" ] || { echo "make boot: CMD='command' is missing" >&2; exit 2; }

shell: kernel
	@scripts/boot --kernel $(tree) --shell -- $$FILES

# debug information is only in a kernel of its own
gdb: CONFIG = gdb
gdb: kernel
	@[ -n "$$CMD" ] || { \
		programs=build/programs/gdb-$(BASE); \
		CMD=./vgetrandom_demo FILES=$$programs/vgetrandom_demo; \
		scripts/programs $(tree) $$programs demo || exit; \
	}; \
	scripts/boot --kernel $(tree) --gdb --cmd "$$CMD" -- $$FILES

htmldocs: setup
	@scripts/series apply $(BASE)
	@scripts/docs kernel $(BASE)

matrix: setup
	@scripts/matrix $(BASE)

check-bases: setup
	@scripts/check-bases $(if $(one_base),$(BASE))

import: setup
	@scripts/series import $(BASE) $(STEP)

discard hooks: setup
	@scripts/series $@ $(BASE)

series: setup
	@scripts/series mail $(BASE) $${LINUX:+--base "$$LINUX"}

clean:
	@for source in build/source-*/; do \
		[ ! -e "$$source" ] || scripts/series unedited "$$(basename "$${source#build/source-}")" || exit; \
	done
	rm -rf build
