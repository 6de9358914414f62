"""A headless Chromium that looks at the registry's UI and really verifies its certificate."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.lab.machine import ensure_commands, which
from tests.lab.paths import run_dir
from tests.lab.run import LabError, clean_environment, run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LOAD_MILLISECONDS = 30_000


@contextmanager
def open_page(
    url: str, fqdn: str, address: str, *, authority: Path | None, username: str | None = None, password: str = ""
) -> Iterator[Page]:
    """A page on `url`, where `fqdn` leads to `address` and the certificates of `authority` are trusted.

    Without `username` nobody answers when the page asks for a password.
    `authority` is a PEM file, or None to trust nothing: the visit then fails on a certificate of one's own.
    Raises playwright's Error when the page can't be reached or its certificate isn't trusted.
    """
    executable = _chromium()
    with tempfile.TemporaryDirectory(prefix="docker-registry-lab-") as home, sync_playwright() as play:
        if authority is not None:
            _trust(Path(home), authority)
        browser: Browser = play.chromium.launch(
            executable_path=executable,
            args=[*FLAGS, f"--host-resolver-rules=MAP {fqdn} {address}"],
            env={**clean_environment(), "HOME": home},
        )
        try:
            context = (
                browser.new_context(http_credentials={"username": username, "password": password})
                if username
                else browser.new_context()
            )
            page = context.new_page()
            page.set_default_timeout(LOAD_MILLISECONDS)
            page.goto(url, wait_until="load")
            yield page
        finally:
            browser.close()


def look(
    url: str,
    fqdn: str,
    address: str,
    *,
    username: str,
    password: str,
    authority: Path | None,
    expect: Sequence[str] = (),
    picture: str = "ui",
) -> tuple[str, Path]:
    """Open the UI, wait until its text has all of `expect`, and return the text and a picture of it.

    Raises LabError, with the text that was there, when one of them doesn't appear in 30 seconds.
    """
    target = run_dir("pictures") / f"{picture}.png"
    with open_page(url, fqdn, address, username=username, password=password, authority=authority) as page:
        try:
            for wanted in expect:
                page.wait_for_function("wanted => document.body?.innerText.includes(wanted)", arg=wanted)
            page.wait_for_load_state("networkidle")
        except Exception as error:
            text = page.inner_text("body")
            raise LabError(f"{url} does not show {', '.join(expect)}, but:\n{text}") from error
        finally:
            page.screenshot(path=str(target), full_page=True)
        return page.inner_text("body"), target


def _chromium() -> str:
    if not any(which(name) for name in NAMES):
        ensure_commands("chromium")
    found = next((path for name in NAMES if (path := which(name))), None)
    if found is None:
        raise LabError("there is no Chromium on this machine: install the package chromium")
    return found


def _trust(home: Path, authority: Path) -> None:
    """Make the certificate database that Chromium reads under `home`, with `authority` as the only extra root."""
    ensure_commands("certutil")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = shutil.which("certutil") or "certutil"
    env = {**os.environ, "HOME": str(home)}
    where = ["-d", f"sql:{database}"]
    run([certutil, *where, "-N", "--empty-password"], log="browser", env=env)
    run([certutil, *where, "-A", "-n", "lab", "-t", "CP,,", "-i", str(authority)], log="browser", env=env)
