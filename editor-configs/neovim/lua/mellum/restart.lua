--- Starts the server again when it dies, and stops trying when it dies again and again.

local M = {}

local most_restarts = 5
local within_seconds = 180
local pause_ms = 500

---@type integer[] When it was restarted, in seconds.
local restarts = {}

--- For `vim.lsp.Config.on_exit`: how the server process ended.
---@param code integer
---@param signal integer
function M.on_exit(code, signal)
  local asked_to_end = code == 0 and (signal == 0 or signal == 15)
  if asked_to_end or vim.v.exiting ~= vim.NIL then
    return
  end
  vim.defer_fn(function()
    if not vim.lsp.is_enabled("mellum") then
      return
    end
    local now = os.time()
    restarts = vim.tbl_filter(function(at)
      return now - at < within_seconds
    end, restarts)
    if #restarts >= most_restarts then
      vim.notify(
        ("mellum: the server ended %d times in %d seconds, so it stays off\nhint: see %s, then :lua vim.lsp.enable('mellum')"):format(
          #restarts + 1,
          within_seconds,
          vim.lsp.log.get_filename()
        ),
        vim.log.levels.ERROR
      )
      return
    end
    table.insert(restarts, now)
    -- Enabling again attaches a fresh server to every open buffer.
    vim.lsp.enable("mellum")
  end, pause_ms)
end

return M
