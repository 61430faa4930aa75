"""Shell commands that destroy or escape: each rule looks at commands that were taken apart, not at a text.

So `echo "rm -rf /"` is no finding and `sudo env A=b sh -c 'rm -r ~'` is one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from symphony.core.guard.finding import Match
from symphony.core.guard.paths import is_device, is_home, is_system, is_whole, strip_slashes
from symphony.core.guard.secrets import without_secrets
from symphony.core.guard.shell import COMMAND_LIMIT, SHELLS, Simple, parse_shell
from symphony.core.text import one_line

SHOWN: Final = 100  # characters of a command
INTERPRETERS: Final = re.compile(r"python[\d.]*|perl|ruby|node|nodejs|php|lua|deno|bun|pwsh|osascript")
FETCHERS: Final = frozenset({"curl", "wget", "fetch", "http", "https", "aria2c", "lynx", "ftp"})
DECODERS: Final = frozenset({"base64", "base32", "xxd", "openssl", "uudecode", "gpg"})
FORK_BOMB: Final = re.compile(
    r"(?<![\w:.])(?P<name>[\w:.]{1,20})\(\)\{(?P=name)\|(?P=name)&\};?(?P=name)(?![\w:.])|\$0\|\$0&"
    r"|while(?:True|1|\(1\)|\(true\)):?;?(?:\w{1,10}\.)?fork\(\)|forkwhile(?:fork|1)"
)
REMOVED: Final = re.compile(
    r"(?:rmtree|rm_rf|rm_r|rmSync|removedirs)\(?\s{0,3}[\"'](?P<path>/|~/?|/(?:home|root|etc|usr|var|bin)/?)[\"']"
)
REVERSE: Final = re.compile(r"/dev/(?:tcp|udp)/[\w.$-]{1,100}/")

Rule = Callable[[Simple], bool]


def find_commands(text: str) -> Iterator[Match]:
    """Yield what a command line would destroy or how it would escape, each rule at most once."""
    text = text[:COMMAND_LIMIT]
    seen: set[str] = set()
    for command in parse_shell(text):
        for rule, fits in RULES.items():
            if rule not in seen and fits(command):
                seen.add(rule)
                yield Match(rule, _shown(command))
    if FORK_BOMB.search(re.sub(r"\s", "", text)) and not _is_only_said(text):
        yield Match("fork-bomb", one_line(without_secrets(text[:1_000]), SHOWN))


def _shown(command: Simple) -> str:
    parts = (" ".join(word.text for word in part.words[:40]) for part in (*command.piped, command))
    return one_line(without_secrets(" | ".join(parts)[:1_000]), SHOWN)


def _is_only_said(text: str) -> bool:
    """Say whether the bomb stands in words that a harmless command gets."""
    squeezed = (
        (command.name, re.sub(r"\s", "", " ".join(word.text for word in command.arguments)))
        for command in parse_shell(text)
    )
    return any(name in SPEAKERS and FORK_BOMB.search(words) for name, words in squeezed)


SPEAKERS: Final = frozenset({"echo", "printf", "grep", "rg", "git", "sed", "awk", "gh"})


def _removes_everything(command: Simple) -> bool:
    words = [word.text for word in command.arguments]
    if command.name == "rm":
        if "--no-preserve-root" in words:
            return True
        deep = _has_letter(command, "rR") or "--recursive" in words
        return deep and any(_is_vital(word.text, literal=word.literal) for word in command.arguments)
    if command.name == "find":
        ends = "-delete" in words or any(
            name in words[at + 1 : at + 4] for at, word in enumerate(words) if word.startswith("-exec")
            for name in ("rm", "shred", "unlink")
        )  # fmt: skip
        roots = _leading(command)
        narrowed = any(word in words for word in ("-name", "-iname", "-path", "-regex", "-newer", "-mtime"))
        return ends and not narrowed and any(_is_vital(word) for word in roots)
    if command.name in ("mv", "rsync") and command.arguments:
        into_nothing = words[-1] == "/dev/null" or "--delete" in words
        vital = words[:-1] if command.name == "mv" else words[-1:]
        return into_nothing and any(_is_vital(word) for word in vital)
    return bool(INTERPRETERS.fullmatch(command.name)) and any(REMOVED.search(word[:4_000]) for word in words)


def _is_vital(word: str, *, literal: bool = False) -> bool:
    """Say whether a word names the root, a home, or what a system is made of, as a whole."""
    if literal and word.startswith(("~", "$")):
        return False
    whole = strip_slashes(word)
    return is_whole(whole) or is_home(whole) or (is_system(whole) and whole.count("/") <= 2)


def _writes_disk(command: Simple) -> bool:
    words = [word.text for word in command.arguments]
    name = command.name
    if any(each.writes and is_device(each.target.text) for each in command.redirections):
        return True
    match name:
        case "dd":
            return any(word.startswith("of=") and is_device(word[3:]) for word in words)
        case "tee" | "shred" | "wipefs" | "blkdiscard" | "mkswap" | "badblocks":
            return any(is_device(word) for word in words)
        case "sgdisk" | "sfdisk" | "parted":
            reads = {"-l", "--list", "-p", "--print", "print", "-n", "--no-act", "-d", "--dump"}
            return any(is_device(word) for word in words) and not reads & set(words)
        case "cp" | "mv" | "install":
            return bool(words) and is_device(words[-1])
        case "fdisk" | "cfdisk" | "gdisk":
            return any(is_device(word) for word in words) and "-l" not in words
        case "cryptsetup":
            return any(word in ("luksFormat", "erase", "luksErase") for word in words)
        case "lvremove" | "vgremove" | "pvremove":
            return True
        case "zpool" | "zfs":
            return words[:1] == ["destroy"]
        case "hdparm" | "nvme":
            return any(word.startswith(("--security-erase", "format")) for word in words)
        case "diskutil":
            return bool(words) and words[0].lower().startswith(("erase", "partition", "zero", "secureerase"))
        case _:
            return name.startswith("mkfs") and any(is_device(word) for word in words)


def _pipes_to_shell(command: Simple) -> bool:
    if _runs_its_input(command) and any(_fetches(part) for part in command.piped):
        return True
    runs = command.name in SHELLS or command.name in ("eval", "source", ".") or _is_interpreter(command)
    texts = [each.target for each in command.redirections if not each.writes]
    return runs and any(
        _fetches(inner)
        for word in (*command.arguments, *texts)
        for text in word.inner
        for inner in parse_shell(text)
    )


def _decodes_to_shell(command: Simple) -> bool:
    return _runs_its_input(command) and any(_decodes(part) for part in command.piped)


def _runs_its_input(command: Simple) -> bool:
    """Say whether it runs as a program what comes by its input."""
    if not command.piped or not (command.name in SHELLS or _is_interpreter(command)):
        return False
    words = [word.text for word in command.arguments]
    if not words or words[0] in ("-", "/dev/stdin"):
        return True
    if command.name in SHELLS:
        return any(re.fullmatch(r"-[a-z]{0,6}s[a-z]{0,6}", word) for word in words) or all(
            word.startswith(("-", "+")) and "c" not in word for word in words
        )
    return False


def _is_interpreter(command: Simple) -> bool:
    return INTERPRETERS.fullmatch(command.name) is not None


def _fetches(command: Simple) -> bool:
    return command.name in FETCHERS


def _decodes(command: Simple) -> bool:
    words = {word.text for word in command.arguments}
    return command.name in DECODERS and bool(
        words & {"-d", "-D", "--decode", "-di", "-r", "-rp", "enc", "--decrypt"}
    )


def _changes_system_permissions(command: Simple) -> bool:
    if command.name not in ("chmod", "chown", "chgrp", "setfacl", "chattr"):
        return False
    deep = _has_letter(command, "R") or any(word.text == "--recursive" for word in command.arguments)
    targets = [word for word in command.arguments if not word.text.startswith("-")][1:]
    if any(word.text.startswith("--reference") for word in command.arguments):
        targets = [word for word in command.arguments if not word.text.startswith("-")]
    for word in targets:
        whole = strip_slashes(word.text)
        if is_whole(whole) or is_system(whole) or (deep and is_home(whole) and not word.literal):
            return True
    return False


def _opens_a_way_in(command: Simple) -> bool:
    words = [word.text for word in command.arguments]
    if any(REVERSE.search(each.target.text) for each in command.redirections):
        return True
    if command.name in ("nc", "ncat", "netcat", "socat"):
        return any(
            word in ("-e", "-c", "--exec", "--sh-exec") or word.lower().startswith(("exec:", "system:"))
            for word in words
        )
    script = " ".join(words)[:8_000] if _is_interpreter(command) else ""
    return "socket" in script and ("dup2" in script or "/bin/sh" in script)


def _stops_the_machine(command: Simple) -> bool:
    words = [word.text for word in command.arguments]
    match command.name:
        case "shutdown" | "reboot" | "halt" | "poweroff":
            return not {"--help", "--version", "-c"} & set(words)
        case "init" | "telinit":
            return words[:1] in (["0"], ["6"])
        case "systemctl":
            return any(
                word in ("poweroff", "reboot", "halt", "kexec", "rescue", "emergency") for word in words
            )
        case "kill":
            return "-1" in words[1:] or (len(words) > 1 and words[-1] == "1")
        case "killall5":
            return True
        case _:
            return any(
                each.writes and each.target.text in ("/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern")
                for each in command.redirections
            )


def _leaves_its_box(command: Simple) -> bool:
    words = [word.text for word in command.arguments]
    match command.name:
        case "nsenter":
            return any(word in ("-t1", "--target=1") for word in words) or _follows(
                words, ("-t", "--target"), "1"
            )
        case "docker" | "podman" | "nerdctl":
            if not {"run", "create", "exec"} & set(words):
                return False
            mounts = [word.partition("=")[2] or word for word in words]
            return "--privileged" in words or any(
                mount.startswith(("/:/", "/var/run/docker.sock", "/run/docker.sock", "type=bind,source=/,"))
                for mount in mounts
            ) or "--pid=host" in words  # fmt: skip
        case "insmod" | "modprobe" | "kexec" | "pivot_root":
            return bool(words) and not {"--help", "-h", "-n", "--dry-run", "--version"} & set(words)
        case "mount":
            return any(is_device(word) for word in words)
        case "chroot":
            return any(word in ("/host", "/proc/1/root", "/mnt/host", "/hostfs") for word in words)
        case _:
            return False


def _has_letter(command: Simple, letters: str) -> bool:
    return any(
        re.fullmatch(r"-[A-Za-z]{1,12}", word.text) and set(letters) & set(word.text)
        for word in command.arguments
    )


def _leading(command: Simple) -> list[str]:
    roots: list[str] = []
    for word in command.arguments:
        if word.text.startswith(("-", "(", "!")):
            break
        roots.append(word.text)
    return roots


def _follows(words: list[str], names: tuple[str, ...], value: str) -> bool:
    return any(word in names and after == value for word, after in pairwise(words))


RULES: Final[Mapping[str, Rule]] = {
    "removes-everything": _removes_everything,
    "writes-disk": _writes_disk,
    "pipe-to-shell": _pipes_to_shell,
    "decoded-to-shell": _decodes_to_shell,
    "system-permissions": _changes_system_permissions,
    "opens-a-way-in": _opens_a_way_in,
    "stops-the-machine": _stops_the_machine,
    "leaves-its-box": _leaves_its_box,
}
"""Each rule by its name; `fork-bomb`, which is no simple command, comes beside them."""
