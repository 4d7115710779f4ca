"""The words for what cannot be parsed: those of ANTLR, which cel-go uses. Called by the parser.

ANTLR looks whether leaving out one token would do ("extraneous"), or putting one in ("missing"); otherwise
the token is "mismatched".
"""

from api.cel.lexer import Token

# What an expression begins with, as the grammar lists it; some places allow one token more.
_BEGINS = (
    "'['",
    "'{'",
    "'('",
    "'.'",
    "'-'",
    "'!'",
    "'true'",
    "'false'",
    "'null'",
    "NUM_FLOAT",
    "NUM_INT",
    "NUM_UINT",
    "STRING",
    "BYTES",
    "IDENTIFIER",
)
_PLACES = {"'\\u003F'": "'!'", "')'": "'('"}
STARTS = frozenset(
    [
        "[",
        "{",
        "(",
        ".",
        "-",
        "!",
        "true",
        "false",
        "null",
        "float",
        "int",
        "uint",
        "string",
        "bytes",
        "ident",
    ]
)
# What ends a list or map may follow its last comma.
_LISTS = {"]": "{']', ','}", "}": "{'}', ','}", ")": "')'"}


def no_expression(token: Token, after: Token, also: str = "") -> str:
    """Return what is said of a token where an expression must begin; `also` is one more that may stand
    there.
    """
    begins = list(_BEGINS)
    if also:
        begins.insert(begins.index(_PLACES[also]) + 1, also)
    goes_on = after.kind in STARTS or repr(after.kind) == also
    word = "extraneous" if token.kind != "end" and goes_on else "mismatched"
    return f"{word} input '{token.text}' expecting {{{', '.join(begins)}}}"


def no_token(token: Token, after: Token, wanted: str) -> str:
    """Return what is said of a token where a certain other one must stand."""
    if wanted == "ident":
        text = "" if token.kind == "end" else token.text
        return f"no viable alternative at input '.{text}'"
    if token.kind != "end" and after.kind == wanted:
        return f"extraneous input '{token.text}' expecting '{wanted}'"
    follows = token.kind in STARTS if wanted == ":" else token.kind == "end" and wanted in ")]"
    word = f"missing '{wanted}' at" if follows else "mismatched input"
    return f"{word} '{token.text}'" if follows else f"{word} '{token.text}' expecting '{wanted}'"


def no_end(token: Token, after: Token, wanted: str, comma: bool) -> str:
    """Return what is said of a token where a list or map must end or go on; `comma`: one has just been
    read.
    """
    expected = f"'{wanted}'" if comma else _LISTS[wanted]
    if token.kind == "end":
        missing = comma or wanted == ")"
        return (
            f"missing '{wanted}' at '<EOF>'" if missing else f"mismatched input '<EOF>' expecting {expected}"
        )
    word = "extraneous" if after.kind in (wanted, ",") else "mismatched"
    return f"{word} input '{token.text}' expecting {expected}"


def no_end_of_text(token: Token, after: Token) -> str:
    """Return what is said of a token after the end of the expression."""
    word = "extraneous" if after.kind == "end" else "mismatched"
    return f"{word} input '{token.text}' expecting <EOF>"
