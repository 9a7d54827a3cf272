from hornbeam.components.docstrings import parse

DOCSTRING = """Applies a thing (e.g. this one) to the input. It is good.

    See [Someone et al., 2014](
    https://example.org/paper.pdf) for more.

    >>> thing = Thing(3)
    >>> thing(1)
    4

    For example:

    ```python
    model = Thing(1)
    ```

    Args:
        rate: Float between 0 and 1. Fraction
            of the units to drop.
        low, high: The two ends.
        seed: (Optional) integer.
            >>> Thing(seed=1)
        **kwargs: Whatever else.

    Example:

```python
Thing(2)
```

    Call arguments:
        inputs: Not a parameter.
    """


def test_the_first_sentence_is_the_summary():
    assert parse(DOCSTRING).summary == "Applies a thing (e.g. this one) to the input."


def test_the_description_is_plain_text_without_code():
    description = parse(DOCSTRING).description

    assert description == "It is good.\n\nSee Someone et al., 2014 for more."


def test_arguments_are_told_apart():
    arguments = parse(DOCSTRING).arguments

    assert arguments["rate"] == "Float between 0 and 1. Fraction of the units to drop."
    assert arguments["low"] == arguments["high"] == "The two ends."
    assert arguments["seed"] == "(Optional) integer."
    assert "inputs" not in arguments


def test_a_long_text_ends_with_a_whole_sentence():
    text = "A.\n\n    Args:\n        x: " + "One sentence. " * 40
    description = parse(text).arguments["x"]

    assert len(description) <= 320
    assert description.endswith("One sentence.")


def test_a_long_sentence_is_cut_and_says_so():
    assert parse("A.\n\n    Args:\n        x: " + "word " * 200).arguments["x"].endswith("…")


def test_no_docstring_is_no_trouble():
    assert parse(None).summary == ""
    assert parse("").arguments == {}
