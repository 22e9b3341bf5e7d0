"""Wire formats and transports."""
