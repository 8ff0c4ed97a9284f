-- Comparisons of numbers within a tolerance.
local near = {}

--- Fails unless two arrays of rows of numbers agree: relative to 1 or to what
-- is larger; NaN agrees with NaN.
function near.rows(expected, found, tolerance)
  assert(#expected == #found, ("%d rows, not %d"):format(#found, #expected))
  for i, row in ipairs(expected) do
    assert(#row == #found[i], ("row %d has %d numbers, not %d"):format(i, #found[i], #row))
    for j, x in ipairs(row) do
      local y = found[i][j]
      local close = x ~= x and y ~= y
        or math.abs(x - y) <= (tolerance or 1e-6) * math.max(1, math.abs(x))
      if not close then
        error(("row %d, column %d: expected %.17g, found %.17g"):format(i, j, x, y), 2)
      end
    end
  end
end

return near
