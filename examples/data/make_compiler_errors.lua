-- Breaks small Rust programs in named ways and records what the compiler says.
--
--   lua5.4 make_compiler_errors.lua [programs folder] [output.csv]
--
-- Every mutation below takes away one thing a working program needs. It is
-- tried at several places of every program, one at a time; rustc compiles the
-- broken program, and its first error becomes a row of the table. The name of
-- the mutation is the repair to be found. Needs rustc, seq and xargs on PATH.

local here = arg[0]:match("^(.*)/") or "."
local programs_folder = arg[1] or here .. "/programs"
local output_path = arg[2] or here .. "/compiler_errors.csv"

local tries, wanted_rows = 10, 5 -- for each mutation of each program

-- Tokens ---------------------------------------------------------------------
local lexicon = {
  { "space", "^%s+" }, { "space", "^//[^\n]*" }, { "space", "^/%*.-%*/" },
  { "string", '^b?"[^"]*"' }, { "string", '^r#".-"#' }, { "string", '^r"[^"]*"' },
  { "char", "^b?'[^'\n]'" }, { "char", "^b?'__[^'\n]*'" }, { "char", "^'[\128-\255]+'" },
  { "lifetime", "^'[%a_]+" }, { "number", "^%d[%d_]*%.%d[%w_]*" }, { "number", "^%d[%w_]*" },
  { "type", "^%u[%w_]*" }, { "name", "^[%a_][%w_]*" }, { "open", "^[%(%[{]" },
  { "open", "^<%f[^<%s=]" }, { "close", "^[%)%]}]" }, { "mark", "^%.%.=?" }, { "mark", "^::" },
  { "mark", "^[-=]>" }, { "mark", "^[-=!<>+*/%%]=" }, { "mark", "^&&" }, { "mark", "^||" },
  { "mark", "^." },
}

local keywords = [[ as async break const continue crate dyn else enum extern false fn for if impl
  in let loop match mod move mut pub ref return self Self static struct super trait true type
  unsafe use where while ]]

-- Each bracket learns its partner, each token the bracket it stands in.
local function pair_brackets(tokens)
  local open = {}
  for i, token in ipairs(tokens) do
    local top = tokens[open[#open]]
    if token.kind == "close" or token.text == ">" and top and top.text == "<" then
      token.mate = table.remove(open)
      tokens[token.mate].mate = i
    end
    token.parent = open[#open]
    if token.kind == "open" then
      open[#open + 1] = i
    end
  end
  return tokens
end

local function tokenize(source)
  local masked = source:gsub("\\.", "__")
  local tokens, from = { source = source }, 1
  while from <= #masked do
    for _, entry in ipairs(lexicon) do
      local first, last = masked:find(entry[2], from)
      if first then
        local text = source:sub(first, last)
        local keyword = text:find("^%a+$") and keywords:find("%s" .. text .. "%s") and "keyword"
        local token = { kind = keyword or entry[1], text = text, from = first, to = last }
        tokens[#tokens + 1] = token.kind ~= "space" and token or nil
        from = last + 1
        break
      end
    end
  end
  return pair_brackets(tokens)
end

-- Patterns over tokens -------------------------------------------------------
-- A pattern is words with spaces between them: "let" is that token, %name one
-- of a kind, a|b either, !a|b neither; {} or () is a bracket with all inside
-- it, ... any tokens up to the next word, ~ the same without braces and
-- semicolons. The range found lies between ^ and $, or is all of it.
local function fits(token, word)
  local negated, found = word:match("^!(.+)$"), false
  for choice in (negated or word):gmatch("[^|]+") do
    found = found or token and (choice == token.text or choice == "%" .. token.kind)
  end
  return (negated and not found) or (not negated and found)
end

local function step(t, i)
  return (t[i].kind == "open" and t[i].mate or i) + 1
end

local function skip_to(t, i, word, forbidden)
  while t[i] and not fits(t[i], word) do
    if fits(t[i], forbidden) or t[i].mate and t[i].kind ~= "open" then
      return
    end
    i = step(t, i)
  end
  return t[i] and i
end

local function match(t, i, pattern)
  local first, last, forbidden, ends = i, nil, nil, false
  for word in pattern:gmatch("%S+") do
    if word == "^" then
      first = i
    elseif word == "$" then
      ends = true
    elseif word == "..." or word == "~" then
      forbidden = word == "~" and "{|;" or "%none"
    else
      local bracket = word == "()" or word == "{}" or word == "<>"
      local sought = bracket and word:sub(1, 1) or word
      i = forbidden and skip_to(t, i, sought, forbidden) or i
      if not fits(t[i], sought) then
        return
      end
      last = last or ends and i - 1
      i, forbidden = bracket and t[i].mate + 1 or i + 1, nil
    end
  end
  return first, last or i - 1
end

-- What is done to a range that matched ----------------------------------------
-- An action calls change(first, last, text) for every broken program it makes.
local function text_of(t, first, last)
  return t.source:sub(t[first].from, t[last].to)
end

local function replaced(other)
  return function(t, first, last, change)
    local text = text_of(t, first, last)
    change(first, last, other(text, first) or text)
  end
end

local deleted = replaced(function() return "" end)

-- Deletes a definition with its attributes, if it is, or is not, part of a trait's impl.
local function item_deleted(in_impl)
  return function(t, first, last, change)
    while fits(t[first - 1], "pub|const|]") do
      first = t[first - 1].mate and t[first - 1].mate - 1 or first - 1
    end
    local brace, header = t[t[first].parent], text_of(t, first, last)
    header = brace and t.source:sub(1, brace.from - 1):match("[^;{}]*$") or header
    if in_impl == (header:find("%f[%w]impl[^{]* for ") ~= nil) then
      change(first, last, "")
    end
  end
end

-- The parts of a list, not cut inside a bracket or the head of a closure.
local function split(t, first, last, separator)
  local parts, from, i, closure = {}, first, first, false
  while i <= last do
    closure = closure ~= (t[i].text == "|")
    if t[i].text == separator and not closure then
      parts[#parts + 1] = { from, i - 1 }
      from = i + 1
    end
    i = step(t, i)
  end
  parts[#parts + 1] = from <= last and { from, last } or nil
  return parts
end

local function each_deleted(separator)
  return function(t, first, last, change)
    local parts = split(t, first, last, separator)
    for k, part in ipairs(parts) do
      change(part[1], parts[k + 1] and parts[k + 1][1] - 1 or part[2], "")
    end
  end
end

local function neighbours_swapped(t, first, last, change)
  local parts = split(t, first, last, ",")
  for k = 2, #parts do
    local a, b = parts[k - 1], parts[k]
    change(a[1], b[2], text_of(t, b[1], b[2]) .. ", " .. text_of(t, a[1], a[2]))
  end
end

local function last_value_dropped(block)
  return not block:find("[;{]%s*}$") and block:sub(1, -2) .. "; }"
end

-- The statements after a let, with a reference to its variable in use to their end.
local function reference_held(text, salt)
  local mutable, name, from, to = text:match("^let ([mut ]-)([%w_]+) ?[:=][^;{]*;()\n.*;()")
  local kind = mutable == "mut " and salt % 2 == 0 and "&mut " or "&"
  return name and text:sub(1, from - 1) .. " let _held = " .. kind .. name .. ";"
    .. text:sub(from, to - 1) .. " let _kept = _held;" .. text:sub(to)
end

-- Other spellings, literals and types, chosen by a number ----------------------
local function pick(list, salt)
  return list[1 + salt % #list]
end

local function misspelt(name, salt)
  local at, way = 2 + salt % math.max(1, #name - 2), salt // 3 % 3
  local a, b = name:sub(at, at), name:sub(at + 1, at + 1)
  local changed = name:sub(1, at - 1) .. b .. (way == 1 and a ~= b and a or "") .. name:sub(at + 2)
  return (#name < 3 or way == 0) and name .. name:sub(-1) or changed
end

local function other_literal(_, salt)
  return pick({ "1", '"1"', "1.5", "true", "'1'" }, salt)
end

local function other_type(old, salt)
  local types = { "u8", "String", "Option<@>", "bool", "&'static str", "Vec<@>", "f64" }
  return (pick(types, salt):gsub("@", old))
end

-- The mutations: family, name, what is done, patterns, action -----------------
local mutations = {
  { "scope", "path_removed", "a use line, or the path before a name, is deleted",
    { "^ use ... ;", "!::|use ^ %name|%type :: $ %type", "^ std :: %name :: $ %name" }, deleted },
  { "scope", "name_misspelt", "a variable, function, type or variant is misspelt",
    { "!.|::|fn|let|mut ^ %name $ !!|:|::", "!struct|enum|trait|type ^ %type $ !:" },
    replaced(misspelt) },
  { "scope", "binding_removed", "a let statement is deleted", { ";|{|} ^ let ... ;" }, deleted },
  { "scope", "self_prefix_removed", "self is left out before a field or method",
    { "^ self . $ %name" }, deleted },
  { "scope", "definition_removed", "a function, inherent method, type or constant is deleted",
    { "^ fn !main ~ {}", "^ struct|enum|trait %type ~ {}", "^ struct ~ ;",
      "^ const|static %type ... ;" }, item_deleted(false) },
  { "type", "return_value_dropped", "a semicolon follows the value of a block",
    { "fn %name ~ -> ~ ^ {}", "if ~ ^ {}", "else ^ {}" }, replaced(last_value_dropped) },
  { "type", "literal_type_changed", "a literal is replaced by one of another type",
    { "!( ^ %string|%number|true|false", "!! ( ^ %string|%number|true|false" },
    replaced(other_literal) },
  { "type", "return_type_changed", "a function declares another return type",
    { "-> ^ ~ $ {|where|;" }, replaced(other_type) },
  { "type", "unwrap_removed", "a ?, unwrap, expect or the like is deleted",
    { "^ ? $ !Sized", "^ . unwrap|expect|unwrap_or|unwrap_or_default ()" }, deleted },
  { "type", "conversion_removed", "a conversion is deleted",
    { "^ as %name", "^ . collect|parse|sum|into :: <> ()", "^ . into_iter|iter|chars|as_bytes ()",
      "^ . to_string|to_owned|into|as_str|as_ref|collect|parse|to_vec|as_deref ()" }, deleted },
  { "type", "wrapper_removed", "a Some, Ok, Err, Box or the like around a value is deleted",
    { "^ Some|Ok|Err () $ !=>|=", "^ Box|Rc|RefCell|Cell|Arc|Mutex :: new ()" },
    replaced(function(text) return text:match("%((.*)%)$") end) },
  { "method", "method_misspelt", "a method or associated function is misspelt in a call",
    { ". ^ %name $ (|::", ":: ^ %name $ (" }, replaced(misspelt) },
  { "method", "field_misspelt", "a field is misspelt",
    { ". ^ %name $ !(|::", "%type { ^ %name $ :", "%type { ... , ^ %name $ :|," },
    replaced(misspelt) },
  { "method", "argument_dropped", "an argument of a call is deleted",
    { "!fn|[ %name|%type ( ^ ... $ ) !=>|=" }, each_deleted(",") },
  { "method", "arguments_swapped", "two neighbouring arguments change places",
    { "!fn|[ %name|%type ( ^ ... $ ) !=>|=" }, neighbours_swapped },
  { "trait", "derive_removed", "one derived trait is deleted",
    { "derive ( ^ ... $ )" }, each_deleted(",") },
  { "trait", "trait_bound_removed", "one bound of a type parameter is deleted",
    { "<|,|where|trait %type : ^ ~ $ ,|>|{|=" }, each_deleted("+") },
  { "trait", "impl_removed", "the implementation of a trait is deleted",
    { "^ impl ~ for ~ {}" }, item_deleted(true) },
  { "trait", "impl_method_removed", "a method is deleted from the implementation of a trait",
    { "^ fn %name ~ {}" }, item_deleted(true) },
  { "borrow", "mut_removed", "a mut is deleted", { "^ mut" }, deleted },
  { "borrow", "reference_removed", "an & before a value or a parameter type is deleted",
    { "(|,|=|in|:|[|{ ^ & mut $ !self", "(|,|=|in|:|[|{ ^ & $ !self|mut" }, deleted },
  { "borrow", "receiver_taken_by_value", "a method takes self instead of a reference",
    { "( ^ & $ self", "( ^ & mut $ self" }, deleted },
  { "borrow", "clone_removed", "a clone or copy is deleted",
    { "^ . clone|cloned|copied ()" }, deleted },
  { "borrow", "borrow_held", "a reference to a variable stays in use too long",
    { ";|{|} ^ let mut|%name ... ; ... $ }" }, replaced(reference_held) },
  { "borrow", "lifetime_removed", "a lifetime is deleted",
    { "& ^ %lifetime", "^ < %lifetime >" }, deleted },
}

-- What rustc says ------------------------------------------------------------
-- A line of JSON as a table: with other brackets it is Lua, and so are its strings.
local function decode(line)
  local strings = {}
  local shape = line:gsub("\\.", "__"):gsub('()"[^"]*"()', function(from, to)
    strings[#strings + 1] = line:sub(from, to - 1):gsub("\\u(%x%x%x%x)", "\\u{%1}")
    return "@" .. #strings .. "@"
  end)
  shape = shape:gsub("%[", "{"):gsub("%]", "}"):gsub("(@%d+@):", "[%1]=")
  shape = shape:gsub("@(%d+)@", function(k) return strings[tonumber(k)] end)
  return load("return " .. shape, "=rustc", "t", {})()
end

local function joined(parts, separator)
  return table.concat(parts, separator):gsub("%s+", " "):match("^ ?(.-) ?$")
end

-- The labels of a diagnostic's spans, those of the error itself first.
local function labels_of(diagnostic)
  local labels = {}
  for _, primary in ipairs({ true, false }) do
    for _, span in ipairs(diagnostic.spans) do
      local label = span.is_primary == primary and span.label or ""
      labels[#labels + 1] = label ~= "" and label or nil
    end
  end
  return joined(labels, " | ")
end

-- The notes and suggestions, but not the ones about files written by rustc.
local function helps_of(diagnostic)
  local helps = {}
  for _, child in ipairs(diagnostic.children) do
    local parts = { child.message }
    for _, span in ipairs(child.spans) do
      parts[#parts + 1] = span.suggested_replacement
    end
    if not (child.message:find("full name for the type") or child.message:find("`--verbose`")) then
      helps[#helps + 1] = joined(parts, " ")
    end
  end
  return joined(helps, " | ")
end

-- Making the table -----------------------------------------------------------
-- Some broken forms of a program, from all over it (7919 is a prime).
local function broken_forms(t, patterns, action)
  local all, seen, chosen = {}, { [t.source] = true }, {}
  local function change(first, last, text)
    local broken = t.source:sub(1, t[first].from - 1) .. text .. t.source:sub(t[last].to + 1)
    all[#all + 1] = not seen[broken] and broken or nil
    seen[broken] = true
  end
  for i = 1, #t do
    for _, pattern in ipairs(patterns) do
      local first, last = match(t, i, pattern)
      if first then
        action(t, first, last, change)
      end
    end
  end
  for k = 1, math.min(tries, #all) do
    chosen[k] = all[1 + k * 7919 % #all]
  end
  return chosen
end

local compile = "cd %s && seq %d | xargs -P2 -I@ sh -c 'rustc --error-format=json --edition 2021"
  .. " --crate-type bin --crate-name program --emit=metadata=@.out -A warnings - <@.rs 2>@.json; :'"

local function read(path, format)
  local file = assert(io.open(path))
  local text = file:read(format)
  file:close()
  return text
end

-- Compiles the broken forms of a program; calls add(mutation, diagnostic) for each error.
local function diagnose(path, folder, add)
  local jobs, t = {}, tokenize(read(path, "a"))
  for _, mutation in ipairs(mutations) do
    for _, source in ipairs(broken_forms(t, mutation[4], mutation[5])) do
      jobs[#jobs + 1] = mutation
      io.open(("%s/%d.rs"):format(folder, #jobs), "w"):write(source):close()
    end
  end
  assert(os.execute(compile:format(folder, #jobs)))
  for job, mutation in ipairs(jobs) do
    local line = read(("%s/%d.json"):format(folder, job), "l")
    local found = line and decode(line)
    if found and found.code and found.code.code:find("^E%d") then
      add(mutation, found)
    end
  end
end

local function csv_line(cells)
  for k, cell in ipairs(cells) do
    cells[k] = cell:find('[",]') and '"' .. cell:gsub('"', '""') .. '"' or cell
  end
  return table.concat(cells, ",") .. "\n"
end

local function main()
  local folder, seen, total = os.tmpname(), {}, {}
  local output = assert(io.open(output_path, "w"))
  output:write("program,family,repair,code,message,labels,helps\n")
  assert(os.execute(("rustc --version && rm %s && mkdir %s"):format(folder, folder)))
  for path in io.popen("LC_ALL=C ls " .. programs_folder .. "/*.rs"):lines() do
    local count, program = {}, path:match("([^/]+)%.rs$")
    diagnose(path, folder, function(mutation, found)
      local family, name, message = mutation[1], mutation[2], joined({ found.message })
      local row = { family, name, found.code.code, message, labels_of(found), helps_of(found) }
      local line = csv_line(row)
      if not seen[line] and (count[name] or 0) < wanted_rows then
        seen[line], count[name] = true, (count[name] or 0) + 1
        total[name] = (total[name] or 0) + 1
        output:write(program, ",", line)
      end
    end)
    io.stderr:write(program, "\n")
  end
  output:close()
  os.execute("rm -r " .. folder)
  for _, mutation in ipairs(mutations) do
    print(("%6d %s: %s"):format(total[mutation[2]] or 0, mutation[2], mutation[3]))
  end
end

main()
