-- Comparisons of numbers within a tolerance: relative to 1 or to what is larger.
local near = {}

local function agree(expected, found, tolerance)
  return math.abs(expected - found) / math.max(1, math.abs(expected)) <= tolerance
end

--- Two functions that fail unless a number, or each number of a list, is near
-- what is expected: within `usual`, where they are not given a tolerance.
function near.within(usual)
  local function number(expected, found, tolerance)
    if not agree(expected, found, tolerance or usual) then
      error(("expected %.17g, found %.17g"):format(expected, found), 2)
    end
  end
  local function list(expected, found, tolerance)
    assert(#expected == #found, ("%d numbers, not %d"):format(#found, #expected))
    for j, x in ipairs(expected) do
      if not agree(x, found[j], tolerance or usual) then
        error(("number %d: expected %.17g, found %.17g"):format(j, x, found[j]), 2)
      end
    end
  end
  return number, list
end

--- Fails unless two arrays of rows of numbers agree; NaN agrees with NaN.
function near.rows(expected, found, tolerance)
  assert(#expected == #found, ("%d rows, not %d"):format(#found, #expected))
  for i, row in ipairs(expected) do
    assert(#row == #found[i], ("row %d has %d numbers, not %d"):format(i, #found[i], #row))
    for j, x in ipairs(row) do
      local y = found[i][j]
      local missing = x ~= x and y ~= y
      if not (missing or agree(x, y, tolerance or 1e-6)) then
        error(("row %d, column %d: expected %.17g, found %.17g"):format(i, j, x, y), 2)
      end
    end
  end
end

return near
