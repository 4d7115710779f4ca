"""Bindings of admission policies: see `policies.py`."""

from api.admissionregistration.policies import binding_defaults, validate_binding, validate_binding_update

defaults = binding_defaults
validate = validate_binding
validate_update = validate_binding_update
