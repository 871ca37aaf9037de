// The floor of a route set: the system calls that put files into a directory in batches, each of which is durable before
// the next one begins, and nothing else. A batch is written to staging and synced by one syncfs(2), then renamed, and then
// the names are synced. (One fsync(2) a file instead takes several times as long.)
//
//   batches DIRECTORY FILES BATCH
//
// Makes DIRECTORY/staging and DIRECTORY/proxy. Prints files per second.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// As many bytes as a route file has, and of the same kind.
static const char content[] =
    "http:\n  routers:\n    0-00000-bench-route:\n      rule: Host(`w00000.bench.example.test`)\n      service: 0-00000-bench\n"
    "      tls:\n        certResolver: dnsresolver\n        domains:\n        - sans:\n          - '*.bench.example.test'\n"
    "      middlewares:\n      - 0-00000-bench-forwarded\n"
    "  services:\n    0-00000-bench:\n      loadbalancer:\n        servers:\n        - url: http://10.1.2.3:9000\n"
    "  middlewares:\n    0-00000-bench-forwarded:\n      headers:\n        customRequestHeaders:\n          Forwarded: \"\"\n";

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: batches DIRECTORY FILES BATCH\n");
    return 64;
  }
  if (chdir(arguments[1])) fail(arguments[1]);
  if (mkdir("staging", 0755) || mkdir("proxy", 0755)) fail("mkdir");
  int files = atoi(arguments[2]), batch = atoi(arguments[3]);
  int proxy = open("proxy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (proxy < 0) fail("proxy");

  char staged[64], route[64];
  double begin = seconds();
  for (int first = 0; first < files; first += batch) {
    int end = first + batch < files ? first + batch : files;
    for (int i = first; i < end; i++) {
      snprintf(staged, sizeof staged, "staging/0-%05d-bench.yaml", i);
      int file = open(staged, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
      if (file < 0 || write(file, content, sizeof content - 1) != sizeof content - 1) fail(staged);
      close(file);
    }
    if (syncfs(proxy)) fail("syncfs");
    for (int i = first; i < end; i++) {
      snprintf(staged, sizeof staged, "staging/0-%05d-bench.yaml", i);
      snprintf(route, sizeof route, "proxy/0-%05d-bench.yaml", i);
      if (rename(staged, route)) fail(route);
    }
    if (fsync(proxy)) fail("fsync");
  }
  printf("%.0f\n", files / (seconds() - begin));
  return 0;
}
