"""A site's policy: one TOML file of rules, for the site and for its sections.

docs/policy.md explains it for those who write one, and docs/examples/policy.toml is one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, StrictBool, ValidationError

from labels import taxonomy
from serving.policy.check import RuleError, check
from serving.policy.complaint import complaint
from serving.policy.rules import Name, Rule, Table

MAX_SOURCE = 64 * 2**10  # bytes; a policy is for people to read
MAX_RULES = 200  # of one list: check compares each with those above it

DEFAULT_SOURCE = """\
# What holds until a policy of the site's own is live. Nothing is removed by a machine alone.

[[rules]]
attribute = "report_worthy"
at_least = 0.5
action = "hold"      # more likely than not, a moderator would remove it: one decides before it is published
nudge = true         # but first the author may reword it

[[rules]]
attribute = "report_worthy"
at_least = 0.35
action = "flag"      # published, and a moderator looks at it
"""


class PolicyError(ValueError):
    """A policy cannot be used. The message names file, section, rule, key and what is wrong with it; its parts are
    there for an editor: `section` (None: the site's own rules), `rule` (from 1; None: the file as a whole), `key` ("":
    the rule as a whole) and `problem`.
    """

    def __init__(
        self, name: str, problem: str, *, section: str | None = None, rule: int | None = None, key: str = ""
    ) -> None:
        where = [name] if name else []
        where += [f"section {section!r}"] if section is not None else []
        where += [f"rule {rule}"] if rule is not None else []
        where += [key] if key else []
        super().__init__(": ".join([*where, problem]))
        self.section, self.rule, self.key, self.problem = section, rule, key, problem


class Section(Table):
    """`[sections.NAME]`."""

    rules: list[Rule] = Field(min_length=1, max_length=MAX_RULES)


class File(Table):
    """The whole file as it is written."""

    allow_machine_removal: StrictBool = Field(False, description="whether rules may reject without a person")
    rules: list[Rule] | None = Field(None, max_length=MAX_RULES)
    sections: dict[Name, Section] = Field({}, max_length=1000)


@dataclass(frozen=True)
class Policy:
    """The rules of a site, and of its sections by name in lower case."""

    rules: tuple[Rule, ...]
    sections: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    def lists(self, section: str | None) -> Iterator[tuple[str | None, tuple[Rule, ...]]]:
        """The lists of rules for a comment of a section (None: not known), in the order they are read; with the
        section's name, None for the site's own.
        """
        name = section.casefold() if section is not None else None
        if name is not None and name in self.sections:
            yield name, self.sections[name]
        yield None, self.rules

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes whose scores it asks for."""
        every = [self.rules, *self.sections.values()]
        return frozenset(rule.attribute for rules in every for rule in rules if rule.attribute is not None)


def load(path: Path, attributes: Collection[str] | None = None) -> Policy:
    """The policy in a file. Raises PolicyError."""
    try:
        return parse(path.read_text(encoding="utf-8"), attributes, str(path))
    except OSError as error:
        raise PolicyError(str(path), f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise PolicyError(str(path), f"not UTF-8 at byte {error.start}") from None


def parse(source: str, attributes: Collection[str] | None = None, name: str = "") -> Policy:
    """The policy in a TOML text, whose rules may ask for these attributes; None: all of the taxonomy. `name` is what
    errors call it. Raises PolicyError: not TOML, an unknown key, a value out of its range, no rules, a rule that
    cannot stand (check.check), or one that rejects without `allow_machine_removal = true`.
    """
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE:
        raise PolicyError(name, f"larger than {MAX_SOURCE} bytes")
    try:
        file = File.model_validate(tomllib.loads(source))
    except ValidationError as error:
        found = complaint(error, File)
        section = found.path[1] if found.path else None
        raise PolicyError(name, found.problem, section=section, rule=found.rule, key=found.key) from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(name, f"not valid TOML: {error}") from None
    if file.rules is None and not file.sections:
        raise PolicyError(name, "there is no rule: expected [[rules]] or [[sections.NAME.rules]]")
    names = taxonomy.load().names if attributes is None else attributes
    sections: dict[str, tuple[Rule, ...]] = {}
    for title, table in file.sections.items():
        if title.casefold() in sections:
            raise PolicyError(name, "there is another section of this name", section=title)
        sections[title.casefold()] = _checked(name, title, table.rules, names, file.allow_machine_removal)
    return Policy(_checked(name, None, file.rules or [], names, file.allow_machine_removal), sections)


def _checked(
    name: str, section: str | None, rules: list[Rule], attributes: Collection[str], machine_removal: bool
) -> tuple[Rule, ...]:
    try:
        check(rules, attributes)
    except RuleError as error:
        raise PolicyError(name, error.problem, section=section, rule=error.rule, key=error.key) from None
    for number, rule in enumerate(rules, start=1):
        if section is not None and rule.section is not None:
            problem = f"every rule here is for the section {section!r}; leave this key out"
            raise PolicyError(name, problem, section=section, rule=number, key="section")
        if rule.action == "reject" and not machine_removal:
            problem = "reject removes without a person; hold, or write allow_machine_removal = true on top of the file"
            raise PolicyError(name, problem, section=section, rule=number, key="action")
    return tuple(rules)


# What Coral's sites have where their file has no rules: what a moderator would more likely than not remove waits.
DEFAULT_RULES = (Rule(attribute="report_worthy", at_least=0.5, action="hold"),)
DEFAULT = parse(DEFAULT_SOURCE)
