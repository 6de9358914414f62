"""The rotation of the log files."""

from __future__ import annotations

from tests.unit.programs import whole


def test_logrotate_s_file_is_root_s(preview: bool) -> None:
    """Readable by others, as all of logrotate's are; destroy takes it away."""
    rotation = whole("plain", preview)["logs-rotation"]
    assert rotation.inputs["create"].endswith(" --mode 0644 --owner root:root /etc/logrotate.d/docker-opt")
    assert "/remove-file --for logs-rotation@" in rotation.inputs["delete"]


def test_size_and_number_are_settings(preview: bool) -> None:
    """So is the root below which the logs lie."""
    for variant, lines in (
        ("plain", ["/var/opt/*/logs/*.log {", "size 30M", "rotate 5"]),
        ("full", ["/srv/registry/*/logs/*.log {", "size 512k", "rotate 40"]),
    ):
        content = whole(variant, preview)["logs-rotation"].inputs["stdin"]
        assert set(lines) <= {line.strip() for line in content.splitlines()}, variant
