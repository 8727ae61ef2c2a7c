"""How well the report queue is ordered: simulated readers report real comments that real moderators judged.

    EVENHAND_DATA_DIR=/path/to/data python benchmarks/triage.py [--json FILE] [--seeds 20]

The comments, their stories and whether they were removed are real, the readers are simulated. Rows: those that the
shipped model was neither trained nor calibrated on, the test part of `cmv_moderation` (removed by moderators as
rude or hostile; runs/minilm/data/test.parquet of `training.prepare` says which) and all of `civil_comments_full`
(rejected by news sites). For each seed one half of the comments, by lot, makes past weeks, from whose decisions
readers' records come; the other half makes today's queue. `Simulation` documents every rate. Brigades differ in
size, in how many comments they report, and in their accounts: new ones at once; sleepers, old and within hours;
farmed ones, which earned a record before; and farmed ones each of which reports only some of the targets.

The default weights and AGREEMENT were chosen by reasoning and compared with `--rows dev` and seeds from 1000: other
comments (the dev part of `cmv_moderation` and of `civil_comments`) and other seeds than those reported.

A budget is a share of the queue. "No worse" is reached unless the whole interval of a paired difference is below
nothing; means below are listed beside it. Intervals are 95 % over seeds, of means by Student's t; they tell how much
depends on the lot and the readers drawn, not what other comments would give. Differences are paired by seed. A
simulation shows that the ranking does what it was made for if readers behave as assumed, not that they do.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import track
from rich.table import Table

from serving.scorer import Scorer
from serving.text import normalise
from serving.triage import REASONS, Case, Decided, Outcome, Reason, Report, Reporter, Weights, fit, rank
from serving.triage.ranking import DEFAULT
from training.settings import Settings

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = ("honest", "careless", "hostile")
BUDGETS = (0.01, 0.05, 0.10)
TOP = 20
RATIO = 1.5  # the bar against most-reported-first
DEV_ROWS = 2000  # of civil_comments, with --rows dev
# Two-sided 95 % quantiles of Student's t by degrees of freedom; between them that of fewer, which is wider.
T95 = {4: 2.776, 9: 2.262, 14: 2.145, 19: 2.093, 24: 2.064, 29: 2.045, 39: 2.023, 59: 2.001}

OURS, FITTED, TEXT, MOST, NEWEST = "evenhand", "evenhand, fitted", "text-only", "most-reported", "newest"
METRICS = (*(f"{what}@{share:.0%}" for share in BUDGETS for what in ("P", "R")), f"NDCG@{TOP}")
FIRST = "reviews to first"
Random = np.random.Generator
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Kind:
    """A kind of reader. Reports a comment gets from all readers of the kind together, on average."""

    readers: int
    upheld: float  # reports of a comment that moderators remove
    declined: float  # reports of one that they leave
    by_text: bool  # mistakes grow with the text's score: what looks rude is reported
    careful: bool  # states the reason that fits the text best; others state any


@dataclass(frozen=True)
class Brigade:
    """Accounts that together report comments which moderators leave. Each reports each target with `rate`."""

    size: int = 40
    targets: int = 20
    rate: float = 0.9
    minutes: float = 8.0  # within which all of them report one target
    age_days: float = 2.0  # of the oldest account
    past_upheld: int = 0  # a record of reports that were upheld: farmed accounts


@dataclass(frozen=True)
class Simulation:
    """All assumptions. With these rates 65 % of honest readers' reports are upheld, 22 % of careless and 10 % of
    hostile readers' ones, and most readers report so rarely that they have no record.
    """

    honest: Kind = Kind(700, upheld=1.2, declined=0.06, by_text=True, careful=True)
    careless: Kind = Kind(250, upheld=0.3, declined=0.10, by_text=False, careful=False)
    hostile: Kind = Kind(50, upheld=0.1, declined=0.08, by_text=False, careful=False)
    brigade: Brigade | None = None
    activity: float = 1.2  # sigma of the log-normal number of reports per reader: a few make most of them
    account_days: float = 400.0  # mean age of an account, exponential
    weeks: int = 8  # of past decisions
    reviewed: float = 0.5  # share of past cases that were decided, by lot
    mistaken: float = 0.05  # share of past decisions that are the wrong way round
    delay_hours: float = 3.0  # mean time from comment to report, exponential
    withdrawn: float = 0.03  # share of reports that are taken back
    review_seconds: float = 30.0  # that a moderator needs for a case


BASIC = Simulation()


def louder(kind: Kind, factor: float) -> Kind:
    """A kind of reader reporting more, or less, than usual."""
    return replace(kind, upheld=kind.upheld * factor, declined=kind.declined * factor)


FARMED = Brigade(40, minutes=600.0, age_days=900.0, past_upheld=5)
SIZES = (5, 10, 20, 40, 80, 160)
SCENARIOS = {
    "honest": replace(BASIC, careless=louder(BASIC.careless, 0.3), hostile=louder(BASIC.hostile, 0.3)),
    "mixed": BASIC,
    "quiet": replace(BASIC, honest=louder(BASIC.honest, 0.25)),
    "careless": replace(BASIC, careless=louder(BASIC.careless, 3.0)),
    "hostile": replace(BASIC, hostile=louder(BASIC.hostile, 3.0)),
    **{f"brigade of {size}": replace(BASIC, brigade=Brigade(size)) for size in SIZES},
    "40 on 8 comments": replace(BASIC, brigade=Brigade(40, targets=8)),
    "40 on 60 comments": replace(BASIC, brigade=Brigade(40, targets=60)),
    "40 sleepers": replace(BASIC, brigade=replace(FARMED, past_upheld=0)),
    "40 farmed": replace(BASIC, brigade=FARMED),
    "40 farmed, scattered": replace(BASIC, brigade=replace(FARMED, targets=60, rate=0.25)),
}
BRIGADES = tuple(name for name, world in SCENARIOS.items() if world.brigade)


@dataclass(frozen=True)
class Comment:
    """A real comment: its scores and whether moderators removed it."""

    id: str
    story: str
    upheld: bool
    scores: Mapping[str, float]


@dataclass
class Readers:
    """Readers of one seed, with what is known of their past; `decided` is what weights can be fitted to."""

    ids: dict[str, list[str]]
    shares: dict[str, Floats]
    created: dict[str, datetime]
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)

    def known(self) -> dict[str, Reporter]:
        """What the ranking is told."""
        return {
            each: Reporter(each, created, tuple(self.outcomes.get(each, ()))) for each, created in self.created.items()
        }


def load(rows: str, data: Path, corpus: Path, cache: Path | None) -> list[Comment]:
    """Comments with their scores; `rows` is test or dev. Scores are kept in `cache` if there is one."""
    part = pq.read_table(corpus / f"{rows}.parquet", columns=["key", "source", "text", "natural", "report_worthy"])
    found: list[tuple[str, str, str, bool]] = []
    forum = pq.read_table(data / "cmv_moderation.parquet").to_pylist()
    for row in part.to_pylist():
        name, _, number = row["key"].partition(":")
        if name == "cmv_moderation":
            original = forum[int(number) - 1]  # keys count rows from 1
            if normalise(original["text"]) != row["text"]:
                raise SystemExit(f"{row['key']} is another text in the data directory: prepare the corpus again")
            found.append((row["key"], original["thread"], row["text"], original["removed_rule2"] == 1))
        elif rows == "dev" and name == "civil_comments" and row["natural"] and len(found) < DEV_ROWS:
            found.append((row["key"], f"{name}:{len(found) // 10}", row["text"], row["report_worthy"] >= 0.5))
    if rows == "test":
        news = pq.read_table(data / "civil_comments_full.parquet").to_pylist()
        found += [
            (f"civil_comments_full:{number}", str(row["article_id"]), row["text"], row["rating"] == "rejected")
            for number, row in enumerate(news, start=1)
        ]
    if cache and cache.exists():
        scores = json.loads(cache.read_text(encoding="utf-8"))
    else:
        scored = Scorer.load(threads=1).score([text for _, _, text, _ in found])
        scores = {key: dict(each) for (key, *_), each in zip(found, scored, strict=True)}
        if cache:
            cache.write_text(json.dumps(scores), encoding="utf-8")
    return [Comment(key, story, upheld, scores[key]) for key, story, _, upheld in found]


def hire(world: Simulation, random: Random, now: datetime) -> Readers:
    """Readers of all kinds."""
    ids, shares, created = {}, {}, {}
    for name in KINDS:
        kind: Kind = getattr(world, name)
        ids[name] = [f"{name}-{number}" for number in range(kind.readers)]
        activity = random.lognormal(0.0, world.activity, kind.readers)
        shares[name] = activity / activity.sum()
        for each, days in zip(ids[name], random.exponential(world.account_days, kind.readers), strict=True):
            # One who has not joined by the first week would have a past before the account.
            created[each] = now - DAY * (days + 7 * (world.weeks if days > 7 else 0))
    return Readers(ids, shares, created)


def reason(comment: Comment, careful: bool, random: Random) -> Reason:
    """The reason that a reader states."""
    if careful:
        seen = {each: max((comment.scores[name] for name in REASONS[each]), default=0.0) for each in REASONS}
        return max(seen, key=lambda each: seen[each])
    return list(REASONS)[int(random.integers(len(REASONS)))]


def queue(
    comments: Sequence[Comment], readers: Readers, world: Simulation, random: Random, now: datetime, prefix: str
) -> tuple[list[Case], dict[str, bool], dict[str, datetime]]:
    """A day of reports: the cases; by comment whether a report is to be upheld, and when it was posted."""
    mean = float(np.mean([one.scores["report_worthy"] for one in comments]))
    cases, truth, posted = [], {}, {}
    for number, comment in enumerate(comments):
        name = f"{prefix}{comment.id}"
        truth[name] = comment.upheld
        posted[name] = now - DAY * float(random.random())
        reports = []
        for kind_name in KINDS:
            kind: Kind = getattr(world, kind_name)
            rate = kind.upheld if comment.upheld else kind.declined
            if kind.by_text and not comment.upheld:
                rate *= 0.5 + 0.5 * comment.scores["report_worthy"] / mean
            count = min(int(random.poisson(rate)), kind.readers)
            for who in random.choice(kind.readers, count, replace=False, p=readers.shares[kind_name]):
                at = min(posted[name] + timedelta(hours=float(random.exponential(world.delay_hours))), now)
                stated = reason(comment, kind.careful, random)
                back = bool(random.random() < world.withdrawn)
                reports.append(Report(readers.ids[kind_name][who], name, 1, stated, at, back))
        # Real authors are not in the data: every comment has one of a few thousand, as on a site.
        author = f"author-{number // 2}"
        cases.append(Case(name, f"{prefix}{comment.story}", author, comment.scores, tuple(reports)))
    return cases, truth, posted


@lru_cache(maxsize=8)
def past(pool: Pool, world: Simulation, seed: int) -> tuple[Readers, tuple[Comment, ...]]:
    """Readers with the records of the past weeks, and the comments left for today."""
    random = np.random.default_rng([seed, 1])
    order = random.permutation(len(pool.comments))
    before = [pool.comments[i] for i in order[: len(order) // 2]]
    readers = hire(world, random, NOW)
    for week in range(world.weeks, 0, -1):
        now = NOW - DAY * 7 * week
        cases, truth, _ = queue(before, readers, world, random, now, f"{week}/")
        for one in rank(cases, readers.known(), now):
            if random.random() >= world.reviewed:
                continue
            upheld = truth[one.case.comment] ^ bool(random.random() < world.mistaken)
            readers.decided.append(Decided(one.features, upheld, now))
            for who in {report.reporter for report in one.case.reports if not report.withdrawn}:
                readers.outcomes.setdefault(who, []).append(Outcome(one.case.comment, upheld, now))
    return readers, tuple(pool.comments[i] for i in order[len(order) // 2 :])


def attack(
    cases: list[Case], truth: Mapping[str, bool], brigade: Brigade, random: Random
) -> tuple[list[Case], dict[str, Reporter]]:
    """The cases with a brigade's reports of comments that are to be left, and its accounts."""
    accounts = {}
    for number in range(brigade.size):
        created = NOW - DAY * (1 + brigade.age_days * float(random.random()))
        before = tuple(Outcome(f"farm/{number}/{i}", True, NOW - DAY * 30) for i in range(brigade.past_upheld))
        accounts[f"brigade-{number}"] = Reporter(f"brigade-{number}", created, before)
    innocent = [number for number, case in enumerate(cases) if not truth[case.comment]]
    result = list(cases)
    for number in random.choice(innocent, brigade.targets, replace=False):
        case, extra = cases[number], []
        start = NOW - timedelta(minutes=brigade.minutes + 240 * float(random.random()))
        stated: Reason = "hateful" if random.random() < 0.5 else "abusive"
        for each in accounts:
            if random.random() < brigade.rate:
                at = start + timedelta(minutes=brigade.minutes * float(random.random()))
                extra.append(Report(each, case.comment, 1, stated, at))
        result[number] = replace(case, reports=case.reports + tuple(extra))
    return result, accounts


@dataclass(frozen=True, eq=False)
class Pool:
    """All comments; compared by identity, so that a past can be kept for several scenarios."""

    comments: tuple[Comment, ...]


def measure(order: Sequence[str], truth: Mapping[str, bool]) -> dict[str, float]:
    """Every metric of one order of comments, best first."""
    hits = np.array([truth[comment] for comment in order], np.float64)
    result = {}
    for share in BUDGETS:
        seen = math.ceil(share * len(hits))
        result[f"P@{share:.0%}"] = float(hits[:seen].mean())
        result[f"R@{share:.0%}"] = float(hits[:seen].sum() / hits.sum())
    gains = 1 / np.log2(np.arange(2, TOP + 2))
    result[f"NDCG@{TOP}"] = float((hits[:TOP] * gains).sum() / gains[: int(hits.sum())].sum())
    result[FIRST] = float(np.flatnonzero(hits)[0] + 1)
    return result


def run(
    pool: Pool, world: Simulation, seed: int, weights: Weights
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Metrics by ranking, and facts, of one seed."""
    readers, comments = past(pool, replace(world, brigade=None), seed)
    random = np.random.default_rng([seed, 2])
    cases, truth, posted = queue(comments, readers, world, random, NOW, "")
    reporters = readers.known()
    if world.brigade:
        cases, accounts = attack(cases, truth, world.brigade, np.random.default_rng([seed, 3]))
        reporters |= accounts
    ours = rank(cases, reporters, NOW, weights)
    fitted = fit(readers.decided, weights)
    reported = [one.case for one in ours]
    counts = {
        case.comment: len({report.reporter for report in case.reports if not report.withdrawn}) for case in reported
    }

    def by(key: Callable[[Case], Any]) -> list[str]:
        return [case.comment for case in sorted(reported, key=key)]

    orders = {
        OURS: [one.case.comment for one in ours],
        FITTED: [one.case.comment for one in rank(cases, reporters, NOW, fitted.weights)],
        TEXT: by(lambda case: -case.scores["report_worthy"]),
        MOST: by(lambda case: (-counts[case.comment], -posted[case.comment].timestamp())),
        NEWEST: by(lambda case: -posted[case.comment].timestamp()),
    }
    facts = {
        "cases": len(reported),
        "upheld": sum(truth[case.comment] for case in reported),
        "decisions": len(readers.decided),
        "fitted": fitted.adopted,
        "expected": math.fsum(one.probability for one in ours),
    }
    return {name: measure(order, truth) for name, order in orders.items()}, facts


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval."""
    each = np.array(list(values))
    freedom = len(each) - 1
    quantile = next(T95[known] for known in sorted(T95, reverse=True) if known <= freedom)
    return float(each.mean()), float(quantile * each.std(ddof=1) / math.sqrt(len(each)))


def compare(results: Sequence[dict[str, dict[str, float]]], ours: str = OURS) -> dict[str, tuple[float, float]]:
    """By metric, ours less text-only, paired; fewer reviews to the first upheld count as more."""
    signs = dict.fromkeys(METRICS, 1) | {FIRST: -1}
    return {
        metric: interval(sign * (each[ours][metric] - each[TEXT][metric]) for each in results)
        for metric, sign in signs.items()
    }


def bars(results: Mapping[str, Sequence[dict[str, dict[str, float]]]]) -> list[dict[str, Any]]:
    """Each bar with its figures and whether it is reached."""
    found = []
    for scenario in BRIGADES:
        precisions = [each[OURS]["P@5%"] for each in results[scenario]]
        most = [each[MOST]["P@5%"] for each in results[scenario]]
        mean, half = interval(a - RATIO * b for a, b in zip(precisions, most, strict=True))
        ratio = float(np.mean(precisions) / np.mean(most)) if np.mean(most) else math.inf
        found.append(
            {
                "bar": f"P@5% at least {RATIO:g} x most-reported",
                "scenario": scenario,
                "figure": f"{ratio:.1f} x" if math.isfinite(ratio) else "most-reported finds none",
                "reached": mean - half >= 0,
            }
        )
    for ours, (scenario, each) in product((OURS, FITTED), results.items()):
        differences = compare(each, ours)
        metric = min(differences, key=lambda name: differences[name][0] / (differences[name][1] or 1e-9))
        mean, half = differences[metric]
        found.append(
            {
                "bar": f"{ours} no worse than text-only",
                "scenario": scenario,
                "figure": f"least sure: {metric} {mean:+.3f} ± {half:.3f}",
                "reached": all(mean + half >= 0 for mean, half in differences.values()),
                "means_below": [name for name, (value, _) in differences.items() if value < 0],
            }
        )
    return found


def show(console: Console, name: str, results: Sequence[dict[str, dict[str, float]]], facts: Sequence[Any]) -> None:
    """Prints the table of one scenario."""
    cases, upheld = (np.mean([each[what] for each in facts]) for what in ("cases", "upheld"))
    table = Table(title=f"{name}: {cases:.0f} cases, {upheld:.0f} to be upheld")
    for heading in ("ranking", *METRICS, "first upheld after"):
        table.add_column(heading, justify="left" if heading == "ranking" else "right")
    for ranking in (OURS, FITTED, TEXT, MOST, NEWEST):
        cells = []
        for metric in METRICS:
            mean, half = interval(each[ranking][metric] for each in results)
            cells.append(f"{mean:.2f}±{half:.2f}")
        seconds = float(np.median([each[ranking][FIRST] for each in results])) * BASIC.review_seconds
        table.add_row(ranking, *cells, f"{seconds:.0f} s")
    console.print(table)


def main() -> None:
    """Prints tables, and whether the bars are reached."""
    settings = Settings()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpus", type=Path, default=settings.runs_dir / "minilm" / "data")
    parser.add_argument("--rows", choices=("test", "dev"), default="test")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; may be repeated")
    parser.add_argument("--cache", type=Path, help="file that keeps the scores for the next run")
    parser.add_argument("--json", type=Path, help="file for everything printed, and each seed's figures")
    parser.add_argument("--weights", type=float, nargs=4, metavar=("INTERCEPT", "TEXT", "FIT", "REPORTS"))
    options = parser.parse_args()
    if options.seeds < 5:
        parser.error("intervals need 5 seeds or more")
    weights = Weights(*options.weights) if options.weights else DEFAULT
    pool = Pool(tuple(load(options.rows, settings.data_dir, options.corpus, options.cache)))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    chosen = options.scenario or list(SCENARIOS)
    results: dict[str, list[dict[str, dict[str, float]]]] = {name: [] for name in chosen}
    facts: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for seed in track(seeds, console=Console(stderr=True), transient=True):
        for name in chosen:
            metrics, each = run(pool, SCENARIOS[name], seed, weights)
            results[name].append(metrics)
            facts[name].append(each)

    console = Console(width=150)
    upheld = sum(one.upheld for one in pool.comments)
    console.print(f"{len(pool.comments)} comments, {upheld} removed by moderators; {len(seeds)} seeds; {weights}")
    for name in chosen:
        show(console, name, results[name], facts[name])
    if set(BRIGADES) <= set(chosen):
        table = Table(title="Bars")
        for heading in ("bar", "scenario", "figure", "", "means below text-only"):
            table.add_column(heading)
        reached = bars(results)
        for one in reached:
            verdict = "pass" if one["reached"] else "MISS"
            table.add_row(one["bar"], one["scenario"], one["figure"], verdict, ", ".join(one.get("means_below", ())))
        console.print(table)
    if options.json:
        summary = {
            "rows": options.rows,
            "comments": len(pool.comments),
            "upheld": upheld,
            "seeds": list(seeds),
            "weights": asdict(weights),
            "simulation": {name: asdict(SCENARIOS[name]) for name in chosen},
            "results": results,
            "facts": facts,
            "bars": bars(results) if set(BRIGADES) <= set(chosen) else [],
        }
        options.json.write_text(json.dumps(summary, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
