--- What the server says of itself, and a word of it for the statusline.

local client = require("mellum.client")
local pause = require("mellum.pause")

local M = {}

---@class mellum.Status
---@field state "starting"|"loading"|"ready"|"failed"|"stopped"
---@field message string
---@field model string
---@field engine { pid?: integer, mode: string }
---@field index { files: integer, chunks: integer, state: string }

---@type table<integer, mellum.Status> The latest of each client.
local latest = {}

--- The handler of the notification `mellum/status`.
function M.heard(_, status, context)
  local before = latest[context.client_id]
  latest[context.client_id] = status
  vim.api.nvim_exec_autocmds("User", { pattern = "MellumStatus", modeline = false, data = status })
  if status.state == "ready" and not (before and before.state == "ready") then
    vim.api.nvim_exec_autocmds("User", { pattern = "MellumReady", modeline = false })
  end
  vim.cmd.redrawstatus()
end

--- What the server of the buffer said last, nil where there is none.
---@param buffer integer 0 for the current one.
---@return mellum.Status?
function M.of(buffer)
  local found = client.of(buffer)
  return found and latest[found.id]
end

--- In a few words, for a statusline: empty where no server works on the buffer.
---@param buffer? integer By default that of the window whose statusline is drawn.
---@return string
function M.line(buffer)
  buffer = buffer or vim.api.nvim_get_current_buf()
  if not client.of(buffer) then
    return ""
  elseif pause.paused(buffer) then
    return "mellum: paused"
  end
  local status = M.of(buffer)
  if not status then
    return "mellum: starting"
  elseif status.state ~= "ready" then
    return "mellum: " .. status.state
  end
  local silence = status.message:match("^nothing to show: (.*)")
  return silence and ("mellum: silent, " .. silence) or "mellum"
end

return M
