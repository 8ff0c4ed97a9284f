-- Files as whole strings, and files for a moment.
local files = {}

function files.read(path)
  local file = assert(io.open(path, "rb"))
  local bytes = file:read "*a"
  file:close()
  return bytes
end

function files.write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

--- Calls use(path) of a file that is removed afterwards, whatever happens.
-- @param bytes what is in it, or nil
function files.lend(bytes, use)
  local path = os.tmpname()
  if bytes then files.write(path, bytes) end
  local ok, message = pcall(use, path)
  os.remove(path)
  if not ok then error(message, 0) end
end

return files
