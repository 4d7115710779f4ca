"""How objects get from one version of a definition to another.

Called by `api.apiextensions.customresourcedefinition`. Source: apiextensions-apiserver
pkg/apis/apiextensions/validation validateCustomResourceConversion (1.36). Paths are those of upstream's
internal form: `webhookClientConfig` is `webhook.clientConfig`.
"""

from api import names
from api.admissionregistration.webhooks import client_errors
from api.field import FieldError, Path, forbidden, invalid, not_supported, required
from api.resource import Obj

_STRATEGIES = ("None", "Webhook")
_REVIEWS = ("v1", "v1beta1")


def conversion_errors(conversion: Obj, path: Path, old: Obj | None = None) -> list[FieldError]:
    """Return what is wrong with `spec.conversion`; `old`: what it was."""
    strategy, webhook = conversion.get("strategy", ""), conversion.get("webhook") or {}
    errors: list[FieldError] = []
    if not strategy:
        errors.append(required(path.child("strategy")))
    elif strategy not in _STRATEGIES:
        errors.append(not_supported(path.child("strategy"), strategy, _STRATEGIES))
    config, at = webhook.get("clientConfig"), path.child("webhookClientConfig")
    versions = webhook.get("conversionReviewVersions") or []
    reviews = path.child("conversionReviewVersions")
    if strategy != "Webhook":
        text = "should not be set when strategy is not set to Webhook"
        errors += [forbidden(where, text) for where, what in ((at, config), (reviews, versions)) if what]
        return errors
    if config is None:
        errors.append(required(at, "required when strategy is set to Webhook"))
    else:
        errors += client_errors(config, at)
    before = ((old or {}).get("webhook") or {}).get("conversionReviewVersions") or []
    must_know = not before or bool(set(before) & set(_REVIEWS))
    return errors + _review_errors(versions, reviews, must_know)


def _review_errors(versions: list[str], path: Path, must_know: bool) -> list[FieldError]:
    if not versions:
        return [required(path)]
    errors: list[FieldError] = []
    for number, version in enumerate(versions):
        if version in versions[:number]:
            errors.append(invalid(path.index(number), version, "duplicate version"))
        else:
            faults = names.is_dns1035_label(version)
            errors += [invalid(path.index(number), version, text) for text in faults]
    if must_know and not set(versions) & set(_REVIEWS):
        errors.append(invalid(path, versions, f"must include at least one of {', '.join(_REVIEWS)}"))
    return errors
