// What a hostile program tries, one attack each: `attack NAME [ARGUMENT...]`.
// Exit 0 and "breached" where it worked, 10 and "held: <errno>" where the system refused, 2 for an unknown name.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static char **arg;

static long number(int at) { return strtol(arg[at], NULL, 0); }

// A descriptor or a result: below zero is a refusal.
static int opened(int fd) { return fd < 0 ? -1 : 0; }

static int read_file(void) { char c; int fd = open(arg[0], O_RDONLY); return fd < 0 || read(fd, &c, 1) < 0 ? -1 : 0; }
// A masked file opens, and is empty.
static int read_content(void) {
    char c; int fd = open(arg[0], O_RDONLY);
    if (fd < 0) return -1;
    errno = ENODATA;
    return read(fd, &c, 1) == 1 ? 0 : -1;
}
static int open_for_writing(void) { return opened(open(arg[0], O_WRONLY)); }
static int create_file(void) { return opened(open(arg[0], O_WRONLY | O_CREAT, 0600)); }
static int empty_file(void) { return truncate(arg[0], 0); }
static int see_process(void) { return kill(number(0), 0); }

static int connect_tcp(void) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(number(1)) };
    inet_pton(AF_INET, arg[0], &to.sin_addr);
    return connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&to, sizeof to);
}
static int connect_abstract(void) {
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    strncpy(to.sun_path + 1, arg[0], sizeof to.sun_path - 2);
    return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&to, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(arg[0]));
}
static int shared_memory(void) { return opened(shmget(number(0), 1, 0)); }
static int keyring(void) { return opened(syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3 /* session */, 0)); }
static int add_key(void) { return opened(syscall(SYS_add_key, "user", "attack", "x", 1, -2 /* process */)); }
static int environment(void) { errno = ENOENT; return getenv(arg[0]) ? 0 : -1; }
static int descriptor(void) { return opened(openat(number(0), "etc", O_PATH)); }
static int host_name(void) { struct utsname u; uname(&u); errno = ENOENT; return strcmp(u.nodename, arg[0]) ? -1 : 0; }

static int memory(void) { char p[64]; snprintf(p, sizeof p, "/proc/%ld/mem", number(0)); return opened(open(p, O_RDWR)); }
static int executable(void) { char p[64], to[9]; snprintf(p, sizeof p, "/proc/%ld/exe", number(0)); return opened(readlink(p, to, 9)); }
static int command_line(void) { char p[64]; snprintf(p, sizeof p, "/proc/%ld/cmdline", number(0)); return opened(open(p, O_RDONLY)); }
static int trace(void) { return ptrace(PTRACE_SEIZE, number(0), 0, 0) ; }
static int read_process(void) {
    char c; struct iovec l = { &c, 1 }, r = { (void *)0x1000, 1 };
    long got = process_vm_readv(number(0), &l, 1, &r, 1, 0);
    return got == 1 || errno == EFAULT ? 0 : -1; // EFAULT: allowed, and nothing is mapped there
}
static int limit_process(void) { struct rlimit none = { 0, 0 }; return prlimit(number(0), RLIMIT_CORE, &none, NULL); }
// A limit of cores other than 1 lets the kernel start its core_pattern helper, as root. Four ways to set it, one
// with an address whose low half is zero.
static int core_limit(void) {
    struct rlimit zero = { 0, 0 }, now;
    setrlimit(RLIMIT_CORE, &zero);
    syscall(SYS_setrlimit, RLIMIT_CORE, &zero);
    struct rlimit *high = mmap((void *)(1L << 32), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (high != MAP_FAILED) syscall(SYS_prlimit64, 0, RLIMIT_CORE, high, NULL);
    prlimit(getpid(), RLIMIT_CORE, &zero, NULL);
    errno = EPERM;
    return getrlimit(RLIMIT_CORE, &now) == 0 && now.rlim_cur == 1 && now.rlim_max == 1 ? -1 : 0;
}
static int asynchronous(void) { unsigned long context = 0; return opened(syscall(SYS_io_setup, 1, &context)); }
// More signals than init can read.
static int flood(void) {
    for (int child = 0; child < 8 && fork() != 0;) child++;
    for (;;) for (int s = 1; s <= 64; s++) kill(1, s);
    return -1;
}
static int slow_process(void) { return setpriority(PRIO_PROCESS, number(0), 19); }
static int idle_process(void) { struct sched_param p = { 0 }; return sched_setscheduler(number(0), SCHED_IDLE, &p); }
static int slow_user(void) { return setpriority(PRIO_USER, 0, 19); }
static int signal_process(void) {
    int sent = -1;
    for (int s = 1; s <= 64; s++) if (s != SIGCHLD && kill(number(0), s) == 0) sent = 0;
    return sent;
}

static int become_root(void) { return setuid(0); }
static int mount_memory(void) { return mount("none", arg[0], "tmpfs", 0, NULL); }
static int new_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int clone_flags(long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    return pid < 0 ? -1 : (waitpid(pid, NULL, 0), 0);
}
static int clone_user_namespace(void) { return clone_flags(CLONE_NEWUSER); }
// The kernel ignores the upper half; a filter that compares 64 bits is passed.
static int clone_with_bit_32(void) { return clone_flags(CLONE_NEWUSER | 1L << 32); }
static int clone3_namespace(void) {
    uint64_t args[11] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };
    long pid = syscall(SYS_clone3, args, sizeof args);
    if (pid == 0) _exit(0);
    return pid < 0 ? -1 : (waitpid(pid, NULL, 0), 0);
}
static int enter_namespace(void) { return setns(open("/proc/self/ns/uts", O_RDONLY), 0); }
static int type_into_terminal(void) { char c = 'x'; return ioctl(0, TIOCSTI, &c); }
static int type_with_bit_32(void) { char c = 'x'; return syscall(SYS_ioctl, 0, 1L << 32 | TIOCSTI, &c); }
static int make_device(void) { return mknod(arg[0], S_IFCHR | 0600, makedev(1, 1)); }
static int open_device(void) { return opened(open(arg[0], O_RDONLY)); }
static int change_root(void) { return chroot("/"); }
static int no_randomisation(void) { return opened(personality(ADDR_NO_RANDOMIZE)); }

static int ring(void) { struct io_uring_params p = { 0 }; return opened(syscall(SYS_io_uring_setup, 1, &p)); }
static int fault_handler(void) { return opened(syscall(SYS_userfaultfd, 0)); }
static int counter(void) {
    struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof a, .config = PERF_COUNT_SW_CPU_CLOCK };
    return opened(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}
static int kernel_program(void) {
    union bpf_attr a = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
    return opened(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
}
static int open_by_handle(void) {
    struct { struct file_handle h; char room[128]; } f = { .h.handle_bytes = 128 };
    int mount_id;
    if (name_to_handle_at(AT_FDCWD, arg[0], &f.h, &mount_id, 0) < 0) return -1;
    return opened(open_by_handle_at(open(arg[0], O_RDONLY), &f.h, O_RDONLY));
}
static int packet_socket(void) { return opened(socket(AF_PACKET, SOCK_RAW, 0)); }
static int uevent_socket(void) { return opened(socket(AF_NETLINK, SOCK_RAW, 15)); }
static int x32_call(void) { syscall(0x40000000 | SYS_getpid); return -1; }
static int i386_call(void) {
#ifdef __x86_64__
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    errno = ENOSYS;
    return result > 0 ? 0 : -1;
#else
    errno = ENOSYS;
    return -1;
#endif
}

// The host's other processes, by the ways that are no signal and no trace.
static int process_file(const char *name, int flags) {
    char p[64]; snprintf(p, sizeof p, "/proc/%ld/%s", number(0), name);
    return opened(open(p, flags));
}
static int process_descriptor(void) { return process_file("fd/0", O_PATH); }
static int process_environment(void) { return process_file("environ", O_RDONLY); }
static int process_directory(void) { return process_file("cwd", O_PATH); }
static int process_root(void) { return process_file("root/etc", O_PATH); }
static int process_maps(void) { return process_file("maps", O_RDONLY); }
static int process_namespace(void) { return process_file("ns/mnt", O_RDONLY); }
static int take_descriptor(void) {
    int process = syscall(SYS_pidfd_open, number(0), 0);
    return process < 0 ? -1 : opened(syscall(SYS_pidfd_getfd, process, 0, 0));
}
static int compare_processes(void) { return opened(syscall(SYS_kcmp, getpid(), number(0), 0 /* KCMP_FILE */, 0, 0)); }
static int advise_process(void) {
    int process = syscall(SYS_pidfd_open, number(0), 0);
    struct iovec v = { (void *)0x1000, 4096 };
    if (process < 0) return -1;
    long done = syscall(SYS_process_madvise, process, &v, 1, 20 /* MADV_COLD */, 0);
    return done >= 0 || errno == ENOMEM ? 0 : -1; // ENOMEM: allowed, and nothing is mapped there
}
static int place_process(void) {
    cpu_set_t all; sched_getaffinity(0, sizeof all, &all);
    return sched_setaffinity(number(0), sizeof all, &all);
}
static int idle_io(void) { return syscall(SYS_ioprio_set, 1, number(0), 3 << 13); }
static int move_process_pages(void) { return syscall(SYS_move_pages, number(0), 0, NULL, NULL, NULL, 0); }

// The mount tree, by the calls that are not mount(2).
static int unmount_all(void) { return umount2("/proc", MNT_DETACH); }
static int pivot(void) { return syscall(SYS_pivot_root, ".", ".") == 0 || errno == EINVAL || errno == EBUSY ? 0 : -1; }
static int new_mount_namespace(void) { return unshare(CLONE_NEWNS); }
static int new_network(void) { return unshare(CLONE_NEWNET); }
static int new_file_system(void) { return opened(syscall(SYS_fsopen, "tmpfs", 0)); }
static int pick_file_system(void) { return opened(syscall(SYS_fspick, AT_FDCWD, "/", 0)); }
static int clone_tree(void) { return opened(syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */)); }
static int change_mount(void) { uint64_t none[4] = { 0 }; return syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, none, sizeof none); }
static int bind_mount(void) { return mount("/", arg[0], NULL, MS_BIND | MS_REC, NULL); }

// What is for the kernel's owner. Each is called so that it changes nothing, were it let through.
static int reached(long result) { return result >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS) ? 0 : -1; }
static int replace_kernel(void) { return reached(syscall(SYS_kexec_load, 0, 0, NULL, 0)); }
static int load_module(void) { return reached(syscall(SYS_init_module, "", 0, "")); }
static int load_module_file(void) { return reached(syscall(SYS_finit_module, -1, "", 0)); }
static int unload_module(void) { return reached(syscall(SYS_delete_module, "holdfast_no_such_module", O_NONBLOCK)); }
static int kernel_log(void) { return opened(syscall(SYS_syslog, 10 /* SIZE_BUFFER */, NULL, 0)); }
static int read_kernel_log(void) { return opened(open("/dev/kmsg", O_RDONLY | O_NONBLOCK)); }
static int swap_on(void) { return reached(syscall(SYS_swapon, "/holdfast-no-such-file", 0)); }
static int restart(void) { return reached(syscall(SYS_reboot, 0, 0, 0, 0)); }
static int set_clock(void) { return syscall(SYS_settimeofday, NULL, NULL); }
static int account(void) { return reached(syscall(SYS_acct, "/holdfast-no-such-file")); }
static int quotas(void) { return reached(syscall(SYS_quotactl, 0x80000100 /* Q_SYNC */, "/holdfast-no-such-device", 0, NULL)); }
static int watch_all(void) { return opened(syscall(SYS_fanotify_init, 0, O_RDONLY)); }
static int file_systems(void) { return reached(syscall(SYS_sysfs, 3)); }
static int request_key(void) { return reached(syscall(SYS_request_key, "user", "holdfast", NULL, 0)); }
static int memory_policy(void) { return reached(syscall(SYS_set_mempolicy, 0, NULL, 0)); }
static int rename_host(void) { struct utsname u; uname(&u); return sethostname(u.nodename, strlen(u.nodename)); }
static int quotas_by_descriptor(void) { return reached(syscall(SYS_quotactl_fd, -1, 0, 0, NULL)); }
static int free_memory(void) { return reached(syscall(SYS_process_mrelease, -1, 0)); }
#ifdef __x86_64__
static int io_ports(void) { return syscall(SYS_iopl, 3); }
static int io_port(void) { return syscall(SYS_ioperm, 0x80, 1, 1); }
static int descriptor_table(void) { char t[16]; return opened(syscall(SYS_modify_ldt, 0, t, sizeof t)); }
#endif
static int sockets(void) { return opened(socket(number(0), number(1), number(2))); }
static int raw_socket(void) { return opened(socket(AF_INET, SOCK_RAW, 1)); }
static int low_port(void) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(number(0)) };
    return bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&to, sizeof to);
}
static int raise_capabilities(void) { errno = EPERM; return prctl(PR_CAPBSET_READ, 21 /* SYS_ADMIN */, 0, 0, 0) == 1 ? 0 : -1; }
static int gain_privileges(void) { errno = EPERM; return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 0 : -1; }
static int give_away(void) { int fd = open(arg[0], O_CREAT | O_WRONLY, 0600); return fd < 0 ? -1 : fchown(fd, 12345, 12345); }

// How much can be had: `NAME ... AMOUNT` is breached where the whole amount is.
static int descriptors(void) { for (long n = number(0); n > 0; n--) if (dup(2) < 0) return -1; return 0; }
// Those that were made end with it: not every sandbox ends what a program leaves running.
static int processes(void) {
    static int made[4096];
    int count = 0, pid = 0, error;
    while (count < number(0) && count < 4096 && (pid = fork()) > 0) made[count++] = pid;
    if (pid == 0 && count < number(0)) { for (;;) pause(); }
    error = errno;
    for (int at = 0; at < count; at++) kill(made[at], SIGKILL);
    errno = error;
    return count == number(0) ? 0 : -1;
}
static int large_file(void) {
    signal(SIGXFSZ, SIG_IGN);
    int fd = open(arg[0], O_CREAT | O_WRONLY, 0600);
    return fd < 0 ? -1 : ftruncate(fd, number(1));
}
static int many_files(void) {
    char p[256];
    for (long n = number(1); n > 0; n--) {
        snprintf(p, sizeof p, "%s/%ld", arg[0], n);
        int fd = open(p, O_CREAT | O_WRONLY, 0600);
        if (fd < 0) return -1;
        close(fd);
    }
    return 0;
}
static int fill_file(void) {
    static char block[1 << 20];
    int fd = open(arg[0], O_CREAT | O_WRONLY, 0600);
    for (long n = number(1); n > 0; n--) { errno = ENOSPC; if (write(fd, block, sizeof block) != sizeof block) return -1; }
    return 0;
}
static int map_memory(void) {
    for (long n = number(0); n > 0; n--)
        if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) return -1;
    return 0;
}
static int lock_memory(void) {
    size_t size = number(0) << 20;
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : mlock(p, size);
}
static int real_time(void) { struct sched_param p = { 1 }; return sched_setscheduler(0, SCHED_FIFO, &p); }
static int be_first(void) { return setpriority(PRIO_PROCESS, 0, -20); }
static int many_namespaces(void) {
    if (unshare(CLONE_NEWUSER)) return -1;
    for (long i = 0; i < number(0); i++) if (unshare(CLONE_NEWUTS) || open("/proc/self/ns/uts", O_RDONLY) < 0) return -1;
    return 0;
}
// These end only by somebody else.
static int spin(void) { for (;;) __asm__ volatile(""); return 0; }
static int ignore_all(void) { for (int s = 1; s <= 64; s++) signal(s, SIG_IGN); for (;;) pause(); return 0; }
static int stop_itself(void) { raise(SIGSTOP); return 0; }

// Not an attack: a kernel without one call, or without one flag of it (where the argument's low half, masked, has a value).
// `without NUMBER ERRNO ARGUMENT MASK VALUE PROGRAM WORD...`
static int without(void) {
    struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number(0), 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * number(2)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, number(3)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number(4), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | number(1)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = { sizeof f / sizeof *f, f };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p)) return -1;
    return execvp(arg[5], arg + 5);
}

// Opens another process's binary, ends the process, and writes to the binary as soon as nobody executes it.
static int overwrite_executable(void) {
    char p[64];
    snprintf(p, sizeof p, "/proc/%ld/exe", number(0));
    int seen = open(p, O_RDONLY), fd;
    if (seen < 0) return -1;
    fchmod(seen, 0777);
    kill(number(0), SIGKILL);
    snprintf(p, sizeof p, "/proc/self/fd/%d", seen);
    while ((fd = open(p, O_WRONLY)) < 0 && errno == ETXTBSY) usleep(1000);
    return fd < 0 || pwrite(fd, "breached", 8, 0) != 8 ? -1 : 0;
}

static const struct { const char *name; int (*run)(void); } attacks[] = {
    { "read", read_file }, { "content", read_content }, { "write", open_for_writing }, { "create", create_file },
    { "truncate", empty_file }, { "see", see_process }, { "tcp", connect_tcp }, { "abstract", connect_abstract }, { "shm", shared_memory },
    { "keyring", keyring }, { "add-key", add_key }, { "env", environment }, { "fd", descriptor }, { "host-name", host_name },
    { "mem", memory }, { "exe", executable }, { "cmdline", command_line }, { "ptrace", trace },
    { "process-vm", read_process }, { "prlimit", limit_process }, { "renice", slow_process }, { "idle", idle_process },
    { "renice-user", slow_user }, { "signal", signal_process }, { "setuid", become_root }, { "mount", mount_memory },
    { "userns", new_user_namespace }, { "clone-userns", clone_user_namespace }, { "clone-bit-32", clone_with_bit_32 },
    { "clone3", clone3_namespace }, { "setns", enter_namespace }, { "tiocsti", type_into_terminal },
    { "tiocsti-bit-32", type_with_bit_32 }, { "mknod", make_device }, { "device", open_device }, { "chroot", change_root },
    { "personality", no_randomisation }, { "io-uring", ring }, { "userfaultfd", fault_handler }, { "perf", counter },
    { "bpf", kernel_program }, { "handle", open_by_handle }, { "packet", packet_socket }, { "uevent", uevent_socket },
    { "x32", x32_call }, { "i386", i386_call }, { "core-limit", core_limit }, { "aio", asynchronous }, { "flood", flood },
    { "without", without }, { "pause", pause },
    { "process-fd", process_descriptor }, { "process-environ", process_environment }, { "process-cwd", process_directory },
    { "process-root", process_root }, { "process-maps", process_maps }, { "process-ns", process_namespace },
    { "pidfd-getfd", take_descriptor }, { "kcmp", compare_processes }, { "process-madvise", advise_process },
    { "affinity", place_process }, { "ioprio", idle_io }, { "move-pages", move_process_pages },
    { "umount", unmount_all }, { "pivot-root", pivot }, { "unshare-mount", new_mount_namespace }, { "unshare-net", new_network },
    { "fsopen", new_file_system }, { "fspick", pick_file_system }, { "open-tree", clone_tree }, { "mount-setattr", change_mount },
    { "bind-mount", bind_mount },
    { "kexec", replace_kernel }, { "init-module", load_module }, { "finit-module", load_module_file },
    { "delete-module", unload_module }, { "syslog", kernel_log }, { "kmsg", read_kernel_log }, { "swapon", swap_on },
    { "reboot", restart }, { "settime", set_clock }, { "acct", account }, { "quotactl", quotas }, { "fanotify", watch_all },
    { "sysfs", file_systems }, { "request-key", request_key }, { "mempolicy", memory_policy }, { "sethostname", rename_host },
    { "quotactl-fd", quotas_by_descriptor }, { "mrelease", free_memory },
#ifdef __x86_64__
    { "iopl", io_ports }, { "ioperm", io_port }, { "modify-ldt", descriptor_table },
#endif
    { "socket", sockets }, { "raw", raw_socket }, { "low-port", low_port }, { "bounding-set", raise_capabilities },
    { "new-privs", gain_privileges }, { "chown", give_away },
    { "descriptors", descriptors }, { "processes", processes }, { "large-file", large_file }, { "many-files", many_files },
    { "fill", fill_file }, { "map", map_memory }, { "mlock", lock_memory }, { "real-time", real_time }, { "nice", be_first },
    { "many-namespaces", many_namespaces },
    { "overwrite-exe", overwrite_executable }, { "spin", spin }, { "ignore", ignore_all }, { "stop", stop_itself },
};

int main(int argc, char **argv) {
    arg = argv + 2;
    for (size_t at = 0; argc > 1 && at < sizeof attacks / sizeof *attacks; at++) {
        if (strcmp(attacks[at].name, argv[1])) continue;
        errno = 0;
        if (attacks[at].run() == 0) return puts("breached"), 0;
        return printf("held: %s\n", strerrorname_np(errno)), 10;
    }
    return 2;
}
