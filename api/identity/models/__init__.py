"""Tables of signing in. Import models from here."""

from api.identity.models.code import OneTimeCode
from api.identity.models.external import ExternalIdentity
from api.identity.models.grant import RoleGrant
from api.identity.models.session import AccountSession
from api.identity.models.staff import Enrolment, RecoveryCode, SignInTry, StaffAccount

__all__ = [
    "AccountSession",
    "Enrolment",
    "ExternalIdentity",
    "OneTimeCode",
    "RecoveryCode",
    "RoleGrant",
    "SignInTry",
    "StaffAccount",
]
