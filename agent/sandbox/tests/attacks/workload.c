// Work of known cost: `workload PART AMOUNT...`. Prints what it has used up at its end, with all for whom it waited: user
// and system time in microseconds, involuntary switches.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(what) do { if (!(what)) { perror(#what); exit(1); } } while (0)

static long amount, millis;

static long micros(struct timeval time) { return time.tv_sec * 1000000 + time.tv_usec; }
static struct rusage used(int who) { struct rusage usage; getrusage(who, &usage); return usage; }

static void compute(void) { for (volatile int n = 0; n < 100000;) n++; }
static void user(void) { while (micros(used(RUSAGE_SELF).ru_utime) < amount * 1000) compute(); }
static void system_time(void) {
    static char block[1 << 20];
    int zero = open("/dev/zero", O_RDONLY);
    while (micros(used(RUSAGE_SELF).ru_stime) < amount * 1000) MUST(read(zero, block, sizeof block) == sizeof block);
}
static void *spin(void *unused) {
    struct timespec time;
    do { compute(); clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); } while (time.tv_sec * 1000 + time.tv_nsec / 1000000 < millis);
    return unused;
}
static void threads(void) {
    pthread_t all[64];
    for (int n = 0; n < amount; n++) MUST(pthread_create(&all[n], NULL, spin, NULL) == 0);
    for (int n = 0; n < amount; n++) MUST(pthread_join(all[n], NULL) == 0);
}
// All are there before one of them goes on.
static void children(void) {
    int ready[2], go[2];
    char byte;
    MUST(pipe(ready) == 0 && pipe(go) == 0);
    for (int n = 0; n < amount; n++) {
        int pid = fork();
        MUST(pid >= 0);
        if (pid == 0) {
            close(go[1]);
            MUST(write(ready[1], "x", 1) == 1 && read(go[0], &byte, 1) == 0);
            spin(NULL);
            _exit(0);
        }
    }
    for (int n = 0; n < amount; n++) MUST(read(ready[0], &byte, 1) == 1);
    close(go[1]);
    while (wait(NULL) > 0) {}
}
// Of those nobody but init waits, and each is still there when the program ends.
static void orphans(void) {
    int done[2];
    char byte;
    MUST(pipe(done) == 0);
    for (int n = 0; n < amount; n++) {
        if (fork() == 0) {
            if (fork() != 0) _exit(0);
            spin(NULL);
            MUST(write(done[1], "x", 1) == 1);
            for (;;) pause();
        }
        MUST(wait(NULL) > 0);
    }
    for (int n = 0; n < amount; n++) MUST(read(done[0], &byte, 1) == 1);
}
static void wait_idle(void) { usleep(amount * 1000); }
static void memory(void) {
    char *at = mmap(NULL, amount << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(at != MAP_FAILED);
    memset(at, 1, amount << 20);
}
static void move(void) {
    static char block[1000];
    int file = open("/tmp/moved", O_CREAT | O_RDWR | O_TRUNC, 0600);
    for (long n = 0; n < amount; n += sizeof block) MUST(write(file, block, sizeof block) == sizeof block);
    MUST(lseek(file, 0, SEEK_SET) == 0);
    while (read(file, block, sizeof block) > 0) {}
}

int main(int count, char **words) {
    static const struct { const char *name; void (*work)(void); } parts[] = {
        { "user", user }, { "system", system_time }, { "threads", threads }, { "children", children }, { "orphans", orphans },
        { "idle", wait_idle }, { "memory", memory }, { "move", move },
    };
    amount = count > 2 ? atol(words[2]) : 0;
    millis = count > 3 ? atol(words[3]) : 0;
    for (size_t at = 0; at < sizeof parts / sizeof *parts; at++)
        if (count > 1 && !strcmp(words[1], parts[at].name)) {
            parts[at].work();
            struct rusage own = used(RUSAGE_SELF), waited = used(RUSAGE_CHILDREN);
            char line[100];
            int length = snprintf(line, sizeof line, "%ld %ld %ld\n", micros(own.ru_utime) + micros(waited.ru_utime),
                                  micros(own.ru_stime) + micros(waited.ru_stime), own.ru_nivcsw + waited.ru_nivcsw);
            return write(1, line, length) == length ? 0 : 1;
        }
    return 2;
}
