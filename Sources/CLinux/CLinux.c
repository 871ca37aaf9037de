#define _GNU_SOURCE
#include "CLinux.h"

#include <sched.h>

int clinux_enter_network_namespace(int fd) { return setns(fd, CLONE_NEWNET); }
