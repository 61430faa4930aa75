"""An attempt's wait for a person, and the sleep of its machine meanwhile.

The conversation waits here and nowhere else. Nothing is lost whatever happens: the reply is in the
store, and it stays unused there until a turn has carried it.
"""

import asyncio
from datetime import timedelta

from symphony.core.errors import SymphonyError
from symphony.core.event import AttemptWaits
from symphony.core.ports import Machine
from symphony.core.steering import SteeringRequest
from symphony.engine.context import AttemptContext
from symphony.engine.machine_watch import MachineWatch
from symphony.engine.patience import done_within

PAUSE_AFTER = timedelta(seconds=60)  # a quick answer pays neither for the sleep nor for the waking
HOLD_AWAKE = timedelta(hours=1)  # a waiting agent costs memory; after this a reply starts a new one
HOLD_ASLEEP = timedelta(
    hours=24
)  # a sleeping one costs disk alone: the evening's question, tomorrow's answer


class Wait:
    """The waits of one attempt.

    Attributes:
        slept: whether the machine slept in the last one, so that the pipe to the agent may be broken.
    """

    def __init__(self, context: AttemptContext, machine: Machine | None) -> None:
        """Take the attempt, and the machine that may sleep if there is one."""
        self._machine = machine
        self._control = context.control
        self._clock = context.ports.clock
        self._log = context.ports.log
        self._mailbox = context.mailbox
        self._progress = context.progress
        self._told = False
        self.slept = False

    async def for_reply(self) -> SteeringRequest | None:
        """Return the reply; None when the attempt is to be released, for a reply that comes to another.

        Cancellation: the machine stays as it is, for the sandbox to end it.
        """
        self.slept = False
        await self._mailbox.put(AttemptWaits(self._progress.issue_id, self._progress.attempt_id))
        answer = asyncio.create_task(self._control.reply())
        try:
            if self._machine is not None and not await done_within(answer, self._clock, PAUSE_AFTER):
                self.slept = await self._put_to_sleep(self._machine)
            hold = HOLD_ASLEEP if self.slept else HOLD_AWAKE
            if not await done_within(answer, self._clock, hold):
                return None
            if self._machine is not None and self.slept and not await self._wake(self._machine):
                return None
            return answer.result()
        finally:
            answer.cancel()
            await asyncio.wait({answer})

    async def _put_to_sleep(self, machine: Machine) -> bool:
        try:
            await machine.pause()
        except SymphonyError as error:
            if not self._told:  # no fault: engines cannot pause every machine
                text = f"not paused, it waits on in memory: {error}"
                self._progress.run_log.append("machine", name=machine.name, text=text)
                self._log.info("machine.not_paused", issue=self._progress.issue_id, reason=str(error))
            self._told = True
            return False
        await self._note(machine, "paused: its memory is on disk until the reply is there")
        return True

    async def _wake(self, machine: Machine) -> bool:
        try:
            await machine.resume()
        except SymphonyError as error:
            message = f"{error} The reply starts a new attempt."
            self._progress.run_log.append("problem", step="resume_machine", message=message)
            self._log.warning("machine.not_resumed", issue=self._progress.issue_id, reason=str(error))
            return False
        await self._note(machine, "resumed")
        return True

    async def _note(self, machine: Machine, text: str) -> None:
        self._progress.run_log.append("machine", name=machine.name, text=text)
        await MachineWatch(machine, self._progress, self._log).look()
