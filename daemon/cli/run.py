"""`triaged run`: the daemon, in the foreground, as systemd wants it."""

import asyncio
import signal
from pathlib import Path

from daemon.cli.output import ConfigOption, resolve_config


def command(config: ConfigOption = None) -> None:
    """Run the daemon until SIGTERM; SIGHUP loads the configuration again."""
    asyncio.run(_serve(resolve_config(config)))


async def _serve(directory: Path) -> None:
    import structlog

    from daemon.main import Daemon
    from daemon.watch import logs
    from daemon.watch.notify import Notifier
    from tools.errors import TriagedError
    from tools.located import Faults

    notifier = Notifier()
    daemon = Daemon(directory)
    logs.configure(daemon.config.watch)
    log = structlog.get_logger()
    loop = asyncio.get_running_loop()
    stopping, reloading = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    async with daemon:
        notifier.ready("reading " + ", ".join(daemon.doors))
        log.info("daemon.ready", release=daemon.release.id[:12], mailboxes=list(daemon.doors))
        beat = asyncio.create_task(_beat(notifier))
        while not stopping.is_set():
            await _either(stopping, reloading)
            if reloading.is_set():
                reloading.clear()
                notifier.reloading()
                try:
                    await daemon.reload()
                    log.info("daemon.reloaded", release=daemon.release.id[:12])
                except Faults as error:
                    log.error("daemon.reload-refused", faults=[str(fault) for fault in error.faults])  # noqa: TRY400 - the faults are the whole story
                except (OSError, TriagedError) as error:
                    log.error("daemon.reload-refused", why=str(error))  # noqa: TRY400 - the sentence is the whole story
                notifier.ready()
        beat.cancel()
        notifier.stopping()
        log.info("daemon.stopping")


async def _beat(notifier: "object") -> None:
    """Feed the watchdog from the loop that does the work."""
    from daemon.watch.notify import Notifier

    assert isinstance(notifier, Notifier)
    while notifier.watchdog_interval:
        notifier.alive()
        await asyncio.sleep(notifier.watchdog_interval)


async def _either(*events: asyncio.Event) -> None:
    tasks = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
