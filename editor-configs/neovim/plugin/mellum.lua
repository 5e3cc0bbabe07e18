--- Commands, and `<Plug>` mappings for keys of your own.

local function command(name, description, action)
  vim.api.nvim_create_user_command("Mellum" .. name, action, { bang = true, desc = "mellum: " .. description })
end

local function call(name)
  return function(arguments)
    require("mellum")[name](arguments.bang)
  end
end

command("Explain", "how the suggestion at the caret comes about", call("explain"))
command("Pause", "no ghosts in this buffer (!: anywhere)", call("pause"))
command("Resume", "ghosts again in this buffer (!: everywhere)", call("resume"))
command("Toggle", "pause or resume in this buffer (!: everywhere)", call("toggle"))
command("Restart", "end the server and start it again", call("restart"))
command("Status", "what the server says of itself", function()
  local status = require("mellum").last_status()
  print(status and vim.inspect(status) or "mellum: no server works on this buffer")
end)

for _, name in ipairs({ "accept", "accept_word", "accept_line", "next", "previous", "dismiss" }) do
  vim.keymap.set("i", ("<Plug>(mellum-%s)"):format(name:gsub("_", "-")), function()
    require("mellum")[name]()
  end, { desc = "mellum: " .. name:gsub("_", " ") })
end
