// The load generator of the benchmarks: N callers, each of which waits for the reply to its call before it makes the next
// one, as callers of the bus do. One thread serves them all by epoll, so that hundreds of callers cost no switching
// between threads; it does nothing for a call but to send prepared bytes, to find the end of the reply, and to make sure
// that the reply is not an error.
//
//   load SOCKET QUEUE REQUESTS-FILE CALLERS CALLS
//
// REQUESTS-FILE holds requests one after another, each preceded by its length in four bytes, big-endian; the bytes
// "@@@@@@@@-@@@@-@@@@-@@@@-@@@@@@@@@@@@" in each are replaced by a reply address of the call's own. Callers take the
// requests in turn. Prints: calls per second, and the median, the 99th and the 99.9th percentile in microseconds, and the
// share of the time that this program was not waiting (in per cent): near 100 it is the bottleneck itself.

#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ADDRESS_LENGTH = 36 };

struct caller {
  int socket;
  uint64_t started;
  size_t received;
  char buffer[65536];
};

static struct {
  char **bytes;
  size_t *lengths;
  size_t count;
} requests;

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void read_requests(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path);
  unsigned char head[4];
  while (fread(head, 1, 4, file) == 4) {
    size_t length = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    char *bytes = malloc(length);
    if (!bytes || fread(bytes, 1, length, file) != length) fail(path);
    requests.bytes = realloc(requests.bytes, (requests.count + 1) * sizeof(char *));
    requests.lengths = realloc(requests.lengths, (requests.count + 1) * sizeof(size_t));
    requests.bytes[requests.count] = bytes;
    requests.lengths[requests.count++] = length;
  }
  fclose(file);
  if (!requests.count) fail("no requests");
}

// Pushes the next request and waits for its reply, in one write.
static void call(struct caller *caller, const char *queue, uint64_t number) {
  static char out[1 << 20];
  char address[ADDRESS_LENGTH + 1];
  snprintf(address, sizeof address, "%08x-0000-4000-8000-%012llx", (unsigned)getpid(), (unsigned long long)number);
  size_t index = number % requests.count;
  size_t length = requests.lengths[index];
  int n = snprintf(out, sizeof out, "*3\r\n$5\r\nRPUSH\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(queue), queue, length);
  char *request = out + n;
  memcpy(request, requests.bytes[index], length);
  char *end = request + length;
  for (char *at = request; (at = memchr(at, '@', (size_t)(end - at))); at += ADDRESS_LENGTH) {
    if (end - at < ADDRESS_LENGTH || at[1] != '@') { at -= ADDRESS_LENGTH - 1; continue; }
    memcpy(at, address, ADDRESS_LENGTH);
  }
  n = snprintf(end, 256, "\r\n*3\r\n$5\r\nBLPOP\r\n$%d\r\n%s\r\n$2\r\n60\r\n", ADDRESS_LENGTH, address);
  size_t total = (size_t)(end - out) + (size_t)n;
  caller->received = 0;
  caller->started = nanoseconds();
  if (write(caller->socket, out, total) != (ssize_t)total) fail("write");
}

// A reply whose two fields "Error" are nil.
static void check(const char *reply, size_t length) {
  const char *at = reply, *end = reply + length;
  for (int i = 0; i < 2; i++) {
    at = memmem(at, (size_t)(end - at), "\xa5" "Error\xc0", 7);
    if (!at) {
      fprintf(stderr, "a call failed: ");
      fwrite(reply, 1, length, stderr);
      exit(1);
    }
    at += 7;
  }
}

// Whether both replies are there: the list's length, and the array of its key and the reply.
static int is_complete(const struct caller *caller) {
  const char *at = caller->buffer, *end = at + caller->received;
  if (at < end && *at != ':') { fprintf(stderr, "refused: %.*s\n", (int)caller->received, at); exit(1); }
  if (!(at = memmem(at, (size_t)(end - at), "\r\n", 2))) return 0;
  at += 2;
  if (at < end && *at == '*' && end - at > 4 && at[1] == '-') { fprintf(stderr, "a call was not answered\n"); exit(1); }
  // *2 CRLF $36 CRLF key CRLF $length CRLF reply CRLF
  at += 4 + 5 + ADDRESS_LENGTH + 2;
  if (end - at < 4) return 0;
  const char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
  if (!line) return 0;
  long length = strtol(at + 1, NULL, 10);
  if (end - line - 2 < length + 2) return 0;
  check(line + 2, (size_t)length);
  return 1;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

int main(int count, char **arguments) {
  if (count != 6) {
    fprintf(stderr, "usage: load SOCKET QUEUE REQUESTS-FILE CALLERS CALLS\n");
    return 64;
  }
  const char *queue = arguments[2];
  read_requests(arguments[3]);
  size_t callers = strtoul(arguments[4], NULL, 10), calls = strtoul(arguments[5], NULL, 10);
  if (callers > calls) callers = calls;

  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, arguments[1], sizeof address.sun_path - 1);
  struct caller *all = calloc(callers, sizeof *all);
  uint64_t *took = malloc(calls * sizeof *took);
  int poll = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < callers; i++) {
    all[i].socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(all[i].socket, (struct sockaddr *)&address, sizeof address)) fail("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, all[i].socket, &event)) fail("epoll_ctl");
  }

  uint64_t begin = nanoseconds();
  size_t sent = 0, done = 0;
  while (sent < callers) {
    call(&all[sent], queue, sent);
    sent++;
  }
  while (done < calls) {
    struct epoll_event events[256];
    int ready = epoll_wait(poll, events, 256, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int i = 0; i < ready; i++) {
      struct caller *caller = events[i].data.ptr;
      ssize_t got =
          read(caller->socket, caller->buffer + caller->received, sizeof caller->buffer - caller->received);
      if (got <= 0) fail("read");
      caller->received += (size_t)got;
      if (!is_complete(caller)) continue;
      took[done++] = nanoseconds() - caller->started;
      if (sent < calls) {
        call(caller, queue, sent);
        sent++;
      }
    }
  }
  double seconds = (double)(nanoseconds() - begin) / 1e9;
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double busy = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  qsort(took, calls, sizeof *took, ascending);
  printf("%.0f %.1f %.1f %.1f %.0f\n", (double)calls / seconds, (double)took[calls / 2] / 1e3,
         (double)took[calls - 1 - calls / 100] / 1e3, (double)took[calls - 1 - calls / 1000] / 1e3,
         100 * busy / seconds);
  return 0;
}
