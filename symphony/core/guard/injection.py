"""Phrases by which a fetched text speaks to the agent in somebody else's name.

A warning for people and no wall: who wants to can say the same in other words.
"""

import re
from collections.abc import Iterator
from typing import Final

from symphony.core.guard.finding import Match
from symphony.core.guard.secrets import lower, without_secrets

TEXT_LIMIT: Final = 1 << 16  # characters of one text that are looked at
SHOWN: Final = 60  # characters on either side of a phrase
HIDDEN_RUN: Final = 8  # invisible characters in a row that are no accident

GAP: Final = r"[\s\W_]{1,12}"
INVISIBLE: Final = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff\u00ad]")
HIDDEN: Final = re.compile(
    f"[\U000e0020-\U000e007f]{{{HIDDEN_RUN}}}|[\u200b\u200c\u200d\u2060-\u2064]{{{HIDDEN_RUN}}}"
)


def _words(*groups: str) -> str:
    return GAP.join(f"(?:{group})" for group in groups)


EARLIER: Final = (
    "previous|prior|above|earlier|preceding|foregoing|original|initial|system|existing|developer|other"
)
RULED: Final = (
    "instructions?|prompts?|directions?|directives?|rules|guidelines|commands|guardrails|restrictions"
    "|programming|training"
)
ALL_OF: Final = rf"(?:(?:all|any|each|every|of|the|your|my|our|these|those|its){GAP}){{0,3}}"
PEOPLE: Final = (
    "users?|humans?|persons?|operators?|developers?|maintainers?|anyone|anybody|owners?|reviewers?|people"
)
THE: Final = rf"(?:(?:the|your|any|to|this|about|it|that){GAP}){{0,3}}"
SECRETS: Final = re.compile(
    r"(?<![^\W_])(?:the|your|all|any|my|its)[\s\W_]{1,12}(?:[^\W_]{1,20}[\s\W_]{1,12}){0,4}?(?:api[\s_-]?keys?|secrets?|credentials?|tokens?|passwords?|environment[\s_]variables?|env(?:ironment)?[\s_]vars?"
    r"|ssh[\s_-]?keys?|private[\s_-]?keys?|env|id_rsa|id_ed25519|credentials|system[\s_]prompt|conversation)(?![^\W_])"
)

PATTERNS: Final = {
    "override-instructions": (
        r"\b(?:ignore|disregard|forget|override|bypass|discard)"
        rf"{GAP}{ALL_OF}(?:{EARLIER}){GAP}(?:(?:system|safety|developer|user){GAP})?(?:{RULED})(?![^\W_])"
        rf"|\b(?:ignore|disregard|forget){GAP}(?:everything|anything|all){GAP}"
        rf"(?:{_words('you', 'were|was|have been|had been', 'told|instructed|given|asked')}"
        rf"|(?:that{GAP})?(?:(?:is|was|came|comes|stands){GAP})?(?:above|before{GAP}this)\b(?!{GAP}(?:level|threshold|zero|the)))"
        rf"|\bstop{GAP}following{GAP}(?:the|your|any){GAP}(?:{EARLIER}){GAP}(?:{RULED})\b"
    ),
    "new-role": (
        rf"\byou{GAP}are{GAP}(?:now|no{GAP}longer){GAP}(?:(?:a|an|the|in|bound|operating|acting|running){GAP}){{0,2}}"
        r"(?:dan|jailbroken|unrestricted|unfiltered|uncensored|root|developer[\s_-]mode|god[\s_-]mode|admin(?:istrator)?"
        r"[\s_-]mode|by\b|different[\s_-](?:ai|assistant)|new[\s_-](?:ai|assistant)|evil)"
        rf"|\b(?:act|behave|respond){GAP}as{GAP}(?:(?:a|an|if){GAP}){{0,2}}(?:unrestricted|unfiltered|uncensored|jailbroken|dan\b)"
        rf"|\byour{GAP}(?:new|real|true|actual|updated){GAP}(?:task|instructions?|goal|objective|mission|role|system{GAP}prompt)"
        rf"{GAP}(?:is|are)\b"
        rf"|\b(?:new|updated){GAP}(?:system{GAP})(?:instructions?|prompt|message)\s{{0,3}}:"
        rf"|\b(?:enter|enable|activate){GAP}(?:developer|debug|god|jailbreak|dan){GAP}mode{GAP}and\b"
    ),
    "speaks-to-the-agent": (
        rf"\b(?:if|when|since|as){GAP}you(?:{GAP}are|{GAP}re){GAP}(?:an?{GAP})?(?:ai|llm|language{GAP}model|coding{GAP}agent"
        rf"|ai{GAP}(?:agent|assistant)|large{GAP}language{GAP}model|automated{GAP}agent|coding{GAP}assistant)\b"
        rf"|\b(?:attention|important|note|notice|message|instructions?|hey|dear){GAP}(?:(?:to|for|all|any|the){GAP}){{0,2}}"
        rf"(?:ai|llm|ai{GAP}(?:agents?|assistants?)|llms|language{GAP}models?|coding{GAP}(?:agents?|assistants?)|claude|chatgpt"
        r"|copilot|codex)\s{0,3}[:,!\u2014-]"
        rf"|\b(?:ai|llm|coding){GAP}(?:agents?|assistants?|models?){GAP}(?:reading|processing|parsing|working|that{GAP}reads?)"
        rf"{GAP}[\w\s]{{0,40}}?(?:must|should|shall|please|are{GAP}required)\b"
    ),
    "hides-from-people": (
        rf"\b(?:do{GAP}not|don{GAP}?t|never|must{GAP}not|without){GAP}(?:tell|telling|inform|informing|mention|mentioning|alert"
        rf"|alerting|notify|notifying|reveal|revealing|disclose|disclosing|show|showing){GAP}{THE}(?:{PEOPLE})\b"
        rf"(?!{GAP}(?:experience|interface|agent|input|names?|ids?|table|s{GAP}))"
        rf"|\b(?:do{GAP}not|don{GAP}?t|never|without){GAP}(?:ask|asking){GAP}{THE}(?:{PEOPLE}){GAP}(?:for{GAP})?(?:any{GAP})?"
        r"(?:confirmation|permission|approval|consent|first)\b"
        rf"|\bkeep{GAP}(?:this|it){GAP}(?:secret|hidden|confidential){GAP}from{GAP}(?:the|your){GAP}(?:{PEOPLE})\b"
    ),
    "asks-for-the-prompt": (
        rf"\b(?:reveal|print|repeat|show|output|disclose|tell{GAP}me){GAP}(?:me{GAP})?(?:verbatim{GAP})?(?:your|the){GAP}"
        rf"(?:full{GAP}|entire{GAP}|complete{GAP}|hidden{GAP}|secret{GAP}){{0,2}}(?:system|initial|hidden|original){GAP}"
        r"(?:prompt|instructions|message)\b"
    ),
}  # fmt: skip
FORGED: Final = re.compile(
    r"<\|(?:im_start|im_end|system|endoftext|start_header_id|eot_id)\|>|(?<!\w)\[/?INST\]|<<SYS>>|</?system-reminder>"
    r"|<(?:system|assistant)>\s{0,5}[A-Z]|\[\s?(?:(?i:system[\s_](?:message|override|prompt)))\s?\]"
    r"|(?i:begin[\s_](?:new[\s_])?system[\s_]prompt)"
    r"|^[ \t]{0,8}(?:#{1,4}[ \t]{0,2}(?:System|SYSTEM)|(?:#{1,4}[ \t]{0,2})?(?i:system|assistant)[ \t]{0,2}"
    r"(?i:prompt|message|override|instructions?))[ \t]{0,2}:",
    re.MULTILINE,
)
SENDS: Final = re.compile(
    r"(?<![^\W_])(?:send|post|upload|exfiltrate|forward|leak|e-?mail|transmit|submit|append|include|paste|encode)(?![^\W_])"
)
PLACES: Final = re.compile(
    r"https?:|ftp:|www\.|[^\W_]@|\b(?:the[\s\W_]{1,4}following|this[\s\W_]{1,4}(?:url|address|endpoint|server)"
    r"|pull[\s\W_]{1,4}request|issue|comment|commit)\b"
)
READS: Final = re.compile(
    r"(?<![^\W_])(?:cat|read|print|dump)[\s\W_]{1,12}(?:[^\W_]{1,20}[\s\W_]{1,12}){0,3}?(?:env|id_rsa|credentials)(?![^\W_])"
)
SENDS_ON: Final = re.compile(r"\b(?:and|then)\b[^\n]{0,40}?\b(?:send|post|upload|curl|include|paste)\b")
NEAR: Final = 80  # characters around one part of such an order in which the others are looked for
COMPILED: Final = {rule: re.compile(pattern) for rule, pattern in PATTERNS.items()}
MARKERS: Final = {
    "override-instructions": ("ignore", "disregard", "forget", "override", "bypass", "discard", "stop"),
    "new-role": ("you", "act", "behave", "respond", "new", "updated", "enable", "enter"),
    "asks-for-the-prompt": ("prompt", "instructions", "message"),
}
"""Words of which a text without any holds no such phrase, which is quick to find out."""


def find_injections(text: str, limit: int = TEXT_LIMIT) -> Iterator[Match]:
    """Yield each phrase of that kind in the first `limit` characters, each rule at most once."""
    text = text[:limit]
    if hidden := HIDDEN.search(text):
        yield Match("hidden-text", f"{HIDDEN_RUN} invisible characters in a row, or more", *hidden.span())
    visible = INVISIBLE.sub("", text)
    low = lower(visible)
    for rule, pattern in COMPILED.items():
        if any(marker in low for marker in MARKERS.get(rule, ("",))) and (found := pattern.search(low)):
            yield Match(rule, _around(visible, *found.span()), *found.span())
    if found := FORGED.search(visible):
        yield Match("forged-turn", _around(visible, *found.span()), *found.span())
    if span := _sends_secrets(low):
        yield Match("sends-secrets", _around(visible, *span), *span)


def _sends_secrets(text: str) -> tuple[int, int] | None:
    """Return where a text wants something secret sent somewhere."""
    for what in SECRETS.finditer(text):
        begins = text.rfind("\n", max(0, what.start() - NEAR), what.start()) + 1 or max(
            0, what.start() - NEAR
        )
        verb = SENDS.search(text, begins, what.start())
        if verb and PLACES.search(text, what.end(), _rest_of_line(text, what.end())):
            return verb.start(), what.end()
    for what in READS.finditer(text):
        if SENDS_ON.search(text, what.end(), _rest_of_line(text, what.end())):
            return what.span()
    return None


def _rest_of_line(text: str, start: int) -> int:
    end = text.find("\n", start, start + NEAR)
    return min(len(text), start + NEAR) if end < 0 else end


def _around(text: str, start: int, end: int) -> str:
    """Return the phrase with its neighbours."""
    return without_secrets(text[max(0, start - SHOWN) : min(len(text), end + SHOWN)])
