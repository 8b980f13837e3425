"""
RFC 5256 §3 C{REFERENCES}, step by step and slowly, as its text has them.

Written from that text alone, to be compared with what the server does.
"""

from __future__ import annotations

from typing import Any

from wildduck.mailstore.search.trees import Message


class Item:
    """A message or a dummy; the root is a dummy too."""

    def __init__(self, message: Message | None = None) -> None:
        self.message = message
        self.parent: Item | None = None
        self.children: list[Item] = []

    @property
    def dummy(self) -> bool:
        return self.message is None

    def is_below(self, other: Item) -> bool:
        return any(child is self or self.is_below(child) for child in other.children)


def unlink(item: Item) -> None:
    if item.parent is not None:
        item.parent.children.remove(item)
        item.parent = None


def link(parent: Item, child: Item) -> None:
    unlink(child)
    parent.children.append(child)
    child.parent = parent


def makes_loop(parent: Item, child: Item) -> bool:
    return parent is child or parent.is_below(child)


def thread(messages: list[Message]) -> list[Any]:
    items = step_1(messages)
    root = Item()
    for item in items:
        if item.parent is None:
            link(root, item)
    step_3(root, root)
    step_4(root)
    step_5(root)
    step_6(root)
    return [result(child) for child in root.children]


def step_1(messages: list[Message]) -> list[Item]:
    items: list[Item] = []
    ids: dict[str, Item] = {}
    # "use that Message ID in the first (lowest sequence number) message"
    owner: dict[str, int] = {}
    for message in messages:
        if message.id is not None:
            owner.setdefault(message.id, message.number)
    for message in messages:
        id = message.id
        if id is None or owner[id] != message.number:
            id = f"unique {message.number}"
        references = []
        for reference in message.references:
            if reference not in ids:
                ids[reference] = Item()
                items.append(ids[reference])
            references.append(ids[reference])
        if id not in ids:
            ids[id] = Item()
            items.append(ids[id])
        current = ids[id]
        current.message = message
        for parent, child in zip(references, references[1:], strict=False):
            if child.parent is None and not makes_loop(parent, child):
                link(parent, child)
        unlink(current)
        if references and not makes_loop(references[-1], current):
            link(references[-1], current)
    return items


def step_3(item: Item, root: Item) -> None:
    for child in list(item.children):
        step_3(child, root)
        if not child.dummy:
            continue
        if not child.children:
            unlink(child)
        elif item is not root or len(child.children) == 1:
            unlink(child)
            for grandchild in list(child.children):
                link(item, grandchild)


def age(item: Item) -> tuple[int, int]:
    message = item.message or item.children[0].message
    assert message is not None
    return message.sent, message.number


def step_4(root: Item) -> None:
    for child in root.children:
        if child.dummy:
            child.children.sort(key=age)
    root.children.sort(key=age)


def thread_subject(item: Item) -> str:
    message = item.message or item.children[0].message
    assert message is not None
    return message.subject


def is_answer(item: Item) -> bool:
    return item.message is not None and item.message.answers


def step_5(root: Item) -> None:
    table: dict[str, Item] = {}
    for current in root.children:
        subject = thread_subject(current)
        if not subject:
            continue
        if subject not in table:
            table[subject] = current
            continue
        there = table[subject]
        if not there.dummy and (current.dummy or (is_answer(there) and not is_answer(current))):
            table[subject] = current
    for current in list(root.children):
        subject = thread_subject(current)
        if not subject or table[subject] is current:
            continue
        there = table[subject]
        if there.dummy and current.dummy:
            for child in list(current.children):
                link(there, child)
            unlink(current)
        elif there.dummy or (is_answer(current) and not is_answer(there)):
            link(there, current)
        else:
            both = Item()
            link(both, current)
            link(both, there)
            link(root, both)
            table[subject] = both


def step_6(item: Item) -> None:
    for child in item.children:
        step_6(child)
    item.children.sort(key=age)


def result(item: Item) -> Any:
    number = None if item.message is None else item.message.number
    return (number, [result(child) for child in item.children])
