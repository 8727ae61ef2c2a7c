"""What happens to a comment: rules over scores and facts, in one language for policies and for Coral's file.

rules     one rule: what a comment must be like, and the action
facts     what is known about a comment besides its scores
decide    rules, scores and facts to a decision with its reasons
check     rules that cannot stand
file      a site's policy: one TOML file, parsed and checked
words     rules and reasons in plain words
backtest  what would change if a draft went live
archive   comments of files, scored, to test against
commands  `evenhand policy`
"""

from __future__ import annotations

from serving.policy.check import RuleError, check
from serving.policy.decide import Decision, Reason, decide, first_match
from serving.policy.facts import AuthorFacts, Facts, StoryFacts, count_links
from serving.policy.file import DEFAULT, DEFAULT_RULES, DEFAULT_SOURCE, Policy, PolicyError, load, parse
from serving.policy.rules import Action, Rule, Words

__all__ = [
    "DEFAULT",
    "DEFAULT_RULES",
    "DEFAULT_SOURCE",
    "Action",
    "AuthorFacts",
    "Decision",
    "Facts",
    "Policy",
    "PolicyError",
    "Reason",
    "Rule",
    "RuleError",
    "StoryFacts",
    "Words",
    "check",
    "count_links",
    "decide",
    "first_match",
    "load",
    "parse",
]
