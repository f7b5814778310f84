"""A Chinese sentence without spaces is one word, so that every new sentence is unknown as a whole.

Right: Chinese, Japanese and Thai have no spaces. Of a new sentence made of known parts something must be known (each
character a token, as in BERT's tokenizers), or the user gets a message. If all is unknown, nothing can be learned.

Reference:
    keras-team/keras-preprocessing#90, keras-team/keras-hub#318, keras-team/keras#7624.
"""

import sys

from unrolled.data.tokens import UNKNOWN, Tokenizer

tokenizer = Tokenizer.fit(["这部电影很好看", "这部电影不好看", "故事很无聊", "演员很好"], kind="words")
numbers = tokenizer.encode("电影很好").tolist()
if all(number == UNKNOWN for number in numbers):
    sys.exit(f"the vocabulary is {tokenizer.tokens}, 电影很好 becomes {numbers}")
