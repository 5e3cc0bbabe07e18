--- For `vim.lsp.enable("mellum")`, also without `require("mellum").setup`.

return require("mellum.server").config()
