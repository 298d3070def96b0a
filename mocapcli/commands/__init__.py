"""The built-in commands, one module each; each imports its stage inside the function to keep `--help` quick."""
