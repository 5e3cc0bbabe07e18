--- Where mellum-lsp works and what Neovim does with its messages; `require("mellum").setup` adds the command.

local project_markers = {
  { ".git", ".hg", ".jj" },
  { "pyproject.toml", "package.json", "Cargo.toml", "go.mod", "pom.xml", "build.gradle", "build.gradle.kts" },
}

---@type vim.lsp.Config
return {
  -- Every language, but files only: no help pages, terminals or prompts.
  root_dir = function(buffer, start)
    if vim.bo[buffer].buftype == "" then
      start(vim.fs.root(buffer, project_markers))
    end
  end,
  handlers = {
    ["mellum/status"] = function(_, status)
      require("mellum").last_status = status
    end,
  },
}
