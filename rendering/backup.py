"""What `registryctl backup` on the host reads: a file that a preview shows, and one of secrets."""

import json

from config.backup import Backup
from config.secrets import BackupSecrets
from rendering.rootfs import HostFile

_HOME = "/etc/docker-registry"
SETTINGS = f"{_HOME}/backup.json"
SECRETS = f"{_HOME}/backup-secrets.json"
KEY = f"{_HOME}/backup-key"


def settings_file(backup: Backup, stack: str) -> HostFile:
    """The settings without their secrets."""
    sftp = backup.sftp
    return _file(
        SETTINGS,
        {
            "stack": stack,
            "repository": backup.repository,
            "restUser": backup.rest_user,
            "sftp": sftp and {"user": sftp[0], "host": sftp[1], "port": sftp[2], "hostKey": backup.host_key},
            "keep": {word: value for word, value in backup.keep.model_dump().items() if value is not None},
            "checkParts": backup.check_parts,
            "warnDays": backup.warn_days,
            "appendOnly": backup.append_only,
            "logs": backup.logs,
        },
    )


def secrets_file(secrets: BackupSecrets) -> HostFile:
    """The secrets but for the SSH key, which ssh wants in a file of its own."""
    found = {
        "password": secrets.password,
        "restPassword": secrets.rest_password,
        "environment": secrets.environment,
    }
    return _file(SECRETS, found)


def _file(path: str, content: object) -> HostFile:
    return HostFile(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
