--- The ghost of each buffer: asked for as the user types, shown for as long as it follows what was typed.
---
--- Neovim 0.12 can show ghosts itself, but asks 200 ms after a key, goes on showing what no longer follows
--- and inserts it where the line was; so the plugin draws its own, on every Neovim alike.

local client = require("mellum.client")
local draw = require("mellum.draw")
local feedback = require("mellum.feedback")
local pause = require("mellum.pause")
local request = require("mellum.request")
local suggestion = require("mellum.suggestion")

local api = vim.api

local M = {}

---@class mellum.Ghost
---@field suggestions mellum.Suggestion[]
---@field index integer Which of them is shown.
---@field asked_for_all? boolean Whether the server was asked for all that it has.
---@field seen? mellum.Place With which the ghost was last compared.

---@type table<integer, mellum.Ghost>
local ghosts = {}

---@param buffer integer
---@return mellum.Ghost
local function empty(buffer)
  ghosts[buffer] = { suggestions = {}, index = 1, seen = ghosts[buffer] and ghosts[buffer].seen }
  return ghosts[buffer]
end

---@return boolean
local function inserting()
  return vim.startswith(api.nvim_get_mode().mode, "i")
end

--- The suggestion of the current buffer that still follows, and its rest.
---@return mellum.Suggestion?, string?
function M.current()
  local ghost = ghosts[api.nvim_get_current_buf()]
  local chosen = ghost and ghost.suggestions[ghost.index]
  local rest = chosen and suggestion.rest(chosen, suggestion.place())
  if rest then
    return chosen, rest
  end
end

--- The suggestion that is on the screen, and its rest.
---@return mellum.Suggestion?, string?
function M.visible()
  if draw.visible(api.nvim_get_current_buf()) then
    return M.current()
  end
end

--- Draw what is left of the ghost, or hide it.
---@param buffer integer The current one.
function M.redraw(buffer)
  local shown, rest = M.current()
  if not shown or not rest then
    return draw.clear(buffer)
  end
  local ghost = ghosts[buffer]
  local count = ghost.asked_for_all and ("%d/%d"):format(ghost.index, #ghost.suggestions)
  draw.show(rest, shown.after:sub(1, shown.replaced), count or nil)
  if not shown.drawn_at then
    local now = vim.uv.now()
    shown.drawn_at = now
    vim.defer_fn(function()
      local still = api.nvim_get_current_buf() == buffer and M.visible()
      if still and still.drawn_at == now then
        feedback.shown(still)
      end
    end, feedback.seen_ms)
  end
end

--- The server's answer: only what still follows is kept.
---@param buffer integer
---@param suggestions mellum.Suggestion[]
local function answer(buffer, suggestions)
  if api.nvim_get_current_buf() ~= buffer or not inserting() then
    return
  end
  local shown, rest = M.current()
  local place = suggestion.place()
  local ghost = empty(buffer)
  for _, new in ipairs(suggestions) do
    local new_rest = suggestion.rest(new, place)
    if shown and new_rest == rest then
      -- The same suggestion, under a new name: it has been looked at since it was drawn first.
      new.drawn_at, new.told_shown, new.entered = shown.drawn_at, shown.told_shown, shown.entered
    end
    if new_rest then
      table.insert(ghost.suggestions, new)
    end
  end
  M.redraw(buffer)
end

--- Let the ghost follow what was typed since it was last looked at, and where the caret went.
---@param buffer integer The current one.
---@return boolean moved
local function follow(buffer)
  local place = suggestion.place()
  local ghost = ghosts[buffer] or empty(buffer)
  if ghost.seen and suggestion.same_place(ghost.seen, place) then
    return false
  end
  ghost.seen = place
  local shown = ghost.suggestions[ghost.index]
  if shown and suggestion.contradicted(shown, place) then
    feedback.contradicted(shown)
  elseif shown and suggestion.entered(shown, place) then
    feedback.entered(shown)
  end
  if not M.current() then
    ghost = empty(buffer)
  end
  ghost.asked_for_all = nil
  M.redraw(buffer)
  return true
end

--- Ask what follows here, unless another key follows at once.
---@param buffer integer The current one.
local function ask(buffer)
  request.soon(buffer, function(suggestions)
    answer(buffer, suggestions)
  end)
end

--- No ghost, and no request for one.
---@param buffer integer
function M.hide(buffer)
  request.cancel(buffer)
  draw.clear(buffer)
  empty(buffer).seen = nil
end

--- Hide the ghost until the next key; the server does not offer it again for a while.
---@return boolean shown
function M.dismiss()
  local shown = M.visible()
  if not shown then
    return false
  end
  local buffer = api.nvim_get_current_buf()
  local seen = ghosts[buffer].seen
  feedback.dismissed(shown)
  M.hide(buffer)
  ghosts[buffer].seen = seen
  return true
end

--- Show the suggestion `step` behind the one that is shown, of all that the server was asked for.
---@param buffer integer The current one.
---@param step integer
local function turn(buffer, step)
  local ghost = ghosts[buffer]
  ghost.asked_for_all = true
  ghost.index = (ghost.index - 1 + step) % math.max(#ghost.suggestions, 1) + 1
  M.redraw(buffer)
end

--- Show another suggestion; where not all are known, first ask for the best there are.
---@param step integer 1 for the next, -1 for the one before.
function M.cycle(step)
  local buffer = api.nvim_get_current_buf()
  follow(buffer) -- Neovim tells of typed text when no key waits: perhaps not yet of the last one.
  if ghosts[buffer].asked_for_all then
    return turn(buffer, step)
  end
  local _, before = M.current()
  request.now(buffer, request.invoked, function(suggestions)
    answer(buffer, suggestions)
    if api.nvim_get_current_buf() == buffer then
      local _, first = M.current()
      turn(buffer, before ~= nil and first == before and step or 0)
    end
  end)
end

--- Ask again, if somebody is typing and sees nothing: the server can do more than before.
function M.refresh()
  local buffer = api.nvim_get_current_buf()
  if inserting() and client.of(buffer) and not pause.paused(buffer) then
    if follow(buffer) or not M.current() then
      ask(buffer)
    end
  end
end

--- Show ghosts in this buffer.
---@param buffer integer
function M.attach(buffer)
  local group = api.nvim_create_augroup("mellum.ghost:" .. buffer, {})
  local function on(events, callback)
    api.nvim_create_autocmd(events, { group = group, buffer = buffer, callback = callback })
  end
  on({ "InsertEnter", "CursorMovedI", "TextChangedI", "TextChangedP" }, function()
    if pause.paused(buffer) then
      M.hide(buffer)
    elseif follow(buffer) then
      ask(buffer)
    end
  end)
  on({ "InsertLeave", "BufLeave" }, function()
    M.hide(buffer)
  end)
end

--- The server of this buffer is gone, or the buffer.
---@param buffer integer
function M.detach(buffer)
  pcall(api.nvim_del_augroup_by_name, "mellum.ghost:" .. buffer)
  request.forget(buffer)
  draw.clear(buffer)
  ghosts[buffer] = nil
end

return M
