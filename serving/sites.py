"""The Coral sites that may ask for moderation: their signing secrets and their rules, from one TOML file.

docs/coral.md explains the file for operators and docs/examples/coral.toml is one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from labels import taxonomy
from serving import policy, settings
from serving.policy import Rule, RuleError, Words
from serving.policy.complaint import complaint

# What Coral says of a comment besides its text; the links are counted here.
FACTS = ("author.role", "links")

# As Coral makes them for phases; whsec_ are those of its webhooks, which sign something else.
SECRET = re.compile(r"empsec_[0-9A-Za-z]{32,}")
DEFAULT = "default"

Format = Literal["HTML", "PLAIN_TEXT"]
Variable = Callable[[str], str | None]


class SitesError(ValueError):
    """The file of sites cannot be used. The message names file, site, rule and key, and never a secret."""


class Table(BaseModel):
    """`[default]` or `[sites.ID]` as written; what a site leaves out it has from `[default]`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    secrets: list[SecretStr] | None = Field(None, min_length=1, description="as Coral shows them, empsec_…")
    secrets_from: list[str] | None = Field(
        None, min_length=1, description="names of environment variables; each holds one secret or several, by space"
    )
    format: Format | None = Field(None, description="of the bodies, as chosen in Coral; HTML if left out")
    timeout_ms: int | None = Field(None, ge=100, le=10_000, description="as set in Coral; 800 if left out")
    approve: bool | None = Field(
        None, description="answer accept with APPROVED, past Coral's premoderation; false if left out"
    )
    author_text: Words | None = Field(None, description="shown to authors of rejected comments")
    rules: list[Rule] | None = Field(None, description="in order; left out: policy.DEFAULT_RULES")


class File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    default: Table = Table()
    sites: dict[Annotated[str, Field(min_length=1, max_length=256)], Table] = {}


@dataclass(frozen=True)
class Site:
    """One Coral site. `timeout_ms` is after how long Coral stops waiting."""

    id: str
    secrets: tuple[str, ...] = field(repr=False)
    format: Format = "HTML"
    timeout_ms: int = 800
    approve: bool = False
    author_text: str | None = None
    rules: tuple[Rule, ...] = policy.DEFAULT_RULES

    @property
    def deadline(self) -> float:
        """Seconds to answer in: a tenth of Coral's patience, and at least 50 ms, are left for the way."""
        return (self.timeout_ms - max(50.0, self.timeout_ms / 10)) / 1000


@dataclass(frozen=True)
class Sites:
    """Sites by the id that Coral gives them; `default`, if any, stands for those that are not listed."""

    listed: Mapping[str, Site] = field(default_factory=dict)
    default: Site | None = None

    def find(self, site_id: str) -> Site | None:
        """The site with this id; None for a stranger."""
        return self.listed.get(site_id, self.default)

    @classmethod
    def load(cls, path: Path | None, *, strict: bool = True, variable: Variable = settings.variable) -> Sites:
        """Reads and checks a file; no file, no sites. `strict` refuses secrets that Coral cannot have made, which
        a local trial may use. Raises SitesError.
        """
        if path is None:
            return cls()
        try:
            file = File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
            sites = _Reader(file.default, strict, variable)
            listed = {site_id: sites.site(site_id, table) for site_id, table in file.sites.items()}
            default = sites.site(DEFAULT, Table()) if sites.has_secrets(file.default) else None
        except OSError as error:
            raise SitesError(f"{path}: cannot be read ({error.strerror})") from None
        except ValidationError as error:
            raise SitesError(f"{path}: {_first(error)}") from None
        except SitesError as error:
            raise SitesError(f"{path}: {error}") from None
        except (ValueError, RecursionError) as error:  # not UTF-8, not TOML; neither message quotes a value
            raise SitesError(f"{path}: not valid TOML: {error}") from None
        if not listed and default is None:
            raise SitesError(f"{path}: there is no site: expected [default] with secrets, or [sites.ID]")
        return cls(listed, default)


@dataclass(frozen=True)
class _Reader:
    """Makes sites of tables: adds what `[default]` has, fetches secrets, checks."""

    default: Table
    strict: bool
    variable: Variable

    def has_secrets(self, table: Table) -> bool:
        return bool(table.secrets or table.secrets_from)

    def site(self, site_id: str, table: Table) -> Site:
        """Raises SitesError."""
        where = f"[{DEFAULT}]" if site_id == DEFAULT else f"site {site_id!r}"
        origin = table if self.has_secrets(table) else self.default
        given = self.default.model_dump(exclude_none=True, exclude={"secrets", "secrets_from", "rules"})
        given |= table.model_dump(exclude_none=True, exclude={"secrets", "secrets_from", "rules"})
        rules = self.default.rules if table.rules is None else table.rules
        site = Site(
            site_id,
            self._secrets(where, origin),
            **given,
            rules=policy.DEFAULT_RULES if rules is None else tuple(rules),
        )
        try:
            policy.check(site.rules, taxonomy.load().names, FACTS)
            for number, rule in enumerate(site.rules, start=1):
                if rule.nudge:
                    raise RuleError(number, "nudge", "not by this phase; Coral's Perspective phase warns authors")
        except RuleError as error:
            raise SitesError(f"{where}: {error}") from None
        return site

    def _secrets(self, where: str, table: Table) -> tuple[str, ...]:
        found = [("secrets", secret.get_secret_value().strip()) for secret in table.secrets or ()]
        for name in table.secrets_from or ():
            values = (self.variable(name) or "").split()
            if not values:
                raise SitesError(f"{where}: secrets_from: the environment variable {name!r} is not set")
            found += [(f"secrets_from: {name}", value) for value in values]
        if not found:
            raise SitesError(f"{where}: secrets: expected secrets or secrets_from, here or in [{DEFAULT}]")
        for key, secret in found:
            if not secret:
                raise SitesError(f"{where}: {key}: a secret is empty")
            if secret.startswith("whsec_"):
                raise SitesError(f"{where}: {key}: this secret (whsec_…) is a webhook's; copy the phase's (empsec_…)")
            if not SECRET.fullmatch(secret):
                problem = "a secret is not one that Coral makes (empsec_ and 64 digits); copy it from Coral's page"
                if self.strict:
                    raise SitesError(f"{where}: {key}: {problem}")
                structlog.get_logger().warning("weak secret, accepted in local mode only", where=where, key=key)
        return tuple(dict.fromkeys(secret for _, secret in found))


def _first(error: ValidationError) -> str:
    """The first complaint, as site, rule (from 1), key and problem."""
    found = complaint(error, File)
    parts = [f"[{DEFAULT}]" if found.path[0] == DEFAULT else f"site {found.path[-1]!r}"] if found.path else []
    parts += [f"rule {found.rule}"] if found.rule is not None else []
    parts += [found.key] if found.key else []
    return ": ".join([*parts, found.problem])
