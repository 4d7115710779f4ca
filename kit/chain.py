"""TLS contexts from certificates that are in memory. Apart from `tls`, which loads a library to make some."""

import os
import ssl


def load_chain(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Give a context a PEM certificate and its key: OpenSSL's Python binding takes file names only."""
    fd = os.memfd_create("cert", os.MFD_CLOEXEC)
    try:
        os.write(fd, cert + b"\n" + key)
        context.load_cert_chain(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def pinned_context(cert: str) -> ssl.SSLContext:
    """Return a client context that trusts whoever holds one of these PEM certificates, or was given one by
    it, whatever name that bears. Raises `ssl.SSLError` for what is no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=cert)
    return context
