"""Pictures with the content of one and the style of others; textures."""
