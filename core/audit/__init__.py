"""The audit record (审计记录): who read or changed what about whom, and why.

Append-only, and sealed in hash-chained batches by the worker; docs/security.md explains it to operators. Entries hold
ids and codes, never personal data; ``reason`` is as the actor gave it, and clerks are told to name nobody in it.
"""

from core.audit.entries import record
from core.audit.models import AuditEntry, AuditPending, AuditSeal

__all__ = ["AuditEntry", "AuditPending", "AuditSeal", "record"]
