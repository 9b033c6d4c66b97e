// SPDX-License-Identifier: GPL-2.0
/*
 * What getrandom() of a vDSO image costs on this CPU, whatever kernel runs here: the image of the
 * patched kernel at each level that it and the CPU have, against that of the unpatched base loaded
 * in the same way, the running kernel's own vDSO, the system call, libc, and what the bytes would
 * cost without any protocol.
 *
 *	vgetrandom_native --patched vdso64.so.dbg --stock vdso64.so.dbg --json result.json
 *
 * The rounds are those of bench.h. There are six tables: calls in a hot loop; calls with the L1
 * caches evicted before each, and with the L2 cache; threads; and a reseed, or the loss of the
 * state, before each call. In each of them a control tells how far to trust it: the stock image is
 * loaded twice, and the running kernel's vDSO is measured itself and as a loaded copy; each pair
 * should take equal time. A row in which one does not was disturbed and is measured anew, at most
 * twice. Figures are medians over places in memory as well as over time: see next_place().
 *
 * Exit status: 0 measured, 1 could not be measured (stderr says why), 2 bad arguments, 3 measured,
 * but a pair of controls differs by more than 5 %.
 */

#define _GNU_SOURCE

#include <gnu/libc-version.h>
#include <math.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <x86intrin.h>

#include "bench.h"
#include "vdso_image.h"

#define CONTROL_LIMIT	0.05
#define UNTRUSTED	3
#define MAX_ATTEMPTS	3

#define MAX_SOURCES	24

#define CHACHA20_BLOCK	64
#define LINE		64

/* Bytes in a call of a thread. */
#define THREAD_LEN	32

enum table_id { HOT, L1, L2, THREADS, RESEED, LOST, TABLES };

#define IN(table)	(1U << (table))
#define IN_ALL		(IN(HOT) | IN(L1) | IN(L2) | IN(THREADS) | IN(RESEED) | \
			 IN(LOST))

/**
 * struct source - where random bytes come from
 * @method:	how it is called; must be the first member
 * @what:	describes it
 * @why_not:	why it is missing
 * @tables:	tables that it is in, IN() of each
 * @twin:	a source that must take as much time, or NULL
 * @path:	the file with the image that @v is from, or NULL
 * @copied:	whether that image is a copy of the running kernel's instead
 * @level:	the level that it is used at
 * @image:	the image as loaded
 * @v:		the vDSO's function, or nothing
 * @states:	memory with its state
 * @state:	its state
 * @blocks:	bare ChaCha20
 * @key:	its key
 * @counter:	its counter
 * @spare:	what is copied and wiped
 * @cipher:	OpenSSL's
 */
struct source {
	struct bench_method method;
	char what[120];
	char why_not[80];
	unsigned int tables;
	const struct source *twin;
	const char *path;
	bool copied;
	size_t level;
	struct vdso_image image;
	struct vgetrandom v;
	struct vgetrandom_states states;
	void *state;
	void (*blocks)(void *out, const void *key, __u32 *counter, size_t num,
		       void *state);
	__u32 key[8];
	__u32 *counter;
	unsigned char *spare;
	EVP_CIPHER_CTX *cipher;
};

/**
 * struct options - what the command line asks for
 * @bench:	sizes, rounds and turns of the hot loop, and the CPU
 * @patched:	the image of the patched kernel
 * @stock:	that of the unpatched base
 * @json:	file for the results
 * @tables:	IN() of the tables to measure
 */
struct options {
	struct bench_options bench;
	const char *patched;
	const char *stock;
	const char *json;
	unsigned int tables;
};

/**
 * struct run - the circumstances
 * @machine:	where it runs
 * @load:	the load average at the start
 * @same_image:	whether both images are the same bytes
 * @trusted:	whether the controls agree
 */
struct run {
	struct bench_machine machine;
	char load[64];
	bool same_image;
	bool trusted;
};

/**
 * struct result - a source's numbers in a row
 * @measured:		whether there are any
 * @ns:			nanoseconds per call
 * @over_stock:		how many times as fast as the stock image
 * @over_syscall:	how many times as fast as the system call
 * @over_twin:		how many times as fast as its twin, if it has one
 */
struct result {
	bool measured;
	struct bench_stat ns;
	struct bench_stat over_stock;
	struct bench_stat over_syscall;
	struct bench_stat over_twin;
};

/**
 * struct row - the results for one size or number of threads
 * @key:	the size or number
 * @attempts:	how often it was measured until the controls agreed; the last attempt counts
 * @results:	of each source
 */
struct row {
	size_t key;
	unsigned int attempts;
	struct result results[MAX_SOURCES];
};

/**
 * struct table - one way to measure
 * @name:	its name
 * @what:	describes it
 * @key:	what differs from row to row
 * @rows:	the rows
 * @nrows:	their number
 */
struct table {
	const char *name;
	const char *what;
	const char *key;
	struct row rows[BENCH_MAX_SIZES];
	size_t nrows;
};

static struct table tables[TABLES] = {
	[HOT] = { .name = "hot", .key = "bytes",
		  .what = "calls in a loop, caches and predictors warm" },
	[L1] = { .name = "l1-cold", .key = "bytes",
		 .what = "single calls, L1 caches evicted before each, less an empty call's time" },
	[L2] = { .name = "l2-cold", .key = "bytes",
		 .what = "single calls, L2 cache evicted before each, less an empty call's time" },
	[THREADS] = { .name = "threads", .key = "threads",
		      .what = "32 bytes, a state for each thread; CPU time of all threads" },
	[RESEED] = { .name = "reseed", .key = "bytes",
		     .what = "calls in a loop, the kernel's generation moves before each" },
	[LOST] = { .name = "lost", .key = "bytes",
		   .what = "calls in a loop, the state's page is dropped before each" },
};

static struct source sources[MAX_SOURCES];
static size_t nsources;
static bool droppable = true;
static double ns_per_tick;

static const struct source *to_source(const struct bench_method *method)
{
	return (const struct source *)method;
}

static bool repeat_vdso(const struct bench_method *method, void *buf, size_t len,
			unsigned long calls)
{
	const struct source *source = to_source(method);
	const struct vgetrandom v = source->v;
	void *state = source->state;
	bool good = true;

	while (calls--)
		good &= v.call(buf, len, 0, state, v.params.size_of_opaque_state) == (ssize_t)len;
	return good;
}

static bool repeat_reseed(const struct bench_method *method, void *buf, size_t len,
			  unsigned long calls)
{
	const struct source *source = to_source(method);
	bool good = true;

	while (calls--) {
		source->image.rng->generation++;
		good &= repeat_vdso(method, buf, len, 1);
	}
	return good;
}

/* What each thread would pay for if fork() took the parent's states away. */
static bool repeat_lost(const struct bench_method *method, void *buf, size_t len,
			unsigned long calls)
{
	void *page = (void *)((uintptr_t)to_source(method)->state & -VDSO_PAGE);
	bool good = true;

	while (calls--) {
		good &= !madvise(page, VDSO_PAGE, MADV_DONTNEED);
		good &= repeat_vdso(method, buf, len, 1);
	}
	return good;
}

BENCH_REPEAT(repeat_syscall, bench_call_syscall)
BENCH_REPEAT(repeat_libc, bench_call_libc)

static ssize_t call_arc4random(const struct bench_method *method, void *buf, size_t len)
{
	(void)method;
	arc4random_buf(buf, len);
	return len;
}

BENCH_REPEAT(repeat_arc4random, call_arc4random)

static ssize_t call_copy(const struct bench_method *method, void *buf, size_t len)
{
	unsigned char *spare = to_source(method)->spare;

	memcpy(buf, spare, len);
	explicit_bzero(spare, len);
	return len;
}

BENCH_REPEAT(repeat_copy, call_copy)

static ssize_t call_openssl(const struct bench_method *method, void *buf, size_t len)
{
	int written;

	return EVP_EncryptUpdate(to_source(method)->cipher, buf, &written, buf, len) ? written : -1;
}

BENCH_REPEAT(repeat_openssl, call_openssl)

static ssize_t call_bare(const struct bench_method *method, void *buf, size_t len)
{
	static __u32 state[256] = { [VDSO_STATE_CLAIM / 4] = 1 };
	const struct source *source = to_source(method);

	source->blocks(buf, source->key, source->counter, len / CHACHA20_BLOCK, state);
	return len;
}

BENCH_REPEAT(repeat_bare, call_bare)

static ssize_t call_nothing(const struct bench_method *method, void *buf, size_t len)
{
	(void)method;
	__asm__ volatile("" : : "r" (buf) : "memory");
	return len;
}

BENCH_REPEAT(repeat_nothing, call_nothing)

static __attribute__((format(printf, 4, 5)))
struct source *add_source(const char *name, unsigned int in,
			  bool (*repeat)(const struct bench_method *method, void *buf, size_t len,
					 unsigned long calls), const char *format, ...)
{
	struct source *source = &sources[nsources++];
	va_list args;

	source->method.name = name;
	source->method.repeat = repeat;
	source->tables = in;
	va_start(args, format);
	vsnprintf(source->what, sizeof(source->what), format, args);
	va_end(args);
	return source;
}

static void lacks(struct source *source, const char *why_not)
{
	source->method.missing = true;
	snprintf(source->why_not, sizeof(source->why_not), "%s", why_not);
}

/* States in the memory that the image asks for, if this kernel has it. */
static void map_states(const struct vgetrandom *v, struct vgetrandom_states *states, size_t num)
{
	struct vgetrandom plain = *v;

	if (droppable && vgetrandom_states_map(v, states, num))
		return;
	droppable = false;
	plain.params.mmap_flags = MAP_PRIVATE | MAP_ANONYMOUS;
	if (!vgetrandom_states_map(&plain, states, num))
		err(1, "mmap of states");
}

/* Gives a source its own place in memory: a state, and an image if it has one. */
static void place(struct source *source)
{
	if (source->path || source->copied) {
		if (!(source->copied ? vdso_image_load_running(&source->image) :
		      vdso_image_load(&source->image, source->path)))
			errx(1, "%s", source->image.error);
		vdso_image_set_level(&source->image, source->level);
		source->v = source->image.v;
	}
	map_states(&source->v, &source->states, 1);
	source->state = vgetrandom_state(&source->states, 0);
}

static void displace(struct source *source)
{
	vgetrandom_states_unmap(&source->states);
	if (source->path || source->copied)
		vdso_image_unload(&source->image);
}

static const struct vdso_image *add_stock(const char *path)
{
	struct source *stock, *again;

	stock = add_source("stock", IN_ALL, repeat_vdso, "the unpatched base's image, loaded");
	again = add_source("stock-again", IN_ALL, repeat_vdso, "the same, loaded a second time");
	again->twin = stock;
	stock->path = path;
	again->path = path;
	place(stock);
	place(again);
	return &stock->image;
}

static void add_host(void)
{
	const unsigned int in = IN(HOT) | IN(L1) | IN(L2) | IN(THREADS);
	struct source *host, *copy;

	host = add_source("host", in, repeat_vdso, "the running kernel's vDSO");
	copy = add_source("host-copy", IN(HOT), repeat_vdso, "a copy of it, loaded");
	copy->twin = host;
	if (!vgetrandom_open(&host->v)) {
		lacks(host, "the running kernel's vDSO has no getrandom()");
		lacks(copy, host->why_not);
		return;
	}
	place(host);
	copy->copied = true;
	place(copy);
}

/* An image without symbols does not tell its levels: there is one. */
static const struct vdso_image *add_patched(const char *path)
{
	static const char *const names[VDSO_LEVELS] = {
		"patched-sse2", "patched-avx2", "patched-avx512"
	};
	struct source *source = NULL;

	for (size_t level = 0; level < VDSO_LEVELS; level++) {
		source = add_source(names[level], IN_ALL, repeat_vdso,
				    "the patched kernel's image, loaded, at level %s",
				    vdso_levels[level].name);
		source->path = path;
		source->level = level;
		place(source);
		if (level && !vdso_image_level(&source->image, level))
			lacks(source, "the image does not have it");
		else if (!vdso_cpu_level(level))
			lacks(source, "the CPU does not have it");
	}
	return &source->image;
}

static void add_bare(const struct vdso_image *image)
{
	static const char *const names[VDSO_LEVELS] = { "bare-sse2", "bare-avx2", "bare-avx512" };
	static __u32 counters[VDSO_LEVELS][2];

	for (size_t level = 0; level < VDSO_LEVELS; level++) {
		struct source *source = add_source(names[level], IN(HOT), repeat_bare,
						   "only the keystream of the patched image's %s code, whole blocks",
						   vdso_levels[level].name);

		source->counter = counters[level];
		source->blocks = vdso_image_level(image, level);
		if (!source->blocks)
			lacks(source, "the image does not have it");
		else if (!vdso_cpu_level(level))
			lacks(source, "the CPU does not have it");
	}
}

static void add_others(size_t largest)
{
	static const unsigned char key[32], nonce[16];
	struct source *source;

	add_source("syscall", IN_ALL, repeat_syscall, "the system call");
	add_source("libc", IN(HOT), repeat_libc, "getrandom() of glibc %s",
		   gnu_get_libc_version());
	add_source("arc4random", IN(HOT), repeat_arc4random, "arc4random_buf() of glibc %s",
		   gnu_get_libc_version());

	source = add_source("copy+wipe", IN(HOT), repeat_copy,
			    "memcpy() of bytes that are there and explicit_bzero() of them");
	source->method.constant = true;
	source->spare = calloc(largest, 1);
	if (!source->spare)
		err(1, "buffers");

	source = add_source("openssl", IN(HOT), repeat_openssl,
			    "ChaCha20 of %s by EVP_EncryptUpdate()",
			    OpenSSL_version(OPENSSL_VERSION));
	source->cipher = EVP_CIPHER_CTX_new();
	if (!source->cipher ||
	    !EVP_EncryptInit_ex(source->cipher, EVP_chacha20(), NULL, key, nonce))
		lacks(source, "this OpenSSL does not have it");

	add_source("nothing", IN(L1) | IN(L2), repeat_nothing,
		   "a call that does nothing: what measuring costs");
}

#define PLACES	61

/*
 * The sources, each in many places in memory, and the turns that each had: turn by turn it goes to
 * the next place. How long a line takes to come from beyond the L2 cache depends on where it is.
 */
static struct source places[PLACES][MAX_SOURCES];
static unsigned long turns_had[MAX_SOURCES];

static bool is_placed(const struct source *source, enum table_id table)
{
	return source->state && !source->method.missing && source->tables & IN(table);
}

static void place_all(enum table_id table)
{
	for (size_t p = 0; p < PLACES; p++) {
		memcpy(places[p], sources, sizeof(sources));
		for (size_t s = 0; s < nsources; s++)
			if (is_placed(&sources[s], table))
				place(&places[p][s]);
	}
}

static void displace_all(enum table_id table)
{
	for (size_t p = 0; p < PLACES; p++)
		for (size_t s = 0; s < nsources; s++)
			if (is_placed(&sources[s], table))
				displace(&places[p][s]);
}

/*
 * The method in its next place, with a new state: calls of another size before leave a state at a
 * position in its batch from where it may be slower, and not each source's at the same.
 */
static const struct bench_method *next_place(const struct bench_method *method, void *buf,
					     size_t len)
{
	size_t s = to_source(method) - sources;
	const struct source *source = &places[turns_had[s]++ % PLACES][s];

	if (source->state)
		memset(source->state, 0, source->v.params.size_of_opaque_state);
	/* The first calls fault pages in and seed the state. */
	source->method.repeat(&source->method, buf, len, 2);
	return &source->method;
}

static double turn_hot(const struct bench_method *method, void *buf, size_t len,
		       unsigned long calls)
{
	return bench_turn_hot(next_place(method, buf, len), buf, len, calls);
}

/**
 * struct evictor - what fills the caches
 * @code:	as many jumps from line to line as fill the L1 instruction cache
 * @data:	bytes to read
 * @size:	how many
 */
static struct evictor {
	void (*code)(void);
	unsigned char *data;
	size_t size;
} evictor;

static void read_cache(long cpu, unsigned int index, const char *what, char *line, size_t size)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/cache/index%u/%s", cpu, index,
		 what);
	bench_read_line(path, line, size);
}

/* The C library asks the CPU itself: a virtual machine's kernel may not know of caches. */
static size_t cache_size_by_cpuid(unsigned int level, const char *type)
{
	int name = level == 2 ? _SC_LEVEL2_CACHE_SIZE :
		   *type == 'I' ? _SC_LEVEL1_ICACHE_SIZE : _SC_LEVEL1_DCACHE_SIZE;
	long size = sysconf(name);

	return size > 0 ? size : 0;
}

/* The size of a cache, or 0 if it is not known. */
static size_t cache_size(long cpu, unsigned int level, const char *type)
{
	char line[32];

	for (unsigned int i = 0; i < 8; i++) {
		read_cache(cpu, i, "level", line, sizeof(line));
		if (strtoul(line, NULL, 10) != level)
			continue;
		read_cache(cpu, i, "type", line, sizeof(line));
		if (strcmp(line, type) && strcmp(line, "Unified"))
			continue;
		read_cache(cpu, i, "size", line, sizeof(line));
		return strtoul(line, NULL, 10) * 1024;
	}
	return cache_size_by_cpuid(level, type);
}

/* Twice the L1 caches, or four times the L2 cache, as replacement is not strictly by age. */
static bool prepare_evictor(long cpu, enum table_id table)
{
	size_t code = 2 * cache_size(cpu, 1, "Instruction");
	size_t data = table == L1 ? 2 * cache_size(cpu, 1, "Data") : 4 * cache_size(cpu, 2, "Data");
	unsigned char *map;

	if (!code || !data) {
		warnx("%s: not measured: the sizes of the caches are not known",
		      tables[table].name);
		return false;
	}
	map = mmap(NULL, code + data, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		err(1, "mmap of what evicts the caches");
	memset(map + code, 1, data);
	for (size_t i = 0; i < code; i += LINE)
		memcpy(map + i, i + LINE < code ? "\xeb\x3e" : "\xc3", 2);	/* jmp, ret */
	if (mprotect(map, code, PROT_READ | PROT_EXEC))
		err(1, "mprotect of what evicts the caches");
	evictor.code = (void (*)(void))map;
	evictor.data = map + code;
	evictor.size = data;
	return true;
}

static void evict(void)
{
	for (size_t i = 0; i < evictor.size; i += LINE)
		*(volatile unsigned char *)&evictor.data[i];
	evictor.code();
}

static __always_inline unsigned long ticks(void)
{
	unsigned long now;

	_mm_lfence();
	now = __rdtsc();
	_mm_lfence();
	return now;
}

static void calibrate_ticks(void)
{
	unsigned long ns = bench_now_ns(), start = ticks(), now;

	do {
		now = bench_now_ns();
	} while (now - ns < 50000000);
	ns_per_tick = (double)(now - ns) / (ticks() - start);
}

static double turn_cold(const struct bench_method *method, void *buf, size_t len,
			unsigned long calls)
{
	/* The first calls meet what the source before has left, which is not the same for all. */
	unsigned long sum = 0, first = calls / 10;
	bool good = true;

	method = next_place(method, buf, len);
	for (unsigned long i = 0; i < first + calls; i++) {
		unsigned long start;

		evict();
		start = ticks();
		good &= method->repeat(method, buf, len, 1);
		if (i >= first)
			sum += ticks() - start;
	}
	if (!good)
		errx(1, "%s: a call for %zu bytes did not return %zu", method->name, len, len);
	return sum * ns_per_tick / calls;
}

/**
 * struct worker - a thread of a crowd
 * @thread:	the thread
 * @sources:	the sources of this thread, with its states
 * @buf:	its buffer
 * @ns:		CPU time of its calls
 * @good:	whether each call gave all bytes
 */
struct worker {
	pthread_t thread;
	struct source sources[MAX_SOURCES];
	unsigned char *buf;
	unsigned long ns;
	bool good;
};

/**
 * struct crowd - threads that wait to make calls at the same time
 * @workers:	the threads
 * @num:	their number
 * @states:	their states, of each source
 * @gate:	where they wait for each other and for the main thread, before and after a turn
 * @source:	the source of this turn, -1 to end
 * @calls:	calls that each makes in it
 * @len:	bytes in a call
 */
static struct crowd {
	struct worker *workers;
	size_t num;
	struct vgetrandom_states states[MAX_SOURCES];
	pthread_barrier_t gate;
	long source;
	unsigned long calls;
	size_t len;
} crowd;

/* Of this thread: other programs on the CPUs are not what is measured. */
static unsigned long cpu_time_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts))
		err(1, "clock_gettime(CLOCK_THREAD_CPUTIME_ID)");
	return (unsigned long)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	const struct bench_method *method;
	unsigned long start;

	for (;;) {
		pthread_barrier_wait(&crowd.gate);
		if (crowd.source < 0)
			return NULL;
		method = &worker->sources[crowd.source].method;
		start = cpu_time_ns();
		worker->good = method->repeat(method, worker->buf, crowd.len, crowd.calls);
		worker->ns = cpu_time_ns() - start;
		pthread_barrier_wait(&crowd.gate);
	}
}

static double turn_threads(const struct bench_method *method, void *buf, size_t len,
			   unsigned long calls)
{
	unsigned long ns = 0;

	(void)buf;
	crowd.source = to_source(method) - sources;
	crowd.calls = calls / crowd.num + 1;
	crowd.len = len;
	pthread_barrier_wait(&crowd.gate);
	pthread_barrier_wait(&crowd.gate);
	for (size_t i = 0; i < crowd.num; i++) {
		if (!crowd.workers[i].good)
			errx(1, "%s: a call of a thread for %zu bytes did not return %zu",
			     method->name, len, len);
		ns += crowd.workers[i].ns;
	}
	return (double)ns / (crowd.calls * crowd.num);
}

/* Threads are dealt out to the CPUs: where a scheduler puts them is not what is measured. */
static void start_worker(struct worker *worker, size_t index, const cpu_set_t *cpus)
{
	size_t skip = index % CPU_COUNT(cpus);
	pthread_attr_t attr;
	cpu_set_t set;
	int cpu = 0;

	while (!CPU_ISSET(cpu, cpus) || skip--)
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	errno = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!errno)
		errno = pthread_create(&worker->thread, &attr, work, worker);
	if (errno)
		err(1, "thread %zu", index + 1);
	pthread_attr_destroy(&attr);
}

static void gather_crowd(size_t num, size_t len, const cpu_set_t *cpus)
{
	crowd.num = num;
	crowd.workers = calloc(num, sizeof(*crowd.workers));
	if (!crowd.workers || pthread_barrier_init(&crowd.gate, NULL, num + 1))
		err(1, "threads");
	for (size_t i = 0; i < num; i++) {
		crowd.workers[i].buf = aligned_alloc(4096, (len + 4095) & ~4095UL);
		if (!crowd.workers[i].buf)
			err(1, "buffers");
		memcpy(crowd.workers[i].sources, sources, sizeof(sources));
	}
	for (size_t s = 0; s < nsources; s++) {
		struct vgetrandom_states *states = &crowd.states[s];

		if (!is_placed(&sources[s], THREADS))
			continue;
		map_states(&sources[s].v, states, num);
		for (size_t i = 0; i < num; i++)
			crowd.workers[i].sources[s].state = vgetrandom_state(states, i);
	}
	for (size_t i = 0; i < num; i++)
		start_worker(&crowd.workers[i], i, cpus);
}

static void dismiss_crowd(void)
{
	crowd.source = -1;
	pthread_barrier_wait(&crowd.gate);
	for (size_t i = 0; i < crowd.num; i++) {
		pthread_join(crowd.workers[i].thread, NULL);
		free(crowd.workers[i].buf);
	}
	for (size_t s = 0; s < nsources; s++)
		if (is_placed(&sources[s], THREADS))
			vgetrandom_states_unmap(&crowd.states[s]);
	pthread_barrier_destroy(&crowd.gate);
	free(crowd.workers);
}

static bool is_in(const struct source *source, enum table_id table, size_t len)
{
	return source->tables & IN(table) && !source->method.missing &&
	       (!source->blocks || len % CHACHA20_BLOCK == 0);
}

/* Takes the time of a call that does nothing from all others, where that was measured. */
static void subtract_nothing(double *const *ns, size_t num, const struct bench_method *const *turns,
			     unsigned long rounds)
{
	for (size_t nothing = 0; nothing < num; nothing++) {
		if (turns[nothing]->repeat != repeat_nothing)
			continue;
		for (size_t m = 0; m < num; m++)
			for (unsigned long r = 0; r < rounds && m != nothing; r++)
				ns[m][r] = fmax(ns[m][r] - ns[nothing][r], 0.1);
	}
}

/* The ratio of two sources' times, if both were measured. */
static struct bench_stat compare(double *const *ns, const long *at, const struct source *above,
				 const struct source *below, unsigned long rounds)
{
	long one = above ? at[above - sources] : -1, other = at[below - sources];

	return one < 0 ? (struct bench_stat){ 0 } : bench_ratio(ns[one], ns[other], rounds);
}

static const struct source *find_source(const char *name)
{
	for (size_t s = 0; s < nsources; s++)
		if (!strcmp(sources[s].method.name, name))
			return &sources[s];
	return NULL;
}

static bool is_off(const struct result *result)
{
	return result->over_twin.median && (result->over_twin.median > 1 + CONTROL_LIMIT ||
					    result->over_twin.median < 1 / (1 + CONTROL_LIMIT));
}

static bool has_off(const struct row *row)
{
	for (size_t s = 0; s < nsources; s++)
		if (is_off(&row->results[s]))
			return true;
	return false;
}

/**
 * struct plan - how the rows of a table are measured
 * @table:	the table
 * @turn:	a turn, see bench_rounds()
 * @rounds:	how many rounds
 * @sample_us:	about how long the calls of a turn should take that @calls multiplies, or 0 for one
 *		call
 * @calls:	multiplies the calls of a turn
 */
struct plan {
	enum table_id table;
	double (*turn)(const struct bench_method *method, void *buf, size_t len,
		       unsigned long calls);
	unsigned long rounds;
	unsigned long sample_us;
	unsigned long calls;
};

static void measure_row(const struct plan *plan, size_t key, size_t len, unsigned char *area)
{
	struct row *row = &tables[plan->table].rows[tables[plan->table].nrows++];
	const struct bench_method *turns[MAX_SOURCES];
	const unsigned long rounds = plan->rounds;
	unsigned long calls[MAX_SOURCES];
	double *ns[MAX_SOURCES];
	long at[MAX_SOURCES];
	size_t num = 0;

	row->key = key;
	for (size_t s = 0; s < nsources; s++) {
		const struct bench_method *method = &sources[s].method;

		at[s] = -1;
		if (!is_in(&sources[s], plan->table, len))
			continue;
		if (method->repeat != repeat_nothing)
			bench_check_method(method, area, len);
		calls[num] = plan->calls;
		if (plan->sample_us)
			calls[num] *= bench_calibrate(method, area + BENCH_GUARD, len,
						      plan->sample_us);
		ns[num] = bench_values(rounds);
		turns[num] = method;
		at[s] = num++;
	}

	do {
		bench_rounds(turns, num, plan->turn, area + BENCH_GUARD, len, calls, rounds, ns);
		subtract_nothing(ns, num, turns, rounds);
		for (size_t s = 0; s < nsources; s++) {
			struct result *result = &row->results[s];

			if (at[s] < 0)
				continue;
			result->measured = true;
			result->ns = bench_ratio(NULL, ns[at[s]], rounds);
			result->over_stock = compare(ns, at, find_source("stock"), &sources[s],
						     rounds);
			result->over_syscall = compare(ns, at, find_source("syscall"), &sources[s],
						       rounds);
			result->over_twin = compare(ns, at, sources[s].twin, &sources[s], rounds);
		}
		row->attempts++;
	} while (has_off(row) && row->attempts < MAX_ATTEMPTS);

	while (num)
		free(ns[--num]);
}

static void measure_sizes(const struct plan *plan, const size_t *sizes, size_t nsizes,
			  unsigned char *area)
{
	place_all(plan->table);
	for (size_t i = 0; i < nsizes; i++)
		measure_row(plan, sizes[i], sizes[i], area);
	displace_all(plan->table);
}

static void measure_hot(const struct options *opt, unsigned char *area)
{
	const struct plan plan = { HOT, turn_hot, opt->bench.rounds, opt->bench.sample_us, 1 };

	measure_sizes(&plan, opt->bench.sizes, opt->bench.nsizes, area);
}

/* Request sizes of the other tables. */
static const size_t few_sizes[] = { 4, 32, 256, 4096 };

#define FEW_SIZES	(sizeof(few_sizes) / sizeof(*few_sizes))

/* Fixed numbers of calls: most of a turn is eviction, by which it cannot be calibrated. */
static void measure_cold(const struct options *opt, enum table_id table, unsigned char *area)
{
	const struct plan plan = { table, turn_cold, PLACES, 0, table == L1 ? 1000 : 250 };

	if (!prepare_evictor(opt->bench.cpu, table))
		return;
	calibrate_ticks();
	measure_sizes(&plan, few_sizes, FEW_SIZES, area);
}

/* Turns are long, so that all threads are at work at the same time. */
static void measure_threads(unsigned char *area, const cpu_set_t *cpus)
{
	const struct plan plan = { THREADS, turn_threads, 11, 2000, 10 * CPU_COUNT(cpus) };

	for (size_t num = 1; num <= 256; num *= 2) {
		gather_crowd(num, THREAD_LEN, cpus);
		measure_row(&plan, num, THREAD_LEN, area);
		dismiss_crowd();
	}
}

static void switch_repeat(bool (*from)(const struct bench_method *method, void *buf, size_t len,
				       unsigned long calls),
			  bool (*to)(const struct bench_method *method, void *buf, size_t len,
				     unsigned long calls))
{
	for (size_t s = 0; s < nsources; s++)
		if (sources[s].path && sources[s].method.repeat == from)
			sources[s].method.repeat = to;
}

static void measure_instead(const struct options *opt, enum table_id table,
			    bool (*repeat)(const struct bench_method *method, void *buf, size_t len,
					   unsigned long calls),
			    unsigned char *area)
{
	const struct plan plan = { table, turn_hot, opt->bench.rounds, opt->bench.sample_us, 1 };

	switch_repeat(repeat_vdso, repeat);
	measure_sizes(&plan, few_sizes, FEW_SIZES, area);
	switch_repeat(repeat, repeat_vdso);
}

/* A CPU that was idle is slower at first. */
static void warm_up(void)
{
	unsigned long start = bench_now_ns();

	while (bench_now_ns() - start < 300000000)
		;
}

static void measure(const struct options *opt, unsigned char *area, const cpu_set_t *cpus)
{
	warm_up();
	for (enum table_id table = 0; table < TABLES; table++) {
		unsigned long start = bench_now_ns();

		if (!(opt->tables & IN(table)))
			continue;
		if (table == HOT)
			measure_hot(opt, area);
		else if (table == THREADS)
			measure_threads(area, cpus);
		else if (table == RESEED)
			measure_instead(opt, RESEED, repeat_reseed, area);
		else if (table == LOST)
			measure_instead(opt, LOST, repeat_lost, area);
		else
			measure_cold(opt, table, area);
		fprintf(stderr, "vgetrandom_native: %s: %.1f s\n", tables[table].name,
			(bench_now_ns() - start) / 1e9);
	}
}

/* Says which controls differ; returns how many. */
static size_t check_controls(void)
{
	size_t num = 0;

	for (const struct table *table = tables; table < tables + TABLES; table++) {
		for (const struct row *row = table->rows; row < table->rows + table->nrows; row++) {
			for (size_t s = 0; s < nsources; s++) {
				const struct result *result = &row->results[s];

				if (!is_off(result))
					continue;
				warnx("%s, %zu %s: %s takes %.3f times as long as %s", table->name,
				      row->key, table->key, sources[s].method.name,
				      1 / result->over_twin.median,
				      sources[s].twin->method.name);
				num++;
			}
		}
	}
	return num;
}

static void json_stat(FILE *f, const char *name, const struct bench_stat *stat)
{
	if (stat->median)
		fprintf(f, ", \"%s\": {\"median\": %.4f, \"spread\": %.4f}", name, stat->median,
			stat->spread);
}

static void json_result(FILE *f, const struct source *source, const struct result *result)
{
	fprintf(f, "          \"%s\": {\"ns\": %.4f, \"spread\": %.4f", source->method.name,
		result->ns.median, result->ns.spread);
	json_stat(f, "over_stock", &result->over_stock);
	json_stat(f, "over_syscall", &result->over_syscall);
	json_stat(f, "over_twin", &result->over_twin);
	fprintf(f, "}");
}

static void json_table(FILE *f, const struct table *table)
{
	fprintf(f, "    {\n      ");
	bench_json_string(f, "name", table->name);
	fprintf(f, ",\n      ");
	bench_json_string(f, "what", table->what);
	fprintf(f, ",\n      \"key\": \"%s\",\n      \"rows\": [", table->key);
	for (size_t i = 0; i < table->nrows; i++) {
		const struct row *row = &table->rows[i];
		const char *comma = "";

		fprintf(f, "%s\n        {\"%s\": %zu, \"attempts\": %u, \"results\": {\n",
			i ? "," : "", table->key, row->key, row->attempts);
		for (size_t s = 0; s < nsources; s++) {
			if (!row->results[s].measured)
				continue;
			fputs(comma, f);
			json_result(f, &sources[s], &row->results[s]);
			comma = ",\n";
		}
		fprintf(f, "\n        }}");
	}
	fprintf(f, "\n      ]\n    }");
}

static void json_source(FILE *f, const struct source *source)
{
	fprintf(f, "    {");
	bench_json_string(f, "name", source->method.name);
	fprintf(f, ", ");
	bench_json_string(f, "what", source->what);
	if (source->method.missing) {
		fprintf(f, ", ");
		bench_json_string(f, "missing", source->why_not);
	}
	if (source->v.call)
		fprintf(f, ", \"state_size\": %u", source->v.params.size_of_opaque_state);
	fprintf(f, "}");
}

static void json_meta(FILE *f, const struct options *opt, const struct run *run)
{
	static const char *const files[][2] = {
		{ "meltdown", "/sys/devices/system/cpu/vulnerabilities/meltdown" },
		{ "spectre_v2", "/sys/devices/system/cpu/vulnerabilities/spectre_v2" },
	};
	unsigned int eax, ebx, ecx, edx;
	char line[128];

	bench_json_machine(f, &run->machine, gnu_get_libc_version());
	__cpuid(1, eax, ebx, ecx, edx);
	fprintf(f, "    \"cpu_family\": %u,\n", (eax >> 8 & 15) + (eax >> 20 & 255));
	fprintf(f, "    \"cpu_model_number\": %u,\n", (eax >> 4 & 15) | (eax >> 12 & 0xf0));
	fprintf(f, "    \"cpu_stepping\": %u,\n", eax & 15);
	fprintf(f, "    \"caches\": {\"l1i\": %zu, \"l1d\": %zu, \"l2\": %zu},\n",
		cache_size(opt->bench.cpu, 1, "Instruction"), cache_size(opt->bench.cpu, 1, "Data"),
		cache_size(opt->bench.cpu, 2, "Data"));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		bench_read_line(files[i][1], line, sizeof(line));
		fprintf(f, "    ");
		bench_json_string(f, files[i][0], line);
		fprintf(f, ",\n");
	}
	fprintf(f, "    ");
	bench_json_string(f, "load", run->load);
	fprintf(f, ",\n    \"cpu\": %ld,\n", opt->bench.cpu);
	fprintf(f, "    \"rounds\": %lu,\n", opt->bench.rounds);
	fprintf(f, "    \"sample_us\": %lu,\n", opt->bench.sample_us);
	fprintf(f, "    \"droppable\": %s,\n", droppable ? "true" : "false");
	fprintf(f, "    \"same_image\": %s,\n", run->same_image ? "true" : "false");
	fprintf(f, "    \"control_limit\": %.2f,\n", CONTROL_LIMIT);
	fprintf(f, "    \"trusted\": %s\n", run->trusted ? "true" : "false");
}

static void write_json(const struct options *opt, const struct run *run)
{
	char *temp;
	FILE *f = bench_json_open(opt->json, &temp);

	fprintf(f, "{\n  \"meta\": {\n");
	json_meta(f, opt, run);
	fprintf(f, "  },\n  \"sources\": [\n");
	for (size_t s = 0; s < nsources; s++) {
		json_source(f, &sources[s]);
		fprintf(f, s + 1 < nsources ? ",\n" : "\n");
	}
	fprintf(f, "  ],\n  \"tables\": [\n");
	for (int t = 0; t < TABLES; t++) {
		json_table(f, &tables[t]);
		fprintf(f, t + 1 < TABLES ? ",\n" : "\n");
	}
	fprintf(f, "  ]\n}\n");
	bench_json_close(f, opt->json, temp);
}

#define SIZES	"1,4,8,16,32,64,96,128,256,1024,4096,65536,1048576"

static void usage(FILE *f)
{
	fprintf(f, "Usage: vgetrandom_native --patched FILE --stock FILE --json FILE [OPTION]...\n"
		"Time getrandom() of vDSO images on this CPU.\n\n"
		"  --patched FILE   vdso64.so.dbg of the patched kernel\n"
		"  --stock FILE     that of the unpatched base\n"
		"  --json FILE      write the results there\n"
		"  --tables A,B,... what to measure: hot, l1-cold, l2-cold, threads, reseed, lost\n"
		"                   (all)\n"
		"  --sizes A,B,...  request sizes of the hot loop in bytes, at most %d of at most %lu\n"
		"                   (" SIZES ")\n"
		"  --rounds N       rounds per size of the hot loop, odd, at most %d (101)\n"
		"  --sample-us N    time per source and round of the hot loop in microseconds (300)\n"
		"  --cpu N          run on this CPU (the last one allowed); threads run on all\n"
		"  --help           show this\n\n"
		"Exit status: 0 measured, 1 not measured, 2 bad arguments, %d measured but not to be\n"
		"trusted, as two sources that must take the same time do not.\n",
		BENCH_MAX_SIZES, BENCH_MAX_SIZE, BENCH_MAX_ROUNDS, UNTRUSTED);
}

static unsigned int parse_tables(const char *text)
{
	unsigned int chosen = 0;

	while (*text) {
		size_t len = strcspn(text, ",");
		int t = 0;

		while (t < TABLES && (strlen(tables[t].name) != len ||
				      memcmp(tables[t].name, text, len)))
			t++;
		if (t == TABLES)
			errx(2, "--tables: there is none like '%s'", text);
		chosen |= IN(t);
		text += len + (text[len] == ',');
	}
	return chosen;
}

static void parse_options(struct options *opt, int argc, char **argv)
{
	enum { PATCHED, STOCK, JSON, CHOSEN, HELP };
	static const struct option known[] = {
		BENCH_OPTIONS,
		{ "patched", required_argument, NULL, PATCHED },
		{ "stock", required_argument, NULL, STOCK },
		{ "json", required_argument, NULL, JSON },
		{ "tables", required_argument, NULL, CHOSEN },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	int c;

	bench_parse_sizes(&opt->bench, SIZES);
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (bench_parse_option(&opt->bench, c, optarg))
			continue;
		switch (c) {
		case PATCHED:
			opt->patched = optarg;
			break;
		case STOCK:
			opt->stock = optarg;
			break;
		case JSON:
			opt->json = optarg;
			break;
		case CHOSEN:
			opt->tables = parse_tables(optarg);
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
	if (!opt->patched || !opt->stock || !opt->json)
		errx(2, "--patched, --stock and --json are needed");
}

int main(int argc, char **argv)
{
	struct options opt = {
		.bench = { .rounds = 101, .sample_us = 300, .cpu = -1 },
		.tables = IN_ALL,
	};
	const struct vdso_image *stock, *patched;
	size_t largest, off;
	unsigned char *area;
	struct run run;
	cpu_set_t cpus;

	parse_options(&opt, argc, argv);
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		err(1, "sched_getaffinity");
	bench_pin(&opt.bench.cpu);
	bench_identify(&run.machine);
	bench_read_line("/proc/loadavg", run.load, sizeof(run.load));
	bench_check_clock(opt.bench.sample_us);
	largest = bench_largest(&opt.bench);
	for (size_t i = 0; i < FEW_SIZES; i++)
		if (few_sizes[i] > largest)
			largest = few_sizes[i];

	stock = add_stock(opt.stock);
	patched = add_patched(opt.patched);
	add_host();
	add_others(largest);
	add_bare(patched);
	run.same_image = patched->file_size == stock->file_size &&
			 !memcmp(patched->file, stock->file, stock->file_size);

	/* Not at the start of a page, as states are: loads from them would wait for its stores. */
	area = bench_area(largest, 2048);
	measure(&opt, area, &cpus);
	off = check_controls();
	run.trusted = !off;
	write_json(&opt, &run);
	if (off) {
		warnx("THIS RUN IS NOT TO BE TRUSTED: %zu controls differ by more than %.0f %%",
		      off, 100 * CONTROL_LIMIT);
		return UNTRUSTED;
	}
	return 0;
}
