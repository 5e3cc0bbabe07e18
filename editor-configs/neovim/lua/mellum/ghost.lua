--- Shows, accepts and hides ghosts by `vim.lsp.inline_completion`, exactly also while the user types on.
---
--- Neovim asks 200 ms after a key, keeps the old ghost until the answer comes and shows an answer that comes
--- late. Meanwhile a ghost may no longer follow what was typed, and its range still speaks of the line as it
--- was. So we keep each answer with the line that it was asked for: what no longer follows is dropped or
--- hidden, never accepted; what does is inserted where it fits now.

local api = vim.api

local M = {}

local method = "textDocument/inlineCompletion"
local namespace = api.nvim_create_namespace("nvim.lsp.inline_completion")

---@class mellum.Place
---@field row integer From 0.
---@field col integer Bytes before the caret.
---@field line string

---@class mellum.Suggestion
---@field text string
---@field first integer The text replaces the columns from `first` to `last`, bytes from 0, of `asked.line`.
---@field last integer
---@field asked mellum.Place

---@type table<integer, mellum.Suggestion[]> The latest answer of each buffer.
local answers = {}

---@return mellum.Place
local function caret()
  local row, col = unpack(api.nvim_win_get_cursor(0))
  return { row = row - 1, col = col, line = api.nvim_get_current_line() }
end

--- The part of the suggestion that is still to be typed, or nil where it does not follow from what was typed
--- since, or where anything else of the line changed.
---@param suggestion mellum.Suggestion
---@return string?
local function rest_of(suggestion)
  local asked, now = suggestion.asked, caret()
  if
    now.row ~= asked.row
    or now.col < suggestion.first
    or now.line:sub(1, suggestion.first) ~= asked.line:sub(1, suggestion.first)
    or now.line:sub(now.col + 1) ~= asked.line:sub(asked.col + 1)
  then
    return nil
  end
  local typed = now.line:sub(suggestion.first + 1, now.col)
  if not vim.startswith(suggestion.text, typed) or typed == suggestion.text then
    return nil
  end
  return suggestion.text:sub(#typed + 1)
end

--- The suggestion of the current buffer that still follows, and its rest. `text` names one of several.
---@param text? string
---@return mellum.Suggestion?, string?
local function current(text)
  for _, suggestion in ipairs(answers[api.nvim_get_current_buf()] or {}) do
    local rest = (text == nil or text == suggestion.text) and rest_of(suggestion)
    if rest then
      return suggestion, rest
    end
  end
end

--- Replace the columns `first` to `last` of the caret's line, and put the caret behind what was inserted.
local function replace(first, last, text)
  local row = caret().row
  local lines = vim.split(text, "\n", { plain = true })
  -- Setting the option ends the undo block: `u` takes back the ghost and leaves what was typed.
  vim.go.undolevels = vim.go.undolevels
  api.nvim_buf_set_text(0, row, first, row, last, lines)
  api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and first or 0) + #lines[#lines] })
end

---@return boolean
local function visible()
  return #api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

--- Insert the whole ghost.
---@return boolean shown False where there is no ghost.
function M.accept()
  return visible()
    and vim.lsp.inline_completion.get({
      on_accept = function(item)
        local suggestion = type(item.insert_text) == "string" and current(item.insert_text)
        if not suggestion then
          return nil
        end
        -- The range ends where it ended, moved by what was typed since.
        local last = suggestion.last + caret().col - suggestion.asked.col
        replace(suggestion.first, last, suggestion.text)
        local client = item.command and vim.lsp.get_client_by_id(item.client_id)
        if client then
          client:exec_cmd(item.command, { bufnr = api.nvim_get_current_buf() })
        end
        return nil
      end,
    })
end

--- Insert a part of the ghost, as if it had been typed: the rest stays on the screen.
---@param choose fun(rest: string): string
---@return boolean shown
local function accept_part(choose)
  local _, rest = current()
  if not rest or not visible() then
    return false
  end
  -- A key mapping with an expression must not change the text itself.
  vim.schedule(function()
    local here = caret().col
    replace(here, here, choose(rest))
  end)
  return true
end

--- Insert the ghost's next word.
function M.accept_word()
  return accept_part(function(rest)
    return rest:match("^%s*[%w_\128-\255]+") or rest:match("^%s*[^%w%s_\128-\255]+") or rest
  end)
end

--- Insert the rest of the ghost's first line; where that is empty, its next line.
function M.accept_line()
  return accept_part(function(rest)
    return rest:match("^\n?[^\n]*")
  end)
end

--- Hide the ghost until the next key.
---@return boolean shown
function M.dismiss()
  return visible()
    and vim.lsp.inline_completion.get({
      on_accept = function()
        return nil
      end,
    })
end

--- The suggestion as bytes of the line that it was asked for.
---@param item lsp.InlineCompletionItem
---@param asked mellum.Place
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return mellum.Suggestion
local function suggestion_of(item, asked, encoding)
  local first, last = asked.col, asked.col
  if item.range then
    first = vim.str_byteindex(asked.line, encoding, item.range.start.character, false)
    last = vim.str_byteindex(asked.line, encoding, item.range["end"].character, false)
  end
  return { text = item.insertText, first = first, last = last, asked = asked }
end

--- Start the server, and keep the answers to inline completion: a function for `vim.lsp.Config.cmd`.
---@param command string[]
function M.watched(command)
  return function(dispatchers, config)
    local rpc = vim.lsp.rpc.start(command, dispatchers, {
      cwd = config.cmd_cwd,
      env = config.cmd_env,
      detached = config.detached,
    })
    local request = rpc.request
    rpc.request = function(name, params, callback, on_reply)
      if name == method then
        callback = M.keep_answer(callback)
      end
      return request(name, params, callback, on_reply)
    end
    return rpc
  end
end

--- Wraps what Neovim does with an answer to a request that is sent now.
---@param callback fun(err?: lsp.ResponseError, result: any, id: integer)
function M.keep_answer(callback)
  local buffer, asked = api.nvim_get_current_buf(), caret()
  return function(err, result, id)
    local client = vim.lsp.get_clients({ name = "mellum", bufnr = buffer })[1]
    local items = not err and type(result) == "table" and (result.items or result) or {}
    answers[buffer] = {}
    local following = {}
    if client and api.nvim_get_current_buf() == buffer then
      for _, item in ipairs(items) do
        local suggestion = suggestion_of(item, asked, client.offset_encoding)
        if rest_of(suggestion) then
          table.insert(answers[buffer], suggestion)
          table.insert(following, item)
        end
      end
    end
    -- An error would leave the old ghost on the screen, so it becomes "nothing", and goes to the log.
    if err then
      vim.lsp.log.error("mellum", err)
    end
    callback(nil, { items = following }, id)
  end
end

--- Show ghosts in this buffer.
---@param buffer integer
function M.attach(buffer)
  vim.lsp.inline_completion.enable(true, { bufnr = buffer })
  -- Made after Neovim's own, so that these run after it has drawn.
  local group = api.nvim_create_augroup("mellum.ghost:" .. buffer, {})
  api.nvim_create_autocmd("CursorMovedI", {
    group = group,
    buffer = buffer,
    callback = function()
      if not current() then
        api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
      end
    end,
  })
  api.nvim_create_autocmd({ "BufDelete", "BufWipeout" }, {
    group = group,
    buffer = buffer,
    callback = function()
      answers[buffer] = nil
    end,
  })
end

return M
