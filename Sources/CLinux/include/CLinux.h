// What Linux offers and Swift's Glibc module does not show.
#ifndef CLINUX_H
#define CLINUX_H

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timex.h>

#include "SockDiag.h"

/// setns(2) with CLONE_NEWNET: moves the calling thread into the network namespace `fd` refers to.
/// Returns 0, or -1 with `errno` set.
int clinux_enter_network_namespace(int fd);

/// accept4(2), of a socket that is neither inherited nor blocking.
int clinux_accept(int fd, void *_Nullable address, unsigned *_Nullable length);

/// unshare(2) with CLONE_NEWNS: what the calling thread mounts from now on, only that thread sees.
/// Returns 0, or -1 with `errno` set.
int clinux_own_mounts(void);

/// mount(2) with MS_BIND: has the file `source` at `target` too, in place of what is there.
/// Returns 0, or -1 with `errno` set.
int clinux_mount_over(const char *_Nonnull source, const char *_Nonnull target);

/// renameat2(2) with RENAME_NOREPLACE: fails with EEXIST when `target` is there.
/// Returns 0, or -1 with `errno` set.
int clinux_rename_noreplace(const char *_Nonnull source, const char *_Nonnull target);

/// renameat2(2) with RENAME_EXCHANGE: gives each of two files the other's name; both must be there.
/// Returns 0, or -1 with `errno` set.
int clinux_rename_exchange(const char *_Nonnull one, const char *_Nonnull other);

/// syncfs(2): syncs the file system that `fd` is on. Returns 0, or -1 with `errno` set.
int clinux_syncfs(int fd);

/// pidfd_open(2): a descriptor, closed on exec, that refers to the process `pid` and to no later one of that number.
/// Returns it, or -1 with `errno` set.
int clinux_pidfd_open(int pid);

/// pidfd_send_signal(2). Returns 0, or -1 with `errno` set.
int clinux_pidfd_send_signal(int pidfd, int signal);

/// posix_spawn(3) of a program that may outlive this one: in a session of its own, with no signal blocked or ignored and
/// /dev/null for its input. Its standard error is `standard_error`, and its output /dev/null; both are this process' own
/// when that is negative. It gets no other descriptor.
/// Returns 0 and sets `pid`, or an error number.
int clinux_spawn(
    int *_Nonnull pid, const char *_Nonnull program, char *_Nullable const *_Nonnull arguments,
    char *_Nullable const *_Nonnull environment, int standard_error);

/// The version that the build was told of by BUILD_VERSION; null when it was told of none.
const char *_Nullable clinux_program_version(void);

#endif
