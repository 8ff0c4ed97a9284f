/* A CSV file row by row, in memory that does not grow with the file: its text
   means what it means to moe_csv_read. */
#ifndef MOE_CSV_STREAM_H
#define MOE_CSV_STREAM_H

#include "csv.h"

typedef struct moe_csv_stream moe_csv_stream;

/* A cell of the row: a number, NaN if missing; or a text, NULL if missing, that
   ends with no zero byte. */
typedef struct moe_csv_value {
  double number;
  const char *text;
  size_t size;
} moe_csv_value;

/* The columns that were not dropped, in order.  A column is nominal if it is
   named in `categorical`, or if a cell of it is neither missing nor a number in
   the first 256 KB of the file; what comes later must be as it was there. */
moe_status moe_csv_stream_open(moe_call *call, const char *path,
                               const moe_csv_options *options,
                               moe_csv_stream **out);
const moe_texts *moe_csv_stream_names(const moe_csv_stream *s);
bool moe_csv_stream_nominal(const moe_csv_stream *s, size_t column);
ptrdiff_t moe_csv_stream_target(const moe_csv_stream *s); /* MOE_NO_TARGET */

/* The next row, a value a column, good until the next call; NULL with MOE_OK
   after the last.  A row that is refused is refused again. */
moe_status moe_csv_stream_next(moe_call *call, moe_csv_stream *s,
                               const moe_csv_value **row);

/* From the first row on. */
moe_status moe_csv_stream_rewind(moe_call *call, moe_csv_stream *s);

size_t moe_csv_stream_bytes(const moe_csv_stream *s);
void moe_csv_stream_close(moe_csv_stream *s); /* accepts NULL */

#endif
