// SPDX-License-Identifier: GPL-2.0
/*
 * What a call of getrandom() costs: the vDSO's with a state of its own, libc's, and the system
 * call itself, for requests of several sizes.
 *
 *	clang -std=c11 -O2 -static -o vgetrandom_bench vgetrandom_bench.c
 *	vgetrandom_bench --json result.json
 *
 * For each size there is an odd number of rounds. In a round every method has one turn, in an
 * order that rotates; a turn is as many calls as fill about the time of a sample. Printed are the
 * medians over the rounds and, as disturbances of the machine meet the turns of a round together,
 * the medians of the ratios within a round. These are hot loops: caches and predictors are warm.
 *
 * Exit status: 0 measured, 1 could not be measured (stderr says why), 2 bad arguments.
 */

#define _GNU_SOURCE

#include <cpuid.h>
#include <err.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>

#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"

#ifndef __x86_64__
#error "The raw system call is written for x86-64."
#endif

#define MAX_ROUNDS	9999
#define MAX_SIZES	64
#define MAX_SIZE	(16UL << 20)
#define MAX_SAMPLE_US	1000000

/* Bytes before and after a buffer that no call may touch. */
#define GUARD		64
#define GUARD_BYTE	0xa5

enum { VDSO, LIBC, SYSCALL, METHODS };

/**
 * struct options - what the command line asks for
 * @sizes:		request sizes in bytes
 * @nsizes:		number of @sizes
 * @rounds:		rounds per size, odd
 * @sample_us:		about how long a turn takes, in microseconds
 * @cpu:		CPU to run on, or -1 for the last one that this process may use
 * @json:		file for the results, or NULL
 * @allow_missing:	go on without the vDSO's function
 */
struct options {
	size_t sizes[MAX_SIZES];
	size_t nsizes;
	unsigned long rounds;
	unsigned long sample_us;
	long cpu;
	const char *json;
	bool allow_missing;
};

/**
 * struct machine - where this runs, for the reader of the numbers
 * @uts:		uname()
 * @cpu_model:		the processor's name
 * @clocksource:	the kernel's clock source
 * @hypervisor:		the hypervisor's signature, empty without one
 * @virtual:		whether the processor says that there is a hypervisor
 * @emulated:		whether instructions are emulated
 * @date:		now, UTC
 * @clock_step_ns:	the smallest step that was seen of the clock
 */
struct machine {
	struct utsname uts;
	char cpu_model[64];
	char clocksource[32];
	char hypervisor[16];
	bool virtual;
	bool emulated;
	char date[32];
	unsigned long clock_step_ns;
};

/**
 * struct result - what the rounds of one size and method gave
 * @ns:		median of nanoseconds per call
 * @spread:	interquartile range of these, relative to @ns
 * @ratio:	median of the system call's time over this method's, per round
 * @calls:	calls in a turn
 */
struct result {
	double ns;
	double spread;
	double ratio;
	unsigned long calls;
};

static struct vgetrandom vdso;
static void *vdso_state;

static ssize_t call_vdso(void *buf, size_t len)
{
	return vdso.call(buf, len, 0, vdso_state, vdso.params.size_of_opaque_state);
}

static ssize_t call_libc(void *buf, size_t len)
{
	return getrandom(buf, len, 0);
}

static ssize_t call_syscall(void *buf, size_t len)
{
	ssize_t ret;

	__asm__ volatile("syscall"
		     : "=a" (ret)
		     : "0" (SYS_getrandom), "D" (buf), "S" (len), "d" (0)
		     : "rcx", "r11", "memory");
	return ret;
}

/* Inlined into one loop per method, so that no loop pays for an indirect call. */
static __always_inline
bool repeat(ssize_t (*call)(void *, size_t), void *buf, size_t len, unsigned long calls)
{
	bool good = true;

	while (calls--)
		good &= call(buf, len) == (ssize_t)len;
	return good;
}

static bool repeat_vdso(void *buf, size_t len, unsigned long calls)
{
	return repeat(call_vdso, buf, len, calls);
}

static bool repeat_libc(void *buf, size_t len, unsigned long calls)
{
	return repeat(call_libc, buf, len, calls);
}

static bool repeat_syscall(void *buf, size_t len, unsigned long calls)
{
	return repeat(call_syscall, buf, len, calls);
}

/**
 * struct method - a way to get random bytes
 * @name:	its name in the table and in the JSON
 * @repeat:	calls it so many times; returns whether each call gave all bytes
 * @missing:	whether this machine does not have it
 */
static struct method {
	const char *name;
	bool (*repeat)(void *buf, size_t len, unsigned long calls);
	bool missing;
} methods[METHODS] = {
	[VDSO] = { "vdso", repeat_vdso, false },
	[LIBC] = { "libc", repeat_libc, false },
	[SYSCALL] = { "syscall", repeat_syscall, false },
};

static unsigned long now_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts))
		err(1, "clock_gettime(CLOCK_MONOTONIC)");
	return (unsigned long)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Fails unless the clock advances, never goes back, and is fine enough for a sample. */
static unsigned long check_clock(unsigned long sample_us)
{
	unsigned long step = ULONG_MAX, start = now_ns(), last = start, now;
	unsigned int steps = 0;

	for (unsigned long reads = 0; steps < 1000; reads++) {
		now = now_ns();
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

static unsigned long time_turn(const struct method *method, void *buf, size_t len,
			       unsigned long calls)
{
	unsigned long start = now_ns(), end;
	bool good = method->repeat(buf, len, calls);

	end = now_ns();
	if (!good)
		errx(1, "%s: a call for %zu bytes did not return %zu", method->name, len, len);
	if (end <= start)
		errx(1, "%s: %lu calls for %zu bytes took no time", method->name, calls, len);
	return end - start;
}

/* As many calls as take about a sample's time, at least one. */
static unsigned long calibrate(const struct method *method, void *buf, size_t len,
			       unsigned long sample_us)
{
	unsigned long target = sample_us * 1000, calls = 1, best, ns;

	/* The first calls fault pages in and seed the state. */
	method->repeat(buf, len, 2);
	/* The best of some tries, or an interruption now would make every turn too short. */
	for (;; calls *= 2) {
		best = ULONG_MAX;
		for (int i = 0; i < 4 && best >= target / 4; i++) {
			ns = time_turn(method, buf, len, calls);
			if (ns < best)
				best = ns;
		}
		if (best >= target / 4)
			break;
	}
	calls = calls * target / best;
	return calls ? calls : 1;
}

/*
 * Whether the method does what it should before anybody cares how fast: all bytes asked for are
 * written and none beside them, and calls differ. A byte equals the one before it by chance once
 * in 256 calls; that all calls leave it alone by chance does not happen.
 */
static void check_method(const struct method *method, unsigned char *area, size_t len)
{
	enum { CHECK_CALLS = 24 };
	unsigned char *buf = area + GUARD, *changed;

	changed = calloc(len, 1);
	if (!changed)
		err(1, "self-check");
	memset(area, GUARD_BYTE, len + 2 * GUARD);
	for (unsigned int i = 0; i < CHECK_CALLS; i++) {
		unsigned char before = i % 2 ? 0xff : 0;

		memset(buf, before, len);
		if (!method->repeat(buf, len, 1))
			errx(1, "self-check: %s: a call for %zu bytes did not return %zu",
			     method->name, len, len);
		for (size_t j = 0; j < len; j++)
			changed[j] |= buf[j] != before;
		for (size_t j = 0; j < GUARD; j++)
			if (area[j] != GUARD_BYTE || buf[len + j] != GUARD_BYTE)
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
	for (unsigned int i = 0; i < CHECK_CALLS; i++) {
		method->repeat(buf, len, 1);
		if (memcmp(changed, buf, len))
			break;
		if (i == CHECK_CALLS - 1)
			errx(1, "self-check: %s: calls for %zu bytes give the same bytes",
			     method->name, len);
	}
	free(changed);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which a share of the sorted values lies, interpolated between neighbours. */
static double quantile(const double *sorted, size_t n, double share)
{
	double at = share * (n - 1);
	size_t below = at;
	size_t above = below + 1 < n ? below + 1 : below;

	return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

static void measure(const struct options *opt, unsigned char *area, size_t len,
		    struct result *results)
{
	double *ns[METHODS], *ratio;

	for (int m = 0; m < METHODS; m++) {
		ns[m] = calloc(opt->rounds, sizeof(double));
		if (!ns[m])
			err(1, "rounds");
		if (methods[m].missing)
			continue;
		check_method(&methods[m], area, len);
		results[m].calls = calibrate(&methods[m], area + GUARD, len, opt->sample_us);
	}
	ratio = calloc(opt->rounds, sizeof(double));
	if (!ratio)
		err(1, "rounds");

	for (unsigned long r = 0; r < opt->rounds; r++) {
		for (int i = 0; i < METHODS; i++) {
			int m = (r + i) % METHODS;

			if (methods[m].missing)
				continue;
			ns[m][r] = (double)time_turn(&methods[m], area + GUARD, len,
						     results[m].calls) / results[m].calls;
		}
	}

	/* The system call's last: its rounds must stay in order until all ratios are made. */
	for (int m = 0; m < METHODS; m++) {
		if (methods[m].missing)
			continue;
		for (unsigned long r = 0; r < opt->rounds; r++)
			ratio[r] = ns[SYSCALL][r] / ns[m][r];
		qsort(ratio, opt->rounds, sizeof(double), compare_doubles);
		results[m].ratio = quantile(ratio, opt->rounds, 0.5);
		qsort(ns[m], opt->rounds, sizeof(double), compare_doubles);
		results[m].ns = quantile(ns[m], opt->rounds, 0.5);
		results[m].spread = (quantile(ns[m], opt->rounds, 0.75) -
				     quantile(ns[m], opt->rounds, 0.25)) / results[m].ns;
	}
	free(ratio);
	for (int m = 0; m < METHODS; m++)
		free(ns[m]);
}

static void read_clocksource(char *name, size_t size)
{
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

	snprintf(name, size, "unknown");
	if (!f)
		return;
	if (fgets(name, size, f))
		name[strcspn(name, "\n")] = '\0';
	fclose(f);
}

static void identify_processor(struct machine *machine)
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

static void identify(struct machine *machine)
{
	time_t now = time(NULL);

	memset(machine, 0, sizeof(*machine));
	if (uname(&machine->uts))
		err(1, "uname");
	identify_processor(machine);
	read_clocksource(machine->clocksource, sizeof(machine->clocksource));
	strftime(machine->date, sizeof(machine->date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
}

static void print_head(const struct options *opt, const struct machine *machine)
{
	bool by_syscall = strverscmp(gnu_get_libc_version(), "2.41") < 0;

	printf("getrandom(): vDSO, libc and system call\n");
	printf("kernel %s, CPU %ld: %s\n", machine->uts.release, opt->cpu, machine->cpu_model);
	printf("clock source %s, smallest step seen: %lu ns\n", machine->clocksource,
	       machine->clock_step_ns);
	printf("%lu rounds, in each about %lu us per method; ratios are medians of the rounds'\n",
	       opt->rounds, opt->sample_us);
	printf("vdso: " VGETRANDOM_NAME "@" VGETRANDOM_VERSION "%s\n",
	       methods[VDSO].missing ? " is MISSING or not usable" : "");
	printf("libc: glibc %s, whose getrandom() %s\n", gnu_get_libc_version(),
	       by_syscall ? "makes the system call" : "uses the vDSO where it can");
	if (machine->emulated)
		printf("NOTE: emulated processor: the numbers show that it works, not how fast.\n");
	else if (machine->virtual)
		printf("NOTE: this is a virtual machine (%s).\n", machine->hypervisor);
	if (strcmp(machine->clocksource, "tsc"))
		printf("NOTE: the clock source is not tsc: times may be less exact.\n");

	printf("\n%8s |%30s |%27s |%16s\n", "", "ns per call, median", "spread, IQR/median",
	       "syscall time /");
	printf("%8s |%10s%10s%10s |%9s%9s%9s |%8s%8s\n", "bytes", "vdso", "libc", "syscall",
	       "vdso", "libc", "syscall", "vdso", "libc");
}

static void print_row(size_t len, const struct result *results)
{
	printf("%8zu |", len);
	for (int m = 0; m < METHODS; m++) {
		if (methods[m].missing)
			printf("%10s", "missing");
		else
			printf("%10.1f", results[m].ns);
	}
	printf(" |");
	for (int m = 0; m < METHODS; m++) {
		if (methods[m].missing)
			printf("%9s", "-");
		else
			printf("%8.1f%%", 100 * results[m].spread);
	}
	printf(" |");
	for (int m = 0; m < SYSCALL; m++) {
		if (methods[m].missing)
			printf("%8s", "-");
		else
			printf("%7.2fx", results[m].ratio);
	}
	printf("\n");
	fflush(stdout);
}

static void json_string(FILE *f, const char *name, const char *value)
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

static void json_meta(FILE *f, const struct options *opt, const struct machine *machine)
{
	const char *const strings[][2] = {
		{ "date", machine->date },
		{ "kernel_release", machine->uts.release },
		{ "kernel_version", machine->uts.version },
		{ "cpu_model", machine->cpu_model },
		{ "hypervisor_signature", machine->hypervisor },
		{ "clocksource", machine->clocksource },
		{ "libc", gnu_get_libc_version() },
		{ NULL, NULL }
	};

	for (size_t i = 0; strings[i][0]; i++) {
		fprintf(f, "    ");
		json_string(f, strings[i][0], strings[i][1]);
		fprintf(f, ",\n");
	}
	fprintf(f, "    \"hypervisor\": %s,\n", machine->virtual ? "true" : "false");
	fprintf(f, "    \"emulated\": %s,\n", machine->emulated ? "true" : "false");
	fprintf(f, "    \"clock_step_ns\": %lu,\n", machine->clock_step_ns);
	fprintf(f, "    \"cpu\": %ld,\n", opt->cpu);
	fprintf(f, "    \"rounds\": %lu,\n", opt->rounds);
	fprintf(f, "    \"sample_us\": %lu,\n", opt->sample_us);
	if (methods[VDSO].missing)
		fprintf(f, "    \"state_size\": null\n");
	else
		fprintf(f, "    \"state_size\": %u\n", vdso.params.size_of_opaque_state);
}

static void json_size(FILE *f, size_t len, const struct result *results)
{
	fprintf(f, "    {\"bytes\": %zu", len);
	for (int m = 0; m < METHODS; m++) {
		const struct result *res = &results[m];

		if (methods[m].missing) {
			fprintf(f, ", \"%s\": null", methods[m].name);
			continue;
		}
		fprintf(f, ", \"%s\": {\"ns\": %.3f, \"spread\": %.4f, ", methods[m].name, res->ns,
			res->spread);
		fprintf(f, "\"syscall_ratio\": %.4f, \"calls\": %lu}", res->ratio,
			res->calls);
	}
	fprintf(f, "}");
}

/* Written beside its place and renamed: a reader finds all of it or nothing. */
static void write_json(const struct options *opt, const struct machine *machine,
		       struct result (*results)[METHODS])
{
	char *temp;
	FILE *f;
	bool bad;

	if (asprintf(&temp, "%s.tmp", opt->json) < 0)
		err(1, "%s", opt->json);
	f = fopen(temp, "w");
	if (!f)
		err(1, "%s", temp);
	fprintf(f, "{\n  \"meta\": {\n");
	json_meta(f, opt, machine);
	fprintf(f, "  },\n  \"sizes\": [\n");
	for (size_t i = 0; i < opt->nsizes; i++) {
		json_size(f, opt->sizes[i], results[i]);
		fprintf(f, i + 1 < opt->nsizes ? ",\n" : "\n");
	}
	fprintf(f, "  ]\n}\n");
	bad = ferror(f);
	bad |= fclose(f);
	if (bad || rename(temp, opt->json)) {
		warn("%s", opt->json);
		unlink(temp);
		exit(1);
	}
	free(temp);
}

static void usage(FILE *f)
{
	fprintf(f, "Usage: vgetrandom_bench [OPTION]...\n"
		"Time getrandom() of the vDSO, of libc and as a system call.\n\n"
		"  --rounds N       rounds per size, odd, at most %d (21)\n"
		"  --sizes A,B,...  request sizes in bytes, at most %d of at most %lu\n"
		"                   (4,8,16,32,64,96,128,256,1024,4096,16384,65536)\n"
		"  --sample-us N    time per method and round in microseconds (3000)\n"
		"  --cpu N          run on this CPU (the last one allowed)\n"
		"  --json FILE      write the results there, too\n"
		"  --allow-missing  go on if the vDSO has no getrandom()\n"
		"  --help           show this\n", MAX_ROUNDS, MAX_SIZES, MAX_SIZE);
}

static unsigned long parse_number(const char *option, const char *text, unsigned long min,
				  unsigned long max, char stop, const char **rest)
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

static void parse_sizes(struct options *opt, const char *text)
{
	for (opt->nsizes = 0;; text++) {
		if (opt->nsizes == MAX_SIZES)
			errx(2, "--sizes: more than %d sizes", MAX_SIZES);
		opt->sizes[opt->nsizes++] = parse_number("sizes", text, 1, MAX_SIZE, ',', &text);
		if (!*text)
			return;
	}
}

static void parse_options(struct options *opt, int argc, char **argv)
{
	enum { ROUNDS, SIZES, SAMPLE_US, CPU, JSON, ALLOW_MISSING, HELP };
	static const struct option known[] = {
		{ "rounds", required_argument, NULL, ROUNDS },
		{ "sizes", required_argument, NULL, SIZES },
		{ "sample-us", required_argument, NULL, SAMPLE_US },
		{ "cpu", required_argument, NULL, CPU },
		{ "json", required_argument, NULL, JSON },
		{ "allow-missing", no_argument, NULL, ALLOW_MISSING },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	int c;

	parse_sizes(opt, "4,8,16,32,64,96,128,256,1024,4096,16384,65536");
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case ROUNDS:
			opt->rounds = parse_number("rounds", optarg, 1, MAX_ROUNDS, 0, NULL);
			if (opt->rounds % 2 == 0)
				errx(2, "--rounds: %lu is even", opt->rounds);
			break;
		case SIZES:
			parse_sizes(opt, optarg);
			break;
		case SAMPLE_US:
			opt->sample_us = parse_number("sample-us", optarg, 1, MAX_SAMPLE_US, 0,
						      NULL);
			break;
		case CPU:
			opt->cpu = parse_number("cpu", optarg, 0, CPU_SETSIZE - 1, 0, NULL);
			break;
		case JSON:
			opt->json = optarg;
			break;
		case ALLOW_MISSING:
			opt->allow_missing = true;
			break;
		case HELP:
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc)
		errx(2, "unexpected argument '%s'", argv[optind]);
}

static void pin(struct options *opt)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		err(1, "sched_getaffinity");
	if (opt->cpu < 0)
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &set))
				opt->cpu = i;
	if (!CPU_ISSET(opt->cpu, &set))
		errx(2, "--cpu: this process may not run on CPU %ld", opt->cpu);
	CPU_ZERO(&set);
	CPU_SET(opt->cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %ld", opt->cpu);
}

static void open_vdso(bool allow_missing)
{
	struct vgetrandom_states states;

	methods[VDSO].missing = !vgetrandom_open(&vdso);
	if (methods[VDSO].missing) {
		if (!allow_missing)
			errx(1, errno == ENOEXEC ? "this process has no vDSO" :
			     "the vDSO has no usable " VGETRANDOM_NAME "@" VGETRANDOM_VERSION);
		return;
	}
	if (!vgetrandom_states_map(&vdso, &states, 1))
		err(1, "mmap of a state");
	vdso_state = vgetrandom_state(&states, 0);
}

int main(int argc, char **argv)
{
	struct options opt = { .rounds = 21, .sample_us = 3000, .cpu = -1 };
	struct result (*results)[METHODS];
	struct machine machine;
	unsigned char *area;
	size_t largest = 0;

	parse_options(&opt, argc, argv);
	pin(&opt);
	open_vdso(opt.allow_missing);
	identify(&machine);
	machine.clock_step_ns = check_clock(opt.sample_us);

	for (size_t i = 0; i < opt.nsizes; i++)
		if (opt.sizes[i] > largest)
			largest = opt.sizes[i];
	results = calloc(opt.nsizes, sizeof(*results));
	/* The buffer itself starts at a page. */
	area = aligned_alloc(4096, (largest + 3 * 4096) & ~4095UL);
	if (!results || !area)
		err(1, "buffers");
	area += 4096 - GUARD;

	print_head(&opt, &machine);
	for (size_t i = 0; i < opt.nsizes; i++) {
		measure(&opt, area, opt.sizes[i], results[i]);
		print_row(opt.sizes[i], results[i]);
	}
	if (opt.json)
		write_json(&opt, &machine, results);
	return 0;
}
