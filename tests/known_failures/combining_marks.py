"""Words with vowel signs are cut into pieces of one letter.

Right: a Hindi word with its vowel signs is one word (Unicode's word boundaries, UAX 29), and so are Tamil, Bengali and
Hebrew ones. Python's ``\\w`` leaves the signs out.

Reference:
    hplt-project/sacremoses#42, neuml/txtai#507, keras-team/keras-preprocessing#187.
"""

import sys

from unrolled.data.tokens import Tokenizer

TEXTS = {"Hindi": "हिन्दी भाषा", "Tamil": "தமிழ் மொழி", "Bengali": "বাংলা ভাষা", "Hebrew": "שָׁלוֹם עוֹלָם"}

cut = {language: Tokenizer.fit([text], kind="words").cut(text) for language, text in TEXTS.items()}
if wrong := [f"{language}: {tokens}" for language, tokens in cut.items() if tokens != TEXTS[language].split()]:
    sys.exit("; ".join(wrong))
