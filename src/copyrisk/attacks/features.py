"""What a prompt's text shows: how long it is, and whether it names somebody, asks for a style or is abstract.

The rules are regular expressions over the text alone, and all of them are in this file. Word lists are English, with
the commonest ways to ask for a style in German, French, Spanish, Portuguese and Italian; in other languages `styled`
and `abstract` find little. Names are seen by their capitals, so a name typed in small letters, or in a script without
capitals, is not seen. Where that is not good enough, a column `stratum` in the prompts file says it better.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FEATURES = ("named", "styled", "abstract", "short")
"""Also the order in which strata are given: a prompt belongs to the first that applies, else to `other`."""
SHORT_WORDS = 8
"""A prompt of at most so many words is short."""

UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# A word is a run of letters and digits; in scripts that put no spaces between words, two signs count as one.
WORD = rf"[{UNSPACED}]{{1,2}}|[\p{{L}}\p{{N}}][\p{{L}}\p{{M}}\p{{N}}'’_-]*"
START, END = r"(?:^|[^\p{L}\p{M}\p{N}])", r"(?:$|[^\p{L}\p{M}\p{N}])"

# A capital and a small letter: `Paris`, `McQueen`, and not `HDR` or `I`.
CAPITALISED = r"\p{Lu}[\p{L}\p{M}'’]*\p{Ll}[\p{L}\p{M}'’]*"
PARTICLE = r"(?:de|da|di|du|des|del|della|von|van|der|den|le|la|el|al|bin|ibn|of|the|and|&)"
NAME_PAIR = rf"{START}{CAPITALISED}(?: {PARTICLE}){{0,2}} {CAPITALISED}"
NAME_INSIDE = rf"[\p{{L}}\p{{M}}\p{{N}},)] ['’\"“]?{CAPITALISED}"
# Every noun of German has a capital: there, only two in a row are a name.
GERMAN = rf"{START}(?:und|der|das|ein|eine|einen|einem|einer|eines|mit|auf|vom|zum|für|wie){END}"
PRODUCT = (
    rf"[®™©]|{START}(?:official|logo|trailer|starring|podcast|soundtrack|box set|blu-?ray|dvd|"
    rf"(?:movie|film|tv) poster|(?:album|book|magazine) cover|(?:season|episode|series|volume|vol\.?) \d+){END}"
)
STYLE = (
    r"in the style of|style of|styled as|inspired by|im stil|dans le style|al estilo|no estilo|nello stile|"
    r"\p{L}+[- ]style|painting|oil on canvas|watercolou?r|gouache|acrylic|sketch|drawing|drawn|illustration|engraving|"
    r"etching|woodcut|digital art|concept art|line art|pixel art|vector art|clip ?art|fan ?art|anime|manga|cartoon|"
    r"comic|render|rendering|3d|cgi|low poly|isometric|octane|unreal engine|artstation|deviantart|pixiv|[48]k|u?hd|hdr|"
    r"highly detailed|ultra detailed|intricate|photo-?realistic|hyper-?realistic|cinematic|studio lighting|"
    r"volumetric lighting|bokeh|film grain|polaroid|masterpiece|impressionis[mt]|surrealis[mt]|cubis[mt]|baroque|"
    r"art nouveau|art deco|pop art|cyberpunk|steampunk|vaporwave|black and white|monochrome"
)
STYLE_WORD = rf"{START}(?:{STYLE})(?:e?s)?{END}"
ARTIST = rf"{START}[Bb]y {CAPITALISED}"
ABSTRACT = (
    r"abstract|abstraction|love|hate|hope|fear|joy|sorrow|sadness|happiness|loneliness|solitude|anger|peace|chaos|"
    r"order|freedom|justice|truth|beauty|wisdom|courage|faith|dreams?|dreaming|imagination|memory|memories|nostalgia|"
    r"emotions?|feelings?|thoughts?|consciousness|mind|soul|spirit|time|eternity|infinity|nothingness|void|existence|"
    r"life|death|knowledge|idea|concept of|meaning of|surreal"
)
ABSTRACT_WORD = rf"{START}(?:{ABSTRACT}){END}"


def features_of(texts: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return one row a prompt: `words` (how many), and `named`, `styled`, `abstract`, `short` (true or false).

    named: a capitalised word inside the text or two in a row at its start, unless the text is capitalised like a title
    (at least four words, and two of three); or a word of a product (`official`, `logo`, `season 3`, ®). styled: a
    style, a medium, a mark of quality or `by Name`. abstract: a word for something that cannot be pictured. short: at
    most SHORT_WORDS words.
    """
    words = pc.count_substring_regex(texts, WORD)
    return pa.table(
        {
            "words": words,
            "named": pc.or_(_by_capitals(texts), _has(texts, PRODUCT)),
            "styled": pc.or_(_has(texts, STYLE_WORD), pc.match_substring_regex(texts, ARTIST)),
            "abstract": _has(texts, ABSTRACT_WORD),
            "short": pc.less_equal(words, SHORT_WORDS),
        }
    )


def strata_by_rules(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the stratum of each prompt: the first of FEATURES that it has, else `other`."""
    found = features_of(texts)
    applies = [found[name].to_numpy() for name in FEATURES]
    return pa.array(np.select(applies, FEATURES, "other").astype(object), pa.string())


def _by_capitals(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    # Of a title, with a capital in two words of three or more, the capitals say nothing of names.
    capitals, words = pc.count_substring_regex(texts, CAPITALISED), pc.count_substring_regex(texts, WORD)
    title = pc.and_(pc.greater_equal(capitals, 4), pc.greater_equal(pc.multiply(capitals, 3), pc.multiply(words, 2)))
    single = pc.and_not(pc.match_substring_regex(texts, NAME_INSIDE), _has(texts, GERMAN))
    return pc.and_not(pc.or_(pc.match_substring_regex(texts, NAME_PAIR), single), title)


def _has(texts: pa.Array | pa.ChunkedArray, pattern: str) -> pa.Array:
    return pc.match_substring_regex(texts, pattern, ignore_case=True)
