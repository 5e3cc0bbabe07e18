--- Tells the server where the caret rests, so that the prompt there is ready before the first key.

local api = vim.api

local M = {}

local settle_ms = 80

---@type uv.uv_timer_t?
local timer

--- Typing reveals the caret by its requests; moving it does not.
---@param client vim.lsp.Client
---@param buffer integer
function M.follow(client, buffer)
  local function tell()
    if client:is_stopped() or api.nvim_get_current_buf() ~= buffer then
      return
    end
    client:notify("mellum/didMoveCaret", vim.lsp.util.make_position_params(0, client.offset_encoding))
  end
  api.nvim_create_autocmd({ "CursorMoved", "InsertEnter" }, {
    group = api.nvim_create_augroup("mellum.caret:" .. buffer, {}),
    buffer = buffer,
    callback = function()
      if timer and not timer:is_closing() then
        timer:close()
      end
      timer = vim.defer_fn(tell, settle_ms)
    end,
  })
end

return M
