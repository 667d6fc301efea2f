"""Is a network really learning by gradient? A rule's correction beside the exact gradient."""

from eqprop.learning.auditing.agreement import Agreement
from eqprop.learning.auditing.auditor import audit, nudge_of, response
from eqprop.learning.auditing.findings import Audit, Settling, plain
from eqprop.learning.auditing.oracle import Oracle

__all__ = ["Agreement", "Audit", "Oracle", "Settling", "audit", "nudge_of", "plain", "response"]
