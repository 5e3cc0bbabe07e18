--- Pausing, in one buffer or everywhere: `vim.b.mellum_enabled` and `vim.g.mellum_enabled`, false to pause.

local M = {}

---@param buffer integer
---@return boolean
function M.paused(buffer)
  return vim.g.mellum_enabled == false or vim.b[buffer].mellum_enabled == false
end

--- Switch ghosts off or on, in the current buffer or everywhere.
---@param enabled boolean
---@param everywhere boolean
function M.set(enabled, everywhere)
  if everywhere then
    vim.g.mellum_enabled = enabled
  else
    vim.b.mellum_enabled = enabled
  end
  vim.cmd.redrawstatus()
end

return M
