--- Draws a ghost around the caret: text that is not in the buffer.

local suggestion = require("mellum.suggestion")

local api = vim.api

local M = {}

local namespace = api.nvim_create_namespace("mellum")

--- The colours: Neovim's own for this, where it has them.
function M.define_colours()
  local known = vim.fn.hlexists("ComplHint") == 1
  api.nvim_set_hl(0, "MellumGhost", { link = known and "ComplHint" or "NonText", default = true })
  api.nvim_set_hl(0, "MellumCount", { link = known and "ComplHintMore" or "MoreMsg", default = true })
end

--- `text` with tabs as the spaces that they would be behind screen column `column`, from 0.
---@param text string
---@param column integer
---@return string
local function expand_tabs(text, column)
  local width = vim.bo.tabstop
  return (text:gsub("([^\t]*)\t", function(plain)
    column = column + api.nvim_strwidth(plain)
    local gap = width - column % width
    column = column + gap
    return plain .. (" "):rep(gap)
  end))
end

--- Cut `line` around the characters of `replaced`, which stand in the buffer already: a piece of ghost in
--- front of each, and one behind the last. Nil where the line does not hold them all, in their order.
---@param line string
---@param replaced string
---@return string[]?
local function pieces_around(line, replaced)
  if replaced:find("[\128-\255]") then
    return nil
  end
  local pieces, last = {}, #line
  for index = #replaced, 1, -1 do
    local at = last
    while at > 0 and line:byte(at) ~= replaced:byte(index) do
      at = at - 1
    end
    if at == 0 then
      return nil
    end
    table.insert(pieces, 1, line:sub(at + 1, last))
    last = at - 1
  end
  table.insert(pieces, 1, line:sub(1, last))
  return pieces
end

---@param buffer integer
function M.clear(buffer)
  if api.nvim_buf_is_valid(buffer) then
    api.nvim_buf_clear_namespace(buffer, namespace, 0, -1)
  end
end

---@param buffer integer
---@return boolean
function M.visible(buffer)
  return #api.nvim_buf_get_extmarks(buffer, namespace, 0, -1, { limit = 1 }) > 0
end

--- The lines below the caret's, as chunks of virtual text.
---@param lines string[]
---@return [string, string][][]
local function below(lines)
  local drawn = {}
  for index = 2, #lines do
    table.insert(drawn, { { expand_tabs(lines[index], 0), "MellumGhost" } })
  end
  return drawn
end

--- Draw what is left of a suggestion at the caret.
---@param rest string
---@param replaced string The text behind the caret that gives way to it.
---@param count? string Which of several it is, as "2/3".
function M.show(rest, replaced, count)
  local place = suggestion.place()
  M.clear(place.buffer)
  local lines = vim.split(rest, "\n", { plain = true })
  local function mark(col, chunks, how)
    how.virt_text = chunks
    how.hl_mode = "combine"
    api.nvim_buf_set_extmark(place.buffer, namespace, place.row, col, how)
  end

  local virtual_lines = below(lines)
  local first = expand_tabs(lines[1], vim.fn.strdisplaywidth(place.line:sub(1, place.col)))
  local pieces = pieces_around(first, replaced)
  if not pieces then
    -- It holds them in a later line, or not at all: cover them.
    local missing = api.nvim_strwidth(replaced) - api.nvim_strwidth(first)
    local chunks = { { first .. (" "):rep(missing), "MellumGhost" } }
    mark(place.col, chunks, { virt_text_pos = "overlay", virt_lines = virtual_lines })
    return
  end
  local chunks = vim.tbl_map(function(piece)
    return { { piece, "MellumGhost" } }
  end, pieces)
  if count then
    table.insert(virtual_lines[#virtual_lines] or chunks[#chunks], { "  " .. count, "MellumCount" })
  end
  mark(place.col, chunks[1], { virt_text_pos = "inline", virt_lines = virtual_lines })
  for index = 2, #chunks do
    mark(place.col + index - 1, chunks[index], { virt_text_pos = "inline" })
  end
end

return M
