"""Where high frequencies come from."""
