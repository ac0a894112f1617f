"""The category tree."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import public
from api.conditional import answer
from api.params import NoParameters
from api.problems import responses
from api.runtime import runtime_of
from api.schemas.locator import CategoriesOut, CategoryOut, FeatureOut
from geo.categories import CategoryNode, CategoryTree
from geo.features import features

router = APIRouter(tags=["locator"])


@router.get(
    "/v1/categories",
    responses={200: {"model": CategoriesOut}, **responses()},
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def list_categories(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """The kinds of places, as a tree, and the features they may have."""
    tree = runtime_of(request).loaded().categories
    out = CategoriesOut(
        items=[_with_children(node, tree) for node in tree.nodes.values() if node.parent_code is None],
        features=[
            FeatureOut(code=one.code, kind=one.kind, label_zh=one.label_zh, label_en=one.label_en)
            for one in features().values()
        ],
    )
    return answer(request, out.model_dump_json().encode(), cache_control="public, max-age=300")


def _with_children(node: CategoryNode, tree: CategoryTree) -> CategoryOut:
    return CategoryOut(
        code=node.code,
        label_zh=node.label_zh,
        label_en=node.label_en,
        icon=node.icon,
        geometry_kind=node.geometry_kind,
        measure=node.measure,
        children=[_with_children(one, tree) for one in tree.nodes.values() if one.parent_code == node.code],
    )
