"""Rights on the signers of certificates; for the admission plugins about certificate requests."""

from apiserver.authz.authorizer import Authorizer, Verdict
from apiserver.http.message import RequestInfo, User


def may_act_for(authorizer: Authorizer, user: User, verb: str, signer: str) -> bool:
    """Tell whether a user has a right on a signer, or on all signers of its domain (`example.com/*`)."""
    domain = signer.partition("/")[0]
    return any(
        authorizer.authorize(user, _info(verb, name)).verdict is Verdict.ALLOW
        for name in (signer, f"{domain}/*")
    )


def _info(verb: str, name: str) -> RequestInfo:
    return RequestInfo(True, "", verb, "certificates.k8s.io", "v1", "signers", "", "", name)
