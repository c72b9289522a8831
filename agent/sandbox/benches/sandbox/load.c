/*
 * What runs in a sandbox while it is measured.
 *
 *   load pause      stays until it is killed
 *   load compute    integers, and no system call; prints the CPU time that it took, in nanoseconds
 *   load calls      getppid and one-byte reads of /dev/zero; the same
 *   load filtered   the same calls behind a filter of one instruction, which allows them: what the kernel takes for any
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t cpu_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int compute(void)
{
	uint64_t state = 88172645463325252;
	for (int round = 0; round < 40 * 1000 * 1000; round++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
	}
	return state == 0;
}

static int calls(void)
{
	char byte;
	int zero = open("/dev/zero", O_RDONLY);
	for (int round = 0; round < 250 * 1000; round++) {
		syscall(SYS_getppid);
		if (read(zero, &byte, 1) != 1)
			return 1;
	}
	return 0;
}

static int filter(void)
{
	struct sock_filter allow = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW };
	struct sock_fprog program = { .len = 1, .filter = &allow };
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int main(int count, char **words)
{
	const char *what = count == 2 ? words[1] : "";
	if (!strcmp(what, "pause"))
		for (;;)
			pause();
	if (!strcmp(what, "filtered") && filter())
		return 1;
	int64_t begin = cpu_time();
	if (!strcmp(what, "compute") ? compute() : !strcmp(what, "calls") || !strcmp(what, "filtered") ? calls() : 1)
		return 1;
	printf("%lld\n", (long long)(cpu_time() - begin));
	return 0;
}
