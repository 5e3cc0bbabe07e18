--- Which program serves, how it is started and where it works.

local client = require("mellum.client")
local restart = require("mellum.restart")
local status = require("mellum.status")

local M = {}

local project_markers = {
  { ".git", ".hg", ".jj" },
  { "pyproject.toml", "package.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle", "build.gradle.kts" },
}

-- `vim.lsp.enable` came with Neovim 0.11.
local has_enable = vim.lsp.enable ~= nil

--- The server on PATH, or else the one of the checkout that this plugin lies in.
---@return string[]?
function M.find()
  if vim.fn.executable("mellum-lsp") == 1 then
    return { "mellum-lsp", "serve" }
  end
  local plugin = vim.fs.dirname(debug.getinfo(1, "S").source:sub(2))
  local checkout = vim.fs.normalize(plugin .. "/../../../..")
  for _, program in ipairs({ "bin/mellum-lsp", "Scripts/mellum-lsp.exe" }) do
    local path = checkout .. "/.venv/" .. program
    if vim.fn.executable(path) == 1 then
      return { path, "serve" }
    end
  end
end

---@param buffer integer
---@return string? folder Of the project, nil where the file belongs to none.
local function root_of(buffer)
  for _, markers in ipairs(project_markers) do
    local root = vim.fs.root(buffer, markers)
    if root then
      return root
    end
  end
end

--- Every language, but files only: no help pages, terminals or prompts.
---@param buffer integer
local function serves(buffer)
  return vim.bo[buffer].buftype == ""
end

--- What `lsp/mellum.lua` tells Neovim; also without `setup`.
---@return vim.lsp.Config
function M.config()
  return {
    cmd = M.find() or { "mellum-lsp", "serve" },
    root_dir = function(buffer, start)
      if serves(buffer) then
        start(root_of(buffer))
      end
    end,
    handlers = { ["mellum/status"] = status.heard },
    on_exit = restart.on_exit,
  }
end

--- Neovim 0.10 starts servers, but has no way to declare them.
local function start_by_hand(config)
  local function attach(buffer)
    local wanted = config.filetypes == nil or vim.list_contains(config.filetypes, vim.bo[buffer].filetype)
    if serves(buffer) and wanted then
      vim.lsp.start(vim.tbl_extend("force", config, { name = "mellum", root_dir = root_of(buffer) }), { bufnr = buffer })
    end
  end
  vim.api.nvim_create_autocmd("FileType", {
    group = vim.api.nvim_create_augroup("mellum.start", {}),
    callback = function(event)
      attach(event.buf)
    end,
  })
  function M.start()
    for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
      if vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].filetype ~= "" then
        attach(buffer)
      end
    end
  end
end

--- Serve the buffers that are open and those to come; also after the server has ended.
function M.start()
  vim.lsp.enable("mellum")
end

---@class mellum.ServerOptions
---@field cmd string[]
---@field filetypes? string[]
---@field settings table

---@param options mellum.ServerOptions
function M.declare(options)
  local settings = next(options.settings) and options.settings or vim.empty_dict()
  local config = {
    cmd = options.cmd,
    filetypes = options.filetypes,
    init_options = settings,
    settings = { mellum = settings },
  }
  if has_enable then
    vim.lsp.config("mellum", config)
  else
    start_by_hand(vim.tbl_extend("force", M.config(), config))
  end
  restart.start = M.start
end

--- End the server of every project and start it again.
function M.restart()
  for _, running in ipairs(vim.lsp.get_clients({ name = "mellum" })) do
    client.stop(running)
  end
  vim.wait(5000, function()
    return #vim.lsp.get_clients({ name = "mellum" }) == 0
  end, 20)
  M.start()
end

return M
