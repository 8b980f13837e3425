"""
Conversations by who answers whom (RFC 5256 §3 C{REFERENCES}).

The numbers of the steps are the RFC's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wildduck.mailstore.search.trees import Message, Tree

#: Steps up in trees that are taken to find loops, for all messages together: a second of
#: work.  Beyond it nothing is linked that may be one; no mail that people write comes near it.
_STEPS = 10_000_000


class _Node:
    """
    A message in a tree, or a dummy in the place of one that is not there.

    @ivar children: in no order until they are sorted.
    """

    __slots__ = ("children", "message", "parent")

    def __init__(self, message: Message | None = None) -> None:
        self.message = message
        self.parent: _Node | None = None
        self.children: dict[_Node, None] = {}

    def adopt(self, child: _Node) -> None:
        """@param child: has no parent, and does not have this node below it."""
        child.parent = self
        self.children[child] = None

    def leave(self) -> None:
        """Have no parent any more."""
        if self.parent is not None:
            del self.parent.children[self]
            self.parent = None

    @property
    def first(self) -> Message:
        """Itself; of a dummy, whose children are messages, the one that was sent first."""
        if self.message is not None:
            return self.message
        return min((child.message for child in self.children if child.message), key=_age)

    @property
    def answers(self) -> bool:
        return self.message is not None and self.message.answers


def _age(message: Message) -> tuple[int, int]:
    return message.sent, message.number


def _node_age(node: _Node) -> tuple[int, int]:
    return _age(node.first)


def by_references(messages: Iterable[Message]) -> list[Tree]:
    """@param messages: in the order of the mailbox, by which their numbers ascend."""
    roots = _pruned(_Linking().link(messages))
    roots.sort(key=_node_age)
    return _export(sorted(_merged(roots), key=_node_age))


class _Linking:
    """Step 1: parents and children by Message-IDs."""

    def __init__(self) -> None:
        self._by_id: dict[str, _Node] = {}
        self._nodes: list[_Node] = []
        self._steps = _STEPS

    def link(self, messages: Iterable[Message]) -> list[_Node]:
        """@return: the nodes without a parent (step 2)."""
        for message in messages:
            node = self._node_of(message)
            nearest: _Node | None = None
            for id in message.references:
                reference = self._by_id.get(id) or self._new(id)
                if nearest is not None and reference.parent is None and self._may_adopt(nearest, reference):
                    nearest.adopt(reference)
                nearest = reference
            if node.parent is nearest:
                continue
            node.leave()
            if nearest is not None and self._may_adopt(nearest, node):
                nearest.adopt(node)
        return [node for node in self._nodes if node.parent is None]

    def _node_of(self, message: Message) -> _Node:
        """An id that another message has already is as good as none."""
        node = None if message.id is None else self._by_id.get(message.id)
        if node is None or node.message is not None:
            node = self._new(message.id if node is None else None)
        node.message = message
        return node

    def _new(self, id: str | None) -> _Node:
        node = _Node()
        self._nodes.append(node)
        if id is not None:
            self._by_id[id] = node
        return node

    def _may_adopt(self, parent: _Node, child: _Node) -> bool:
        """
        Whether that makes no loop.

        @param child: has no parent.
        """
        if not child.children:
            return parent is not child
        above: _Node | None = parent
        while above is not None:
            if above is child or not self._steps:
                return False
            self._steps -= 1
            above = above.parent
        return True


def _pruned(roots: list[_Node]) -> list[_Node]:
    """Step 3: dummies go, but for those at the top that hold two messages or more together."""
    for node in reversed(list(_walk(roots))):
        parent = node.parent
        if node.message is not None or parent is None:
            continue
        # What is below it has been pruned already.
        node.leave()
        for child in list(node.children):
            child.leave()
            parent.adopt(child)
    left = []
    for root in roots:
        if root.message is None and len(root.children) < 2:
            for child in list(root.children):
                child.leave()
                left.append(child)
        else:
            left.append(root)
    return left


def _walk(roots: Iterable[_Node]) -> Iterator[_Node]:
    """All nodes, each before its children."""
    pending = list(roots)
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.children)


def _merged(roots: list[_Node]) -> list[_Node]:
    """Step 5: conversations with one subject are one."""
    table: dict[str, _Node] = {}
    for root in roots:
        subject = root.first.subject
        if not subject:
            continue
        known = table.get(subject)
        if known is None or (
            known.message is not None and (root.message is None or (known.answers and not root.answers))
        ):
            table[subject] = root
    kept = dict.fromkeys(roots)
    for root in roots:
        subject = root.first.subject
        known = table.get(subject)
        if known is None or known is root:
            continue
        del kept[root]
        if known.message is None and root.message is None:
            for child in list(root.children):
                child.leave()
                known.adopt(child)
        elif known.message is None or (root.answers and not known.answers):
            known.adopt(root)
        else:
            both = table[subject] = _Node()
            del kept[known]
            kept[both] = None
            both.adopt(known)
            both.adopt(root)
    return list(kept)


def _export(roots: list[_Node]) -> list[Tree]:
    """Step 6: each set of siblings by the time sent."""
    trees: list[Tree] = []
    pending = [(root, trees) for root in reversed(roots)]
    while pending:
        node, siblings = pending.pop()
        children: list[Tree] = []
        siblings.append((None if node.message is None else node.message.number, children))
        below = sorted(node.children, key=_node_age, reverse=True)
        pending.extend((child, children) for child in below)
    return trees
