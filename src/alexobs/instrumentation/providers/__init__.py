"""Providers as data: where their SDKs are watched, and how the facts of a call are found."""
