// What is used of Knot DNS 3.2: the scanner of zone files (libzscanner), whose structure is too large for Swift to see, and the
// control of a running knotd (libknot). A function that returns an error returns a negated `errno`, or one of libknot's own codes.
#ifndef CKNOT_H
#define CKNOT_H

#include <stddef.h>
#include <stdint.h>

/// A resource record as it was scanned. What it points to lives as long as the call.
struct cknot_record {
  /// In wire format, as it was written.
  const uint8_t *_Nonnull owner;
  size_t owner_length;
  const uint8_t *_Nonnull data;
  size_t data_length;
  uint32_t ttl;
  uint16_t type;
};

/// Scans `text`, in the format of zone files (RFC 1035, 5), with the root as the origin, and gives each record to `take`. A
/// directive that includes a file, and a comment behind a record, end it as a fault does.
/// Returns null, or what is wrong; then `line` is where, from 1.
const char *_Nullable cknot_scan(
    const char *_Nonnull text, size_t length, uint64_t *_Nonnull line, void *_Nullable context,
    void (*_Nonnull take)(void *_Nullable context, const struct cknot_record *_Nonnull record));

/// The parts of what goes over the control socket, in the order of libknot's `knot_ctl_idx_t`; null for none.
enum { cknot_parts = 12 };

enum cknot_part {
  cknot_part_command = 0,
  cknot_part_flags,
  cknot_part_error,
  cknot_part_section,
  cknot_part_item,
  cknot_part_identifier,
  cknot_part_zone,
  cknot_part_owner,
  cknot_part_ttl,
  cknot_part_type,
  cknot_part_data,
  cknot_part_filter,
};

/// The kinds of what goes over the control socket, `knot_ctl_type_t`.
enum cknot_kind { cknot_kind_end = 0, cknot_kind_data, cknot_kind_extra, cknot_kind_block };

/// A connection to a running knotd.
struct cknot_control;

/// Connects to the control socket at `path`, with a limit for each transfer. Returns null and sets `error` where that fails.
struct cknot_control *_Nullable cknot_connect(const char *_Nonnull path, int milliseconds, int *_Nonnull error);

void cknot_close(struct cknot_control *_Nonnull control);

/// Sends what `parts` has, `cknot_parts` of them, or none where it is null. Returns 0 or an error.
int cknot_send(
    struct cknot_control *_Nonnull control, enum cknot_kind kind, const char *_Nullable const *_Nullable parts);

/// Receives into `kind` and `parts`, which live until the next call. Returns 0 or an error.
int cknot_receive(
    struct cknot_control *_Nonnull control, enum cknot_kind *_Nonnull kind,
    const char *_Nullable *_Nonnull parts);

/// What an error that one of these returned means.
const char *_Nonnull cknot_reason(int error);

#endif
