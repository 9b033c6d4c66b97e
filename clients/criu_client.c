// SPDX-License-Identifier: GPL-2.0
/*
 * A process for CRIU to dump and to restore, and what judges the result. Its threads hold states
 * of vDSO getrandom(); CRIU must not write these down, or the restored process and the original
 * would go on with the same random numbers.
 *
 * "run DIR": a process with threads. For each file DIR/go-N, N = 1, 2, ..., each thread, children
 * and a grandchild draw blocks, which are written to DIR/out-N. DIR/marker holds bytes that the
 * process keeps in ordinary memory. "run DIR ordinary" keeps the states there, too: a program
 * that does it wrong.
 * "states PID DIR": prints what is in the process's states.
 * "search NEEDLES FILE...": counts 16-byte pieces of the file NEEDLES that are in the files.
 * "repeated FILE...": counts blocks that are more than once in the files.
 */

#define _GNU_SOURCE

#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK		16
#define THREADS		3
#define DRAWS		200
#define CHILDREN	3
#define CHILD_DRAWS	50
#define STATE_AREA	4096

typedef unsigned char block[BLOCK];

/* What a round draws: the parent of the forks before them, the threads, the children. */
struct round {
	block parent[DRAWS];
	block thread[THREADS][DRAWS];
	block child[CHILDREN][CHILD_DRAWS];
	block grandchild[CHILD_DRAWS];
};

struct params {
	unsigned int size, prot, flags, reserved[13];
};

static ssize_t (*vdso_getrandom)(void *buf, size_t len, unsigned int flags, void *state,
				 size_t state_len);
static size_t state_size;
static unsigned char *areas;
static __thread unsigned char *state;
static struct round *shared;
static pthread_barrier_t barrier;

static void draw(block *out, size_t num)
{
	for (; num--; out++)
		if ((state ? vdso_getrandom(out, BLOCK, 0, state, state_size)
			   : getrandom(out, BLOCK, 0)) != BLOCK)
			errx(1, "getrandom");
}

static void *worker(void *number)
{
	size_t me = (size_t)number;

	if (areas)
		state = areas + me * STATE_AREA;
	for (;;) {
		pthread_barrier_wait(&barrier);
		draw(shared->thread[me], DRAWS);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child failed");
}

static void draw_in_children(void)
{
	for (size_t i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		if (!pid) {
			draw(shared->child[i], CHILD_DRAWS);
			if (i) /* the last ones have no child */
				_exit(0);
			pid = fork();
			if (!pid) {
				draw(shared->grandchild, CHILD_DRAWS);
				_exit(0);
			}
			wait_for(pid);
			_exit(0);
		}
		wait_for(pid);
	}
}

static void save(const char *dir, const char *name, const void *data, size_t size)
{
	char path[256], temporary[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(temporary, sizeof(temporary), "%s/new-%s", dir, name);
	file = fopen(temporary, "w");
	if (!file || fwrite(data, size, 1, file) != 1 || fclose(file) || rename(temporary, path))
		err(1, "%s", path);
}

static void *anonymous(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

static void use_ordinary_memory(const char *dir)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);
	struct params params;

	vdso_getrandom = vdso ? dlsym(vdso, "__vdso_getrandom") : NULL;
	if (!vdso_getrandom || vdso_getrandom(NULL, 0, 0, &params, ~0UL))
		errx(1, "no __vdso_getrandom");
	state_size = params.size;
	areas = anonymous((THREADS + 1) * STATE_AREA, MAP_PRIVATE);
	state = areas + THREADS * STATE_AREA;
	save(dir, "areas", &areas, sizeof(areas));
}

static int run(const char *dir, bool ordinary)
{
	unsigned char *marker = malloc(BLOCK);
	pthread_t thread;
	block first;

	if (ordinary)
		use_ordinary_memory(dir);
	if (!marker || getrandom(marker, BLOCK, 0) != BLOCK)
		errx(1, "no marker");
	save(dir, "marker", marker, BLOCK);
	draw(&first, 1);

	shared = anonymous(sizeof(*shared), MAP_SHARED);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, worker, (void *)i))
			errx(1, "pthread_create");

	for (int round = 1;; round++) {
		char path[256], name[32];

		for (snprintf(path, sizeof(path), "%s/go-%d", dir, round); access(path, F_OK);)
			usleep(10000);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		draw(shared->parent, DRAWS / 2);
		draw_in_children();
		draw(shared->parent + DRAWS / 2, DRAWS / 2);
		snprintf(name, sizeof(name), "out-%d", round);
		save(dir, name, shared, sizeof(*shared));
		memset(shared, 0, sizeof(*shared));
	}
}

static void print_memory(int fd, unsigned long start, unsigned long end)
{
	unsigned char page[4096];

	for (; start < end; start += sizeof(page)) {
		if (pread(fd, page, sizeof(page), start) != sizeof(page))
			err(1, "cannot read the process's memory at %#lx", start);
		fwrite(page, sizeof(page), 1, stdout);
	}
}

static int states(const char *pid, const char *dir)
{
	unsigned long start = 0, end = 0, from, to;
	char path[256], line[512];
	int fd, found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		err(1, "%s", path);

	snprintf(path, sizeof(path), "%s/areas", dir);
	file = fopen(path, "r");
	if (file) {
		if (fread(&start, sizeof(start), 1, file) != 1)
			errx(1, "%s is short", path);
		print_memory(fd, start, start + (THREADS + 1) * STATE_AREA);
		return 0;
	}

	snprintf(path, sizeof(path), "/proc/%s/smaps", pid);
	file = fopen(path, "r");
	if (!file)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			start = from;
			end = to;
		} else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dp")) {
			print_memory(fd, start, end);
			found++;
		}
	}
	if (!found)
		errx(1, "the process has no MAP_DROPPABLE memory");
	return 0;
}

static unsigned char *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	unsigned char *data;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	*size = st.st_size;
	data = malloc(*size + 1);
	if (!data || read(fd, data, *size) != (ssize_t)*size)
		err(1, "%s", path);
	close(fd);
	return data;
}

static int search(int num, char **paths)
{
	size_t size, pieces = 0, there = 0, *sizes = calloc(num, sizeof(*sizes));
	unsigned char **files = calloc(num, sizeof(*files));
	unsigned char *needles = read_file(paths[0], &size);
	static const block zeros;

	if (!files || !sizes)
		err(1, "calloc");
	for (int i = 1; i < num; i++)
		files[i] = read_file(paths[i], &sizes[i]);
	for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
		if (!memcmp(needles + at, zeros, BLOCK))
			continue;
		pieces++;
		for (int i = 1; i < num; i++)
			if (memmem(files[i], sizes[i], needles + at, BLOCK)) {
				there++;
				break;
			}
	}
	printf("%zu of %zu\n", there, pieces);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, BLOCK);
}

static int repeated(int num, char **paths)
{
	static const block zeros;
	size_t blocks = 0, twice = 0, size;
	block *all = NULL;

	for (int i = 0; i < num; i++) {
		unsigned char *data = read_file(paths[i], &size);

		all = realloc(all, blocks * BLOCK + size);
		if (!all || size != sizeof(struct round))
			errx(1, "%s: not a round", paths[i]);
		memcpy(all + blocks, data, size);
		blocks += size / BLOCK;
		free(data);
	}
	qsort(all, blocks, BLOCK, compare);
	for (size_t i = 0; i < blocks; i++)
		twice += !memcmp(all[i], zeros, BLOCK) ||
			 (i && !memcmp(all[i - 1], all[i], BLOCK));
	printf("%zu of %zu\n", twice, blocks);
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";

	if (!strcmp(mode, "run"))
		return run(argv[2], argc > 3 && !strcmp(argv[3], "ordinary"));
	if (!strcmp(mode, "states") && argc == 4)
		return states(argv[2], argv[3]);
	if (!strcmp(mode, "search") && argc > 3)
		return search(argc - 2, argv + 2);
	if (!strcmp(mode, "repeated"))
		return repeated(argc - 2, argv + 2);
	errx(2, "usage: criu_client run DIR [ordinary] | states PID DIR | search NEEDLES FILE... | "
	     "repeated FILE...");
}
