"""The commands of ``bot4``, one a file: each has an ``app`` and a row in `pipelines.cli.COMMANDS`."""
