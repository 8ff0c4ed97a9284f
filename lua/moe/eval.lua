--- Selection and honesty: how good a model is on rows that it has not seen, which
-- settings are better, and how sure that is.
--
-- `moe.eval.cross_validate`, `prequential`, `search`, `learning_curve`, `importance`,
-- `expert_importance`, `calibrate`, `compare`.  All give tables that print; all
-- are the same for a seed, however many processes work.
-- @module moe.eval

local eval = {}

local files = {
  cross_validate = "cross_validate",
  prequential = "prequential",
  search = "search",
  learning_curve = "learning_curve",
  importance = "importance",
  expert_importance = "importance",
  calibrate = "calibrate",
  compare = "compare",
}

-- Each is read when it is first called.
for name, file in pairs(files) do
  eval[name] = function(...)
    eval[name] = require("moe.eval." .. file)[name]
    return eval[name](...)
  end
end

return eval
