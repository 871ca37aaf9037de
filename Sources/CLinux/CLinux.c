#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>

int clinux_enter_network_namespace(int fd) { return setns(fd, CLONE_NEWNET); }

int clinux_rename_noreplace(const char *source, const char *target) {
  return renameat2(AT_FDCWD, source, AT_FDCWD, target, RENAME_NOREPLACE);
}
