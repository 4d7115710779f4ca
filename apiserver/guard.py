"""Builds what stands between a request and the verbs, from the configuration: who asks, may they, what is
logged.

    guard = build_guard(config, registry, versions, webhooks, features)
    guard.outermost    the audit log, around everything
    guard.filters      in order: authenticate, impersonate, authorize
    guard.chain        the admission chain
    guard.authenticators, guard.authorizer, guard.rbac, guard.issuer ...    for reviews and token requests

Called by `app.py` alone.
"""

from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509

from apiserver.admission import configuration
from apiserver.admission.chain import Chain, Parts, build_chain
from apiserver.audit import policy as audit_policy
from apiserver.audit.log import AuditLog
from apiserver.audit.policy import Policy
from apiserver.authn.authenticator import (
    ANONYMOUS_PATHS,
    Authenticators,
    RequestAuthenticator,
    TokenAuthenticator,
)
from apiserver.authn.bootstrap_token import BootstrapTokens
from apiserver.authn.front_proxy import FrontProxy
from apiserver.authn.keys import SigningKey, VerifyKeys
from apiserver.authn.oidc import OpenIDMetadata
from apiserver.authn.service_account import ServiceAccountTokens
from apiserver.authn.token_file import TokenFile
from apiserver.authn.x509 import ClientCertificates
from apiserver.authz.authorizer import Authorizer
from apiserver.authz.rbac import RBAC
from apiserver.authz.union import build_authorizer
from apiserver.config import Config
from apiserver.features import Features
from apiserver.filters.audit import received, recorded
from apiserver.filters.authenticate import authenticate
from apiserver.filters.authorize import authorize
from apiserver.filters.impersonate import impersonate
from apiserver.http.message import Filter
from apiserver.registry import Registry
from apiserver.rest.versions import Versions
from apiserver.subresources.token import Issuer
from apiserver.webhooks.client import WebhookClient


@dataclass(frozen=True)
class Guard:
    """The parts, each made once."""

    # The audit log, which tells of everything that is answered; empty without one.
    outermost: tuple[Filter, ...]
    # Authentication, impersonation, authorization.
    filters: tuple[Filter, ...]
    chain: Chain
    authenticators: Authenticators
    authorizer: Authorizer
    rbac: RBAC
    # None if the server was given no key: then no tokens are issued.
    issuer: Issuer | None
    openid: OpenIDMetadata | None
    audiences: tuple[str, ...]
    audit_log: AuditLog | None

    def close(self) -> None:
        if self.audit_log is not None:
            self.audit_log.close()


def build_guard(
    config: Config, registry: Registry, versions: Versions, webhooks: WebhookClient, features: Features
) -> Guard:
    """Return the guard. Raises `OSError` or `ValueError` for files and names that are no good."""
    audiences = config.api_audiences or (config.service_account_issuer,)
    key = _signing_key(config)
    keys = _verify_keys(config)
    tokens = _token_authenticators(config, registry, keys, audiences)
    health = ANONYMOUS_PATHS if config.anonymous_auth else ()
    authenticators = Authenticators(_request_authenticators(config), tokens, health)
    rbac = RBAC(registry)
    authorizer = build_authorizer(config.authorization_mode, registry, rbac)
    chain = build_chain(
        Parts(registry, rbac, authorizer, versions, webhooks, features),
        config.disable_admission_plugins,
        config.enable_admission_plugins,
        configuration.load(config.admission_control_config_file),
    )
    log = _audit_log(config)
    policy = _audit_policy(config)
    outermost, behind = ((recorded(log, policy),), (received(policy),)) if log is not None else ((), ())
    filters = (authenticate(authenticators), *behind, impersonate(authorizer), authorize(authorizer))
    return Guard(
        outermost=outermost,
        filters=filters,
        chain=chain,
        authenticators=authenticators,
        authorizer=authorizer,
        rbac=rbac,
        issuer=Issuer(key, config.service_account_issuer, audiences) if key is not None else None,
        openid=OpenIDMetadata(config.service_account_issuer, keys) if keys is not None else None,
        audiences=audiences,
        audit_log=log,
    )


def _request_authenticators(config: Config) -> list[RequestAuthenticator]:
    found: list[RequestAuthenticator] = []
    if config.requestheader_client_ca_file is not None:
        found.append(FrontProxy(config.requestheader_client_ca_file, config.requestheader_allowed_names))
    if config.client_ca_file is not None:
        apart = config.requestheader_client_ca_file is not None
        own = x509.load_pem_x509_certificates(config.client_ca_file.read_bytes()) if apart else ()
        found.append(ClientCertificates(own))
    return found


def _token_authenticators(
    config: Config, registry: Registry, keys: VerifyKeys | None, audiences: tuple[str, ...]
) -> list[TokenAuthenticator]:
    found: list[TokenAuthenticator] = []
    if config.token_auth_file is not None:
        found.append(TokenFile.load(config.token_auth_file))
    if keys is not None:
        issuers = (config.service_account_issuer,)
        found.append(ServiceAccountTokens(registry, keys, issuers, audiences))
    if config.enable_bootstrap_token_auth:
        found.append(BootstrapTokens(registry))
    return found


def _signing_key(config: Config) -> SigningKey | None:
    path = config.service_account_signing_key_file
    return SigningKey.load(path) if path is not None else None


def _verify_keys(config: Config) -> VerifyKeys | None:
    paths = [Path(name) for name in config.service_account_key_file]
    if config.service_account_signing_key_file is not None:
        paths.append(config.service_account_signing_key_file)
    return VerifyKeys.parse([path.read_bytes() for path in paths]) if paths else None


def _audit_log(config: Config) -> AuditLog | None:
    if config.audit_log_path is None:
        return None
    return AuditLog(
        config.audit_log_path,
        config.audit_log_maxsize << 20,
        config.audit_log_maxbackup,
        config.audit_log_maxage,
    )


def _audit_policy(config: Config) -> Policy:
    if config.audit_policy_file is None:
        return audit_policy.DEFAULT
    try:
        return audit_policy.parse(yaml.safe_load(config.audit_policy_file.read_bytes()))
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"--audit-policy-file {config.audit_policy_file}: {error}") from error
