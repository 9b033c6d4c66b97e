// SPDX-License-Identifier: GPL-2.0
/*
 * What a call of getrandom() costs: the vDSO's with a state of its own, libc's, and the system
 * call itself, for requests of several sizes.
 *
 *	clang -std=c11 -O2 -static -o vgetrandom_bench vgetrandom_bench.c
 *	vgetrandom_bench --json result.json
 *
 * Printed are the medians over the rounds (see bench.h) and the medians of the ratios within a
 * round. These are hot loops: caches and predictors are warm.
 *
 * Exit status: 0 measured, 1 could not be measured (stderr says why), 2 bad arguments.
 */

#define _GNU_SOURCE

#include <gnu/libc-version.h>

#include "bench.h"
#include "../tools/testing/selftests/vDSO/vgetrandom_vdso.h"

enum { VDSO, LIBC, SYSCALL, METHODS };

/**
 * struct options - what the command line asks for
 * @bench:		sizes, rounds and CPU
 * @json:		file for the results, or NULL
 * @allow_missing:	go on without the vDSO's function
 */
struct options {
	struct bench_options bench;
	const char *json;
	bool allow_missing;
};

/**
 * struct result - what the rounds of one size and method gave
 * @ns:		nanoseconds per call
 * @ratio:	the system call's time over this method's
 * @calls:	calls in a turn
 */
struct result {
	struct bench_stat ns;
	struct bench_stat ratio;
	unsigned long calls;
};

static struct vgetrandom vdso;
static void *vdso_state;

static ssize_t call_vdso(const struct bench_method *method, void *buf, size_t len)
{
	(void)method;
	return vdso.call(buf, len, 0, vdso_state, vdso.params.size_of_opaque_state);
}

BENCH_REPEAT(repeat_vdso, call_vdso)
BENCH_REPEAT(repeat_libc, bench_call_libc)
BENCH_REPEAT(repeat_syscall, bench_call_syscall)

static struct bench_method methods[METHODS] = {
	[VDSO] = { .name = "vdso", .repeat = repeat_vdso },
	[LIBC] = { .name = "libc", .repeat = repeat_libc },
	[SYSCALL] = { .name = "syscall", .repeat = repeat_syscall },
};

static void measure(const struct bench_options *opt, unsigned char *area, size_t len,
		    struct result *results)
{
	const struct bench_method *turns[METHODS];
	unsigned long calls[METHODS] = { 0 };
	double *ns[METHODS];

	for (int m = 0; m < METHODS; m++) {
		turns[m] = &methods[m];
		ns[m] = bench_values(opt->rounds);
		if (methods[m].missing)
			continue;
		bench_check_method(&methods[m], area, len);
		calls[m] = bench_calibrate(&methods[m], area + BENCH_GUARD, len, opt->sample_us);
	}

	bench_rounds(turns, METHODS, bench_turn_hot, area + BENCH_GUARD, len, calls, opt->rounds,
		     ns);

	for (int m = 0; m < METHODS; m++) {
		if (methods[m].missing)
			continue;
		results[m].calls = calls[m];
		results[m].ns = bench_ratio(NULL, ns[m], opt->rounds);
		results[m].ratio = bench_ratio(ns[SYSCALL], ns[m], opt->rounds);
	}
	for (int m = 0; m < METHODS; m++)
		free(ns[m]);
}

static void print_head(const struct bench_options *opt, const struct bench_machine *machine,
		       unsigned long clock_step_ns)
{
	bool by_syscall = strverscmp(gnu_get_libc_version(), "2.41") < 0;

	printf("getrandom(): vDSO, libc and system call\n");
	printf("kernel %s, CPU %ld: %s\n", machine->uts.release, opt->cpu, machine->cpu_model);
	printf("clock source %s, smallest step seen: %lu ns\n", machine->clocksource,
	       clock_step_ns);
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
			printf("%10.1f", results[m].ns.median);
	}
	printf(" |");
	for (int m = 0; m < METHODS; m++) {
		if (methods[m].missing)
			printf("%9s", "-");
		else
			printf("%8.1f%%", 100 * results[m].ns.spread);
	}
	printf(" |");
	for (int m = 0; m < SYSCALL; m++) {
		if (methods[m].missing)
			printf("%8s", "-");
		else
			printf("%7.2fx", results[m].ratio.median);
	}
	printf("\n");
	fflush(stdout);
}

static void json_meta(FILE *f, const struct bench_options *opt, const struct bench_machine *machine,
		      unsigned long clock_step_ns)
{
	bench_json_machine(f, machine, gnu_get_libc_version());
	fprintf(f, "    \"clock_step_ns\": %lu,\n", clock_step_ns);
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
		fprintf(f, ", \"%s\": {\"ns\": %.3f, \"spread\": %.4f, ", methods[m].name,
			res->ns.median, res->ns.spread);
		fprintf(f, "\"syscall_ratio\": %.4f, \"calls\": %lu}", res->ratio.median,
			res->calls);
	}
	fprintf(f, "}");
}

static void write_json(const struct options *opt, const struct bench_machine *machine,
		       unsigned long clock_step_ns, struct result (*results)[METHODS])
{
	char *temp;
	FILE *f = bench_json_open(opt->json, &temp);

	fprintf(f, "{\n  \"meta\": {\n");
	json_meta(f, &opt->bench, machine, clock_step_ns);
	fprintf(f, "  },\n  \"sizes\": [\n");
	for (size_t i = 0; i < opt->bench.nsizes; i++) {
		json_size(f, opt->bench.sizes[i], results[i]);
		fprintf(f, i + 1 < opt->bench.nsizes ? ",\n" : "\n");
	}
	fprintf(f, "  ]\n}\n");
	bench_json_close(f, opt->json, temp);
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
		"  --help           show this\n", BENCH_MAX_ROUNDS, BENCH_MAX_SIZES,
		BENCH_MAX_SIZE);
}

static void parse_options(struct options *opt, int argc, char **argv)
{
	enum { JSON, ALLOW_MISSING, HELP };
	static const struct option known[] = {
		BENCH_OPTIONS,
		{ "json", required_argument, NULL, JSON },
		{ "allow-missing", no_argument, NULL, ALLOW_MISSING },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	int c;

	bench_parse_sizes(&opt->bench, "4,8,16,32,64,96,128,256,1024,4096,16384,65536");
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (bench_parse_option(&opt->bench, c, optarg))
			continue;
		switch (c) {
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
	struct options opt = { .bench = { .rounds = 21, .sample_us = 3000, .cpu = -1 } };
	const struct bench_options *bench = &opt.bench;
	struct result (*results)[METHODS];
	struct bench_machine machine;
	unsigned long clock_step_ns;
	unsigned char *area;

	parse_options(&opt, argc, argv);
	bench_pin(&opt.bench.cpu);
	open_vdso(opt.allow_missing);
	bench_identify(&machine);
	clock_step_ns = bench_check_clock(bench->sample_us);

	results = calloc(bench->nsizes, sizeof(*results));
	if (!results)
		err(1, "results");
	area = bench_area(bench_largest(bench), 0);

	print_head(bench, &machine, clock_step_ns);
	for (size_t i = 0; i < bench->nsizes; i++) {
		measure(bench, area, bench->sizes[i], results[i]);
		print_row(bench->sizes[i], results[i]);
	}
	if (opt.json)
		write_json(&opt, &machine, clock_step_ns, results);
	return 0;
}
