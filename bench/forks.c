/* forks N KIND: N times fork and wait, the child leaves at once (KIND "exit") or executes /bin/true ("exec": this file
 * itself with no argument). Prints the median microseconds of one: the middle is not moved by what else the machine does. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  if (argc == 1) return 0;
  if (argc != 3) return 2;
  int n = atoi(argv[1]), execs = !strcmp(argv[2], "exec");
  // On one CPU: where the scheduler puts the child would otherwise be most of what is measured.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  double *times = calloc(n, sizeof *times);
  for (int i = 0; i < n; i++) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    int pid = fork(), status;
    if (pid == 0) {
      if (execs) execl(argv[0], argv[0], (char *)0);
      _exit(execs);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) return 1;
    clock_gettime(CLOCK_MONOTONIC, &b);
    times[i] = (b.tv_sec - a.tv_sec) * 1e6 + (b.tv_nsec - a.tv_nsec) / 1e3;
  }
  qsort(times, n, sizeof *times, by_size);
  printf("%.3f\n", times[n / 2]);
  return 0;
}
