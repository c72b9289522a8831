/*
 * The floor: what the kernel itself takes for a process in namespaces of its own. One clone3 into all of them, the id
 * maps, one bind mount, a proc mount, pivot_root, exec; no protection, no init, no limit, no result.
 *
 *   floor once ROOT PROGRAM    a process that does it once, and exits as the program does
 *   floor serve ROOT PROGRAM   for each byte on standard input once, answered by a byte: the exit status
 *
 * ROOT is a directory that has PROGRAM, what it is linked to, and an empty /proc.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As many ids as a sandbox has. */
#define MAP "0 1879048192 65536\n"

static void fail(const char *what)
{
	perror(what);
	_exit(125);
}

static void inside(int mapped, const char *root, const char *program)
{
	char byte;
	if (read(mapped, &byte, 1) != 1)
		_exit(125);
	if (syscall(SYS_setresgid, 0, 0, 0) || syscall(SYS_setresuid, 0, 0, 0))
		fail("setresuid");
	if (mount(root, root, NULL, MS_BIND, NULL) || chdir(root))
		fail("bind");
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		fail("proc");
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		fail("pivot_root");
	char *arguments[] = { (char *)program, NULL }, *environment[] = { NULL };
	execve(program, arguments, environment);
	fail(program);
}

static void write_map(int pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, MAP, strlen(MAP)) < 0)
		fail(path);
	close(fd);
}

static int run(const char *root, const char *program)
{
	int mapped[2], status;
	if (pipe2(mapped, O_CLOEXEC))
		fail("pipe2");
	struct clone_args arguments = {
		.flags = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	int pid = syscall(SYS_clone3, &arguments, sizeof arguments);
	if (pid < 0)
		fail("clone3");
	if (pid == 0)
		inside(mapped[0], root, program);
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	if (write(mapped[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	close(mapped[0]);
	close(mapped[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **words)
{
	char byte;
	if (count == 4 && !strcmp(words[1], "once"))
		return run(words[2], words[3]);
	if (count != 4 || strcmp(words[1], "serve"))
		return 125;
	while (read(0, &byte, 1) == 1) {
		byte = run(words[2], words[3]);
		if (write(1, &byte, 1) != 1)
			return 125;
	}
	return 0;
}
