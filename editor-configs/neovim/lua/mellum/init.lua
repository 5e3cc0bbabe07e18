--- Ghost-text completions from mellum-lsp, for Neovim 0.12 or later: `require("mellum").setup {}`.

local caret = require("mellum.caret")
local ghost = require("mellum.ghost")
local restart = require("mellum.restart")

local M = {
  --- Insert the whole ghost; false where none is shown, so that a key can fall back to its other meaning.
  accept = ghost.accept,
  --- Insert the ghost's next word.
  accept_word = ghost.accept_word,
  --- Insert the rest of the ghost's first line, or its next line.
  accept_line = ghost.accept_line,
  --- Hide the ghost until the next key.
  dismiss = ghost.dismiss,
  --- What the server said last of itself (`mellum/status`), or nil.
  ---@type { state: string, message: string, model: string }?
  last_status = nil,
}

---@class mellum.Options
---@field cmd? string[] How to start the server; by default `mellum-lsp serve`.
---@field model? string A name from `mellum-lsp models list`, or a path to a .gguf file.
---@field settings? table The server's settings, for example `{ maxLines = 6 }`.
---@field filetypes? string[] Serve these file types only; by default all.
---@field keymaps? table<string, string|false> Insert-mode keys; false leaves a function without a key.

local default_keymaps = {
  accept = "<Tab>",
  accept_word = "<M-Right>",
  accept_line = "<M-C-Right>",
  dismiss = "<C-]>",
}

--- The server on PATH, or else the one of the checkout that this plugin lies in.
---@return string[]?
local function find_server()
  if vim.fn.executable("mellum-lsp") == 1 then
    return { "mellum-lsp", "serve" }
  end
  local plugin = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
  local checkout = vim.fs.normalize(vim.fs.joinpath(plugin, "..", "..", "..", ".."))
  for _, program in ipairs({ "bin/mellum-lsp", "Scripts/mellum-lsp.exe" }) do
    local path = vim.fs.joinpath(checkout, ".venv", program)
    if vim.fn.executable(path) == 1 then
      return { path, "serve" }
    end
  end
end

--- Map `key` to `action`; where that does nothing, the key means what it meant before.
local function map(key, action, description)
  local before = vim.fn.maparg(key, "i", false, true)
  vim.keymap.set("i", key, function()
    if action() then
      return ""
    end
    if before.callback and before.expr == 1 then
      return before.callback() or ""
    elseif before.callback then
      vim.schedule(before.callback)
      return ""
    elseif before.rhs and before.expr == 1 then
      return vim.api.nvim_eval(before.rhs)
    end
    return before.rhs or key
  end, { expr = true, replace_keycodes = true, desc = description })
end

---@param options? mellum.Options
function M.setup(options)
  options = options or {}
  if vim.fn.has("nvim-0.12") == 0 then
    vim.notify("mellum: ghost text needs Neovim 0.12 or later", vim.log.levels.ERROR)
    return
  end
  local cmd = options.cmd or find_server()
  if not cmd then
    vim.notify(
      "mellum: the server was not found\n"
        .. "hint: install it with `pipx install mellum-lsp`, or name it: setup { cmd = { '/path/to/mellum-lsp', 'serve' } }",
      vim.log.levels.ERROR
    )
    return
  end

  local settings = vim.tbl_extend("force", { model = options.model }, options.settings or {})
  vim.lsp.config("mellum", {
    cmd = ghost.watched(cmd),
    filetypes = options.filetypes,
    init_options = next(settings) and settings or vim.empty_dict(),
    settings = { mellum = next(settings) and settings or vim.empty_dict() },
    on_exit = restart.on_exit,
  })
  vim.api.nvim_create_autocmd("LspAttach", {
    group = vim.api.nvim_create_augroup("mellum", {}),
    callback = function(event)
      local client = vim.lsp.get_client_by_id(event.data.client_id)
      if client and client.name == "mellum" then
        ghost.attach(event.buf)
        caret.follow(client, event.buf)
      end
    end,
  })
  for name, key in pairs(vim.tbl_extend("force", default_keymaps, options.keymaps or {})) do
    if key then
      map(key, M[name], "mellum: " .. name:gsub("_", " "))
    end
  end
  vim.lsp.enable("mellum")
end

return M
