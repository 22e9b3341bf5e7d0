"""Configuration: a frozen model, its loader and saver, and hot reload."""
