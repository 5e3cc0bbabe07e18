--- Starts the server again when it dies, and stops trying when it dies again and again.

local M = {
  --- Starts it; set by `mellum.server`.
  start = function() end,
}

local most_restarts = 5
local within_seconds = 180
local pause_ms = 500

---@type integer[] When it was restarted, in seconds.
local restarts = {}

local function switched_off()
  return vim.lsp.is_enabled ~= nil and not vim.lsp.is_enabled("mellum")
end

--- For `vim.lsp.Config.on_exit`: how the server process ended.
---@param code integer
---@param signal integer
function M.on_exit(code, signal)
  local asked_to_end = code == 0 and (signal == 0 or signal == 15)
  if asked_to_end or vim.v.exiting ~= vim.NIL then
    return
  end
  vim.defer_fn(function()
    if switched_off() then
      return
    end
    local now = os.time()
    restarts = vim.tbl_filter(function(at)
      return now - at < within_seconds
    end, restarts)
    if #restarts >= most_restarts then
      vim.notify(
        ("mellum: the server ended %d times in %d seconds, so it stays off\n"):format(#restarts + 1, within_seconds)
          .. ("hint: see %s, then :MellumRestart"):format(vim.lsp.log.get_filename()),
        vim.log.levels.ERROR
      )
      return
    end
    table.insert(restarts, now)
    -- A fresh server for every open buffer.
    M.start()
  end, pause_ms)
end

return M
