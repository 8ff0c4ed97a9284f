#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

static const char *const names[] = {
#define X(name, text) #name,
    MOE_STATUS_MAP(X)
#undef X
};
static const char *const texts[] = {
#define X(name, text) text,
    MOE_STATUS_MAP(X)
#undef X
};

const char *moe_status_name(moe_status status) { return names[status]; }
const char *moe_status_text(moe_status status) { return texts[status]; }

void moe_call_init(moe_call *call, const moe_host *host, int threads) {
  static const moe_host no_host = {0};
  memset(call, 0, sizeof *call);
  call->host = host != NULL ? host : &no_host;
  call->threads = threads < 1 ? 1 : threads;
}

void moe_call_end(moe_call *call) { moe_scratch_end(call); }

bool moe_call_pausing(const moe_call *call) {
  const moe_host *h = call->host;
  return (h->expired != NULL && h->expired(h->data)) ||
         (h->cancelled != NULL && h->cancelled(h->data));
}

moe_status moe_call_check(moe_call *call) {
  const moe_host *h = call->host;
  if (h->cancelled == NULL || !h->cancelled(h->data)) return MOE_OK;
  return moe_fail(call, MOE_ECANCELLED, "interrupted");
}

void moe_call_progress(moe_call *call, const char *what, double share) {
  const moe_host *h = call->host;
  if (h->progress != NULL) h->progress(h->data, what, share);
}

moe_status moe_fail(moe_call *call, moe_status status, const char *format,
                    ...) {
  va_list arguments;
  call->error.status = status;
  va_start(arguments, format);
  vsnprintf(call->error.text, sizeof call->error.text, format, arguments);
  va_end(arguments);
  return status;
}
