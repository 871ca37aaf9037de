// The floor of a scrape's parse: one loop that looks at every byte of a file, in memory.
//
//   bytes FILE TIMES
//
// Prints megabytes (10^6 bytes) a second, and the lines counted.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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
  if (count != 3) {
    fprintf(stderr, "usage: bytes FILE TIMES\n");
    return 64;
  }
  FILE *file = fopen(arguments[1], "rb");
  if (!file || fseek(file, 0, SEEK_END)) fail(arguments[1]);
  size_t length = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(length);
  if (!bytes || fread(bytes, 1, length, file) != length) fail(arguments[1]);

  int times = atoi(arguments[2]);
  size_t lines = 0;
  double begin = seconds();
  for (int i = 0; i < times; i++) {
    for (size_t at = 0; at < length; at++) lines += bytes[at] == '\n';
    // Each time anew.
    __asm__ volatile("" : "+r"(bytes), "+r"(lines) : : "memory");
  }
  printf("%.1f %zu\n", (double)length * times / 1e6 / (seconds() - begin), lines / (size_t)times);
  return 0;
}
