--- Tells the server where the caret rests, so that the prompt there is ready before the first key.

local clients = require("mellum.client")
local pause = require("mellum.pause")

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
    if clients.is_stopped(client) or api.nvim_get_current_buf() ~= buffer or pause.paused(buffer) then
      return
    end
    clients.notify(client, "mellum/didMoveCaret", clients.caret_params(client))
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
