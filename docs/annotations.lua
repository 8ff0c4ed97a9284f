---@meta
-- Annotations for editors, generated from the catalog by `make docs`.
-- It is never loaded.

---@class moe.Learner

---@class moe.experts
local learners = {}

---@class moe.learner_constant_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field statistic? "mean"|"median" what to predict in regression; learn_one needs the mean

---Predicts the class frequencies, the mean or the median of the targets, whatever the row.
---@param options? moe.learner_constant_options
---@return moe.Learner
function learners.constant(options) end

---@class moe.learner_foreign_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans

---An expert written in Lua: a table with fit and predict (or learn_one and predict_one).
---@param options? moe.learner_foreign_options
---@return moe.Learner
function learners.foreign(options) end

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
function learners.forest(options) end

---@class moe.learner_linear_options
---@field l2? number strength of the penalty l2/2 |W|² on half the squared errors
---@field intercept? boolean whether there is a bias, which is not penalised
---@field lr? number step of learn_one and partial_fit

---Linear regression of one or several targets, least squares or ridge: exact for fit, stochastic gradients row by row.
---@param options? moe.learner_linear_options
---@return moe.Learner
function learners.linear(options) end

---@class moe.learner_logistic_options
---@field l2? number strength of the penalty l2/2 |W|² on the sum of log losses
---@field intercept? boolean whether each class has a bias, which is not penalised
---@field class_weight? table<any, number> what the rows of a class count, by label; 1 where not named
---@field max_iter? integer most iterations of fit
---@field tol? number fit ends where no derivative of the mean log loss, by the weights of standardised columns, exceeds this
---@field lr? number step of learn_one and partial_fit

---Multinomial logistic regression with an L2 penalty: L-BFGS to convergence for fit, stochastic gradients row by row.
---@param options? moe.learner_logistic_options
---@return moe.Learner
function learners.logistic(options) end

---@class moe.learner_mixture_options
---@field task? "auto"|"classification"|"regression" what to predict; auto: classification if the labels are strings or booleans
---@field experts table<any, moe.Learner> the experts, all by name or in a list
---@field gate moe.Gate gives each expert's probability for a row
---@field objective? "auto"|"likelihood"|"error"|"best_expert"|"multi_hot" what the gate is fitted to, on predictions that the experts did not train on: the likelihood of the mixture (auto for classes), the squared error of its answer (auto for numbers), the best expert of each row, or all experts that were right
---@field calibrate? boolean whether each expert's probabilities are sharpened or evened out, by one power, to fit its unseen answers
---@field unassigned? "none"|"all" who trains on rows that `subsets` gives to no expert
---@field frozen? string[] names of experts that fit leaves as they are
---@field folds? integer folds of the cross-fitting by which experts without out-of-bag predictions predict rows unseen
---@field score? "softmax"|"sigmoid"|"softmax_selected" from logits to the scores that weigh the experts: softmax over all, sigmoid of each, or softmax over the selected
---@field top_k? integer experts that answer a row; absent: all of them
---@field renormalize? boolean whether the weights of the selected experts sum to 1
---@field temperature? number divides the logits: above 1 evens the experts out
---@field threshold? number select the fewest experts whose scores sum to this, at most top_k
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Experts of any kinds behind a gate that learns, on predictions they did not train on, whom to ask.
---@param options? moe.learner_mixture_options
---@return moe.Learner
function learners.mixture(options) end

---@class moe.learner_pipeline_options
---@field steps? table<any, moe.Transform> the transforms, in order
---@field model? moe.Learner the learner that is fitted to what they make
---@field seed? integer seed of the generator; absent: 0, or drawn from the parent's and the name

---Transforms, one after the other, and a learner behind them, fitted and saved as one.
---@param options? moe.learner_pipeline_options
---@return moe.Learner
function learners.pipeline(options) end

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
function learners.tree(options) end

---@class moe.Gate

---@class moe.gates
local gates = {}

---@class moe.gate_fixed_options
---@field column? string name of the column that holds the expert's name or number
---@field choose? function a function of the rows: an array with the name, the number or the probabilities of the experts for each

---A column of the data, or a function, decides who answers.
---@param options? moe.gate_fixed_options
---@return moe.Gate
function gates.fixed(options) end

---@class moe.gate_foreign_options

---A gate written in Lua: a table with fit and forward.
---@param options? moe.gate_foreign_options
---@return moe.Gate
function gates.foreign(options) end

---@class moe.gate_softmax_options
---@field temperature? number divides the logits: below 1 the gate is more decided, above less
---@field l2? number strength of the penalty l2/2 |W|² on the log-likelihood
---@field standardize? boolean whether the penalty is on the weights of columns with mean 0 and variance 1
---@field max_iter? integer most iterations of fit
---@field tol? number fit ends where no derivative of the mean log-likelihood, by the weights of standardised columns, exceeds this

---Linear logits and a softmax, fitted to the likelihood of the mixture.
---@param options? moe.gate_softmax_options
---@return moe.Gate
function gates.softmax(options) end

---@class moe.gate_uniform_options

---The same weight for every expert.
---@param options? moe.gate_uniform_options
---@return moe.Gate
function gates.uniform(options) end

---@class moe.Transform

---@class moe.transforms
local transforms = {}

---@class moe.transform_impute_options
---@field strategy? "mean"|"median"|"most_frequent"|"constant" what stands for a missing value
---@field fill_value? number the constant; and what fills columns without any value
---@field indicator? boolean adds a column of zeros and ones, "missing(x)", for each column x with missing values in training

---Fills missing numbers with the mean, the median, the most frequent value or a constant.
---@param options? moe.transform_impute_options
---@return moe.Transform
function transforms.impute(options) end

---@class moe.transform_one_hot_options
---@field columns? string[] the nominal columns to use, the others are left out; absent: all
---@field handle_unknown? "zeros"|"refuse" what becomes of a level that was not there in training
---@field sparse? boolean whether the result is sparse: for many levels

---Turns nominal columns into one column of zeros and ones a level; numbers stay as they are.
---@param options? moe.transform_one_hot_options
---@return moe.Transform
function transforms.one_hot(options) end

---@class moe.transform_ordinal_options
---@field columns? string[] the nominal columns to use, the others are left out; absent: all

---Turns nominal columns into the numbers of their levels; numbers stay as they are.
---@param options? moe.transform_ordinal_options
---@return moe.Transform
function transforms.ordinal(options) end

---@class moe.transform_standard_scaler_options
---@field with_mean? boolean whether the mean is subtracted; not possible in sparse data
---@field with_std? boolean whether to divide by the deviation

---Standardises columns: (x - mean) / deviation.
---@param options? moe.transform_standard_scaler_options
---@return moe.Transform
function transforms.standard_scaler(options) end

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
function transforms.text_hasher(options) end
