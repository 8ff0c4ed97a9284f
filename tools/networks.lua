-- What neural modules and operations do, for api.md and moe.help: read by
-- tools/docs.lua like the comments in lua/moe/, and never run.

--- Neural modules: each is made by calling it with a table of options, and called with
-- tensors. Fields that are tensors or modules are found by themselves.
-- @module moe.nn

--- A sparse layer: each row is answered by the few experts that a router chooses.
-- layer(x [, { mask, ids }]) gives the answers to rows of x, and their Routing.
-- @function MoE
-- @param options a table of
--   dim, experts (a number, or a list of modules), hidden (not for modules), out_dim (dim)
--   top_k (2), router: "top_k", "noisy_top_k", "switch", "soft", "hash", "expert_choice",
--     "sinkhorn", "soft_moe" (slots: of an expert)
--   activation: "relu", "gelu", "gelu_tanh", "silu", "tanh", "sigmoid", "softplus",
--     "swiglu", "geglu"; bias; shared_experts (0); scale (1) of the routed answer
--   gate: "linear", "cosine" or "mlp" (gate_hidden), a module that gives rows × experts
--     logits, or a learner; router_init: "random", "balanced", "uniform", "zero", "orthogonal"
--   noise: a deviation, "1/E" or "learned"; jitter, expert_dropout
--   score, renormalize, temperature, threshold, groups, top_groups, capacity_factor,
--     eval_capacity_factor, min_capacity, drop_order, overflow: as `moe.help "route"` has them
--   bias_update ("fixed"), bias_rate: of the selection bias, which training moves;
--     layer.bias_rate may be set between steps
--   preset: "mixtral", "switch", "olmoe", "deepseek_v3", "st_moe", "v_moe"
--   causal (false): refuses what lets a row depend on later ones of its batch, as routers
--     by batch and capacities do; allow_degenerate (false); seed
-- @return the layer
-- @raise if an option is unknown, not allowed, would train nothing, or would change nothing
-- @usage local layer = moe.nn.MoE { dim = 8, hidden = 32, experts = 4, top_k = 2, seed = 1 }
-- local y, routing = layer(moe.randn(64, 8))

--- x w + b.
-- @function Linear
-- @param options { dim, out_dim, bias (true), init ("uniform"), seed }

--- Rows of a table by index, from 1.
-- @function Embedding
-- @param options { items, dim, init ("normal"), seed }

--- Rows with mean 0 and variance 1, then weight and bias.
-- @function LayerNorm
-- @param options { dim, eps (1e-5) }

--- Rows with mean square 1, then weight.
-- @function RMSNorm
-- @param options { dim, eps (1e-5) }

--- In training each item is 0 with the chance p, else times 1 / (1 − p).
-- @function Dropout
-- @param options { p (0.5), seed }

--- An activation of moe.F as a module; in Sequential the function itself does as well.
-- @function Activation
-- @param options { name ("relu") }

--- f(x W + b) W + b, or gated.
-- @function FeedForward
-- @param options { dim, hidden, out_dim (dim), activation ("relu"; also "gelu", "silu",
-- "tanh", "swiglu", "geglu"), bias, dropout (0), init, seed }

--- Attention of each position to those up to it: sequences × length × dim.
-- @function CausalSelfAttention
-- @param options { dim, heads, rotary (false, true or the base of the angles), causal (true),
-- bias (true), init, seed }

--- x + attention(norm(x)), then the same with a feed-forward part.
-- @function TransformerBlock
-- @param options { dim, heads, hidden (4 dim), activation ("gelu"), bias, rotary, norm
-- ("layer", "rms"), ffn (a module in the place of FeedForward), dropout, init, seed }

--- Modules or functions, one after the other; the routings of the parts follow the answer.
-- @function Sequential
-- @param parts a list

--- A learner as a module: its probabilities, which take no gradient.
-- @function Estimator
-- @param options { model }

--- What `layer:half()` gives and `moe.nn.MoE.load` reads: it answers as the
-- layer does (rows, and forward_one), and cannot be trained.
-- @function HalfMoE

--- A new kind of module: a table for `init(self, options)` and `forward(self, …)`.
-- @function module
-- @param name what print calls it
-- @return the kind; called with a table of options it makes one
-- @usage local Scale = moe.nn.module "Scale"
-- function Scale:init(o) self.factor = self:parameter(moe.ones(o.dim)) end
-- function Scale:forward(x) return x * self.factor end

--- Writes the layer to a file, as the engine has it: its options, gate, selection bias and
-- experts; not its running figures. C reads it too (file_format.md).
-- @function MoE:save
-- @param path of the file
-- @return true; or nil, message, code
-- @raise if the layer has parts that are written in Lua

--- A layer for inference alone, its experts' weights in bfloat16: half the memory.
-- @function MoE:half
-- @return it: called like the layer, it gives answers without a routing
-- @raise if the layer has parts that are written in Lua

--- moe.nn.MoE.load(path), called with a dot: the layer of a file that `save` wrote, of full
-- or half width.
-- @function MoE:load
-- @param path of the file
-- @return the layer; or nil, message, code
