--- Sparse layers of published models, by name: options of nn.MoE; sources beside them.
-- Sizes (dim, hidden) are the user's; experts and top_k are the published ones.
-- @module moe.nn.presets
return {
  mixtral = { -- Jiang et al. 2024, arXiv 2401.04088
    experts = 8, top_k = 2, activation = "swiglu", bias = false, renormalize = true,
  },
  switch = { -- Fedus et al. 2021, arXiv 2101.03961
    experts = 128, router = "switch", top_k = 1, activation = "relu", bias = false, jitter = 0.01,
    capacity_factor = 1.25, eval_capacity_factor = 2, min_capacity = 4,
  },
  olmoe = { -- Muennighoff et al. 2024, arXiv 2409.02060
    experts = 64, top_k = 8, activation = "swiglu", bias = false, renormalize = false,
  },
  deepseek_v3 = { -- arXiv 2412.19437
    experts = 256, top_k = 8, activation = "swiglu", bias = false, score = "sigmoid",
    renormalize = true, scale = 2.5, groups = 8, top_groups = 4, shared_experts = 1,
    bias_update = "sign", bias_rate = 0.001,
  },
  st_moe = { -- Zoph et al. 2022, arXiv 2202.08906
    experts = 32, top_k = 2, activation = "geglu", bias = false, renormalize = true,
    capacity_factor = 1.25, eval_capacity_factor = 2,
  },
  v_moe = { -- Riquelme et al. 2021, arXiv 2106.05974
    experts = 32, top_k = 2, activation = "gelu", renormalize = false, noise = "1/E",
    capacity_factor = 1.05, drop_order = "score",
  },
}
