import pyarrow as pa
import pytest

from copyrisk.attacks.features import FEATURES, features_of, strata_by_rules


def found(text: str) -> set[str]:
    (row,) = features_of(pa.array([text])).to_pylist()
    return {name for name in FEATURES if row[name]}


def words(text: str) -> int:
    (count,) = features_of(pa.array([text]))["words"].to_pylist()
    return int(count)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a cat", 2),
        ("", 0),
        ("  a  well-lit café, at St. Mark's!  ", 6),
        ("una niña comiendo piñatas", 4),
        ("кошка на крыше", 3),
        ("en 4k (2024)", 3),
        ("一只猫在山上", 3),
        ("한국 고양이", 2),
        ("🐈 🐕", 0),
    ],
)
def test_words_are_counted_in_any_script(text: str, count: int) -> None:
    assert words(text) == count


def test_a_prompt_of_eight_words_is_short_and_of_nine_is_not() -> None:
    assert "short" in found("one two three four five six seven eight")
    assert "short" not in found("one two three four five six seven eight nine")


@pytest.mark.parametrize(
    "text",
    [
        "Taylor Swift singing",
        "a photo of Batman",
        "portrait of Ludwig van Beethoven at the piano",
        "Lord of the Rings",
        "ein Foto von Angela Merkel mit einem Hund",
        "улица в городе Москва",
        "netflix logo",
        "the simpsons season 3",
        "sneakers by ACME®",
    ],
)
def test_a_name_is_seen_by_its_capitals_or_as_a_product(text: str) -> None:
    assert "named" in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "a photo of a cat",
        "A photo. Beautiful light.",
        "Cat on a sofa, HDR, NASA",
        "The Cat Is On The Sofa",
        "ein Hund auf der Wiese mit einem Ball",
        "seasonal vegetables",
        "一只猫",
    ],
)
def test_capitals_of_sentences_titles_and_german_nouns_are_no_names(text: str) -> None:
    assert "named" not in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "a cat in the style of van gogh",
        "castle, 4K, trending on ArtStation",
        "an oil painting of a dog",
        "a field by Claude Monet",
        "anime-style city",
        "un chien dans le style de monet",
        "two sketches of hands",
    ],
)
def test_a_style_is_seen_by_its_words(text: str) -> None:
    assert "styled" in found(text)


@pytest.mark.parametrize("text", ["a cat by the sea", "renderings4kids", "a man who surrendered", "24k gold ring"])
def test_a_word_inside_another_is_no_style(text: str) -> None:
    assert "styled" not in found(text)


@pytest.mark.parametrize(("text", "yes"), [("the nature of Time", True), ("timeless lovely minds", False)])
def test_abstract_is_a_word_for_what_cannot_be_pictured(text: str, yes: bool) -> None:
    assert ("abstract" in found(text)) is yes


def test_a_prompt_has_one_stratum_the_first_that_applies() -> None:
    prompts = {
        "Taylor Swift in the style of an anime": "named",
        "freedom, oil painting": "styled",
        "freedom": "abstract",
        "a cat": "short",
        "a cat that sits on a very red sofa in a room": "other",
    }
    assert strata_by_rules(pa.array(list(prompts))).to_pylist() == list(prompts.values())


def test_hostile_text_is_described_too() -> None:
    texts = ["\0", "a" * 100_000, "\u202e\ufeff", "’" * 50, "A" * 5000 + " " + "Aa " * 5000]
    assert len(features_of(pa.array(texts))) == len(texts)
    assert len(strata_by_rules(pa.array([], pa.string()))) == 0
