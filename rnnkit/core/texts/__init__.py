"""Texts as people read them, and what is secret in them."""

from rnnkit.core.texts import secrets, wording
from rnnkit.core.texts.secrets import without_secrets


__all__ = ["secrets", "without_secrets", "wording"]
