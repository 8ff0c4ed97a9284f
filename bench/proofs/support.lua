--- What the proofs share: data that may be missing, figures that repeat over
-- seeds, and what was published beside what is found.
local moe = require "moe"
local text = require "moe.text"

local support = {}

local folder = arg[1] or os.getenv "MOE_DATA" or "."

--- The table in that file of the data folder; or nil, after saying so.
function support.read(name, target, options)
  local own = { target = target }
  for key, value in pairs(options or {}) do own[key] = value end
  local t, message = moe.data.read_csv(("%s/%s"):format(folder, name), own)
  if not t then print(("%s: left out: %s"):format(name, message)) end
  return t
end

--- Rows and targets of a table.
function support.part(t)
  local X, y = t:xy()
  return { X = X, y = y }
end

--- An expert that sees columns of mean 0 and variance 1.
function support.scaled(expert)
  return moe.pipeline { moe.transforms.standard_scaler {}, expert }
end

--- n experts of one kind, as a list.
function support.several(n, make)
  local experts = {}
  for i = 1, n do experts[i] = make(i) end
  return experts
end

--- "mean ± standard deviation" of numbers, or the only one.
function support.spread(values, format)
  local summary = moe.metrics.summary()
  for i = 1, #values do summary:add("", values[i]) end
  local mean, deviation = summary:get ""
  local shown = (format or "%.3f"):format(mean)
  if #values == 1 then return shown end
  return shown .. " ± " .. (format or "%.3f"):gsub("%+", ""):format(deviation)
end

--- A table of figures: its head, then rows; what is nil is shown as a dash.
function support.figures(head)
  local rows = { head }
  local figures = {}
  function figures.add(...)
    local row = {}
    for k = 1, #head do row[k] = select(k, ...) or "-" end
    rows[#rows + 1] = row
  end
  function figures.print(title)
    if title then print(title) end
    print(text.columns(rows) .. "\n")
  end
  return figures
end

return support
