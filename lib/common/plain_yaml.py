"""YAML as DVC reads it (version 1.2, by another library), refused where versions of YAML take a number for another one.

Read are mappings of names, lists, texts, numbers, true, false and null: no tags, anchors, aliases, merges, directives.
"""

import re
from typing import Any, Final

import yaml

MAX_CHARACTERS: Final = 40
_NULL: Final = re.compile(r"~|null|Null|NULL|")
_BOOLEAN: Final = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(
    r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_UNCLEAR: Final = re.compile(
    r"[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9a-fA-F_]+"
    r"|(?=.*[0-9])([-+]?[0-9_]+|[-+]?[0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9_]+[eE][-+]?[0-9]+)"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?|=|<<"
)
"""What some version of YAML takes for a number (octal, hexadecimal, with underscores, in sixtieths) or a date."""
_OTHER_LINE_BREAKS: Final = re.compile("[\x85\u2028\u2029\ufeff]")


class _Loader(yaml.SafeLoader):
    """Takes a text apart; what a word means is said below."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (as PyYAML has it)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _problem("anchors (&) and aliases (*) are not read here; write the value out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _problem("tags (!) are not read here; write the value without one", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node


def read_yaml(text: str) -> Any:
    """The value that a YAML text holds; None where it holds none.

    Raises ValueError, whose sentence names the line, for a text that is not YAML, or not YAML to be read here.
    """
    text = text.removeprefix("\ufeff")
    if strange := _OTHER_LINE_BREAKS.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise ValueError(f"line {line}: holds {strange[0]!a}, a line break that cannot be seen; remove it")
    try:
        node = yaml.compose(text, Loader=_Loader)
        if text.startswith("%") or "\n%" in text:
            raise ValueError("a line begins with %, which chooses a version of YAML; remove it")
        return None if node is None else _value(node, "")
    except yaml.MarkedYAMLError as error:
        raise ValueError(_damage(error)) from None
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {_one_line(error)}") from None
    except RecursionError:
        raise ValueError("values are nested too deep; no parameter is") from None


def _value(node: yaml.Node, place: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, place)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, f"{place}[{number}]") for number, item in enumerate(node.value)]
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = _line(key_node.start_mark)
        key = key_node.value
        if not _is_name(key_node):
            where = f" in {place}" if place else ""
            raise ValueError(f"line {line}: a key{where} is not a name; write a name, as in `epochs: 20`")
        where = f"{place}.{key[:60]}" if place else key[:60]
        if key in values:
            raise ValueError(f"line {line}: {where} is there already, in line {lines[key]}; remove one of the two")
        lines[key], values[key] = line, _value(value_node, where)
    return values


def _is_name(node: yaml.Node) -> bool:
    if not isinstance(node, yaml.ScalarNode) or node.style is not None:
        return isinstance(node, yaml.ScalarNode)
    return not any(each.fullmatch(node.value) for each in (_NULL, _BOOLEAN, _INTEGER, _FLOAT, _UNCLEAR))


def _scalar(node: yaml.ScalarNode, place: str) -> Any:
    """What a word means; what stands in quotes is a text."""
    word: str = node.value
    if node.style is not None:
        return word
    if _NULL.fullmatch(word):
        return None
    if _BOOLEAN.fullmatch(word):
        return word.lower() == "true"
    if len(word) <= MAX_CHARACTERS:
        if _INTEGER.fullmatch(word):
            return int(word)
        if _FLOAT.fullmatch(word):
            return float(word.replace(".", "") if word[-1:].isalpha() else word)
    if _UNCLEAR.fullmatch(word):
        where = f"line {_line(node.start_mark)}: {place}" if place else f"line {_line(node.start_mark)}"
        raise ValueError(
            f"{where}: {word[:MAX_CHARACTERS]} is one thing to some versions of YAML and another to others; write a "
            "number in plain decimal digits (10, 0.5, 1e-3), a text in quotes"
        )
    return word


def _problem(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, mark, note="refused")


def _damage(error: yaml.MarkedYAMLError) -> str:
    line = "" if error.problem_mark is None else f"line {_line(error.problem_mark)}: "
    if error.note == "refused":
        return f"{line}{error.problem}"
    if error.context == "expected a single document in the stream":
        return f"{line}a second document begins; keep one, without lines of `---`"
    return f"{line}not valid YAML: {_one_line(error.problem or error)}"


def _line(mark: yaml.Mark) -> int:
    return int(mark.line) + 1


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]
