/* A disk that is full from the n-th write on, for one folder: loaded before the C library (LD_PRELOAD).
 *
 * disk_full_after(folder, n) counts what would take room or change an entry in the folder, and lets all of it from
 * the n-th on fail with ENOSPC; n = 0 only counts. disk_writes() returns the count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char watched[PATH_MAX];
static long counted, failing;

void disk_full_after(const char* folder, long n) {
  counted = 0;
  failing = n;
  snprintf(watched, sizeof watched, "%s", folder);
}

long disk_writes(void) { return counted; }

static int is_full(void) {
  ++counted;
  if (failing && counted >= failing) {
    errno = ENOSPC;
    return 1;
  }
  return 0;
}

static int is_inside(const char* path) { return watched[0] && path && strncmp(path, watched, strlen(watched)) == 0; }

static int is_open_inside(int descriptor) {
  char name[64], path[PATH_MAX];
  if (!watched[0]) return 0;
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_inside(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                                          \
  int name(const char* path, int flags, ...) {                                              \
    mode_t mode = 0;                                                                        \
    if (flags & O_CREAT) {                                                                  \
      va_list rest;                                                                         \
      va_start(rest, flags);                                                                \
      mode = va_arg(rest, mode_t);                                                          \
      va_end(rest);                                                                         \
    }                                                                                       \
    if ((flags & O_CREAT) && is_inside(path) && access(path, F_OK) && is_full()) return -1; \
    return REAL(name)(path, flags, mode);                                                   \
  }
OPEN(open)
OPEN(open64)

#define ON_DESCRIPTOR(type, name, parameters, arguments, descriptor) \
  type name parameters {                                             \
    if (is_open_inside(descriptor) && is_full()) return -1;          \
    return REAL(name) arguments;                                     \
  }
ON_DESCRIPTOR(ssize_t, write, (int fd, const void* data, size_t size), (fd, data, size), fd)
ON_DESCRIPTOR(ssize_t, writev, (int fd, const struct iovec* data, int count), (fd, data, count), fd)
ON_DESCRIPTOR(ssize_t, pwrite, (int fd, const void* data, size_t size, off_t at), (fd, data, size, at), fd)
ON_DESCRIPTOR(ssize_t, pwrite64, (int fd, const void* data, size_t size, off64_t at), (fd, data, size, at), fd)
ON_DESCRIPTOR(int, fsync, (int fd), (fd), fd)

int mkdir(const char* path, mode_t mode) {
  if (is_inside(path) && is_full()) return -1;
  return REAL(mkdir)(path, mode);
}

int rename(const char* from, const char* to) {
  if (is_inside(to) && is_full()) return -1;
  return REAL(rename)(from, to);
}
