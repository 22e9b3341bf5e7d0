"""Secrets and personal data are removed here, before anything is encoded.

See `docs/reference/redaction.md` for what is found, and
`docs/decisions/0003-redaction.md` for why it is done this way.
"""

from alexobs.redaction.redactor import Redactor

__all__ = ["Redactor"]
