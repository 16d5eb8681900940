"""The commands that are more than a function each; `copyrisk.cli` has the others."""
