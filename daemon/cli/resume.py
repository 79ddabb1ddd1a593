"""`triaged resume`: what was paused goes on."""

from daemon.cli.pause import command_resume as command

__all__ = ["command"]
