// The load generator of scripts/relay-bench: both what opens connections and what they lead to, so that nothing but the relay that
// is measured lies between. Each of the two is a thread with epoll, so that the two of them can use two cores; what is sent is the
// same buffer again and again, and what comes is read into one and forgotten.
//
//   streams bytes LISTEN TARGETS CONNECTIONS SECONDS up|down    bytes to what they lead to, or from there
//   streams connections LISTEN TARGETS CALLERS SECONDS          new ones, each with one small request and its answer
//   streams idle LISTEN TARGETS CONNECTIONS                     as many that are open after one request and its answer
//
// LISTEN is IP:PORT, where connections arrive; TARGETS is IP:PORT,..., where they are opened, in turn. The first two print how many
// bytes or connections there were a second, how many in all, and how busy each of the two threads was (in per cent). The third
// prints "open" once all are, and closes them at the end of its standard input. The status is 1 when a connection fails.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  // Of one read or write.
  CHUNK = 128 << 10,
  // Of a request, and of its answer.
  MESSAGE = 64,
  // How many idle connections are being opened at the same time.
  OPENING = 64,
  WARM_UP_MILLISECONDS = 500,
};

enum step { CONNECTING, ASKING, POURING, DRAINING, RESTING };

struct connection {
  int socket;
  enum step step;
  // Of the request, or of its answer, in bytes.
  size_t done;
};

static struct {
  enum { BYTES, CONNECTIONS, IDLE } mode;
  bool is_down;
  size_t count;
  struct sockaddr_in targets[64];
  size_t target_count;
} options;

static atomic_ullong moved, answered;
static size_t opened;
static __thread char buffer[CHUNK];

_Noreturn static void fail(const char *what) {
  perror(what);
  _exit(1);
}

_Noreturn static void die(const char *what) {
  fprintf(stderr, "%s\n", what);
  _exit(1);
}

static uint64_t nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void watch(int poll, struct connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(poll, operation, connection->socket, &event)) fail("epoll_ctl");
}

static void end(struct connection *connection) {
  close(connection->socket);
  free(connection);
}

// What both sides do with a stream's bytes.

static void pour(struct connection *connection) {
  if (send(connection->socket, buffer, CHUNK, MSG_NOSIGNAL) < 0 && errno != EAGAIN) fail("send");
}

static void drain(struct connection *connection) {
  ssize_t count = recv(connection->socket, buffer, CHUNK, 0);
  if (!count) die("a stream ended");
  if (count < 0 && errno != EAGAIN) fail("recv");
  if (count > 0) atomic_fetch_add_explicit(&moved, (unsigned long long)count, memory_order_relaxed);
}

// Reads what is there of a request or its answer: whether there is no more.
static bool take_message(struct connection *connection) {
  while (true) {
    ssize_t count = recv(connection->socket, buffer, MESSAGE + 1, 0);
    if (count < 0 && errno == EAGAIN) return false;
    if (count < 0) fail("recv");
    if (!count) return true;
    connection->done += (size_t)count;
    if (connection->done > MESSAGE) die("more came than was sent");
  }
}

static void send_message(struct connection *connection) {
  if (send(connection->socket, buffer, MESSAGE, MSG_NOSIGNAL) != MESSAGE) fail("send");
}

// Where connections arrive.

static void accept_all(int poll, int listener) {
  int socket;
  while ((socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct connection *connection = calloc(1, sizeof *connection);
    connection->socket = socket;
    connection->step = options.mode == BYTES && !options.is_down ? DRAINING : ASKING;
    watch(poll, connection, EPOLL_CTL_ADD, EPOLLIN);
  }
  if (errno != EAGAIN && errno != ECONNABORTED) fail("accept4");
}

static void serve_one(int poll, struct connection *connection) {
  switch (connection->step) {
    case ASKING: {
      bool is_over = take_message(connection);
      if (connection->done < MESSAGE) {
        // Somebody only looked whether there is anything.
        if (is_over) end(connection);
        return;
      }
      switch (options.mode) {
        case BYTES:
          connection->step = POURING;
          watch(poll, connection, EPOLL_CTL_MOD, EPOLLOUT);
          return;
        case CONNECTIONS:
          send_message(connection);
          end(connection);
          return;
        case IDLE:
          send_message(connection);
          connection->step = RESTING;
          return;
      }
      return;
    }
    case POURING: pour(connection); return;
    case DRAINING: drain(connection); return;
    default: die("an idle connection ended");
  }
}

static void *serve(void *argument) {
  int listener = *(int *)argument, poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event events[256], first = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(poll, EPOLL_CTL_ADD, listener, &first)) fail("epoll_ctl");
  while (true) {
    int count = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr) serve_one(poll, events[i].data.ptr);
      else accept_all(poll, listener);
    }
  }
  return NULL;
}

// Where they are opened.

static void open_one(int poll) {
  struct connection *connection = calloc(1, sizeof *connection);
  connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (connection->socket < 0) fail("socket");
  const struct sockaddr_in *target = &options.targets[opened++ % options.target_count];
  if (connect(connection->socket, (const struct sockaddr *)target, sizeof *target) && errno != EINPROGRESS) fail("connect");
  watch(poll, connection, EPOLL_CTL_ADD, EPOLLOUT);
}

static void call_one(int poll, struct connection *connection) {
  switch (connection->step) {
    case CONNECTING:
      send_message(connection);
      if (options.mode == BYTES && !options.is_down) {
        connection->step = POURING;
        return;
      }
      connection->step = options.mode == BYTES ? DRAINING : ASKING;
      watch(poll, connection, EPOLL_CTL_MOD, EPOLLIN);
      return;
    case ASKING: {
      bool is_over = take_message(connection);
      if (is_over && connection->done < MESSAGE) die("a connection ended without its answer");
      if (options.mode == CONNECTIONS) {
        if (!is_over) return;
        end(connection);
        atomic_fetch_add_explicit(&answered, 1, memory_order_relaxed);
        open_one(poll);
      } else if (connection->done == MESSAGE) {
        connection->step = RESTING;
        atomic_fetch_add_explicit(&answered, 1, memory_order_relaxed);
        if (opened < options.count) open_one(poll);
        else if (answered == options.count) {
          puts("open");
          fflush(stdout);
        }
      }
      return;
    }
    case POURING: pour(connection); return;
    case DRAINING: drain(connection); return;
    default: die("an idle connection ended");
  }
}

static void *call(void *argument) {
  (void)argument;
  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event events[256];
  size_t at_once = options.mode == IDLE && options.count > OPENING ? OPENING : options.count;
  while (opened < at_once) open_one(poll);
  while (true) {
    int count = epoll_wait(poll, events, 256, -1);
    for (int i = 0; i < count; i++) call_one(poll, events[i].data.ptr);
  }
  return NULL;
}

// All of it.

static struct sockaddr_in address(const char *text) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  const char *colon = strchr(text, ':');
  char host[32] = {0};
  if (!colon || colon - text >= (ptrdiff_t)sizeof host) die("an address is IP:PORT");
  memcpy(host, text, (size_t)(colon - text));
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("an address is IP:PORT");
  address.sin_port = htons((uint16_t)atoi(colon + 1));
  return address;
}

static int listen_at(const char *text) {
  struct sockaddr_in here = address(text);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096)) fail("listen");
  return listener;
}

int main(int count, char **arguments) {
  static const char *modes[] = {"bytes", "connections", "idle"};
  static const int counts[] = {7, 6, 5};
  for (options.mode = BYTES; count > 1 && options.mode <= IDLE; options.mode++) {
    if (!strcmp(arguments[1], modes[options.mode])) break;
  }
  if (count < 2 || options.mode > IDLE || count != counts[options.mode]) {
    die("usage: streams bytes|connections|idle LISTEN TARGETS COUNT [SECONDS [up|down]]");
  }
  int listener = listen_at(arguments[2]);
  for (char *rest = arguments[3], *one; (one = strsep(&rest, ",")) && options.target_count < 64;) {
    options.targets[options.target_count++] = address(one);
  }
  options.count = strtoul(arguments[4], NULL, 10);
  double seconds = count > 5 ? strtod(arguments[5], NULL) : 0;
  options.is_down = count > 6 && !strcmp(arguments[6], "down");

  pthread_t threads[2];
  clockid_t clocks[2];
  pthread_create(&threads[0], NULL, call, NULL);
  pthread_create(&threads[1], NULL, serve, &listener);
  if (options.mode == IDLE) {
    while (read(0, buffer, sizeof buffer) > 0) {}
    return 0;
  }
  atomic_ullong *counter = options.mode == BYTES ? &moved : &answered;
  usleep(WARM_UP_MILLISECONDS * 1000);
  uint64_t busy[2], begin = nanoseconds(CLOCK_MONOTONIC);
  unsigned long long before = *counter;
  for (int i = 0; i < 2; i++) {
    pthread_getcpuclockid(threads[i], &clocks[i]);
    busy[i] = nanoseconds(clocks[i]);
  }
  usleep((useconds_t)(seconds * 1e6));
  unsigned long long after = *counter;
  double took = (double)(nanoseconds(CLOCK_MONOTONIC) - begin);
  for (int i = 0; i < 2; i++) busy[i] = nanoseconds(clocks[i]) - busy[i];
  printf("%.1f %llu %.1f %.1f\n", (double)(after - before) * 1e9 / took, (unsigned long long)*counter,
         100 * (double)busy[0] / took, 100 * (double)busy[1] / took);
  fflush(stdout);
  _exit(0);
}
