-- What the functions of the engine do that no file of lua/moe/ speaks of: read
-- by tools/docs.lua like the comments there, and never run.

--- Rows and labels into experts, gates and mixtures, and what those answer.
-- @module moe

--- Reads an object that `save` wrote. No code of the file is run.
-- @function load
-- @param path of the file
-- @param[opt] options of which there is one:
--   lua: name or path in the tree → the object to take for one written in Lua
-- @return the object; or nil, message, code for a file that is none
-- @usage local m = assert(moe.load "letter.moe")

--- The same from the bytes that `dump` gave.
-- @function undump
-- @param bytes a string
-- @param[opt] options as for `load`
-- @return the object; or nil, message, code

--- Sends rows to experts by their logits: the routing that mixtures use, by itself.
-- @function route
-- @param logits n×experts: rows as `predict` takes them
-- @param[opt] options as listed below
-- @return a Routing: indices (n×k, 0: none), weights (n×k), probs (n×experts), counts,
-- rows, choices, places, dropped
-- @raise if a logit is not finite or an option is not allowed

--- A float32 tensor.
-- @function tensor
-- @param items a table of numbers, a table of rows, or a text with a row a line
-- @return the tensor
-- @usage moe.tensor { { 1, 2 }, { 3, 4 } }

--- A tensor of zeros.
-- @function zeros
-- @param ... its lengths, or one table of them
-- @return the tensor

--- A tensor of ones.
-- @function ones
-- @param ... its lengths, or one table of them
-- @return the tensor

--- Numbers drawn from the standard normal distribution.
-- @function randn
-- @param ... the lengths, or one table of them; then options if any: { seed = 0 }
-- @return the tensor
-- @usage moe.randn(100, 3, { seed = 1 })

--- A matrix most of whose cells are 0.
-- @function sparse
-- @param rows an array of tables, column → value, and `columns`, their number
-- @return the matrix
-- @usage moe.sparse { { [3] = 0.5, [17] = 1 }, {}, columns = 100 }

--- Limits the threads that calls from this Lua state use: 1 in a host unless set,
-- all cores in the program `moe`.
-- @function set_threads
-- @param n from 1 to 256

--- The limit that `set_threads` has set.
-- @function threads
-- @return a number

--- Seconds of a clock that only goes forward.
-- @function now
-- @return a number

--- Bytes that objects of this Lua state hold outside Lua's own memory.
-- @function memory
-- @return a number

--- The library that makes the matrix products.
-- @function backend
-- @return its name

--- Chooses the library that makes the matrix products, before the first of them.
-- @function load_backend
-- @param name as `backend` gives it; "portable": none, but this program's own code
-- @raise if it is not installed, or products have been made already

--- Reads a table from comma-separated values.
-- @function data.read_csv
-- @param path of the file
-- @param[opt] options as listed below
-- @return a Table; or nil, message, code for a file that cannot be read
-- @usage local t = assert(moe.data.read_csv("letter.csv", { target = "letter" }))

--- The same from a string.
-- @function data.parse_csv
-- @param text the bytes
-- @param[opt] options as `moe.help "read_csv"` lists them
-- @return a Table; or nil, message, code

--- Reads a tensor from an IDX file, as those of MNIST are; also gzipped (with zlib).
-- @function data.read_idx
-- @param path of the file
-- @param[opt] options { float }: true for float32 of integers too, which are int32 else
-- @return a tensor; or nil, message, code for a file that cannot be read

--- Writes a tensor as an IDX file: float32, int32, or bytes where all integers are such.
-- @function data.write_idx
-- @param path of the file
-- @param t the tensor
-- @return true; or nil, message, code

--- Reads a tensor from a NumPy file. Integers and truth values become int32 and must fit
-- it; real numbers float32, doubles rounded to the nearest, and refused beyond its range.
-- @function data.read_npy
-- @param path of the file
-- @return a tensor; or nil, message, code

--- Writes a tensor as a NumPy file.
-- @function data.write_npy
-- @param path of the file
-- @param t the tensor
-- @return true; or nil, message, code

--- Reads the tensors of a NumPy archive, stored or (with zlib) compressed.
-- @function data.read_npz
-- @param path of the file
-- @return name → tensor; or nil, message, code

--- Writes tensors as a NumPy archive, not compressed.
-- @function data.write_npz
-- @param path of the file
-- @param tensors name → tensor
-- @return true; or nil, message, code

--- Reads the tensors of a safetensors file, as `load_state_dict` takes them; float16 and
-- bfloat16 become float32. Of PyTorch's modules: `load_state_dict` with layout = "torch".
-- @function data.read_safetensors
-- @param path of the file
-- @return name → tensor; or nil, message, code

--- Writes tensors as a safetensors file.
-- @function data.write_safetensors
-- @param path of the file
-- @param tensors name → tensor: what `state_dict` gives
-- @return true; or nil, message, code
-- @usage assert(moe.data.write_safetensors("layer.safetensors", layer:state_dict()))

--- A table of columns at hand.
-- @function data.table
-- @param options a table of
--   columns: name → array of numbers or of strings
--   names: their order; by byte unless given
--   target: the name of the column to be predicted
-- @return a Table
-- @usage moe.data.table { columns = { age = { 31, 58 }, sick = { "no", "yes" } }, target = "sick" }

--- Rows to classify: normal clusters around the corners of a hypercube.
-- @function data.make_classification
-- @param[opt] options as listed below
-- @return a Table

--- Rows to classify: two half circles that interlock.
-- @function data.make_moons
-- @param[opt] options as listed below
-- @return a Table

--- Rows of numbers: a weighted sum of normal features, and noise.
-- @function data.make_regression
-- @param[opt] options as listed below
-- @return a Table

--- Rows of numbers: a law of its own in each region of the input space.
-- @function data.make_regions
-- @param[opt] options as listed below
-- @return a Table, and each row's region in an array

--- Divides row numbers at random into two parts.
-- @function data.split
-- @param n how many rows there are
-- @param share of the first part, between 0 and 1
-- @param[opt] options a table of
--   seed = 0: of the generator
--   strata: an array of labels, of each of which either part has its share
--   groups: an array of labels; rows of one are never divided
-- @return two arrays of row numbers

--- Deals row numbers into folds.
-- @function data.folds
-- @param n how many rows there are
-- @param k how many folds
-- @param[opt] options as for `split`
-- @return an array: of each row its fold, 1 … k

--- All parameters, or the one at a path such as "experts.scope.max_depth"; of an expert that
-- is written in Lua (`moe.experts.network`), the options that its table tells too.
-- @function Object:get_params
-- @param[opt] path of one of them
-- @return name → value, or the value

--- Changes parameters; a model answers as before until it is fitted again.
-- @function Object:set_params
-- @param params path → value
-- @return the object
-- @raise if a path is unknown or a value is not allowed; then none is changed

--- A copy of its own, fitted as this is.
-- @function Object:clone
-- @return the copy

--- Forgets what was learned, and keeps the parameters.
-- @function Object:reset
-- @return the object

--- Becomes what another object of its type is, parameters and all.
-- @function Object:assign
-- @param other an object of the same type, with children of the same types
-- @return the object

--- What is known of it: type, fitted, bytes; once fitted task, n_features, n_outputs,
-- n_seen, names; and what `moe.help` of its type lists.
-- @function Object:info
-- @return a table

--- Writes it to a file (safetensors), all at once or not at all.
-- @function Object:save
-- @param path of the file
-- @return true; or nil, message, code

--- What `save` would write, as a string for `moe.undump`.
-- @function Object:dump
-- @return the bytes

--- Frees its memory now rather than when the collector comes to it.
-- @function Object:close

--- Trains on rows and their targets.
-- @function Learner:fit
-- @param X rows: a tensor, a sparse matrix, an array of arrays, or a Table; one that
-- knows its target is given alone
-- @param[opt] y one label (string, boolean) or number a row; n×k numbers where the
-- learner has several outputs
-- @param[opt] options a table of
--   weights: an array, how much each row counts
--   groups: an array of labels; rows of one are not divided by cross-fitting
--   warm: goes on from what was learned before, in learners that can
--   budget_ms: ends after so long with a usable model; history.done tells.
--     To go on to the same end as without, start_fit; from what there is,
--     in learners that can, warm
--   subsets: of a mixture, the name of the expert that each row trains (an array), or
--     "all", "clusters", "residuals"
--   stage: of a mixture, "all", "experts" or "gate"
--   method: of a mixture, "two_stage", "em" or "gradient"
--   rounds: of a mixture, the most rounds of that method
--   unseen: of a mixture, whether its experts have not trained on these rows
-- @return the learner; and a history { done, rows, seconds, notes }, which prints
-- @raise if rows or targets are not such as the learner takes; it stays as it was

--- The same in steps: a job that the caller runs.
-- @function Learner:start_fit
-- @param X as for `fit`
-- @param[opt] y as for `fit`
-- @param[opt] options as for `fit`
-- @return a Job
-- @usage local job = m:start_fit(X, y)
-- repeat until job:step { budget_ms = 5 }
-- job:commit()

--- What it answers for rows.
-- @function Learner:predict
-- @param X rows as for `fit`, without their targets
-- @return an array of labels as they were given, or of numbers; of several outputs a
-- tensor
-- @raise if it is not fitted, or the columns are others

--- The probability of each class.
-- @function Learner:predict_proba
-- @param X rows as `predict` takes them
-- @return a tensor n×C, in the order of `classes()`

--- What it answers for one sample.
-- @function Learner:predict_one
-- @param x an array of numbers, or name → value
-- @param[opt] options a table of
--   min_confidence = 0: below this probability the answer is nil
-- @return a label and its probability, or a number (an array, of several outputs)

--- The probability of each class for one sample.
-- @function Learner:predict_proba_one
-- @param x as `predict_one`
-- @return label → probability

--- The labels that it knows, numbers first, then strings by byte.
-- @function Learner:classes
-- @return an array, or nil where it was fitted to numbers or not at all

--- Learns from one sample, in learners that are `online`.
-- @function Learner:learn_one
-- @param x an array of numbers and strings, or name → value; the first tells which columns
-- hold strings.  Missing is NaN in a column of numbers, false in one of strings (later either)
-- @param y its label or number
-- @param[opt=1] weight from 0

--- Learns from rows in order, one by one.
-- @function Learner:learn_many
-- @param X rows as for `fit`
-- @param[opt] y as for `fit`
-- @param[opt] options { weights }
-- @return the learner

--- `learn_many` by scikit-learn's name.
-- @function Learner:partial_fit
-- @param X rows as for `fit`
-- @param[opt] y as for `fit`
-- @param[opt] options { weights }
-- @return the learner

--- A new sequence begins: what `ar`, `esn` and `ssm` remember of the one before, in
-- mixtures and pipelines too, is forgotten; what was learned from it stays.
-- @function Learner:reset_state
-- @return the learner

--- Which experts a mixture asks about rows.
-- @function Learner:route
-- @param X rows as `predict` takes them
-- @param[opt] options of routing for this call, as `moe.help "route"` lists them
-- @return a Routing, with `names`, the experts in the order of its columns

--- The same for one sample.
-- @function Learner:route_one
-- @param x an array of numbers, or name → value
-- @return { indices, weights, probs, names }, matrices of one row

--- Trains a gate by itself.
-- @function Gate:fit
-- @param X rows as a learner's `fit` takes them
-- @param y n×experts: how much each expert should answer each row
-- @param[opt] options { weights }
-- @return the gate; and a history

--- Trains a gate in steps, as `Learner:start_fit`.
-- @function Gate:start_fit
-- @param X rows
-- @param y n×experts
-- @param[opt] options { weights }
-- @return a Job

--- The probability of each expert.
-- @function Gate:forward
-- @param X rows as `predict` takes them
-- @return a tensor n×experts

--- The probability of each expert for one sample.
-- @function Gate:forward_one
-- @param x an array of numbers, or name → value
-- @return place of the expert → probability

--- Learns from one sample, in gates that are `online`.
-- @function Gate:learn_one
-- @param x an array of numbers, or name → value
-- @param y an array: how much each expert should answer it
-- @param[opt=1] weight from 0

--- `forward_one` by the learners' name.
-- @function Gate:predict_one
-- @param x an array of numbers, or name → value
-- @return an array: the probability of each expert

--- What each feature contributes to the gate's logits, as of a learner.
-- @function Gate:contributions
-- @param x one sample, or rows, as of a learner
-- @return as of a learner, by the place of the expert; or nil, message, code

--- Learns from rows in order, in gates that are `online`.
-- @function Gate:partial_fit
-- @param X rows
-- @param y n×experts
-- @param[opt] options { weights }
-- @return the gate

--- Learns from rows what `transform` needs to know.
-- @function Transform:fit
-- @param X a Table, a tensor, a sparse matrix, or an array of arrays
-- @return the transform

--- The rows, transformed.
-- @function Transform:transform
-- @param X rows like those it was fitted to
-- @return a tensor, or a sparse matrix

--- `fit` and `transform` in one.
-- @function Transform:fit_transform
-- @param X rows
-- @return as `transform`

--- One sample, transformed.
-- @function Transform:transform_one
-- @param x an array of numbers, or name → value
-- @return a matrix of one row

--- The names of the columns that come out.
-- @function Transform:names
-- @return an array, or nil where they have none

--- Takes the next number of a stream: a loss, as a rule.
-- @function Detector:update
-- @param x a finite number
-- @return "stable", "warning" or "drift"; after a drift it begins anew, or has
-- dropped what was before the change

--- What it holds to be the mean now.
-- @function Detector:mean
-- @return the mean of the numbers since the last change; 0 before any

--- Goes on with the training.
-- @function Job:step
-- @param[opt] options { budget_ms }: how long; without it to the end
-- @return whether it is done

--- Gives the object what was learned so far, once it is of use: before the end
-- a copy, and the job can go on, to the same bits as without.
-- @function Job:commit
-- @return the object; and the history

--- Ends the job; the object stays as it was.
-- @function Job:close

--- The cells of a column.
-- @function Table:column
-- @param name of the column
-- @return an array; NaN and false are missing

--- Without these columns.
-- @function Table:drop
-- @param names an array
-- @return a Table

--- These columns alone, in this order.
-- @function Table:select
-- @param names an array
-- @return a Table

--- Whether a column holds numbers or strings.
-- @function Table:kind
-- @param name of the column
-- @return "number" or "string"

--- Rows from one to another, both included.
-- @function Table:rows
-- @param first from 1
-- @param[opt] last the last row unless given
-- @return a Table

--- One row.
-- @function Table:row
-- @param i from 1
-- @return name → value

--- Rows by number, in this order.
-- @function Table:pick
-- @param rows an array of row numbers
-- @return a Table

--- Two parts, at random.
-- @function Table:split
-- @param share of the first part, between 0 and 1
-- @param[opt] options a table of
--   seed = 0: of the generator
--   stratify: true (the target) or a column: each part has its share of every value
--   group: a column: rows with one value are never divided
-- @return two Tables
-- @usage local train, test = t:split(0.8, { seed = 1, stratify = true })

--- Folds for cross-validation by hand.
-- @function Table:folds
-- @param k how many
-- @param[opt] options as for `split`
-- @return an array of { train, test }

--- The same table with another column to be predicted.
-- @function Table:with_target
-- @param[opt] name of the column; none without it
-- @return a Table

--- Features and target.
-- @function Table:xy
-- @return a tensor n×d with `names`; and the target's cells in an array
-- @raise if a feature is of strings or has missing cells, naming the transform to use

--- Writes it as comma-separated values.
-- @function Table:write_csv
-- @param path of the file
-- @param[opt] options { sep = "," }
-- @return true; or nil, message, code

--- An item.
-- @function Tensor:get
-- @param ... its place in each dimension, from 1
-- @return a number

--- Changes an item.
-- @function Tensor:set
-- @param ... its place in each dimension, from 1; then the number
-- @return the tensor

--- The length of a dimension, or all lengths.
-- @function Tensor:size
-- @param[opt] dim from 1
-- @return a number, or an array

--- Rows from one to another, sharing their memory.
-- @function Tensor:rows
-- @param first from 1
-- @param[opt] last the last row unless given
-- @return a tensor

--- A row, sharing its memory.
-- @function Tensor:row
-- @param i from 1
-- @return a tensor of one dimension less

--- Copies of rows by number.
-- @function Tensor:select
-- @param rows an array of row numbers
-- @return a tensor

--- The same items in another shape, sharing their memory.
-- @function Tensor:reshape
-- @param ... the lengths, or one table of them; one may be -1
-- @return a tensor

--- Two dimensions exchanged, in a copy.
-- @function Tensor:transpose
-- @param[opt] i one of them, from 1; both may be left out of a matrix
-- @param[opt] j the other
-- @return a tensor

--- Operations on the tensor are recorded from now on, so that `backward` finds the
-- gradient of what comes of them; t.grad is that gradient, t.requires tells.
-- @function Tensor:requires_grad
-- @param[opt=true] required false ends it
-- @return the tensor
-- @raise of an index tensor, and of the result of recorded operations

--- Adds to each leaf's `grad` its gradient, back from this tensor of one item. The
-- values in between are given back, except scalars and what was retained.
-- @function Tensor:backward
-- @param[opt] options { gradient: by this tensor, of its shape, where it has several items;
-- keep: true keeps records and values for another walk }
-- @raise where nothing requires a gradient, where a value that is needed was changed in
-- place or given back, and what an operation written in Lua raised

--- Value and gradient stay when `backward` comes by.
-- @function Tensor:retain
-- @return the tensor

--- The same items, of which nothing is recorded.
-- @function Tensor:detach
-- @return a tensor

--- Forgets the gradient: `grad` is nil until `backward` brings one.
-- @function Tensor:zero_grad
-- @return the tensor

--- A copy.
-- @function Tensor:clone
-- @return a tensor

--- A copy of float32 items.
-- @function Tensor:float
-- @return a tensor

--- A copy of int32 items.
-- @function Tensor:int
-- @return a tensor

--- The items in tables of Lua.
-- @function Tensor:totable
-- @return an array, of arrays where there are several dimensions

--- Row by row: `for i, row in t:iter() do`.
-- @function Tensor:iter
-- @return what `for` takes

--- The matrix product.
-- @function Tensor:matmul
-- @param other a matrix
-- @param[opt] transpose_self true: the transpose of this one is meant
-- @param[opt] transpose_other the same of the other
-- @return a tensor

--- The sum of products of the items of two tensors.
-- @function Tensor:dot
-- @param other a tensor of as many items
-- @return a number

--- e to the power of each item.
-- @function Tensor:exp
-- @return a tensor

--- The natural logarithm of each item.
-- @function Tensor:log
-- @return a tensor

--- The square root of each item.
-- @function Tensor:sqrt
-- @return a tensor

--- Each item without its sign.
-- @function Tensor:abs
-- @return a tensor

--- The sum of all items, or along a dimension.
-- @function Tensor:sum
-- @param[opt] dim from 1
-- @param[opt] keep whether that dimension stays, of length 1
-- @return a number, or a tensor

--- The mean, as `sum`.
-- @function Tensor:mean
-- @param[opt] dim from 1
-- @param[opt] keep as for `sum`
-- @return a number, or a tensor

--- The largest item, as `sum`.
-- @function Tensor:max
-- @param[opt] dim from 1
-- @param[opt] keep as for `sum`
-- @return a number, or a tensor

--- The smallest item, as `sum`.
-- @function Tensor:min
-- @param[opt] dim from 1
-- @param[opt] keep as for `sum`
-- @return a number, or a tensor

--- The place of the largest item, from 1, as `sum`.
-- @function Tensor:argmax
-- @param[opt] dim from 1
-- @param[opt] keep as for `sum`
-- @return a number, or a tensor

--- An item.
-- @function Sparse:get
-- @param i its row
-- @param j its column
-- @return a number

--- The rows as tables.
-- @function Sparse:totable
-- @return an array of column → value

--- The matrix with all its zeros.
-- @function Sparse:dense
-- @return a tensor

--- Row by row: `for i, row in s:iter() do`.
-- @function Sparse:iter
-- @return what `for` takes; a row is column → value

--- Rows from one to another.
-- @function Sparse:rows
-- @param first from 1
-- @param[opt] last the last row unless given
-- @return a matrix

--- Rows by number.
-- @function Sparse:select
-- @param rows an array of row numbers
-- @return a matrix

--- How evenly the experts are used.
-- @function Routing:stats
-- @param[opt] before earlier statistics, whose `total` and `maxvio_running` go on
-- @return { rows, load, importance, cv_load, cv_importance, maxvio, maxvio_running,
-- entropy, confidence, dropped, dead, total }

--- A loss that is small where the experts are used evenly, or the logits are small.
-- @function Routing:loss
-- @param kind "switch", "gshard", "importance", "collapse", "entropy", "z" or "load"
-- @return its value; its gradient by the logits; and that by the deviations of their
-- noise

--- From gradients by weights and probabilities to those by the logits.
-- @function Routing:backward
-- @param options { weights, probs }: matrices of gradients
-- @return the gradient by the logits; and that by the deviations of their noise

--- The selection bias after an update by this routing.
-- @function Routing:next_bias
-- @return an array, a number an expert
