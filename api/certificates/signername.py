"""Names of signers: `example.com/my-signer`. Spec: ValidateSignerName (1.36)."""

from api import field, names
from api.field import FieldError, Path

# Domain, slash, and a label with a subdomain.
NAME_MAX = names.SUBDOMAIN_MAX + 1 + names.SUBDOMAIN_MAX + names.LABEL_MAX + 1


def signer_name_errors(signer: str, path: Path) -> list[FieldError]:
    """Check the name of a signer; ClusterTrustBundles have it as well as certificate requests."""
    if not signer:
        return [field.required(path)]
    parts = signer.split("/")
    if len(parts) != 2:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [field.invalid(path, signer, text)]
    domain, rest = parts
    errors = [field.too_long(path, names.SUBDOMAIN_MAX)] if len(domain) > names.SUBDOMAIN_MAX else []
    labels = domain.split(".")
    for label in labels:
        errors += _label_errors(domain, label, names.is_dns1123_label(label), path)
    if len(labels) < 2:
        text = "should be a domain with at least two segments separated by dots"
        errors.append(field.invalid(path, domain, text))
    for label in rest.split("."):
        errors += _label_errors(rest, label, names.is_dns1123_subdomain(label), path)
    if len(signer) > NAME_MAX:
        errors.append(field.too_long(path, NAME_MAX))
    return errors


def _label_errors(value: str, label: str, complaints: list[str], path: Path) -> list[FieldError]:
    return [field.invalid(path, value, f'validating label "{label}": {text}') for text in complaints]
