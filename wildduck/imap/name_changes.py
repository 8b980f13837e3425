"""What LIST tells of mailboxes that were made, deleted, renamed or subscribed (RFC 5465 §5.4, §5.5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bson import ObjectId

from wildduck.imap.grammar.mailbox_responses import ListData
from wildduck.imap.grammar.mailboxes import DELIMITER
from wildduck.imap.grammar.notify import MAILBOX_NAME, SUBSCRIPTION_CHANGE
from wildduck.imap.interests import Interests
from wildduck.mailstore.values import Mailbox

Mailboxes = Mapping[ObjectId, Mailbox]


def name_changes(
    interests: Interests, before: Mailboxes, after: Mailboxes, own: frozenset[str]
) -> list[ListData]:
    """
    What to tell, by name.

    @param own: names that the client itself has given or taken away; it is told
        nothing of them.
    """
    if _same(before, after):
        return []
    changes = _Changes(interests, before, after)
    told = {
        response.name: response
        for response in (*changes.there(), *changes.gone(), *changes.parents())
        if not _is_own(response, own)
    }
    return [told[name] for name in sorted(told)]


def _is_own(response: ListData, own: frozenset[str]) -> bool:
    """A level that is no mailbox can be renamed too: then what lies under it is told of."""
    if response.name in own:
        return True
    return response.old_name is not None and any(
        response.name[:length] in own for length in levels(response.name)
    )


def _same(before: Mailboxes, after: Mailboxes) -> bool:
    return before.keys() == after.keys() and all(
        mailbox.path == before[id].path and mailbox.subscribed == before[id].subscribed
        for id, mailbox in after.items()
    )


class _Changes:
    def __init__(self, interests: Interests, before: Mailboxes, after: Mailboxes) -> None:
        self._interests = interests
        self._before = before
        self._after = after
        self._by_path = {mailbox.path: mailbox for mailbox in after.values()}
        self._parents = {path[:length] for path in self._by_path for length in levels(path)}
        self._renamed = {
            mailbox.path: after[id].path
            for id, mailbox in before.items()
            if id in after and after[id].path != mailbox.path
        }

    def there(self) -> Iterator[ListData]:
        """Mailboxes that are new, or have another name or subscription."""
        for id, mailbox in self._after.items():
            old = self._before.get(id)
            wanted = self._interests.of(mailbox.path, mailbox.subscribed)
            if old is None:
                if MAILBOX_NAME in wanted:
                    yield self._listed(mailbox.path)
                continue
            wanted |= self._interests.of(old.path, old.subscribed)
            if old.path != mailbox.path:
                if MAILBOX_NAME in wanted and not self._goes_with_parent(old.path, mailbox.path):
                    yield self._listed(mailbox.path, old.path)
            elif old.subscribed != mailbox.subscribed and SUBSCRIPTION_CHANGE in wanted:
                yield self._listed(mailbox.path)

    def gone(self) -> Iterator[ListData]:
        """Names of which no mailbox is left."""
        for id, mailbox in self._before.items():
            if id not in self._after and mailbox.path not in self._by_path:
                if MAILBOX_NAME in self._interests.of(mailbox.path, mailbox.subscribed):
                    yield self._listed(mailbox.path)

    def parents(self) -> Iterator[ListData]:
        """The names right above those that were made or deleted: they count as changed, too."""
        made = [mailbox.path for id, mailbox in self._after.items() if id not in self._before]
        deleted = [mailbox.path for id, mailbox in self._before.items() if id not in self._after]
        known = {mailbox.path for mailbox in self._before.values()}
        for path in {*made, *deleted} - (set(made) & known):
            parent, delimiter, _ = path.rpartition(DELIMITER)
            if delimiter and parent not in made and parent not in deleted:
                mailbox = self._by_path.get(parent)
                subscribed = mailbox is not None and mailbox.subscribed
                if MAILBOX_NAME in self._interests.of(parent, subscribed):
                    yield self._listed(parent)

    def _listed(self, path: str, old_name: str | None = None) -> ListData:
        mailbox = self._by_path.get(path)
        attributes = [] if mailbox is not None else ["\\NonExistent"]
        if path in self._parents:
            attributes.append("\\HasChildren")
        elif mailbox is not None:
            attributes.append("\\HasNoChildren")
        if mailbox is not None and mailbox.subscribed:
            attributes.append("\\Subscribed")
        return ListData(tuple(attributes), path, old_name=old_name)

    def _goes_with_parent(self, old: str, new: str) -> bool:
        """Whether a new name is that of a parent which was renamed: of children nothing is told."""
        for length in levels(old):
            parent = self._renamed.get(old[:length])
            if parent is not None and parent + old[length:] == new:
                return True
        return False


def levels(path: str) -> Iterator[int]:
    """The lengths of the parents of a name, ascending."""
    length = path.find(DELIMITER)
    while length >= 0:
        yield length
        length = path.find(DELIMITER, length + 1)
