/* libmoe in a C program, without any Lua:

     cc embed.c $(pkg-config --cflags --libs moe) -lm -o embed

   It makes a table, trains a mixture of a forest and a linear model on some of
   its rows, asks it about the others, and saves it for another day. */
#include <moe/moe.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 400, TRAIN = 300 };

static moe_call call;

static void check(moe_status status) {
  if (status == MOE_OK) return;
  fprintf(stderr, "%s: %s\n", moe_status_name(status), call.error.text);
  exit(1);
}

/* A new object of the catalog, with parameters in a map of values. */
static moe_object *make(const char *family, const char *name,
                        const moe_value *parameters) {
  moe_object *o;
  check(moe_object_new(&call, moe_catalog_find(family, name), &o));
  if (parameters != NULL) check(moe_object_set(&call, o, parameters));
  return o;
}

static moe_value map_of(size_t n, const char *const *names,
                        const moe_value *values) {
  moe_value map;
  check(moe_map_value(&call, n, &map));
  for (size_t i = 0; i < n; i++) {
    map.keys[i] = moe_text_value(names[i]);
    map.items[i] = values[i];
  }
  return map;
}

static moe_value object_value(moe_object *o) {
  return (moe_value){.kind = MOE_V_OBJECT, .object = o};
}

/* mixture { experts = { forest = forest { trees = 20 }, line = linear {} },
             gate = softmax {} } */
static moe_object *make_mixture(void) {
  moe_value twenty = moe_number_value(20);
  moe_value trees = map_of(1, (const char *const[]){"trees"}, &twenty);
  moe_object *forest = make("learner", "forest", &trees);
  moe_object *line = make("learner", "linear", NULL);
  moe_object *gate = make("gate", "softmax", NULL), *mixture;
  moe_value experts =
      map_of(2, (const char *const[]){"forest", "line"},
             (moe_value[]){object_value(forest), object_value(line)});
  moe_value all = map_of(2, (const char *const[]){"experts", "gate"},
                         (moe_value[]){experts, object_value(gate)});
  mixture = make("learner", "mixture", &all);
  moe_object_release(forest); /* the mixture holds them now */
  moe_object_release(line);
  moe_object_release(gate);
  return mixture;
}

/* Root mean square error of the answers for the rows. */
static double error_of(const moe_object *o, const moe_rows *x,
                       const double *y) {
  double answers[ROWS], sum = 0;
  check(moe_learner_predict(&call, o, x, answers));
  for (size_t i = 0; i < x->n; i++)
    sum += (answers[i] - y[i]) * (answers[i] - y[i]);
  return sqrt(sum / (double)x->n);
}

int main(int argc, char **argv) {
  static double x[ROWS][2], y[ROWS];
  moe_random random;
  moe_object *mixture, *again;

  /* A line where x[0] < 0, steps elsewhere. */
  moe_random_seed(&random, 1);
  for (int i = 0; i < ROWS; i++) {
    x[i][0] = 2 * moe_random_unit(&random) - 1;
    x[i][1] = 2 * moe_random_unit(&random) - 1;
    y[i] = x[i][0] < 0 ? 3 * x[i][1] : x[i][1] > 0 ? 2 : -2;
  }

  moe_call_init(&call, NULL, 2); /* no host, at most two threads */
  moe_rows rows = moe_rows_of_doubles(x[0], ROWS, 2);
  moe_rows train = moe_rows_range(&rows, 0, TRAIN);
  moe_rows test = moe_rows_range(&rows, TRAIN, ROWS - TRAIN);
  moe_target target = {
      .task = MOE_REGRESSION, .n = ROWS, .values = y, .width = 1};

  mixture = make_mixture();
  check(
      moe_learner_fit(&call, mixture, &(moe_batch){.x = train, .y = &target}));
  printf("error on unseen rows: %.3f\n", error_of(mixture, &test, y + TRAIN));

  if (argc > 1) {
    check(moe_model_save(&call, mixture, argv[1]));
    check(moe_model_load(&call, moe_catalog_find, argv[1], &again));
    printf("loaded again:         %.3f\n", error_of(again, &test, y + TRAIN));
    moe_object_release(again);
  }

  moe_object_release(mixture);
  moe_call_end(&call);
  return moe_alloc_live() != 0; /* everything was given back */
}
