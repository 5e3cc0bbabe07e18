--- Takes a ghost into the text: all of it, its next word, its next line.

local feedback = require("mellum.feedback")
local ghost = require("mellum.ghost")
local suggestion = require("mellum.suggestion")

local api = vim.api

-- The server is told before the text changes: what it is not told, it reads from the change.
local M = {}

--- Change the text; right afterwards where it must not be changed now, as in a mapping with an expression.
---@param change fun()
local function edit(change)
  local done, problem = pcall(change)
  if not done and tostring(problem):find("E565") then
    vim.schedule(change)
  elseif not done then
    error(problem, 0)
  end
end

--- Insert `text` at the caret in place of `replaced` bytes behind it, and put the caret behind it.
---@param text string
---@param replaced integer
local function insert(text, replaced)
  local place = suggestion.place()
  local lines = vim.split(text, "\n", { plain = true })
  -- Setting the option ends the undo block: `u` takes back the ghost and leaves what was typed.
  vim.go.undolevels = vim.go.undolevels
  api.nvim_buf_set_text(place.buffer, place.row, place.col, place.row, place.col + replaced, lines)
  api.nvim_win_set_cursor(0, { place.row + #lines, (#lines == 1 and place.col or 0) + #lines[#lines] })
end

--- Insert the whole ghost.
---@return boolean shown False where there is no ghost.
function M.all()
  local shown, rest = ghost.visible()
  if not shown or not rest then
    return false
  end
  feedback.accepted(shown)
  edit(function()
    insert(rest, shown.replaced)
    ghost.hide(api.nvim_get_current_buf())
  end)
  return true
end

--- Insert a part of the ghost, as if it had been typed: the rest stays on the screen.
---@param choose fun(rest: string): string
---@return boolean shown
local function part(choose)
  local shown, rest = ghost.visible()
  if not shown or not rest then
    return false
  end
  local chosen = choose(rest)
  if chosen == rest then
    return M.all()
  end
  feedback.partially_accepted(shown, shown.text:sub(1, #shown.text - #rest + #chosen))
  edit(function()
    insert(chosen, 0)
    ghost.redraw(api.nvim_get_current_buf())
  end)
  return true
end

--- Insert the ghost's next word.
function M.word()
  return part(function(rest)
    return rest:match("^%s*[%w_\128-\255]+") or rest:match("^%s*[^%w%s_\128-\255]+") or rest
  end)
end

--- Insert the rest of the ghost's first line; where that is empty, its next line.
function M.line()
  return part(function(rest)
    return rest:match("^\n?[^\n]*")
  end)
end

return M
