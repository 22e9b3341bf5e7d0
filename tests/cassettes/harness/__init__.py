"""Replays recorded provider traffic through the real provider packages."""
