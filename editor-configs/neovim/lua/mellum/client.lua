--- The server's client in a buffer, spoken to in the same way on every Neovim: until 0.10 a client held
--- functions, since 0.11 it has methods.

local M = {}

local has_methods = vim.fn.has("nvim-0.11") == 1

local function call(client, name, ...)
  if has_methods then
    return client[name](client, ...)
  end
  return client[name](...)
end

---@param buffer integer 0 for the current one.
---@return vim.lsp.Client?
function M.of(buffer)
  if buffer == 0 then
    buffer = vim.api.nvim_get_current_buf()
  end
  return vim.lsp.get_clients({ name = "mellum", bufnr = buffer })[1]
end

--- Returns whether it was sent, and the request's id.
---@param handler fun(err?: lsp.ResponseError, result: any)
---@return boolean, integer?
function M.request(client, name, params, handler, buffer)
  return call(client, "request", name, params, handler, buffer)
end

function M.notify(client, name, params)
  return call(client, "notify", name, params)
end

---@param id integer Of a request that is under way.
function M.cancel(client, id)
  return call(client, "cancel_request", id)
end

function M.stop(client)
  return call(client, "stop")
end

---@return boolean
function M.is_stopped(client)
  return call(client, "is_stopped")
end

--- The caret's place in the current window, as the server counts.
---@return table params `textDocument` and `position`.
function M.caret_params(client)
  return vim.lsp.util.make_position_params(0, client.offset_encoding)
end

return M
