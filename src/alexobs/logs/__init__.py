"""What happens to a log line after the call: queue, redaction, format, stream.

``snapshot`` freezes field values on the caller's thread, ``sink`` queues and drains, ``lines``
gives a line its keys, ``formats`` its text, ``stream`` writes it, and ``stdlib`` lets records of
the standard library's ``logging`` take the same way.
"""
