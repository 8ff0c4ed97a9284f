/* The options of a routing, and which of them do not go together. */
#include "route.h"

const char *const moe_router_choices[] = {
    "top_k", "noisy_top_k", "switch", "soft", "hash", "expert_choice", NULL};
const char *const moe_score_choices[] = {
    "softmax", "sigmoid", "softmax_selected", "sqrt_softplus", NULL};
const char *const moe_drop_order_choices[] = {"position", "score", "random",
                                              NULL};
const char *const moe_overflow_choices[] = {"drop", "next_best", NULL};
const char *const moe_bias_update_choices[] = {"fixed", "sign", "magnitude",
                                               "quantile", NULL};

static const moe_param params[] = {
    MOE_P_ROUTE(moe_route_params), MOE_P_ROUTE_BATCH(moe_route_params), {0}};

static moe_status visit(void *state, moe_visitor *v) {
  (void)state;
  (void)v;
  return MOE_OK;
}

const moe_type moe_route_options = {
    .name = "route",
    .family = "router",
    .doc =
        "Selects the experts of each row by the logits of a gate.  Of a "
        "call also: training, seed, bias (a number an expert, or a tensor of "
        "one an expert and row), allowed (flags), ids (for hash), noise as a "
        "deviation a logit, allow_degenerate.  The "
        "routing has indices, weights, probs, counts, dropped; rows, choices "
        "and places (among all) of its selections sorted by expert; and "
        "methods: "
        "loss(kind), of switch, gshard, importance, collapse, entropy, z "
        "and load, with the gradient by the logits; backward{weights, "
        "probs}, stats(before, into), next_bias(), retain(), close().",
    .params_size = sizeof(moe_route_params),
    .state_size = 1,
    .params = params,
    .visit = visit};

static moe_status check_groups(moe_call *call, const moe_route_config *config,
                               size_t experts) {
  size_t groups = config->groups > 1 ? (size_t)config->groups : 1;
  size_t used = config->top_groups > 0 ? (size_t)config->top_groups : groups;
  if (experts % groups != 0)
    return moe_fail(call, MOE_EPARAM,
                    "route: 'groups' must divide the number of experts, %zu; "
                    "got %zu",
                    experts, groups);
  if (used > groups)
    return moe_fail(call, MOE_EPARAM,
                    "route: 'top_groups' must be at most 'groups', %zu; got "
                    "%zu",
                    groups, used);
  if (config->top_k != MOE_NO_INT &&
      (size_t)config->top_k > experts / groups * used)
    return moe_fail(call, MOE_EPARAM,
                    "route: 'top_k' must be at most the number of experts in "
                    "'top_groups', %zu; got %lld",
                    experts / groups * used, (long long)config->top_k);
  return MOE_OK;
}

/* Whether the one weight of a row is 1 whatever its logits are. */
static bool is_deaf(const moe_route_config *config, size_t experts) {
  if (moe_route_width(config, experts) != 1 || experts == 1) return false;
  if (config->router == MOE_HASH) return false; /* it has no gate to train */
  return moe__route_renormalizes(config) ||
         moe__route_score(config) == MOE_SOFTMAX_SELECTED;
}

moe_status moe_route_check(moe_call *call, const moe_route_config *config,
                           size_t experts, bool learns) {
  if (config->top_k != MOE_NO_INT && (size_t)config->top_k > experts)
    return moe_fail(call, MOE_EPARAM,
                    "route: 'top_k' must be at most the number of experts, "
                    "%zu; got %lld",
                    experts, (long long)config->top_k);
  if (config->router == MOE_SWITCH && config->top_k != MOE_NO_INT &&
      config->top_k != 1)
    return moe_fail(call, MOE_EPARAM,
                    "route: router 'switch' selects one expert, but 'top_k' "
                    "is %lld; use router 'top_k'",
                    (long long)config->top_k);
  MOE_TRY(check_groups(call, config, experts));
  if (learns && is_deaf(config, experts))
    return moe_fail(call, MOE_EPARAM,
                    "route: with one expert a row, a weight that is %s is "
                    "always 1, so the task's loss cannot train the gate; use "
                    "'top_k' of 2 or more, or 'renormalize = false' with "
                    "another score (router 'switch' is that)",
                    moe__route_score(config) == MOE_SOFTMAX_SELECTED
                        ? "a softmax over the selected"
                        : "renormalized");
  return MOE_OK;
}
