/* Statuses, errors, and what a call asks of its host. */
#include "status.h"

#include "promises.h"

static bool names(void) {
  EXPECT(strcmp(moe_status_name(MOE_OK), "OK") == 0);
  EXPECT(strcmp(moe_status_name(MOE_EHOST), "EHOST") == 0);
  for (int s = MOE_OK; s <= MOE_EHOST; s++)
    EXPECT(strlen(moe_status_text((moe_status)s)) > 3);
  return true;
}

static bool errors(void) {
  char longest[2000];
  moe_call call;
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  moe_call_init(&call, NULL, 1);
  EXPECT(moe_fail(&call, MOE_EARG, "%s is %d", "n", 7) == MOE_EARG);
  EXPECT(call.error.status == MOE_EARG);
  EXPECT(strcmp(call.error.text, "n is 7") == 0);
  EXPECT(moe_fail(&call, MOE_EDATA, "%s", longest) == MOE_EDATA);
  EXPECT(strlen(call.error.text) == sizeof call.error.text - 1);
  moe_call_end(&call);
  EXPECT(call.error.text[0] == 'x'); /* readable after the end */
  return true;
}

static bool hostless(void) {
  moe_call call;
  moe_call_init(&call, NULL, -3);
  EXPECT(call.threads == 1 && call.host != NULL);
  EXPECT(!moe_call_pausing(&call) && moe_call_check(&call) == MOE_OK);
  moe_call_progress(&call, "nothing", 0.5);
  return true;
}

typedef struct wishes {
  bool expired, cancelled;
  double share;
  const char *what;
} wishes;

static bool expired(void *data) { return ((wishes *)data)->expired; }
static bool cancelled(void *data) { return ((wishes *)data)->cancelled; }
static void progress(void *data, const char *what, double share) {
  wishes *w = data;
  w->what = what;
  w->share = share;
}

static bool hosted(void) {
  wishes w = {0};
  const moe_host host = {expired, cancelled, progress, NULL, &w};
  moe_call call;
  moe_call_init(&call, &host, 2);
  EXPECT(call.threads == 2 && !moe_call_pausing(&call));
  w.expired = true;
  EXPECT(moe_call_pausing(&call) && moe_call_check(&call) == MOE_OK);
  w = (wishes){.cancelled = true};
  EXPECT(moe_call_pausing(&call) && moe_call_check(&call) == MOE_ECANCELLED);
  EXPECT(strcmp(call.error.text, "interrupted") == 0);
  moe_call_progress(&call, "fit", 0.25);
  EXPECT(w.share == 0.25 && strcmp(w.what, "fit") == 0);
  return true;
}

static const promise promises[] = {
    {"statuses have names and texts", names},
    {"errors are in the caller's call, never longer than their place", errors},
    {"a call without a host goes on, on one thread at least", hostless},
    {"a host can pause a call, cancel it, and hear of its progress", hosted},
    {NULL, NULL}};

int main(void) { return keep(promises); }
