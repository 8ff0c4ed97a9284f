/* What a stream's samples go through on their way into a learner.  Nominal
   columns carry codes of the learner's own, given to levels as they come; a
   learner that does not take them sees MOE_LEVEL_SLOTS indicators in the place
   of each, one that does not take missing values the column's mean so far. */
#ifndef MOE_INTAKE_H
#define MOE_INTAKE_H

#include "rows.h"
#include "vector.h"

enum {
  MOE_LEVEL_SLOTS = 16,  /* the last is for all later levels */
  MOE_MOST_LEVELS = 1024 /* of a column; the last code is for all later ones */
};

typedef struct moe_intake {
  uint8_t open;        /* 0: rows are taken as they are */
  uint8_t keeps_holes; /* the learner takes missing values … */
  uint8_t keeps_codes; /* … and nominal columns, which implies the former */
  uint8_t spreads;     /* there are nominal columns that it does not take */
  size_t n;            /* columns */
  uint8_t *nominal;    /* n */
  int64_t *start;      /* n + 1: where a column's levels begin, by code */
  moe_texts levels;
  double *mean; /* n, of what was learned from, holes filled: unless kept */
  double rows;  /* how many that were */
} moe_intake;

/* For rows like x, the first of a stream. */
moe_status moe_intake_open(moe_call *call, moe_intake *in, const moe_rows *x,
                           bool keeps_holes, bool keeps_codes);

/* The same intake for another learner, with the levels and without the means.
 */
moe_status moe_intake_copy(moe_call *call, const moe_intake *from,
                           moe_intake *to, bool keeps_holes, bool keeps_codes);

moe_status moe_intake_visit(moe_intake *in, moe_visitor *v);
bool moe_intake_is_sound(const moe_intake *in);

/* Whether a learner with the intake `in` may see what comes in by `from`: codes
   in its nominal columns and nowhere else. */
bool moe_intake_agrees(const moe_intake *in, const moe_intake *from);

/* Whether the codes that both have given are of the same levels. */
bool moe_intake_shares_codes(const moe_intake *a, const moe_intake *b);

/* Columns that the learner sees. */
size_t moe_intake_width(const moe_intake *in);

/* The code of a level in a nominal column: -1 where it is not known; added, if
   need be.  Levels that `from` has beyond those of `in` are added to it. */
int32_t moe_intake_code(const moe_intake *in, size_t column, const char *level);
moe_status moe_intake_add(moe_call *call, moe_intake *in, size_t column,
                          const char *level, int32_t *code);
moe_status moe_intake_follow(moe_call *call, moe_intake *in,
                             const moe_intake *from);

/* Counts a row that is learned from: n doubles, with codes in the nominal
   columns, NaN where missing; and one without any of that. */
void moe_intake_count(moe_intake *in, const double *x);
static inline void moe_intake_count_whole(moe_intake *in, const double *x) {
  moe_average(x, 1 / ++in->rows, in->mean, in->n);
}

/* The row as the learner sees it: moe_intake_width doubles. */
void moe_intake_encode(const moe_intake *in, const double *x, double *out);

#endif
