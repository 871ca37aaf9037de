#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_enter_network_namespace(int fd) { return setns(fd, CLONE_NEWNET); }

int clinux_own_mounts(void) {
  if (unshare(CLONE_NEWNS) != 0) return -1;
  // What is mounted from here on is nobody else's.
  return mount("", "/", "none", MS_SLAVE | MS_REC, NULL);
}

int clinux_mount_over(const char *source, const char *target) { return mount(source, target, "none", MS_BIND, NULL); }

int clinux_accept(int fd, void *address, unsigned *length) {
  return accept4(fd, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int clinux_rename_noreplace(const char *source, const char *target) {
  return renameat2(AT_FDCWD, source, AT_FDCWD, target, RENAME_NOREPLACE);
}

int clinux_rename_exchange(const char *one, const char *other) {
  return renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE);
}

int clinux_syncfs(int fd) { return syncfs(fd); }

int clinux_pidfd_open(int pid) { return pidfd_open(pid, 0); }

int clinux_pidfd_send_signal(int pidfd, int signal) { return pidfd_send_signal(pidfd, signal, 0, 0); }

int clinux_spawn(
    int *pid, const char *program, char *const *arguments, char *const *environment, int standard_error) {
  posix_spawn_file_actions_t actions;
  int code = posix_spawn_file_actions_init(&actions);
  if (code != 0) return code;
  if (standard_error >= 0) {
    code = posix_spawn_file_actions_adddup2(&actions, standard_error, STDERR_FILENO);
    if (code == 0) code = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
  if (code == 0) code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (code == 0) code = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);

  posix_spawnattr_t attributes;
  if (code == 0 && (code = posix_spawnattr_init(&attributes)) == 0) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    code = posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (code == 0) code = posix_spawn(pid, program, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

const char *clinux_program_version(void) {
#ifdef BUILD_VERSION
  return BUILD_VERSION;
#else
  return NULL;
#endif
}
