"""What may be done with an uploaded file in which state, and what state it is in afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from geo.import_jobs.errors import ImportState
from geo.models import ImportJob

STATES_ZH: Mapping[str, str] = {
    "uploaded": "等待检查",
    "checking": "正在检查",
    "checked": "检查完毕，等待确认",
    "refused": "无法导入",
    "applying": "正在导入",
    "applied": "已导入",
    "undoing": "正在撤销",
    "undone": "已撤销",
    "failed": "处理出错",
}


@dataclass(frozen=True, slots=True)
class Act:
    """An act: in which states it may be done, and which follows. ``says`` completes “it cannot be … now”."""

    within: frozenset[str]
    becomes: str
    says: tuple[str, str]


def _act(within: str, becomes: str, zh: str, en: str) -> Act:
    return Act(frozenset(within.split()), becomes, (zh, en))


ACTS: Mapping[str, Act] = {
    # What staff do
    "remap": _act("uploaded checked refused failed", "uploaded", "更改映射", "mapped anew"),
    "apply": _act("checked", "applying", "导入", "applied"),
    "undo": _act("applied", "undoing", "撤销", "undone"),
    "delete": _act("uploaded checking checked refused failed", "", "删除", "deleted"),
    # What the worker does; a job whose worker died begins again
    "check": _act("uploaded checking", "checking", "检查", "checked"),
    "report": _act("checking", "checked", "检查", "checked"),
    "refuse": _act("checking", "refused", "检查", "checked"),
    "recheck": _act("applying", "uploaded", "检查", "checked"),
    "finish": _act("applying", "applied", "导入", "applied"),
    "take_back": _act("undoing", "undone", "撤销", "undone"),
    "keep": _act("undoing", "applied", "撤销", "undone"),
    "fail": _act("checking applying", "failed", "处理", "worked on"),
}


async def move(session: AsyncSession, *, job_id: UUID, act: str, **values: Any) -> ImportJob | None:
    """The job after ``act``, with ``values`` set; None when it is in no state for it. Of two callers one gets it."""
    rule = ACTS[act]
    return (
        await session.scalars(
            update(ImportJob)
            .where(ImportJob.id == job_id, ImportJob.state.in_(rule.within))
            .values(state=rule.becomes, **values)
            .returning(ImportJob)
            .execution_options(populate_existing=True)
        )
    ).one_or_none()


def refusal(job: ImportJob, act: str) -> ImportState:
    """Why ``act`` cannot be done with ``job`` now."""
    zh, en = ACTS[act].says
    return ImportState(
        f"现在的状态是“{STATES_ZH[job.state]}”，不能{zh}。",
        f"It is {job.state} and cannot be {en} now.",
        state=job.state,
    )
