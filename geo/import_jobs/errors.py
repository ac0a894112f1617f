"""What can go wrong with an uploaded file. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Gone, Invalid, NotFound


class ImportNotFound(NotFound):
    """There is no such import."""

    code = "import-not-found"
    title_zh = "没有这次导入"


class ImportState(Conflict):
    """This cannot be done with the import in its present state."""

    code = "import-state"
    title_zh = "导入的当前状态不允许这样做"


class MappingNotConfirmed(Conflict):
    """The mapping was guessed and nobody has confirmed it."""

    code = "import-mapping-unconfirmed"
    title_zh = "映射是自动猜测的，尚未确认"


class RowsRejected(Conflict):
    """Some rows were rejected."""

    code = "import-rows-rejected"
    title_zh = "有的行被拒绝"


class UndoBlocked(Conflict):
    """Something that came later depends on this import."""

    code = "import-undo-blocked"
    title_zh = "后来的内容依赖这次导入，不能撤销"


class ContentRemoved(Gone):
    """The uploaded file and its report are no longer kept."""

    code = "import-content-removed"
    title_zh = "上传的文件和报告已过保存期"


class WholeDistrictNeeded(Forbidden):
    """Imports need a role for the whole district."""

    code = "import-scope"
    title_zh = "导入需要全区范围的权限"


class UploadInvalid(Invalid):
    """The upload cannot be understood."""

    code = "upload-invalid"
    title_zh = "上传的内容无法识别"
