"""The certificate from an authority: what is asked for, and that no key of anybody is seen."""

from __future__ import annotations

import re
import shlex

import pytest

from components.certificate import Certificate
from rendering.rootfs import TOOLS
from tests.unit.assembly import Assembly, assembled
from tests.unit.config.stack import Stack
from tests.unit.programs import AUTHORITY_PEM, EAB_KEY, VARIANTS, part, whole
from tests.unit.recorder import UNKNOWN, Recording, text_of

FULL: Stack = VARIANTS["acme"]
LEAST: Stack = {"certificate": {"mode": "acme"}}
COMMON = [
    *(f"{TOOLS}/issue-certificate", "--nginx", "nginx:1.28.0", "--certbot", "certbot/certbot:v5.1.0"),
    *("--root", "/var/opt", "--listen", "0.0.0.0:80", "--server"),
]


def _words(preview: bool, changes: Stack) -> list[str]:
    return shlex.split(assembled("certificate", preview, changes)["c-acme"].inputs["create"])


def test_by_default_let_s_encrypt_is_asked_without_an_e_mail(preview: bool) -> None:
    """For the site's name, with an ECDSA key, as certbot itself does."""
    directory = "https://acme-v02.api.letsencrypt.org/directory"
    assert _words(preview, LEAST) == [*COMMON, directory, "--key-type", "ecdsa", "dr.example.net"]
    assert "stdin" not in assembled("certificate", preview, LEAST)["c-acme"].inputs


def test_every_setting_reaches_the_request(preview: bool) -> None:
    """The site's name leads: it names the certificate."""
    assert _words(preview, FULL) == [
        *COMMON,
        *("https://ca.example.net/directory", "--key-type", "rsa", "--email", "hostmaster@example.net"),
        *("--profile", "shortlived", "--eab-key-id", "customer-1", "--eab-bytes", str(len(EAB_KEY))),
        *("dr.example.net", "www.example.net"),
    ]


def test_staging_has_a_name(preview: bool) -> None:
    """The one for trying things out."""
    words = _words(preview, {"certificate": {"mode": "acme", "acme": {"server": "staging"}}})
    assert words[words.index("--server") + 1] == "https://acme-staging-v02.api.letsencrypt.org/directory"


def test_the_challenge_comes_where_the_proxy_will_listen(preview: bool) -> None:
    """The throw-away proxy takes address and port of the settings, and its site lies below their root."""
    site = {"httpPort": 8080, "listenAddress": "203.0.113.7"}
    changes = {**LEAST, "site": site, "storage": {"root": "/srv/registry"}}
    words = _words(preview, changes)
    assert words[words.index("--listen") + 1] == "203.0.113.7:8080"
    assert words[words.index("--root") + 1] == "/srv/registry"
    run = assembled("certificate", preview, changes)
    assert run.files["/srv/registry/certbot/nginx/etc/conf.d/acme.conf"][0].name == "c-acme-files"


def test_another_certbot_is_run_as_it_is_written(preview: bool) -> None:
    """With registry, port, tag and digest; the host keeps the image."""
    reference = f"images.example.net:5000/certbot:5.2.0@sha256:{'0f' * 32}"
    changes = {**LEAST, "images": {"certbot": reference}}
    words = _words(preview, changes)
    assert words[words.index("--certbot") + 1] == reference
    image = assembled("certificate", preview, changes)["i-certbot"]
    assert (image.inputs["name"], image.inputs["keepLocally"]) == (reference, True)


@pytest.mark.parametrize("changes", [LEAST, FULL], ids=["least", "full"])
def test_no_private_key_leaves_the_host(preview: bool, changes: Stack) -> None:
    """No resource has one, and no output."""
    run = assembled("certificate", preview, changes)
    begin = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----")
    for resource in run:
        assert not begin.search(text_of(dict(resource.inputs))), resource.name
    assert not begin.search(text_of(run.registered_outputs))


def test_the_account_s_key_travels_by_standard_input_alone(preview: bool) -> None:
    """Never in a command line, and secret where it is."""
    run = whole("acme", preview)
    issue = run["certificate-acme"]
    assert issue.inputs["stdin"] == EAB_KEY
    assert "stdin" in issue.secrets
    for resource in run:
        shown = {key: value for key, value in resource.inputs.items() if key not in resource.secrets}
        assert EAB_KEY not in str(shown), resource.name


def test_the_request_is_no_secret(preview: bool) -> None:
    """A reviewer sees which names are asked for."""
    assert "create" not in whole("acme", preview)["certificate-acme"].secrets


@pytest.mark.parametrize(("changes", "content"), [(FULL, AUTHORITY_PEM), (LEAST, "# The ACME server is publicly")])
def test_a_server_of_one_s_own_is_trusted_by_its_bundle(preview: bool, changes: Stack, content: str) -> None:
    """The file is there in any case: one that is deleted would go only after the next request."""
    _, bundle = assembled("certificate", preview, changes).files["/var/opt/letsencrypt/server-ca.pem"]
    assert str(bundle.content).strip().startswith(content.strip())


def test_it_is_asked_for_once_all_is_there(preview: bool) -> None:
    """Both images, the challenge's site, the server's bundle, the directories."""
    issue = assembled("certificate", preview, FULL)["c-acme"]
    needed = {"v-prepare", "c-acme-files", "i-nginx", "i-certbot"}
    assert issue.depends_on >= needed


def test_no_certificate_and_no_account_is_deleted(preview: bool) -> None:
    """Authorities count: after destroy the next up finds both."""
    run = assembled("certificate", preview, FULL)
    assert "delete" not in run["c-acme"].inputs
    assert "delete" not in run["v-prepare"].inputs


def test_the_proxy_reads_certbot_s_own_files() -> None:
    """So that a renewal needs a reload and nothing else; clients trust the authority already."""
    made: list[Certificate] = []
    part(lambda *of: made.append(Assembly(*of).certificate), preview=False, changes=FULL)
    assert made[0].chain == "/etc/letsencrypt/live/dr.example.net/fullchain.pem"
    assert made[0].key == "/etc/letsencrypt/live/dr.example.net/privkey.pem"
    assert made[0].authority is None


def test_its_end_is_an_output() -> None:
    """Unknown before the first update."""
    assert _outputs(False) == {"expiry": "2031-03-15T12:30:00+00:00"}
    assert _outputs(True) == {"expiry": UNKNOWN}


def _outputs(preview: bool) -> object:
    return assembled("certificate", preview, FULL).registered_outputs["c"]


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_certbot_is_pulled_where_it_is_needed(variant: str, preview: bool) -> None:
    """And nowhere else."""
    run: Recording = whole(variant, preview)
    assert ("images-certbot" in run.resources) == (variant == "acme")
