// What Linux offers and Swift's Glibc module does not show.
#ifndef CLINUX_H
#define CLINUX_H

#include <sys/eventfd.h>

/// setns(2) with CLONE_NEWNET: moves the calling thread into the network namespace `fd` refers to.
/// Returns 0, or -1 with `errno` set.
int clinux_enter_network_namespace(int fd);

/// renameat2(2) with RENAME_NOREPLACE: fails with EEXIST when `target` is there.
/// Returns 0, or -1 with `errno` set.
int clinux_rename_noreplace(const char *_Nonnull source, const char *_Nonnull target);

#endif
