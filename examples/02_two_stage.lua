-- Two stages on labelled subsets: letters are drawn on a small screen, one
-- expert learns those with straight strokes, another the round ones; then the
-- gate learns, on drawings that the experts did not train on, whom to ask.
local moe = require "moe"
local E, G = moe.experts, moe.gates

local letters = {
  { "E", "straight", "##### #.... ###.. #.... #####" },
  { "H", "straight", "#...# #...# ##### #...# #...#" },
  { "T", "straight", "##### ..#.. ..#.. ..#.. ..#.." },
  { "X", "straight", "#...# .#.#. ..#.. .#.#. #...#" },
  { "C", "round", ".#### #.... #.... #.... .####" },
  { "O", "round", ".###. #...# #...# #...# .###." },
  { "S", "round", ".#### #.... .###. ....# ####." },
  { "U", "round", "#...# #...# #...# #...# .###." },
}

-- A drawing: the letter moved by up to one pixel on a 7×7 screen, with noise.
local noise = moe.randn(20000, { seed = 7 })
local drawn = 0
local function random()
  drawn = drawn + 1
  return noise[drawn]
end

local function draw(picture)
  local x, row, column = {}, drawn % 3, 2 * drawn % 3
  for i = 1, 49 do x[i] = 0.35 * random() end
  for line in picture:gmatch "%S+" do
    row = row + 1
    for k = 1, 5 do
      local at = (row - 1) * 7 + column + k
      if line:sub(k, k) == "#" then x[at] = x[at] + 1 end
    end
  end
  return x
end

local X, y, shape = {}, {}, {}
for _ = 1, 50 do
  for _, letter in ipairs(letters) do
    X[#X + 1], y[#y + 1], shape[#shape + 1] = draw(letter[3]), letter[1], letter[2]
  end
end
local train, test = { X = {}, y = {}, shape = {} }, { X = {}, y = {}, shape = {} }
for i = 1, #y do
  local part = i % 5 == 0 and test or train
  part.X[#part.X + 1], part.y[#part.y + 1], part.shape[#part.shape + 1] = X[i], y[i], shape[i]
end

local m = moe.mixture {
  experts = { straight = E.forest { trees = 50 }, round = E.forest { trees = 50 } },
  gate = G.softmax {}, top_k = 1, seed = 1,
}
print(select(2, m:fit(train.X, train.y, { subsets = train.shape })))
print(m:report(test.X, test.y))
print(m:explain(test.X[1]))
