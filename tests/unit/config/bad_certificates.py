"""Certificate settings that are refused, each with the one line that says why: mode `acme` and what belongs to it."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.config import pki
from tests.unit.config.bad_settings import NAME_EXAMPLE, Bad, bad

DAY = timedelta(days=1)
KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"
URL = "https://ca.example.net/acme/directory"
URL_EXAMPLE = f"for example {URL}"
BAD_URL = f"an https URL without user, fragment or special characters, {URL_EXAMPLE}"
NO_URL = f"production, staging, or the https URL of an ACME directory, {URL_EXAMPLE}"
KEY_ID = "the key's identifier as the authority gave it: letters, digits and ._~:/+=@- only"
BASE64URL = "a key in Base64url: letters, digits, - and _ only"
EMAIL = "one e-mail address, for example hostmaster@example.net"
PROFILE = "the name of a profile: a-z, 0-9 and inner hyphens, for example shortlived"
CALENDAR = (
    "a calendar expression of systemd without a time zone, for example Tue *-*-* 00:00:00; "
    "systemd-analyze calendar explains each"
)
DURATION = "a duration with its unit (h, m or s), for example 1h or 30m; 0s for none"
SECRET_COMMAND = "pulumi config set --secret --path 'docker-registry:certificate.acme.eabHmacKey'"
AUTHORITY = pki.issue(common_name="authority", authority=True)


def bad_acme(name: str, value: object, found: str, expected: str, **others: object) -> Bad:
    """One bad setting of `certificate.acme`; `others` are further ones there."""
    own = {} if value is ... else {name.partition("[")[0]: value}
    changes = {"certificate": {"mode": "acme", "acme": {**others, **own}}}
    return Bad(changes, f"docker-registry:certificate.acme.{name}", found, expected)


def bad_renewal(name: str, value: object, found: str, expected: str) -> Bad:
    """One bad setting of `certificate.renewal`."""
    changes = {"certificate": {"mode": "acme", "renewal": {name: value}}}
    return Bad(changes, f"docker-registry:certificate.renewal.{name}", found, expected)


ACCOUNT = [
    bad_acme("email", "hostmaster", '"hostmaster"', EMAIL),
    bad_acme("email", "", '""', EMAIL),
    bad_acme("email", "a@example.net,b@example.net", '"a@example.net,b@example.net"', EMAIL),
    bad_acme("email", "-a@example.net", '"-a@example.net"', EMAIL),
    bad_acme("email", "a@localhost", '"a@localhost"', EMAIL),
    bad_acme("email", ["a@example.net"], "a list",
             "text, in quotes where YAML would take it for something else, for example hostmaster@example.net"),
    bad_acme("server", "letsencrypt", '"letsencrypt"', NO_URL),
    bad_acme("server", "http://ca.example.net/directory", '"http://ca.example.net/directory"', NO_URL),
    bad_acme("server", "https://", '"https://"', BAD_URL),
    bad_acme("server", "https://a:b@ca.example.net/", '"https://a:b@ca.example.net/"', BAD_URL),
    bad_acme("server", f"{URL}#x", f'"{URL}#x"', BAD_URL),
    bad_acme("server", f"{URL} x", f'"{URL} x"', BAD_URL),
    bad_acme("server", "https://ca.example.net:65536/", '"https://ca.example.net:65536/"', BAD_URL),
    bad_acme("server", "https://[::1/", '"https://[::1/"', BAD_URL),
    bad_acme("serverCa", AUTHORITY.pem, "CA certificates",
             "no value, because certificate.acme.server is production, which is publicly trusted"),
    bad_acme("serverCa", "/etc/ca.pem", "text without a certificate",
             "certificates in PEM form, beginning with -----BEGIN CERTIFICATE-----", server=URL),
    bad_acme("serverCa", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "a broken certificate",
             "readable certificates in PEM form", server=URL),
    bad_acme("serverCa", AUTHORITY.pem + AUTHORITY.key_pem, "a private key",
             "certificates only; no key is needed to trust one", server=URL),
    bad_acme("serverCa", AUTHORITY.pem + pki.issue("ca.example.net", issuer=AUTHORITY).pem,
             "certificate 2 of 2, which is no CA's", "certificates of CAs only", server=URL),
    bad_acme("serverCa", pki.issue(authority=True, starts=-3 * DAY, ends=-DAY).pem, "expired certificates only",
             "a CA certificate that is still valid", server=URL),
    bad_acme("eabKeyId", "", '""', KEY_ID, eabHmacKey=KEY),
    bad_acme("eabKeyId", "my key", '"my key"', KEY_ID, eabHmacKey=KEY),
    bad_acme("eabHmacKey", ..., "nothing", f"the key of certificate.acme.eabKeyId; set it with {SECRET_COMMAND}",
             eabKeyId="kid-1"),
    bad_acme("eabHmacKey", KEY, "[secret]", "no key without certificate.acme.eabKeyId"),
    bad_acme("eabHmacKey", f"{KEY}+/", "[secret]", BASE64URL, eabKeyId="kid-1"),
    bad_acme("eabHmacKey", KEY[:16], "[secret]", "a whole key in Base64url, of at least 16 bytes", eabKeyId="kid-1"),
    bad_acme("eabHmacKey", 5, "[secret]", "text, in quotes where YAML would take it for something else",
             eabKeyId="kid-1"),
    Bad({"certificate": {"mode": "acme", "acme": {"eabKeyId": "kid-1", "eabHmacKey": KEY}}},
        "docker-registry:certificate.acme.eabHmacKey", "[secret] in plain text",
        f"an encrypted value; set it anew with {SECRET_COMMAND}", encrypted=("users",)),
    bad_acme("keyType", "ed25519", '"ed25519"', "ecdsa or rsa"),
    bad_acme("profile", "Short lived", '"Short lived"', PROFILE),
    bad_acme("profile", "--force", '"--force"', PROFILE),
    bad_acme("profile", "x" * 65, f'"{"x" * 65}"', PROFILE),
    bad_acme("mail", "a@example.net", "an unknown setting",
             "only email, server, serverCa, eabKeyId, eabHmacKey, keyType, names, profile (did you mean email?)"),
]  # fmt: skip

NAMES = [
    bad_acme("names", "a.example.net", '"a.example.net"', "a list"),
    bad_acme("names[0]", ["*.example.net"], '"*.example.net"',
             "one name, not a wildcard (HTTP-01 proves none; mode files takes a wildcard certificate), "
             f"{NAME_EXAMPLE}"),
    bad_acme("names[1]", ["a.example.net", "b.example.net:80"], '"b.example.net:80"',
             f"a name without a port (the challenge always comes to port 80), {NAME_EXAMPLE}"),
    bad_acme("names[0]", ["registry"], '"registry"', f"a fully qualified domain name, {NAME_EXAMPLE}"),
    bad_acme("names[0]", ["A.example.net"], '"A.example.net"', f"a name in lower case, {NAME_EXAMPLE}"),
    bad_acme("names[0]", ["192.0.2.1"], '"192.0.2.1"', f"a name, not an IP address, {NAME_EXAMPLE}"),
    bad_acme("names[0]", [5], "5", "text, in quotes where YAML would take it for something else"),
    bad_acme("names", ["a.example.net", "b.example.net", "a.example.net"], "names[0] again as names[2]",
             "each name once"),
    bad_acme("names[1]", ["a.example.net", "dr.example.net"], '"dr.example.net"',
             "further names only: site.fqdn is in the certificate anyway"),
    bad_acme("names", [f"n{number}.example.net" for number in range(100)], "100 names",
             "at most 99 names besides site.fqdn"),
]  # fmt: skip

RENEWAL = [
    bad_renewal("schedule", "", '""', CALENDAR),
    bad_renewal("schedule", "0 0 * * 2", '"0 0 * * 2"', CALENDAR),
    bad_renewal("schedule", "fortnightly", '"fortnightly"', CALENDAR),
    bad_renewal("schedule", "24:00", '"24:00"', CALENDAR),
    bad_renewal("schedule", "*-13-1", '"*-13-1"', CALENDAR),
    bad_renewal("schedule", "Tue  05:00", '"Tue  05:00"', CALENDAR),
    bad_renewal("schedule", "daily\n", '"daily\\n"', CALENDAR),
    bad_renewal("schedule", "daily %H", '"daily %H"', CALENDAR),
    bad_renewal("schedule", "daily Europe/Vienna", '"daily Europe/Vienna"', CALENDAR),
    bad_renewal("schedule", 5, "5",
                "text, in quotes where YAML would take it for something else, for example Tue *-*-* 00:00:00"),
    bad_renewal("randomDelay", "1 hour", '"1 hour"', DURATION),
    bad_renewal("randomDelay", "30", '"30"', DURATION),
    bad_renewal("randomDelay", "1d", '"1d"', DURATION),
    bad_renewal("randomDelay", "23h60m1s", '"23h60m1s"', "a duration of at most 24h, for example 1h"),
    bad_renewal("delay", "1h", "an unknown setting", "only schedule, randomDelay (did you mean randomDelay?)"),
    Bad({"certificate": {"mode": "acme", "renewal": "daily"}}, "docker-registry:certificate.renewal", '"daily"',
        "a mapping of settings"),
]  # fmt: skip

MODES = [
    bad("certificate", "mode", "letsencrypt", '"letsencrypt"', "self-signed, files or acme"),
    bad("certificate", "warnDays", 0, "0", "a whole number of days from 1 to 90"),
    bad("certificate", "warnDays", "7d", '"7d"', "a whole number, without quotes, for example 7"),
    bad("certificate", "acme", {"server": "x"}, "a mapping",
        "no value, because certificate.mode is self-signed; or mode acme"),
    bad("certificate", "renewal", {"schedule": "daily"}, "a mapping",
        "no value, because certificate.mode is self-signed; or mode acme"),
    *(bad("certificate", name, {}, "a mapping", "no value, because certificate.mode is files; or mode acme",
          certificate={"mode": "files", "chainPath": "/etc/c.pem", "privateKeyPath": "/etc/k.pem"})
      for name in ("acme", "renewal")),
    bad("certificate", "acme", "hunter2", "[secret]", "a mapping of settings", certificate={"mode": "acme"}),
    *(bad("certificate", name, "/etc/c.pem", '"/etc/c.pem"',
          "no value, because certificate.mode is acme; or mode files", certificate={"mode": "acme"})
      for name in ("chainPath", "privateKeyPath")),
    bad("certificate", "chainPath", "c.pem", '"c.pem"',
        "an absolute path on the host, for example /etc/ssl/dr/fullchain.pem", certificate={"mode": "acme"}),
    bad("certificate", "privateKey", AUTHORITY.key_pem, "[secret]",
        "no value, because certificate.mode is acme; or mode files", certificate={"mode": "acme"}),
    bad("images", "certbot", "certbot/certbot", '"certbot/certbot"',
        "a tag or a digest too, for example certbot/certbot:1.28.0"),
    bad("images", "certbot", "certbot/certbot@v5", '"certbot/certbot@v5"',
        "a digest such as sha256: and 64 hexadecimal digits after the @"),
]  # fmt: skip

BAD_CERTIFICATES = [*ACCOUNT, *NAMES, *RENEWAL, *MODES]
