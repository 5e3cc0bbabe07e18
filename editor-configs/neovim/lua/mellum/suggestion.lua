--- A suggestion of the server, and what of it is still to be typed.
---
--- It is kept with the text around the place that it was asked for. Whoever types on, or takes it in parts,
--- leaves less of it; whoever types something else, or changes the line elsewhere, leaves nothing.

local columns = require("mellum.columns")

local api = vim.api

local M = {}

---@class mellum.Place
---@field buffer integer
---@field row integer From 0.
---@field col integer Bytes before the caret.
---@field line string
---@field tick integer Counts the buffer's changes.

---@class mellum.Suggestion
---@field text string What stands behind `before` once all is accepted.
---@field row integer
---@field before string The line up to where the text begins.
---@field after string The line behind the caret when it was asked for.
---@field replaced integer So many bytes of `after` give way to the text.
---@field id? string The server's name for it.
---@field command? lsp.Command What the server wants to hear when it is accepted.
---@field client_id integer
---@field told_shown? boolean
---@field drawn_at? integer Milliseconds of `vim.uv.now()`.
---@field entered? boolean Whether a part of it was accepted or typed.

--- Where the caret is.
---@return mellum.Place
function M.place()
  local row, col = unpack(api.nvim_win_get_cursor(0))
  local buffer, line = api.nvim_get_current_buf(), api.nvim_get_current_line()
  return { buffer = buffer, row = row - 1, col = col, line = line, tick = api.nvim_buf_get_changedtick(buffer) }
end

--- Whether nothing lies between the two: no change of the text, no move of the caret.
---@param one mellum.Place
---@param other mellum.Place
---@return boolean
function M.same_place(one, other)
  return vim.deep_equal(one, other)
end

---@param item lsp.InlineCompletionItem
---@param asked mellum.Place
---@param client vim.lsp.Client
---@return mellum.Suggestion
function M.read(item, asked, client)
  local first, last = asked.col, asked.col
  if item.range then
    first = columns.byte(asked.line, client.offset_encoding, item.range.start.character)
    last = columns.byte(asked.line, client.offset_encoding, item.range["end"].character)
  end
  return {
    text = type(item.insertText) == "table" and item.insertText.value or item.insertText,
    row = asked.row,
    before = asked.line:sub(1, first),
    after = asked.line:sub(asked.col + 1),
    replaced = last - asked.col,
    id = vim.tbl_get(item, "command", "arguments", 1),
    command = item.command,
    client_id = client.id,
  }
end

--- What stands at the suggestion's place by now, up to the caret; nil where anything else changed.
---@param suggestion mellum.Suggestion
---@param now mellum.Place
---@return string?
local function written(suggestion, now)
  local first = #suggestion.before
  if now.row < suggestion.row or (now.row == suggestion.row and now.col < first) then
    return nil
  elseif now.line:sub(now.col + 1) ~= suggestion.after then
    return nil
  end
  local lines = api.nvim_buf_get_lines(now.buffer, suggestion.row, now.row + 1, false)
  if lines[1]:sub(1, first) ~= suggestion.before then
    return nil
  end
  lines[#lines] = now.line:sub(1, now.col)
  lines[1] = lines[1]:sub(first + 1)
  return table.concat(lines, "\n")
end

--- What is still to be typed, or nil where it does not follow from what was typed since.
---@param suggestion mellum.Suggestion
---@param now mellum.Place
---@return string?
function M.rest(suggestion, now)
  local typed = written(suggestion, now)
  if typed == nil or #typed >= #suggestion.text or not vim.startswith(suggestion.text, typed) then
    return nil
  end
  return suggestion.text:sub(#typed + 1)
end

--- Whether a part of it stands in its place, or all of it.
---@param suggestion mellum.Suggestion
---@param now mellum.Place
---@return boolean
function M.entered(suggestion, now)
  local typed = written(suggestion, now)
  return typed ~= nil and typed ~= "" and vim.startswith(suggestion.text, typed)
end

--- Whether something was typed in its place that it does not say.
---@param suggestion mellum.Suggestion
---@param now mellum.Place
---@return boolean
function M.contradicted(suggestion, now)
  local typed = written(suggestion, now)
  return typed ~= nil and not vim.startswith(suggestion.text, typed)
end

return M
