/* The floor: what the kernel alone takes for a container of the same namespaces and mounts, in the shortest C there is.
 * floor ROOT N: N times clone3, mounts, pivot_root, execve of ROOT's /bin/true, wait. Prints milliseconds, one a line. */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) { perror(what); _exit(1); }
static void mount_or_die(const char *what, const char *where, const char *type, unsigned long flags, const char *data) {
  if (mount(what, where, type, flags, data)) die(where);
}

static void child(const char *root) {
  mount_or_die(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  mount_or_die(root, root, 0, MS_BIND | MS_REC, 0);
  if (chdir(root)) die(root);
  mount_or_die("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  mount_or_die("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k");
  const char *names[] = { "dev/null", "dev/zero", "dev/full", "dev/random", "dev/urandom" };
  int minors[] = { 3, 5, 7, 8, 9 };
  for (int i = 0; i < 5; i++) mknod(names[i], S_IFCHR | 0666, makedev(1, minors[i]));
  mkdir("dev/pts", 0755); mkdir("dev/shm", 0755); mkdir("dev/mqueue", 0755);
  mount_or_die("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_or_die("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777,size=65536k");
  mount_or_die("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  mount_or_die("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  const char *readonly[] = { "proc/bus", "proc/fs", "proc/irq", "proc/sys" };
  for (int i = 0; i < 4; i++) {
    mount(readonly[i], readonly[i], 0, MS_BIND | MS_REC, 0);
    mount(0, readonly[i], 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
  }
  const char *masked[] = { "proc/interrupts", "proc/keys", "proc/timer_list", "proc/kcore" };
  for (int i = 0; i < 4; i++) mount("dev/null", masked[i], 0, MS_BIND, 0);
  mount("masked", "proc/acpi", "tmpfs", MS_RDONLY, 0);
  mount("masked", "sys/firmware", "tmpfs", MS_RDONLY, 0);
  if (syscall(SYS_pivot_root, ".", ".")) die("pivot_root");
  umount2(".", MNT_DETACH);
  if (chdir("/")) die("/");
  execl("/bin/true", "true", (char *)0);
  die("/bin/true");
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  for (int i = atoi(argv[2]); i > 0; i--) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    struct clone_args args = { .flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP, .exit_signal = SIGCHLD };
    int pid = syscall(SYS_clone3, &args, sizeof args), status;
    if (pid == 0) child(argv[1]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) return 1;
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%.4f\n", (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
  }
  return 0;
}
