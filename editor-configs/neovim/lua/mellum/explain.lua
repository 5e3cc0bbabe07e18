--- `:MellumExplain`: how the suggestion at the caret comes about, in a window of its own.

local client = require("mellum.client")
local columns = require("mellum.columns")

local api = vim.api

local M = {}

---@param text string
---@return string[]
local function quoted(text)
  return vim.split("    " .. text:gsub("\n", "\n    "), "\n", { plain = true })
end

---@param text string
---@return string One line that shows where lines end.
local function on_one_line(text)
  return (vim.inspect(text))
end

--- The answer to `mellum/explain` as lines of Markdown.
---@param told table
---@return string[]
function M.render(told)
  local page = {}
  local function say(line, ...)
    table.insert(page, select("#", ...) > 0 and line:format(...) or line)
  end
  local function heading(title)
    vim.list_extend(page, { "", "## " .. title, "" })
  end

  say("# Suggestion")
  say("")
  if told.text ~= "" then
    vim.list_extend(page, quoted(told.text))
  else
    say("nothing: %s", told.reason)
  end
  heading("Gate")
  say("probability %.3f, threshold %.3f", told.gate.probability, told.gate.threshold)
  heading("Timings")
  local time, count = told.timings, told.tokens
  say("%s, %s plan: %.0f ms in all", told.model, told.source ~= "" and told.source or "no", time.total_ms)
  say("retrieval %.1f ms, prefill %.1f ms, decoding %.1f ms", time.retrieval_ms, time.prefill_ms, time.decode_ms)
  say("%d tokens in the prompt: %d reused, %d evaluated; %d generated", count.prompt, count.reused, count.evaluated, count.generated)
  heading("Steps")
  for _, step in ipairs(told.steps) do
    say("- %s: %s -> %s", step.rule, on_one_line(step.before), on_one_line(step.after))
  end
  heading("Parts of the prompt")
  for _, part in ipairs(told.parts) do
    say("- %s %s, %d tokens", part.kind, part.path, part.tokens)
  end
  heading("Chunks (gF on a path opens it)")
  for _, chunk in ipairs(told.chunks) do
    say(
      "- %s:%d to %d, %s, score %.3f by %s",
      chunk.path,
      chunk.start_line,
      chunk.end_line,
      chunk.form or "full",
      chunk.score,
      chunk.strategy
    )
  end
  heading("Prompt")
  vim.list_extend(page, quoted(told.prompt))
  return page
end

---@param lines string[]
local function open_window(lines)
  vim.cmd("botright split")
  local buffer = api.nvim_create_buf(false, true)
  api.nvim_win_set_buf(0, buffer)
  api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  api.nvim_buf_set_name(buffer, "mellum://explain/" .. buffer)
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].filetype = "markdown"
  vim.bo[buffer].modifiable = false
  vim.keymap.set("n", "q", "<Cmd>close<CR>", { buffer = buffer, nowait = true, desc = "close" })
end

--- The caret's place. Leaving insert mode moves the caret back by one character, so who asks then means the
--- place behind it.
---@param found vim.lsp.Client
---@return table
local function caret_params(found)
  local params = client.caret_params(found)
  local row, column = unpack(api.nvim_win_get_cursor(0))
  local under = vim.fn.matchstr(api.nvim_get_current_line():sub(column + 1), "^.")
  if api.nvim_get_mode().mode == "n" and vim.deep_equal(api.nvim_buf_get_mark(0, "^"), { row, column + #under }) then
    params.position.character = params.position.character + columns.length(under, found.offset_encoding)
  end
  return params
end

--- Ask the server how it completes at the caret, and show what it says.
function M.show()
  local found = client.of(0)
  if not found then
    vim.notify("mellum: no server works on this buffer\nhint: :checkhealth mellum", vim.log.levels.WARN)
    return
  end
  local params = caret_params(found)
  params.context = { triggerKind = 1 }
  client.request(found, "mellum/explain", params, function(err, told)
    if err or not told then
      vim.notify("mellum: " .. (err and err.message or "the server said nothing"), vim.log.levels.ERROR)
    else
      open_window(M.render(told))
    end
  end, api.nvim_get_current_buf())
end

return M
