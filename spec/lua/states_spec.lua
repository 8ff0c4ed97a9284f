-- Hosts of several Lua states; the promises are in spec/engine/states.c.
local engine = require "spec.support.engine"

describe("a host", function()
  local version = _VERSION:match "%d.%d"
  for _, form in ipairs { "lua%s", "lua-%s" } do
    local package = form:format(version)
    if select(2, engine.output("pkg-config --exists " .. package)) then
      engine.keeps("states", it, pending, {
        flags = ("$(pkg-config --cflags --libs %s)"):format(package),
      })
      return
    end
  end
  pending("states.c needs the headers of Lua " .. version)
end)
