/* How a mixture learns from a stream: its options, and nothing else. */
#include "mixture_stream.h"

static const char *const feedbacks[] = {"full", "partial", NULL};
static const char *const teachings[] = {"auto", "all", "chosen",
                                        "responsibility", NULL};
static const char *const warmings[] = {"shadow", "penalty", NULL};
static const char *const balances[] = {"none", "integral", "quantile", "logits",
                                       NULL};
static const char *const deaths[] = {"routing", "probability", NULL};
static const char *const revivals[] = {"none", "reset", "clone", NULL};
static const char *const reactions[] = {"note", "reset", "fork", NULL};
static const char *const measures[] = {"before", "after", NULL};

/* clang-format off */
static const moe_param params[] = {
    MOE_P_CHOICE(moe_streaming, feedback, MOE_FULL_FEEDBACK, feedbacks,
                 "whose answers are looked at when a sample is learned: those "
                 "of all experts, or partial: of the chosen ones, where the "
                 "others are costly"),
    MOE_P_CHOICE(moe_streaming, teach, MOE_TEACH_BY_KIND, teachings,
                 "which experts learn a sample: all, the chosen ones, or each "
                 "by its responsibility for it, relative to the largest; auto: "
                 "all, but by responsibility where all are of one type, which "
                 "only what they learn can make different"),
    MOE_P_REAL(moe_streaming, explore, 0, 0, 1,
               "chance that a sample goes to one more expert, drawn from those "
               "that are not chosen, which answers and learns as they do"),
    MOE_P_REAL(moe_streaming, noise, 0, 0, 1e6,
               "standard deviation of what is added to the logits where a "
               "sample is learned"),
    MOE_P_CHOICE(moe_streaming, balance, MOE_LEAVE_LOAD, balances,
                 "how the load is spread where top_k leaves experts out, by a "
                 "bias in the selection: integral follows each sample's load, "
                 "quantile the newest 128 samples' scores; logits: a bias in "
                 "the logits themselves, towards a load of 1 / experts"),
    MOE_P_REAL(moe_streaming, balance_rate, 0.01, 0, 1,
               "step of the balance's bias; of quantile the share of the new one, a sample"),
    MOE_P_INT(moe_streaming, span, 500, 1, 0x1p53,
              "samples that running means look back on: the newest counts "
              "2 / (span + 1)"),
    MOE_P_REAL(moe_streaming, dead_below, 0.01, 0, 1,
               "an expert is dead where its share falls below this"),
    MOE_P_CHOICE(moe_streaming, dead_by, MOE_BY_ROUTING, deaths,
                 "its share of what: of the routing, span samples after it is "
                 "warm; or probability: of the gate's probability, after it "
                 "learned span samples itself"),
    MOE_P_CHOICE(moe_streaming, revive, MOE_LEAVE_DEAD, revivals,
                 "what becomes of a dead expert: nothing; it begins anew; or "
                 "it becomes a copy of the best one, with its weights moved a "
                 "little (it begins anew where that is of another type, of "
                 "parts, or without weights and of other settings); one "
                 "written in Lua stays"),
    MOE_P_INT(moe_streaming, warmup, 0, 0, 0x1p53,
              "samples that an expert learns before it counts"),
    MOE_P_LIST(moe_streaming, warmups, MOE_WEIGHTS, 0, 0x1p53,
               "the same of single experts, by name"),
    MOE_P_CHOICE(moe_streaming, warming, MOE_IN_SHADOW, warmings,
                 "until its warmup is over it learns in shadow, unheard; or "
                 "penalty: it has a logit lower by up to 5"),
    {"drift", MOE_CHOICE, offsetof(moe_streaming, drift.kind), MOE_NO_DETECTOR,
     0, 0, moe_detector_choices, 0, 0,
     "what watches each expert's loss for a change"},
    {"drift_delta", MOE_REAL, offsetof(moe_streaming, drift.delta), NAN, 0, 1,
     0, 0, MOE_OPTIONAL | MOE_ABOVE_MIN,
     "its delta: adwin's confidence, the change that page_hinkley allows"},
    {"drift_threshold", MOE_REAL, offsetof(moe_streaming, drift.threshold), NAN,
     0, 1e300, 0, 0, MOE_OPTIONAL | MOE_ABOVE_MIN,
     "its threshold: of page_hinkley's sum; ddm's deviations"},
    {"drift_alpha", MOE_REAL, offsetof(moe_streaming, drift.alpha), NAN, 0, 1,
     0, 0, MOE_OPTIONAL | MOE_ABOVE_MIN, "the level of kswin's test"},
    {"drift_window", MOE_INT, offsetof(moe_streaming, drift.window), NAN, 2,
     1 << 20, 0, 0, MOE_OPTIONAL,
     "kswin's window, at least 10; the fewest samples before page_hinkley or "
     "ddm speak"},
    MOE_P_CHOICE(moe_streaming, on_drift, MOE_NOTE_DRIFT, reactions,
                 "what becomes of an expert of which drift finds that its loss "
                 "has changed for the worse: it is noted; it begins anew; or a "
                 "fork of it begins anew in shadow, and takes over once it is "
                 "better"),
    MOE_P_CHOICE(moe_streaming, measure, MOE_BEFORE_LEARNING, measures,
                 "whether utilisation and entropy are those of the gate before "
                 "it learns the sample, or after, in means that begin at 0"),
    MOE_P_CHILD(moe_streaming, forks, MOE_CHILDREN, "learner",
                MOE_OPTIONAL | MOE_LEARNED,
                "the forks that are learning, by their experts' names; the "
                "mixture's own, empty at first"),
    {0}};
/* clang-format on */

static moe_status visit(void *state, moe_visitor *v) {
  (void)state;
  (void)v;
  return MOE_OK;
}

const moe_type moe_streaming_options = {
    .name = "streaming",
    .family = "streaming",
    .doc = "How a mixture learns from a stream of samples.",
    .params_size = sizeof(moe_streaming),
    .state_size = 1,
    .params = params,
    .visit = visit};

/* Those of the table. */
static const moe_streaming defaults = {
    .balance_rate = 0.01,
    .span = 500,
    .dead_below = 0.01,
    .drift = {
        .delta = NAN, .threshold = NAN, .alpha = NAN, .window = MOE_NO_INT}};

const moe_streaming *moe__streaming_of(const moe_object *options) {
  return options != NULL ? options->params : &defaults;
}
