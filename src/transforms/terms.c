#include "terms.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- hashing */

static uint64_t feed(uint64_t hash, unsigned char byte) {
  return (hash ^ byte) * 0x100000001b3u;
}

static uint64_t finish(uint64_t hash) {
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

uint64_t moe_terms_seed(const char *column) {
  uint64_t hash = 0xcbf29ce484222325u;
  while (*column != '\0') hash = feed(hash, (unsigned char)*column++);
  return feed(hash, '\0');
}

/* ------------------------------------------------------------------- terms */

static moe_status add_feature(moe_call *call, moe_terms *t,
                              const moe_term_rules *rules, uint64_t hash) {
  moe_term term = {.count = 1};
  hash = finish(hash);
  term.bucket = (int32_t)((hash >> 32) * (uint64_t)rules->buckets >> 32);
  if (rules->sign && (hash & 1)) term.count = -1;
  return moe_terms_append(call, t, &term, 1);
}

moe_status moe_terms_append(moe_call *call, moe_terms *t, const moe_term *terms,
                            size_t n) {
  MOE_TRY(moe_reserve(call, &t->items, &t->room, t->n, n, sizeof *t->items));
  if (n > 0) memcpy(t->items + t->n, terms, n * sizeof *terms);
  t->n += n;
  return MOE_OK;
}

static int compare_terms(const void *a, const void *b) {
  int32_t x = ((const moe_term *)a)->bucket, y = ((const moe_term *)b)->bucket;
  return (x > y) - (x < y);
}

void moe_terms_fold(moe_terms *t, size_t first) {
  size_t kept = first;
  if (t->n - first < 2) return;
  qsort(t->items + first, t->n - first, sizeof *t->items, compare_terms);
  for (size_t i = first; i < t->n;) {
    moe_term sum = t->items[i++];
    while (i < t->n && t->items[i].bucket == sum.bucket)
      sum.count += t->items[i++].count;
    if (sum.count != 0) t->items[kept++] = sum;
  }
  t->n = kept;
}

/* ---------------------------------------------------------------- features */

static bool in_word(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c >= 128;
}

static unsigned char lower(const moe_term_rules *rules, unsigned char c) {
  return rules->lowercase && c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* A word of a text, and the hashes of the sequences of words that end before
   it: open[k] is of k words and the space that follows them. */
typedef struct reader {
  moe_call *call;
  const moe_term_rules *rules;
  moe_terms *terms;
  uint64_t words, chars;
  uint64_t open[MOE_LONGEST_NGRAM];
  int64_t seen; /* words so far */
  const unsigned char *word;
  size_t size;
} reader;

static moe_status add_words(reader *r) {
  const moe_term_rules *rules = r->rules;
  int64_t longest =
      r->seen + 1 < rules->words_to ? r->seen + 1 : rules->words_to;
  for (int64_t n = longest; n >= 1; n--) {
    uint64_t hash = n > 1 ? r->open[n - 1] : r->words;
    for (size_t i = 0; i < r->size; i++)
      hash = feed(hash, lower(rules, r->word[i]));
    if (n >= rules->words_from)
      MOE_TRY(add_feature(r->call, r->terms, rules, hash));
    if (n < rules->words_to) r->open[n] = feed(hash, ' ');
  }
  return MOE_OK;
}

/* Byte i of "<word>". */
static unsigned char bordered(const reader *r, size_t i) {
  if (i == 0) return '<';
  return i > r->size ? '>' : lower(r->rules, r->word[i - 1]);
}

/* Bytes 128 to 191 go on with a character of UTF-8. */
static bool starts_character(unsigned char c) { return (c & 0xc0) != 0x80; }

static moe_status add_chars_from(reader *r, size_t i) {
  uint64_t hash = r->chars;
  size_t end = r->size + 2;
  for (int64_t n = 1; n <= r->rules->chars_to && i < end; n++) {
    do hash = feed(hash, bordered(r, i++));
    while (i < end && !starts_character(bordered(r, i)));
    if (n >= r->rules->chars_from)
      MOE_TRY(add_feature(r->call, r->terms, r->rules, hash));
  }
  return MOE_OK;
}

static moe_status add_chars(reader *r) {
  for (size_t i = 0; r->rules->chars_to > 0 && i < r->size + 2; i++)
    if (starts_character(bordered(r, i))) MOE_TRY(add_chars_from(r, i));
  return MOE_OK;
}

moe_status moe_terms_add_text(moe_call *call, moe_terms *t,
                              const moe_term_rules *rules, uint64_t seed,
                              const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  reader r = {.call = call,
              .rules = rules,
              .terms = t,
              .words = feed(seed, 'w'),
              .chars = feed(seed, 'c')};
  for (;; r.seen++) {
    while (*at != '\0' && !in_word(*at)) at++;
    if (*at == '\0') return MOE_OK;
    r.word = at;
    while (in_word(*at)) at++;
    r.size = (size_t)(at - r.word);
    MOE_TRY(add_words(&r));
    MOE_TRY(add_chars(&r));
  }
}
