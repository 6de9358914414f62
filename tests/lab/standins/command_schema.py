"""The resources of the command provider."""

from tests.lab.standins.schema import Fields, Prop, block, flag, mapping, number, text, texts

LOGGING = r"stdout|stderr|stdoutAndStderr|none"
HIDDEN = ("privateKey", "password", "privateKeyPassword")

_LOGIN: Fields = {
    "host": text(required=True),
    "user": text(default="root"),
    "port": number(default=22),
    "password": text(),
    "privateKey": text(),
    "privateKeyPassword": text(),
    "hostKey": text(),
    "agentSocketPath": text(),
    "dialErrorLimit": number(default=10),
    "perDialTimeout": number(default=15),
}
CONNECTION: Fields = {**_LOGIN, "proxy": block(_LOGIN)}
_ANY = Prop("any")
_TRIGGERS = Prop("list", item=_ANY)
_OUTPUTS: Fields = {"stdout": text(output=True), "stderr": text(output=True)}
_COMMAND: Fields = {
    "create": text(),
    "update": text(),
    "delete": text(),
    "stdin": text(),
    "environment": mapping(),
    "logging": text(pattern=LOGGING),
    "addPreviousOutputInEnv": flag(),
    "triggers": _TRIGGERS,
    **_OUTPUTS,
}

REMOTE_COMMAND: Fields = {**_COMMAND, "connection": block(CONNECTION, required=True)}
LOCAL_COMMAND: Fields = {**_COMMAND, "dir": text(), "interpreter": texts("list")}
COPY_TO_REMOTE: Fields = {
    "connection": block(CONNECTION, required=True),
    "source": Prop("any", required=True),
    "remotePath": text(required=True),
    "triggers": _TRIGGERS,
}
COPY_FILE: Fields = {
    "connection": block(CONNECTION, required=True),
    "localPath": text(required=True),
    "remotePath": text(required=True),
    "triggers": _TRIGGERS,
}

RESOURCES = {
    "command:remote:Command": REMOTE_COMMAND,
    "command:local:Command": LOCAL_COMMAND,
    "command:remote:CopyToRemote": COPY_TO_REMOTE,
    "command:remote:CopyFile": COPY_FILE,
}
