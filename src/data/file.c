/* Whole files: see file.h.  The order that survives a crash is write, fsync of
   the file, rename, fsync of the directory. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

enum {
  READ_STEP = 8 << 20, /* bytes between two looks at the host's cancel flag */
  WRITE_BUFFER = 64 << 10 /* bytes gathered before they go to the kernel */
};

static moe_status fail_io(moe_call *call, const char *verb, const char *path) {
  return moe_fail(call, MOE_EIO, "cannot %s '%.300s': %s", verb, path,
                  strerror(errno));
}

static moe_status fail_kind(moe_call *call, const char *verb, const char *path,
                            mode_t mode) {
  return moe_fail(
      call, MOE_EIO, "cannot %s '%.300s': %s", verb, path,
      S_ISDIR(mode) ? "it is a directory" : "it is not a regular file");
}

moe_status moe_file_read_at(moe_call *call, int fd, const char *path,
                            size_t place, void *to, size_t size, size_t *got) {
  ssize_t n;
  do n = pread(fd, to, size < READ_STEP ? size : READ_STEP, (off_t)place);
  while (n < 0 && errno == EINTR);
  *got = n > 0 ? (size_t)n : 0;
  return n < 0 ? fail_io(call, "read", path) : MOE_OK;
}

static moe_status check_open(moe_call *call, int fd, const char *path,
                             size_t *size) {
  struct stat st;
  if (fstat(fd, &st) != 0) return fail_io(call, "read", path);
  if (!S_ISREG(st.st_mode)) return fail_kind(call, "read", path, st.st_mode);
  *size = st.st_size > 0 ? (size_t)st.st_size : 0;
  return MOE_OK;
}

moe_status moe_file_open(moe_call *call, const char *path, int *fd,
                         size_t *size) {
  moe_status status;
  /* Without O_NONBLOCK, opening a FIFO waits for its writer. */
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (*fd < 0) return fail_io(call, "read", path);
  status = check_open(call, *fd, path, size);
  if (status == MOE_OK) return MOE_OK;
  close(*fd);
  *fd = -1;
  return status;
}

/* Fills `*bytes`, which has room for `room` bytes, to the end of the file. */
static moe_status read_all(moe_call *call, int fd, const char *path,
                           size_t limit, size_t room, unsigned char **bytes,
                           size_t *size) {
  for (;;) {
    size_t got;
    MOE_TRY(moe_call_check(call));
    MOE_TRY(moe_reserve(call, bytes, &room, *size, 2, 1));
    MOE_TRY(moe_file_read_at(call, fd, path, *size, *bytes + *size,
                             room - 1 - *size, &got));
    if (got == 0) break;
    *size += got;
    if (*size > limit)
      return moe_fail(call, MOE_EIO,
                      "cannot read '%.300s': more than the %zu bytes allowed",
                      path, limit);
  }
  (*bytes)[*size] = 0;
  return MOE_OK;
}

moe_status moe_file_read(moe_call *call, const char *path, size_t limit,
                         unsigned char **bytes, size_t *size) {
  moe_status status;
  size_t room;
  int fd;
  *bytes = NULL;
  *size = 0;
  MOE_TRY(moe_file_open(call, path, &fd, &room));
  if (room > limit) room = limit;
  status = moe_new_array(call, bytes, room + 2, 1);
  if (status == MOE_OK)
    status = read_all(call, fd, path, limit, room + 2, bytes, size);
  close(fd);
  if (status == MOE_OK) return MOE_OK;
  moe_free(*bytes);
  *bytes = NULL;
  *size = 0;
  return status;
}

struct moe_writer {
  char path[PATH_MAX];      /* what commit replaces, links resolved */
  char temporary[PATH_MAX]; /* "" when there is none to remove */
  int fd;
  size_t used; /* bytes in the buffer */
  unsigned char buffer[WRITE_BUFFER];
};

/* Follows links, so that it is the file that is replaced and not the link.
   `*mode` is that of the file there, or 0. */
static moe_status resolve(moe_call *call, moe_writer *w, const char *path,
                          mode_t *mode) {
  struct stat st;
  *mode = 0;
  if (realpath(path, w->path) == NULL) {
    if (errno != ENOENT || strlen(path) >= sizeof w->path)
      return fail_io(call, "write", path);
    memcpy(w->path, path, strlen(path) + 1);
    return MOE_OK;
  }
  if (stat(w->path, &st) != 0) return fail_io(call, "write", path);
  if (!S_ISREG(st.st_mode)) return fail_kind(call, "write", path, st.st_mode);
  *mode = st.st_mode & 0777;
  return MOE_OK;
}

/* Bytes of the path up to and including its last slash. */
static int directory_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash != NULL ? (int)(slash - path + 1) : 0;
}

/* The kernel, not mkstemp, gives the mode, so that the umask counts.  A name
   in use, by a thread or left by a crash, gives way to the next. */
static moe_status open_temporary(moe_call *call, moe_writer *w) {
  for (int n = 0; n < 10000 && w->fd < 0; n++) {
    int length =
        snprintf(w->temporary, sizeof w->temporary, "%.*s.moe-%ld-%d",
                 directory_length(w->path), w->path, (long)getpid(), n);
    if (length >= (int)sizeof w->temporary)
      errno = ENAMETOOLONG;
    else
      w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (w->fd < 0 && errno != EEXIST) break;
  }
  if (w->fd >= 0) return MOE_OK;
  w->temporary[0] = 0;
  return fail_io(call, "write", w->path);
}

moe_status moe_writer_new(moe_call *call, const char *path, moe_writer **out) {
  moe_writer *w;
  mode_t mode;
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_new_array(call, &w, 1, sizeof *w));
  w->fd = -1;
  status = resolve(call, w, path, &mode);
  if (status == MOE_OK) status = open_temporary(call, w);
  if (status == MOE_OK && mode != 0 && fchmod(w->fd, mode) != 0)
    status = fail_io(call, "write", path);
  if (status == MOE_OK)
    *out = w;
  else
    moe_writer_release(w);
  return status;
}

static moe_status write_all(moe_call *call, moe_writer *w,
                            const unsigned char *bytes, size_t size) {
  while (size > 0) {
    ssize_t done = write(w->fd, bytes, size < READ_STEP ? size : READ_STEP);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_io(call, "write", w->path);
    bytes += done;
    size -= (size_t)done;
    MOE_TRY(moe_call_check(call));
  }
  return MOE_OK;
}

static moe_status flush(moe_call *call, moe_writer *w) {
  size_t used = w->used;
  w->used = 0;
  return write_all(call, w, w->buffer, used);
}

moe_status moe_writer_append(moe_call *call, moe_writer *w, const void *bytes,
                             size_t size) {
  if (size > WRITE_BUFFER - w->used) MOE_TRY(flush(call, w));
  if (size > WRITE_BUFFER) return write_all(call, w, bytes, size);
  if (size > 0) memcpy(w->buffer + w->used, bytes, size);
  w->used += size;
  return MOE_OK;
}

static bool sync_file(int fd) {
  int result;
  do result = fsync(fd);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

/* Some file systems cannot sync a directory and say EINVAL; the rename has
   happened then, and there is nothing left to do. */
static moe_status sync_directory(moe_call *call, const moe_writer *w) {
  char name[PATH_MAX];
  int length = directory_length(w->path), fd;
  bool good;
  snprintf(name, sizeof name, "%.*s", length, w->path);
  fd = open(length > 0 ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno == EACCES ? MOE_OK : fail_io(call, "sync", name);
  good = sync_file(fd) || errno == EINVAL || errno == ENOTSUP;
  close(fd);
  return good ? MOE_OK : fail_io(call, "sync", name);
}

static moe_status close_file(moe_call *call, moe_writer *w) {
  int fd = w->fd;
  w->fd = -1;
  return close(fd) == 0 || errno == EINTR ? MOE_OK
                                          : fail_io(call, "write", w->path);
}

moe_status moe_writer_commit(moe_call *call, moe_writer *w) {
  MOE_TRY(flush(call, w));
  if (!sync_file(w->fd)) return fail_io(call, "write", w->path);
  MOE_TRY(close_file(call, w));
  if (rename(w->temporary, w->path) != 0)
    return fail_io(call, "write", w->path);
  w->temporary[0] = 0;
  return sync_directory(call, w);
}

void moe_writer_release(moe_writer *w) {
  if (w == NULL) return;
  if (w->fd >= 0) close(w->fd);
  if (w->temporary[0] != 0) unlink(w->temporary);
  moe_free(w);
}

moe_status moe_file_write(moe_call *call, const char *path, const void *bytes,
                          size_t size) {
  moe_writer *w;
  moe_status status;
  MOE_TRY(moe_writer_new(call, path, &w));
  status = moe_writer_append(call, w, bytes, size);
  if (status == MOE_OK) status = moe_writer_commit(call, w);
  moe_writer_release(w);
  return status;
}
