-- Detectors of drift: golden numbers, what they promise on streams, small cases
-- by hand.
local moe = require "moe"
local drift = moe.drift

-- Park and Miller's generator: the same numbers in any language.
local function uniform(seed)
  local u = seed
  return function()
    u = u * 16807 % 2147483647
    return u / 2147483647
  end
end

-- { "number signal", … } without what is stable.
local function events(detector, numbers, n)
  local out = {}
  for i = 1, n do
    local signal = detector:update(numbers(i))
    if signal ~= "stable" then out[#out + 1] = i .. " " .. signal end
  end
  return out
end

local function first(detector, numbers, n, wanted)
  for i = 1, n do
    if detector:update(numbers(i)) == wanted then return i end
  end
end

local function count_drifts(detector, numbers, n)
  for i = 1, n do detector:update(numbers(i)) end
  return detector:info().drifts
end

local kinds = { "adwin", "page_hinkley", "ddm", "kswin" }

describe("a detector", function()
  -- The published run of another program's detectors on v_i, counted from 0.
  local function v(i) return (i < 1000 and 0.2 or 0.8) + 0.05 * math.sin(0.7 * i) end
  local golden = {
    page_hinkley = { {}, 1042, 1087 },
    ddm = { { deviation = "numbers" }, 1021, 1037 },
    adwin = { { bound = "range", every = 1 }, 1012, 1013 },
  }
  for name, expected in pairs(golden) do
    it(name .. " finds the change where another program found it", function()
      local numbers = function(i) return v(i - 1) end
      assert.equal(expected[2] + 1, first(drift[name](expected[1]), numbers, 1200, "warning"))
      assert.equal(expected[3] + 1, first(drift[name](expected[1]), numbers, 1200, "drift"))
    end)
  end

  it("adwin keeps the 14 numbers since the change", function()
    local d = drift.adwin { bound = "range", every = 1 }
    local sum = 0
    for i = 0, 1013 do
      d:update(v(i))
      if i >= 1000 then sum = sum + v(i) end
    end
    assert.near(sum / 14, d:mean(), 1e-12)
  end)

  -- A script in Python, of these definitions: windows of raw numbers for adwin,
  -- scipy.stats.ks_2samp (SciPy 1.10.1) for kswin's distances.
  local function shifted()
    local next_number = uniform(1)
    return function(i)
      local level = i > 3600 and 4 or i > 3000 and 0.1 or i > 1500 and 0.3 or 0
      return next_number() + level
    end
  end

  it("adwin finds what its definition says", function()
    assert.same({ "1569 drift", "3105 drift", "3617 drift" },
      events(drift.adwin {}, shifted(), 5000))
  end)

  it("kswin finds what its definition says", function()
    assert.same({
      "216 drift", "1548 warning", "1549 warning", "1550 warning", "1553 drift", "3025 drift",
      "3510 drift", "3613 drift",
    }, events(drift.kswin { alpha = 0.001 }, shifted(), 5000))
    local many = events(drift.kswin { alpha = 0.01, window = 50 }, shifted(), 5000)
    assert.equal(31, #many)
    assert.equal("4747 drift", many[31])
  end)

  it("rarely raises a false alarm, and finds an abrupt change soon", function()
    local most = { adwin = 0, page_hinkley = 0, ddm = 0, kswin = 12 }
    local delay = { adwin = 70, page_hinkley = 130, ddm = 1000, kswin = 30 }
    for _, name in ipairs(kinds) do
      local d, u = drift[name] {}, uniform(7)
      local alarms = count_drifts(d, u, 10000)
      assert.is_true(alarms <= most[name], name .. " " .. alarms)
      if name ~= "ddm" then
        local after = first(d, function() return 0.5 + u() end, 1000, "drift")
        assert.is_true(after ~= nil and after <= delay[name], name .. " " .. tostring(after))
      end
    end
  end)

  it("sees errors begin where there were none", function()
    for _, name in ipairs { "adwin", "ddm", "kswin" } do
      local d = drift[name] {}
      assert.equal(0, count_drifts(d, function() return 0 end, 500), name)
      local after = first(d, function(i) return i % 2 end, 200, "drift")
      assert.is_true(after ~= nil and after < 150, name .. " " .. tostring(after))
    end
  end)

  it("adwin's findings do not depend on the numbers' unit", function()
    local function scaled(factor)
      local numbers = shifted()
      return events(drift.adwin {}, function(i) return factor * numbers(i) end, 5000)
    end
    assert.same(scaled(1), scaled(2 ^ 40))
    assert.same(scaled(1), scaled(2 ^ -40))
  end)

  it("page_hinkley adds up what numbers exceed their mean by", function()
    -- 30 zeros, then ones: the mean after n ones is n / (30 + n), so the sum is
    -- Σ 1 − k / (30 + k) − 0.005 = Σ 30 / (30 + k) − 0.005, above 3 at the fourth
    local d = drift.page_hinkley { threshold = 3, min_samples = 1 }
    local numbers = function(i) return i > 30 and 1 or 0 end
    assert.same({ "32 warning", "33 warning", "34 drift" }, events(d, numbers, 34))
    assert.equal(0, d:mean())
  end)

  it("ddm compares with the lowest mean and deviation", function()
    -- of 1, 3, 1, 3 the mean is 2 and the deviation 1, so there is a drift from a
    -- level of 3 + 2·1 on, and a warning at two thirds of that
    local d = drift.ddm { threshold = 2, min_samples = 4, deviation = "numbers" }
    for _, x in ipairs { 1, 3, 1, 3 } do assert.equal("stable", d:update(x)) end
    assert.equal(2, d:mean())
    assert.equal("stable", d:clone():update(4)) -- 2.4 + 1.2
    assert.equal("warning", d:clone():update(6)) -- 2.8 + √3.36
    assert.equal("drift", d:update(9)) -- 3.4 + √8.64
    assert.equal(0, d:mean())
  end)

  -- An error rate p has the deviation √(p (1 − p) / n), of which a drift is two above
  -- the lowest: from 0.1 to 0.5 within some tens of samples.
  it("ddm notices that errors become more frequent", function()
    local d, u = drift.ddm {}, uniform(5)
    local early = count_drifts(d, function() return u() < 0.1 and 1 or 0 end, 2000)
    local after = first(d, function() return u() < 0.5 and 1 or 0 end, 500, "drift")
    assert.is_true(early <= 1 and after ~= nil and after < 150, early .. " " .. tostring(after))
  end)

  it("goes on as if nothing had happened after a copy, a file and a pause", function()
    for _, name in ipairs(kinds) do
      local u, d = uniform(3), drift[name] {}
      for _ = 1, 333 do d:update(u()) end
      local copy, again = d:clone(), assert(moe.undump(d:dump()))
      for i = 1, 400 do
        local x = u() + (i > 100 and 1 or 0)
        local signal = d:update(x)
        assert.equal(signal, copy:update(x))
        assert.equal(signal, again:update(x))
      end
      assert.is_true(d:dump() == copy:dump() and d:dump() == again:dump())
      assert.is_true(d:info().drifts >= (name == "page_hinkley" and 1 or 0))
      d:reset()
      assert.equal(0, d:mean())
      assert.equal("stable", d:update(1))
      assert.equal(1, d:info().n_seen)
    end
  end)

  it("stays finite among the largest numbers there are", function()
    for _, name in ipairs(kinds) do
      local d = drift[name] {}
      for i = 1, 300 do
        d:update(i % 3 == 0 and 1.7e308 or i % 3 == 1 and -1.7e308 or 1e-308)
        assert.is_true(math.abs(d:mean()) < math.huge, name)
      end
      assert(moe.undump(d:dump()))
      for _, bad in ipairs { 0 / 0, math.huge, -math.huge } do
        assert.has_error(function() d:update(bad) end)
      end
      assert.has_error(function() d:update "text" end)
    end
  end)

  it("begins anew where a setting changes its size", function()
    local d = drift.kswin {}
    for i = 1, 150 do d:update(i) end
    d:set_params { window = 40 }
    for i = 1, 150 do d:update(i) end
    assert.is_true(d:info().drifts > 0)
  end)

  it("refuses a file whose counts lead outside", function()
    local d = drift.adwin {}
    for i = 1, 100 do d:update(i) end
    local text = d:dump()
    local refused = 0
    for at = #text - 1900, #text - 8, 8 do
      local broken = text:sub(1, at) .. ("\255"):rep(8) .. text:sub(at + 9)
      local again = moe.undump(broken)
      if again == nil then
        refused = refused + 1
      else
        for i = 1, 50 do again:update(i) end
      end
    end
    assert.is_true(refused > 100)
  end)
end)
