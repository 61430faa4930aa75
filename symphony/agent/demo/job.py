"""One issue's work by the demo agent: test, look, change, test again, commit, report.

It holds what a session remembers between its turns. It never pretends: whatever does not fit is
said and asked.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from symphony.agent.demo.edits import DoesNotFit, Edit, inside, plan_edits, write_edit
from symphony.agent.demo.instructions import (
    REPLY_MARK,
    TITLE_LENGTH,
    Instructions,
    NotUnderstood,
    Patch,
    find_reply,
    parse_instructions,
)
from symphony.agent.demo.reporter import Reporter
from symphony.agent.demo.shell import Ran, Shell, detect_test
from symphony.agent.demo.text import one_line
from symphony.agent.demo.voice import Voice

INTRODUCTION = (
    "I am symphony's demo agent. I have no model and make nothing up: I follow the instructions that are"
    " written in the issue."
)
NO_INSTRUCTIONS = (
    "I found no change that I could make: the issue has no fenced block that I understand (diff, file,"
    " replace, or a language with a path). What is to be changed?"
)
STEPS = (
    "Run the tests",
    "Look up what the issue names",
    "Make the changes",
    "Run the tests again",
    "Commit",
    "Report",
)
OUTPUT_ASKED = 1_500  # characters of a test's output in a question
NAMES_LOOKED_UP = 5  # functions; an issue may quote many words


class Stuck(Exception):
    """The work cannot go on without a person.

    Attributes:
        question: for the person.
        context: what is needed to answer it.
    """

    def __init__(self, question: str, context: str = "") -> None:
        super().__init__(question)
        self.question = question
        self.context = context


class Job:
    """What one session does over its turns."""

    def __init__(self, cwd: Path, title: str, voice: Voice, reporter: Reporter) -> None:
        """Take the workspace, the issue's title if it is known, and the ways to speak."""
        self._cwd = cwd
        self._known_title = title
        self._voice = voice
        self._reporter = reporter
        self._shell = Shell(cwd)
        self._instructions = Instructions()
        self._introduced = False
        self._asked = False
        self._reported = False
        self._reply: str | None = None

    async def turn(self, prompt: str) -> None:
        """Do what one prompt asks for."""
        if not self._introduced:
            await self._voice.say(INTRODUCTION)
            self._introduced = True
        try:
            self._take(prompt)
            await self._work(prompt)
        except NotUnderstood as error:
            await self._ask(f"I do not understand a change in the issue: {error}. How is it meant?", "")
        except Stuck as stuck:
            await self._ask(stuck.question, stuck.context)

    def _take(self, prompt: str) -> None:
        """Remember what a prompt brings: instructions, a person's answer, or both."""
        answer = find_reply(prompt)
        told = parse_instructions(prompt)
        if told.question is not None and told.question != self._instructions.question:
            self._reply = None  # the answer to another question
        if told.changes or told.question or told.test:
            known = self._instructions  # an edited issue comes without the words around it
            self._instructions = replace(
                told, title=told.title or known.title, to_state=told.to_state or known.to_state
            )
        elif told.title and not self._instructions.title:
            self._instructions = replace(self._instructions, title=told.title)
        if answer is None and self._asked and not told.changes:
            answer = prompt.strip()  # a client without symphony's frame around a reply
        if answer is not None:
            self._reply, self._asked = answer, False
            brought = parse_instructions(answer)
            if brought.changes:
                self._instructions = replace(
                    self._instructions, changes=brought.changes, test=brought.test or self._instructions.test
                )
                self._reported = False

    async def _work(self, prompt: str) -> None:
        wanted = self._instructions
        if wanted.question is not None and self._reply is None:
            raise Stuck(wanted.question, "The issue says to ask this before any work.")
        if self._reported:
            raise Stuck(
                "I have done all that the issue describes, and it is still open. What else is to be changed?",
                prompt,
            )
        if not wanted.changes:
            raise Stuck(NO_INSTRUCTIONS)
        if wanted.needs_reply:
            if self._reply is None:
                raise Stuck(
                    f"The issue's change has a place for an answer ({REPLY_MARK}). What stands there?"
                )
            wanted = wanted.with_reply(self._reply)
        await self._follow(wanted)

    async def _follow(self, wanted: Instructions) -> None:
        test = wanted.test or detect_test(self._cwd)
        await self._voice.plan(STEPS, 0)
        before = await self._test(test)
        if before is not None and before.ok:
            await self._voice.say("The tests pass before the change; they do not show what is wrong.")
        await self._voice.plan(STEPS, 1)
        await self._look_up(wanted)
        await self._voice.plan(STEPS, 2)
        paths = await self._change(wanted)
        await self._voice.plan(STEPS, 3)
        after = await self._test(test)
        if after is not None and not after.ok:
            raise Stuck(
                f"I made the changes of the issue, and `{test}` still fails ({after.verdict})."
                " What is to be changed?",
                after.output[-OUTPUT_ASKED:],
            )
        await self._voice.plan(STEPS, 4)
        title = one_line(self._known_title or wanted.title or "Follow the issue's instructions", TITLE_LENGTH)
        committed = await self._commit(title, paths)
        await self._voice.plan(STEPS, 5)
        await self._report(wanted.to_state, title, _summary(paths, test, before, after, committed))
        await self._voice.plan(STEPS, 6)

    async def _test(self, command: str | None) -> Ran | None:
        if command is None:
            await self._voice.say("I know of no tests here: the issue has no `Test:` line, and I found none.")
            return None
        call = await self._voice.start(command, "execute")
        ran = await self._shell.run(command)
        await self._voice.ran(call, ran)
        return ran

    async def _look_up(self, wanted: Instructions) -> None:
        """Show where the named functions and classes are."""
        for name in wanted.names[:NAMES_LOOKED_UP]:
            call = await self._voice.start(f"Find {name}", "search")
            pattern = rf"\b(def|class|function|func|fn) +{name}\b"
            found = await self._shell.git("grep", "--line-number", "--extended-regexp", pattern)
            await self._voice.ended(
                call, found.ok, found.output if found.ok else "not found in the files that git knows"
            )

    async def _change(self, wanted: Instructions) -> tuple[str, ...]:
        """Make every change, or none; return the paths."""
        try:
            edits = plan_edits(self._cwd, tuple(c for c in wanted.changes if not isinstance(c, Patch)))
        except DoesNotFit as error:
            raise Stuck(f"I cannot make the change: {error}. What is to be changed instead?") from error
        patches = [change for change in wanted.changes if isinstance(change, Patch)]
        fresh = [patch for patch in patches if not await self._is_applied(patch)]
        for patch in fresh:
            checked = await self._shell.git("apply", "--check", "-", stdin=patch.text.encode())
            if not checked.ok:
                raise Stuck(
                    "I cannot apply the issue's diff: it does not fit. What is to be changed?", checked.output
                )
        for edit in edits:
            await self._write(edit)
        for patch in fresh:
            call = await self._voice.start("git apply", "edit")
            await self._voice.ran(
                call, await self._shell.git("apply", "--verbose", "-", stdin=patch.text.encode())
            )
        paths = [edit.path for edit in edits]
        for patch in patches:
            paths += await self._paths_of(patch)
        return tuple(dict.fromkeys(paths))

    async def _write(self, edit: Edit) -> None:
        if edit.changes_something:
            write_edit(self._cwd, edit)
            await self._voice.edited(str(inside(self._cwd, edit.path)), edit)

    async def _is_applied(self, patch: Patch) -> bool:
        """Say whether an earlier attempt has made this change."""
        return (await self._shell.git("apply", "--check", "--reverse", "-", stdin=patch.text.encode())).ok

    async def _paths_of(self, patch: Patch) -> list[str]:
        listed = await self._shell.git("apply", "--numstat", "-z", "-", stdin=patch.text.encode())
        return [entry.split("\t", 2)[2] for entry in listed.output.split("\0") if entry.count("\t") >= 2]

    async def _commit(self, title: str, paths: tuple[str, ...]) -> bool:
        """Commit these paths; say whether there was anything to commit."""
        call = await self._voice.start(f"git commit: {title}", "execute")
        added = await self._shell.git("add", "--all", "--", *paths)
        if added.ok and (await self._shell.git("diff", "--cached", "--quiet")).ok:
            await self._voice.ended(call, True, "nothing to commit: the branch has it already")
            return False
        ran = (
            await self._shell.commit(title, "Made by symphony's demo agent as the issue says.")
            if added.ok
            else added
        )
        await self._voice.ran(call, ran)
        if not ran.ok:
            raise Stuck("I made the change, and git refuses to commit it. What is to be done?", ran.output)
        return True

    async def _report(self, to_state: str | None, title: str, summary: str) -> None:
        if to_state is None:
            answer = await self._reporter.call("mark_done", {"title": title, "summary": summary})
            problem = "I could not report that I am done"
        else:
            answer = await self._reporter.call("transition", {"to_state": to_state, "notes": summary})
            problem = "I could not pass the issue on"
        self._reported = not answer.failed
        await self._voice.say(summary if self._reported else f"{problem}: {answer.text}")

    async def _ask(self, question: str, context: str) -> None:
        arguments = {"question": question} | ({"context": context} if context.strip() else {})
        answer = await self._reporter.call("request_human_steering", arguments)
        self._asked = not answer.failed
        await self._voice.say(
            question if self._asked else f"I could not ask a person: {answer.text} ({question})"
        )


def _summary(
    paths: tuple[str, ...], test: str | None, before: Ran | None, after: Ran | None, committed: bool
) -> str:
    changed = f"Made the changes that the issue describes in {', '.join(paths)}"
    changed += "." if committed else ", which an earlier attempt had committed."
    if test is None or before is None or after is None:
        return f"{changed} There were no tests to run."
    was = "passed" if before.ok else "failed"
    return f"{changed} `{test}` {was} before and passes now."
