--- `:checkhealth mellum`

local client = require("mellum.client")
local pause = require("mellum.pause")
local server = require("mellum.server")

local health = vim.health

local M = {}

local function check_editor()
  health.start("mellum: editor")
  local version = tostring(vim.version())
  if vim.fn.has("nvim-0.10") == 1 then
    health.ok("Neovim " .. version)
  else
    health.error("Neovim " .. version .. " is too old", "Install Neovim 0.10 or later.")
  end
end

---@return string[]? command
local function check_program()
  health.start("mellum: program")
  local command = require("mellum").command() or server.find()
  if not command then
    health.error("mellum-lsp was not found", {
      "Install it with `pipx install mellum-lsp`, so that it is on the PATH of Neovim,",
      "or name it: require('mellum').setup { cmd = { '/path/to/mellum-lsp', 'serve' } }",
    })
    return nil
  end
  local done, ended = pcall(function()
    return vim.system({ command[1], "--version" }, { text = true }):wait(10000)
  end)
  if done and ended.code == 0 then
    health.ok(("%s: %s"):format(command[1], vim.trim(ended.stdout)))
  else
    health.error(command[1] .. " does not run", "Try it in a shell: `" .. command[1] .. " doctor`")
  end
  return command
end

---@param running vim.lsp.Client
local function check_client(running)
  local status
  client.request(running, "mellum/status", vim.empty_dict(), function(_, result)
    status = result
  end, next(running.attached_buffers))
  vim.wait(3000, function()
    return status ~= nil
  end, 20)
  local name = running.config.root_dir or "files without a project"
  if not status then
    health.error(name .. ": the server does not answer", ":MellumRestart, and see " .. vim.lsp.log.get_filename())
    return
  end
  local say = (status.state == "failed" or status.state == "stopped") and health.error or health.ok
  say(("%s: %s, %s"):format(name, status.state, status.message ~= "" and status.message or "no complaint"))
  health.info(("model %s, engine %s, process %s"):format(status.model, status.engine.mode, status.engine.pid))
  local index = status.index
  health.info(("index %s: %d files, %d chunks"):format(index.state, index.files, index.chunks))
end

local function check_servers()
  health.start("mellum: server")
  local clients = vim.lsp.get_clients({ name = "mellum" })
  if #clients == 0 then
    health.warn("no server runs", "Open a file; without `require('mellum').setup {}` in init.lua nothing starts.")
  end
  for _, running in ipairs(clients) do
    check_client(running)
  end
  if pause.paused(vim.api.nvim_get_current_buf()) or vim.g.mellum_enabled == false then
    health.warn("paused", ":MellumResume, or :MellumResume! for everywhere")
  end
end

--- Others that show ghosts, by how they are noticed: two on one line cannot be read.
local others = {
  { name = "copilot.vim", loaded = function() return vim.g.loaded_copilot ~= nil end },
  { name = "copilot.lua", loaded = function() return package.loaded["copilot"] ~= nil end },
  { name = "codeium.vim", loaded = function() return vim.g.loaded_codeium ~= nil end },
  { name = "supermaven-nvim", loaded = function() return package.loaded["supermaven-nvim"] ~= nil end },
  { name = "minuet-ai.nvim", loaded = function() return package.loaded["minuet"] ~= nil end },
}

local function check_conflicts()
  health.start("mellum: others")
  local found = vim.tbl_filter(function(other)
    return other.loaded()
  end, others)
  for _, running in ipairs(vim.lsp.get_clients()) do
    if running.name ~= "mellum" and vim.tbl_get(running, "server_capabilities", "inlineCompletionProvider") then
      table.insert(found, { name = "the language server " .. running.name })
    end
  end
  for _, other in ipairs(found) do
    health.warn(other.name .. " shows ghosts too", "Switch one of the two off in this buffer: :MellumPause")
  end
  for name, key in pairs(require("mellum").keymaps()) do
    local mapped = vim.fn.maparg(key, "i", false, true)
    if not vim.startswith(mapped.desc or "", "mellum: ") then
      health.warn(
        ("%s, the key for %s, belongs to somebody else"):format(key, name),
        "Choose another: require('mellum').setup { keymaps = { " .. name .. " = '<C-l>' } }"
      )
    end
  end
  if #found == 0 then
    health.ok("nobody else shows ghosts here")
  end
end

function M.check()
  check_editor()
  if check_program() then
    check_servers()
  end
  check_conflicts()
end

return M
