"""What an agent's error says of its model: which of the faults that a person, or only time, can mend.

Pure. What is recognised was seen from claude-agent-acp, codex-acp and opencode. Rate limits and refused
credentials are told apart before, in `limits`.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from symphony.agent.limits import PLACEHOLDER_SENT, error_text


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a model fails its agent.

    Attributes:
        code: of the outcome.
        fact: what follows the agent's name in the sentence that a user reads.
        remedy: what they can do.
        signs: words of the agents and of their providers.
    """

    code: str
    fact: str
    remedy: str
    signs: re.Pattern[str]


def _signs(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


NO_NETWORK: Final = Fault(
    "agent.no_network",
    "cannot reach its model",
    "Check the network and the model's address; a machine reaches only what `smolvm.egress` allows.",
    _signs(r"\bunable\s+to\s+connect | \bcannot\s+connect\s+to\s+API | \bconnection\s+failed"),
)

FAULTS: Final = (
    Fault(
        "agent.placeholder_sent",
        "told its model the placeholder of a credential, which the machine's engine lets nobody have",
        "The next attempt begins with a fresh session; tell agents not to print their environment variables.",
        PLACEHOLDER_SENT,
    ),
    Fault(
        "agent.no_credit",
        "has no credit with its model's provider",
        "Add credit there, or give the agent another key; then `symphony retry` the issue.",
        _signs(
            r"""\bbilling_error\b | \bcredit\s+balance\b | \b402\b[^\n]{0,24}\bpayment\s+required
              | \bpayment\s+required\b | \binsufficient\s+(?:credits?|balance|funds)\b"""
        ),
    ),
    Fault(
        "agent.context_full",
        "sent more than its model's context holds",
        "The next attempt begins with a fresh session; if it comes again, split the issue.",
        _signs(
            r"""\bprompt\s+is\s+too\s+long | \bcontext_length_exceeded\b | \bmaximum\s+context\s+length
              | \bcontext\s+window\b | \bcontext_window_exceeded\b | \brequest_too_large\b
              | \brequest\s+too\s+large | \brequest\s+body\s+exceeds
              | \b413\b[^\n]{0,24}\b(?:payload|content|entity)\s+too\s+large"""
        ),
    ),
    Fault(
        "agent.unknown_model",
        "was told of no such model",
        "Correct `acp.model`, or the model in the agent's own settings.",
        _signs(
            r"""\bmodel_not_found\b | \bissue\s+with\s+the\s+selected\s+model
              | \bmodel\b[^\n]{0,80}\b(?:does\s+not\s+exist|is\s+not\s+supported|not\s+found)"""
        ),
    ),
    replace(
        NO_NETWORK,
        signs=_signs(
            r"""\bECONNREFUSED\b | \bConnectionRefused\b | \bconnection\s+refused | \bENOTFOUND\b
              | \bEAI_AGAIN\b | \bFailedToOpenSocket\b | \bENETUNREACH\b | \bEHOSTUNREACH\b
              | \bgetaddrinfo\b | \bdns\s+error
              | \berror\s+sending\s+request | \bfailed\s+to\s+lookup\s+address"""
        ),
    ),
    Fault(
        "agent.connection_lost",
        "lost the connection to its model in the middle of an answer",
        "It is tried again; if it comes often, look at the network or the proxy in between.",
        _signs(
            r"""\bstream\s+disconnected | \bECONNRESET\b | \bsocket\s+hang\s+up | \bother\s+side\s+closed
              | \bconnection\s+(?:was\s+)?(?:closed|reset|lost|error) | \bsocket\s+connection\s+was\s+closed
              | \bpremature\s+close | \bterminated\b | \bstream\s+(?:ended|closed)\b"""
        ),
    ),
    NO_NETWORK,  # in general words, which some say of a connection that was lost too
    Fault(
        "agent.model_failed",
        "met a fault of its model's provider",
        "It is tried again; the provider's status page may say more.",
        _signs(
            r"""\b(?:server_error|internal_server_error|api_error|service_unavailable)\b
              | \b5\d\d\b[^\n]{0,40}\b(?:server\s+error|bad\s+gateway|unavailable|timeout)
              | \bAPI\s+Error:\s+5\d\d\b | \bstatus\s+5\d\d\b | \binternal\s+server\s+error
              | \bservice\s+unavailable | \bbad\s+gateway | \bserver\s+had\s+an\s+error"""
        ),
    ),
)
"""In the order in which they are looked for: what is more particular comes first."""


def fault_of(message: str, data: Any) -> Fault | None:
    """Return what an error says of the model; None when it says nothing that is known."""
    text = error_text(message, data)
    return next((fault for fault in FAULTS if fault.signs.search(text)), None)
