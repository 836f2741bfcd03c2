"""Officers see what weighed in a decision, as the decision saw it; traders never do."""

from datetime import timedelta
from math import exp
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from models.bundle import load
from selectivity.histories.rows import rows_of
from selectivity.reasons.officer_words import FAMILY_WORDS
from selectivity.reasons.wording import Language
from serving.answers.explanations import ExplanationAnswer
from serving.audit.explanation import explain, input_now
from serving.audit.not_declared import WORDS, in_words, not_declared
from serving.callers.api_keys import Role
from serving.log.reader import LogReader
from tests.builders import NOON, a_declaration, an_inspection, an_item
from tests.command_line import lanes
from tests.services import a_service, bearer, let_in, lodged, settings_in

ODD = (an_item(), an_item(item_no=2, hs_code="870323", customs_value=90_000.0))


def explanation(client: httpx.Client, id_: str, **headers: str) -> httpx.Response:
    return client.get(f"/v1/decisions/{id_}/explanation", headers=headers)


def families(answer: Any) -> list[Any]:
    return [
        [(each["family"], each["log_odds"]) for each in item["raises"] + item["lowers"]]
        for item in answer["items"]
    ]


def test_every_goods_item_is_explained_in_full(client: httpx.Client) -> None:
    lane = client.post("/v1/lanes", json=lodged(declaration_id="E-1", items=ODD)).json()
    answer = explanation(client, "E-1").json()

    assert answer["as_decided"] is True
    assert answer["note"] == "Explained on exactly the features that the decision rested on."
    assert (answer["lane"], answer["reasons"]) == (lane["lane"], lane["reasons"])
    assert [item["item_no"] for item in answer["items"]] == [1, 2]
    for item in answer["items"]:
        weights = [each["log_odds"] for each in item["raises"] + item["lowers"]]
        assert item["usual_log_odds"] + sum(weights) == pytest.approx(item["log_odds"])
        raised = [each["log_odds"] for each in item["raises"]]
        assert raised == sorted(raised, reverse=True)
        assert 0 < item["risk"] < 1
    facts = [fact for each in answer["items"][1]["raises"] for fact in each["facts"]]
    facts += [fact for each in answer["items"][1]["lowers"] for fact in each["facts"]]
    assert {fact["item_no"] for fact in facts} == {2}


def test_a_lane_that_the_model_did_not_ask_for_is_told_to_be_so(client: httpx.Client) -> None:
    """What weighed in its risk is no reason for the lane."""
    client.post("/v1/lanes", json=lodged(declaration_id="E-3", importer_compliance_level=1))
    answer = explanation(client, "E-3").json()
    assert (answer["lane"], answer["channel"], len(answer["items"])) == ("GREEN", "RULE", 1)
    assert answer["note"].startswith("Explained on exactly the features")
    assert answer["note"].endswith(
        "not the model that asked for this lane; see the lane's reasons."
    )


def test_it_is_said_in_the_callers_language(client: httpx.Client) -> None:
    client.post("/v1/lanes", json=lodged(declaration_id="E-2"))
    answer = explanation(client, "E-2", **{"Accept-Language": "vi"})
    assert answer.headers["Content-Language"] == "vi"
    assert "đặc trưng" in answer.json()["note"]
    named = {each["name"] for item in answer.json()["items"] for each in item["raises"]}
    assert named
    assert named <= {words["vi"] for words in FAMILY_WORDS.values()}


@pytest.mark.parametrize(
    ("language", "seller", "value"),
    [
        ("en", "No seller declared", "No customs value declared"),
        ("vi", "Không khai người bán", "Không khai trị giá hải quan"),
    ],
)
def test_what_was_not_declared_is_told_in_place_of_facts(
    client: httpx.Client, language: str, seller: str, value: str
) -> None:
    bare, whole = a_declaration(seller_id=None, items=(an_item(customs_value=None),)), lodged()
    client.post("/v1/lanes", json=lodged(bare) | {"declaration_id": f"N-{language}"})
    client.post("/v1/lanes", json=whole | {"declaration_id": f"W-{language}", "seller_id": "S-1"})

    def told(id_: str) -> dict[str, list[str]]:
        (item,) = explanation(client, id_, **{"Accept-Language": language}).json()["items"]
        return {
            each["family"]: [fact["text"] for fact in each["facts"]]
            for each in item["raises"] + item["lowers"]
        }

    lacking, there = told(f"N-{language}"), told(f"W-{language}")
    said = [text for texts in lacking.values() for text in texts]
    assert lacking.get("seller", [seller]) == [seller]
    assert {seller, value} & set(said)
    assert not {seller, value} & {text for texts in there.values() for text in texts}


def test_every_family_and_fact_that_may_be_lacking_has_words() -> None:
    everything, languages = frozenset(WORDS), get_args(Language)
    for family in FAMILY_WORDS:
        for language in languages:
            told = list(in_words(family, everything, 1, language))
            assert told
            assert not list(in_words(family, frozenset(), 1, language))
    bare = a_declaration(
        importer_id=None,
        declarant_id=None,
        seller_id=None,
        country_of_export=None,
        items=(an_item(hs_code=None, country_of_origin=None, net_mass_kg=None),),
    )
    (row,) = rows_of(bare)
    assert {"trader_id", "seller_id", "hs_code", "country_of_origin"} <= not_declared(row)
    assert "customs_value" not in not_declared(row)


def test_histories_that_moved_on_are_taken_back_to_the_decision(
    tmp_path: Path, bundle: Path
) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged(declaration_id="H-1"))
        first = explanation(client, "H-1").json()
        for day in range(1, 6):
            past = a_declaration(declaration_id=f"H-0{day}", accepted_at=NOON - timedelta(days=day))
            client.post("/v1/lanes", json=lodged(past))
            found = {"result": "FINDING", "findings": ({"item_no": 1, "mechanism": "QUANTITY"},)}
            control = an_inspection(
                inspection_id=f"I-{day}",
                declaration_id=f"H-0{day}",
                observed_at=NOON - timedelta(days=day),
                **found,
            )
            client.post("/v1/inspections", json=control.model_dump(mode="json", exclude_none=True))
        again = client.post("/v1/lanes", json=lodged(declaration_id="H-2")).json()
        assert again["lane"]
        later = explanation(client, "H-1").json()
        other = explanation(client, "H-2").json()

    assert later == first
    assert later["as_decided"] is True
    assert families(other) != families(first)
    printed = lanes(tmp_path, "explain", "H-1", "--language", "en", LANES_BUNDLE=str(bundle)).stdout
    assert "exactly the features" in printed
    assert f"risk {first['items'][0]['risk']:.1%}" in printed
    assert f"{exp(first['items'][0]['usual_log_odds']):.3f}  usual odds" in printed
    spoken = {"LANES_BUNDLE": str(bundle), "LANES_LANGUAGE": "vi"}
    vietnamese = lanes(tmp_path, "explain", "H-1", **spoken).stdout
    assert f"rủi ro {first['items'][0]['risk']:.1%}".replace(".", ",") in vietnamese


def test_a_lane_that_officers_changed_since_is_told_with_the_one_that_holds(
    tmp_path: Path, bundle: Path
) -> None:
    settings = settings_in(tmp_path, bundle=bundle)
    an, binh = (
        bearer(let_in(settings, role, name=role)) for role in (Role.INSPECTOR, Role.MANAGER)
    )
    lowered = {"declaration_id": "D-1", "version_no": 1, "to_lane": "GREEN", "reason_code": "INTEL"}
    with a_service(tmp_path, bundle=bundle) as client:
        assert client.post("/v1/lanes", json=lodged()).json()["lane"] == "RED"
        asked = client.post("/v1/overrides", json=lowered | {"reason_text": "known"}, headers=an)
        waiting = lanes(tmp_path, "explain", "D-1", "--language", "en", LANES_BUNDLE=str(bundle))
        client.post(f"/v1/overrides/{asked.json()['override_id']}/approve", headers=binh)
    after = lanes(tmp_path, "explain", "D-1", "--language", "en", LANES_BUNDLE=str(bundle))
    assert "what holds now" not in waiting.stdout
    assert "changed by officers since; what holds now: green lane" in after.stdout


def test_features_that_cannot_be_had_again_are_said_to_differ(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
    record = LogReader(settings_in(tmp_path).log_file).find("D-1")
    assert record is not None
    model_input = input_now(record, load(bundle))
    assert explain(record, model_input).as_decided
    other = explain(record.model_copy(update={"features_sha256": "0" * 64}), model_input)
    assert not other.as_decided
    assert "differ from those of the decision" in ExplanationAnswer.of(other, None, "en").note


def test_a_decision_without_a_model_says_so(tmp_path: Path) -> None:
    with a_service(tmp_path) as client:
        client.post("/v1/lanes", json=lodged())
        answer = explanation(client, "D-1").json()
    assert answer["items"] == []
    assert "took no part" in answer["note"]
    assert "took no part" in lanes(tmp_path, "explain", "D-1", "--language", "en").stdout


def test_a_bundle_that_is_gone_is_named(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
    with a_service(tmp_path) as client:
        answer = explanation(client, "D-1")
    assert answer.status_code == 404
    assert "LANES_PUBLISHED" in answer.json()["problems"][0]["message"]
    told = lanes(tmp_path, "explain", "D-1")
    assert told.exit_code == 1
    assert "LANES_PUBLISHED" in told.stderr


def test_what_was_never_decided_is_not_there(client: httpx.Client, tmp_path: Path) -> None:
    assert explanation(client, "nobody").status_code == 404


@pytest.mark.parametrize("id_", ["A/explanation", "..", "A/../B", "Tờ khai 1"])
def test_a_decision_is_explained_whatever_its_id_is(client: httpx.Client, id_: str) -> None:
    for each in ("A", id_):
        client.post("/v1/lanes", json=lodged(declaration_id=each))
    answer = client.get("/v1/explanations", params={"declaration_id": id_, "version_no": 1})
    assert (answer.status_code, answer.json()["declaration_id"]) == (200, id_)
    assert client.get("/v1/explanations", params={"declaration_id": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    "url", ["/v1/explanations?declaration_id=V-1", "/v1/decisions/V-1/explanation?"]
)
def test_of_several_versions_the_one_that_is_named_is_explained_else_the_newest(
    client: httpx.Client, url: str
) -> None:
    for version in (1, 2):
        client.post("/v1/lanes", json=lodged(declaration_id="V-1", version_no=version))
    for asked, told in (("", 2), ("&version_no=1", 1), ("&version_no=2", 2)):
        assert client.get(url + asked).json()["version_no"] == told
    assert client.get(f"{url}&version_no=3").status_code == 404


def test_who_answers_traders_sees_no_explanation(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
        scorer = let_in(settings_in(tmp_path), Role.SCORER)
        assert explanation(client, "D-1", **bearer(scorer)).status_code == 403
        found = client.get("/v1/explanations?declaration_id=D-1", headers=bearer(scorer))
        assert found.status_code == 403


SECRETS = ("risk", "scores", "signals", "propensities", "votes", "channel", "rule", "features")


def test_a_trader_reads_law_and_facts_of_their_own_alone(client: httpx.Client) -> None:
    ivory = (an_item(hs_code="050710", country_of_origin="KE"),)
    client.post("/v1/lanes", json=lodged(declaration_id="T-1", items=ivory))
    client.post("/v1/lanes", json=lodged(declaration_id="T-2", items=ODD))
    for id_ in ("T-1", "T-2"):
        view = client.get(f"/v1/decisions/{id_}", params={"view": "trader"})
        assert set(view.json()) == {
            *("declaration_id", "version_no", "lane", "lane_name", "reasons", "decided_at")
        }
        assert not [word for word in SECRETS if f'"{word}' in view.text]
    law = client.get("/v1/decisions/T-1?view=trader").json()
    chosen = client.get("/v1/decisions/T-2?view=trader").json()
    assert "Ivory: CITES Appendix I" in law["reasons"]
    assert chosen["lane"] != "GREEN"
    assert chosen["reasons"] == ["Selected for a check under risk management"]


def test_a_log_of_another_place_can_be_named(tmp_path: Path, bundle: Path) -> None:
    with a_service(tmp_path, bundle=bundle) as client:
        client.post("/v1/lanes", json=lodged())
    log = settings_in(tmp_path).log_file
    assert LogReader(log).find("D-1") is not None
    moved = log.rename(tmp_path / "copy.sqlite")
    told = lanes(tmp_path, "explain", "D-1", "--log", str(moved), LANES_BUNDLE=str(bundle))
    assert told.exit_code == 0, told.stderr
