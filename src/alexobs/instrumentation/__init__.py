"""Wraps what agents use: LLM clients, tools, whole packages."""
