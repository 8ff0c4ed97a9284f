#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

/* -------------------------------------------------------------------- UTF-8 */

/* Sequences of two to four bytes: what the first may be, and the least second
   byte and the greatest, which leave out surrogates, overlong forms and what
   is beyond U+10FFFF (the table of Unicode's chapter 3.9). */
static const struct {
  unsigned char first, last, low, high, length;
} sequences[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                 {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

size_t moe_utf8_length(const char *text) {
  const unsigned char *s = (const unsigned char *)text;
  size_t n, i = 0;
  if (s[0] == 0) return 0;
  if (s[0] < 0x80) return 1;
  while (i < sizeof sequences / sizeof *sequences && s[0] > sequences[i].last)
    i++;
  if (i == sizeof sequences / sizeof *sequences || s[0] < sequences[i].first ||
      s[1] < sequences[i].low || s[1] > sequences[i].high)
    return 0;
  for (n = 2; n < sequences[i].length; n++)
    if ((s[n] & 0xc0) != 0x80) return 0;
  return n;
}

bool moe_utf8_valid(const char *text) {
  while (*text != 0) {
    size_t n = moe_utf8_length(text);
    if (n == 0) return false;
    text += n;
  }
  return true;
}

/* ------------------------------------------------------------------ reading */

moe_json_in moe_json_reader(moe_call *call, const char *what, char *text,
                            size_t size) {
  return (moe_json_in){call, what, text, text, text + size, false};
}

moe_status moe_json_fail(moe_json_in *j, const char *message) {
  return moe_fail(j->call, MOE_EFORMAT, "%s: %s at byte %zu", j->what, message,
                  (size_t)(j->at - j->start) + 1);
}

static char skip_space(moe_json_in *j) {
  while (*j->at == ' ' || *j->at == '\n' || *j->at == '\r' || *j->at == '\t')
    j->at++;
  return *j->at;
}

moe_json_kind moe_json_peek(moe_json_in *j) {
  switch (skip_space(j)) {
    case 'n': return MOE_J_NULL;
    case 't':
    case 'f': return MOE_J_FLAG;
    case '"': return MOE_J_TEXT;
    case '[': return MOE_J_LIST;
    case '{': return MOE_J_MAP;
    case '-': return MOE_J_NUMBER;
    default: return *j->at >= '0' && *j->at <= '9' ? MOE_J_NUMBER : MOE_J_OTHER;
  }
}

static moe_status hex_digits(moe_json_in *j, unsigned *out) {
  *out = 0;
  for (int i = 0; i < 4; i++) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = *j->at != 0 ? strchr(digits, *j->at) : NULL;
    if (digit == NULL) return moe_json_fail(j, "\\u wants four digits");
    *out = *out * 16 + (unsigned)(digit - digits) % 16;
    j->at++;
  }
  return MOE_OK;
}

static void encode(unsigned code, char **to) {
  static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
  int n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (int i = n - 1; i > 0; i--, code >>= 6)
    (*to)[i] = (char)(0x80 | (code & 0x3f));
  (*to)[0] = (char)(n == 1 ? code : marks[n] | code);
  *to += n;
}

/* After "\u": one character, of two such where the first is a surrogate. */
static moe_status read_code(moe_json_in *j, char **to) {
  unsigned code, low;
  MOE_TRY(hex_digits(j, &code));
  if (code == 0) return moe_json_fail(j, "a zero character");
  if (code >= 0xd800 && code < 0xdc00 && j->at[0] == '\\' && j->at[1] == 'u') {
    j->at += 2;
    MOE_TRY(hex_digits(j, &low));
    if (low < 0xdc00 || low > 0xdfff)
      return moe_json_fail(j, "half a character");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code >= 0xd800 && code < 0xe000)
    return moe_json_fail(j, "half a character");
  encode(code, to);
  return MOE_OK;
}

/* What is decoded is never longer than its escape, so it fits where it lay. */
static moe_status read_escape(moe_json_in *j, char **to) {
  static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
  char c = j->at[1];
  const char *escape = c != 0 ? strchr(escapes, c) : NULL;
  if (c != 'u' && escape == NULL) return moe_json_fail(j, "an unknown escape");
  j->at += 2;
  if (c == 'u') return read_code(j, to);
  *(*to)++ = meant[escape - escapes];
  return MOE_OK;
}

static moe_status read_character(moe_json_in *j, char **to) {
  size_t n = moe_utf8_length(j->at);
  if (n == 0 && *j->at != 0) return moe_json_fail(j, "invalid UTF-8");
  if ((unsigned char)*j->at < ' ')
    return moe_json_fail(j, "a string without end, or a control character");
  while (n-- > 0) *(*to)++ = *j->at++;
  return MOE_OK;
}

moe_status moe_json_text(moe_json_in *j, char **out) {
  char *to;
  if (skip_space(j) != '"') return moe_json_fail(j, "expected a string");
  *out = to = ++j->at;
  while (*j->at != '"')
    MOE_TRY(*j->at == '\\' ? read_escape(j, &to) : read_character(j, &to));
  j->at++;
  *to = 0;
  return MOE_OK;
}

static bool take_word(moe_json_in *j, const char *word) {
  size_t n = strlen(word);
  skip_space(j);
  if (strncmp(j->at, word, n) != 0) return false;
  j->at += n;
  return true;
}

moe_status moe_json_flag(moe_json_in *j, bool *out) {
  *out = take_word(j, "true");
  if (*out || take_word(j, "false")) return MOE_OK;
  return moe_json_fail(j, "expected true or false");
}

moe_status moe_json_null(moe_json_in *j) {
  return take_word(j, "null") ? MOE_OK : moe_json_fail(j, "expected null");
}

/* Where the digits that begin at s end. */
static const char *digits_end(const char *s) {
  while (*s >= '0' && *s <= '9') s++;
  return s;
}

/* The end of the number that begins at s, NULL where JSON has none: no plus,
   no leading zero, digits on both sides of the point. */
static const char *number_end(const char *s) {
  const char *first = s + (*s == '-'), *end = digits_end(first);
  if (end == first || (*first == '0' && end != first + 1)) return NULL;
  if (*end == '.') {
    first = end + 1;
    end = digits_end(first);
    if (end == first) return NULL;
  }
  if (*end == 'e' || *end == 'E') {
    first = end + 1 + (end[1] == '-' || end[1] == '+');
    end = digits_end(first);
    if (end == first) return NULL;
  }
  return end;
}

moe_status moe_json_number(moe_json_in *j, double *out) {
  const char *end;
  skip_space(j);
  end = number_end(j->at);
  if (end == NULL || moe_number_read(j->at, end, out) != end)
    return moe_json_fail(j, "expected a number");
  j->at += end - j->at;
  return MOE_OK;
}

moe_status moe_json_integer(moe_json_in *j, int64_t *out) {
  bool negative = skip_space(j) == '-', fits = true;
  const char *end = number_end(j->at), *s = j->at + negative;
  int64_t x = 0;
  if (end == NULL || digits_end(s) != end)
    return moe_json_fail(j, "expected an integer");
  for (; s < end; s++)
    fits = fits && !__builtin_mul_overflow(x, 10, &x) &&
           !__builtin_add_overflow(x, negative ? '0' - *s : *s - '0', &x);
  if (!fits) return moe_json_fail(j, "an integer beyond 64 bits");
  j->at += end - j->at;
  *out = x;
  return MOE_OK;
}

moe_status moe_json_open(moe_json_in *j, char bracket) {
  if (skip_space(j) != bracket)
    return moe_json_fail(j,
                         bracket == '[' ? "expected a list" : "expected a map");
  j->at++;
  j->fresh = true;
  return MOE_OK;
}

moe_status moe_json_next(moe_json_in *j, char closing, bool *more) {
  char c = skip_space(j);
  bool fresh = j->fresh;
  j->fresh = false;
  *more = c != closing;
  if (!*more || (c == ',' && !fresh))
    j->at++;
  else if (!fresh)
    return moe_json_fail(j, "expected a comma or a closing bracket");
  return MOE_OK;
}

moe_status moe_json_each(moe_json_in *j, const char *brackets,
                         moe_status (*item)(void *self, void *to), void *self,
                         void *to) {
  bool more;
  MOE_TRY(moe_json_open(j, brackets[0]));
  for (;;) {
    MOE_TRY(moe_json_next(j, brackets[1], &more));
    if (!more) return MOE_OK;
    MOE_TRY(item(self, to));
  }
}

moe_status moe_json_key(moe_json_in *j, char **out) {
  MOE_TRY(moe_json_text(j, out));
  if (skip_space(j) != ':') return moe_json_fail(j, "expected a colon");
  j->at++;
  return MOE_OK;
}

moe_status moe_json_end(moe_json_in *j) {
  skip_space(j);
  return j->at == j->end ? MOE_OK : moe_json_fail(j, "more than was expected");
}

/* ------------------------------------------------------------------ writing */

static void append(moe_json_out *j, const char *bytes, size_t n) {
  if (j->status != MOE_OK) return;
  j->status = moe_reserve(j->call, &j->text, &j->room, j->n, n + 1, 1);
  if (j->status != MOE_OK) return;
  memcpy(j->text + j->n, bytes, n);
  j->n += n;
  j->text[j->n] = 0;
}

void moe_json_put(moe_json_out *j, const char *raw) {
  append(j, raw, strlen(raw));
}

void moe_json_put_comma(moe_json_out *j) {
  char last = j->n > 0 ? j->text[j->n - 1] : '{';
  if (last != '[' && last != '{') append(j, ",", 1);
}

void moe_json_put_key(moe_json_out *j, const char *key) {
  moe_json_put_comma(j);
  moe_json_put_text(j, key);
  append(j, ":", 1);
}

/* Bytes that stand for themselves in a string. */
static size_t plain_length(const char *s) {
  const char *start = s;
  while ((unsigned char)*s >= ' ' && *s != '"' && *s != '\\') s++;
  return (size_t)(s - start);
}

void moe_json_put_text(moe_json_out *j, const char *text) {
  append(j, "\"", 1);
  for (;;) {
    char escape[16];
    size_t n = plain_length(text);
    append(j, text, n);
    text += n;
    if (*text == 0) break;
    if (*text == '"' || *text == '\\')
      snprintf(escape, sizeof escape, "\\%c", *text);
    else
      snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*text);
    moe_json_put(j, escape);
    text++;
  }
  append(j, "\"", 1);
}

void moe_json_put_integer(moe_json_out *j, int64_t x) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, x);
  moe_json_put(j, text);
}

void moe_json_put_number(moe_json_out *j, double x) {
  char text[MOE_NUMBER_SIZE];
  moe_number_print(x, text);
  moe_json_put(j, text);
}

void moe_json_put_flag(moe_json_out *j, bool flag) {
  moe_json_put(j, flag ? "true" : "false");
}
