#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"

enum {
  LENGTH_BYTES = 8,
  ALIGNMENT = 8,  /* of the first tensor: the header is padded with spaces */
  MOST_DIMS = 256 /* keeps shapes a small multiple of the header's text */
};

static const char reserved[] = "__metadata__";

static const struct {
  const char *name;
  size_t bits;
} dtypes[] = {
#define X(name, bits) {#name, bits},
    MOE_ST_MAP(X)
#undef X
};

const char *moe_st_name(moe_st_dtype dtype) { return dtypes[dtype].name; }

/* Bytes of the tensor, of its type and shape; MOE_EFORMAT when they overflow
   or end within a byte. */
static moe_status measure(moe_call *call, const moe_safetensor *t,
                          size_t *size) {
  size_t bits = dtypes[t->dtype].bits;
  bool fits = true;
  for (size_t i = 0; i < t->n_dims; i++)
    fits = !__builtin_mul_overflow(bits, t->shape[i], &bits) && fits;
  if (!fits)
    return moe_fail(call, MOE_EFORMAT, "tensor '%.80s': its shape overflows",
                    t->name);
  if (bits % 8 != 0)
    return moe_fail(call, MOE_EFORMAT, "tensor '%.80s' ends within a byte",
                    t->name);
  *size = bits / 8;
  return MOE_OK;
}

/* Names are lines of text to those who list them. */
static bool name_fits(const char *name) {
  if (strcmp(name, reserved) == 0) return false;
  for (const char *c = name; *c != 0; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f) return false;
  return true;
}

static moe_status check_name(moe_call *call, const char *name) {
  if (name_fits(name) && moe_utf8_valid(name)) return MOE_OK;
  return moe_fail(call, MOE_EFORMAT,
                  "the tensor name '%.80s' is reserved, not UTF-8 or has a "
                  "control character",
                  name);
}

static int compare_names(const void *a, const void *b) {
  const moe_safetensor *x = a, *y = b;
  return strcmp(x->name, y->name);
}

static int compare_keys(const void *a, const void *b) {
  const moe_st_pair *x = a, *y = b;
  return strcmp(x->key, y->key);
}

static int compare_for_file(const void *a, const void *b) {
  const moe_safetensor *x = a, *y = b;
  if (x->dtype != y->dtype) return x->dtype > y->dtype ? -1 : 1;
  return strcmp(x->name, y->name);
}

static moe_status fail_twice(moe_call *call, const char *name) {
  return moe_fail(call, MOE_EFORMAT, "'%.80s' is there twice", name);
}

/* Neighbours, in an order that brings equal names together. */
static moe_status check_unique(moe_call *call, const moe_safetensors *s) {
  for (size_t i = 1; i < s->n; i++)
    if (strcmp(s->items[i - 1].name, s->items[i].name) == 0)
      return fail_twice(call, s->items[i].name);
  for (size_t i = 1; i < s->n_metadata; i++)
    if (strcmp(s->metadata[i - 1].key, s->metadata[i].key) == 0)
      return fail_twice(call, s->metadata[i].key);
  return MOE_OK;
}

/* ------------------------------------------------------------------ reading */

typedef struct reader {
  moe_call *call;
  moe_json_in json;
  moe_safetensors *out;
  size_t items_room, metadata_room;
  size_t n_dims, dims_room;
  unsigned seen;             /* parts of the tensor being read, a bit each */
  bool described;            /* the metadata was read */
  const unsigned char *data; /* the tensors' bytes */
  size_t data_size;
} reader;

static moe_status read_size(reader *r, size_t *out) {
  int64_t x;
  MOE_TRY(moe_json_integer(&r->json, &x));
  if (x < 0) return moe_json_fail(&r->json, "a negative size");
  *out = (size_t)x;
  return MOE_OK;
}

static moe_status read_dtype(reader *r, moe_safetensor *t) {
  char *name;
  MOE_TRY(moe_json_text(&r->json, &name));
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (strcmp(dtypes[i].name, name) == 0) {
      t->dtype = (moe_st_dtype)i;
      return MOE_OK;
    }
  return moe_fail(r->call, MOE_EFORMAT,
                  "tensor '%.80s': unknown element type '%.20s'", t->name,
                  name);
}

/* The shapes lie one after another in one array, which moves as it grows;
   so the pointers to them are set at the end. */
static moe_status read_dim(void *self, void *to) {
  reader *r = self;
  moe_safetensor *t = to;
  if (t->n_dims == MOST_DIMS)
    return moe_json_fail(&r->json, "a tensor of too many dimensions");
  MOE_TRY(moe_reserve(r->call, &r->out->dims, &r->dims_room, r->n_dims, 1,
                      sizeof *r->out->dims));
  MOE_TRY(read_size(r, &r->out->dims[r->n_dims]));
  r->n_dims++;
  t->n_dims++;
  return MOE_OK;
}

static moe_status read_shape(reader *r, moe_safetensor *t) {
  return moe_json_each(&r->json, "[]", read_dim, r, t);
}

typedef struct place {
  size_t at[2];
  int n;
} place;

static moe_status read_offset(void *self, void *to) {
  reader *r = self;
  place *p = to;
  if (p->n == 2) return moe_json_fail(&r->json, "expected two offsets");
  return read_size(r, &p->at[p->n++]);
}

static moe_status read_offsets(reader *r, moe_safetensor *t) {
  place p = {0};
  MOE_TRY(moe_json_each(&r->json, "[]", read_offset, r, &p));
  if (p.n != 2 || p.at[0] > p.at[1] || p.at[1] > r->data_size)
    return moe_fail(r->call, MOE_EFORMAT,
                    "tensor '%.80s': invalid offsets into %zu bytes", t->name,
                    r->data_size);
  t->bytes = r->data + p.at[0];
  t->size = p.at[1] - p.at[0];
  return MOE_OK;
}

/* The three parts of an entry, each once, in any order. */
static const struct part {
  const char *key;
  moe_status (*read)(reader *, moe_safetensor *);
} parts[] = {{"dtype", read_dtype},
             {"shape", read_shape},
             {"data_offsets", read_offsets}};
enum { ALL_PARTS = 7 };

static moe_status read_part(void *self, void *to) {
  reader *r = self;
  size_t i = 0;
  char *key;
  MOE_TRY(moe_json_key(&r->json, &key));
  while (i < 3 && strcmp(parts[i].key, key) != 0) i++;
  if (i == 3 || r->seen >> i & 1)
    return moe_json_fail(&r->json, "an unknown part of a tensor, or one twice");
  r->seen |= 1u << i;
  return parts[i].read(r, to);
}

static moe_status read_tensor(reader *r, const char *name) {
  moe_safetensors *s = r->out;
  MOE_TRY(check_name(r->call, name));
  MOE_TRY(moe_reserve(r->call, &s->items, &r->items_room, s->n, 1,
                      sizeof *s->items));
  s->items[s->n] = (moe_safetensor){.name = name};
  r->seen = 0;
  MOE_TRY(moe_json_each(&r->json, "{}", read_part, r, &s->items[s->n++]));
  return r->seen == ALL_PARTS
             ? MOE_OK
             : moe_json_fail(&r->json, "a tensor that lacks a part");
}

static moe_status read_pair(void *self, void *to) {
  reader *r = self;
  moe_safetensors *s = to;
  char *key, *text;
  MOE_TRY(moe_json_key(&r->json, &key));
  MOE_TRY(moe_json_text(&r->json, &text));
  MOE_TRY(moe_reserve(r->call, &s->metadata, &r->metadata_room, s->n_metadata,
                      1, sizeof *s->metadata));
  s->metadata[s->n_metadata++] = (moe_st_pair){key, text};
  return MOE_OK;
}

static moe_status read_entry(void *self, void *to) {
  reader *r = self;
  char *name;
  MOE_TRY(moe_json_key(&r->json, &name));
  if (strcmp(name, reserved) != 0) return read_tensor(r, name);
  if (r->described) return fail_twice(r->call, name);
  r->described = true;
  return moe_json_each(&r->json, "{}", read_pair, r, to);
}

/* Empty tensors come before the one that begins where they do. */
static int compare_places(const void *a, const void *b) {
  const moe_safetensor *x = a, *y = b;
  const unsigned char *p = x->bytes, *q = y->bytes;
  if (p != q) return p < q ? -1 : 1;
  return (x->size > y->size) - (x->size < y->size);
}

/* Every byte belongs to one tensor, and each has the bytes that it needs. */
static moe_status check_places(reader *r) {
  moe_safetensors *s = r->out;
  const unsigned char *next = r->data;
  if (s->n > 1) qsort(s->items, s->n, sizeof *s->items, compare_places);
  for (size_t i = 0; i < s->n; i++) {
    const moe_safetensor *t = &s->items[i];
    size_t wanted = 0;
    MOE_TRY(measure(r->call, t, &wanted));
    if (t->size != wanted)
      return moe_fail(r->call, MOE_EFORMAT,
                      "tensor '%.80s' needs %zu bytes and has %zu", t->name,
                      wanted, t->size);
    if (t->bytes != next)
      return moe_fail(r->call, MOE_EFORMAT,
                      "tensor '%.80s' leaves a hole or overlaps another",
                      t->name);
    next += t->size;
  }
  if (next != r->data + r->data_size)
    return moe_fail(r->call, MOE_EFORMAT, "%zu bytes belong to no tensor",
                    (size_t)(r->data + r->data_size - next));
  return MOE_OK;
}

static moe_status read_all(reader *r) {
  moe_safetensors *s = r->out;
  const size_t *shape;
  MOE_TRY(*r->json.at == '{' ? MOE_OK
                             : moe_json_fail(&r->json, "expected a map"));
  MOE_TRY(moe_json_each(&r->json, "{}", read_entry, r, s));
  MOE_TRY(moe_json_end(&r->json));
  shape = s->dims;
  for (size_t i = 0; i < s->n; i++) {
    s->items[i].shape = shape;
    if (shape != NULL) shape += s->items[i].n_dims;
  }
  MOE_TRY(check_places(r));
  if (s->n > 1) qsort(s->items, s->n, sizeof *s->items, compare_names);
  if (s->n_metadata > 1)
    qsort(s->metadata, s->n_metadata, sizeof *s->metadata, compare_keys);
  return check_unique(r->call, s);
}

static moe_status find_header(moe_call *call, const unsigned char *bytes,
                              size_t size, size_t *length) {
  uint64_t n = 0;
  if (size < LENGTH_BYTES)
    return moe_fail(call, MOE_EFORMAT, "%zu bytes are no safetensors file",
                    size);
  for (int i = LENGTH_BYTES; i-- > 0;) n = n << 8 | bytes[i];
  if (n > MOE_ST_LONGEST_HEADER)
    return moe_fail(call, MOE_EFORMAT,
                    "not a safetensors file, or its header is too long");
  if (n > size - LENGTH_BYTES)
    return moe_fail(call, MOE_EFORMAT, "the file ends within its header");
  *length = (size_t)n;
  return MOE_OK;
}

moe_status moe_safetensors_read(moe_call *call, const unsigned char *bytes,
                                size_t size, moe_safetensors *out) {
  reader r = {.call = call, .out = out};
  size_t length = 0;
  *out = (moe_safetensors){0};
  MOE_TRY(find_header(call, bytes, size, &length));
  MOE_TRY(moe_new_array(call, &out->text, length + 1, 1));
  memcpy(out->text, bytes + LENGTH_BYTES, length);
  r.json = moe_json_reader(call, "the header", out->text, length);
  r.data = bytes + LENGTH_BYTES + length;
  r.data_size = size - LENGTH_BYTES - length;
  moe_status status = read_all(&r);
  if (status != MOE_OK) moe_safetensors_free(out);
  return status;
}

void moe_safetensors_free(moe_safetensors *s) {
  moe_free(s->items);
  moe_free(s->metadata);
  moe_free(s->text);
  moe_free(s->dims);
  *s = (moe_safetensors){0};
}

const moe_safetensor *moe_safetensors_find(const moe_safetensors *s,
                                           const char *name) {
  const moe_safetensor wanted = {.name = name};
  if (s->n == 0) return NULL;
  return bsearch(&wanted, s->items, s->n, sizeof wanted, compare_names);
}

const char *moe_safetensors_metadata(const moe_safetensors *s,
                                     const char *key) {
  for (size_t i = 0; i < s->n_metadata; i++)
    if (strcmp(s->metadata[i].key, key) == 0) return s->metadata[i].text;
  return NULL;
}

/* ------------------------------------------------------------------ writing */

static moe_status order_items(moe_call *call, moe_safetensors *s) {
  if (s->n > 1) qsort(s->items, s->n, sizeof *s->items, compare_names);
  for (size_t i = 0; i < s->n; i++) {
    MOE_TRY(check_name(call, s->items[i].name));
    MOE_TRY(measure(call, &s->items[i], &s->items[i].size));
  }
  MOE_TRY(check_unique(call, s));
  if (s->n > 1) qsort(s->items, s->n, sizeof *s->items, compare_for_file);
  return MOE_OK;
}

static void put_metadata(moe_json_out *j, const moe_safetensors *s) {
  moe_json_put_key(j, reserved);
  moe_json_put(j, "{");
  for (size_t i = 0; i < s->n_metadata; i++) {
    moe_json_put_key(j, s->metadata[i].key);
    moe_json_put_text(j, s->metadata[i].text);
  }
  moe_json_put(j, "}");
}

static void put_item(moe_json_out *j, const moe_safetensor *t, size_t begin) {
  moe_json_put_key(j, t->name);
  moe_json_put(j, "{\"dtype\":");
  moe_json_put_text(j, dtypes[t->dtype].name);
  moe_json_put(j, ",\"shape\":[");
  for (size_t i = 0; i < t->n_dims; i++) {
    moe_json_put_comma(j);
    moe_json_put_integer(j, (int64_t)t->shape[i]);
  }
  moe_json_put(j, "],\"data_offsets\":[");
  moe_json_put_integer(j, (int64_t)begin);
  moe_json_put_comma(j);
  moe_json_put_integer(j, (int64_t)(begin + t->size));
  moe_json_put(j, "]}");
}

static void put_header(moe_json_out *j, const moe_safetensors *s) {
  size_t begin = 0;
  moe_json_put(j, "        {"); /* the length comes before the brace */
  if (s->n_metadata > 0) put_metadata(j, s);
  for (size_t i = 0; i < s->n; i++) {
    put_item(j, &s->items[i], begin);
    begin += s->items[i].size;
  }
  moe_json_put(j, "}");
  while (j->status == MOE_OK && j->n % ALIGNMENT != 0) moe_json_put(j, " ");
}

moe_status moe_safetensors_header(moe_call *call, moe_safetensors *s,
                                  char **header, size_t *size) {
  moe_json_out j = {.call = call};
  uint64_t length;
  *header = NULL;
  *size = 0;
  MOE_TRY(order_items(call, s));
  put_header(&j, s);
  length = j.n - LENGTH_BYTES;
  if (j.status == MOE_OK && length > MOE_ST_LONGEST_HEADER)
    j.status = moe_fail(call, MOE_EDATA,
                        "the names and texts to save take more than the "
                        "%d bytes that a header may have",
                        MOE_ST_LONGEST_HEADER);
  if (j.status != MOE_OK) {
    moe_free(j.text);
    return j.status;
  }
  for (int i = 0; i < LENGTH_BYTES; i++) j.text[i] = (char)(length >> 8 * i);
  *header = j.text;
  *size = j.n;
  return MOE_OK;
}
