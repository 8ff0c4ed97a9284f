-- The operations on tensors, for api.md and moe.help: read by tools/docs.lua like
-- the comments in lua/moe/, and never run.

--- Operations that gradients flow through. Tensors calculate besides: + - * / with
-- broadcasting, exp, log, sqrt, abs, sum, mean, max, min, reshape, transpose.
-- @module moe.F

--- x w + b.
-- @function linear
-- @param x rows of in numbers
-- @param w in × out
-- @param[opt] b out numbers

--- The matrix product; of each pair of matrices where there are more dimensions.
-- @function matmul
-- @param a a tensor
-- @param b a tensor
-- @param[opt] turned_a whether a is transposed
-- @param[opt] turned_b whether b is

--- Along the last dimension.
-- @function softmax
-- @param x a tensor

--- Along the last dimension.
-- @function log_softmax
-- @param x a tensor

--- Rows with mean 0 and variance 1.
-- @function layer_norm
-- @param x a tensor
-- @param[opt] weight a number a column
-- @param[opt] bias a number a column
-- @param[opt] eps 1e-5

--- Rows with mean square 1.
-- @function rms_norm
-- @param x a tensor
-- @param[opt] weight a number a column
-- @param[opt] eps 1e-5

--- Each item is 0 with the chance p, else times 1 / (1 − p).
-- @function dropout
-- @param x a tensor
-- @param p in [0, 1)
-- @param seed the same seed drops the same items

--- The elements of the first dimension that the ids name, from 1.
-- @function embedding
-- @param ids an index tensor
-- @param table a tensor

--- n elements of zeros, to ids[i] of which t[i] is added.
-- @function scatter
-- @param t a tensor
-- @param ids an index tensor
-- @param n how many elements

--- Tensors behind each other.
-- @function concat
-- @param tensors a list
-- @param dim along which dimension, from 1

--- What is from `first` to `last` of a dimension.
-- @function slice
-- @param t a tensor
-- @param dim the dimension, from 1
-- @param first from 1
-- @param last counts too

--- The mean of −ln of the probability of each row's class, from 1.
-- @function cross_entropy
-- @param logits rows × classes
-- @param ids an index tensor
-- @param[opt] options { smoothing (0), ignore (0): the id of rows that do not count }

--- The mean of (x − y)².
-- @function mse
-- @param x a tensor
-- @param y one of its shape

--- The mean of what is a square up to delta, and a line beyond.
-- @function huber
-- @param x a tensor
-- @param y one of its shape
-- @param[opt] delta 1

--- Cross-entropy of logits and shares of 0 or 1.
-- @function bce_with_logits
-- @param x logits
-- @param y a tensor of its shape

--- Attention of sequences × length × width.
-- @function attention
-- @param q queries
-- @param k keys
-- @param v values
-- @param heads that divide the width
-- @param[opt] options { causal (true), rotary (0: none; the base of the angles) }

--- The experts of a sparse layer on the rows that were sent to them.
-- @function experts
-- @param x rows
-- @param weights rows × k
-- @param indices rows × k, an index tensor; 0 is none
-- @param options { w_in, w_out, w_gate, b_in, b_out, activation ("relu") }

--- `moe.route` with gradients: the weights of the experts selected, and the routing.
-- @function route
-- @param logits rows × experts
-- @param options as `moe.help "route"` lists them

--- A loss of a routing, as Routing:loss has them.
-- @function routing_loss
-- @param routing what `route` gave
-- @param kind its name
-- @param logits those of the routing
-- @param[opt] deviations of its noise

--- An operation written in Lua.
-- @function operation
-- @param backward function(g) → the gradients by the inputs, nil where one has none
-- @param output what was computed from them
-- @param ... the inputs

--- max(0, x).
-- @function relu
-- @param x a tensor

--- x Φ(x).
-- @function gelu
-- @param x a tensor

--- gelu by tanh.
-- @function gelu_tanh
-- @param x a tensor

--- x σ(x).
-- @function silu
-- @param x a tensor

--- tanh x.
-- @function tanh
-- @param x a tensor

--- 1 / (1 + e^−x).
-- @function sigmoid
-- @param x a tensor

--- ln(1 + e^x).
-- @function softplus
-- @param x a tensor
