/* What the programs here have in common: a table of promises, each a function
   that says how it went, and a line printed for each. */
#ifndef PROMISES_H
#define PROMISES_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct promise {
  const char *text;
  bool (*holds)(void); /* false after EXPECT or SKIP has said why */
} promise;

static char why[400];
static bool skipped;

#define EXPECT(condition)                                                     \
  do {                                                                        \
    if (!(condition)) {                                                       \
      snprintf(why, sizeof why, "%s:%d: %s", __FILE__, __LINE__, #condition); \
      return false;                                                           \
    }                                                                         \
  } while (0)

#define SKIP(reason)                         \
  do {                                       \
    snprintf(why, sizeof why, "%s", reason); \
    skipped = true;                          \
    return false;                            \
  } while (0)

static int keep(const promise *promises) {
  int broken = 0;
  for (const promise *p = promises; p->text != NULL; p++) {
    skipped = false;
    bool kept = p->holds();
    printf("%s\t%s\t%s\n",
           kept      ? "kept"
           : skipped ? "skipped"
                     : "broken",
           p->text, kept ? "" : why);
    fflush(stdout);
    broken += !kept && !skipped;
  }
  return broken > 0;
}

#endif
