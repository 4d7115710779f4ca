"""The pause program: the first process of a pod's sandbox, which holds its namespaces and reaps its orphans.

It is a whole Linux executable of under 200 bytes: set SIGCHLD to "ignore" (then the kernel reaps children by
itself) and wait for ever. So small an image makes a sandbox cheap to create, and needs no compiler.
"""

import struct

_BASE = 0x400000
_HEADERS = 64 + 56

# rt_sigaction(SIGCHLD=17, &act, NULL, 8); then pause() for ever. `act` follows the code: handler SIG_IGN
# (1), flags 0, restorer 0, mask 0.
_CODE_AMD64 = bytes.fromhex(
    "b80d000000"  # mov eax, 13 (rt_sigaction)
    "bf11000000"  # mov edi, 17 (SIGCHLD)
    "488d3517000000"  # lea rsi, [rip+23] (act)
    "31d2"  # xor edx, edx
    "41ba08000000"  # mov r10d, 8
    "0f05"  # syscall
    "b822000000"  # mov eax, 34 (pause)
    "0f05"  # syscall
    "ebf7"  # jmp to pause
    "90909090"  # align
) + struct.pack("<QQQQ", 1, 0, 0, 0)


def build_pause() -> bytes:
    """Return the x86-64 executable (ELF64, one read-execute segment)."""
    size = _HEADERS + len(_CODE_AMD64)
    entry = _BASE + _HEADERS
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + _CODE_AMD64
