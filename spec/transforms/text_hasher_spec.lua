local moe = require "moe"
local near = require "spec.support.near"

local hasher = moe.transforms.text_hasher

local docs = {
  "cannot find value in this scope",
  "cannot find type in this scope",
  "borrow of moved value",
  "value borrowed here after move after",
}

local function messages(texts)
  return moe.data.table { columns = { message = texts } }
end

-- X Xᵀ does not depend on which bucket a feature has, as long as no two share
-- one.
local function products(X)
  local out = {}
  for i = 1, X.shape[1] do
    out[i] = {}
    for j = 1, X.shape[1] do
      local sum, other = 0, X[j]
      for column, x in pairs(X[i]) do sum = sum + x * (other[column] or 0) end
      out[i][j] = sum
    end
  end
  return out
end

-- Expected products: scikit-learn 1.2.1, TfidfVectorizer with
-- token_pattern=r"\w+" and the options beside them, of the texts above.
local published = {
  { "words with TF-IDF weights, by default", {}, -- its defaults
    { 1, 0.817856028, 0.117715619, 0.079838636 }, { 0.817856028, 1, 0, 0 },
    { 0.117715619, 0, 1, 0.081093611 }, { 0.079838636, 0, 0.081093611, 1 } },
  { "words and pairs of words", { words = { 1, 2 } }, -- ngram_range=(1, 2)
    { 1, 0.648275172, 0.059245879, 0.04257541 }, { 0.648275172, 1, 0, 0 },
    { 0.059245879, 0, 1, 0.045693057 }, { 0.04257541, 0, 0.045693057, 1 } },
  { "pairs and triples alone", { words = { 2, 3 } }, -- ngram_range=(2, 3)
    { 1, 0.332119633, 0, 0 }, { 0.332119633, 1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } },
  { "plain counts of unit length", { tfidf = false }, -- use_idf=False
    { 1, 0.833333333, 0.204124145, 0.144337567 }, { 0.833333333, 1, 0, 0 },
    { 0.204124145, 0, 1, 0.176776695 }, { 0.144337567, 0, 0.176776695, 1 } },
  { "presence instead of counts", { binary = true }, -- binary=True
    { 1, 0.817856028, 0.117715619, 0.103503388 }, { 0.817856028, 1, 0, 0 },
    { 0.117715619, 0, 1, 0.105130347 }, { 0.103503388, 0, 0.105130347, 1 } },
  { "plain counts", { tfidf = false, norm = false }, -- use_idf=False, norm=None
    { 6, 5, 1, 1 }, { 5, 6, 0, 0 }, { 1, 0, 4, 1 }, { 1, 0, 1, 8 } },
  { "weights of any length", { norm = false }, -- norm=None
    { 12.909050474, 11.412970327, 1.496080147, 1.496080147 }, { 11.412970327, 15.085140496, 0, 0 },
    { 1.496080147, 0, 12.512590654, 1.496080147 }, { 1.496080147, 0, 1.496080147, 27.201271331 } },
  { "characters within words", -- analyzer="char_wb", ngram_range=(3, 5)
    { words = {}, chars = { 3, 5 }, buckets = 2 ^ 20 },
    { 1, 0.820307248, 0.157636345, 0.090146784 }, { 0.820307248, 1, 0, 0 },
    { 0.157636345, 0, 1, 0.344764202 }, { 0.090146784, 0, 0.344764202, 1 } },
}

describe("text_hasher", function()
  for _, case in ipairs(published) do
    local name, options, expected = case[1], case[2], { case[3], case[4], case[5], case[6] }
    it("gives " .. name, function()
      local X = hasher(options):fit_transform(messages(docs))
      assert.same({ 4, options.buckets or 2 ^ 18 }, { X.shape[1], X.shape[2] })
      near.rows(expected, products(X))
    end)
  end

  -- Computed apart, in Python, from the published definitions of FNV-1a (64
  -- bits) and MurmurHash3's 64-bit finaliser: floor(upper half · buckets / 2^32)
  -- and the lowest bit.
  it("finds the buckets that the published hash functions say", function()
    local counts = { tfidf = false, norm = false }
    local function buckets(options, text, column)
      for name, value in pairs(counts) do options[name] = value end
      local t = moe.data.table { columns = { [column or "message"] = { text } } }
      return hasher(options):fit_transform(t)[1]
    end
    assert.same({ [189013] = 1 }, buckets({}, "Cannot"))
    assert.same({ [189013] = -1 }, buckets({ signed = true }, "cannot"))
    assert.same({ [722] = 2 }, buckets({ buckets = 1000 }, "cannot, CANNOT!"))
    assert.same({ [150014] = 1 }, buckets({ words = { 2 } }, "cannot  find"))
    assert.same({ [203336] = 1 }, buckets({}, "cannot", "label"))
    assert.equal(1, buckets({ words = {}, chars = { 3 } }, "cannot")[124326])
    assert.same({ [56041] = 1 }, buckets({}, "größe"))
    assert.same(1, buckets({ words = {}, chars = { 1 } }, "größe")[41004])
  end)

  it("tells the columns apart, whatever their order", function()
    local columns = {
      a = { "value moved", "borrow", "value" },
      b = { "moved here", "value value", "here" },
    }
    local t = moe.data.table { columns = columns, names = { "a", "b" } }
    local other = moe.data.table { columns = columns, names = { "b", "a" } }
    local X = hasher {}:fit_transform(t)
    -- CountVectorizer of each, side by side, then TfidfTransformer
    local near_one = 0.6053485081062916
    near.rows({ { 1, 0, near_one }, { 0, 1, 0 }, { near_one, 0, 1 } }, products(X))
    assert.same(X:totable(), hasher {}:fit_transform(other):totable())
    assert.same(X:totable(), hasher {}:fit(t):transform(other):totable())
  end)

  it("distinguishes capitals when asked", function()
    local t = hasher { lowercase = false, tfidf = false }
    local X = t:fit_transform(messages { "Copy", "copy", "COPY" })
    near.rows({ { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }, products(X))
  end)

  it("weighs by the rows it was fitted on", function()
    local t = hasher { norm = false }:fit(messages(docs))
    local row = t:transform(messages { "cannot cannot unheard" })[1]
    local found = {}
    for _, x in pairs(row) do found[#found + 1] = x end
    table.sort(found)
    -- 2 · (ln(5/3) + 1), and ln(5/1) + 1
    near.rows({ { 1 + math.log(5), 2 + 2 * math.log(5 / 3) } }, { found })
  end)

  it("takes missing texts, texts without a word, and columns without a text", function()
    local t = hasher {}
    local X = t:fit_transform(messages { "one", false, "?!", "", "one two" })
    assert.same({ {}, {}, {} }, { X[2], X[3], X[4] })
    assert.truthy(next(X[1]))
    local empty = moe.data.parse_csv("m,n\n,1\n,2\n", { categorical = { "m" } })
    X = hasher {}:fit_transform(empty)
    assert.same({ {}, {} }, { X[1], X[2] })
    assert.same({}, t:transform_one({})[1])
  end)

  it("lets what cancels go", function()
    local t = hasher { buckets = 1, signed = true, tfidf = false, norm = false }
    -- "cannot" counts −1 (see above) and "größe" 1, and all share one bucket
    assert.same({}, t:fit_transform(messages { "cannot größe" })[1])
    assert.same({ 1 }, t:transform(messages { "cannot größe größe" })[1])
    t:set_params { binary = true }
    t:fit(messages(docs))
    assert.same({ {}, { -1 } }, { t:transform(messages { "cannot größe", "cannot cannot" })[1],
      t:transform(messages { "cannot cannot" })[1] })
  end)

  it("passes numbers on behind the buckets", function()
    local t = moe.data.table {
      columns = { x = { 3, 0 }, m = { "a", "b" }, y = { 5, 6 } },
      names = { "x", "m", "y" },
    }
    local h = hasher { buckets = 4, pass_numeric = true, sparse = false, tfidf = false }
    local X = h:fit_transform(t)
    assert.same({ 2, 6 }, { X.shape[1], X.shape[2] })
    local behind = { { X:get(1, 5), X:get(1, 6) }, { X:get(2, 5), X:get(2, 6) } }
    near.rows({ { 3, 5 }, { 0, 6 } }, behind, 0)
    h:set_params { sparse = true }
    assert.same(X:totable(), h:transform(t):dense():totable())
  end)

  it("gives the same rows dense as sparse", function()
    local t = hasher { buckets = 64, chars = { 2 } }:fit(messages(docs))
    local sparse = t:transform(messages(docs)):dense():totable()
    t:set_params { sparse = false }
    assert.same(sparse, t:transform(messages(docs)):totable())
  end)

  it("gives a row by itself the bits that it has among others", function()
    local t = hasher { chars = { 3, 5 } }:fit(messages(docs))
    local X = t:transform(messages(docs))
    for i, text in ipairs(docs) do
      assert.same(X[i], t:transform_one({ message = text })[1])
      assert.same(X[i], t:transform(messages(docs):rows(i, i))[1])
    end
  end)

  -- A column of more texts than rows is read otherwise than one of few.
  it("gives the same rows whichever table they are in", function()
    local texts, again = {}, {}
    for i = 1, 40 do texts[i] = docs[i % 4 + 1] .. " number " .. i end
    for i = 1, 5 do again[i] = texts[7 * i] end
    local t = hasher { chars = { 3 }, buckets = 100, signed = true }:fit(messages(texts))
    local among = messages(texts):pick { 7, 14, 21, 28, 35 }
    near.rows(t:transform(messages(again)):totable(), t:transform(among):totable(), 0)
  end)

  it("keeps what it was fitted with when parameters change afterwards", function()
    local t = hasher {}:fit(messages(docs))
    local before = t:transform(messages(docs)):totable()
    t:set_params { words = { 2 }, lowercase = false, buckets = 8, binary = true, norm = false }
    assert.same(before, t:transform(messages(docs)):totable())
  end)

  it("refuses what makes no features", function()
    local t = messages(docs)
    assert.error_matches(function() hasher { words = {} }:fit(t) end, "neither 'words' nor 'chars'")
    assert.error_matches(function() hasher { words = { 2, 1 } }:fit(t) end, "'words' must be")
    assert.error_matches(function() hasher { chars = { 1, 2, 3 } }:fit(t) end, "'chars' must be")
    assert.error_matches(function() hasher { chars = { 0 } } end, "'chars' must be")
    assert.error_matches(function() hasher { columns = {} }:fit(t) end, "needs a column of strings")
    assert.error_matches(function() hasher {}:fit { { 1 } } end, "needs a column of strings")
    assert.error_matches(function()
      hasher { columns = { "massage" } }:fit(t)
    end, "did you mean 'message'")
  end)

  it("needs memory for its entries, not for its columns", function()
    local t = hasher { buckets = 2 ^ 24, tfidf = false }
    local X = t:fit_transform(messages(docs))
    assert.equal(2 ^ 24, X.shape[2])
    assert.is_true(t:info().bytes < 10000)
  end)
end)
