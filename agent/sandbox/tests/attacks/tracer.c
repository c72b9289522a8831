// Kills one process of a family at its Nth system call: `tracer WHICH N COMMAND...`. With `hold` before them it stops it after
// that call instead, lets go of it and prints its process id. WHICH counts processes as they come: 0
// is the command, 1 its first child. Exit 0 where it was killed and nothing is left of the family, 1 where it made fewer
// calls, 3 where something lives on ten seconds after the kill.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 16 };

static pid_t family[MOST];
static int members;

static int member(pid_t pid) {
    for (int at = 0; at < members; at++)
        if (family[at] == pid) return at;
    if (members == MOST) return MOST;
    family[members] = pid;
    return members++;
}

static void something_lives(int signal) {
    (void)signal;
    static const char text[] = "tracer: something of the family lives on\n";
    if (write(2, text, sizeof text - 1) < 0) _exit(4);
    // Not to leave it.
    for (int at = 0; at < members; at++) kill(family[at], SIGKILL);
    _exit(3);
}

int main(int argc, char **argv) {
    int hold = argc > 1 && !strcmp(argv[1], "hold");
    argc -= hold;
    argv += hold;
    if (argc < 4) return 2;
    int which = atoi(argv[1]), status, killed = 0, inside = 0;
    long left = atol(argv[2]);
    signal(SIGALRM, something_lives);
    pid_t command = fork();
    if (command == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP)) _exit(126);
        execv(argv[3], argv + 3);
        _exit(127);
    }
    if (waitpid(command, &status, 0) != command || !WIFSTOPPED(status)) return 2;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    if (ptrace(PTRACE_SETOPTIONS, command, 0, options)) return 2;
    member(command);
    ptrace(PTRACE_SYSCALL, command, 0, 0);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) continue;
        int at = member(pid), signal = WSTOPSIG(status);
        if (status >> 16) {
            unsigned long child;
            if (!ptrace(PTRACE_GETEVENTMSG, pid, 0, &child)) member((pid_t)child);
            signal = 0;
        } else if (signal == (SIGTRAP | 0x80)) {
            signal = 0;
            // Every other stop is a call's end.
            if (hold && at == which && !killed && (inside = !inside) && --left == 0) {
                killed = 1;
                kill(pid, SIGSTOP);
                printf("%d\n", pid);
                fflush(stdout);
                ptrace(PTRACE_DETACH, pid, 0, 0);
                continue;
            }
            if (!hold && at == which && !killed && (inside = !inside) && --left == 0) {
                kill(pid, SIGKILL);
                killed = 1;
                alarm(10);
            }
        } else if (signal == SIGTRAP || (signal == SIGSTOP && at != 0)) {
            // An exec, or a new member's first stop.
            signal = 0;
        }
        ptrace(killed ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, signal);
    }
    return killed ? 0 : 1;
}
