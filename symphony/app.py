"""The composition root: the only module that knows every concrete class.

`run_daemon` is one screen of acquiring in order; leaving it releases in reverse.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from symphony.agent.advertised import Advertised
from symphony.agent.credentials.watch import CredentialWatch
from symphony.agent.registry import AcpAgents
from symphony.core.errors import SymphonyError
from symphony.core.event import Ticked
from symphony.core.installation import Installation
from symphony.core.ports import Meters
from symphony.core.restore import restore
from symphony.engine.beside import open_beside
from symphony.engine.branches import TrackedBranches
from symphony.engine.editing import TrackedEditing
from symphony.engine.mailbox import Mailbox
from symphony.engine.notifier import Notices, open_notices
from symphony.engine.operations import EngineOperations
from symphony.engine.orchestrator import Orchestrator
from symphony.engine.ports import Log, Ports
from symphony.engine.retention import Retention, open_retention
from symphony.engine.supervisor import Supervisor
from symphony.engine.tracking import Tracking
from symphony.engine.train_desk import EngineTrainDesk
from symphony.engine.way_back import PullRequestWatch
from symphony.engine.workflow_desk import EngineWorkflowDesk
from symphony.forge.drivers import Forges
from symphony.host.clock import SystemClock
from symphony.host.lock import DaemonLock, hold, publish_daemon
from symphony.host.logging import open_log
from symphony.host.memory import SystemHost
from symphony.host.notice_command import NoticeCommand
from symphony.host.pulse import open_pulse
from symphony.host.tool_command import ToolCommands
from symphony.host.tracing import open_tracing
from symphony.host.watcher import open_watcher
from symphony.mcp_server.gate import Gate
from symphony.mcp_server.socket_folder import open_socket_folder
from symphony.run import EXIT_DONE, Console, Running, RunOptions, last_words, signals_of_a_person
from symphony.sandbox.drivers import Drivers, disk_places, isolation_of
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.store.exchange import StoreExchange
from symphony.store.run_log import FileRunLogs
from symphony.store.sqlite import open_store
from symphony.tracker.local import LocalTracker
from symphony.upkeep import storages_of
from symphony.web.listener import open_listener
from symphony.web.metrics import Metrics
from symphony.web.surface import Surface
from symphony.web.webhook import Webhook, page_url
from symphony.workflow.file import WorkflowFile
from symphony.workflow.prompts import LiquidPrompts
from symphony.workflow_source import WorkflowSource, open_reloading
from symphony.workspace.workspaces import GitWorkspaces


async def run_daemon(options: RunOptions, environ: Mapping[str, str], console: Console) -> int:
    """Run until a signal, or until idle; return the exit status [CONTRACT 1.1, 1.2].

    Raises:
        SymphonyError: what kept it from starting, with its remedy.
    """
    file = WorkflowFile(options.workflow, environ)
    source = WorkflowSource(file, options.sandbox, environ, port=options.port)
    workflow = await source.start()
    settings = workflow.settings
    installation = Installation.beside(workflow.path)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        lock = stack.enter_context(hold(DaemonLock(installation, settings.tracker.root, clock.now())))
        log = await stack.enter_async_context(
            open_log(
                installation.log_file,
                verbose=options.verbose,
                secrets=workflow.secrets,
                now=clock.now,
                most_bytes=settings.retention.logs_bytes,
            )
        )
        source.hide = log.hide
        exchange = StoreExchange(installation.database)
        stack.push_async_callback(_exchange_store, exchange, log, console)
        store = await stack.enter_async_context(open_store(installation.database))
        memory = await store.load()
        labels = {"installation": await store.installation_id()}
        drivers = Drivers(installation.guest_kit, environ)
        driver = drivers.of(settings.sandbox)
        if isinstance(driver, SmolvmDriver):
            await driver.preflight(settings.smolvm)
        places = {row.sandbox for row in memory.interrupted}
        reaped = await drivers.reap(settings.sandbox, places, labels)
        metrics = Metrics()
        stack.enter_context(open_pulse(asyncio.get_running_loop(), metrics.loop_delayed))
        tracing = await stack.enter_async_context(open_tracing(environ, labels["installation"]))
        mailbox = Mailbox()
        tracker = LocalTracker(settings.tracker.root, lambda: orchestrator.state.states, now=clock.now)
        tracking = Tracking(
            tracker, mailbox, clock, lambda said: log.warning("tracker.unreadable", reason=said)
        )
        sockets = stack.enter_context(
            open_socket_folder(f"{labels['installation']} {installation.root.resolve()}", environ)
        )
        gate = Gate(lambda: listener.url, host_url=settings.mcp.host_url, sockets=sockets)
        workspaces = GitWorkspaces(installation, labels)
        agents = AcpAgents(clock=clock, environ=environ, advertised=Advertised(installation.adapters_file))

        def warn_of_run_log(said: str) -> None:
            log.warning("run_log.broken", reason=said)
            orchestrator.tell_listeners()

        run_logs = FileRunLogs(
            installation.run_logs,
            clock.now,
            warn_of_run_log,
            largest=lambda: orchestrator.state.workflow.settings.retention.run_log_bytes,
        )
        ports = Ports(
            clock=clock,
            store=store,
            tracker=tracker,
            workspaces=workspaces,
            driver_of=drivers.of,
            agents=agents,
            gate=gate,
            run_logs=run_logs,
            prompts=LiquidPrompts(),
            log=log,
            labels=labels,
            host=SystemHost(),
            disk_places=lambda settings: tuple(disk_places(settings, installation, environ).values()),
            commands=ToolCommands(workflow.path.parent, environ),
            forge_of=Forges(environ).of,
            meter=Meters(metrics, *([] if tracing is None else [tracing])),
        )
        supervisor = Supervisor(ports, mailbox, tracking, await store.totals())
        orchestrator = Orchestrator(
            restore(workflow, memory, clock.now()),
            ports,
            mailbox,
            tracking,
            source,
            supervisor,
            last_run=memory,
            until_idle=options.until_idle,
            tell_person=console.tell,
        )
        retention = Retention(
            lambda: orchestrator.state,
            storages_of(
                installation, environ, workspaces, lambda said: log.warning("retention.hook", reason=said)
            ),
            store,
            clock,
            log,
            ready=lambda: orchestrator.scanned,
            held_back=lambda: supervisor.held_back,
            holding_back=supervisor.holding_back,
        )

        def tell_of_train(said: str) -> None:
            log.info("train.reset", reason=said)
            orchestrator.tell_listeners()

        operations = EngineOperations(orchestrator, installation.run_logs, exchange)
        listener = await stack.enter_async_context(
            open_listener(
                Surface(
                    operations,
                    gate,
                    TrackedEditing(tracker, tracking),
                    EngineWorkflowDesk(orchestrator, source),
                    TrackedBranches(orchestrator, workspaces),
                    retention,
                    EngineTrainDesk(
                        lambda: orchestrator.state.workflow.settings,
                        workspaces.train,
                        store,
                        clock,
                        tell_of_train,
                    ),
                    metrics,
                ),
                host=settings.server.host,
                port=settings.server.port or 0 if options.port is None else options.port,
                token=settings.server.token,
                allowed_hosts=settings.mcp.hosts,
            )
        )
        notices = Notices(
            lambda: orchestrator.state.workflow.settings.notify,
            operations.snapshot,
            store,
            clock,
            log,
            {"command": NoticeCommand(workflow.path.parent, environ), "webhook": Webhook()},
            lambda issue_id: page_url(listener.url, issue_id),
            orchestrator.tell_listeners,
        )
        agents.logins.hiders += [source.keep_secret, run_logs.hide]
        credentials = CredentialWatch(
            lambda: orchestrator.state.workflow.settings, agents.logins, log, orchestrator.tell_listeners
        )
        pull_requests = PullRequestWatch(orchestrator, operations, workspaces.conflicts)
        orchestrator.more_problems = lambda: (
            *notices.problems(),
            *run_logs.problems(),
            *credentials.problems(),
            *pull_requests.problems(),
        )
        await stack.enter_async_context(open_beside(credentials.run(), log, "credentials.crashed"))
        await stack.enter_async_context(open_beside(pull_requests.run(), log, "pull_requests.crashed"))
        operations.subscribe(notices.notice)
        await stack.enter_async_context(open_notices(notices))
        await stack.enter_async_context(open_retention(retention))
        publish_daemon(installation, listener.url)
        tracking.watch = await stack.enter_async_context(
            open_watcher([settings.tracker.root], tracking.notice, subfolders=True)
        )
        await stack.enter_async_context(open_reloading(workflow.path, lambda: mailbox.offer(Ticked())))
        stack.enter_context(signals_of_a_person(mailbox, console))
        for line in reaped:
            log.warning("reaped", what=line)
        log.info("daemon.ready", url=listener.url, workflow=str(workflow.path))
        isolation = isolation_of(settings.sandbox)
        log.warning("sandbox.isolation", sandbox=settings.sandbox, promise=isolation)
        console.ready(Running(workflow, installation, listener.url, isolation, lock.notes))
        async with _warming(gate, agents, source, mailbox):
            verdict = await orchestrator.run()
        log.info("daemon.stopped", verdict=verdict.value)
    if exchange.chosen is not None:
        return await run_daemon(options, environ, console)
    return last_words(verdict, console) if options.until_idle else EXIT_DONE


async def _exchange_store(exchange: StoreExchange, log: Log, console: Console) -> None:
    """Put the store that a person chose in place of this one, which is closed."""
    if exchange.chosen is None:
        return
    try:
        kept = await asyncio.to_thread(exchange.make)
    except SymphonyError as error:
        log.error("store.not_restored", code=error.code, reason=str(error))
        console.tell(f"the store is as it was: {error}")
    else:
        log.info("store.restored", copy=exchange.chosen, kept=str(kept or ""))
        console.tell("the store is put back from a copy" + (f"; as it was, it is {kept}" if kept else ""))


@asynccontextmanager
async def _warming(
    gate: Gate, agents: AcpAgents, source: WorkflowSource, mailbox: Mailbox
) -> AsyncIterator[None]:
    """Import what is slow in a thread once the listener is up, so that nobody waits for it."""

    async def warm() -> None:
        await source.check_first_prompt()
        mailbox.offer(Ticked())
        await gate.warm()
        await agents.preload()

    task = asyncio.create_task(warm())
    try:
        yield
    finally:
        await asyncio.wait({task})
        task.result()
