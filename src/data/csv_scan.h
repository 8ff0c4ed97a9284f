/* Where the records and cells of a CSV text begin and end. */
#ifndef MOE_CSV_SCAN_H
#define MOE_CSV_SCAN_H

#include "status.h"

/* A text is followed by a zero byte and holds none, so that no loop over cells
   needs to look where it ends: zero is a stop like any line end. */
typedef struct moe_csv_text {
  const char *name; /* for messages: "'letter.csv'" or "the text" */
  const char *start, *end;
  size_t line; /* the number of the line that it starts in, from 1 */
  char separator;
  bool stops[256]; /* separator, CR, LF and zero */
} moe_csv_text;

/* Refuses zero bytes; leaves out a UTF-8 mark. */
moe_status moe_csv_text_init(moe_call *call, moe_csv_text *t, const char *name,
                             const char *text, size_t size, char separator);

typedef struct moe_csv_cell {
  const char *first, *last; /* what lies between the quotes, if any */
  bool quoted;              /* "" may stand for a quote in it */
  const char *next;         /* the stop behind the cell */
} moe_csv_cell;

moe_csv_cell moe_csv_cell_at(const moe_csv_text *t, const char *p);

/* The contents with "" undone, into room for last − first bytes; returns how
   many bytes they are. */
size_t moe_csv_copy_cell(const moe_csv_cell *cell, char *out);

/* Refuses the cell between the quotes `first` and `last` if nothing closes it
   (`last` is the end), or if it goes on. */
moe_status moe_csv_check_quotes(moe_call *call, const moe_csv_text *t,
                                const char *first, const char *last);

/* Behind line ends. */
const char *moe_csv_skip_lines(const moe_csv_text *t, const char *p);

/* How many cells the record at p has. */
size_t moe_csv_count_cells(const moe_csv_text *t, const char *p);

/* The number of the line that p is in. */
size_t moe_csv_line_of(const moe_csv_text *t, const char *p);

/* Records of about CSV_BLOCK bytes together; the same cut for any number of
   threads. */
enum { MOE_CSV_BLOCK = 512 << 10 };
typedef struct moe_csv_block {
  const char *first; /* record */
  size_t row, n;     /* its number, and how many records there are */
} moe_csv_block;

/* Finds every record from p on, and refuses quotes that do not close or that a
   cell goes on after.  The blocks are the caller's to free. */
moe_status moe_csv_find_blocks(moe_call *call, const moe_csv_text *t,
                               const char *p, moe_csv_block **blocks,
                               size_t *n);

#endif
