// Tells the thread sanitizer of Swift's Mutex. Preloaded into the tests by scripts/tsan.
//
// A Mutex that nobody else wants is taken and given up by atomic operations in the program, which the sanitizer sees. One
// that is wanted by several goes through two functions of the Synchronization library and through the kernel
// (FUTEX_LOCK_PI, see futex(2)), which it does not see, so that it would report contended critical sections as races.
// These stand before the two functions and say what they do. Unlike a suppression, that leaves every real race to be
// found, also in a critical section.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

// Synchronization._MutexHandle._lockSlow(UInt32) and _unlockSlow(), as Swift 6 on Linux names them.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// In the sanitizer's runtime; absent from the programs that the tests start.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

static void *next(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function) abort();
  return function;
}

SWIFT void lock(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void lock(uint32_t thread, SELF) {
  ((SWIFT void (*)(uint32_t, SELF))next(LOCK))(thread, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

SWIFT void unlock(SELF) __asm__(UNLOCK);
SWIFT void unlock(SELF) {
  if (__tsan_release) __tsan_release(self);
  ((SWIFT void (*)(SELF))next(UNLOCK))(self);
}
