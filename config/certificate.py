"""The certificate with which nginx serves HTTPS."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, field_validator, model_validator

from config.acme import Acme
from config.base import HIDDEN, Concern, Whole, as_text, refused
from config.pem import PublicKey, leaf_key, parse_chain, parse_tls_private_key
from config.renewal import Renewal
from config.storage import absolute_path

__all__ = ["Acme", "Certificate", "Renewal"]

_PATH_EXAMPLE = "/etc/ssl/dr/fullchain.pem"


def _path(value: object) -> PurePosixPath:
    return absolute_path(str(value) if isinstance(value, PurePosixPath) else as_text(value), _PATH_EXAMPLE)


HostPath = Annotated[PurePosixPath, PlainValidator(_path, json_schema_input_type=str)]


class Certificate(Concern):
    """The certificate with which nginx serves HTTPS. A change reloads nginx; no connection is cut."""

    mode: Literal["self-signed", "files", "acme"] = "self-signed"
    """`self-signed`: the host makes a certificate, which each client must be told to trust.
    `files`: an existing certificate, inline (`chain`, `privateKey`) or already on the host
    (`chainPath`, `privateKeyPath`). `acme`: a certificate authority issues and renews one, by default
    Let's Encrypt; the names must lead to the host, whose port 80 the authority must reach."""

    chain: Annotated[str, AfterValidator(parse_chain)] | None = None
    """PEM: the host's certificate and then its issuers. Its names must cover `site.fqdn`;
    a wildcard will do."""

    private_key: (
        Annotated[PublicKey, PlainValidator(parse_tls_private_key, json_schema_input_type=str), HIDDEN] | None
    ) = Field(default=None, validate_default=True)
    """Secret. PEM: the private key of `chain`, without a passphrase."""

    chain_path: HostPath | None = Field(default=None, examples=[_PATH_EXAMPLE])
    """Absolute path on the host of a chain that something else keeps current, instead of `chain`."""

    private_key_path: HostPath | None = Field(default=None, validate_default=True, examples=["/etc/ssl/dr/privkey.pem"])
    """Absolute path on the host of the key of `chainPath`."""

    acme: Acme | None = None
    """How the certificate authority is asked. Only for mode `acme`, where every part has a default."""

    renewal: Renewal = Field(default_factory=Renewal)
    """When the host looks whether its certificate is due. Only for mode `acme`."""

    warn_days: Annotated[int, Whole(1, 90, "days")] = Field(default=7, examples=[7])
    """Days before the certificate's end from which every `up` and the host warn. A renewal happens
    when a third of the lifetime is left. Public certificates shrink to 45 days by 2028, and are then renewed
    15 days before their end: at 7 a renewal has failed for a week, and a week is left. Of a certificate
    that lives for less than four times that, such as those of the profile `shortlived`, it is the last quarter."""

    @property
    def acme_settings(self) -> Acme:
        """How the certificate authority is asked in mode `acme`, whether that is set or left to its defaults."""
        return self.acme if self.acme is not None else Acme()

    @field_validator("chain", "private_key", "chain_path", "private_key_path")
    @classmethod
    def _only_files(cls, value: object, info: ValidationInfo) -> object:
        mode = info.data.get("mode")
        if value is not None and mode not in (None, "files"):
            raise refused(f"no value, because certificate.mode is {mode}; or mode files")
        return value

    # Before what is inside is looked at: in another mode it does not matter.
    @field_validator("acme", "renewal", mode="before")
    @classmethod
    def _only_acme(cls, value: object, info: ValidationInfo) -> object:
        mode = info.data.get("mode")
        if value is not None and mode not in (None, "acme"):
            raise refused(f"no value, because certificate.mode is {mode}; or mode acme")
        return value

    @field_validator("private_key")
    @classmethod
    def _belongs_to_chain(cls, value: PublicKey | None, info: ValidationInfo) -> PublicKey | None:
        if "chain" not in info.data or info.data.get("mode") != "files":
            return value
        chain = info.data["chain"]
        if value is None and chain is not None:
            raise refused(
                "the private key of certificate.chain; set it with "
                "pulumi config set --secret --path 'docker-registry:certificate.privateKey' < privkey.pem"
            )
        if value is not None and chain is None:
            raise refused("no key without certificate.chain")
        if value is not None and value != leaf_key(chain):
            raise refused("the private key of the first certificate in certificate.chain, not of another")
        return value

    @field_validator("chain_path", "private_key_path")
    @classmethod
    def _not_both_ways(cls, value: PurePosixPath | None, info: ValidationInfo) -> PurePosixPath | None:
        if value is not None and info.data.get("chain") is not None:
            raise refused("no path, because certificate.chain has the certificate itself")
        return value

    @field_validator("private_key_path")
    @classmethod
    def _two_paths(cls, value: PurePosixPath | None, info: ValidationInfo) -> PurePosixPath | None:
        if "chain_path" not in info.data or info.data.get("mode") != "files":
            return value
        chain_path = info.data["chain_path"]
        if value is None and chain_path is not None:
            raise refused("the path of certificate.chainPath's key, for example /etc/ssl/dr/privkey.pem")
        if value is not None and chain_path is None:
            raise refused("no path without certificate.chainPath")
        return value

    @model_validator(mode="after")
    def _files_are_there(self) -> Certificate:
        if self.mode == "files" and self.chain is None and self.chain_path is None:
            raise refused("chain and privateKey, or chainPath and privateKeyPath", found="mode files without files")
        return self
