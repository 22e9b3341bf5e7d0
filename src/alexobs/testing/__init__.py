"""Fixtures and servers for testing instrumented agents."""
