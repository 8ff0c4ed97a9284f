--- Fails unless f(...) raises an error with these words in it.
return function(words, f, ...)
  local ok, message = pcall(f, ...)
  if ok then error("expected an error: " .. words, 2) end
  if not tostring(message):find(words, 1, true) then
    error(("expected %q in the error %q"):format(words, tostring(message)), 2)
  end
end
