"""Words in the reader's language: a gettext catalogue per language, English being the text in the code itself.

The ``.po`` file is read as it is. It is the only copy, so there is no compiled one that could fall behind; any gettext
editor can open it.
"""

from __future__ import annotations

import ast
import functools
import unicodedata
from pathlib import Path

from dedup.errors import UsageError
from dedup.reporting.labels import LABELS

__all__ = ["LANGUAGES", "Words", "plain", "read_catalogue"]

LANGUAGES = ("vi", "en")
_LOCALE = Path(__file__).parent / "locale"


class Words:
    """Translates our own text. Other people's text (names, codes) never passes through here."""

    def __init__(self, lang: str) -> None:
        """``lang``: vi or en. Raises UsageError for any other."""
        if lang not in LANGUAGES:
            raise UsageError(f"There is no language {lang!r}. Choose from {', '.join(LANGUAGES)}.")
        self.lang = lang
        self._texts = {} if lang == "en" else read_catalogue(_LOCALE / f"{lang}.po")

    def __call__(self, text: str, **values: object) -> str:
        """``text`` in the language; ``{name}`` places are filled after translating."""
        found = self._texts.get(text, text)
        return found.format(**values) if values else found

    def label(self, code: str) -> str:
        """What a code of ours (a verdict, a reason, a status) is called; an unknown code stays as it is."""
        return self(LABELS[code]) if code in LABELS else plain(code)


@functools.cache
def read_catalogue(path: Path) -> dict[str, str]:
    """msgid → msgstr of a ``.po`` file; entries without a translation are left out."""
    found: dict[str, str] = {}
    entry: dict[str, str] = {}
    field = ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), 'msgid ""']:
        if line.startswith(("msgid ", "msgstr ")):
            field, _, text = line.partition(" ")
            if field == "msgid":
                if entry.get("msgid") and entry.get("msgstr"):
                    found[entry["msgid"]] = entry["msgstr"]
                entry = {}
            entry[field] = ast.literal_eval(text)
        elif line.startswith('"'):
            entry[field] += ast.literal_eval(line)
    return found


#: Characters that draw nothing or turn the direction of what follows: shown by number, so that nobody is misled.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def plain(text: str) -> str:
    """Somebody else's text with control and direction characters made visible, e.g. ``⟨U+202E⟩``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨U+{ord(char):04X}⟩" if unicodedata.category(char) in _HIDDEN else char for char in text)
