--- Between bytes, by which Neovim counts columns, and the units of the protocol.

local M = {}

local named_encodings = vim.fn.has("nvim-0.11") == 1

--- The byte of `line` at which `column` lies, both from 0; the line's end for a column behind it.
---@param line string
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@param column integer
---@return integer
function M.byte(line, encoding, column)
  if named_encodings then
    return vim.str_byteindex(line, encoding, column, false)
  elseif encoding == "utf-8" then
    return math.min(column, #line)
  end
  local found, byte = pcall(vim.str_byteindex, line, column, encoding == "utf-16")
  return found and byte or #line
end

--- The length of `text` in units of the encoding.
---@param text string
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer
function M.length(text, encoding)
  if named_encodings then
    return vim.str_utfindex(text, encoding)
  elseif encoding == "utf-8" then
    return #text
  end
  local characters, units = vim.str_utfindex(text)
  return encoding == "utf-16" and units or characters
end

return M
