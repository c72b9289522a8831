// What ordinary programs ask of a kernel, one part each; prints the name of each part that works. A part that doesn't says where.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(what) do { if (!(what)) { fprintf(stderr, "line %d: %s: %s\n", __LINE__, #what, strerror(errno)); exit(1); } } while (0)

static volatile sig_atomic_t heard;
static void hear(int signal) { (void)signal; heard++; }

static void *add(void *sum) { for (int n = 0; n < 1000; n++) __atomic_add_fetch((long *)sum, 1, __ATOMIC_RELAXED); return NULL; }
static void threads(void) {
    pthread_t all[8];
    long sum = 0;
    for (int n = 0; n < 8; n++) MUST(pthread_create(&all[n], NULL, add, &sum) == 0);
    for (int n = 0; n < 8; n++) MUST(pthread_join(all[n], NULL) == 0);
    MUST(sum == 8000);
}

static void timers(void) {
    struct sigaction action = { .sa_handler = hear };
    sigset_t alarm, old;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    MUST(sigaction(SIGALRM, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &alarm, &old) == 0);
    struct itimerval soon = { .it_value.tv_usec = 1000 };
    MUST(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    while (!heard) sigsuspend(&old);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    struct itimerspec then = { .it_value.tv_nsec = 1000000 };
    timer_t timer;
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &then, NULL) == 0);
    while (heard < 2) sigsuspend(&old);
    MUST(timer_delete(timer) == 0 && sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    uint64_t times;
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    MUST(fd >= 0 && timerfd_settime(fd, 0, &then, NULL) == 0 && read(fd, &times, 8) == 8 && times >= 1);
    struct timespec now;
    for (int clock = CLOCK_REALTIME; clock <= CLOCK_BOOTTIME; clock++) MUST(clock_gettime(clock, &now) == 0);
    MUST(clock_nanosleep(CLOCK_MONOTONIC, 0, &then.it_value, NULL) == 0);
}

static void descriptors(void) {
    int pair[2], events = eventfd(0, EFD_NONBLOCK), poller = epoll_create1(0);
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && events >= 0 && poller >= 0);
    struct epoll_event one = { .events = EPOLLIN | EPOLLET, .data.fd = pair[0] }, got;
    MUST(epoll_ctl(poller, EPOLL_CTL_ADD, pair[0], &one) == 0 && write(pair[1], "x", 1) == 1);
    MUST(epoll_wait(poller, &got, 1, -1) == 1 && got.data.fd == pair[0]);
    one.data.fd = events;
    MUST(epoll_ctl(poller, EPOLL_CTL_ADD, events, &one) == 0 && eventfd_write(events, 7) == 0);
    struct timespec forever = { .tv_sec = 1000 };
    MUST(syscall(SYS_epoll_pwait2, poller, &got, 1, &forever, NULL, 0) == 1 && got.data.fd == events);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(events, &set);
    MUST(select(events + 1, &set, NULL, NULL, NULL) == 1);
    sigset_t user;
    sigemptyset(&user);
    sigaddset(&user, SIGUSR1);
    MUST(sigprocmask(SIG_BLOCK, &user, NULL) == 0);
    struct signalfd_siginfo info;
    int signals = signalfd(-1, &user, 0);
    MUST(signals >= 0 && raise(SIGUSR1) == 0 && read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1);
    int watch = inotify_init1(0);
    char event[512];
    MUST(watch >= 0 && inotify_add_watch(watch, "/tmp", IN_CREATE) >= 0);
    int file = open("/tmp/watched", O_CREAT | O_RDWR, 0600);
    MUST(file >= 0 && unlink("/tmp/watched") == 0 && read(watch, event, sizeof event) > 0);
    MUST(flock(file, LOCK_EX) == 0 && posix_fallocate(file, 0, 4096) == 0 && copy_file_range(file, NULL, file, &(off_t){ 4096 }, 100, 0) == 100);
}

static void shared_memory(void) {
    int fd = shm_open("/part", O_CREAT | O_RDWR, 0600);
    MUST(fd >= 0 && ftruncate(fd, 4096) == 0);
    int *posix = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    int *system_v = shmat(id, NULL, 0), anonymous = memfd_create("part", MFD_ALLOW_SEALING);
    sem_t *done = sem_open("/done", O_CREAT, 0600, 0);
    MUST(posix != MAP_FAILED && id >= 0 && system_v != (void *)-1 && done != SEM_FAILED && ftruncate(anonymous, 1) == 0);
    int semaphores = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600), queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    MUST(semaphores >= 0 && queue >= 0);
    struct { long kind; char text[8]; } message = { 1, "message" };
    if (fork() == 0) {
        *posix = 1, *system_v = 2;
        MUST(msgsnd(queue, &message, sizeof message.text, 0) == 0 && semop(semaphores, &(struct sembuf){ 0, 1, 0 }, 1) == 0);
        _exit(sem_post(done));
    }
    MUST(msgrcv(queue, &message, sizeof message.text, 0, 0) == sizeof message.text);
    MUST(semop(semaphores, &(struct sembuf){ 0, -1, 0 }, 1) == 0 && sem_wait(done) == 0);
    int status;
    MUST(wait(&status) > 0 && status == 0 && *posix == 1 && *system_v == 2);
    MUST(shmctl(id, IPC_RMID, NULL) == 0 && shm_unlink("/part") == 0 && sem_unlink("/done") == 0);
}

static void processes(void) {
    char line[16] = "";
    FILE *from = popen("echo a | tr a b", "r");
    MUST(from && fgets(line, sizeof line, from) && !strcmp(line, "b\n") && pclose(from) == 0);
    MUST(system("exit 3") == 3 << 8);
    int pid = vfork();
    if (pid == 0) { execlp("true", "true", NULL); _exit(1); }
    int status, process = syscall(SYS_pidfd_open, pid, 0);
    MUST(process >= 0 && waitid(P_PIDFD, process, &(siginfo_t){ 0 }, WEXITED) == 0);
    pid = fork();
    if (pid == 0) { pause(); _exit(0); }
    MUST(kill(pid, SIGSTOP) == 0 && waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    MUST(kill(pid, SIGCONT) == 0 && kill(pid, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);
}

// As Go's runtime does it: threads by clone, each with a signal stack, preempted by SIGURG; a reserved address space
// that is used bit by bit.
static void *preempted(void *tid) {
    static _Thread_local char room[65536];
    stack_t own = { .ss_sp = room, .ss_size = sizeof room };
    MUST(sigaltstack(&own, NULL) == 0);
    __atomic_store_n((int *)tid, gettid(), __ATOMIC_RELEASE);
    while (heard < 3) sched_yield();
    return NULL;
}
static void runtime(void) {
    char *arena = mmap((void *)0xc000000000, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(arena != MAP_FAILED && mmap(arena, 4 << 20, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == arena);
    memset(arena, 1, 4 << 20);
    MUST(madvise(arena, 4 << 20, MADV_DONTNEED) == 0 && madvise(arena, 4 << 20, MADV_HUGEPAGE) == 0 && *arena == 0);
    struct sigaction action = { .sa_handler = hear, .sa_flags = SA_ONSTACK | SA_RESTART };
    cpu_set_t cpus;
    int tid = 0;
    pthread_t thread;
    heard = 2;
    MUST(sigaction(SIGURG, &action, NULL) == 0 && sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    MUST(pthread_create(&thread, NULL, preempted, &tid) == 0);
    while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE)) sched_yield();
    MUST(tgkill(getpid(), tid, SIGURG) == 0 && pthread_join(thread, NULL) == 0);
}

int main(void) {
    static const struct { const char *name; void (*works)(void); } parts[] = {
        { "threads", threads }, { "timers", timers }, { "descriptors", descriptors },
        { "shared-memory", shared_memory }, { "processes", processes }, { "runtime", runtime },
    };
    for (size_t at = 0; at < sizeof parts / sizeof *parts; at++) {
        parts[at].works();
        printf("%s ", parts[at].name);
        fflush(stdout);
    }
    return 0;
}
