"""OTLP: encoding, HTTP and gRPC."""
