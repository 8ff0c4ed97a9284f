/* A text as a bag of hashed features.

   A word is a longest run of ASCII letters, digits, underscores and bytes from
   128 on (so of any UTF-8 letters).  Features are the sequences of n words, and
   the sequences of n characters in "<word>", for n in the given ranges.  Each
   is hashed by FNV-1a, 64 bits (Fowler, Noll & Vo), over the column's name, a
   zero byte, 'w' or 'c', and the feature's bytes, words separated by a space;
   then mixed by MurmurHash3's finaliser (Appleby).  Of the result the upper 32
   bits, times the number of buckets, over 2^32, are the bucket, and the lowest
   bit the sign. */
#ifndef MOE_TERMS_H
#define MOE_TERMS_H

#include "memory.h"

enum { MOE_LONGEST_NGRAM = 16 /* n of an n-gram */ };

/* Ranges are inclusive; 0 to 0 is none. */
typedef struct moe_term_rules {
  int64_t words_from, words_to, chars_from, chars_to;
  int64_t buckets;
  int64_t lowercase; /* ASCII letters */
  int64_t sign; /* whether a feature counts −1 where its lowest bit is 1 */
} moe_term_rules;

typedef struct moe_term {
  int32_t bucket;
  float count;
} moe_term;

typedef struct moe_terms {
  moe_term *items;
  size_t n, room;
} moe_terms;

/* What the features of a column's texts begin with. */
uint64_t moe_terms_seed(const char *column);

/* Appends a term for each feature of the text. */
moe_status moe_terms_add_text(moe_call *call, moe_terms *t,
                              const moe_term_rules *rules, uint64_t seed,
                              const char *text);

/* Appends terms as they are. */
moe_status moe_terms_append(moe_call *call, moe_terms *t, const moe_term *terms,
                            size_t n);

/* Orders the terms from `first` on by bucket and sums those of one bucket;
   sums of 0 go. */
void moe_terms_fold(moe_terms *t, size_t first);

#endif
