// What Linux offers and Swift's Glibc module does not show.
#ifndef CLINUX_H
#define CLINUX_H

#include <sys/eventfd.h>

/// setns(2) with CLONE_NEWNET: moves the calling thread into the network namespace `fd` refers to.
/// Returns 0, or -1 with `errno` set.
int clinux_enter_network_namespace(int fd);

#endif
