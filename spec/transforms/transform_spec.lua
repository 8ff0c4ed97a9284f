-- What every transform promises.
local moe = require "moe"
local allocations = require "spec.support.allocations"
local near = require "spec.support.near"

local T = moe.transforms
local nan = 0 / 0
local deep = os.getenv "MOE_DEEP" ~= nil

local function mixed()
  return moe.data.table {
    columns = {
      age = { 20, nan, 40, 50, 60 },
      code = { "E0308", "E0382", false, "E0308", "E0433" },
      text = { "one two", "two", "three one", false, "one" },
    },
    names = { "code", "age", "text" },
  }
end

local function numbers() return mixed():select { "age" } end

-- How each is made, and rows that it takes.
local cases = {
  standard_scaler = { function() return T.standard_scaler {} end, numbers },
  one_hot = { function() return T.one_hot { columns = { "code" } } end, mixed },
  ordinal = { function() return T.ordinal {} end, mixed },
  impute = { function() return T.impute { strategy = "median", indicator = true } end, numbers },
  text_hasher = {
    function()
      return T.text_hasher {
        columns = { "text", "code" }, buckets = 50, chars = { 2 }, pass_numeric = true,
        sparse = false,
      }
    end,
    mixed,
  },
}

-- Rows as plain tables, dense or sparse.
local function plain(X) return X:totable() end

it("every transform of the catalog is tried here", function()
  for name in pairs(T) do assert.truthy(cases[name], name) end
end)

for name, case in pairs(cases) do
  local new, rows = case[1], case[2]
  describe(name, function()
    it("raises before it is fitted", function()
      assert.error_matches(function()
        new():transform(rows())
      end, name .. " has not been fitted yet")
      assert.error_matches(function() new():names() end, "has not been fitted")
      assert.error_matches(function() new():transform_one { age = 1 } end, "has not been fitted")
    end)

    it("gives itself from fit, and from fit_transform what transform gives", function()
      local t = new()
      assert.equal(t, t:fit(rows()))
      near.rows(plain(t:transform(rows())), plain(new():fit_transform(rows())), 0)
      assert.truthy(tostring(t):find(", fitted", 1, true))
    end)

    it("gives a row by itself the bits that it has among others", function()
      local t = new():fit(rows())
      local all = plain(t:transform(rows()))
      for i = 1, 5 do
        near.rows({ all[i] }, plain(t:transform(rows():rows(i, i))), 0)
        local x = {}
        for _, column in ipairs(rows().features) do x[column] = rows():column(column)[i] or nil end
        near.rows({ all[i] }, plain(t:transform_one(x)), 0)
      end
    end)

    it("takes the columns by name, in any order", function()
      local t = new():fit(rows())
      local reversed, features = {}, rows().features
      for j, column in ipairs(features) do reversed[#features + 1 - j] = column end
      near.rows(plain(t:transform(rows())), plain(t:transform(rows():select(reversed))), 0)
    end)

    it("takes a column in which everything is missing, of either kind", function()
      local t = new():fit(rows())
      local features, none = rows().features, {}
      for _, column in ipairs(features) do none[column] = { nan } end
      local numeric = moe.data.table { columns = none }
      local nominal = assert(moe.data.parse_csv(
        table.concat(features, ",") .. ",last\n" .. (","):rep(#features) .. "1\n",
        { categorical = features }
      ))
      local expected = plain(t:transform_one {})
      near.rows(expected, plain(t:transform(numeric)), 0)
      near.rows(expected, plain(t:transform(nominal:drop { "last" })), 0)
    end)

    it("refuses other columns, kinds and infinite numbers, and stays as it was", function()
      local t = new():fit(rows())
      local before = plain(t:transform(rows()))
      local function refuses(f, pattern) assert.error_matches(f, pattern) end
      refuses(function() t:transform { { 1, 2, 3, 4 } } end, "columns")
      refuses(function() t:transform_one { agee = 1 } end, "not trained on")
      refuses(function()
        t:transform_one { age = "old" }
      end, "row 1, column 'age' is the string 'old'")
      refuses(function() t:transform_one { age = math.huge } end, "column 'age' is infinite")
      if name ~= "standard_scaler" and name ~= "impute" then
        refuses(function() t:transform_one { code = 308 } end, "column 'code' is the number 308")
      end
      refuses(function() t:transform_one { age = {} } end, "x.age must be")
      refuses(function() t:transform_one { age = "a\0b" } end, "zero bytes")
      refuses(function() t:fit {} end, "needs data")
      refuses(function() t:fit "rows" end, "X must be")
      refuses(function()
        t:fit { { 1, math.huge } }
      end, t:get_params().columns and "have names" or "row 1, column 2 is infinite")
      near.rows(before, plain(t:transform(rows())), 0)
    end)

    it("comes back from dump and undump with the same numbers", function()
      local t = new():fit(rows())
      local again = assert(moe.undump(t:dump()))
      near.rows(plain(t:transform(rows())), plain(again:transform(rows())), 0)
      assert.same(t:names(), again:names())
      assert.is_true(t:dump() == again:dump())
      assert.is_false(assert(moe.undump(new():dump())):info().fitted)
    end)

    it("has clones that share nothing with it, and forgets when reset", function()
      local t = new():fit(rows())
      local before = plain(t:transform(rows()))
      local copy = t:clone()
      t:reset()
      assert.error_matches(function() t:transform(rows()) end, "not been fitted")
      near.rows(before, plain(copy:transform(rows())), 0)
    end)

    it("loads no altered file, or gives no more than other numbers", function()
      local t = new():fit(rows())
      local bytes = t:dump()
      for at = 1, #bytes, deep and 1 or 7 do
        for _, mask in ipairs { 1, 128 } do
          local byte = bytes:byte(at)
          local changed = (math.floor(byte / mask) % 2 == 0) and byte + mask or byte - mask
          local altered = bytes:sub(1, at - 1) .. string.char(changed) .. bytes:sub(at + 1)
          local loaded = moe.undump(altered)
          if loaded then pcall(loaded.transform, loaded, rows()) end
        end
      end
    end)

    it("survives a failed allocation anywhere, and leaks nothing", function()
      local data = rows()
      local function life()
        local t = new()
        local X = t:fit_transform(data)
        local copy = t:clone()
        X:close()
        copy:transform(data):close()
        t:info()
        copy:close()
        t:close()
      end
      assert.is_true(allocations.fail(life) > 10)
    end)
  end)
end
