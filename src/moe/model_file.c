#include "model_file.h"

#include <stdio.h>
#include <string.h>

#include "file.h"
#include "model_tree.h"

static const char format[] = "lua-moe 1";

/* ----------------------------------------------------------------- checksum
   Tells accidents, not attacks: every step is a bijection of the state and of
   the word, so that a change within eight bytes never goes unnoticed. */

static uint64_t mix(uint64_t h, uint64_t word) {
  h = (h ^ word) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 32;
}

static uint64_t digest(uint64_t h, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  for (size_t left = n; left > 0;) {
    size_t step = left < 8 ? left : 8;
    uint64_t word = 0;
    memcpy(&word, p, step);
    h = mix(h, word);
    p += step;
    left -= step;
  }
  return mix(h, n);
}

enum { CHECKSUM_SIZE = 17 };

/* Of the tree's text and, whatever their order, of the tensors with their
   names, as hexadecimal digits. */
static void print_checksum(const char *text, const moe_safetensors *s,
                           char out[CHECKSUM_SIZE]) {
  uint64_t sum = digest(0, text, strlen(text));
  for (size_t i = 0; i < s->n; i++) {
    const moe_safetensor *t = &s->items[i];
    sum += digest(digest(0, t->name, strlen(t->name)), t->bytes, t->size);
  }
  snprintf(out, CHECKSUM_SIZE, "%016llx", (unsigned long long)sum);
}

/* ------------------------------------------------------------------- saving */

/* What a file is made of, in order. */
typedef struct parts {
  char *header;
  size_t header_size;
  moe_safetensors tensors;
} parts;

static void free_parts(parts *p) {
  moe_free(p->header);
  moe_free(p->tensors.items);
}

static moe_status make_header(moe_call *call, const moe_object *o, parts *p,
                              moe_json_out *json) {
  char checksum[CHECKSUM_SIZE];
  moe_st_pair metadata[] = {
      {"checksum", checksum}, {"format", format}, {"moe", NULL}};
  moe_status status;
  MOE_TRY(moe__tree_save(call, o, json, &p->tensors));
  print_checksum(json->text, &p->tensors, checksum);
  metadata[2].text = json->text;
  p->tensors.metadata = metadata;
  p->tensors.n_metadata = 3;
  status =
      moe_safetensors_header(call, &p->tensors, &p->header, &p->header_size);
  p->tensors.metadata = NULL;
  return status;
}

/* Brings up to date what lies in the host, in the children first.  This may
   run the host's code: meanwhile the objects count as used, so that nothing
   changes the tree.  After it no code runs until the file is written. */
typedef struct updater {
  moe_visitor visitor;
  moe_call *call;
} updater;

static moe_status update_below(updater *u, moe_object *o) {
  MOE_TRY(moe_object_visit(o, &u->visitor));
  return o->type->saving != NULL ? o->type->saving(u->call, o) : MOE_OK;
}

static moe_status update(updater *u, moe_object *o) {
  moe_status status;
  moe_object_use_alone(o, 1);
  status = update_below(u, o);
  moe_object_use_alone(o, -1);
  return status;
}

static moe_status update_field(moe_visitor *v, const moe_field *f) {
  updater *u = (updater *)v;
  if (f->kind == MOE_FIELD_CHILD) {
    moe_object *child = *(moe_object **)f->at;
    return child != NULL ? update(u, child) : MOE_OK;
  }
  if (f->kind == MOE_FIELD_CHILDREN) {
    moe_children *c = f->at;
    for (size_t i = 0; i < c->n; i++) MOE_TRY(update(u, c->items[i]));
  }
  return MOE_OK;
}

static moe_status make_parts(moe_call *call, moe_object *o, parts *p) {
  updater u = {{update_field}, call};
  moe_json_out json = {.call = call};
  moe_status status;
  MOE_TRY(moe_object_check_idle(call, o, false));
  MOE_TRY(update(&u, o));
  status = make_header(call, o, p, &json);
  moe_free(json.text);
  return status;
}

static moe_status join_parts(moe_call *call, const parts *p,
                             unsigned char **bytes, size_t *size) {
  size_t total = p->header_size;
  unsigned char *to;
  for (size_t i = 0; i < p->tensors.n; i++) total += p->tensors.items[i].size;
  MOE_TRY(moe_new_array(call, bytes, total, 1));
  *size = total;
  to = *bytes;
  memcpy(to, p->header, p->header_size);
  to += p->header_size;
  for (size_t i = 0; i < p->tensors.n; i++) {
    const moe_safetensor *t = &p->tensors.items[i];
    if (t->size > 0) memcpy(to, t->bytes, t->size);
    to += t->size;
  }
  return MOE_OK;
}

moe_status moe_model_dump(moe_call *call, moe_object *o, unsigned char **bytes,
                          size_t *size) {
  moe_scratch_mark mark = moe_scratch_now(call);
  parts p = {0};
  moe_status status;
  *bytes = NULL;
  *size = 0;
  status = make_parts(call, o, &p);
  if (status == MOE_OK) status = join_parts(call, &p, bytes, size);
  free_parts(&p);
  moe_scratch_drop(call, mark);
  return status;
}

static moe_status append_parts(moe_call *call, const parts *p, moe_writer *w) {
  MOE_TRY(moe_writer_append(call, w, p->header, p->header_size));
  for (size_t i = 0; i < p->tensors.n; i++) {
    const moe_safetensor *t = &p->tensors.items[i];
    MOE_TRY(moe_writer_append(call, w, t->bytes, t->size));
  }
  return moe_writer_commit(call, w);
}

static moe_status write_parts(moe_call *call, const parts *p,
                              const char *path) {
  moe_writer *w;
  moe_status status;
  MOE_TRY(moe_writer_new(call, path, &w));
  status = append_parts(call, p, w);
  moe_writer_release(w);
  return status;
}

moe_status moe_model_save(moe_call *call, moe_object *o, const char *path) {
  moe_scratch_mark mark = moe_scratch_now(call);
  parts p = {0};
  moe_status status = make_parts(call, o, &p);
  if (status == MOE_OK) status = write_parts(call, &p, path);
  free_parts(&p);
  moe_scratch_drop(call, mark);
  return status;
}

/* ------------------------------------------------------------------ loading */

/* The tree's text, in the container's own memory.  Nobody else's metadata is
   taken: what is not understood may matter. */
static moe_status find_tree(moe_call *call, const moe_safetensors *s,
                            char **text) {
  const char *made_as = moe_safetensors_metadata(s, "format");
  const char *checksum = moe_safetensors_metadata(s, "checksum");
  const char *tree = moe_safetensors_metadata(s, "moe");
  char right[CHECKSUM_SIZE];
  if (made_as == NULL || tree == NULL)
    return moe_fail(call, MOE_EFORMAT,
                    "a safetensors file, but not one of lua-moe's");
  if (strcmp(made_as, format) != 0)
    return moe_fail(call, MOE_EFORMAT, "the format is '%.40s', not '%s'",
                    made_as, format);
  if (s->n_metadata != 2 + (checksum != NULL))
    return moe_fail(call, MOE_EFORMAT, "there is unknown metadata");
  if (checksum != NULL) {
    print_checksum(tree, s, right);
    if (strcmp(checksum, right) != 0)
      return moe_fail(call, MOE_EFORMAT,
                      "the checksum does not fit: the file was altered");
  }
  *text = (char *)tree;
  return MOE_OK;
}

/* Names from the file are in the message: they may not play tricks on a
   terminal. */
static void clean_message(char *text) {
  for (; *text != 0; text++)
    if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
}

moe_status moe_model_undump(moe_call *call, moe_find_type find,
                            const unsigned char *bytes, size_t size,
                            moe_object **out) {
  moe_scratch_mark mark = moe_scratch_now(call);
  moe_safetensors tensors;
  moe_status status = moe_safetensors_read(call, bytes, size, &tensors);
  char *text = NULL;
  *out = NULL;
  if (status == MOE_OK) status = find_tree(call, &tensors, &text);
  if (status == MOE_OK)
    status = moe__tree_load(call, find, text, &tensors, out);
  moe_safetensors_free(&tensors);
  moe_scratch_drop(call, mark);
  if (status == MOE_EFORMAT) clean_message(call->error.text);
  return status;
}

moe_status moe_model_load(moe_call *call, moe_find_type find, const char *path,
                          moe_object **out) {
  unsigned char *bytes;
  size_t size;
  moe_status status;
  *out = NULL;
  MOE_TRY(moe_file_read(call, path, PTRDIFF_MAX / 2, &bytes, &size));
  status = moe_model_undump(call, find, bytes, size, out);
  moe_free(bytes);
  if (status == MOE_EFORMAT) {
    moe_error error = call->error;
    moe_fail(call, status, "cannot load '%.200s': %s", path, error.text);
  }
  return status;
}
