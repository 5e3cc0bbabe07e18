--- Insert-mode keys that act on a ghost, and mean what they meant before where there is none.

local M = {}

M.defaults = {
  accept = "<Tab>",
  accept_word = "<M-Right>",
  accept_line = "<M-C-Right>",
  next = "<M-]>",
  previous = "<M-[>",
  dismiss = "<C-]>",
}

--- The key does something also where no ghost is shown: it asks for one.
local asks = { next = true, previous = true }

---@param before table As `maparg` tells of it.
---@param key string
---@return string keys What the key meant before, to be typed.
local function earlier_meaning(before, key)
  if before.callback and before.expr == 1 then
    return before.callback() or ""
  elseif before.callback then
    vim.schedule(before.callback)
    return ""
  elseif before.rhs and before.expr == 1 then
    return vim.api.nvim_eval(before.rhs)
  end
  return before.rhs or key
end

---@param name string
---@param key string
local function map(name, key)
  local before = vim.fn.maparg(key, "i", false, true)
  vim.keymap.set("i", key, function()
    local mellum = require("mellum")
    if mellum.visible() or (asks[name] and mellum.serves()) then
      return ('<Cmd>lua require("mellum").%s()<CR>'):format(name)
    end
    return earlier_meaning(before, key)
  end, { expr = true, replace_keycodes = true, desc = "mellum: " .. name:gsub("_", " ") })
end

--- Map the keys; false leaves a function without one.
---@param chosen? table<string, string|false>
---@return table<string, string> mapped
function M.set(chosen)
  local mapped = {}
  for name, key in pairs(vim.tbl_extend("force", M.defaults, chosen or {})) do
    if not M.defaults[name] then
      vim.notify(
        ("mellum: there is no key for %q\nhint: keymaps has %s"):format(
          name,
          table.concat(vim.fn.sort(vim.tbl_keys(M.defaults)), ", ")
        ),
        vim.log.levels.WARN
      )
    elseif key then
      map(name, key)
      mapped[name] = key
    end
  end
  return mapped
end

return M
