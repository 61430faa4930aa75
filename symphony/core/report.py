"""What an agent says to symphony, and how symphony says no [CONTRACT 6]."""

from symphony.core.errors import SymphonyError


class ReportRefused(SymphonyError):
    """A report that is well formed and yet not accepted; the agent reads its text as a tool error."""

    code = "report_refused"
