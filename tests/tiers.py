"""Which tests `make test` runs. All others have the mark `nightly`, and only `make test-all` runs them.

What needs no lab is in every tier, unless a test has the mark itself. Of the lab, `make test` sees each promise once:
on one deployed host, on a blank one, by an ACME server, and the backup's way to a new host.
"""

import pytest

DEPLOYED = (
    "tests/e2e/test_idempotence.py",
    "tests/e2e/test_page_for_everybody.py",
    "tests/e2e/test_page_security.py",
    "tests/e2e/test_image_deletion.py",
    "tests/e2e/test_image_retention.py",
    "tests/e2e/test_immutable_tags.py",
    "tests/e2e/test_garbage_collection.py",
    "tests/e2e/test_deletion_tool.py",
    "tests/e2e/test_undo.py",
    "tests/e2e/test_doors.py",
    "tests/e2e/test_restrictions.py",
    "tests/e2e/test_metrics.py",
    "tests/e2e/test_status.py",
    "tests/e2e/test_conformance.py",
    "tests/e2e/test_audit.py",
    "tests/e2e/test_systems.py",
    "tests/e2e/test_retention.py",
)
"""The modules that share the registry `deployed`, in this order: the page's before those that leave many images."""

BLANK = ("tests/e2e/test_first_up.py", "tests/e2e/test_other_release.py", "tests/e2e/test_two_stacks.py")
"""The modules with the registry `blank`, which is made once."""

ACME = ("tests/e2e/test_acme.py", "tests/e2e/test_certificate_modes.py", "tests/e2e/test_tls.py")
"""Those with the registries of tests/e2e/acme_fixtures.py, which are made once as well."""

OWN_HOST = ("tests/e2e/test_preview_offline.py",)
"""Those with a host of their own."""

NIGHTLY = (
    "tests/rendering/test_object_cache_faults.py",
    "tests/rendering/test_traffic_counted.py",
    "tests/rendering/test_object_cache_doors.py",
    "tests/rendering/test_mirror_images.py",
    "tests/storage_oracle/test_real_registries.py",
)
"""Those beside the lab that take long: matrices of versions, faults, loads."""

IN_EACH_PUSH = frozenset((*DEPLOYED, *BLANK, *ACME, *OWN_HOST))


def is_nightly(nodeid: str) -> bool:
    """Tell whether only `make test-all` runs the module of a test."""
    module = nodeid.partition("::")[0]
    return module in NIGHTLY or (module.startswith("tests/e2e/") and module not in IN_EACH_PUSH)


def mark(items: list[pytest.Item]) -> None:
    """Give the tests of the last tier their mark."""
    for item in items:
        if is_nightly(item.nodeid):
            item.add_marker(pytest.mark.nightly)
