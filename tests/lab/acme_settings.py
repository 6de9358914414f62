"""How an ACME server of the lab runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

PORT = 14000
MANAGEMENT_PORT = 15000
DAY = 86400


@dataclass(frozen=True)
class Settings:
    """How an ACME server runs. A change takes a restart, at which it forgets accounts, certificates and its root."""

    validity_seconds: int = 90 * DAY
    """Lifetime of the certificates of profile `default`."""

    shortlived_seconds: int | None = None
    """Lifetime with the profile `shortlived`; None: no such profile.

    Pebble serves an order that names no profile with any of those it has, at random.
    """

    nonce_reject: int = 0
    """Percentage of good nonces that are rejected."""

    renewal_info: bool = True
    """Whether the directory offers ARI, by which a server says when to renew; without, clients go by the lifetime."""

    external_accounts: Mapping[str, str] = field(default_factory=dict)
    """Key identifier → MAC key (base64url); accounts need one of these where there are any."""

    environment: Mapping[str, str] = field(default_factory=dict)
    """More of Pebble's variables, such as PEBBLE_VA_ALWAYS_VALID."""

    def variables(self) -> dict[str, str]:
        """Pebble's environment. It validates at once, and every name of every order."""
        fixed = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
        return fixed | {"PEBBLE_WFE_NONCEREJECT": str(self.nonce_reject)} | dict(self.environment)

    def content(self) -> str:
        """Pebble's configuration file."""
        profiles = {"default": {"description": "The lab's profile", "validityPeriod": self.validity_seconds}}
        if self.shortlived_seconds is not None:
            profiles["shortlived"] = {"description": "Short lives", "validityPeriod": self.shortlived_seconds}
        settings = {
            "listenAddress": f"0.0.0.0:{PORT}",
            "managementListenAddress": f"0.0.0.0:{MANAGEMENT_PORT}",
            "certificate": "/etc/pebble/certificate.pem",
            "privateKey": "/etc/pebble/key.pem",
            "httpPort": 80,
            "tlsPort": 443,
            "externalAccountBindingRequired": bool(self.external_accounts),
            "externalAccountMACKeys": dict(self.external_accounts),
            "retryAfter": {"authz": 1, "order": 1},
            "profiles": profiles,
        }
        return json.dumps({"pebble": settings})
