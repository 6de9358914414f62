"""Running the commands of the command provider on a remote host."""

from collections.abc import Mapping

from tests.lab.standins import ssh
from tests.lab.standins.command_run import LineLog, Log, outputs_of, previous_outputs
from tests.lab.standins.values import Props, plain


def run_remote(inputs: Props, command: str, previous: Mapping[str, str], log: Log) -> Props:
    """Run `command` over SSH and return its outputs. `previous` are the outputs of the run before; raises CallError."""
    values = plain(inputs)
    transport = ssh.dial(values["connection"], lambda severity, text: log(severity, text, ephemeral=True))
    try:
        with (
            ssh.open_session(
                transport, values.get("environment") or {}, previous_outputs(values, previous), log
            ) as channel,
            LineLog(values.get("logging"), log) as lines,
        ):
            result = ssh.run(channel, command, values.get("stdin") or "", lines.add)
    finally:
        transport.close()
    return outputs_of(result, command)
