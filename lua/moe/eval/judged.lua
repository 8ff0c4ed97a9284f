-- The judged rows of one model on a stream: the last of them in a ring, and the figures of
-- all.

local judged = {}

local Judged = {}
Judged.__index = Judged

local LARGEST = 1e100 -- a weight; then all of them are made smaller

--- @param window how many of the last rows are kept
-- @param fading by which each row counts less than the next
-- @param[opt] output the rows are of this one of several numbers
-- @return { y, p, units, ones = of the kept rows the truth, the answer, the weight that fades
-- and the one that does not; n = how many there were, n_later; weight = the sum of all that
-- fade; figures }
function judged.new(window, fading, output)
  return setmetatable({
    y = {}, p = {}, units = {}, ones = {}, size = window, n = 0, n_later = 0,
    fading = fading, unit = 1, weight = 0, output = output, figures = {},
  }, Judged)
end

--- The window's rows in their order: places a … b and then c … d of the ring.
-- @return a, b, c, d
function Judged:last_ones()
  if self.n <= self.size then return 1, self.n, 1, 0 end
  local newest = (self.n - 1) % self.size + 1
  return newest + 1, self.size, 1, newest
end

-- What rows first … last count: instead of all rows before counting less and less, each
-- counts more than the one before.  The last that has its weight: where they become too
-- large, what is counted is made smaller before the next.
function Judged:weigh(first, last)
  local units, ones, unit, weight = self.units, self.ones, self.unit, self.weight
  for i = first, last do
    local before = unit
    unit = before / self.fading
    if unit > LARGEST then
      if i > first then
        self.unit, self.weight = before, weight
        return i - 1
      end
      for _, figure in ipairs(self.figures) do figure:scale(1 / unit) end
      weight, unit = weight * (1 / unit), 1
    end
    weight = weight + unit
    units[i], ones[i] = unit, 1
  end
  self.unit, self.weight = unit, weight
  return last
end

-- The figures take rows first … last of the ring.
function Judged:count(first, last, is_later)
  while first <= last do
    local upto = self:weigh(first, last)
    self.n = self.n + upto - first + 1
    if is_later then self.n_later = self.n_later + upto - first + 1 end
    for _, figure in ipairs(self.figures) do figure:add(first, upto, is_later) end
    first = upto + 1
  end
end

--- Labels and answers have come: of samples first … last, at their places in the ring of
-- samples.  One without label or answer counts neither for nor against the model.
-- @param is_later whether they are of those that figures are also told of apart
function Judged:enter(samples, answers, first, last, is_later)
  local y, p, size, output = self.y, self.p, self.size, self.output
  local many, upto = samples.size, self.n % size
  local from = upto + 1
  for t = first, last do
    local at = (t - 1) % many + 1
    local truth, answer = samples[at].y, answers[at]
    if truth ~= nil and answer ~= nil then
      if output then truth, answer = truth[output], answer[output] end
      upto = upto + 1
      y[upto], p[upto] = truth, answer
      if upto == size then
        self:count(from, size, is_later)
        from, upto = 1, 0
      end
    end
  end
  self:count(from, upto, is_later)
end

return judged
