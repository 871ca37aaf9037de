#include "CKnot.h"

#include <errno.h>
#include <libknot/control/control.h>
#include <libknot/errcode.h>
#include <libzscanner/scanner.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(cknot_parts == KNOT_CTL_IDX__COUNT, "the parts are those of libknot");
_Static_assert((int)cknot_part_filter == KNOT_CTL_IDX_FILTER && (int)cknot_part_zone == KNOT_CTL_IDX_ZONE, "in its order");
_Static_assert((int)cknot_kind_block == KNOT_CTL_TYPE_BLOCK, "and the kinds too");

const char *cknot_scan(
    const char *text, size_t length, uint64_t *line, void *context,
    void (*take)(void *context, const struct cknot_record *record)) {
  *line = 1;
  zs_scanner_t *scanner = malloc(sizeof *scanner);
  if (scanner == NULL) return "out of memory";
  if (zs_init(scanner, ".", 1, 3600) != 0) {
    free(scanner);
    return "out of memory";
  }
  const char *problem = zs_set_input_string(scanner, text, length) == 0 ? NULL : "out of memory";
  while (problem == NULL && zs_parse_record(scanner) == 0) {
    if (scanner->state == ZS_STATE_EOF || scanner->state == ZS_STATE_STOP) break;
    if (scanner->state == ZS_STATE_DATA) {
      if (scanner->buffer_length > 0) {
        problem = "a comment";
        break;
      }
      const struct cknot_record record = {
          .owner = scanner->r_owner,
          .owner_length = scanner->r_owner_length,
          .data = scanner->r_data,
          .data_length = scanner->r_data_length,
          .ttl = scanner->r_ttl,
          .type = scanner->r_type,
      };
      take(context, &record);
    } else if (scanner->state == ZS_STATE_INCLUDE) {
      problem = "another file";
    } else if (scanner->state == ZS_STATE_ERROR) {
      problem = zs_strerror(scanner->error.code);
    }
  }
  if (problem == NULL && scanner->error.code != 0) problem = zs_strerror(scanner->error.code);
  *line = scanner->line_counter;
  zs_deinit(scanner);
  free(scanner);
  return problem;
}

struct cknot_control *cknot_connect(const char *path, int milliseconds, int *error) {
  *error = -ENOMEM;
  knot_ctl_t *control = knot_ctl_alloc();
  if (control == NULL) return NULL;
  knot_ctl_set_timeout(control, milliseconds);
  *error = knot_ctl_connect(control, path);
  if (*error == 0) return (struct cknot_control *)control;
  knot_ctl_free(control);
  return NULL;
}

void cknot_close(struct cknot_control *control) {
  knot_ctl_t *knot = (knot_ctl_t *)control;
  // Without it knotd would wait for more until its own limit.
  (void)knot_ctl_send(knot, KNOT_CTL_TYPE_END, NULL);
  knot_ctl_close(knot);
  knot_ctl_free(knot);
}

int cknot_send(struct cknot_control *control, enum cknot_kind kind, const char *const *parts) {
  knot_ctl_data_t data = {0};
  if (parts != NULL) memcpy(data, parts, sizeof data);
  return knot_ctl_send((knot_ctl_t *)control, (knot_ctl_type_t)kind, parts == NULL ? NULL : &data);
}

int cknot_receive(struct cknot_control *control, enum cknot_kind *kind, const char **parts) {
  knot_ctl_data_t data = {0};
  knot_ctl_type_t type = KNOT_CTL_TYPE_END;
  int code = knot_ctl_receive((knot_ctl_t *)control, &type, &data);
  memcpy(parts, data, sizeof data);
  *kind = (enum cknot_kind)type;
  return code;
}

const char *cknot_reason(int error) {
  // knot_strerror(3) would need two libraries more.
  switch (error) {
    case KNOT_ECONN: return "knotd closed the connection";
    case KNOT_ETIMEOUT: return "no answer in time";
    case KNOT_EMALF: return "what knotd said is malformed";
    default: return error > KNOT_ERRNO_ERROR ? strerror(-error) : "knotd cannot be asked";
  }
}
