"""A light test for English by letters and function words. Not a language identifier."""

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]+")
_FEW_WORDS: Final = 20
_LEAST_ASCII: Final = 0.9

# Common words of two of the languages ("in", "me", "was", "do") are in neither list.
_ENGLISH: Final = frozenset(
    re.findall(
        r"\w+",
        """
        the and of to that is you for with are this it be have on can what how your i not from if
        my will which when there their would about should they we he she at by but why who
        could please has were been or as these each more some any them his her its does did yes
        """,
    )
)
_OTHER: Final = frozenset(
    re.findall(
        r"\w+",
        """
        los las una por para como del esta pero muy más qué es
        le les une est pour dans avec qui sur pas vous nous je et du au ce cette
        der das und ist ein eine nicht mit für auf den dem ich sie wie zu von auch sich im
        il lo gli che di non sono della questo come
        os um uma não com são você isso mais
        het een van niet zijn voor ik dat met op te
        och att det som på är inte jag för ett av
        nie jest się na że jak
        """,
    )
)
"""Of Spanish, French, German, Italian, Portuguese, Dutch, Swedish and Polish, a line each."""


def is_english(text: str) -> bool:
    """Return whether the text is plausibly English.

    Nine letters in ten must be ASCII, and function words of English must be no rarer than those of
    eight other European languages; from twenty words on there must be one. Short lists of names
    pass.
    """
    if not text.isascii():
        letters = [character for character in text if character.isalpha()]
        if sum(map(str.isascii, letters)) < _LEAST_ASCII * len(letters):
            return False
    words = [word.lower() for word in _WORD.findall(text)]
    if not words:
        return True
    english = sum(word in _ENGLISH for word in words)
    other = sum(word in _OTHER for word in words)
    if english < other:
        return False
    return english > 0 or len(words) < _FEW_WORDS
