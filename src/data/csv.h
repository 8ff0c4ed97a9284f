/* Tables as text: comma-separated values (RFC 4180).

   A cell that begins with a double quote ends with one; in between, separators
   and line ends belong to it and "" stands for one quote.  Apart from that,
   quotes do not change what a cell means.  Lines end with LF, CR LF or CR, the
   last one perhaps not at all; empty lines are skipped; a UTF-8 mark at the
   beginning is too.

   A cell that is empty, or only blanks (spaces, tabs), or one of the spellings
   in `missing`, is missing.  A column whose other cells are all numbers, with
   blanks around them or not, is numeric, `nan` in any case being one more
   missing value there; inf, or what is too large for a double, is no number.
   Every other column is nominal, its cells as they stand, blanks included. */
#ifndef MOE_CSV_H
#define MOE_CSV_H

#include "table.h"

typedef struct moe_csv_options {
  char *separator;       /* between cells: one ASCII character, not a letter,
                            digit, quote or line end, nor one of . + - */
  bool header;           /* the first line has the names; else V1, V2, … */
  moe_texts missing;     /* spellings of a missing value */
  moe_texts categorical; /* columns that are nominal whatever they hold */
  moe_texts drop;        /* columns to leave out */
  char *target;          /* NULL: none */
} moe_csv_options;

/* The same as the parameters of a type without state, where the separator is
   called `sep`.  By default `header` is true and all else zero: a comma. */
extern const moe_type moe_csv_type;

/* MOE_EFORMAT names the line, what is there and what was expected; MOE_EIO the
   path; MOE_EARG and MOE_EPARAM an option that does not fit. */
moe_status moe_csv_read(moe_call *call, const char *path,
                        const moe_csv_options *options, moe_table **out);

/* The same from memory; a zero byte follows the `size` bytes. */
moe_status moe_csv_parse(moe_call *call, const char *text, size_t size,
                         const moe_csv_options *options, moe_table **out);

/* Replaces the file as a whole or not at all (see file.h).  Numbers are as
   short as reads back the same; missing values are empty; quotes stand only
   where they are needed.  Strings that mean something else to the reader do not
   come back as they were: blanks alone as missing, and a column of nothing but
   numerals as numbers, unless it is named in `categorical`. */
moe_status moe_csv_write(moe_call *call, const char *path, const moe_table *t,
                         const char *separator);

/* MOE_EPARAM for a separator that could be taken for something else; NULL is
   the comma. */
moe_status moe__csv_separator(moe_call *call, const char *text, char *out);

#endif
