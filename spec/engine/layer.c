/* Sparse layers without Lua: each argument is a layer that Lua has saved, and
   behind it, with ".rows" to its name, the tensors x and y, its answers. */
#include "layer.h"

#include <math.h>
#include <stdlib.h>

#include "balance.h"
#include "gemm.h"
#include "promises.h"
#include "tensor_file.h"

static moe_call call;
static int n_files;
static char **files;

/* A layer, and rows with the answers that Lua gave. */
typedef struct given {
  moe_object *object;
  moe_layer layer;
  moe_named_tensors tensors;
  const moe_tensor *x, *y;
  moe_layer_rows rows;
  int64_t ids[64];
} given;

static const moe_tensor *find(const moe_named_tensors *s, const char *name) {
  for (size_t i = 0; i < s->n; i++)
    if (strcmp(s->names[i], name) == 0) return s->items[i];
  abort();
}

static void must(moe_status status) {
  if (status == MOE_OK) return;
  fprintf(stderr, "%s\n", call.error.text);
  abort();
}

static moe_status open_layer(int k, given *g) {
  char path[512];
  *g = (given){0};
  snprintf(path, sizeof path, "%s.rows", files[k]);
  MOE_TRY(moe_layer_load(&call, files[k], &g->object));
  g->layer = moe_layer_of(g->object);
  must(moe_tensors_read(&call, path, &g->tensors));
  g->x = find(&g->tensors, "x");
  g->y = find(&g->tensors, "y");
  for (size_t i = 0; i < 64; i++) g->ids[i] = (int64_t)i * 7;
  g->rows = (moe_layer_rows){
      .n = (size_t)g->x->shape[0], .x = g->x->f, .ids = g->ids, .seed = 5};
  return MOE_OK;
}

static void close_layer(given *g) {
  for (size_t i = 0; i < g->tensors.n; i++) {
    moe_tensor_release(g->tensors.items[i]);
    moe_free(g->tensors.names[i]);
  }
  moe_free(g->tensors.items);
  moe_free(g->tensors.names);
  moe_object_release(g->object);
}

/* The largest difference, beside the largest of y or 1. */
static double apart(const float *x, const float *y, size_t n) {
  double most = 0, size = 1;
  for (size_t i = 0; i < n; i++) {
    double gap = fabs((double)x[i] - (double)y[i]);
    most = gap > most || isnan(gap) ? gap : most;
    size = fmax(size, fabs((double)y[i]));
  }
  return most / size;
}

/* The answers of a layer to the rows, for the caller to free. */
static float *answer(const moe_layer *l, const given *g) {
  float *out = moe_alloc(g->y->n, sizeof *out);
  must(moe_layer_forward(&call, l, &g->rows, out, NULL));
  return out;
}

/* ------------------------------------------------------------------- answers
 */

static bool answers(void) {
  for (int k = 0; k < n_files; k++) {
    given g;
    must(open_layer(k, &g));
    float *out = answer(&g.layer, &g);
    EXPECT(apart(out, g.y->f, g.y->n) < 2e-6);
    moe_free(out);
    close_layer(&g);
  }
  return true;
}

static bool does_not_depend_on_threads(void) {
  for (int k = 0; k < n_files; k++) {
    given g;
    moe_object *half;
    must(open_layer(k, &g));
    must(moe_layer_new(&call, &g.layer, true, &half));
    moe_layer layers[] = {g.layer, moe_layer_of(half)};
    for (int i = 0; i < 2; i++) {
      call.threads = 1;
      float *one = answer(&layers[i], &g);
      call.threads = 3;
      float *many = answer(&layers[i], &g);
      EXPECT(memcmp(one, many, g.y->n * sizeof *one) == 0);
      moe_free(one);
      moe_free(many);
    }
    moe_object_release(half);
    close_layer(&g);
  }
  return true;
}

/* ----------------------------------------------------------------- gradients
   Every array of the state, and x, moved along a random direction. */

enum { ARRAYS = 13 };

typedef struct moving {
  float *at;
  size_t n;
  float *way, *gradient, *before;
} moving;

/* The places of the state's arrays and of their gradients, in one order. */
static size_t list_arrays(given *g, moe_layer_gradients *to, moving *m) {
  moe_layer_state *s = g->object->state;
  moe_feed_forward_gradients *e = &to->experts, *h = &to->shared;
  size_t dim = (size_t)s->dim, n = (size_t)s->experts;
  size_t hidden = (size_t)s->hidden, out = (size_t)s->out;
  size_t shared = (size_t)s->shared, k = 0;
  struct {
    void *at;
    size_t n;
    moe_added *to;
  } all[ARRAYS] = {{g->x->f, g->x->n, &to->x},
                   {s->gate, dim * n, &to->gate},
                   {s->noise, dim * n, &to->noise},
                   {s->w_in, n * dim * hidden, &e->w_in},
                   {s->w_gate, n * dim * hidden, &e->w_gate},
                   {s->w_out, n * hidden * out, &e->w_out},
                   {s->b_in, n * hidden, &e->b_in},
                   {s->b_out, n * out, &e->b_out},
                   {s->shared_in, dim * shared, &h->w_in},
                   {s->shared_gate, dim * shared, &h->w_gate},
                   {s->shared_out, shared * out, &h->w_out},
                   {s->shared_b_in, shared, &h->b_in},
                   {s->shared_b_out, out, &h->b_out}};
  *to = (moe_layer_gradients){0};
  for (size_t i = 0; i < ARRAYS; i++) {
    if (all[i].at == NULL) continue;
    m[k] = (moving){.at = all[i].at, .n = all[i].n};
    m[k].way = moe_alloc(m[k].n, sizeof(float));
    m[k].gradient = moe_alloc(m[k].n, sizeof(float));
    m[k].before = moe_copy(m[k].at, m[k].n, sizeof(float));
    *all[i].to = (moe_added){m[k++].gradient, true};
  }
  return k;
}

static void free_arrays(moving *m, size_t n) {
  for (size_t k = 0; k < n; k++) {
    moe_free(m[k].way);
    moe_free(m[k].gradient);
    moe_free(m[k].before);
  }
}

static double draw(moe_random *r) { return 2 * moe_random_unit(r) - 1; }

/* Σ r·answer + the losses of the routing, h along the way. */
static double value_at(given *g, const moving *m, size_t n, double h,
                       const float *r) {
  moe_layer_pass *pass;
  float *out = moe_alloc(g->y->n, sizeof *out);
  double value = 0, room[3 * 64];
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < m[k].n; i++)
      m[k].at[i] = m[k].before[i] + (float)(h * (double)m[k].way[i]);
  must(moe_layer_forward(&call, &g->layer, &g->rows, out, &pass));
  for (size_t i = 0; i < g->y->n; i++) value += (double)r[i] * (double)out[i];
  value += 3 * moe_routing_loss(MOE_LOSS_IMPORTANCE, moe_layer_routing(pass),
                                room, 1, NULL);
  moe_layer_pass_free(pass);
  moe_free(out);
  return value;
}

/* The derivative along the way by backward. */
static double slope_of(given *g, const moe_layer_gradients *to, const moving *m,
                       size_t n, const float *r) {
  moe_layer_pass *pass;
  float *out = moe_alloc(g->y->n, sizeof *out);
  double room[3 * 64], found = 0;
  must(moe_layer_forward(&call, &g->layer, &g->rows, out, &pass));
  const moe_routing *routing = moe_layer_routing(pass);
  double *by_probs = moe_alloc(routing->n * routing->experts, sizeof *by_probs);
  moe_routing_loss(MOE_LOSS_IMPORTANCE, routing, room, 3, by_probs);
  must(moe_layer_backward(&call, &g->layer, pass,
                          &(moe_layer_slopes){.out = r, .probs = by_probs},
                          to));
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < m[k].n; i++)
      found += (double)m[k].way[i] * (double)m[k].gradient[i];
  moe_layer_pass_free(pass);
  moe_free(by_probs);
  moe_free(out);
  return found;
}

/* `only`: the array that moves alone, or all where there is none of it. */
static bool agrees(given *g, size_t only, moe_random *random) {
  const double h = 2e-4;
  moe_layer_gradients to;
  moving m[ARRAYS];
  size_t n = list_arrays(g, &to, m);
  float *r = moe_alloc(g->y->n, sizeof *r);
  for (size_t i = 0; i < g->y->n; i++) r[i] = (float)draw(random);
  for (size_t k = 0; k < n; k++)
    for (size_t i = 0; i < m[k].n; i++) {
      double step = draw(random);
      m[k].way[i] = only >= n || only == k ? (float)step : 0;
    }
  double found = slope_of(g, &to, m, n, r);
  double after = value_at(g, m, n, h, r), before = value_at(g, m, n, -h, r);
  double expected = (after - before) / (2 * h);
  value_at(g, m, n, 0, r);
  free_arrays(m, n);
  moe_free(r);
  if (fabs(found - expected) <= 4e-3 * fmax(1, fabs(expected))) return true;
  snprintf(why, sizeof why, "array %zu: %g, not %g", only, found, expected);
  return false;
}

static bool has_gradients(void) {
  moe_random random;
  moe_random_seed(&random, 11);
  for (int k = 0; k < n_files; k++) {
    given g;
    must(open_layer(k, &g));
    g.rows.training = true;
    for (size_t only = 0; only <= ARRAYS; only++)
      if (!agrees(&g, only, &random)) {
        snprintf(why + strlen(why), sizeof why - strlen(why), " (layer %d)", k);
        return false;
      }
    close_layer(&g);
  }
  return true;
}

/* ---------------------------------------------------------------- half width
 */

static void round_all(void *at, size_t n) {
  float *x = at;
  for (size_t i = 0; x != NULL && i < n; i++) {
    moe_bfloat low;
    moe_bfloat_round(&x[i], &low, 1);
    moe_bfloat_widen(&low, &x[i], 1);
  }
}

/* Rounds the experts' weights of a layer of full width. */
static void round_experts(moe_layer_state *s) {
  size_t dim = (size_t)s->dim, hidden = (size_t)s->hidden;
  size_t out = (size_t)s->out, shared = (size_t)s->shared;
  size_t in = (size_t)s->experts * dim * hidden;
  round_all(s->w_in, in);
  round_all(s->w_gate, in);
  round_all(s->w_out, (size_t)s->experts * hidden * out);
  round_all(s->shared_in, dim * shared);
  round_all(s->shared_gate, dim * shared);
  round_all(s->shared_out, shared * out);
}

/* The half layer's distance from its original, and from that rounded. */
static void halve(int k, double *from_original, double *from_rounded) {
  given g;
  moe_object *half;
  must(open_layer(k, &g));
  must(moe_layer_new(&call, &g.layer, true, &half));
  moe_layer layer = moe_layer_of(half);
  float *found = answer(&layer, &g);
  *from_original = apart(found, g.y->f, g.y->n);
  round_experts(g.object->state);
  float *rounded = answer(&g.layer, &g);
  *from_rounded = apart(found, rounded, g.y->n);
  moe_free(rounded);
  moe_free(found);
  moe_object_release(half);
  close_layer(&g);
}

static bool is_as_good_as_its_weights(void) {
  must(moe__backend_replace(&call, "portable"));
  for (int k = 0; k < n_files; k++) {
    double original, rounded;
    halve(k, &original, &rounded);
    EXPECT(rounded < 2e-6);
    EXPECT(original > 1e-6 && original < 0x1p-7);
  }
  return true;
}

static bool multiplies_in_halves(void) {
  if (moe__backend_replace(&call, "onednn") != MOE_OK)
    SKIP("there is no oneDNN here");
  if (!moe__multiplies_bfloat()) {
    must(moe__backend_replace(&call, "portable"));
    SKIP("the processor does not multiply bfloat16");
  }
  for (int k = 0; k < n_files; k++) {
    double original, rounded;
    halve(k, &original, &rounded);
    EXPECT(rounded < 0x1p-7);
    EXPECT(original < 0x1p-6);
  }
  must(moe__backend_replace(&call, "portable"));
  return true;
}

/* float32 and its bfloat16, by hand: 1.0039 is half way between 0x3f80 and
   0x3f81, the largest finite number nearer to infinity than to its own. */
static bool rounds(void) {
  static const struct {
    uint32_t from;
    moe_bfloat to;
  } cases[] = {{0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3f800000, 0x3f80},
               {0x3f807fff, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
               {0x3f818000, 0x3f82}, {0x3fffffff, 0x4000}, {0xbf818000, 0xbf82},
               {0x7f7fffff, 0x7f7f}, {0xff7fffff, 0xff7f}, {0x7f7f7fff, 0x7f7f},
               {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x00000001, 0x0000},
               {0x00018000, 0x0002}};
  enum { CASES = sizeof cases / sizeof *cases };
  float from[CASES + 1], back[CASES];
  moe_bfloat to[CASES + 1];
  for (size_t i = 0; i < CASES; i++)
    memcpy(&from[i], &cases[i].from, sizeof from[i]);
  from[CASES] = NAN;
  moe_bfloat_round(from, to, CASES + 1);
  for (size_t i = 0; i < CASES; i++) EXPECT(to[i] == cases[i].to);
  EXPECT((to[CASES] & 0x7f80) == 0x7f80 && (to[CASES] & 0x7f) != 0);
  moe_bfloat_widen(to, back, CASES);
  for (size_t i = 0; i < CASES; i++) {
    uint32_t bits;
    memcpy(&bits, &back[i], sizeof bits);
    EXPECT(bits == (uint32_t)cases[i].to << 16);
  }
  return true;
}

static bool is_for_forward_alone(void) {
  given g;
  moe_object *half;
  moe_layer_pass *pass;
  must(open_layer(0, &g));
  must(moe_layer_new(&call, &g.layer, true, &half));
  moe_layer layer = moe_layer_of(half);
  float *out = moe_alloc(g.y->n, sizeof *out);
  EXPECT(moe_layer_forward(&call, &layer, &g.rows, out, &pass) ==
         MOE_EUNSUPPORTED);
  EXPECT(pass == NULL);
  EXPECT(strstr(call.error.text, "forward alone") != NULL);
  moe_free(out);
  moe_object_release(half);
  close_layer(&g);
  return true;
}

/* --------------------------------------------------------------- hard weather
 */

/* Loads, passes forward and back, copies at half width and saves, with the
   count-th allocation failing. */
static moe_status work(int k, const char *path) {
  static float out[4096], g_x[4096];
  moe_object *o = NULL, *half = NULL;
  moe_layer_pass *pass = NULL;
  moe_layer_gradients to = {.x = {g_x, true}};
  moe_layer_rows rows = {.n = 6, .x = out, .training = true};
  int64_t ids[6] = {0};
  rows.ids = ids;
  float x[6 * 64] = {0};
  for (size_t i = 0; i < sizeof x / sizeof *x; i++)
    x[i] = (float)(i % 11) / 8 - 0.5F;
  rows.x = x;
  moe_status status = moe_layer_load(&call, files[k], &o);
  moe_layer layer = {0};
  if (status == MOE_OK) layer = moe_layer_of(o);
  if (status == MOE_OK)
    status = moe_layer_forward(&call, &layer, &rows, out, &pass);
  if (status == MOE_OK)
    status = moe_layer_backward(&call, &layer, pass,
                                &(moe_layer_slopes){.out = out}, &to);
  if (status == MOE_OK) status = moe_layer_new(&call, &layer, true, &half);
  if (status == MOE_OK) {
    layer = moe_layer_of(half);
    status = moe_layer_forward(&call, &layer, &rows, out, NULL);
  }
  if (status == MOE_OK) status = moe_layer_save(&call, half, path);
  moe_layer_pass_free(pass);
  moe_object_release(half);
  moe_object_release(o);
  return status;
}

static bool survives_want(void) {
  char path[512];
  for (int k = 0; k < n_files; k++) {
    snprintf(path, sizeof path, "%s.half", files[k]);
    moe_call_end(&call);
    long live = moe_alloc_live(), n = 0;
    moe_status status = MOE_ENOMEM;
    for (; status != MOE_OK && n < 2000; n++) {
      moe_alloc_fail_after(n);
      status = work(k, path);
      moe_alloc_fail_after(-1);
      EXPECT(status == MOE_OK || status == MOE_ENOMEM);
      moe_call_end(&call);
      EXPECT(moe_alloc_live() == live);
    }
    EXPECT(status == MOE_OK && n > 20);
    remove(path);
  }
  return true;
}

static bool refuses_what_is_not_finite(void) {
  given g;
  moe_layer_pass *pass;
  must(open_layer(0, &g));
  float *out = moe_alloc(g.y->n, sizeof *out);
  g.x->f[0] = INFINITY;
  EXPECT(moe_layer_forward(&call, &g.layer, &g.rows, out, NULL) == MOE_EDATA);
  EXPECT(moe_layer_forward(&call, &g.layer, &g.rows, out, &pass) == MOE_EDATA);
  EXPECT(pass == NULL);
  moe_free(out);
  close_layer(&g);
  return true;
}

static bool copies_only_what_a_file_has_room_for(void) {
  for (int k = 0; k < n_files; k++) {
    given g;
    moe_object *copy;
    must(open_layer(k, &g));
    moe_layer odd[] = {g.layer, g.layer, g.layer, g.layer};
    const float *b_in = g.layer.experts.b_in;
    odd[0].experts.b_in = b_in != NULL ? NULL : g.layer.experts.w_in;
    odd[1].shared.w_gate = NULL;
    odd[2].shared.out--;
    odd[3].half_shared.w_in = (const moe_bfloat *)(const void *)g.layer.gate;
    bool both = g.layer.shared.experts > 0;
    for (int i = 0; i < (both ? 4 : 1); i++) {
      if (i == 1 && g.layer.shared.w_gate == NULL) continue;
      EXPECT(moe_layer_new(&call, &odd[i], i % 2, &copy) == MOE_EARG);
      EXPECT(copy == NULL);
    }
    close_layer(&g);
  }
  return true;
}

/* Of no rows there are no answers, and nothing is touched. */
static bool takes_no_rows(void) {
  given g;
  moe_layer_pass *pass;
  must(open_layer(0, &g));
  moe_layer_rows none = {.n = 0, .x = g.x->f};
  float nothing = 7;
  must(moe_layer_forward(&call, &g.layer, &none, &nothing, &pass));
  must(moe_layer_backward(&call, &g.layer, pass,
                          &(moe_layer_slopes){.out = &nothing},
                          &(moe_layer_gradients){0}));
  EXPECT(nothing == 7);
  moe_layer_pass_free(pass);
  close_layer(&g);
  return true;
}

int main(int argc, char **argv) {
  static const promise promises[] = {
      {"answer as Lua's do", answers},
      {"give the same bits for any number of threads",
       does_not_depend_on_threads},
      {"have gradients by x, the gate, the noise and every weight that "
       "differences confirm, losses of the routing included",
       has_gradients},
      {"of half width have their weights rounded to the nearest", rounds},
      {"of half width answer as their rounded weights do",
       is_as_good_as_its_weights},
      {"of half width answer within 2^-7 of that where the processor "
       "multiplies "
       "bfloat16",
       multiplies_in_halves},
      {"of half width are for forward alone", is_for_forward_alone},
      {"come through any failing allocation, and give all memory back",
       survives_want},
      {"refuse rows that are not finite", refuses_what_is_not_finite},
      {"are copied only where a file has room for all of them",
       copies_only_what_a_file_has_room_for},
      {"take no rows", takes_no_rows},
      {NULL, NULL}};
  int broken;
  n_files = argc - 1;
  files = argv + 1;
  moe_call_init(&call, NULL, 1);
  must(moe__backend_replace(&call, "portable"));
  broken = keep(promises);
  moe_call_end(&call);
  return broken;
}
