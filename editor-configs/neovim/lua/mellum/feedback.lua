--- Tells the server what became of a suggestion, so that it learns what is worth showing.

local client = require("mellum.client")
local columns = require("mellum.columns")

local M = {}

--- A ghost that was gone sooner was not seen by anybody.
M.seen_ms = 150

--- Who types something else after looking at a ghost for this long has refused it.
M.read_ms = 750

---@param suggestion mellum.Suggestion
---@param command string
---@param ... any
local function tell(suggestion, command, ...)
  local found = vim.lsp.get_client_by_id(suggestion.client_id)
  if found and suggestion.id then
    local params = { command = command, arguments = { suggestion.id, ... } }
    client.request(found, "workspace/executeCommand", params, function() end)
  end
end

---@param suggestion mellum.Suggestion
function M.shown(suggestion)
  if not suggestion.told_shown then
    suggestion.told_shown = true
    tell(suggestion, "mellum.shown")
  end
end

---@param suggestion mellum.Suggestion
function M.accepted(suggestion)
  M.shown(suggestion)
  if suggestion.command then
    tell(suggestion, suggestion.command.command)
  end
end

---@param suggestion mellum.Suggestion
---@param taken string All that was taken or typed of it so far.
function M.partially_accepted(suggestion, taken)
  M.shown(suggestion)
  tell(suggestion, "mellum.partiallyAccepted", columns.length(taken, "utf-16"))
end

---@param suggestion mellum.Suggestion
function M.dismissed(suggestion)
  M.shown(suggestion)
  tell(suggestion, "mellum.dismissed")
end

--- A part of it was typed or taken, so it was seen, however soon.
---@param suggestion mellum.Suggestion
function M.entered(suggestion)
  suggestion.entered = true
  M.shown(suggestion)
end

--- Something else was typed in the suggestion's place.
---@param suggestion mellum.Suggestion
function M.contradicted(suggestion)
  local looked_at_ms = suggestion.drawn_at and vim.uv.now() - suggestion.drawn_at or 0
  if looked_at_ms >= M.read_ms and not suggestion.entered then
    M.dismissed(suggestion)
  end
end

return M
