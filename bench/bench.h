/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmarks share: the rounds and their statistics, the check of a method before it is
 * timed, the description of the machine, and parts of the command line and of the JSON.
 *
 * For each size there is an odd number of rounds. In a round every method has one turn, in an
 * order that rotates; a turn is as many calls as fill about the time of a sample. Disturbances of
 * the machine meet the turns of a round together: ratios are made within a round, and it is their
 * median that is told.
 *
 * Whatever goes wrong ends the program: status 1, or 2 for bad arguments, and stderr says why.
 *
 * Define _GNU_SOURCE before including this.
 */

#ifndef BENCH_H
#define BENCH_H

#include <cpuid.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#ifndef __x86_64__
#error "The raw system call is written for x86-64."
#endif

#define BENCH_MAX_ROUNDS	9999
#define BENCH_MAX_SIZES		64
#define BENCH_MAX_SIZE		(16UL << 20)
#define BENCH_MAX_SAMPLE_US	1000000

/* Bytes before and after a buffer that no call may touch. */
#define BENCH_GUARD		64
#define BENCH_GUARD_BYTE	0xa5

/**
 * struct bench_method - a way to get bytes
 * @name:	its name in the table and in the JSON
 * @repeat:	calls it so many times; returns whether each call gave all bytes
 * @missing:	whether this machine does not have it
 * @constant:	whether calls may give the same bytes
 */
struct bench_method {
	const char *name;
	bool (*repeat)(const struct bench_method *method, void *buf, size_t len,
		       unsigned long calls);
	bool missing;
	bool constant;
};

/**
 * struct bench_stat - what the rounds gave
 * @median:	the median of the values
 * @spread:	their interquartile range, relative to @median
 */
struct bench_stat {
	double median;
	double spread;
};

/**
 * struct bench_options - what the command line asks for
 * @sizes:	request sizes in bytes
 * @nsizes:	number of @sizes
 * @rounds:	rounds per size, odd
 * @sample_us:	about how long a turn takes, in microseconds
 * @cpu:	CPU to run on, or -1 for the last one that this process may use
 */
struct bench_options {
	size_t sizes[BENCH_MAX_SIZES];
	size_t nsizes;
	unsigned long rounds;
	unsigned long sample_us;
	long cpu;
};

/**
 * struct bench_machine - where this runs, for the reader of the numbers
 * @uts:		uname()
 * @cpu_model:		the processor's name
 * @clocksource:	the kernel's clock source
 * @hypervisor:		the hypervisor's signature, empty without one
 * @virtual:		whether the processor says that there is a hypervisor
 * @emulated:		whether instructions are emulated
 * @date:		now, UTC
 */
struct bench_machine {
	struct utsname uts;
	char cpu_model[64];
	char clocksource[32];
	char hypervisor[16];
	bool virtual;
	bool emulated;
	char date[32];
};

/* Inlined into one loop per method, so that no loop pays for an indirect call. */
static __always_inline
bool bench_repeat(ssize_t (*call)(const struct bench_method *method, void *buf, size_t len),
		  const struct bench_method *method, void *buf, size_t len, unsigned long calls)
{
	bool good = true;

	while (calls--)
		good &= call(method, buf, len) == (ssize_t)len;
	return good;
}

static inline ssize_t bench_call_syscall(const struct bench_method *method, void *buf, size_t len)
{
	ssize_t ret;

	(void)method;
	__asm__ volatile("syscall"
		     : "=a" (ret)
		     : "0" (SYS_getrandom), "D" (buf), "S" (len), "d" (0)
		     : "rcx", "r11", "memory");
	return ret;
}

static inline ssize_t bench_call_libc(const struct bench_method *method, void *buf, size_t len)
{
	(void)method;
	return getrandom(buf, len, 0);
}

/* Defines a method's function @repeat that makes the calls of a function @call. */
#define BENCH_REPEAT(repeat, call)							\
static bool repeat(const struct bench_method *method, void *buf, size_t len,		\
		   unsigned long calls)							\
{											\
	return bench_repeat(call, method, buf, len, calls);				\
}

static inline unsigned long bench_now_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts))
		err(1, "clock_gettime(CLOCK_MONOTONIC)");
	return (unsigned long)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/**
 * bench_check_clock - fail unless the clock advances, never goes back, and is fine enough
 * @sample_us:	a sample's time in microseconds
 *
 * Returns: the smallest step that was seen, in nanoseconds.
 */
static inline unsigned long bench_check_clock(unsigned long sample_us)
{
	unsigned long step = ULONG_MAX, start = bench_now_ns(), last = start, now;
	unsigned int steps = 0;

	for (unsigned long reads = 0; steps < 1000; reads++) {
		now = bench_now_ns();
		if (now < last)
			errx(1, "CLOCK_MONOTONIC went back by %lu ns", last - now);
		if (now > last) {
			reads = 0;
			steps++;
			if (now - last < step)
				step = now - last;
		} else if (reads > 10000000) {
			errx(1, "CLOCK_MONOTONIC stands still");
		}
		last = now;
		if (now - start > 500000000)
			break;
	}
	if (step > sample_us * 1000 / 20)
		errx(1, "CLOCK_MONOTONIC has steps of %lu ns: too coarse for samples of %lu us",
		     step, sample_us);
	return step;
}

/* Nanoseconds of a turn. */
static inline unsigned long bench_time_turn(const struct bench_method *method, void *buf,
					    size_t len, unsigned long calls)
{
	unsigned long start = bench_now_ns(), end;
	bool good = method->repeat(method, buf, len, calls);

	end = bench_now_ns();
	if (!good)
		errx(1, "%s: a call for %zu bytes did not return %zu", method->name, len, len);
	if (end <= start)
		errx(1, "%s: %lu calls for %zu bytes took no time", method->name, calls, len);
	return end - start;
}

/**
 * bench_turn_hot - a turn whose calls follow each other at once: caches and predictors are warm
 * @method:	whose turn it is
 * @buf:	where the bytes go
 * @len:	how many in a call
 * @calls:	how many calls
 *
 * Returns: nanoseconds per call.
 */
static inline double bench_turn_hot(const struct bench_method *method, void *buf, size_t len,
				    unsigned long calls)
{
	return (double)bench_time_turn(method, buf, len, calls) / calls;
}

/**
 * bench_calibrate - find out how many calls take about a sample's time
 * @method:	what is called
 * @buf:	where the bytes go
 * @len:	how many in a call
 * @sample_us:	a sample's time in microseconds
 *
 * Returns: the number of calls, at least one.
 */
static inline unsigned long bench_calibrate(const struct bench_method *method, void *buf,
					    size_t len, unsigned long sample_us)
{
	unsigned long target = sample_us * 1000, calls = 1, best, ns;

	/* The first calls fault pages in and seed the state. */
	method->repeat(method, buf, len, 2);
	/* The best of some tries, or an interruption now would make every turn too short. */
	for (;; calls *= 2) {
		best = ULONG_MAX;
		for (int i = 0; i < 4 && best >= target / 4; i++) {
			ns = bench_time_turn(method, buf, len, calls);
			if (ns < best)
				best = ns;
		}
		if (best >= target / 4)
			break;
	}
	calls = calls * target / best;
	return calls ? calls : 1;
}

/**
 * bench_check_method - whether a method does what it should, before anybody cares how fast
 * @method:	what is checked
 * @area:	BENCH_GUARD bytes, the buffer, and BENCH_GUARD bytes again
 * @len:	size of the buffer
 *
 * All bytes asked for are written and none beside them, and calls differ. A byte equals the one
 * before it by chance once in 256 calls; that all calls leave it alone by chance does not happen.
 */
static inline void bench_check_method(const struct bench_method *method, unsigned char *area,
				      size_t len)
{
	enum { CHECK_CALLS = 24 };
	unsigned char *buf = area + BENCH_GUARD, *changed;

	changed = calloc(len, 1);
	if (!changed)
		err(1, "self-check");
	memset(area, BENCH_GUARD_BYTE, len + 2 * BENCH_GUARD);
	for (unsigned int i = 0; i < CHECK_CALLS; i++) {
		unsigned char before = i % 2 ? 0xff : 0;

		memset(buf, before, len);
		if (!method->repeat(method, buf, len, 1))
			errx(1, "self-check: %s: a call for %zu bytes did not return %zu",
			     method->name, len, len);
		for (size_t j = 0; j < len; j++)
			changed[j] |= buf[j] != before;
		for (size_t j = 0; j < BENCH_GUARD; j++)
			if (area[j] != BENCH_GUARD_BYTE || buf[len + j] != BENCH_GUARD_BYTE)
				errx(1, "self-check: %s: a call for %zu bytes wrote beside them",
				     method->name, len);
	}
	for (size_t j = 0; j < len; j++)
		if (!changed[j])
			errx(1, "self-check: %s: byte %zu of %zu is never written",
			     method->name, j, len);

	/* Few bytes may be equal twice by chance, hence several calls. */
	memset(changed, 0, len);
	memcpy(changed, buf, len);
	for (unsigned int i = 0; i < CHECK_CALLS && !method->constant; i++) {
		method->repeat(method, buf, len, 1);
		if (memcmp(changed, buf, len))
			break;
		if (i == CHECK_CALLS - 1)
			errx(1, "self-check: %s: calls for %zu bytes give the same bytes",
			     method->name, len);
	}
	free(changed);
}

/* Room for a value of each round. */
static inline double *bench_values(unsigned long rounds)
{
	double *values = calloc(rounds, sizeof(double));

	if (!values)
		err(1, "rounds");
	return values;
}

/**
 * bench_rounds - let methods have their turns, round by round
 * @methods:	the methods; those that are missing have none
 * @nmethods:	their number
 * @turn:	a turn; returns nanoseconds per call
 * @buf:	where the bytes go
 * @len:	how many in a call
 * @calls:	calls in a turn, for each method
 * @rounds:	how many rounds
 * @ns:		filled in: for each method a nanoseconds-per-call for each round
 */
static inline void bench_rounds(const struct bench_method *const *methods, size_t nmethods,
				double (*turn)(const struct bench_method *method, void *buf,
					       size_t len, unsigned long calls),
				void *buf, size_t len, const unsigned long *calls,
				unsigned long rounds, double *const *ns)
{
	for (unsigned long r = 0; r < rounds; r++) {
		for (size_t i = 0; i < nmethods; i++) {
			size_t m = (r + i) % nmethods;

			if (!methods[m]->missing)
				ns[m][r] = turn(methods[m], buf, len, calls[m]);
		}
	}
}

static inline int bench_compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which a share of the sorted values lies, interpolated between neighbours. */
static inline double bench_quantile(const double *sorted, size_t n, double share)
{
	double at = share * (n - 1);
	size_t below = at;
	size_t above = below + 1 < n ? below + 1 : below;

	return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/**
 * bench_ratio - the statistics of one method's time over another's, round by round
 * @above:	the one's time in each round, or NULL for the other's times themselves
 * @below:	the other's
 * @rounds:	how many rounds
 *
 * Returns: median and spread.
 */
static inline struct bench_stat bench_ratio(const double *above, const double *below,
					    unsigned long rounds)
{
	double *values = bench_values(rounds);
	struct bench_stat stat;

	for (unsigned long r = 0; r < rounds; r++)
		values[r] = above ? above[r] / below[r] : below[r];
	qsort(values, rounds, sizeof(double), bench_compare_doubles);
	stat.median = bench_quantile(values, rounds, 0.5);
	stat.spread = (bench_quantile(values, rounds, 0.75) -
		       bench_quantile(values, rounds, 0.25)) / stat.median;
	free(values);
	return stat;
}

/**
 * bench_read_line - read the first line of a file
 * @path:	the file
 * @line:	filled in, without the line's end; "unknown" if there is nothing to read
 * @size:	its size
 */
static inline void bench_read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "r");

	snprintf(line, size, "unknown");
	if (!f)
		return;
	if (fgets(line, size, f))
		line[strcspn(line, "\n")] = '\0';
	fclose(f);
}

static inline void bench_identify_processor(struct bench_machine *machine)
{
	unsigned int reg[12] = { 0 }, leaf = 0x80000000;
	const char *model = (const char *)reg;

	if (__get_cpuid_max(leaf, NULL) >= leaf + 4)
		for (unsigned int i = 0; i < 3; i++)
			__cpuid(leaf + 2 + i, reg[4 * i], reg[4 * i + 1], reg[4 * i + 2],
				reg[4 * i + 3]);
	snprintf(machine->cpu_model, sizeof(machine->cpu_model), "%.48s",
		 *model ? model : "unknown");
	for (size_t n = strlen(machine->cpu_model); n && machine->cpu_model[n - 1] == ' '; n--)
		machine->cpu_model[n - 1] = '\0';

	__cpuid(1, reg[0], reg[1], reg[2], reg[3]);
	machine->virtual = reg[2] >> 31;
	if (machine->virtual) {
		__cpuid(0x40000000, reg[3], reg[0], reg[1], reg[2]);
		memcpy(machine->hypervisor, reg, 12);
	}
	machine->emulated = !strcmp(machine->hypervisor, "TCGTCGTCGTCG") ||
			    strstr(machine->cpu_model, "QEMU TCG");
}

/**
 * bench_identify - describe the machine
 * @machine:	filled in
 */
static inline void bench_identify(struct bench_machine *machine)
{
	time_t now = time(NULL);

	memset(machine, 0, sizeof(*machine));
	if (uname(&machine->uts))
		err(1, "uname");
	bench_identify_processor(machine);
	bench_read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			machine->clocksource, sizeof(machine->clocksource));
	strftime(machine->date, sizeof(machine->date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
}

/**
 * bench_area - allocate a buffer with room for the guards before and behind it
 * @largest:	the buffer's size
 * @offset:	where in a page it starts
 *
 * Returns: the guard before the buffer.
 */
static inline unsigned char *bench_area(size_t largest, size_t offset)
{
	unsigned char *area = aligned_alloc(4096, (largest + offset + 3 * 4096) & ~4095UL);

	if (!area)
		err(1, "buffers");
	return area + 4096 + offset - BENCH_GUARD;
}

/**
 * bench_pin - let this process run on one CPU only
 * @cpu:	which one, or -1 for the last one that it may use; that one's number is filled in
 */
static inline void bench_pin(long *cpu)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	if (*cpu < 0)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				*cpu = i;
	if (!CPU_ISSET(*cpu, &set))
		errx(2, "--cpu: this process may not run on CPU %ld", *cpu);
	CPU_ZERO(&set);
	CPU_SET(*cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %ld", *cpu);
}

static inline unsigned long bench_parse_number(const char *option, const char *text,
					       unsigned long min, unsigned long max, char stop,
					       const char **rest)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || errno || (*end && *end != stop) || value < min ||
	    value > max)
		errx(2, "--%s: '%s' is not a number from %lu to %lu", option, text, min, max);
	if (rest)
		*rest = end;
	return value;
}

/**
 * bench_parse_sizes - parse the argument of --sizes
 * @opt:	@opt->sizes and @opt->nsizes are filled in
 * @text:	numbers with commas between them
 */
static inline void bench_parse_sizes(struct bench_options *opt, const char *text)
{
	for (opt->nsizes = 0;; text++) {
		if (opt->nsizes == BENCH_MAX_SIZES)
			errx(2, "--sizes: more than %d sizes", BENCH_MAX_SIZES);
		opt->sizes[opt->nsizes++] = bench_parse_number("sizes", text, 1, BENCH_MAX_SIZE,
							       ',', &text);
		if (!*text)
			return;
	}
}

/* What getopt_long() returns for the options of struct bench_options. */
enum { BENCH_ROUNDS = 256, BENCH_SIZES, BENCH_SAMPLE_US, BENCH_CPU };

#define BENCH_OPTIONS						\
	{ "rounds", required_argument, NULL, BENCH_ROUNDS },	\
	{ "sizes", required_argument, NULL, BENCH_SIZES },	\
	{ "sample-us", required_argument, NULL, BENCH_SAMPLE_US },	\
	{ "cpu", required_argument, NULL, BENCH_CPU }

/**
 * bench_parse_option - parse the argument of one of BENCH_OPTIONS
 * @opt:	filled in
 * @option:	what getopt_long() returned
 * @text:	the argument
 *
 * Returns: whether it is one of these options.
 */
static inline bool bench_parse_option(struct bench_options *opt, int option, const char *text)
{
	switch (option) {
	case BENCH_ROUNDS:
		opt->rounds = bench_parse_number("rounds", text, 1, BENCH_MAX_ROUNDS, 0, NULL);
		if (opt->rounds % 2 == 0)
			errx(2, "--rounds: %lu is even", opt->rounds);
		return true;
	case BENCH_SIZES:
		bench_parse_sizes(opt, text);
		return true;
	case BENCH_SAMPLE_US:
		opt->sample_us = bench_parse_number("sample-us", text, 1, BENCH_MAX_SAMPLE_US, 0,
						    NULL);
		return true;
	case BENCH_CPU:
		opt->cpu = bench_parse_number("cpu", text, 0, CPU_SETSIZE - 1, 0, NULL);
		return true;
	}
	return false;
}

/* The largest of the sizes. */
static inline size_t bench_largest(const struct bench_options *opt)
{
	size_t largest = 0;

	for (size_t i = 0; i < opt->nsizes; i++)
		if (opt->sizes[i] > largest)
			largest = opt->sizes[i];
	return largest;
}

static inline void bench_json_string(FILE *f, const char *name, const char *value)
{
	fprintf(f, "\"%s\": \"", name);
	for (; *value; value++) {
		unsigned char c = *value;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fprintf(f, "\"");
}

/**
 * bench_json_machine - write what is known of the machine, a line a member
 * @f:		the file, inside of an object
 * @machine:	from bench_identify()
 * @libc:	the C library's version
 */
static inline void bench_json_machine(FILE *f, const struct bench_machine *machine,
				      const char *libc)
{
	const char *const strings[][2] = {
		{ "date", machine->date },
		{ "kernel_release", machine->uts.release },
		{ "kernel_version", machine->uts.version },
		{ "cpu_model", machine->cpu_model },
		{ "hypervisor_signature", machine->hypervisor },
		{ "clocksource", machine->clocksource },
		{ "libc", libc },
		{ NULL, NULL }
	};

	for (size_t i = 0; strings[i][0]; i++) {
		fprintf(f, "    ");
		bench_json_string(f, strings[i][0], strings[i][1]);
		fprintf(f, ",\n");
	}
	fprintf(f, "    \"hypervisor\": %s,\n", machine->virtual ? "true" : "false");
	fprintf(f, "    \"emulated\": %s,\n", machine->emulated ? "true" : "false");
}

/**
 * bench_json_open - start to write a file
 * @path:	its name
 * @temp:	filled in: its name until bench_json_close()
 *
 * Returns: the file, which is written beside its place: a reader finds all of it or nothing.
 */
static inline FILE *bench_json_open(const char *path, char **temp)
{
	FILE *f;

	if (asprintf(temp, "%s.tmp", path) < 0)
		err(1, "%s", path);
	f = fopen(*temp, "w");
	if (!f)
		err(1, "%s", *temp);
	return f;
}

/**
 * bench_json_close - put a file in its place
 * @f:		from bench_json_open()
 * @path:	its name
 * @temp:	from bench_json_open(), is freed
 */
static inline void bench_json_close(FILE *f, const char *path, char *temp)
{
	bool bad = ferror(f);

	bad |= fclose(f);
	if (bad || rename(temp, path)) {
		warn("%s", path);
		unlink(temp);
		exit(1);
	}
	free(temp);
}

#endif /* BENCH_H */
