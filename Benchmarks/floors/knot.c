// The floor of a record set: the commands over knotd's control socket that put one record into a zone, and nothing else.
//
//   knot SOCKET ZONE
//
// For each name on standard input it connects, sends zone-begin, zone-set (of an A record) and zone-commit, each of which it
// waits for, and closes the connection. Then it prints an empty line.

#include <libknot/control/control.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int code, const char *what) {
  if (code == 0) return;
  fprintf(stderr, "%s: libknot says %d\n", what, code);
  exit(1);
}

// Sends a command and waits for the end of its answer.
static void run(knot_ctl_t *control, knot_ctl_data_t *data) {
  const char *command = (*data)[KNOT_CTL_IDX_CMD];
  check(knot_ctl_send(control, KNOT_CTL_TYPE_DATA, data), command);
  check(knot_ctl_send(control, KNOT_CTL_TYPE_BLOCK, NULL), command);
  knot_ctl_type_t type;
  do {
    knot_ctl_data_t answer = {0};
    check(knot_ctl_receive(control, &type, &answer), command);
    if (answer[KNOT_CTL_IDX_ERROR]) {
      fprintf(stderr, "%s: %s\n", command, answer[KNOT_CTL_IDX_ERROR]);
      exit(1);
    }
  } while (type != KNOT_CTL_TYPE_BLOCK);
}

static void set(const char *path, const char *zone, const char *name) {
  knot_ctl_t *control = knot_ctl_alloc();
  if (!control) exit(1);
  check(knot_ctl_connect(control, path), path);
  run(control, &(knot_ctl_data_t){[KNOT_CTL_IDX_CMD] = "zone-begin", [KNOT_CTL_IDX_ZONE] = zone});
  run(control, &(knot_ctl_data_t){
                   [KNOT_CTL_IDX_CMD] = "zone-set",
                   [KNOT_CTL_IDX_ZONE] = zone,
                   [KNOT_CTL_IDX_OWNER] = name,
                   [KNOT_CTL_IDX_TTL] = "3600",
                   [KNOT_CTL_IDX_TYPE] = "A",
                   [KNOT_CTL_IDX_DATA] = "192.0.2.1"});
  run(control, &(knot_ctl_data_t){[KNOT_CTL_IDX_CMD] = "zone-commit", [KNOT_CTL_IDX_ZONE] = zone});
  check(knot_ctl_send(control, KNOT_CTL_TYPE_END, NULL), "end");
  knot_ctl_close(control);
  knot_ctl_free(control);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: knot SOCKET ZONE\n");
    return 64;
  }
  char name[256];
  while (fgets(name, sizeof name, stdin)) {
    name[strcspn(name, "\n")] = 0;
    set(arguments[1], arguments[2], name);
    puts("");
    fflush(stdout);
  }
  return 0;
}
