--- Ghost-text completions from mellum-lsp: `require("mellum").setup {}`. See `:help mellum`.

local accept = require("mellum.accept")
local caret = require("mellum.caret")
local client = require("mellum.client")
local draw = require("mellum.draw")
local explain = require("mellum.explain")
local ghost = require("mellum.ghost")
local keys = require("mellum.keys")
local pause = require("mellum.pause")
local request = require("mellum.request")
local server = require("mellum.server")
local status = require("mellum.status")

local api = vim.api

local M = {
  --- Insert the whole ghost. Like all that act on a ghost: false where none is shown.
  accept = accept.all,
  --- Insert the ghost's next word.
  accept_word = accept.word,
  --- Insert the rest of the ghost's first line, or its next line.
  accept_line = accept.line,
  --- Hide the ghost until the next key; it is not offered again for a while.
  dismiss = ghost.dismiss,
  --- A few words for a statusline: whether it works, is paused, or why it is silent.
  status = status.line,
  --- Show how the suggestion at the caret comes about.
  explain = explain.show,
  --- End the servers and start them again.
  restart = server.restart,
}

---@class mellum.Options
---@field cmd? string[] How to start the server; by default `mellum-lsp serve`.
---@field model? string A name from `mellum-lsp models list`, or a path to a .gguf file.
---@field settings? table The server's settings, for example `{ maxLines = 6 }`.
---@field filetypes? string[] Serve these file types only; by default all.
---@field keymaps? table<string, string|false> Insert-mode keys; false leaves a function without a key.
---@field debounce_ms? integer How long after a key the server is asked.

---@type mellum.Options
local chosen = {}

--- Show another suggestion, or ask for the best there is where none is shown.
function M.next()
  ghost.cycle(1)
end

--- Show the suggestion before.
function M.previous()
  ghost.cycle(-1)
end

--- Whether a ghost is shown.
---@return boolean
function M.visible()
  return ghost.visible() ~= nil
end

--- Whether a server works on the current buffer and is not paused there.
---@return boolean
function M.serves()
  return client.of(0) ~= nil and not pause.paused(api.nvim_get_current_buf())
end

--- Show nothing any more in the current buffer, or anywhere.
---@param everywhere? boolean
function M.pause(everywhere)
  pause.set(false, everywhere == true)
  ghost.hide(api.nvim_get_current_buf())
end

--- Show ghosts again.
---@param everywhere? boolean
function M.resume(everywhere)
  pause.set(true, everywhere == true)
  ghost.refresh()
end

--- Pause or resume.
---@param everywhere? boolean
function M.toggle(everywhere)
  local scope = everywhere and vim.g or vim.b
  if scope.mellum_enabled == false then
    M.resume(everywhere)
  else
    M.pause(everywhere)
  end
end

--- What the server of the buffer said last of itself, nil where there is none.
---@param buffer? integer
---@return mellum.Status?
function M.last_status(buffer)
  return status.of(buffer or 0)
end

--- How the server is started, nil where it was not found or `setup` not called.
---@return string[]?
function M.command()
  return chosen.cmd
end

--- The keys that were mapped.
---@return table<string, string>
function M.keymaps()
  return chosen.keymaps or {}
end

---@param found vim.lsp.Client
---@param buffer integer
local function attach(found, buffer)
  if vim.lsp.inline_completion then
    -- Where it is enabled for all, Neovim would draw a second ghost.
    vim.lsp.inline_completion.enable(false, { client_id = found.id })
  end
  ghost.attach(buffer)
  caret.follow(found, buffer)
  ghost.refresh()
end

local function follow_servers()
  local group = api.nvim_create_augroup("mellum", {})
  local function on(event, pattern, callback)
    api.nvim_create_autocmd(event, { group = group, pattern = pattern, callback = callback })
  end
  on("LspAttach", nil, function(event)
    local found = vim.lsp.get_client_by_id(event.data.client_id)
    if found and found.name == "mellum" then
      attach(found, event.buf)
    end
  end)
  on("LspDetach", nil, function(event)
    -- The client still counts as attached while it goes.
    vim.schedule(function()
      if not api.nvim_buf_is_valid(event.buf) or not client.of(event.buf) then
        ghost.detach(event.buf)
      end
    end)
  end)
  -- While the model loads the server shows nothing; what was asked for then is asked for now.
  on("User", "MellumReady", ghost.refresh)
end

---@param options? mellum.Options
function M.setup(options)
  options = options or {}
  if vim.fn.has("nvim-0.10") == 0 then
    vim.notify("mellum: ghost text needs Neovim 0.10 or later", vim.log.levels.ERROR)
    return
  end
  local cmd = options.cmd or server.find()
  if not cmd then
    vim.notify(
      "mellum: the server was not found\n"
        .. "hint: install it with `pipx install mellum-lsp`, or name it: setup { cmd = { '/path/to/mellum-lsp', 'serve' } }",
      vim.log.levels.ERROR
    )
    return
  end
  request.debounce_ms = options.debounce_ms or request.debounce_ms
  draw.define_colours()
  follow_servers()
  chosen = { cmd = cmd, keymaps = keys.set(options.keymaps) }
  local settings = vim.tbl_extend("force", { model = options.model }, options.settings or {})
  server.declare({ cmd = cmd, filetypes = options.filetypes, settings = settings })
  server.start()
end

return M
