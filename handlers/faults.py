"""Why a proposal needs a person before any check has looked at it: names from the gate's closed list of reasons."""

from typing import Final

MODEL_FAILED: Final = "model-failed"
BUDGET: Final = "budget-spent"
LOOPING: Final = "agent-looping"
TOOL_FAILED: Final = "tool-failed"
UNKNOWN_CATEGORY: Final = "unknown-category"
TEMPLATE_FAILED: Final = "template-failed"
MISSING_INFORMATION: Final = "missing-information"
WRITE_MISMATCH: Final = "write-mismatch"
UNEXPECTED: Final = "unexpected-error"
