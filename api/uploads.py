"""Files that callers send: received on disk piece by piece, whatever their size, as the body itself or as a form."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from api.imports.shapes import UploadOptions
from api.problems import Refused
from api.validation_texts import explain
from geo.import_jobs.errors import UploadInvalid
from geo.import_jobs.files import PIECE_BYTES, Received

LONGEST_NAME_BYTES = 200
LONGEST_FIELD_BYTES = 1_000_000
MOST_FIELDS = 20


@asynccontextmanager
async def receive(
    request: Request, *, name: str | None, most_bytes: int
) -> AsyncIterator[tuple[Received, dict[str, str]]]:
    """The file of a request and the other fields of its form; both are gone afterwards.

    ``name`` is that of a file which is the body itself. Raises UploadInvalid, and Refused above ``most_bytes``.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with TemporaryDirectory(prefix="xinban-upload-") as folder:
        path = Path(folder) / "file"
        try:
            if kind == "multipart/form-data":
                file, fields = await _form(request)
                name = name or file.filename
                size, digest = await _keep(_pieces_of(file), path, most_bytes)
            else:
                fields = {}
                size, digest = await _keep(request.stream(), path, most_bytes)
        except ClientDisconnect as error:
            raise Refused(
                400, ("上传中断，请重新上传。", "The upload was cut short: upload it again.")
            ) from error
        if not name:
            raise UploadInvalid(
                "请用参数 filename 写明文件名，例如 ?filename=助餐点.xlsx。",
                "Say what the file is called, for example ?filename=meals.xlsx.",
            )
        yield Received(path, safe_name(name), size, digest), fields


async def _form(request: Request) -> tuple[UploadFile, dict[str, str]]:
    try:
        form = await request.form(max_files=2, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD_BYTES)
    except Refused:
        raise
    except HTTPException as error:
        raise UploadInvalid(
            f"表单无法识别（{error.detail}）；请用 multipart/form-data 发送一个文件字段 file。",
            f"The form cannot be read ({error.detail}): send multipart/form-data with one file field, `file`.",
        ) from error
    file, fields = None, {}
    for field, value in form.multi_items():
        if isinstance(value, str):
            fields[field] = value
        elif field == "file" and file is None:
            file = value
        elif field == "mapping":
            fields[field] = await _text(value)
        else:
            raise UploadInvalid(
                f"不认识文件字段 {field}；数据文件请放在 file，映射文件请放在 mapping，各一个。",
                f"There is no file field {field}: send the file as `file`, a mapping as `mapping`, one each.",
            )
    if file is None:
        raise UploadInvalid("表单里没有文件字段 file。", "The form has no file field `file`.")
    return file, fields


async def _text(file: UploadFile) -> str:
    data = await file.read(LONGEST_FIELD_BYTES + 1)
    try:
        if len(data) > LONGEST_FIELD_BYTES:
            raise ValueError("too long")
        return data.decode("utf-8-sig")
    except ValueError as error:
        raise UploadInvalid(
            "映射文件须为不超过 1 MB 的 UTF-8 文本。", "The mapping must be UTF-8 text of at most 1 MB."
        ) from error


async def _pieces_of(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE_BYTES):
        yield piece


async def _keep(pieces: AsyncIterator[bytes], path: Path, most_bytes: int) -> tuple[int, str]:
    """Write what comes to ``path``; its size and hex digest. Raises Refused."""
    size, digest = 0, hashlib.sha256()
    waiting = bytearray()
    with path.open("wb") as file:  # opening is quick; writing is done in a thread

        def write(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        async for piece in pieces:
            size += len(piece)
            if size > most_bytes:
                raise file_too_large(most_bytes)
            waiting += piece
            if len(waiting) >= PIECE_BYTES:
                await asyncio.to_thread(write, bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(write, bytes(waiting))
    return size, digest.hexdigest()


def file_too_large(most_bytes: int) -> Refused:
    """413 that says how large a file may be."""
    megabytes = f"{most_bytes / 1_000_000:g} MB"
    return Refused(
        413,
        (
            f"文件最多 {megabytes}（{most_bytes} 字节）；请拆成几个文件，或在服务器上用 xinban import 导入。",
            f"A file may hold {megabytes} ({most_bytes} bytes) at most: split it, or use xinban import on the server.",
        ),
    )


def safe_name(name: str) -> str:
    """What the file is called on our disks: no folders, no control characters, not too long; its ending is kept."""
    name = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "", name)
    name = PurePosixPath(name.replace("\\", "/")).name.strip()
    if name in ("", ".", ".."):
        return "upload"
    suffix = Path(name).suffix if len(Path(name).suffix.encode()) <= 16 else ""
    room = LONGEST_NAME_BYTES - len(suffix.encode())
    stem = name[: len(name) - len(suffix)].encode()[:room].decode("utf-8", "ignore")
    return stem + suffix


def form_options(fields: dict[str, str]) -> UploadOptions:
    """The field ``options`` of a form. Raises UploadInvalid for it and for fields that are not known."""
    unknown = sorted(fields.keys() - {"options", "mapping"})
    if unknown:
        raise UploadInvalid(
            f"不认识表单字段 {'、'.join(unknown)}；可用 file、mapping、options（JSON）。",
            f"There are no form fields {', '.join(unknown)}: use file, mapping and options (JSON).",
        )
    try:
        return UploadOptions.model_validate_json(fields.get("options") or "{}")
    except ValidationError as error:
        said = [(".".join(map(str, one["loc"])), *explain(one)) for one in error.errors()]
        raise UploadInvalid(
            "options 有误：" + "；".join(f"{at} {zh}" for at, zh, _ in said),
            "options is wrong: " + "; ".join(f"{at} {en}" for at, _, en in said),
        ) from error
