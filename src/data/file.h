/* Whole files by POSIX descriptors: read at once, and written so that whoever
   opens the path finds the old bytes or the new ones, never a part. */
#ifndef MOE_FILE_H
#define MOE_FILE_H

#include "status.h"

/* The bytes of a regular file and one zero byte after them, which `size` does
   not count; freed with moe_free.  Directories, FIFOs and devices are refused
   without waiting for them, and so is a file of more than `limit` bytes.  The
   file may grow or shrink meanwhile: what is read is what there was. */
moe_status moe_file_read(moe_call *call, const char *path, size_t limit,
                         unsigned char **bytes, size_t *size);

/* A descriptor to read a regular file from, and its size; refuses the same.
   Then some bytes of it from a place on: 0 at its end. */
moe_status moe_file_open(moe_call *call, const char *path, int *fd,
                         size_t *size);
moe_status moe_file_read_at(moe_call *call, int fd, const char *path,
                            size_t place, void *to, size_t size, size_t *got);

/* A file being written aside, in the directory of its path.  Commit puts it in
   place of the path: its bytes and then its name are on disk when commit
   returns MOE_OK, with the permissions of the file that was there.  A symbolic
   link is followed, anything else that is not a regular file refused. */
typedef struct moe_writer moe_writer;

moe_status moe_writer_new(moe_call *call, const char *path, moe_writer **out);
moe_status moe_writer_append(moe_call *call, moe_writer *w, const void *bytes,
                             size_t size);
moe_status moe_writer_commit(moe_call *call, moe_writer *w);

/* Frees; what was not committed is gone, and the path is as it was. */
void moe_writer_release(moe_writer *w); /* accepts NULL */

/* All of that at once. */
moe_status moe_file_write(moe_call *call, const char *path, const void *bytes,
                          size_t size);

#endif
