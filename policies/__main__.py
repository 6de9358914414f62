"""The policy pack: `pulumi preview --policy-pack policies --policy-pack-config policies/config.json`.

`config.json` sets each policy, or `all` of them, to mandatory, advisory or disabled.
"""

from collections.abc import Mapping, Sequence

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError
from rules import RULES, Rule

DEVELOPMENT = PolicyConfigSchema(
    properties={"development": {"type": "array", "items": {"type": "string"}, "default": ["development", "dev"]}}
)
"""The stacks that may run images by moving tags."""


def known(values: object) -> object:
    """Inputs without those that only the update will tell, which the SDK refuses to hand over in a preview."""
    if isinstance(values, Mapping):
        return {name: known(value) for name in values if (value := _got(values, name)) is not None}
    if isinstance(values, Sequence) and not isinstance(values, str):
        return [known(value) for index in range(len(values)) if (value := _got(values, index)) is not None]
    return values


def _got(values, name):  # noqa: ANN001, ANN202
    try:
        return values[name]
    except UnknownValueError:
        return None


def policy(rule: Rule) -> ResourceValidationPolicy:
    """A rule as a policy."""
    but_development = rule.name in {"images-pinned", "backed-up"}

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        # urn:pulumi:STACK::PROJECT::TYPE::NAME
        stack = args.urn.split(":")[2]
        if but_development and stack in args.get_config().get("development", []):
            return
        for violation in rule.find(args.resource_type, known(args.props)):
            report(violation, None)

    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.demands,
        validate=validate,
        enforcement_level=EnforcementLevel.ADVISORY if rule.advisory else EnforcementLevel.MANDATORY,
        config_schema=DEVELOPMENT if but_development else None,
    )


PolicyPack(name="docker-registry", policies=[policy(rule) for rule in RULES])
