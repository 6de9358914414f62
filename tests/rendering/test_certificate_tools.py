"""The host's tools that get a certificate: what they ask for, what they keep, and what they say of a failure."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from registryctl.certificate import certbot
from registryctl.certificate.openssl import CertificateError
from tests.rendering.certificate_host import FQDN, SERVER, CertificateHost
from tests.rendering.host_tools import Ran

DAY = timedelta(days=1)
FAILS = "echo 'Saving debug log to /var/log/x'; echo 'the reason'; echo 'Ask for help or search the forum'; exit 1"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def host(tmp_path: Path) -> CertificateHost:
    """A host in mode acme that has no certificate yet."""
    return CertificateHost(tmp_path / "host")


def _certbot_s(host: CertificateHost) -> list[str]:
    """The words for certbot, of each of its runs."""
    runs = [call for call in host.docker_calls() if "--name registry-certbot" in call]
    return [call.partition("certbot:1 ")[2] for call in runs]


def _run_certbot(host: CertificateHost) -> Ran:
    try:
        return Ran(0, certbot.run(host.machine(), "certbot:1", host.data, "renew"), "")
    except CertificateError as error:
        return Ran(1, "", f"{error}\n")


def _issue(host: CertificateHost, *options: str, names: tuple[str, ...] = (FQDN,), stdin: str = "") -> Ran:
    common = ("--nginx", "nginx:1", "--certbot", "certbot:1", "--root", str(host.data), "--listen", "0.0.0.0:80")
    words = (*common, "--server", SERVER, "--key-type", "ecdsa", *options, *names)
    return host.run("issue-certificate", *words, stdin=stdin)


def test_all_that_certbot_says_is_logged(host: CertificateHost) -> None:
    """Each run with its date; a success is said on standard output too."""
    host.certbot("echo first; echo second >&2")
    for _ in range(2):
        done = _run_certbot(host)
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines() == ["first", "second"]
    log = (host.data / "certbot/logs/docker-output-certbot.log").read_text().splitlines()
    assert log[1:3] == log[4:6] == ["first", "second"]
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in (log[0], log[3]))


def test_certbot_meets_no_link(host: CertificateHost) -> None:
    """Who could once write where it does might have left some: what they lead to stays as it is."""
    victim = host.root / "victim"
    victim.write_text("unharmed")
    for link in ("logs/docker-output-certbot.log", "logs/letsencrypt.log", "webroot/.well-known"):
        (host.data / "certbot" / link).symlink_to(victim)
    assert _run_certbot(host).code == 0
    assert victim.read_text() == "unharmed"
    assert not [path for path in (host.data / "certbot").rglob("*") if path.is_symlink()]


def test_the_reason_of_a_failure_is_said(host: CertificateHost) -> None:
    """In certbot's own words and without what only helps inside its container, and where to find more."""
    host.certbot(FAILS)
    done = _run_certbot(host)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == ["certbot:", "the reason", f"more is in {host.data}/certbot/logs/letsencrypt.log"]
    assert "search the forum" in (host.data / "certbot/logs/docker-output-certbot.log").read_text()


@pytest.mark.parametrize(("content", "trusted"), [(None, False), ("# none\n", False), (CERTIFICATE, True)])
def test_only_a_bundle_changes_whom_certbot_trusts(host: CertificateHost, content: str | None, trusted: bool) -> None:
    """Otherwise it is the public authorities of its image."""
    if content is not None:
        (host.data / "letsencrypt/server-ca.pem").write_text(content)
    _run_certbot(host)
    [run] = [call for call in host.docker_calls() if call.startswith("run ")]
    bundle = "/etc/letsencrypt/server-ca.pem" if trusted else ""
    assert f" --env REQUESTS_CA_BUNDLE={bundle} certbot:1 " in run


def test_certbot_of_a_killed_run_is_waited_for(host: CertificateHost) -> None:
    """It may be about to finish, and two at once would be refused."""
    (host.root / "registry-certbot").touch()
    assert _run_certbot(host).code == 0
    calls = [call.partition(" ")[0] for call in host.docker_calls()]
    assert calls == ["container", "wait", "rm", "run"]


def test_a_renewal_is_one_of_this_certificate_only(host: CertificateHost) -> None:
    """At once, as the timer has spread the runs; the result is kept for the status."""
    host.has_certificate(starts=-DAY, ends=60 * DAY)
    assert host.run("renew-certificate").code == 0
    assert _certbot_s(host) == [f"renew --cert-name {FQDN} --non-interactive --no-random-sleep-on-renew"]
    assert host.path("/var/lib/docker-registry/renewal").read_text().startswith("ok 20")


def test_a_failed_renewal_fails_the_unit(host: CertificateHost) -> None:
    """With certbot's reason, and a line of the status."""
    host.has_certificate(starts=-DAY, ends=60 * DAY)
    host.certbot(FAILS)
    done = host.run("renew-certificate")
    assert done.code == 1
    assert "the reason" in done.err
    assert "renewal-failed" in done.out
    assert host.path("/var/lib/docker-registry/renewal").read_text().startswith("failed 20")


def test_an_end_that_is_near_fails_the_unit(host: CertificateHost) -> None:
    """Though there was nothing to renew."""
    host.has_certificate(starts=-83 * DAY, ends=5 * DAY)
    done = host.run("renew-certificate")
    assert done.code == 1
    assert "expiring" in done.out


def test_without_a_place_for_the_result_the_unit_fails(host: CertificateHost) -> None:
    """By an exit code that the status knows."""
    host.has_certificate(starts=-DAY, ends=60 * DAY)
    host.path("/var/lib/docker-registry/renewal.new").mkdir()
    done = host.run("renew-certificate")
    assert done.code == 3
    host.ended("exit-code", done.code)
    assert host.status().code == 1


def test_a_certificate_of_the_settings_is_not_renewed(host: CertificateHost) -> None:
    """Only its end is watched."""
    host.facts(mode="files")
    host.has_certificate(starts=-DAY, ends=60 * DAY, folder="nginx/etc/tls/files/current")
    assert host.run("renew-certificate").code == 0
    assert host.docker_calls() == []


def test_a_certificate_that_serves_is_kept(host: CertificateHost) -> None:
    """Nobody is asked; its end and fingerprint are told, and what a killed run left is removed."""
    host.has_certificate(starts=-DAY, ends=60 * DAY)
    host.has_record()
    done = _issue(host)
    assert done.code == 0, done.err
    assert re.fullmatch(r"\w{3} [ \d]\d [\d:]{8} 20\d\d GMT\n[0-9A-F]{16}\n", done.out)
    assert _certbot_s(host) == []
    assert "rm --force registry-acme" in host.docker_calls()


@pytest.mark.parametrize(
    ("options", "names", "record", "lived"),
    [
        ((), (FQDN, "www.example.net"), {}, DAY),
        ((), ("www.example.net",), {}, DAY),
        ((), (FQDN,), {"server": "https://another.example.net/dir"}, DAY),
        ((), (FQDN,), {"key_type": "rsa"}, DAY),
        (("--profile", "shortlived"), (FQDN,), {}, DAY),
        ((), (FQDN,), {"preferred_profile": "shortlived"}, DAY),
        ((), (FQDN,), {}, 130 * DAY),
    ],
    ids=["more names", "another name", "server", "key type", "profile", "no profile", "last third"],
)
def test_another_one_is_asked_for(
    host: CertificateHost, options: tuple[str, ...], names: tuple[str, ...], record: dict[str, str], lived: timedelta
) -> None:
    """Once, with certbot told to ask though its own is not due; what it then has is told."""
    chain = host.has_certificate(starts=-lived, ends=60 * DAY)
    host.has_record(**record)
    host.certbot(f"mkdir -p {chain.parent.parent}/{names[0]}; cp {chain} {chain.parent.parent}/{names[0]} || true")
    done = _issue(host, *options, names=names)
    assert done.code == 0, done.err
    [words] = _certbot_s(host)
    assert words.startswith("certonly --webroot --webroot-path /var/www/letsencrypt --non-interactive --agree-tos ")
    assert f" --cert-name {names[0]} " in words
    for name in names:
        assert f" --domain {name} " in words
    assert " --force-renewal" in words


def test_the_throw_away_proxy_is_removed_whatever_happens(host: CertificateHost) -> None:
    """It answers on the port of the settings; a failure is told with its reason, and nothing is left."""
    host.certbot(FAILS)
    done = _issue(host)
    assert done.code == 1
    assert "the reason" in done.err
    calls = host.docker_calls()
    [started] = [call for call in calls if call.startswith("run --detach")]
    assert " --rm --name registry-acme --publish 0.0.0.0:80:80 " in started
    assert calls.index("rm --force registry-acme", calls.index(started)) == len(calls) - 1


def test_the_account_s_key_is_in_no_command_line(host: CertificateHost) -> None:
    """Certbot reads it from a file that nobody else can, and that is gone afterwards."""
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"
    file = host.data / "letsencrypt/eab.ini"
    chain = host.has_certificate(starts=-DAY, ends=60 * DAY)
    host.certbot(f"stat -c %a {file} >{host.root}/mode; cp {file} {host.root}/seen; touch {chain}")
    done = _issue(host, "--eab-key-id", "kid-1", "--eab-bytes", str(len(key)), stdin=key)
    assert done.code == 0, done.err
    assert (host.root / "seen").read_text() == f"eab-kid = kid-1\neab-hmac-key = {key}\n"
    assert (host.root / "mode").read_text() == "600\n"
    assert not file.exists()
    assert key not in "".join(host.docker_calls())
    assert " --config /etc/letsencrypt/eab.ini " in _certbot_s(host)[0]


def test_half_of_the_account_s_key_is_not_used(host: CertificateHost) -> None:
    """A connection that breaks leaves no account behind that nobody asked for."""
    done = _issue(host, "--eab-key-id", "kid-1", "--eab-bytes", "32", stdin="half")
    assert done.code == 1
    assert "did not arrive whole" in done.err
    assert _certbot_s(host) == []


def test_what_a_full_disk_left_is_put_aside(host: CertificateHost) -> None:
    """Half an account, and half a certificate, at which certbot would stumble; a whole account stays."""
    letsencrypt = host.data / "letsencrypt"
    half, whole = (letsencrypt / "accounts/ca.example.net/dir" / name for name in ("half", "whole"))
    for account in (half, whole):
        account.mkdir(parents=True)
        (account / "private_key.json").write_text("a key")
        (account / "regr.json").write_text("" if account == half else "{}")
    host.has_record().write_text("")
    chain = host.has_certificate(starts=-DAY, ends=60 * DAY)
    chain.write_text("")
    host.certbot(f"test ! -e {chain.parent} && mkdir {chain.parent} && echo new >{chain}")
    _issue(host)
    assert chain.read_text() == "new\n"
    assert [path.name for path in half.parent.iterdir()] == ["whole"]
    assert (letsencrypt / "accounts~/half/private_key.json").read_text() == "a key"
    assert len(list((letsencrypt / "live").glob(f"{FQDN}.*~"))) == 1
