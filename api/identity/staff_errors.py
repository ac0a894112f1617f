"""What can go wrong with staff accounts and roles. Class -> stable code; docstring = English title."""

from core.errors import Conflict, Forbidden, Gone, Invalid, NotFound, TooMany, Unauthenticated, Unavailable


class WrongPassword(Unauthenticated):
    """Username, password or code is wrong."""

    code = "wrong-password"
    title_zh = "用户名、密码或动态码不正确"


class SecondFactorNeeded(Unauthenticated):
    """Please add the code of your second factor."""

    code = "second-factor-needed"
    title_zh = "请输入动态码"


class TooManyTries(TooMany):
    """Too many wrong tries; please wait."""

    code = "too-many-tries"
    title_zh = "尝试次数过多，请稍后再试"


class PasswordsBusy(Unavailable):
    """Too many sign-ins at once; please try again in a moment."""

    code = "passwords-busy"
    title_zh = "登录人数过多，请稍后再试"


class WeakPassword(Invalid):
    """This password is too easy to guess."""

    code = "weak-password"
    title_zh = "密码太容易被猜到"


class CurrentPasswordWrong(Invalid):
    """The current password is not right."""

    code = "current-password-wrong"
    title_zh = "当前密码不正确"


class NoPassword(Conflict):
    """This account has no password."""

    code = "no-password"
    title_zh = "该账户没有密码"


class EnrolmentGone(Gone):
    """This link is no longer good."""

    code = "enrolment-gone"
    title_zh = "链接已失效"


class WrongTotp(Invalid):
    """This code is not right."""

    code = "wrong-totp"
    title_zh = "动态码不正确"


class StaffNotFound(NotFound):
    """There is no such staff account."""

    code = "staff-not-found"
    title_zh = "没有这个工作人员账号"


class InvalidUsername(Invalid):
    """This cannot be a username."""

    code = "invalid-username"
    title_zh = "用户名格式有误"


class UsernameTaken(Conflict):
    """This username is taken."""

    code = "username-taken"
    title_zh = "用户名已被使用"


class OwnAccount(Forbidden):
    """You may not do this to your own account."""

    code = "own-account"
    title_zh = "不能对自己的账号进行此操作"


class ProtectedAccount(Forbidden):
    """Administrators' second factors are reset on the server only."""

    code = "protected-account"
    title_zh = "管理员账号只能在服务器上重置"


class GrantNotFound(NotFound):
    """There is no such grant."""

    code = "grant-not-found"
    title_zh = "没有这项授权"


class GrantHeld(Conflict):
    """The account already has this role there."""

    code = "grant-held"
    title_zh = "该账号已有此权限"


class RolesSeparated(Conflict):
    """Nobody may hold two of the three administrators' roles."""

    code = "roles-separated"
    title_zh = "三员角色不能由同一人兼任"


class InvalidGrant(Invalid):
    """This role cannot be given like this."""

    code = "invalid-grant"
    title_zh = "角色或范围有误"
