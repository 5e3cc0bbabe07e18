--- Asks the server for suggestions: a moment after the last key, and never for what nobody waits for.

local client = require("mellum.client")
local pause = require("mellum.pause")
local suggestion = require("mellum.suggestion")

local M = {
  --- How long after a key the server is asked; keys that come together, as in a macro, make one request.
  debounce_ms = 20,
  automatic = 2,
  invoked = 1,
}

local method = "textDocument/inlineCompletion"

---@class mellum.Asking
---@field timer? uv.uv_timer_t
---@field wanted? { kind: integer, place: mellum.Place } The one request whose answer is still wanted.
---@field client? vim.lsp.Client Whom it was sent to.
---@field id? integer

---@type table<integer, mellum.Asking>
local by_buffer = vim.defaulttable(function()
  return {}
end)

---@param asking mellum.Asking
local function stop_timer(asking)
  if asking.timer and not asking.timer:is_closing() then
    asking.timer:close()
  end
  asking.timer = nil
end

---@param err? lsp.ResponseError
---@param result any
---@return lsp.InlineCompletionItem[]
local function items_of(err, result)
  if err then
    vim.lsp.log.error("mellum", err)
  end
  return not err and type(result) == "table" and (result.items or result) or {}
end

--- Ask where the caret is; `answer` gets the suggestions, none where there is nothing to show.
---
--- An older request is left to the server, which answers it as soon as it sees this one: told in this order,
--- it goes on with a generation that serves both, as where the user types what is being generated. But what the
--- user has asked for is never given up for an automatic request in the same place: that would say less.
---@param buffer integer The current one.
---@param kind integer
---@param answer fun(suggestions: mellum.Suggestion[])
function M.now(buffer, kind, answer)
  local asking, found = by_buffer[buffer], client.of(buffer)
  stop_timer(asking)
  if not found or not found.initialized or pause.paused(buffer) then
    return
  end
  local asked, wanted = suggestion.place(), asking.wanted
  local invoked = wanted and wanted.kind == M.invoked and suggestion.same_place(wanted.place, asked)
  if invoked and kind == M.automatic then
    return
  end
  local this = { kind = kind, place = asked }
  local params = client.caret_params(found)
  params.context = { triggerKind = kind }
  asking.wanted, asking.client = this, found
  local _, id = client.request(found, method, params, function(err, result)
    if asking.wanted ~= this then
      return
    end
    asking.wanted = nil
    answer(vim.tbl_map(function(item)
      return suggestion.read(item, asked, found)
    end, items_of(err, result)))
  end, buffer)
  asking.id = id
end

--- Ask unless another key follows at once.
---@param buffer integer
---@param answer fun(suggestions: mellum.Suggestion[])
function M.soon(buffer, answer)
  local asking, timer = by_buffer[buffer], nil
  stop_timer(asking)
  timer = vim.defer_fn(function()
    -- It may have been stopped when it had rung already.
    if asking.timer == timer and vim.api.nvim_get_current_buf() == buffer then
      M.now(buffer, M.automatic, answer)
    end
  end, M.debounce_ms)
  asking.timer = timer
end

--- Nobody waits for an answer any more: the server stops working on it.
---@param buffer integer
function M.cancel(buffer)
  local asking = by_buffer[buffer]
  stop_timer(asking)
  if asking.wanted and not client.is_stopped(asking.client) then
    client.cancel(asking.client, asking.id)
  end
  asking.wanted = nil
end

---@param buffer integer
function M.forget(buffer)
  M.cancel(buffer)
  by_buffer[buffer] = nil
end

return M
