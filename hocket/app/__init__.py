"""Command lines, logging set-up, exit codes."""
