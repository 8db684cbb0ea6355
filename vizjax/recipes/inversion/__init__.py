"""Pictures that a representation cannot tell from a given one, and what that says about it."""
