"""What a drop-in for Perspective must do, (a) to (o), each with the client that asks for it."""

from __future__ import annotations

import json
import re
import statistics
import time
import urllib.request
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
import requests
from googleapiclient import discovery
from googleapiclient.errors import HttpError
from googleapiclient.http import build_http

from tests.service import Server
from tests.serving.dialects.calls import (
    ANALYZE,
    DISCOVERY,
    GERMAN,
    KIND,
    KOREAN,
    RUDE,
    SUGGEST,
    analyzed,
    comment,
    google_error,
    post,
    suggestion,
)
from tests.serving.dialects.conftest import Keys


def google(url: str, key: str = "none", **options: Any) -> Any:
    """Google's own client, as its sample code builds it."""
    return discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=key,
        discoveryServiceUrl=f"{url}{DISCOVERY}?version=v1alpha1",
        static_discovery=False,
        **options,
    )


def test_a_googles_client_analyzes_suggests_and_reads_errors(server: Server) -> None:
    with google(server.url) as client:
        answer = client.comments().analyze(body=comment(RUDE, "TOXICITY", "INSULT")).execute()
        assert set(answer["attributeScores"]) == {"TOXICITY", "INSULT"}
        assert 0 < answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] < 1
        receipt = client.comments().suggestscore(body=suggestion(clientToken="t1")).execute()
        assert receipt["clientToken"] == "t1"
        with pytest.raises(HttpError) as raised:
            client.comments().analyze(body=comment("")).execute()
    assert raised.value.status_code == 400
    assert 'returned "Comment must be non-empty."' in str(raised.value)
    assert "COMMENT_EMPTY" in str(raised.value)


def test_a_googles_client_sends_a_batch_of_two(server: Server) -> None:
    answers: dict[str, Any] = {}

    def keep(request_id: str, answer: Any, error: HttpError | None) -> None:
        answers[request_id] = error or answer

    with google(server.url) as client:
        batch = client.new_batch_http_request(callback=keep)
        batch.add(client.comments().analyze(body=comment()), request_id="good")
        batch.add(client.comments().analyze(body=comment(RUDE, "NONSENSE")), request_id="bad")
        batch.execute()
    assert answers["good"] == analyzed(server, comment())
    assert answers["bad"].status_code == 400
    assert "Unknown requested attribute: NONSENSE" in str(answers["bad"])


def test_a_googles_client_takes_an_address_without_a_slash(server: Server) -> None:
    with google(server.url, client_options={"api_endpoint": server.url}) as client:
        assert client.comments().analyze(body=comment()).execute()["attributeScores"]


def test_a_the_discovery_document_names_the_address_it_was_asked_at(server: Server) -> None:
    document = requests.get(f"{server.url}{DISCOVERY}?version=v1alpha1", timeout=60).json()
    assert document["rootUrl"] == f"{server.url}/"
    behind = requests.get(f"{server.url}{DISCOVERY}", headers={"X-Forwarded-Proto": "https"}, timeout=60).json()
    assert behind["rootUrl"] == f"{server.url}/".replace("http", "https")
    methods = document["resources"]["comments"]["methods"]
    for method in methods.values():
        for message in (method["request"], method["response"]):
            assert document["schemas"][message["$ref"]]["id"] == message["$ref"]
    references = re.findall(r'"\$ref": "(.*?)"', json.dumps(document["schemas"]))
    assert references and set(references) <= set(document["schemas"])


def test_b_a_body_without_a_content_type(server: Server) -> None:
    body = json.dumps(comment()).encode()
    expected = analyzed(server, comment())  # by `requests`, which sends none
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8", "nonsense"):
        assert post(server, ANALYZE, body, **{"Content-Type": kind}).json() == expected
    # urllib calls every body a form.
    with urllib.request.urlopen(f"{server.url}{ANALYZE}?key=x", data=body, timeout=60) as answer:
        assert json.load(answer) == expected


@pytest.mark.parametrize("languages", [[], "en", None, [""], ["en"], ["ko", "en"]])
def test_c_languages_as_list_as_word_and_absent(server: Server, languages: Any) -> None:
    answer = analyzed(server, comment(KIND, languages=languages))
    assert answer["languages"] == (["en"] if languages in ([], "en", None, [""]) else languages)
    assert answer["detectedLanguages"][0] == "en"


def test_d_an_empty_message_has_details(server: Server) -> None:
    bodies: list[Any] = [{}, b"", b"null", b"[]", b"{"]
    for body in bodies:
        for path in (ANALYZE, SUGGEST):
            assert google_error(post(server, path, body), 400)


def test_d_null_and_phps_empty_list_are_left_out_members(server: Server) -> None:
    empties: list[Any] = [None, []]
    for empty in empties:
        assert analyzed(server, comment(KIND, context=empty)) == analyzed(server, comment(KIND))
        said = suggestion(KIND, doNotStore=True, context=empty)
        assert post(server, SUGGEST, said).status_code == 200
    parents = {"article": {"text": "A."}, "parentComment": []}
    contexts: list[Any] = [{"entries": [], "articleAndParentComment": parents}, {"articleAndParentComment": []}]
    for context in contexts:
        assert analyzed(server, comment(KIND, context=context)) == analyzed(server, comment(KIND))
    said["attributeScores"]["TOXICITY"]["spanScores"] = None
    assert post(server, SUGGEST, said).status_code == 200
    said["attributeScores"]["TOXICITY"] = None
    google_error(post(server, SUGGEST, said), 400, "Attribute TOXICITY: expected summary_score or span_scores")


def test_e_only_what_was_requested(server: Server) -> None:
    for names in (("TOXICITY",), ("INSULT", "REPORT_WORTHY"), ("THREAT", "PROFANITY", "SEVERE_TOXICITY")):
        assert set(analyzed(server, comment(RUDE, *names))["attributeScores"]) == set(names)


def test_f_one_span_or_one_a_sentence_in_utf_16(server: Server) -> None:
    text = "🤡 You clown. \n\n Thank you, though! 👍🏽 See you."
    units = text.encode("utf-16-le")
    (whole,) = analyzed(server, comment(text))["attributeScores"]["TOXICITY"]["spanScores"]
    assert (whole["begin"], whole["end"]) == (0, len(units) // 2)
    scores = analyzed(server, comment(text, spanAnnotations=True))["attributeScores"]["TOXICITY"]
    said = [units[2 * span["begin"] : 2 * span["end"]].decode("utf-16-le") for span in scores["spanScores"]]
    assert said[0] == "🤡 You clown."
    assert "".join("".join(said).split()) == "".join(text.split())
    assert scores["spanScores"][0]["score"]["value"] > scores["spanScores"][1]["score"]["value"]


def test_g_a_version_is_mirrored(server: Server) -> None:
    assert set(analyzed(server, comment(RUDE, "TOXICITY@9"))["attributeScores"]) == {"TOXICITY@9"}


def test_h_the_limit_counts_bytes(server: Server) -> None:
    longest = "é" * 10_240
    assert len(longest.encode()) == 20_480
    assert analyzed(server, comment(longest))["attributeScores"]
    detail = google_error(post(server, ANALYZE, comment(longest[:-1] + "éx")), 400, "Comment text too long.")
    assert detail["errorType"] == "COMMENT_TOO_LONG"


def test_i_the_client_token_comes_back(server: Server) -> None:
    assert analyzed(server, comment(clientToken="comment:17"))["clientToken"] == "comment:17"
    assert "clientToken" not in analyzed(server, comment())


def test_j_an_unknown_attribute(server: Server) -> None:
    response = post(server, ANALYZE, comment(RUDE, "TOXICITY", "WITTINESS"))
    detail = google_error(response, 400, "Unknown requested attribute: WITTINESS")
    assert detail["errorType"] == "INVALID_REQUEST"


def test_k_snake_case(server: Server) -> None:
    body = {
        "comment": {"text": "One sentence. Two sentences."},
        "requested_attributes": {"TOXICITY": {"score_type": "PROBABILITY", "score_threshold": 0}},
        "do_not_store": True,
        "session_id": "s",
        "span_annotations": True,
        "client_token": "t",
    }
    answer = analyzed(server, body)
    assert answer["clientToken"] == "t"
    assert len(answer["attributeScores"]["TOXICITY"]["spanScores"]) == 2


def test_l_a_bad_key_ends_at_the_discovery_document(keys: Keys, secret: str) -> None:
    with closing(build_http()) as http, pytest.raises(HttpError) as raised:
        google(keys.server.url, key="AIza-not-ours", http=http)  # its own it would leave open
    assert "API key not valid. Please pass a valid API key." in str(raised.value)
    assert raised.value.status_code == 400
    with google(keys.server.url, key=secret) as client:
        assert client.comments().analyze(body=comment()).execute()["attributeScores"]


def test_m_a_page_elsewhere_may_call(server: Server) -> None:
    asked = {
        "Origin": "https://news.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    allowed = requests.options(f"{server.url}{ANALYZE}?key=x", headers=asked, timeout=60)
    assert allowed.status_code == 200
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert "content-type" in allowed.headers["access-control-allow-headers"].lower()
    inside = requests.options(
        f"{server.url}{ANALYZE}", headers=asked | {"Access-Control-Request-Private-Network": "true"}, timeout=60
    )
    assert (inside.status_code, inside.headers["access-control-allow-private-network"]) == (200, "true")
    for body, status in ((comment(), 200), ({}, 400)):
        response = post(server, ANALYZE, body, Origin="https://news.example")
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, "*")
    native = requests.options(f"{server.url}/v1/score", headers=asked, timeout=60)
    assert "access-control-allow-origin" not in native.headers


def rounded(answers: dict[str, Any]) -> Any:
    """The answers with numbers to six digits."""
    return json.loads(json.dumps(answers), parse_float=lambda digits: round(float(digits), 6))


def test_n_a_batch_whose_ids_are_whole_comments(server: Server) -> None:
    texts = ["Well, " + "this is rather long, 100% ünïcode. " * 40, "Short\nand broken. " + RUDE]
    answers: dict[str, Any] = {}

    def keep(request_id: str, answer: Any, error: HttpError | None) -> None:
        answers[request_id] = error or answer

    with google(server.url) as client:
        batch = client.new_batch_http_request(callback=keep)
        for text in texts:
            batch.add(client.comments().analyze(body=comment(text, spanAnnotations=True)), request_id=quote(text))
        batch.execute()
    # One sentence in inferences of several shapes: its scores may differ in the last of eight digits.
    assert rounded(answers) == rounded(
        {quote(text): analyzed(server, comment(text, spanAnnotations=True)) for text in texts}
    )


def test_n_a_batch_with_spans_does_not_fill_the_queue_for_itself(server: Server) -> None:
    """A hundred comments of ten sentences are four times as many texts as may wait."""
    answers: list[Any] = []
    with google(server.url) as client:
        batch = client.new_batch_http_request(callback=lambda _, answer, error: answers.append(error or answer))
        for number in range(100):
            text = "".join(f"This is sentence {number} of {place}. " for place in range(10))
            batch.add(client.comments().analyze(body=comment(text, spanAnnotations=True)))
        batch.execute()
    assert [len(answer["attributeScores"]["TOXICITY"]["spanScores"]) for answer in answers] == [10] * 100


def test_n_a_batch_under_the_prefix_of_a_proxy(server: Server) -> None:
    """The client writes the prefix into each part, where no proxy takes it off."""
    answers: list[Any] = []
    with google(server.url) as client:
        batch = client.new_batch_http_request(callback=lambda _, answer, error: answers.append(error or answer))
        for call in (client.comments().analyze(body=comment()), client.comments().suggestscore(body=suggestion())):
            call.uri = call.uri.replace("/v1alpha1/", "/prefix/v1alpha1/")
            batch.add(call)
        batch.execute()
    assert [set(answer) & {"attributeScores", "requestedLanguages"} for answer in answers] == [
        {"attributeScores"},
        {"requestedLanguages"},
    ]


def test_o_a_hundred_calls_as_coral_makes_them_stay_below_its_timeout(server: Server) -> None:
    def slowest(called: int) -> float:
        """The 99th percentile of a hundred calls, in seconds."""
        took = []
        with requests.Session() as session:
            session.headers["User-Agent"] = "Coral Perspective/9.11.8"
            for number in range(called, called + 100):
                body = {
                    "comment": {"text": f"Comment number {number}: I disagree with what the council did in {number}."},
                    "doNotStore": True,
                    "requestedAttributes": {"TOXICITY": {}},
                    "languages": ["en"],
                }
                began = time.perf_counter()
                response = session.post(f"{server.url}{ANALYZE}?key=x", json=body, timeout=60)
                took.append(time.perf_counter() - began)
                assert response.json()["attributeScores"]["TOXICITY"]["summaryScore"]["value"] < 1
        return statistics.quantiles(took, n=100)[98]

    # One of a hundred is late whenever the machine turns to something else; a slow service is late every time.
    assert any(slowest(100 * attempt) < 0.8 for attempt in range(5))


def test_permissive_scores_other_languages_and_warns(server: Server) -> None:
    for text in (GERMAN, KOREAN):
        answer = analyzed(server, comment(text))
        assert answer["attributeScores"]["TOXICITY"]
        assert answer["languages"] == answer["detectedLanguages"][:1]
    assert analyzed(server, comment(KIND, languages=["de"]))["warnings"]
    assert analyzed(server, comment(RUDE, "TOXICITY", "SPAM"))["warnings"] == [
        "SPAM is not assessed: no head of this model covers it."
    ]
