"""What can go wrong with persons, delegations and consents. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Gone, Invalid, NotFound, Outdated, TooMany, Unavailable


class PersonNotFound(NotFound):
    """There is no such person that you may act for."""

    code = "person-not-found"
    title_zh = "没有找到这个人"


class DelegationNotFound(NotFound):
    """There is no such delegation."""

    code = "delegation-not-found"
    title_zh = "没有找到这项授权"


class TagNotFound(NotFound):
    """There is no such tag."""

    code = "tag-not-found"
    title_zh = "没有找到这个标签"


class ConsentNotFound(NotFound):
    """There is no such consent."""

    code = "consent-not-found"
    title_zh = "没有找到这项同意"


class DelegationInsufficient(Forbidden):
    """The delegation does not go that far."""

    code = "delegation-insufficient"
    title_zh = "授权范围不够"


class InvalidDocument(Invalid):
    """This document number cannot be right."""

    code = "invalid-document"
    title_zh = "证件号码有误"


class BirthDateNeeded(Invalid):
    """This document does not say the birth date; please add it."""

    code = "birth-date-needed"
    title_zh = "请填写出生日期"


class InvalidDelegation(Invalid):
    """A delegation like this is not possible."""

    code = "invalid-delegation"
    title_zh = "授权内容有误"


class ConsentNeeded(Conflict):
    """Please agree first."""

    code = "consent-needed"
    title_zh = "请先同意相关说明"


class ConsentOutdated(Conflict):
    """There is a newer text."""

    code = "consent-outdated"
    title_zh = "说明已更新"


class GuardianNeeded(Conflict):
    """Somebody this young is registered by a guardian."""

    code = "guardian-needed"
    title_zh = "需要监护人办理"


class NotAChild(Conflict):
    """Guardianship ends at 18."""

    code = "not-a-child"
    title_zh = "已满 18 周岁"


class SelfExists(Conflict):
    """Your account already has a person of its own."""

    code = "self-exists"
    title_zh = "本账户已登记本人"


class PersonClaimed(Conflict):
    """Please come to a service desk with your document."""

    code = "person-claimed"
    title_zh = "请携带证件到服务窗口办理"


class WrongCode(Invalid):
    """The code is wrong or has expired."""

    code = "wrong-code"
    title_zh = "验证码不正确或已过期"


class CodeNeeded(Conflict):
    """This needs a code or a visit to the desk."""

    code = "code-needed"
    title_zh = "需要验证码或到窗口办理"


class NotConfirmed(Conflict):
    """The register does not confirm name and number."""

    code = "not-confirmed"
    title_zh = "姓名与证件号码未通过核验"


class VerifierAway(Unavailable):
    """Verification is not possible for the moment."""

    code = "verifier-away"
    title_zh = "身份核验暂时不可用"


class DelegationEnded(Gone):
    """This delegation has ended."""

    code = "delegation-ended"
    title_zh = "授权已结束"


class TooManyPersons(TooMany):
    """You ask for too many persons."""

    code = "too-many-persons"
    title_zh = "登记的人数太多"


class PersonExists(Conflict):
    """Somebody with this document is already registered."""

    code = "person-exists"
    title_zh = "该证件已登记"


class TagHeld(Conflict):
    """The person already has this tag on these days."""

    code = "tag-held"
    title_zh = "这段时间已有该标签"


class InvalidTag(Invalid):
    """A tag like this cannot be granted."""

    code = "invalid-tag"
    title_zh = "标签有误"


class OutsideScope(Forbidden):
    """The home area is outside of what you are responsible for."""

    code = "outside-scope"
    title_zh = "不在您负责的区域内"


class PersonChanged(Outdated):
    """Somebody else changed this person."""

    code = "person-changed"
    title_zh = "信息已被他人修改"


class AccountChanged(Outdated):
    """This account was changed elsewhere."""

    code = "account-changed"
    title_zh = "账户信息已在别处修改"


class StaffAccount(Conflict):
    """This is an account of staff."""

    code = "staff-account"
    title_zh = "这是工作人员账户"
