---@meta moe
-- Annotations for editors, generated from the catalog and from the comments over
-- functions by `make docs`.  It is never loaded.

---@class moe.Object

local moe = {}

---@class moe.Learner: moe.Object

moe.experts = {}

---@class moe.learner_ar_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field order? integer how many of the last targets there are
---@field standardize? boolean whether columns and targets are standardised, by their means and variances so far
---@field forgetting? number how much earlier samples count with each one that comes: about 1 / (1 - forgetting) of them are remembered
---@field ridge? number penalty on the readout's weights, which does not grow with the samples; absent: 1 for classes, 0.001 for numbers
---@field washout? integer how many samples move the memory before the readout learns

---Autoregression: the next target from the last ones and the row, by recursive least squares.
---@param options? moe.learner_ar_options
---@return moe.Learner
function moe.experts.ar(options) end

---@class moe.learner_adaptive_random_forest_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field leaf? "adaptive"|"constant"|"model" what a leaf answers with: the frequencies or mean of its targets, naive Bayes or a linear function, or whichever of the two has done better there
---@field grace_period? integer weight of samples in a leaf between two looks for a split
---@field delta? number probability that a split is not the best, by Hoeffding's bound
---@field tau? number two splits are as good as each other once the bound is lower than that
---@field criterion? "info_gain"|"gini"|"hellinger" classification: what a good split gains or takes apart
---@field thresholds? integer classification: thresholds that are tried in a numeric column
---@field learning_rate? number regression: share of its error that the linear function of a leaf corrects at each sample
---@field max_depth? integer most splits between a root and a leaf
---@field max_leaves? integer most leaves of a tree: bounds its memory
---@field trees? integer number of trees
---@field max_features? number share of the columns that a leaf observes; absent: the square root of their number, and one more
---@field lambda? number how often a tree learns from a sample, on average
---@field warning_delta? number ADWIN's probability of a change by chance: at a warning
---@field drift_delta? number the same at a drift
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---A forest of Hoeffding trees that learn from a stream, each watched and replaced when the world has changed.
---@param options? moe.learner_adaptive_random_forest_options
---@return moe.Learner
function moe.experts.adaptive_random_forest(options) end

---@class moe.learner_constant_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field statistic? "mean"|"median" what to predict in regression; learn_one needs the mean

---Predicts the class frequencies, the mean or the median of the targets, whatever the row.
---@param options? moe.learner_constant_options
---@return moe.Learner
function moe.experts.constant(options) end

---@class moe.learner_esn_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field size? integer units of the reservoir
---@field spectral_radius? number how strongly the units drive each other: the longer they remember, the nearer to 1
---@field leak? number how far the slowest unit goes to its new value with each sample; the others' lie between it and 1
---@field input_scale? number how strongly the row drives the units
---@field density? number the share of the links between units that there are
---@field standardize? boolean whether columns and targets are standardised, by their means and variances so far
---@field forgetting? number how much earlier samples count with each one that comes: about 1 / (1 - forgetting) of them are remembered
---@field ridge? number penalty on the readout's weights, which does not grow with the samples; absent: 1 for classes, 0.001 for numbers
---@field washout? integer how many samples move the memory before the readout learns
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Echo state network: a random reservoir driven by the rows, and a readout that learns.
---@param options? moe.learner_esn_options
---@return moe.Learner
function moe.experts.esn(options) end

---@class moe.learner_ewma_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field alpha? number how much less a target counts with each one that comes: 1 is the last value, 2 / (n + 1) a mean over about n

---Predicts the exponentially weighted mean of the targets, or frequencies of the classes, whatever the row.
---@param options? moe.learner_ewma_options
---@return moe.Learner
function moe.experts.ewma(options) end

---@class moe.learner_foreign_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans

---An expert written in Lua: a table with fit and predict (or learn_one and predict_one); start_fit in place of fit works in pieces, clone is for cross-fitting and em, get_state and set_state are for files, get_params and set_params make its options parameters, bytes says what it holds.
---@param options? moe.learner_foreign_options
---@return moe.Learner
function moe.experts.foreign(options) end

---@class moe.learner_forest_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field trees? integer number of trees
---@field criterion? "gini"|"entropy"|"squared_error" what is low on the two sides of a good split; absent: gini in classification, squared_error in regression
---@field max_depth? integer most splits between a root and a leaf; absent: no limit
---@field min_samples_split? integer rows in a node that is split, at least
---@field min_samples_leaf? integer rows on each side of a split, at least
---@field max_features? number share of the columns drawn at each split, at least one; absent: the square root of their number in classification, three quarters of them in regression
---@field max_bins? integer bins a column: one a value where it has no more distinct ones, else of about equally many rows; missing values take one; thresholds lie midway between bins
---@field class_weight? table<any, number> what the rows of a class count, by label; 1 where not named
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name
---@field bootstrap? boolean whether each tree has as many rows drawn with replacement; else all have all rows, and none is out of bag

---A random forest: the mean of decision trees grown on rows and columns drawn at random.
---@param options? moe.learner_forest_options
---@return moe.Learner
function moe.experts.forest(options) end

---@class moe.learner_gbt_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field loss? "squared"|"absolute"|"huber"|"quantile"|"logistic"|"softmax" what is made small; absent: squared in regression, logistic with two classes, softmax with more
---@field quantile? number the quantile that loss = 'quantile' estimates
---@field delta? number the error beyond which loss = 'huber' grows no faster than itself; absent: nine of ten targets are that near to their median
---@field rounds? integer trees for each score: one, or with softmax one a class
---@field learning_rate? number what each tree's answers are multiplied by
---@field max_depth? integer most splits between a root and a leaf
---@field max_leaves? integer most leaves of a tree, whose most valuable splits are made first; absent: no limit
---@field min_samples_leaf? integer rows on each side of a split, at least
---@field min_child_weight? number sum of the loss's second derivatives on each side of a split, at least; of squared errors it is that of the weights
---@field l2? number added to that sum where a leaf's answer is computed: the larger, the nearer it is to 0
---@field max_bins? integer bins a column: one a value where it has no more distinct ones, else of about equally many rows; missing values take one
---@field row_sample? number share of the rows that each round draws
---@field column_sample? number share of the columns that each tree draws
---@field early_stopping? integer ends after so many rounds without a lower loss on rows that are held out, and goes back to the best; absent: none are
---@field validation? number share of the rows that early_stopping holds out
---@field class_weight? table<any, number> what the rows of a class count, by label; 1 where not named
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Gradient-boosted trees: each corrects what those before it add up to.
---@param options? moe.learner_gbt_options
---@return moe.Learner
function moe.experts.gbt(options) end

---@class moe.learner_glm_options
---@field family? "auto"|"gaussian"|"bernoulli"|"poisson" distribution of the targets: numbers about a mean, one of two classes, or counts; auto: bernoulli if the labels are strings or booleans, else gaussian
---@field offset? string column, by name or number, that is added to W x as it is: of rates, the logarithm of the exposure
---@field l2? number strength of the penalty l2/2 |W|² on the log-likelihood (of unit variance)
---@field intercept? boolean whether there is a bias, which is not penalised
---@field max_iter? integer most iterations of fit
---@field tol? number fit ends where an iteration lowers the deviance by less than this share of the constant model's

---Generalised linear model, gaussian, bernoulli or poisson, with offsets: reweighted least squares.
---@param options? moe.learner_glm_options
---@return moe.Learner
function moe.experts.glm(options) end

---@class moe.learner_hoeffding_adaptive_tree_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field leaf? "adaptive"|"constant"|"model" what a leaf answers with: the frequencies or mean of its targets, naive Bayes or a linear function, or whichever of the two has done better there
---@field grace_period? integer weight of samples in a leaf between two looks for a split
---@field delta? number probability that a split is not the best, by Hoeffding's bound
---@field tau? number two splits are as good as each other once the bound is lower than that
---@field criterion? "info_gain"|"gini"|"hellinger" classification: what a good split gains or takes apart
---@field thresholds? integer classification: thresholds that are tried in a numeric column
---@field learning_rate? number regression: share of its error that the linear function of a leaf corrects at each sample
---@field max_depth? integer most splits between a root and a leaf
---@field max_leaves? integer most leaves of a tree: bounds its memory
---@field drift_delta? number probability that ADWIN takes chance for a change

---A Hoeffding tree that replaces its parts when the world has changed (ADWIN).
---@param options? moe.learner_hoeffding_adaptive_tree_options
---@return moe.Learner
function moe.experts.hoeffding_adaptive_tree(options) end

---@class moe.learner_hoeffding_tree_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field leaf? "adaptive"|"constant"|"model" what a leaf answers with: the frequencies or mean of its targets, naive Bayes or a linear function, or whichever of the two has done better there
---@field grace_period? integer weight of samples in a leaf between two looks for a split
---@field delta? number probability that a split is not the best, by Hoeffding's bound
---@field tau? number two splits are as good as each other once the bound is lower than that
---@field criterion? "info_gain"|"gini"|"hellinger" classification: what a good split gains or takes apart
---@field thresholds? integer classification: thresholds that are tried in a numeric column
---@field learning_rate? number regression: share of its error that the linear function of a leaf corrects at each sample
---@field max_depth? integer most splits between a root and a leaf
---@field max_leaves? integer most leaves of a tree: bounds its memory

---A decision tree that grows with its stream: splits as soon as the Hoeffding bound tells which is best.
---@param options? moe.learner_hoeffding_tree_options
---@return moe.Learner
function moe.experts.hoeffding_tree(options) end

---@class moe.learner_knn_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field k? integer how many neighbours answer; all rows if there are fewer
---@field weights? "uniform"|"distance" how much a neighbour counts: as its sample weight says, or that divided by its distance
---@field distance? "euclidean"|"manhattan" the root of the summed squares of the differences, or the sum of their absolute values
---@field standardize? boolean whether differences are divided by the column's deviation over the rows kept
---@field window? integer keep the last so many rows only; absent: all
---@field method? "auto"|"kd_tree"|"brute" the same neighbours by halving space, which is fast in few columns, or by matrix products, which measure euclidean distances only

---The k nearest rows answer: exact, by a k-d tree or by matrix products, and ready to learn row by row.
---@param options? moe.learner_knn_options
---@return moe.Learner
function moe.experts.knn(options) end

---@class moe.learner_last_value_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans

---Predicts the last target again, whatever the row: the baseline of streams.
---@param options? moe.learner_last_value_options
---@return moe.Learner
function moe.experts.last_value(options) end

---@class moe.learner_linear_options
---@field l2? number strength of the penalty l2/2 |W|² on half the squared errors
---@field loss? "squared"|"huber"|"epsilon_insensitive"|"quantile" what is to be small; fit is exact for squared, and one pass of learn_one over the rows for the others
---@field delta? number where the huber loss becomes linear
---@field epsilon? number the error that the epsilon_insensitive loss does not count
---@field quantile? number what the quantile loss predicts
---@field lr? number step of learn_one and partial_fit
---@field step? "implicit"|"sgd"|"adagrad"|"adam" how a row teaches: implicit (damped, never diverges), sgd, adagrad, adam
---@field penalty? "none"|"l2"|"l1"|"elastic_net" what each row learned shrinks the weights by
---@field alpha? number strength of that penalty, alpha (l1_ratio |W| + (1 - l1_ratio)/2 |W|²) a row
---@field l1_ratio? number the part of l1 in penalty = "elastic_net"
---@field standardize? boolean whether learn_one sees columns on one scale: less their running mean, over their running deviation
---@field intercept? boolean whether there is a bias, which is not penalised

---Linear regression of one or several targets, least squares or ridge: exact for fit, small steps row by row.
---@param options? moe.learner_linear_options
---@return moe.Learner
function moe.experts.linear(options) end

---@class moe.learner_logistic_options
---@field l2? number strength of the penalty l2/2 |W|² on the sum of log losses
---@field class_weight? table<any, number> what the rows of a class count, by label; 1 where not named
---@field max_iter? integer most iterations of fit
---@field tol? number fit ends where no derivative of the mean log loss, by the weights of standardised columns, exceeds this
---@field lr? number step of learn_one and partial_fit
---@field step? "implicit"|"sgd"|"adagrad"|"adam" how a row teaches: implicit (damped, never diverges), sgd, adagrad, adam
---@field penalty? "none"|"l2"|"l1"|"elastic_net" what each row learned shrinks the weights by
---@field alpha? number strength of that penalty, alpha (l1_ratio |W| + (1 - l1_ratio)/2 |W|²) a row
---@field l1_ratio? number the part of l1 in penalty = "elastic_net"
---@field standardize? boolean whether learn_one sees columns on one scale: less their running mean, over their running deviation
---@field intercept? boolean whether there is a bias, which is not penalised

---Multinomial logistic regression with an L2 penalty: L-BFGS to convergence for fit, small steps row by row.
---@param options? moe.learner_logistic_options
---@return moe.Learner
function moe.experts.logistic(options) end

---@class moe.learner_mixture_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field experts table<any, moe.Learner> the experts, all by name or in a list
---@field gate moe.Gate gives each expert's probability for a row
---@field stream? moe.Streaming how it learns sample by sample
---@field training? "two_stage"|"em"|"gradient" how fit trains: first the experts, then the gate on what they did not see; or both together, by expectation maximisation or by the gradient of the likelihood
---@field subsets? "all"|"clusters"|"residuals" the rows that each expert of two_stage trains on, unless `subsets` are given: all, a cluster of the inputs, or a cluster of the residuals of the first expert's model
---@field objective? "auto"|"likelihood"|"error"|"best_expert"|"multi_hot"|"soft"|"subsets" what the gate of two_stage is fitted to, on predictions that the experts did not train on: the likelihood of the mixture (auto for classes), the squared error of its answer (auto for numbers), the best expert of each row, all experts that were right, each by its share of the likelihood, or, where `subsets` are given, the expert whose row it is
---@field calibrate? boolean whether each expert's probabilities are sharpened or evened out, by one power, to fit its unseen answers
---@field unassigned? "none"|"all" who trains on rows that `subsets` gives to no expert
---@field frozen? string[] names of experts that fit leaves as they are
---@field folds? integer folds of the cross-fitting by which experts without out-of-bag predictions predict rows unseen
---@field rounds? integer most rounds of em
---@field tol? number em ends with a round that adds less than this to the mean log-likelihood of a row
---@field restarts? integer times that em begins anew, from other clusters; the most likely mixture is kept
---@field epochs? integer most passes of gradient over the rows
---@field batch_size? integer rows to a step of gradient
---@field lr? number size of such a step (Adam's)
---@field validation? number share of the rows that gradient holds out, to stop by and to keep the best weights by; 0: none, all epochs
---@field patience? integer epochs without a better loss on them, after which it stops
---@field expert_dropout? number share of the experts that a row does without in a step of gradient, drawn anew each time; one is always left
---@field score? "softmax"|"sigmoid"|"softmax_selected"|"sqrt_softplus" from logits to the scores that weigh the experts: softmax over all, sigmoid of each, softmax over the selected, or the root of softplus
---@field top_k? integer experts that answer a row; absent: all of them
---@field renormalize? boolean whether the weights of the selected experts sum to 1
---@field temperature? number divides the logits: above 1 evens the experts out
---@field threshold? number select the fewest experts whose scores sum to this, at most top_k
---@field balance? "none"|"bias" where top_k leaves experts out: whether a bias by which the experts share the training rows evenly counts in the selection (not in the weights)
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Experts of any kinds behind a gate that learns, on predictions they did not train on, whom to ask.
---@param options? moe.learner_mixture_options
---@return moe.Learner
function moe.experts.mixture(options) end

---@class moe.learner_mlp_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field hidden? integer[] units of each hidden layer; absent: one layer of 64
---@field activation? "relu"|"tanh"|"gelu"|"silu"|"gelu_tanh"|"sigmoid"|"softplus" what follows each hidden layer
---@field lr? number step of Adam
---@field schedule? "cosine"|"constant" how the step changes in a fit: it falls to 0 along half a cosine, or stays
---@field batch? integer rows of a mini-batch
---@field epochs? integer passes over the rows in a fit
---@field weight_decay? number share of the weights that each step takes off, times its length
---@field validation? number share of the rows that a fit does not train on; the weights of the epoch that is best on them are kept
---@field patience? integer epochs without a better one after which a fit with validation ends
---@field standardize? boolean whether dense features, and targets that are numbers, are taken with mean 0 and variance 1
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---A multi-layer perceptron for classes or numbers, trained by Adam.
---@param options? moe.learner_mlp_options
---@return moe.Learner
function moe.experts.mlp(options) end

---@class moe.learner_naive_bayes_options
---@field distribution? "gaussian"|"multinomial" of a column's values in a class: multinomial is for counts and shares, none negative
---@field smoothing? number gaussian: the share of the largest variance of a column that is added to each variance
---@field alpha? number multinomial, and columns of strings: what is added to each count
---@field priors? table<any, number> prior weight of each class, by label, 1 where it is not named; absent: the weight of its rows

---Naive Bayes, gaussian or multinomial: each column by itself, in one look at the data, or row by row.
---@param options? moe.learner_naive_bayes_options
---@return moe.Learner
function moe.experts.naive_bayes(options) end

---@class moe.learner_one_vs_rest_options
---@field model? moe.Learner what predicts numbers and is cloned for each class
---@field combine? "normalise"|"softmax" how answers become probabilities: shares of them, or a softmax whose temperature is learned row by row

---Classes by any model of numbers that learns row by row, cloned for each class.
---@param options? moe.learner_one_vs_rest_options
---@return moe.Learner
function moe.experts.one_vs_rest(options) end

---@class moe.learner_online_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field loss? "passive_aggressive"|"hinge"|"log"|"squared"|"huber"|"epsilon_insensitive"|"quantile" what is to be small; hinge and log are of classes, passive_aggressive of both, the others of numbers
---@field variant? "pa"|"pa_1"|"pa_2" of passive_aggressive: pa goes all the way to a loss of 0, pa_1 no farther than aggressiveness, pa_2 softly
---@field aggressiveness? number C of pa_1 and pa_2: how far a sample may move the weights
---@field delta? number where the huber loss becomes linear
---@field epsilon? number the error that does not count, of epsilon_insensitive and, for numbers, of passive_aggressive
---@field quantile? number what the quantile loss predicts
---@field class_weight? table<any, number> what the rows of a class count, by label; 1 where not named
---@field lr? number step of learn_one and partial_fit
---@field step? "implicit"|"sgd"|"adagrad"|"adam" how a row teaches: implicit (damped, never diverges), sgd, adagrad, adam
---@field penalty? "none"|"l2"|"l1"|"elastic_net" what each row learned shrinks the weights by
---@field alpha? number strength of that penalty, alpha (l1_ratio |W| + (1 - l1_ratio)/2 |W|²) a row
---@field l1_ratio? number the part of l1 in penalty = "elastic_net"
---@field standardize? boolean whether learn_one sees columns on one scale: less their running mean, over their running deviation
---@field intercept? boolean whether there is a bias, which is not penalised

---Linear classes or numbers learned row by row: passive-aggressive, hinge and other losses, on columns standardised as they come.
---@param options? moe.learner_online_options
---@return moe.Learner
function moe.experts.online(options) end

---@class moe.learner_pipeline_options
---@field steps? table<any, moe.Transform> the transforms, in order
---@field model? moe.Learner the learner that is fitted to what they make
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Transforms, one after the other, and a learner behind them, fitted and saved as one.
---@param options? moe.learner_pipeline_options
---@return moe.Learner
function moe.experts.pipeline(options) end

---@class moe.learner_rls_options
---@field forgetting? number what a sample counts once the next has come (1: no less)
---@field adaptive? boolean whether more is forgotten after errors larger than usual
---@field delta? number variance of a weight before anything was learned, over the noise's: the penalty on |W|² is its inverse
---@field intercept? boolean whether there is a bias

---Recursive least squares with fixed or adaptive forgetting: linear regression that is exact after every sample, with prediction intervals.
---@param options? moe.learner_rls_options
---@return moe.Learner
function moe.experts.rls(options) end

---@class moe.learner_sgbt_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field loss? "squared"|"absolute"|"huber"|"quantile" what is made small in regression; of classes it is the log loss
---@field quantile? number the quantile that loss = 'quantile' estimates
---@field delta? number the error beyond which loss = 'huber' grows no faster than itself; absent: nine of ten of the first targets are that near to their median
---@field trees? integer stages: trees for each score, of which there is one, or with more than two classes one a class
---@field lr? number what each tree's answers are multiplied by
---@field max_depth? integer most splits between a root and a leaf
---@field max_leaves? integer most leaves of a tree
---@field max_bins? integer bins a column, of about equally many of the last rows; missing values take one
---@field grace? integer weight that comes to a leaf between two looks for a split; as many rows (512 at most) wait for the trees to begin
---@field bound? "variance"|"hoeffding"|"original" when a split is sure enough: its gain is beyond what chance gives under the gradients' variance; its share is ahead of the next column's by Hoeffding's bound; or (original) the gain itself is
---@field significance? number how often chance may pass for a split
---@field min_gain? number what a split has to gain, in loss, at least
---@field min_child_weight? number sum of the loss's second derivatives on each side of a split, at least; of squared errors it is that of the weights
---@field l2? number added to that sum where a leaf's answer is computed: the larger, the nearer it is to 0
---@field column_sample? number share of the columns that each leaf draws
---@field memory? number weight after which what a leaf knows has faded to a third; 0: it does not fade
---@field detector? "none"|"adwin"|"page_hinkley"|"ddm"|"kswin" what watches each tree's gradients: where they grow, another tree learns beside it, and replaces it when it does better
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Gradient-boosted trees that grow with a stream, row by row.
---@param options? moe.learner_sgbt_options
---@return moe.Learner
function moe.experts.sgbt(options) end

---@class moe.learner_ssm_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field size? integer complex states
---@field longest? number samples that the slowest state remembers
---@field turns? number how often a state turns round in the time that it remembers
---@field standardize? boolean whether columns and targets are standardised, by their means and variances so far
---@field forgetting? number how much earlier samples count with each one that comes: about 1 / (1 - forgetting) of them are remembered
---@field ridge? number penalty on the readout's weights, which does not grow with the samples; absent: 1 for classes, 0.001 for numbers
---@field washout? integer how many samples move the memory before the readout learns

---Linear state space model: columns remembered over many spans of time, and a readout that learns.
---@param options? moe.learner_ssm_options
---@return moe.Learner
function moe.experts.ssm(options) end

---@class moe.learner_tree_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field criterion? "gini"|"entropy"|"squared_error" what is low on the two sides of a good split; absent: gini in classification, squared_error in regression
---@field max_depth? integer most splits between a root and a leaf; absent: no limit
---@field min_samples_split? integer rows in a node that is split, at least
---@field min_samples_leaf? integer rows on each side of a split, at least
---@field max_features? number share of the columns drawn at each split, at least one; absent: all are examined
---@field max_bins? integer bins a column: one a value where it has no more distinct ones, else of about equally many rows; missing values take one; thresholds lie midway between bins
---@field class_weight? table<any, number> what the rows of a class count, by label; 1 where not named
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---A decision tree: splits by one column at a time, thresholds between bins of its values.
---@param options? moe.learner_tree_options
---@return moe.Learner
function moe.experts.tree(options) end

---@class moe.Gate: moe.Object

moe.gates = {}

---@class moe.gate_classifier_options
---@field model moe.Learner the classifier: its classes are the experts, 1, 2, …
---@field soft? boolean whether a row is for each expert as far as it is likely, instead of for the best alone
---@field regret? boolean whether a row counts as much as the choice matters there
---@field temperature? number divides the logits: below 1 the gate is more decided, above less
---@field calibrate? boolean whether a further temperature is found on a fifth of the rows, which the gate is not fitted to

---Any classifier, fitted to which expert is best where.
---@param options? moe.gate_classifier_options
---@return moe.Gate
function moe.gates.classifier(options) end

---@class moe.gate_fixed_options
---@field column? string name of the column that holds the expert's name or number
---@field choose? function a function of the rows: an array with the name, the number or the probabilities of the experts for each

---A column of the data, or a function, decides who answers.
---@param options? moe.gate_fixed_options
---@return moe.Gate
function moe.gates.fixed(options) end

---@class moe.gate_foreign_options

---A gate written in Lua: a table with fit and forward.
---@param options? moe.gate_foreign_options
---@return moe.Gate
function moe.gates.foreign(options) end

---@class moe.gate_gaussian_options
---@field covariance? "full"|"tied"|"diagonal" full: each expert has a covariance of its own; tied: all have the same, so that the gate is linear; diagonal: columns are independent within an expert's region
---@field prior? number rows with the variance of all data that each covariance counts besides the expert's own
---@field max_iter? integer most rounds of fit
---@field tol? number fit ends when a round raises the mean log-likelihood by less than this
---@field temperature? number divides the logits: below 1 the gate is more decided, above less
---@field calibrate? boolean whether a further temperature is found on a fifth of the rows, which the gate is not fitted to

---Each expert's region is a normal distribution of the rows, fitted in closed form.
---@param options? moe.gate_gaussian_options
---@return moe.Gate
function moe.gates.gaussian(options) end

---@class moe.gate_knn_options
---@field k? integer how many neighbours are asked; all rows if there are fewer
---@field method? "likelihood"|"union"|"eliminate" what they say: how likely the experts held their targets; how many targets each had right; or who had all right
---@field sharpness? number how decided the method likelihood is
---@field standardize? boolean whether differences are divided by the column's deviation
---@field temperature? number divides the logits: below 1 the gate is more decided, above less
---@field calibrate? boolean whether a further temperature is found on a fifth of the rows, which the gate is not fitted to

---Who did well on the nearest rows answers: dynamic selection, as KNORA-U, KNORA-E and, with union and top_k 1, OLA.
---@param options? moe.gate_knn_options
---@return moe.Gate
function moe.gates.knn(options) end

---@class moe.gate_mlp_options
---@field temperature? number divides the logits: below 1 the gate is more decided, above less
---@field calibrate? boolean whether a further temperature is found on a fifth of the rows, which the gate is not fitted to
---@field load_balance? number what N Σ_e P_e² counts in a row's loss, P being the experts' mean probabilities: it is 1 at balance, N where one expert has everything
---@field entropy? number what is taken off a row's loss for each unit of its probabilities' entropy: above 0 keeps the gate undecided, below makes it decide
---@field hidden? integer[] units of each hidden layer; absent: one layer of 64
---@field activation? "relu"|"tanh"|"gelu"|"silu"|"gelu_tanh"|"sigmoid"|"softplus" what follows each hidden layer
---@field lr? number step of Adam
---@field schedule? "cosine"|"constant" how the step changes in a fit: it falls to 0 along half a cosine, or stays
---@field batch? integer rows of a mini-batch
---@field epochs? integer passes over the rows in a fit
---@field weight_decay? number share of the weights that each step takes off, times its length
---@field validation? number share of the rows that a fit does not train on; the weights of the epoch that is best on them are kept
---@field patience? integer epochs without a better one after which a fit with validation ends
---@field standardize? boolean whether dense features, and targets that are numbers, are taken with mean 0 and variance 1
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---A network with hidden layers and a softmax, trained by Adam to the likelihood of the mixture.
---@param options? moe.gate_mlp_options
---@return moe.Gate
function moe.gates.mlp(options) end

---@class moe.gate_softmax_options
---@field temperature? number divides the logits: below 1 the gate is more decided, above less
---@field calibrate? boolean whether a further temperature is found on a fifth of the rows, which the gate is not fitted to
---@field load_balance? number what N Σ_e P_e² counts in a row's loss, P being the experts' mean probabilities: it is 1 at balance, N where one expert has everything
---@field entropy? number what is taken off a row's loss for each unit of its probabilities' entropy: above 0 keeps the gate undecided, below makes it decide
---@field l2? number strength of the penalty l2/2 |W|² on the log-likelihood; absent: chosen by cross-validation among 30, 3 … 3e-5, but 30 for fewer than 50 rows and by adam, and 0.01 in em
---@field standardize? boolean whether the penalty is on the weights of columns with mean 0 and variance 1, and online steps are those of such columns
---@field max_iter? integer most iterations of fit
---@field tol? number fit ends where no derivative of the mean log-likelihood, by the weights of standardised columns, exceeds this
---@field solver? "auto"|"lbfgs"|"adam" lbfgs goes by all rows to the optimum, adam by mini-batches to its neighbourhood; auto: adam where rows × entries of a row × experts exceed 1e8
---@field lr? number adam: its step, which falls to 0 along half a cosine
---@field batch? integer adam: rows of a mini-batch
---@field epochs? integer adam: passes over the rows
---@field online_lr? number online: the size of steps; 0: the logits stay as they are
---@field implicit? boolean online: whether long steps are shortened so that none overshoots
---@field clip? number online: the most that the length of a gradient counts; 0: as it is
---@field decay? number online: what a step takes off the weights, for each unit of online_lr
---@field target? "likelihood"|"best_expert" online: what the logits learn; likelihood: how likely each expert was, best_expert: which one was best
---@field prior? number online: how far the prior, which follows the experts' losses, believes them; 0: there is none
---@field share? number online: the part of the prior that each sample shares out evenly: how often the best expert is expected to change
---@field weights? number[] online: the weights that it begins with: of the first expert for each column, of the second, …, and then the intercepts; absent: 0
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Linear logits and a softmax, fitted to the likelihood of the mixture.
---@param options? moe.gate_softmax_options
---@return moe.Gate
function moe.gates.softmax(options) end

---@class moe.gate_uniform_options

---The same weight for every expert.
---@param options? moe.gate_uniform_options
---@return moe.Gate
function moe.gates.uniform(options) end

---@class moe.Transform: moe.Object

moe.transforms = {}

---@class moe.transform_impute_options
---@field strategy? "mean"|"median"|"most_frequent"|"constant" what stands for a missing value
---@field fill_value? number the constant; and what fills columns without any value
---@field indicator? boolean adds a column of zeros and ones, "missing(x)", for each column x with missing values in training

---Fills missing numbers with the mean, the median, the most frequent value or a constant.
---@param options? moe.transform_impute_options
---@return moe.Transform
function moe.transforms.impute(options) end

---@class moe.transform_one_hot_options
---@field columns? string[] the nominal columns to use, the others are left out; absent: all
---@field handle_unknown? "zeros"|"refuse" what becomes of a level that was not there in training
---@field sparse? boolean whether the result is sparse: for many levels

---Turns nominal columns into one column of zeros and ones a level; numbers stay as they are.
---@param options? moe.transform_one_hot_options
---@return moe.Transform
function moe.transforms.one_hot(options) end

---@class moe.transform_ordinal_options
---@field columns? string[] the nominal columns to use, the others are left out; absent: all

---Turns nominal columns into the numbers of their levels; numbers stay as they are.
---@param options? moe.transform_ordinal_options
---@return moe.Transform
function moe.transforms.ordinal(options) end

---@class moe.transform_standard_scaler_options
---@field with_mean? boolean whether the mean is subtracted; not possible in sparse data
---@field with_std? boolean whether to divide by the deviation

---Standardises columns: (x - mean) / deviation.
---@param options? moe.transform_standard_scaler_options
---@return moe.Transform
function moe.transforms.standard_scaler(options) end

---@class moe.transform_text_hasher_options
---@field columns? string[] the nominal columns to use, the others are left out; absent: all
---@field words? integer[] lengths of word n-grams, {1, 2} for instance; {}: none; absent: single words
---@field chars? integer[] lengths of character n-grams within words, {3, 5} for instance; absent: none
---@field buckets? integer columns that the features are hashed into
---@field lowercase? boolean whether ASCII letters are taken as small
---@field binary? boolean whether a feature counts once in a row, however often it is there
---@field signed? boolean whether half of the features count negatively, so that what shares a bucket cancels on average
---@field tfidf? boolean whether features count less the more rows have them
---@field norm? boolean whether each row is divided by its Euclidean length
---@field pass_numeric? boolean whether numeric columns follow the buckets, as they are
---@field sparse? boolean whether the result is sparse; dense suits few buckets

---Turns columns of strings into sparse counts of hashed words and character n-grams, with TF-IDF weights.
---@param options? moe.transform_text_hasher_options
---@return moe.Transform
function moe.transforms.text_hasher(options) end

---@class moe.Streaming: moe.Object

moe = {}

---@class moe.streaming_streaming_options
---@field feedback? "full"|"partial" whose answers are looked at when a sample is learned: those of all experts, or partial: of the chosen ones, where the others are costly
---@field teach? "auto"|"all"|"chosen"|"responsibility" which experts learn a sample: all, the chosen ones, or each by its responsibility for it, relative to the largest; auto: all, but by responsibility where all are of one type, which only what they learn can make different
---@field explore? number chance that a sample goes to one more expert, drawn from those that are not chosen, which answers and learns as they do
---@field noise? number standard deviation of what is added to the logits where a sample is learned
---@field balance? "none"|"integral"|"quantile"|"logits" how the load is spread where top_k leaves experts out, by a bias in the selection: integral follows each sample's load, quantile the newest 128 samples' scores; logits: a bias in the logits themselves, towards a load of 1 / experts
---@field balance_rate? number step of the balance's bias; of quantile the share of the new one, a sample
---@field span? integer samples that running means look back on: the newest counts 2 / (span + 1)
---@field dead_below? number an expert is dead where its share falls below this
---@field dead_by? "routing"|"probability" its share of what: of the routing, span samples after it is warm; or probability: of the gate's probability, after it learned span samples itself
---@field revive? "none"|"reset"|"clone" what becomes of a dead expert: nothing; it begins anew; or it becomes a copy of the best one, with its weights moved a little (it begins anew where that is of another type, of parts, or without weights and of other settings); one written in Lua stays
---@field warmup? integer samples that an expert learns before it counts
---@field warmups? table<any, number> the same of single experts, by name
---@field warming? "shadow"|"penalty" until its warmup is over it learns in shadow, unheard; or penalty: it has a logit lower by up to 5
---@field drift? "none"|"adwin"|"page_hinkley"|"ddm"|"kswin" what watches each expert's loss for a change
---@field drift_delta? number its delta: adwin's confidence, the change that page_hinkley allows
---@field drift_threshold? number its threshold: of page_hinkley's sum; ddm's deviations
---@field drift_alpha? number the level of kswin's test
---@field drift_window? integer kswin's window, at least 10; the fewest samples before page_hinkley or ddm speak
---@field on_drift? "note"|"reset"|"fork" what becomes of an expert of which drift finds that its loss has changed for the worse: it is noted; it begins anew; or a fork of it begins anew in shadow, and takes over once it is better
---@field measure? "before"|"after" whether utilisation and entropy are those of the gate before it learns the sample, or after, in means that begin at 0
---@field forks? table<any, moe.Learner> the forks that are learning, by their experts' names; the mixture's own, empty at first

---How a mixture learns from a stream of samples.
---@param options? moe.streaming_streaming_options
---@return moe.Streaming
function moe.streaming(options) end

---@class moe.Detector: moe.Object

moe.drift = {}

---@class moe.detector_adwin_options
---@field delta? number the probability of a false alarm, for each cut: the smaller, the surer
---@field bound? "variance"|"range" of the difference of two means: by the numbers' variance and range, or by Hoeffding's for numbers within [0, 1]
---@field every? integer numbers from one test to the next

---An adaptive window: a drift where two parts of it differ in mean.
---@param options? moe.detector_adwin_options
---@return moe.Detector
function moe.drift.adwin(options) end

---@class moe.detector_ddm_options
---@field threshold? number deviations above the lowest mean, for a drift
---@field deviation? "mean"|"numbers" which one: of the mean, or of the numbers themselves, which only losses that grow beyond any seen before exceed
---@field min_samples? integer fewest numbers before it says anything

---A drift where mean and deviation have risen above their lowest.
---@param options? moe.detector_ddm_options
---@return moe.Detector
function moe.drift.ddm(options) end

---@class moe.detector_kswin_options
---@field alpha? number the level of each test: 0.005 is a false alarm in some 1,300 numbers, 0.0001 in some 40,000
---@field window? integer numbers kept, of which the newest 3 in 10 are compared with the others

---A drift where the newest numbers are distributed otherwise than those before (Kolmogorov-Smirnov).
---@param options? moe.detector_kswin_options
---@return moe.Detector
function moe.drift.kswin(options) end

---@class moe.detector_page_hinkley_options
---@field delta? number a change of the mean that is allowed
---@field threshold? number what the sum of changes beyond that may reach
---@field min_samples? integer fewest numbers before it says anything

---A drift where what numbers exceed their mean by, or fall short of it, adds up.
---@param options? moe.detector_page_hinkley_options
---@return moe.Detector
function moe.drift.page_hinkley(options) end

---Reads an object that `save` wrote. No code of the file is run.
---@param path string of the file
---@param options? table of which there is one:; lua: name or path in the tree → the object to take for one written in Lua
---@return any # the object; or nil, message, code for a file that is none
function moe.load(path, options) end

---The same from the bytes that `dump` gave.
---@param bytes any a string
---@param options? table as for `load`
---@return any # the object; or nil, message, code
function moe.undump(bytes, options) end

---Sends rows to experts by their logits: the routing that mixtures use, by itself.
---@param logits any n×experts: rows as `predict` takes them
---@param options? table as listed below
---@return any # a Routing: indices (n×k, 0: none), weights (n×k), probs (n×experts), counts, rows, choices, places, dropped
function moe.route(logits, options) end

---A float32 tensor.
---@param items any a table of numbers, a table of rows, or a text with a row a line
---@return any # the tensor
function moe.tensor(items) end

---A tensor of zeros.
---@param ... any its lengths, or one table of them
---@return any # the tensor
function moe.zeros(...) end

---A tensor of ones.
---@param ... any its lengths, or one table of them
---@return any # the tensor
function moe.ones(...) end

---Numbers drawn from the standard normal distribution.
---@param ... any the lengths, or one table of them; then options if any: { seed = 0 }
---@return any # the tensor
function moe.randn(...) end

---A matrix most of whose cells are 0.
---@param rows any an array of tables, column → value, and `columns`, their number
---@return any # the matrix
function moe.sparse(rows) end

---Limits the threads that calls from this Lua state use: 1 in a host unless set, all cores in the program `moe`.
---@param n any from 1 to 256
function moe.set_threads(n) end

---The limit that `set_threads` has set.
---@return any # a number
function moe.threads() end

---Seconds of a clock that only goes forward.
---@return any # a number
function moe.now() end

---Bytes that objects of this Lua state hold outside Lua's own memory.
---@return any # a number
function moe.memory() end

---The library that makes the matrix products.
---@return any # its name
function moe.backend() end

---Chooses the library that makes the matrix products, before the first of them.
---@param name string as `backend` gives it; "portable": none, but this program's own code
function moe.load_backend(name) end

---The help as a string; the prompt of `moe` prints it.
---@param name? string of an expert, gate, transform, function, method, module or kind of object; or such a function or object itself; without it the list of them
---@return any # a string of lines; the pages of all that have this name
function moe.help(name) end

---Experts behind a gate: moe.mixture { experts = { … }, gate = G.softmax {} }.
---@param options table as `moe.help "mixture"` lists them; experts is name → learner, or a list of learners
---@return any # a learner
function moe.mixture(options) end

---Calls a function without recording gradients.
---@param f any the function; what it makes by operations and does not return is given back
---@param ... any its arguments
---@return any # what it returns; it cannot yield
function moe.no_grad(f, ...) end

---Transforms and the learner behind them as one: moe.pipeline { scaler, model }.
---@param parts any transforms in order, a learner at the end, and options by name, as `moe.help "pipeline"` lists them
---@return any # a learner
function moe.pipeline(parts) end

---The options of a mixture's `stream`: moe.mixture { stream = moe.streaming { … } }; a table of them does as well.
---@param options? table as `moe.help "streaming"` lists them, and preset: "reference" for the behaviours of irithyll's NeuralMoE where no other is given
function moe.streaming(options) end

---A learner from a model that XGBoost (`save_model("model.json")`: gbtree, dart) or LightGBM (`save_model("model.txt")`) trained: it answers as that program's own predict does with all of its trees, and is not fitted again.
---@param path string of the file
---@param options? table { classes }: the names of the classes 0, 1, … in a list; the numbers themselves are used without it
---@return any # a trained learner; or nil, message, code for a file that cannot be read, is no such model, or has something that cannot be imported, which the message names
function moe.experts.import(path, options) end

---A learner around a neural module. In a mixture em fits it on, by the shares of rows that it answers for; no gradient reaches it through the gate (training = "gradient" refuses it, unless it is frozen).
---@param options table a table of; module: a module that gives rows × outputs, or function(inputs, outputs, seed) → module; loss: "cross_entropy" (of classes), "mse" or "huber", or function(output, y, weights): y has the numbers of the outputs for classes, or targets less their mean, in deviations; weights, where there are any, the mean of all rows' being 1, none 0; optimizer: the name of one of moe.optim ("adamw"), or function(parameters) → optimiser; lr, weight_decay: the optimiser's own unless given; clip: the most that the norm of the gradients may be; schedule: function(optimiser, steps) → one of moe.optim.schedules; epochs (20), batch_size (32); warm_epochs: of a fit that goes on from the weights there are, as each round of em is (epochs unless given); seed: of the order of rows and what is held out; unless given 0, or in a mixture one of the mixture's seed and the expert's name; validation (0): the share of rows held out, to stop after `patience` (5) epochs without a gain and return to the best; balance (0.01): the weight of the balance loss of a module that gives routings; standardize (true): inputs have mean 0 and deviation 1, as targets of regression always have in a fit; task: "auto", "classification" or "regression", as of other learners; classes: of the outputs, in their order; those of the rows, sorted, unless given; warm (false): each fit goes on from the weights there are, as one with the option warm = true does; a copy's first fit does not
---@return any # a learner; its `behind` is the network: { module, options, … }
function moe.experts.network(options) end

moe.data = {}

---Reads a table from comma-separated values.
---@param path string of the file
---@param options? table as listed below
---@return any # a Table; or nil, message, code for a file that cannot be read
function moe.data.read_csv(path, options) end

---The same from a string.
---@param text any the bytes
---@param options? table as `moe.help "read_csv"` lists them
---@return any # a Table; or nil, message, code
function moe.data.parse_csv(text, options) end

---Reads a tensor from an IDX file, as those of MNIST are; also gzipped (with zlib).
---@param path string of the file
---@param options? table { float }: true for float32 of integers too, which are int32 else
---@return any # a tensor; or nil, message, code for a file that cannot be read
function moe.data.read_idx(path, options) end

---Writes a tensor as an IDX file: float32, int32, or bytes where all integers are such.
---@param path string of the file
---@param t any the tensor
---@return any # true; or nil, message, code
function moe.data.write_idx(path, t) end

---Reads a tensor from a NumPy file. Integers and truth values become int32 and must fit it; real numbers float32, doubles rounded to the nearest, and refused beyond its range.
---@param path string of the file
---@return any # a tensor; or nil, message, code
function moe.data.read_npy(path) end

---Writes a tensor as a NumPy file.
---@param path string of the file
---@param t any the tensor
---@return any # true; or nil, message, code
function moe.data.write_npy(path, t) end

---Reads the tensors of a NumPy archive, stored or (with zlib) compressed.
---@param path string of the file
---@return any # name → tensor; or nil, message, code
function moe.data.read_npz(path) end

---Writes tensors as a NumPy archive, not compressed.
---@param path string of the file
---@param tensors any name → tensor
---@return any # true; or nil, message, code
function moe.data.write_npz(path, tensors) end

---Reads the tensors of a safetensors file, as `load_state_dict` takes them; float16 and bfloat16 become float32. Of PyTorch's modules: `load_state_dict` with layout = "torch".
---@param path string of the file
---@return any # name → tensor; or nil, message, code
function moe.data.read_safetensors(path) end

---Writes tensors as a safetensors file.
---@param path string of the file
---@param tensors any name → tensor: what `state_dict` gives
---@return any # true; or nil, message, code
function moe.data.write_safetensors(path, tensors) end

---A table of columns at hand.
---@param options table a table of; columns: name → array of numbers or of strings; names: their order; by byte unless given; target: the name of the column to be predicted
---@return any # a Table
function moe.data.table(options) end

---Rows to classify: normal clusters around the corners of a hypercube.
---@param options? table as listed below
---@return any # a Table
function moe.data.make_classification(options) end

---Rows to classify: two half circles that interlock.
---@param options? table as listed below
---@return any # a Table
function moe.data.make_moons(options) end

---Rows of numbers: a weighted sum of normal features, and noise.
---@param options? table as listed below
---@return any # a Table
function moe.data.make_regression(options) end

---Rows of numbers: a law of its own in each region of the input space.
---@param options? table as listed below
---@return any # a Table, and each row's region in an array
function moe.data.make_regions(options) end

---Divides row numbers at random into two parts.
---@param n any how many rows there are
---@param share any of the first part, between 0 and 1
---@param options? table a table of; seed = 0: of the generator; strata: an array of labels, of each of which either part has its share; groups: an array of labels; rows of one are never divided
---@return any # two arrays of row numbers
function moe.data.split(n, share, options) end

---Deals row numbers into folds.
---@param n any how many rows there are
---@param k any how many folds
---@param options? table as for `split`
---@return any # an array: of each row its fold, 1 … k
function moe.data.folds(n, k, options) end

---An iterator over batches, for passes one after the other; `rewind` begins a pass anew after a `break`.
---@param options table { X, y, weights }: tensors, tables or arrays of as many rows; batch (32), shuffle (false), seed (0), drop_last (false): leave out what fills no batch
---@return any # what gives X, y and weights of the next batch, each of the kind it was given as
function moe.data.loader(options) end

moe.streams = {}

---Loan applications (Agrawal, Imielinski & Swami 1993, doi 10.1109/69.250074): six numbers and three codes (elevel, car, zipcode) of a person, who is in group "A" or "B" by one of the paper's ten functions.  Thereafter the numbers are moved by up to the perturbation times their range, within it.
---@param options? table a table of; variant = 1: of the ten functions; perturbation = 0.05: in [0, 1]; nominal = false: the codes as strings; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.agrawal(options) end

---One stream after the other: a sudden drift.
---@param parts any streams in order, with the same columns, and; at: after how many samples the next one comes, a list where there are more than two; a number alone is the length of each; rows: how many in all; as long as the last one unless given
---@return any # a Stream, which draws from those that it is made of
function moe.streams.sudden(parts) end

---From one stream to another, slowly: the probability that a sample is of the second is 1 / (1 + exp(−4 (t − at) / width)), as in MOA (Bifet et al. 2010).
---@param parts any two streams with the same columns, and; at: where the two are as probable; width = 1000: about as many samples as the change takes; seed = 0, rows: how many in all; as long as they last unless given
---@return any # a Stream, which draws from those that it is made of
function moe.streams.gradual(parts) end

---Streams that take turns and come again.
---@param parts any streams in order, with the same columns, and; every: samples of a turn; rows: how many in all; endless, or to the end of one of them, unless given
---@return any # a Stream, which draws from those that it is made of
function moe.streams.recurring(parts) end

---A stream whose samples change places: each is drawn from a buffer that holds some.
---@param parts any a stream, and; buffer = 1000: how many samples wait in it; seed = 0, rows: how many in all; all of them unless given
---@return any # a Stream, which draws from the one that it is made of
function moe.streams.shuffle(parts) end

---A law that never stands still: y = Σ w(t) x + x1 x2 and noise, where each weight swings between −1 and 1 as a sine with a period and a phase of its own.  Normal numbers.
---@param options? table a table of; features = 10: how many, at least 2; period = 10000: rows; the periods lie between this and twice as many; noise = 0.5: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.continuous_drift(options) end

---The rows of a CSV file of any size, in memory that does not grow: the same cells as moe.data.read_csv gives.  A column is of strings if it is named in `categorical`, or if a cell in the first 256 KB of the file is no number; what comes later must be as it was there.
---@param path string of the file
---@param options? table a table of; target: the column that is y; task: "classification" or "regression"; by what the target holds unless given; drop, categorical, missing: lists, as for read_csv; sep = ",", header = true
---@return any # a Stream; or nil, message, code for a file that cannot be read.  A bad row in its middle, named by line and column, ends it: `s()` gives nil, message, code, and `s:iter()` raises
function moe.streams.csv(path, options) end

---Tasks of a few rows each: after every `context` rows another law is drawn, y = w x + a sin(b x1) and noise, w, a and b normal.  Five normal numbers; that the law has changed is not told.
---@param options? table a table of; context = 100: rows of a task; noise = 0.5: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.few_shot(options) end

---Equations of the Feynman lectures, as Udrescu & Tegmark 2020 (doi 10.1126/sciadv.aay2631) use them, of five numbers in [1, 5): after every `length` rows another of five laws holds, in turn.  Which one is not told.
---@param options? table a table of; length = 10000: rows a law holds; noise = 0.1: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.feynman(options) end

---Friedman's function (1991, doi 10.1214/aos/1176347963), 10 sin(π x1 x2) + 20 (x3 − 0.5)² + 10 x4 + 5 x5 and normal noise, of ten numbers in [0, 1); and the drifts of Ikonomovska, Gama & Džeroski 2011 (doi 10.1007/s10618-010-0201-y): "lea", another law in two regions, which grow after each quarter of `period` rows; "gra", another law everywhere from half of it to three quarters; "gsg", a second law from half of it, a third from three quarters, each coming in over a tenth.
---@param options? table a table of; drift = "none": "lea", "gra" or "gsg"; period: rows; as many as `rows`, or 100,000, unless given.  After it the last law stays; noise = 1: its standard deviation; features = 10: how many, at least 5, of which 5 matter; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.friedman(options) end

---Many numbers of which few matter: y = 2 x1 + 3 sin(2 x2) + 2 x3 x4 − x5² and noise, of normal numbers; the rest are noise.
---@param options? table a table of; features = 50: how many, at least 5; noise = 1: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.high_dim(options) end

---A hyperplane that turns (Hulten, Spencer & Domingos 2001, doi 10.1145/502512.502529): numbers in [0, 1), "yes" where Σ w x ≥ Σ w / 2.  The weights begin in [0, 1); after each row those of the first features move by `change`, each of them changing its direction with the probability `reverse`.
---@param options? table a table of; features = 10: how many; drifting = 2: how many weights move; change = 0.001: by which a weight moves; reverse = 0.1: in [0, 1]; noise = 0.05: the share of labels that are turned round; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.hyperplane(options) end

---A digit on a display of seven segments (Breiman et al. 1984), each of them wrong with the probability `noise`; at 0.1 nobody can read more than 74 % of them.
---@param options? table a table of; noise = 0.1: in [0, 1]; irrelevant = true: 17 more features that are 0 or 1 at random; swapped = 0: so many segments, from the first on, change places with irrelevant features, which is a drift where streams follow each other; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.led(options) end

---A series that remembers long: y(t) = Σ φ y(t − k) + normal noise over the last values, φ of a random sign and falling as 1 / k, their sizes together 0.95.  All these values are the features.
---@param options? table a table of; lags = 64: how many values count, and are seen; horizon = 1: how far ahead the target lies; noise = 0.05: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.long_ar(options) end

---Lorenz's system (1963; σ = 10, ρ = 28, β = 8/3), by Runge & Kutta's method of order 4 in steps of 0.01 from a point near (1, 1, 1): where it is (x, y, z) tells x some steps later.
---@param options? table a table of; horizon = 20: how many steps ahead the target lies; noise = 0.1: standard deviation of what is added to each feature; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.lorenz(options) end

---The series of Mackey & Glass (1977, doi 10.1126/science.267326), dx/dt = 0.2 x(t − τ) / (1 + x(t − τ)^10) − 0.1 x, from x(0) = 1.2 and nothing before, one value a unit of time: the last values tell a later one.
---@param options? table a table of; tau = 17: the delay; from 17 on the series is chaotic; lags = 10: how many values are the features; horizon = 1: how far ahead the target lies; noise = 0: standard deviation of what is added to a value; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.mackey_glass(options) end

---NARMA of order 10 (Atiya & Parlos 2000, doi 10.1109/72.846741): y(t + 1) = 0.3 y(t) + 0.05 y(t) Σ y(t − i) + 1.5 u(t − 9) u(t) + 0.1, the sum over ten values, u uniform in [0, 0.5); y is not let grow beyond 1, which it would do once in a great while.  The features are the last inputs u alone.
---@param options? table a table of; lags = 10: how many inputs are seen; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.narma10(options) end

---A series that never settles: a level that wanders and jumps, two seasons of which one slowly changes its length, and an autoregressive part whose sign turns with each `period`; the last values tell the next.
---@param options? table a table of; lags = 10: how many values are the features; horizon = 1: how far ahead the target lies; period = 5000: values between two turns; noise = 1: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.nonstationary(options) end

---An energy put together from parts: kinetic, of a spring, of height and of rotation, ½ m v² + ½ k d² + 9.81 m h + ½ i w², and noise.  Mass m and spring k lie in [0.5, 2), speed v and rate w in [−2, 2), the others, d, h and i, in [0, 1).
---@param options? table a table of; noise = 0.1: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.physics(options) end

---A power plant as the one of Tüfekci 2014 (doi 10.1016/j.ijepes.2014.02.027): ambient temperature (°C), vacuum (cm Hg), pressure (mbar) and humidity (%), drawn with the means, deviations and about the correlations of those data, tell the power in MW by the plane that fits them, 454.6 − 1.978 AT − 0.2339 V + 0.0621 AP − 0.1581 RH, and noise.
---@param options? table a table of; noise = 4.5: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.power_plant(options) end

---Radial basis functions, as in MOA (Bifet et al. 2010): around centroids with a class, a weight and a deviation of their own, all in [0, 1), rows lie in any direction at a normal distance.
---@param options? table a table of; features = 10, classes = 2, centroids = 50: how many; drifting = 0: how many centroids move; speed = 0.0001: their way a row; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.random_rbf(options) end

---Laws that take turns: one of several, linear, periodic, broken or a product of two numbers, holds for some rows, then another at random, and they come again.  Five normal numbers; which law holds is not told.
---@param options? table a table of; regimes = 4: how many laws, of the four kinds in turn, with weights of their own; length = 5000: rows a law holds; noise = 0.5: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.regime_shift(options) end

---The rows of a tensor, a sparse matrix, a table or an array, in their order.
---@param X any rows as `fit` takes them, or a table that knows its target
---@param y? any one label or number a row, or several numbers: a tensor n×k, or a table of k; NaN, nil, and false beside labels that are no booleans: unknown
---@param options? table { task = "classification" or "regression"; by what y holds unless given, name }
---@return any # a Stream
function moe.streams.rows(X, y, options) end

---SEA concepts (Street & Kim 2001, doi 10.1145/502512.502568): three numbers in [0, 10), "yes" where x1 + x2 is at most the threshold of the variant, 8, 9, 7 or 9.5; the third does not matter.
---@param options? table a table of; variant = 1: of the four; noise = 0.1: the share of labels that are turned round; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.sea(options) end

---Sensors that age: each tells a quantity, which wanders around 0, times a gain and plus an offset that wander too, with noise; once in 10,000 rows a sensor is replaced.
---@param options? table a table of; sensors = 8: how many; noise = 0.5: standard deviation of a reading; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.sensor_drift(options) end

---A curve in the unit square (Gama et al. 2004, doi 10.1007/978-3-540-28645-5_29): "yes" where x2 lies below sin x1 (variant 1) or 0.5 + 0.3 sin 3π x1 (variant 3); the labels of 2 and 4 are those of 1 and 3 turned round.
---@param options? table a table of; variant = 1: of the four; irrelevant = false: two more numbers that do not matter; noise = 0: the share of labels that are turned round; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.sine(options) end

---Spikes of neurons: a hidden state stays from row to row with the probability `stay`; each channel fires (1) or not (0) with a probability of its own in either state, drawn in [0.1, 0.5).  The state is the class, so that what was before tells of it too.
---@param options? table a table of; channels = 16: how many; stay = 0.95: in [0, 1]; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.spikes(options) end

---Arms of a spiral, one a class: at the distance r, uniform in [0, 1), the angle is 2π (turns · r + k / classes) for class k, and normal noise; the features are the plane's x and y.
---@param options? table a table of; classes = 3: how many arms; turns = 1: of an arm, from the middle to its end; noise = 0.3: standard deviation of the angle; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.spiral(options) end

---STAGGER (Schlimmer & Granger 1986, doi 10.1023/A:1022810614389): size, color and shape of a thing, "yes" by one of three rules: small and red; green or a circle; medium or large.  There is no noise.
---@param options? table a table of; variant = 1: of the three rules; nominal = true: strings; otherwise the codes 0, 1, 2; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.stagger(options) end

---A law that breaks: y = Σ w x + x1 x2 and noise of normal numbers, the weights drawn anew after every `length` rows; the old ones do not come again.
---@param options? table a table of; features = 10: how many, at least 2; length = 12500: rows a law holds; noise = 0.5: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.sudden_drift(options) end

---Waveforms (Breiman et al. 1984): 21 points of a mixture of two of three triangular waves, u and 1 − u of each, and normal noise of variance 1; which two is the class. The best that is possible is about 86 %.
---@param options? table a table of; irrelevant = false: 19 more features that are noise; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.waveform(options) end

---A wave over a plane: y = sin(2π x1) + 0.5 sin(4π x2) x1 and noise, of two numbers in [0, 1).
---@param options? table a table of; noise = 0.1: standard deviation; seed = 0, rows: how many; endless unless given
---@return any # a Stream
function moe.streams.waves(options) end

---Stages to be run in order: moe.schedule { S.pretrain {}, S.gate {} }.
---@param list any of stages (of `moe.stages`) and functions (mixture, data, context)
---@return any # a schedule, which prints as its stages
function moe.schedule(list) end

moe.stages = {}

---A stage of one's own.
---@param name string for the history
---@param own any its options, for printing and for the mark of a checkpoint
---@param run any function(stage, mixture, data, context) → a table for the history
function moe.stages.new(name, own, run) end

---Whether a value is a stage.
---@param value any anything
function moe.stages.is_stage(value) end

---Fits the experts, each on the rows of its subset; the gate stays as it is.
---@param options? table a table of; where: function(row number, target): whether to learn from the row; weights: an array, or such a function: how much each row counts; sample: a share below 1, or a number of rows, drawn anew each time; curriculum: { difficulty, from = 0.2, over }: the easiest rows first (an array, or such a function, says how hard each is), more of them each of so many rounds; subsets: of each row the name of its expert; those of the data unless given; seconds: the most; early_stopping: { metric, patience, rounds, min_gain }: the stage again and again, until the validation rows stop gaining; as in `repeat_until`
function moe.stages.pretrain(options) end

---Fits the gate; the experts stay as they are.
---@param options? table as `pretrain`; objective; unseen (true: these rows are new to the experts, which then answer for them as they are, without cross-fitting); what else is named is set in the gate, and stays so: S.gate { l2 = 1 } is set_params { ["gate.l2"] = 1 }
function moe.stages.gate(options) end

---Fits experts and gate together, from where they are if they are fitted.
---@param options? table as `pretrain`; method ("em" unless given, or "gradient", which needs a gradient of every part that is not frozen: what is written in Lua, networks too, has none); rounds; what else is named (tol, lr, …) is set in the mixture, and stays so
function moe.stages.joint(options) end

---Sample after sample in their order: a prediction, then learning from it.
---@param options? table samples (a Stream, which is read from its beginning, or a function that gives x, y and at last nil; the rows of the run unless given), metric (accuracy or mean absolute error unless given), rows (the most), seconds
function moe.stages.stream(options) end

---From here on these experts stay as they are: S.freeze { "a", "b" }.
---@param names any of experts, or one name
function moe.stages.freeze(names) end

---From here on these experts learn again.
---@param names any of experts, or one name
function moe.stages.unfreeze(names) end

---Scores the mixture, for the history.
---@param options? table metrics (as for `moe.eval.cross_validate`; accuracy or R² unless given), on ("valid" or "train"; the former where there are validation rows)
function moe.stages.evaluate(options) end

---Saves the mixture: S.save "model.moe".
---@param path string of the file
function moe.stages.save(path) end

---Repeats stages: until a condition holds, or a metric on the validation rows has not gained for `patience` rounds; then the best mixture is restored.
---@param options table stages in order, and rounds (the most, 100 unless given), metric (a name or function), patience (1 unless given), min_gain, restore (true unless given), condition (function(mixture, data, context): true ends it)
function moe.stages.repeat_until(options) end

---Stages from a list of stages and functions.
function moe.stages.list() end

moe.eval = {}

---A classifier whose probabilities are calibrated: "sigmoid" (Platt 1999), for little data and models that are too sure or not sure enough, or "isotonic" (any rising function), for 1000 rows and more.  Of several classes each is calibrated against the rest, and they are divided by their sum.
---@param model any a classifier; it stays as it is
---@param X? any rows as `fit` takes them, or a table that knows its target; without them the object is not trained yet
---@param y? any one label a row
---@param options? table a table of; method = "sigmoid": or "isotonic"; on = "probability": what a sigmoid is a function of; or "log_odds", which suits models that never say 0 or 1 (logistic, networks); folds = 5: of the cross-fitting; seed = 0: of the folds; processes: as for moe.processes.map; fit: options of `fit`
---@return any # an object with fit, predict, predict_proba, classes, score, clone, reset, get_state and set_state: an expert written in Lua, for mixtures and moe.experts.foreign
function moe.eval.calibrate(model, X, y, options) end

---Figure of a minus figure of b on the same rows, with a bootstrap interval: rows are drawn again with replacement, both models being judged on the same ones. An interval without 0 is a difference that other rows would show too.
---@param a any a fitted model, or an array of predictions
---@param b any another
---@param X any rows that neither was trained on, as `predict` takes them, or a table
---@param y? any one label or number a row
---@param options? table a table of; metric: as in cross_validate, of moe.metrics; resamples = 2000: how many times the rows are drawn again; level = 0.95: share of the resamples within the interval; method = "percentile": or "bca", which corrects for bias and skewness at the price of one more evaluation a row; seed = 0: of the resamples; processes, progress: as for moe.processes.map
---@return any # { a, b, difference, low, high, level, method, metric, resamples = how many had a figure }, which prints
function moe.eval.compare(a, b, X, y, options) end

---Trains clones of a model on folds of the data and judges each on the rows that it has not seen.  The model itself stays as it is.
---@param model any any learner
---@param X any rows as `fit` takes them, or a table that knows its target
---@param y? any one label or number a row
---@param options? table a table of; folds = 5: how many; repeats = 1: how many times, each with other folds; seed = 0: of the folds; stratify: whether each fold has its share of every label; true of labels that are strings or booleans, and where the model classifies, unless given; groups: an array, or a table's column: rows of one group are never divided; metrics: a name, or a list of names, of { name, option = value }, and of functions (y, predicted, model, X) by a name of your own; accuracy or R² unless given; fit: options of `fit`; of arrays with an item a row each fold gets its own; train_scores: whether the training rows are judged too; probabilities: whether they are kept; processes, progress: as for moe.processes.map
---@return any # { names, mean, sd (name → number), folds = { { round, fold, rows, scores, fit_seconds, predict_seconds }, … }, fit_seconds, predict_seconds (means), predictions (of each round an array: what was said of each row by the model that had not seen it), probabilities (the same, label → probability) }; prints
function moe.eval.cross_validate(model, X, y, options) end

---Permutation importance: what a fitted model's figure loses when the values of a feature change places between the rows (Breiman 2001).  Features that tell the same hide each other: each alone is little loss.
---@param model any a fitted learner
---@param X any rows, best those that it was not trained on
---@param y? any one label or number a row
---@param options? table a table of; metrics: as in cross_validate, of which the first counts; repeats = 5: how many times a feature is shuffled; features: names or places; all unless given; seed = 0: of the shuffles; processes, progress: as for moe.processes.map
---@return any # { baseline, metric, features = { { name, mean, sd, losses }, … } in the order of the columns, ranked = the same, the largest loss first }, which prints
function moe.eval.importance(model, X, y, options) end

---What a fitted mixture's figure loses when an expert is taken out of the routing: each row is then answered by as many of the other experts as answered it, those that the gate holds most probable, weighted by their probabilities.  Nothing is trained again; an expert that another can stand in for loses little.
---@param m any a fitted mixture of two experts or more, or a pipeline with one behind it
---@param X any rows, best those that it was not trained on
---@param y? any one label or number a row
---@param options? table { metrics }: as in cross_validate, of which the first counts
---@return any # { baseline, metric, experts = { { name, mean = the loss, share = of the rows that it answers }, … }, ranked = the same, the largest loss first }, which prints
function moe.eval.expert_importance(m, X, y, options) end

---Trains clones of a model on growing parts of the training folds.
---@param model any any learner; it stays as it is
---@param X any rows as `fit` takes them, or a table that knows its target
---@param y? any one label or number a row
---@param options? table those of cross_validate but train_scores and probabilities, of the metrics the first alone; and; sizes = { 0.1, 0.25, 0.5, 0.75, 1 }: shares of the training rows, or their numbers
---@return any # { metric, points = { { rows, mean, sd, train_mean, train_sd }, … } }, which prints
function moe.eval.learning_curve(model, X, y, options) end

---Judges models on a stream: each sample is predicted, then learned from.  A sample that a model has no answer to yet (nil) counts neither for nor against it.
---@param model any a learner, of the engine or with learn_one and predict_one in Lua; or a table of them, name → model, for one pass over the same samples
---@param samples any a Stream, or a function that gives x, y and at last nil
---@param options? table a table of; metrics: a name, or a list of names or { name, option = value }; accuracy, kappa_temporal and kappa_m, or rmse, mae and r2, unless given; delay = 0: so many samples later the label of a sample arrives, after the prediction of the one that comes with it; at the stream's end those that are still missing do; warmup = 0: so many samples at the beginning are learned from without being judged; after: figures also of what is judged after so many samples alone; window = 1000: how many of the last samples the windowed figures are of; fading = 0.999: by which each sample counts less than the next in the faded figures; every = 1000: samples between two entries of the history; rows, seconds: the most; all samples unless given; baselines = true: beside the models, the last label or number there was, and the commonest label or the mean; experts = false: beside each mixture clones of its experts, which learn alone; task: "classification" or "regression"; that of the stream unless given; progress: a function of the samples so far and the result, at each entry; Targets may be tables of several numbers: figures are then means over these.
---@return any # a result that prints, with a line of the windowed figure of the first metric for each model: { rows, seconds, names, models = { name → { total, window, fading, after = metric → number, microseconds = a sample's, bytes = of the model, bytes_per_row, judged } }, history = { rows, name → { metric → list, of the window } } }; total, window, fading and after of the first model are also there by themselves.  Or nil, message, code where a file ends badly
function moe.eval.prequential(model, samples, options) end

---Tries combinations of parameters and says which are best.
---@param model any any learner; it stays as it is
---@param space any path → what to try, a path being that of set_params, such as "experts.scope.max_depth": an array of choices, or one of; { uniform = { low, high } }, { log_uniform = { low, high } }: numbers between; { int = { low, high } }, { log_int = { low, high } }: whole numbers, both included; { choice = { … } }: one of these
---@param X any rows as `fit` takes them, or a table that knows its target
---@param y? any one label or number a row
---@param options? table those of cross_validate but train_scores and probabilities, the first of the metrics being the one that ranks; and; method: "grid" (all, in order; where there are only choices and no trials) or "random"; trials = 20: of a random search; minimise: whether less is better (as the metric has it; of a function false); refit = true: whether the best is trained on all rows
---@return any # { trials = { { params, mean, sd, folds, number }, … }, the best first (of equals the one tried first), best_params, best_score, best = the trained model, metric, paths }, which prints
function moe.eval.search(model, space, X, y, options) end

moe.metrics = {}

---A figure that is updated row by row.
---@param name string one of those above
---@param options? table its own, and window: how many of the last rows count; or fading: in (0, 1], by which each row counts less than the one after it
---@return any # an object with update, get and reset, which prints
function moe.metrics.updatable(name, options) end

---What there is: name → { name, kind = what it is a figure of ("confusion": labels, "probability", "regression": numbers), greater = true where more is better, mean = true where it is the weighted mean of its rows' figures, is_table = true where it is no number, doc }.
function moe.metrics.types() end

---Gathers figures that are measured several times, over folds or seeds.
---@return any # a Summary
function moe.metrics.summary() end

---Share of equal pairs.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.accuracy(y, predicted, options) end

---Precision averaged over the recall gained; of more than two classes as roc_auc.
---@param y any 
---@param proba any 
---@param classes? any 
---@param options? table 
function moe.metrics.average_precision(y, proba, classes, options) end

---Mean recall of the classes that occur in y.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.balanced_accuracy(y, predicted, options) end

---Mean over rows of the squared errors of all classes' probabilities, 2 at most; of two classes of one of them.
---@param y any 
---@param proba any 
---@param classes? any 
---@param options? table 
function moe.metrics.brier(y, proba, classes, options) end

---Agreement beyond chance, 1 at most; 0 where chance alone agrees.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.cohen_kappa(y, predicted, options) end

---{ labels, counts }: counts[i][j] rows are labels[i] and predicted to be labels[j].
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.confusion(y, predicted, options) end

---Harmonic mean of precision and recall.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.f1(y, predicted, options) end

---Share right beyond what the commonest label of the rows before would have got.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.kappa_m(y, predicted, options) end

---Share right beyond what the row's label before would have got (Žliobaitė et al. 2015).
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.kappa_temporal(y, predicted, options) end

---Mean of −log p(truth); p is not taken below 1e-15.
---@param y any 
---@param proba any 
---@param classes? any 
---@param options? table 
function moe.metrics.log_loss(y, proba, classes, options) end

---Mean of the classes' f1, each counting the same.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.macro_f1(y, predicted, options) end

---Mean absolute error.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.mae(y, predicted, options) end

---Matthews correlation coefficient, in [-1, 1]; 0 where one side is constant.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.mcc(y, predicted, options) end

---Mean squared error.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.mse(y, predicted, options) end

---{ [label] = { precision, recall, f1, … } }.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.per_class(y, predicted, options) end

---Mean pinball loss of a predicted quantile; half the mean absolute error at 0.5.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.pinball(y, predicted, options) end

---Of what is predicted to be a class, the share that is.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.precision(y, predicted, options) end

---1 − the squared error over that of the mean; of a constant y 1 if all is exact, else 0.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.r2(y, predicted, options) end

---Of what is a class, the share that is predicted to be.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.recall(y, predicted, options) end

---Root of the mean squared error, in the unit of y.
---@param y any 
---@param predicted any 
---@param options? table 
function moe.metrics.rmse(y, predicted, options) end

---Area under the ROC curve; of more than two classes the mean of each against the rest.
---@param y any 
---@param proba any 
---@param classes? any 
---@param options? table 
function moe.metrics.roc_auc(y, proba, classes, options) end

moe.processes = {}

---fn(item, i) of every item, in as many processes at a time.  A result is a plain value: nil, a boolean, a number, a string, or a table of those; it arrives exactly as it was sent.  What else a child changes is lost.  A child works on one thread.  Results do not depend on the number of processes as long as fn depends on its arguments alone (a seed belongs into the item); but a child of a process that has used oneDNN multiplies matrices with CBLAS, which agrees to float32's precision.
---@param items any an array
---@param fn any a function of an item and its place
---@param options? table { processes = how many at a time (1: all here, without a fork; as many as `moe.threads()` unless given), progress = a function of how many are done and how many there are }
---@return any # the results, in the order of the items
function moe.processes.map(items, fn, options) end

moe.nn = {}

---A sparse layer: each row is answered by the few experts that a router chooses. layer(x [, { mask, ids }]) gives the answers to rows of x, and their Routing.
---@param options table a table of; dim, experts (a number, or a list of modules), hidden (not for modules), out_dim (dim); top_k (2), router: "top_k", "noisy_top_k", "switch", "soft", "hash", "expert_choice", "sinkhorn", "soft_moe" (slots: of an expert); activation: "relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid", "softplus", "swiglu", "geglu"; bias; shared_experts (0); scale (1) of the routed answer; gate: "linear", "cosine" or "mlp" (gate_hidden), a module that gives rows × experts logits, or a learner; router_init: "random", "balanced", "uniform", "zero", "orthogonal"; noise: a deviation, "1/E" or "learned"; jitter, expert_dropout; score, renormalize, temperature, threshold, groups, top_groups, capacity_factor, eval_capacity_factor, min_capacity, drop_order, overflow: as `moe.help "route"` has them; bias_update ("fixed"), bias_rate: of the selection bias, which training moves; layer.bias_rate may be set between steps; preset: "mixtral", "switch", "olmoe", "deepseek_v3", "st_moe", "v_moe"; causal (false): refuses what lets a row depend on later ones of its batch, as routers by batch and capacities do; allow_degenerate (false); seed
---@return any # the layer
function moe.nn.MoE(options) end

---x w + b.
---@param options table { dim, out_dim, bias (true), init ("uniform"), seed }
function moe.nn.Linear(options) end

---Rows of a table by index, from 1.
---@param options table { items, dim, init ("normal"), seed }
function moe.nn.Embedding(options) end

---Rows with mean 0 and variance 1, then weight and bias.
---@param options table { dim, eps (1e-5) }
function moe.nn.LayerNorm(options) end

---Rows with mean square 1, then weight.
---@param options table { dim, eps (1e-5) }
function moe.nn.RMSNorm(options) end

---In training each item is 0 with the chance p, else times 1 / (1 − p).
---@param options table { p (0.5), seed }
function moe.nn.Dropout(options) end

---An activation of moe.F as a module; in Sequential the function itself does as well.
---@param options table { name ("relu") }
function moe.nn.Activation(options) end

---f(x W + b) W + b, or gated.
---@param options table { dim, hidden, out_dim (dim), activation ("relu"; also "gelu", "silu", "tanh", "swiglu", "geglu"), bias, dropout (0), init, seed }
function moe.nn.FeedForward(options) end

---Attention of each position to those up to it: sequences × length × dim.
---@param options table { dim, heads, rotary (false, true or the base of the angles), causal (true), bias (true), init, seed }
function moe.nn.CausalSelfAttention(options) end

---x + attention(norm(x)), then the same with a feed-forward part.
---@param options table { dim, heads, hidden (4 dim), activation ("gelu"), bias, rotary, norm ("layer", "rms"), ffn (a module in the place of FeedForward), dropout, init, seed }
function moe.nn.TransformerBlock(options) end

---Modules or functions, one after the other; the routings of the parts follow the answer.
---@param parts any a list
function moe.nn.Sequential(parts) end

---A learner as a module: its probabilities, which take no gradient.
---@param options table { model }
function moe.nn.Estimator(options) end

---What `layer:half()` gives and `moe.nn.MoE.load` reads: it answers as the layer does (rows, and forward_one), and cannot be trained.
function moe.nn.HalfMoE() end

---A new kind of module: a table for `init(self, options)` and `forward(self, …)`.
---@param name string what print calls it
---@return any # the kind; called with a table of options it makes one
function moe.nn.module(name) end

---The norm of all gradients, which are scaled down to `most` where it is larger.
---@param parameters any a list of tensors
---@param most any the norm that is allowed, a number from 0
---@return any # the norm that they had
function moe.nn.clip_grad_norm(parameters, most) end

---A new kind of module: a table to put `init(self, options)` and `forward(self, …)` in, which called with a table of options makes one.
---@param name string what it is called in print
function moe.nn.module(name) end

moe.F = {}

---x w + b.
---@param x table rows of in numbers
---@param w any in × out
---@param b? any out numbers
function moe.F.linear(x, w, b) end

---The matrix product; of each pair of matrices where there are more dimensions.
---@param a any a tensor
---@param b any a tensor
---@param turned_a? any whether a is transposed
---@param turned_b? any whether b is
function moe.F.matmul(a, b, turned_a, turned_b) end

---Along the last dimension.
---@param x table a tensor
function moe.F.softmax(x) end

---Along the last dimension.
---@param x table a tensor
function moe.F.log_softmax(x) end

---Rows with mean 0 and variance 1.
---@param x table a tensor
---@param weight? number a number a column
---@param bias? any a number a column
---@param eps? any 1e-5
function moe.F.layer_norm(x, weight, bias, eps) end

---Rows with mean square 1.
---@param x table a tensor
---@param weight? number a number a column
---@param eps? any 1e-5
function moe.F.rms_norm(x, weight, eps) end

---Each item is 0 with the chance p, else times 1 / (1 − p).
---@param x table a tensor
---@param p any in [0, 1)
---@param seed any the same seed drops the same items
function moe.F.dropout(x, p, seed) end

---The elements of the first dimension that the ids name, from 1.
---@param ids any an index tensor
---@param table any a tensor
function moe.F.embedding(ids, table) end

---n elements of zeros, to ids[i] of which t[i] is added.
---@param t any a tensor
---@param ids any an index tensor
---@param n any how many elements
function moe.F.scatter(t, ids, n) end

---Tensors behind each other.
---@param tensors any a list
---@param dim any along which dimension, from 1
function moe.F.concat(tensors, dim) end

---What is from `first` to `last` of a dimension.
---@param t any a tensor
---@param dim any the dimension, from 1
---@param first any from 1
---@param last any counts too
function moe.F.slice(t, dim, first, last) end

---The mean of −ln of the probability of each row's class, from 1.
---@param logits any rows × classes
---@param ids any an index tensor
---@param options? table { smoothing (0), ignore (0): the id of rows that do not count }
function moe.F.cross_entropy(logits, ids, options) end

---The mean of (x − y)².
---@param x table a tensor
---@param y any one of its shape
function moe.F.mse(x, y) end

---The mean of what is a square up to delta, and a line beyond.
---@param x table a tensor
---@param y any one of its shape
---@param delta? any 1
function moe.F.huber(x, y, delta) end

---Cross-entropy of logits and shares of 0 or 1.
---@param x table logits
---@param y any a tensor of its shape
function moe.F.bce_with_logits(x, y) end

---Attention of sequences × length × width.
---@param q any queries
---@param k any keys
---@param v any values
---@param heads any that divide the width
---@param options? table { causal (true), rotary (0: none; the base of the angles) }
function moe.F.attention(q, k, v, heads, options) end

---The experts of a sparse layer on the rows that were sent to them.
---@param x table rows
---@param weights any rows × k
---@param indices any rows × k, an index tensor; 0 is none
---@param options table { w_in, w_out, w_gate, b_in, b_out, activation ("relu") }
function moe.F.experts(x, weights, indices, options) end

---`moe.route` with gradients: the weights of the experts selected, and the routing.
---@param logits any rows × experts
---@param options table as `moe.help "route"` lists them
function moe.F.route(logits, options) end

---A loss of a routing, as Routing:loss has them.
---@param routing any what `route` gave
---@param kind any its name
---@param logits any those of the routing
---@param deviations? any of its noise
function moe.F.routing_loss(routing, kind, logits, deviations) end

---An operation written in Lua.
---@param backward any function(g) → the gradients by the inputs, nil where one has none
---@param output any what was computed from them
---@param ... any the inputs
function moe.F.operation(backward, output, ...) end

---max(0, x).
---@param x table a tensor
function moe.F.relu(x) end

---x Φ(x).
---@param x table a tensor
function moe.F.gelu(x) end

---gelu by tanh.
---@param x table a tensor
function moe.F.gelu_tanh(x) end

---x σ(x).
---@param x table a tensor
function moe.F.silu(x) end

---tanh x.
---@param x table a tensor
function moe.F.tanh(x) end

---1 / (1 + e^−x).
---@param x table a tensor
function moe.F.sigmoid(x) end

---ln(1 + e^x).
---@param x table a tensor
function moe.F.softplus(x) end

moe.optim = {}

---Stochastic gradients. Options: lr (0.001), momentum (0), nesterov (false), weight_decay (0).
---@param parameters any a list of tensors, as module:parameters() gives
---@param options? table a table
function moe.optim.sgd(parameters, options) end

---Adam, its decay in the gradient. Options: lr (0.001), beta1 (0.9), beta2 (0.999), eps (1e-8), weight_decay (0).
---@param parameters any a list of tensors, as module:parameters() gives
---@param options? table a table
function moe.optim.adam(parameters, options) end

---AdamW, its decay apart from the gradient. Options as adam; weight_decay is 0.01.
---@param parameters any a list of tensors, as module:parameters() gives
---@param options? table a table
function moe.optim.adamw(parameters, options) end

---RMSprop. Options: lr (0.01), alpha (0.99), eps (1e-8), momentum (0), weight_decay (0).
---@param parameters any a list of tensors, as module:parameters() gives
---@param options? table a table
function moe.optim.rmsprop(parameters, options) end

---Lion (Chen et al. 2023). Options: lr (1e-4), beta1 (0.9), beta2 (0.99), weight_decay (0).
---@param parameters any a list of tensors, as module:parameters() gives
---@param options? table a table
function moe.optim.lion(parameters, options) end

---A running mean of parameters: average = optim.average(parameters, 0.999); average:update() after each step; average:swap() exchanges it with the weights.
function moe.optim.average() end

moe.optim.schedules = {}

---The rate times gamma (0.1) each `every` steps.
---@param moved any an optimiser, a sparse layer (its `bias_rate`), or a list of these
---@param options table { every (1), gamma (0.1) }
function moe.optim.schedules.step(moved, options) end

---Along half a cosine down to `least` (0) of the rate in `steps`.
---@param moved any an optimiser, a sparse layer (its `bias_rate`), or a list of these
---@param options table { steps, least (0) }
function moe.optim.schedules.cosine(moved, options) end

---Linearly up in `steps`, then constant, or along half a cosine down to `least` (0) of the rate at `total`.
---@param moved any an optimiser, a sparse layer (its `bias_rate`), or a list of these
---@param options table { steps, total, least (0) }
function moe.optim.schedules.warmup(moved, options) end

---Up from rate / start (25) to the rate in a share (0.3) of the steps, then down to rate / start / final (1e4), both along half cosines (Smith & Topin 2017).
---@param moved any an optimiser, a sparse layer (its `bias_rate`), or a list of these
---@param options table { steps, start (25), final (1e4), share (0.3) }
function moe.optim.schedules.one_cycle(moved, options) end

---@class moe.Object
local Object = {}

---All parameters, or the one at a path such as "experts.scope.max_depth"; of an expert that is written in Lua (`moe.experts.network`), the options that its table tells too.
---@param path? string of one of them
---@return any # name → value, or the value
function Object:get_params(path) end

---Changes parameters; a model answers as before until it is fitted again.
---@param params any path → value
---@return any # the object
function Object:set_params(params) end

---A copy of its own, fitted as this is.
---@return any # the copy
function Object:clone() end

---Forgets what was learned, and keeps the parameters.
---@return any # the object
function Object:reset() end

---Becomes what another object of its type is, parameters and all.
---@param other any an object of the same type, with children of the same types
---@return any # the object
function Object:assign(other) end

---What is known of it: type, fitted, bytes; once fitted task, n_features, n_outputs, n_seen, names; and what `moe.help` of its type lists.
---@return any # a table
function Object:info() end

---Writes it to a file (safetensors), all at once or not at all.
---@param path string of the file
---@return any # true; or nil, message, code
function Object:save(path) end

---What `save` would write, as a string for `moe.undump`.
---@return any # the bytes
function Object:dump() end

---Frees its memory now rather than when the collector comes to it.
function Object:close() end

---@class moe.Learner: moe.Object
local Learner = {}

---Trains on rows and their targets.
---@param X any rows: a tensor, a sparse matrix, an array of arrays, or a Table; one that knows its target is given alone
---@param y? any one label (string, boolean) or number a row; n×k numbers where the learner has several outputs
---@param options? table a table of; weights: an array, how much each row counts; groups: an array of labels; rows of one are not divided by cross-fitting; warm: goes on from what was learned before, in learners that can; budget_ms: ends after so long with a usable model; history.done tells. To go on to the same end as without, start_fit; from what there is, in learners that can, warm; subsets: of a mixture, the name of the expert that each row trains (an array), or "all", "clusters", "residuals"; stage: of a mixture, "all", "experts" or "gate"; method: of a mixture, "two_stage", "em" or "gradient"; rounds: of a mixture, the most rounds of that method; unseen: of a mixture, whether its experts have not trained on these rows
---@return any # the learner; and a history { done, rows, seconds, notes }, which prints
function Learner:fit(X, y, options) end

---The same in steps: a job that the caller runs.
---@param X any as for `fit`
---@param y? any as for `fit`
---@param options? table as for `fit`
---@return any # a Job
function Learner:start_fit(X, y, options) end

---What it answers for rows.
---@param X any rows as for `fit`, without their targets
---@return any # an array of labels as they were given, or of numbers; of several outputs a tensor
function Learner:predict(X) end

---The probability of each class.
---@param X any rows as `predict` takes them
---@return any # a tensor n×C, in the order of `classes()`
function Learner:predict_proba(X) end

---What it answers for one sample.
---@param x table an array of numbers, or name → value
---@param options? table a table of; min_confidence = 0: below this probability the answer is nil
---@return any # a label and its probability, or a number (an array, of several outputs)
function Learner:predict_one(x, options) end

---The probability of each class for one sample.
---@param x table as `predict_one`
---@return any # label → probability
function Learner:predict_proba_one(x) end

---The labels that it knows, numbers first, then strings by byte.
---@return any # an array, or nil where it was fitted to numbers or not at all
function Learner:classes() end

---Learns from one sample, in learners that are `online`.
---@param x table an array of numbers and strings, or name → value; the first tells which columns hold strings.  Missing is NaN in a column of numbers, false in one of strings (later either)
---@param y any its label or number
---@param weight? number from 0 (1 unless given)
function Learner:learn_one(x, y, weight) end

---Learns from rows in order, one by one.
---@param X any rows as for `fit`
---@param y? any as for `fit`
---@param options? table { weights }
---@return any # the learner
function Learner:learn_many(X, y, options) end

---`learn_many` by scikit-learn's name.
---@param X any rows as for `fit`
---@param y? any as for `fit`
---@param options? table { weights }
---@return any # the learner
function Learner:partial_fit(X, y, options) end

---A new sequence begins: what `ar`, `esn` and `ssm` remember of the one before, in mixtures and pipelines too, is forgotten; what was learned from it stays.
---@return any # the learner
function Learner:reset_state() end

---Which experts a mixture asks about rows.
---@param X any rows as `predict` takes them
---@param options? table of routing for this call, as `moe.help "route"` lists them
---@return any # a Routing, with `names`, the experts in the order of its columns
function Learner:route(X, options) end

---The same for one sample.
---@param x table an array of numbers, or name → value
---@return any # { indices, weights, probs, names }, matrices of one row
function Learner:route_one(x) end

---Accuracy of a classifier, R² of a regressor, on (X, y) or a table.
---@param X any rows as `predict` takes them, or a table that knows its target
---@param y? any one label or number a row
---@return any # accuracy in [0, 1], or R², at most 1
function Learner:score(X, y) end

---What each feature contributes to what a learner or a gate answers: numbers that, with a bias, sum to what it adds up.  That is the value in regression, the probability of trees (`tree`, `forest`), the score before the link of boosted trees, and the logit of linear models (of two classes, the log odds of each).  In trees they are Shapley values over the shares of the training rows (TreeSHAP), in linear models weight times value, in the softmax gate from the mean row on.  A pipeline tells its model's, if its steps keep the columns.
---@param x table one sample, an array of numbers or name → value; or rows as `predict` takes them
---@return any # of a sample: feature → number (by name where columns have names, else by place) and the bias; where there are several outputs, class (or place) → feature → number, and class → bias.  Of rows: a tensor n × (features + 1), the bias last, or n × outputs × (features + 1).  Or nil, message, code where what it answers is no such sum
function Learner:contributions(x) end

---Where the target of a sample will be, of learners that know how far off they are: `rls`, a mixture of what knows it, and a mixture that was fitted, by its experts' unseen errors.  The ends of an interval about what `predict_one` says.
---@param x table an array of numbers, or name → value
---@param options? table { level = 0.9 }, the share of targets that it holds, if errors are Gaussian
---@return any # the lower end and the upper one: numbers, or arrays of several targets' ends; or nil, message, code where the learner does not know
function Learner:predict_interval(x, options) end

---One sample of a stream: its prediction, made before learning from it.
---@param x table an array of numbers, or name → value
---@param y any its label or number
---@param weight? number from 0 (1 unless given)
---@return any # what `predict_one` said of x
function Learner:test_then_learn(x, y, weight) end

---What a learner written in Lua stands for: of `moe.experts.network` the network, whose `module` is the neural one as it is now.
---@return any # the table, or whatever it is; nil of other learners
function Learner:behind() end

---The expert of that name: the very object that was put in.
---@param name string its name, or its place where the experts are a list
function Learner:expert(name) end

---Adds an expert.  On a stream the mixture goes on with it at once; one that was fitted answers again after the next fit.
---@param name string a string that none of the experts has, or the place after the last where they are a list
---@param expert any a learner that is in no mixture yet
---@return any # the mixture
function Learner:add_expert(name, expert) end

---Takes an expert out.  On a stream the mixture goes on without it at once; one that was fitted answers again after the next fit.
---@param name string as for `expert`
---@return any # the expert
function Learner:remove_expert(name) end

---How a mixture spreads its rows.
---@param X? any rows as `predict` takes them; without it, the rows it was fitted to, or the stream that it learns from
---@return any # { load, importance, samples, dead }, which prints as lines: load and importance are shares in [0, 1] by the expert's name ("1", "2", … in a list), samples the rows that each was trained on, dead the names of those with load 0.  Of given rows also { rows, names, cv_load, cv_importance, maxvio, entropy, confidence }. On a stream, and without rows, running figures by expert: load, the share of the samples that selected it; utilisation, its mean probability since it was new; loss, −log p of the class or squared error, of experts that were asked; learned, the samples that it learned since it was new; warmup, the part of its warm-up that is over; and bias, what the balance adds to it.  And of the whole: steps, the samples learned; disagreement, the deviation between the experts' answers to the newest sample, and mean_disagreement; entropy of the gate in [0, 1]; alignment, in [-1, 1], whether the answer turns as it did; dead, the names of experts whose share is below `dead_below`; and events, the newest 64, { at, kind, expert }: kind is "drift", "reset", "clone", "fork" or "take_over", at the number of the sample; expert nil once it was removed.
function Learner:stats(X) end

---Who answered a sample, and why: the experts by falling probability of the gate, each with its own answer, and the features that moved it and the gate.
---@param x table an array of numbers, or name → value
---@param options? table { features }: the most features that each list names, 3 unless given
---@return any # { prediction, confidence, disagreement, experts = { { name, prob, weight, chosen, prediction, confidence, index, features, gate_features }, … } }, which prints as a table; confidence is nil in regression, disagreement the deviation between the experts' numbers, or their probabilities, weight 0 where an expert is not chosen, index its column in what `route` gives.  features, of the experts that are chosen, is a list of { name, value }: what a feature contributes to the expert's answer, by falling size; gate_features what it contributes to the gate's logit for this expert, beyond the mean of the experts'.  Both are as `contributions` tells them: nil where it tells none, or x is no array and no name → value
function Learner:explain(x, options) end

---What a pipeline's model gets to see of X.
---@param X any rows as `predict` takes them
---@return any # n×d: a tensor, or a sparse matrix if the last transform makes one; X itself where there are no transforms
function Learner:transform(X) end

---The same of one sample.
---@param x table an array of numbers, or name → value
---@return any # 1×d, as `transform`
function Learner:transform_one(x) end

---Compares the mixture with its parts on (X, y) or a table.
---@param X any rows as `predict` takes them, or a table that knows its target
---@param y? any one label or number a row
---@param options? table { valid, k }: valid, { X, y } or a table, are rows that neither the experts nor the gate were trained on, other ones than X, for the baselines that weigh the experts by what they are worth there; k, 7 unless given, how many of them are near
---@return any # a table that prints: mixture, oracle (the best expert of each row), best_single, best_expert, uniform (their plain average), vote (their majority, or their median), experts (name → score), gate_accuracy (share of rows where the gate's first choice is the best expert), names; by expert shares (of the rows: those where it has the first say), own_scores (its score on those; nil where there are none) and losses (what the mixture's score would fall by without it, the others' shares of the gate growing in proportion).  With valid also weighted and, for classes, knora_e and knora_u, for numbers nearest_best and nearest_weighted (`moe.baselines` says what they are).  For classes also macro_f1, labels and classes (label → precision, recall, f1, support).  Scores are accuracy, or R² in regression.
function Learner:report(X, y, options) end

---@class moe.Gate: moe.Object
local Gate = {}

---Trains a gate by itself.
---@param X any rows as a learner's `fit` takes them
---@param y any n×experts: how much each expert should answer each row
---@param options? table { weights }
---@return any # the gate; and a history
function Gate:fit(X, y, options) end

---Trains a gate in steps, as `Learner:start_fit`.
---@param X any rows
---@param y any n×experts
---@param options? table { weights }
---@return any # a Job
function Gate:start_fit(X, y, options) end

---The probability of each expert.
---@param X any rows as `predict` takes them
---@return any # a tensor n×experts
function Gate:forward(X) end

---The probability of each expert for one sample.
---@param x table an array of numbers, or name → value
---@return any # place of the expert → probability
function Gate:forward_one(x) end

---Learns from one sample, in gates that are `online`.
---@param x table an array of numbers, or name → value
---@param y any an array: how much each expert should answer it
---@param weight? number from 0 (1 unless given)
function Gate:learn_one(x, y, weight) end

---`forward_one` by the learners' name.
---@param x table an array of numbers, or name → value
---@return any # an array: the probability of each expert
function Gate:predict_one(x) end

---What each feature contributes to the gate's logits, as of a learner.
---@param x table one sample, or rows, as of a learner
---@return any # as of a learner, by the place of the expert; or nil, message, code
function Gate:contributions(x) end

---Learns from rows in order, in gates that are `online`.
---@param X any rows
---@param y any n×experts
---@param options? table { weights }
---@return any # the gate
function Gate:partial_fit(X, y, options) end

---@class moe.Transform: moe.Object
local Transform = {}

---Learns from rows what `transform` needs to know.
---@param X any a Table, a tensor, a sparse matrix, or an array of arrays
---@return any # the transform
function Transform:fit(X) end

---The rows, transformed.
---@param X any rows like those it was fitted to
---@return any # a tensor, or a sparse matrix
function Transform:transform(X) end

---`fit` and `transform` in one.
---@param X any rows
---@return any # as `transform`
function Transform:fit_transform(X) end

---One sample, transformed.
---@param x table an array of numbers, or name → value
---@return any # a matrix of one row
function Transform:transform_one(x) end

---The names of the columns that come out.
---@return any # an array, or nil where they have none
function Transform:names() end

---@class moe.Detector: moe.Object
local Detector = {}

---Takes the next number of a stream: a loss, as a rule.
---@param x table a finite number
---@return any # "stable", "warning" or "drift"; after a drift it begins anew, or has dropped what was before the change
function Detector:update(x) end

---What it holds to be the mean now.
---@return any # the mean of the numbers since the last change; 0 before any
function Detector:mean() end

---@class moe.Job
local Job = {}

---Goes on with the training.
---@param options? table { budget_ms }: how long; without it to the end
---@return any # whether it is done
function Job:step(options) end

---Gives the object what was learned so far, once it is of use: before the end a copy, and the job can go on, to the same bits as without.
---@return any # the object; and the history
function Job:commit() end

---Ends the job; the object stays as it was.
function Job:close() end

---@class moe.Table
local Table = {}

---The cells of a column.
---@param name string of the column
---@return any # an array; NaN and false are missing
function Table:column(name) end

---Without these columns.
---@param names any an array
---@return any # a Table
function Table:drop(names) end

---These columns alone, in this order.
---@param names any an array
---@return any # a Table
function Table:select(names) end

---Whether a column holds numbers or strings.
---@param name string of the column
---@return any # "number" or "string"
function Table:kind(name) end

---Rows from one to another, both included.
---@param first any from 1
---@param last? any the last row unless given
---@return any # a Table
function Table:rows(first, last) end

---One row.
---@param i any from 1
---@return any # name → value
function Table:row(i) end

---Rows by number, in this order.
---@param rows any an array of row numbers
---@return any # a Table
function Table:pick(rows) end

---Two parts, at random.
---@param share any of the first part, between 0 and 1
---@param options? table a table of; seed = 0: of the generator; stratify: true (the target) or a column: each part has its share of every value; group: a column: rows with one value are never divided
---@return any # two Tables
function Table:split(share, options) end

---Folds for cross-validation by hand.
---@param k any how many
---@param options? table as for `split`
---@return any # an array of { train, test }
function Table:folds(k, options) end

---The same table with another column to be predicted.
---@param name? string of the column; none without it
---@return any # a Table
function Table:with_target(name) end

---Features and target.
---@return any # a tensor n×d with `names`; and the target's cells in an array
function Table:xy() end

---Writes it as comma-separated values.
---@param path string of the file
---@param options? table { sep = "," }
---@return any # true; or nil, message, code
function Table:write_csv(path, options) end

---Some of the rows, in their order.
---@param condition any a function of the row (name → value) that is true for those wanted, or a table (name → value) that their cells equal; a missing value (NaN or false) equals missing cells
---@return any # a table
function Table:where(condition) end

---A table with one row a column: what it holds, how much is missing, and the figures of numbers (mean, sd, min, max) or strings (how many levels, and the most frequent).
---@return any # a table of the columns column, kind, missing, mean, sd, min, max, levels and most; sd is that of a sample, and what does not apply is missing
function Table:describe() end

---The first rows and columns, aligned; what tostring gives.
---@return any # a string of at most 10 rows, and lines of about 78 characters
function Table:preview() end

---@class moe.Tensor
local Tensor = {}

---An item.
---@param ... any its place in each dimension, from 1
---@return any # a number
function Tensor:get(...) end

---Changes an item.
---@param ... any its place in each dimension, from 1; then the number
---@return any # the tensor
function Tensor:set(...) end

---The length of a dimension, or all lengths.
---@param dim? any from 1
---@return any # a number, or an array
function Tensor:size(dim) end

---Rows from one to another, sharing their memory.
---@param first any from 1
---@param last? any the last row unless given
---@return any # a tensor
function Tensor:rows(first, last) end

---A row, sharing its memory.
---@param i any from 1
---@return any # a tensor of one dimension less
function Tensor:row(i) end

---Copies of rows by number.
---@param rows any an array of row numbers
---@return any # a tensor
function Tensor:select(rows) end

---The same items in another shape, sharing their memory.
---@param ... any the lengths, or one table of them; one may be -1
---@return any # a tensor
function Tensor:reshape(...) end

---Two dimensions exchanged, in a copy.
---@param i? any one of them, from 1; both may be left out of a matrix
---@param j? any the other
---@return any # a tensor
function Tensor:transpose(i, j) end

---Operations on the tensor are recorded from now on, so that `backward` finds the gradient of what comes of them; t.grad is that gradient, t.requires tells.
---@param required? any false ends it (true unless given)
---@return any # the tensor
function Tensor:requires_grad(required) end

---Adds to each leaf's `grad` its gradient, back from this tensor of one item. The values in between are given back, except scalars and what was retained.
---@param options? table { gradient: by this tensor, of its shape, where it has several items; keep: true keeps records and values for another walk }
function Tensor:backward(options) end

---Value and gradient stay when `backward` comes by.
---@return any # the tensor
function Tensor:retain() end

---The same items, of which nothing is recorded.
---@return any # a tensor
function Tensor:detach() end

---Forgets the gradient: `grad` is nil until `backward` brings one.
---@return any # the tensor
function Tensor:zero_grad() end

---A copy.
---@return any # a tensor
function Tensor:clone() end

---A copy of float32 items.
---@return any # a tensor
function Tensor:float() end

---A copy of int32 items.
---@return any # a tensor
function Tensor:int() end

---The items in tables of Lua.
---@return any # an array, of arrays where there are several dimensions
function Tensor:totable() end

---Row by row: `for i, row in t:iter() do`.
---@return any # what `for` takes
function Tensor:iter() end

---The matrix product.
---@param other any a matrix
---@param transpose_self? any true: the transpose of this one is meant
---@param transpose_other? any the same of the other
---@return any # a tensor
function Tensor:matmul(other, transpose_self, transpose_other) end

---The sum of products of the items of two tensors.
---@param other any a tensor of as many items
---@return any # a number
function Tensor:dot(other) end

---e to the power of each item.
---@return any # a tensor
function Tensor:exp() end

---The natural logarithm of each item.
---@return any # a tensor
function Tensor:log() end

---The square root of each item.
---@return any # a tensor
function Tensor:sqrt() end

---Each item without its sign.
---@return any # a tensor
function Tensor:abs() end

---The sum of all items, or along a dimension.
---@param dim? any from 1
---@param keep? any whether that dimension stays, of length 1
---@return any # a number, or a tensor
function Tensor:sum(dim, keep) end

---The mean, as `sum`.
---@param dim? any from 1
---@param keep? any as for `sum`
---@return any # a number, or a tensor
function Tensor:mean(dim, keep) end

---The largest item, as `sum`.
---@param dim? any from 1
---@param keep? any as for `sum`
---@return any # a number, or a tensor
function Tensor:max(dim, keep) end

---The smallest item, as `sum`.
---@param dim? any from 1
---@param keep? any as for `sum`
---@return any # a number, or a tensor
function Tensor:min(dim, keep) end

---The place of the largest item, from 1, as `sum`.
---@param dim? any from 1
---@param keep? any as for `sum`
---@return any # a number, or a tensor
function Tensor:argmax(dim, keep) end

---@class moe.Sparse
local Sparse = {}

---An item.
---@param i any its row
---@param j any its column
---@return any # a number
function Sparse:get(i, j) end

---The rows as tables.
---@return any # an array of column → value
function Sparse:totable() end

---The matrix with all its zeros.
---@return any # a tensor
function Sparse:dense() end

---Row by row: `for i, row in s:iter() do`.
---@return any # what `for` takes; a row is column → value
function Sparse:iter() end

---Rows from one to another.
---@param first any from 1
---@param last? any the last row unless given
---@return any # a matrix
function Sparse:rows(first, last) end

---Rows by number.
---@param rows any an array of row numbers
---@return any # a matrix
function Sparse:select(rows) end

---@class moe.Routing
local Routing = {}

---How evenly the experts are used.
---@param before? any earlier statistics, whose `total` and `maxvio_running` go on
---@return any # { rows, load, importance, cv_load, cv_importance, maxvio, maxvio_running, entropy, confidence, dropped, dead, total }
function Routing:stats(before) end

---A loss that is small where the experts are used evenly, or the logits are small.
---@param kind any "switch", "gshard", "importance", "collapse", "entropy", "z" or "load"
---@return any # its value; its gradient by the logits; and that by the deviations of their noise
function Routing:loss(kind) end

---From gradients by weights and probabilities to those by the logits.
---@param options table { weights, probs }: matrices of gradients
---@return any # the gradient by the logits; and that by the deviations of their noise
function Routing:backward(options) end

---The selection bias after an update by this routing.
---@return any # an array, a number an expert
function Routing:next_bias() end

---A loss of the routing: "switch" (E Σ f P, f counted 1/k a selection: balanced 1), "gshard", "importance" (CV², population variance), "collapse", "entropy", "z", "load" (of noisy routing). Multiply it by its weight and add it to the task's.
function Routing:loss() end

---loss "switch"; or with counted = "k" f is not divided by k, so that balance is k.
function Routing:balance_loss() end

---loss "z": mean (ln Σ e^z)².
function Routing:z_loss() end

---loss "importance".
function Routing:importance_loss() end

---loss "load".
function Routing:load_loss() end

---loss "entropy": of a row, in units of ln E.
function Routing:entropy() end

---load, importance, counts, maxvio, entropy, dropped, dead … (balance.h); with those of an earlier routing of the layer also the running maxvio.
function Routing:stats() end

---Keeps the routing, and the logits, where backward would give them back.
function Routing:retain() end

---@class moe.Module
local Module = {}

---The parameters, in the order of their names.
---@return any # a list of tensors, each once
function Module:parameters() end

---How many numbers the parameters are.
function Module:size() end

---All tensors by name: "layers.1.weight". They are the module's own, not copies.
---@param options? table { layout }: "torch": names and weights as PyTorch's modules have them, whose lists begin with 0 ("layers.0.weight") and whose Linear weights are [out, in]; these are copies
function Module:state_dict(options) end

---Copies the values of tensors into those of the same names.
---@param state any name → tensor
---@param options? table a table of; strict (true): false allows names that are missing or too many; layout: "torch": of a module of PyTorch's, as `state_dict` says; without it a square; weight of a Linear from there would be taken for what it is not
---@return any # the module
function Module:load_state_dict(state, options) end

---Forgets the gradients of all parameters, as `Optimiser:zero_grad` does.
function Module:zero_grad() end

---Switches the module and its parts to training (dropout, noise, …) or, with false, to evaluation.
function Module:train() end

---train(false)
function Module:eval() end

---With false freezes the parameters of the module: they get no gradient. Lets those that were frozen learn again without.
function Module:trainable() end

---A copy that shares nothing with the module.
function Module:clone() end

---A seed for a part of the module: of its own seed (0 unless given) and the name.
function Module:seed_of() end

---@class moe.MoE
local MoE = {}

---Writes the layer to a file, as the engine has it: its options, gate, selection bias and experts; not its running figures. C reads it too (file_format.md).
---@param path string of the file
---@return any # true; or nil, message, code
function MoE:save(path) end

---A layer for inference alone, its experts' weights in bfloat16: half the memory.
---@return any # it: called like the layer, it gives answers without a routing
function MoE:half() end

---moe.nn.MoE.load(path), called with a dot: the layer of a file that `save` wrote, of full or half width.
---@param path string of the file
---@return any # the layer; or nil, message, code
function MoE:load(path) end

---The answers to the rows of x, and the routing (nil of soft_moe).
---@param x table tokens × dim, or more dimensions before the last
---@param options? table { mask: of each row true, or false of padding, which no expert sees, which no figure counts, and whose answer is 0; ids: of each row, for the hash router alone }
function MoE:forward(x, options) end

---The layer's running figures since it was made, or since reset_stats: tokens, batches, load, importance (shares), maxvio (of all tokens), maxvio_batch (mean of the batches), entropy (of the load, in units of ln E), dropped (share), dead (numbers of experts), confidence, logit_max, bias, gate_gradient (the norm now). Of soft_moe, which selects nothing, only the last.
function MoE:stats() end

---Begins the figures anew.
function MoE:reset_stats() end

---The answer to one token, an array or tensor of dim numbers: a tensor of out_dim. In evaluation it is the engine that answers, wherever the layer is made of its parts: nothing is recorded, and no figure counts the token.
---@param x table the token
---@param options? table { ids: { its id }, for the hash router }
function MoE:forward_one(x, options) end

---@class moe.Optimiser
local Optimiser = {}

---A step by the gradients that there are; a tensor without any stays as it is, decay and momentum do not move it.
function Optimiser:step() end

---Forgets all gradients, so that `step` leaves alone what the next loss is not made of.
function Optimiser:zero_grad() end

---@class moe.Schedule
local Schedule = {}

---Sets the rates of the next step; to be called after each step (or epoch).
---@return any # that of the first
function Schedule:step() end

---Runs the stages, in order, on a mixture.
---@param m any the mixture, or whatever the stages can train
---@param data any a Table that knows its target, or { X, y, valid = { X, y }, subsets, groups, weights }
---@param options? table a table of; seed = 0: of what the stages draw; seconds: the most; what is usable then stays; progress: true: a line a stage to standard error; or a function of each entry; checkpoint: a path: the run is kept there after every stage, and the same call goes on from it; seeds: a list: a run of a copy of the mixture for each; processes: for those, how many at a time; metric: to compare them by
---@return any # the history, a list that prints; with `seeds` the Runs; or nil, message, code where a file cannot be written, or the checkpoint is of another run
function Schedule:fit(m, data, options) end

---@class moe.History
local History = {}

---The last score of that name, or nil.
---@param name string of a metric
function History:last(name) end

---A Table with a row an entry: place, stage, round, rows, seconds, and a column for each score; `history:table():write_csv(path)` keeps it.
function History:table() end

---@class moe.Runs
local Runs = {}

---The trained mixture of one of the seeds.
---@param seed any one of those that were given
function Runs:model(seed) end

---@class moe.Updatable
local Updatable = {}

---One more row.
---@param y any its truth
---@param prediction any a label or number; for figures of probabilities label → probability, as predict_proba_one gives it, or a number as in the batch form
---@param weight? number from 0 (1 unless given)
---@return any # the object
function Updatable:update(y, prediction, weight) end

---The figure of the rows so far, or of the last `window` of them.
---@return any # a number (what its function gives), or nil and why there is none
function Updatable:get() end

---Forgets all rows.
---@return any # the object
function Updatable:reset() end

---@class moe.Summary
local Summary = {}

---One more measurement.
---@param name string what was measured
---@param value any a number
function Summary:add(name, value) end

---Mean and standard deviation (of the sample; 0 of one) of what was added.
---@param name string what was measured
---@return any # two numbers
function Summary:get(name) end

---All of them as lines: mean ± standard deviation, the largest mean first.
---@param title any the first line
function Summary:text(title) end

---@class moe.Stream
local Stream = {}

---The samples that are left: `for x, y in s:iter() do`.
---@return any # what `for` takes; x is one table that the next sample overwrites
function Stream:iter() end

---The next samples, copied.
---@param n any how many; fewer where the stream ends before
---@return any # X, an array of rows that tell their columns' names as the samples do, and y, an array: what `fit` takes; or nil, message, code
function Stream:take(n) end

---From the beginning: the same samples again.
---@return any # the stream
function Stream:reset() end

---@class moe.Prequential
local Prequential = {}

---The history as a table: a row for each model at each mark, with its place, the figures of the window, the microseconds a sample and the bytes.  Of one metric a row for each mark, with a column for each model, as programs that plot like to have it.
---@param metric? any its name, or "microseconds" or "bytes"
---@return any # a Table
function Prequential:table(metric) end

---@class moe.Calibrated
local Calibrated = {}

---Trains the model and its calibration: the maps are fitted to what clones of the model, each trained without a fold, say of that fold; the model itself is trained on all rows.
---@param X any rows as the model's `fit` takes them, or a table that knows its target
---@param y? any one label a row
---@param options? table of the model's `fit`
---@return any # the object
function Calibrated:fit(X, y, options) end

---Calibrated probabilities.
---@param X any rows as the model's `predict` takes them
---@param classes? any the labels of the columns wanted, if not classes()
---@return any # n×C tensor
function Calibrated:predict_proba(X, classes) end

---The most probable label of each row.
---@param X any rows as the model's `predict` takes them
---@return any # an array
function Calibrated:predict(X) end

---The labels in the order of the columns; nil before training.
function Calibrated:classes() end

---Share of rows with the right label.
---@param X any rows, or a table that knows its target
---@param y? any one label a row
---@return any # a number
function Calibrated:score(X, y) end

---A copy of its own.
---@return any # the copy
function Calibrated:clone() end

---The same, not trained.
---@return any # the object
function Calibrated:reset() end

---What `save` writes of an expert in Lua, and `load` gives back.
---@return any # a plain table
function Calibrated:get_state() end

return moe
