/* JSON (RFC 8259), read by pulling and written by appending.  No tree is ever
   built, so that no text makes memory grow beyond what its reader keeps. */
#ifndef MOE_JSON_H
#define MOE_JSON_H

#include "object.h"

/* ----------------------------------------------------------------- reading
   The caller asks for what it expects; anything else is MOE_EFORMAT, with the
   place in the message.  Strings are decoded where they lie, so the text is
   read once and changes. */
typedef struct moe_json_in {
  moe_call *call;
  const char *what; /* the text's name in messages */
  char *start, *at, *end;
  bool fresh; /* nothing was read yet of the list or map just opened */
} moe_json_in;

/* text[size] must be a zero byte. */
moe_json_in moe_json_reader(moe_call *call, const char *what, char *text,
                            size_t size);

typedef enum moe_json_kind {
  MOE_J_OTHER, /* the end, or a mistake */
  MOE_J_NULL,
  MOE_J_FLAG,
  MOE_J_NUMBER,
  MOE_J_TEXT,
  MOE_J_LIST,
  MOE_J_MAP
} moe_json_kind;

/* What the next value's first byte announces. */
moe_json_kind moe_json_peek(moe_json_in *j);

/* A string: valid UTF-8 without a zero byte; lives as long as the text. */
moe_status moe_json_text(moe_json_in *j, char **out);
moe_status moe_json_flag(moe_json_in *j, bool *out);
moe_status moe_json_null(moe_json_in *j);

/* An integer without fraction and exponent, exactly. */
moe_status moe_json_integer(moe_json_in *j, int64_t *out);
moe_status moe_json_number(moe_json_in *j, double *out);

/* A list is opened by '[', a map by '{'.  Then `next` tells before each item
   whether there is one; when there is none it has read the `closing` bracket.
 */
moe_status moe_json_open(moe_json_in *j, char bracket);
moe_status moe_json_next(moe_json_in *j, char closing, bool *more);

/* Opens, calls item(self, to) for every item and closes: brackets are "[]" or
   "{}". */
moe_status moe_json_each(moe_json_in *j, const char *brackets,
                         moe_status (*item)(void *self, void *to), void *self,
                         void *to);

/* A map's key, with the colon after it. */
moe_status moe_json_key(moe_json_in *j, char **out);

/* Passes over the next value, whatever it is. */
moe_status moe_json_skip(moe_json_in *j);

/* MOE_EFORMAT unless only white space is left. */
moe_status moe_json_end(moe_json_in *j);

/* "<what>: <message> at byte 17". */
moe_status moe_json_fail(moe_json_in *j, const char *message);

/* ----------------------------------------------------------------- writing
   Text that grows, always with a zero byte after it.  A failure is remembered:
   what follows it does nothing, and `status` is looked at once, at the end. */
typedef struct moe_json_out {
  moe_call *call;
  moe_status status;
  char *text; /* owned: freed by the caller with moe_free */
  size_t n, room;
} moe_json_out;

void moe_json_put(moe_json_out *j, const char *raw);
void moe_json_put_comma(moe_json_out *j); /* not after an opening bracket */
void moe_json_put_key(moe_json_out *j, const char *key);   /* comma and colon */
void moe_json_put_text(moe_json_out *j, const char *text); /* valid UTF-8 */
void moe_json_put_integer(moe_json_out *j, int64_t x);
void moe_json_put_number(moe_json_out *j, double x); /* finite */
void moe_json_put_flag(moe_json_out *j, bool flag);

/* ------------------------------------------------------------------ values
   Nil, flags, numbers, texts, lists and maps.  What JSON cannot hold has a
   notation of its own, a map of one key: {"@bytes":"ff00"} is a text that is
   not UTF-8, {"@number":"inf"} (or "-inf", "nan") a number,
   {"@pairs":[[k,v],…]} a map with other keys than texts, or with a key that
   begins with '@'. */
void moe_json_put_value(moe_json_out *j, const moe_value *v);

/* Lists and maps are in the call's scratch, texts where they were read. */
moe_status moe_json_value(moe_json_in *j, moe_value *out);

/* A value as a whole text, freed with moe_free; and back, all in the scratch.
 */
moe_status moe_json_print(moe_call *call, const moe_value *v, char **out);
moe_status moe_json_parse(moe_call *call, const char *text, moe_value *out);

/* -------------------------------------------------------------------- UTF-8 */

/* Bytes of the UTF-8 character that begins here; 0 where none does. */
size_t moe_utf8_length(const char *text);
bool moe_utf8_valid(const char *text);

#endif
