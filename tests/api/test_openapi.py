"""The OpenAPI document, from which clients are generated."""

import re
import subprocess

import orjson
import pytest

from api.routes.operation import Alive, Ready
from api.schemas import (
    AreasOut,
    CategoriesOut,
    DistrictsOut,
    NearbyPage,
    SearchPage,
    SiteOut,
    SitePage,
)
from core.errors import DomainError
from geo import errors as geo_errors
from tests.api.conform import conforms
from tests.api.running import ROOT, XINBAN, environment

LOCATOR = (
    "/v1/categories",
    "/v1/sites/nearby",
    "/v1/sites",
    "/v1/sites/{site_id}",
    "/v1/sites/{site_id}/qr.svg",
    "/v1/sites/{site_id}/guide",
    "/v1/search",
    "/v1/areas/at",
    "/v1/districts/at",
)
OPERATION = ("/healthz", "/readyz", "/metrics", "/")
# Raised by imports and by staff's edits, not by these calls.
NOT_BY_HTTP_YET = {
    "unknown-category",
    "school-district-overlap",
    "import-refused",
}


@pytest.fixture(scope="module")
def document(api):
    return api.get("/openapi.json").json()


def test_it_is_openapi_3_1_with_every_call_of_the_contract(document):
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert set(document["paths"]) == {*LOCATOR, *OPERATION}


def test_every_reference_leads_somewhere(document):
    for reference in re.findall(r'"\$ref":"#/([^"]+)"', orjson.dumps(document).decode()):
        place = document
        for part in reference.split("/"):
            place = place[part]


def test_every_call_lists_its_problems_with_codes_and_examples(document):
    for path, calls in document["paths"].items():
        responses = calls["get"]["responses"]
        assert {"200", "400", "422", "503"} <= set(responses), path
        for status, response in responses.items():
            content = response.get("content", {})
            if "application/problem+json" in content and status != "200":
                listed = content["application/problem+json"]
                assert listed["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert listed["examples"], (path, status)


def test_every_code_of_the_catalogue_is_documented(document):
    codes = {
        error.code
        for error in vars(geo_errors).values()
        if isinstance(error, type) and issubclass(error, DomainError) and "code" in vars(error)
    }
    text = orjson.dumps(document).decode()
    assert {code for code in codes if f'"{code}"' not in text} == NOT_BY_HTTP_YET


def test_places_have_examples_and_a_coordinate_system_that_is_required(document):
    parameters = {one["name"]: one for one in document["paths"]["/v1/sites/nearby"]["get"]["parameters"]}
    assert parameters["crs"]["required"] is True
    assert parameters["lon"]["schema"]["examples"] == [103.615]
    assert "bookable" not in parameters


def test_what_belongs_together_is_said_so(document):
    """OpenAPI can say "all or none" only of an object's properties."""
    (place,) = (one for one in document["paths"]["/v1/search"]["get"]["parameters"] if one["name"] == "place")
    assert (place["style"], place["explode"]) == ("form", True)
    assert place["schema"]["dependentRequired"]["lon"] == ["lat", "crs"]


def test_operation_ids_are_unique(document):
    ids = [call["operationId"] for calls in document["paths"].values() for call in calls.values()]
    assert len(ids) == len(set(ids))


def test_the_command_line_prints_the_same_document(document):
    printed = subprocess.run(
        [*XINBAN, "openapi"], cwd=ROOT, env=environment(), capture_output=True, check=True
    ).stdout
    assert orjson.loads(printed) == document


EXAMPLES = {
    "/healthz": Alive,
    "/readyz": Ready,
    "/v1/areas/at": AreasOut,
    "/v1/categories": CategoriesOut,
    "/v1/districts/at": DistrictsOut,
    "/v1/search": SearchPage,
    "/v1/sites": SitePage,
    "/v1/sites/nearby": NearbyPage,
    "/v1/sites/{site_id}": SiteOut,
}


@pytest.mark.parametrize("path", EXAMPLES)
def test_each_example_is_what_its_call_answers(document, path):
    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    conforms(EXAMPLES[path], content["application/json"]["example"])


def test_every_json_answer_has_an_example(document):
    for path, operations in document["paths"].items():
        content = operations["get"]["responses"]["200"].get("content", {})
        assert "application/json" not in content or "example" in content["application/json"], path
