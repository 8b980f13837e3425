"""Dialogues with L{wildduck.lmtp.connection}, in memory."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.ssl import CertificateOptions

from test.lmtp.support import LmtpTestCase
from test.network.support import connect_in_memory, hang_up
from wildduck import limits
from wildduck.errors import (
    AccountDisabled,
    DeliveryNotPossible,
    MessageTooBig,
    Overloaded,
    OverQuota,
    Unavailable,
)
from wildduck.network.registry import Registry


class GreetingTests(LmtpTestCase):
    """Before a transaction."""

    def test_greeting(self) -> None:
        """The server names itself."""
        self.assertEqual(self.greeting, b"220 mail.here.example LMTP ready\r\n")

    def test_extensions(self) -> None:
        """LHLO lists what is served, and STARTTLS only where it can be had."""
        expected = [
            "250-mail.here.example",
            "250-PIPELINING",
            "250-ENHANCEDSTATUSCODES",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-CHUNKING",
            "250-BINARYMIME",
        ]
        self.assertEqual(self.say(b"LHLO client.example"), [*expected, "250 SIZE 100000"])
        self.connect(CertificateOptions())
        self.assertEqual(self.say(b"LHLO client.example"), [*expected, "250-SIZE 100000", "250 STARTTLS"])

    def test_smtp_client(self) -> None:
        """HELO and EHLO are refused with 500 (RFC 2033 §4.1)."""
        for line in (b"EHLO client.example", b"HELO client.example"):
            self.assertEqual(self.say(line), ["500 5.5.1 This is an LMTP server, use LHLO"])

    def test_lhlo_first(self) -> None:
        """Nothing that concerns a message is done before LHLO."""
        for line in (b"MAIL FROM:<a@b.example>", b"RCPT TO:<user@here.example>", b"DATA"):
            self.assertEqual(self.say(line), ["503 5.5.1 LHLO first"])
        self.assertEqual(self.send(b"BDAT 6\r\nNOOP\r\nNOOP\r\n"), ["503 5.5.1 LHLO first", "250 2.0.0 OK"])

    def test_always_allowed(self) -> None:
        """These are answered in any state."""
        for _ in range(2):
            self.assertEqual(self.say(b"NOOP"), ["250 2.0.0 OK"])
            self.assertEqual(self.say(b"RSET"), ["250 2.0.0 Flushed"])
            self.assertEqual(self.say(b"VRFY user")[0][:9], "252 2.5.2")
            self.assertEqual(self.say(b"HELP")[0][:9], "214 2.0.0")
            self.say(b"LHLO client.example")

    def test_quit(self) -> None:
        """QUIT says goodbye and closes; commands behind it are not followed."""
        self.assertEqual(self.say(b"QUIT", b"NOOP"), ["221 2.0.0 mail.here.example closing connection"])
        self.assertTrue(self.transport.disconnecting)

    def test_idle(self) -> None:
        """A silent client is told and cut off."""
        self.clock.advance(limits.LMTP_IDLE_SECONDS)
        self.assertEqual(self.replies(), ["421 4.4.2 Idle for too long"])
        self.assertTrue(self.transport.disconnecting)

    def test_too_many_connections(self) -> None:
        """Over the limit: 421."""
        registry = Registry(1, 1)
        self.connect(registry=registry)
        other = connect_in_memory(self.factory)
        self.assertEqual(other.transport.value(), b"421 4.3.2 Too many connections\r\n")

    def test_start_tls_not_available(self) -> None:
        """Without a certificate STARTTLS is refused."""
        self.assertEqual(self.say(b"STARTTLS"), ["502 5.5.1 STARTTLS is not available"])


class BadInputTests(LmtpTestCase):
    """What no client should send."""

    def test_too_many_bad_commands(self) -> None:
        """After some bad commands the connection is closed."""
        answers = self.say(*[b"FOO"] * 100)
        self.assertEqual(len(answers), limits.LMTP_BAD_COMMANDS + 1)
        self.assertEqual(answers[-1], "421 4.7.0 Too many bad commands")
        self.assertTrue(self.transport.disconnecting)

    def test_http(self) -> None:
        """A browser is cut off at its first line."""
        self.assertEqual(self.say(b"POST / HTTP/1.1", b"Host: x"), ["421 4.7.0 This is an LMTP server"])
        self.assertTrue(self.transport.disconnecting)

    def test_long_line(self) -> None:
        """A line over the bound is skipped and answered once; the next one is followed."""
        self.assertEqual(
            self.say(b"NOOP " + b"x" * 100_000, b"NOOP"), ["500 5.5.6 Line too long", "250 2.0.0 OK"]
        )

    def test_endless_line(self) -> None:
        """Without any line end nothing is kept."""
        answers = [answer for _ in range(100) for answer in self.send(b"x" * 65536)]
        self.assertEqual(answers, ["500 5.5.6 Line too long"])
        self.assertEqual(self.connection.framer.buffered, 0)

    def test_bare_lf(self) -> None:
        """A command that ends in LF alone is not followed (RFC 5321 §2.3.8)."""
        self.assertEqual(self.send(b"LHLO client.example\n"), ["500 5.5.2 A line must end in CRLF"])
        self.assertEqual(self.say(b"MAIL FROM:<a@b.example>"), ["503 5.5.1 LHLO first"])

    def test_single_bytes(self) -> None:
        """A whole session in segments of one byte."""
        session = (
            b"LHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@here.example>\r\nDATA\r\n"
            b"..a\r\n\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<user@here.example>\r\nBDAT 4 LAST\r\n.\r\nxQUIT\r\n"
        )
        answers = [line for byte in session for line in self.send(bytes([byte]))]
        self.assertEqual(answers[-1][:3], "221")
        self.assertEqual(self.contents(), [b".a\r\n\r\n", b".\r\nx"])

    def test_many_noops(self) -> None:
        """A hundred thousand commands in one segment are all answered."""
        self.assertEqual(len(self.say(*[b"NOOP"] * 100_000)), 100_000)

    def test_many_commands_take_turns(self) -> None:
        """Who sends thousands of commands at once lets other connections have their turn in between."""
        self.connection.dataReceived(b"NOOP\r\n" * 1000)
        self.assertEqual(len(self.replies()), limits.LMTP_PIPELINE)
        self.clock.advance(0)
        self.assertEqual(len(self.replies()), 1000 - limits.LMTP_PIPELINE)

    def test_gone_before_its_turn(self) -> None:
        """Nothing is left to be done for a client that is lost while its commands wait for their turn."""
        self.connection.dataReceived(b"NOOP\r\n" * 1000)
        hang_up(self.connection)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bad_chunk_size(self) -> None:
        """Where the size can't be read the chunk could be taken for commands: the connection ends."""
        self.begin()
        self.assertEqual(self.say(b"BDAT x", b"NOOP"), ["501 5.5.4 Syntax: BDAT size [LAST]"])
        self.assertTrue(self.transport.disconnecting)


class TransactionTests(LmtpTestCase):
    """Senders and recipients."""

    def test_order(self) -> None:
        """Commands out of order are refused, and the session goes on."""
        self.say(b"LHLO client.example")
        self.assertEqual(self.say(b"RCPT TO:<user@here.example>"), ["503 5.5.1 MAIL first"])
        self.assertEqual(self.say(b"DATA"), ["503 5.5.1 MAIL first"])
        self.assertEqual(self.say(b"MAIL FROM:<a@b.example>"), ["250 2.1.0 Sender OK"])
        self.assertEqual(self.say(b"MAIL FROM:<a@b.example>"), ["503 5.5.1 Nested MAIL command"])
        self.assertEqual(self.say(b"DATA"), ["503 5.5.1 No valid recipients"])
        self.assertEqual(self.say(b"RCPT TO:<user@here.example>"), ["250 2.1.5 <user@here.example> OK"])
        self.assertEqual(self.say(b"MAIL FROM:<a@b.example>"), ["503 5.5.1 Nested MAIL command"])

    def test_refused_by_state_is_not_bad(self) -> None:
        """A client that pipelines into refused recipients is not cut off, however often it does."""
        self.say(b"LHLO client.example")
        for _ in range(50):
            answers = self.say(b"MAIL FROM:<>", b"RCPT TO:<no@there.example>", b"DATA", b"RSET")
            self.assertEqual([answer[:3] for answer in answers], ["250", "550", "503", "250"])

    def test_reset(self) -> None:
        """RSET and LHLO forget the transaction."""
        for command in (b"RSET", b"LHLO client.example"):
            self.begin()
            self.say(command)
            self.assertEqual(self.say(b"DATA"), ["503 5.5.1 MAIL first"])

    def test_unknown_recipient(self) -> None:
        """550 5.1.1, and the others are served."""
        self.begin()
        self.assertEqual(
            self.say(b"RCPT TO:<no@there.example>"), ["550 5.1.1 <no@there.example> Unknown recipient"]
        )
        self.assertEqual(len(self.say(b"DATA", b"x", b".")), 2)

    def test_refusals_at_rcpt(self) -> None:
        """What each reason is answered with."""
        for error, expected in (
            (AccountDisabled(), "550 5.2.1"),
            (OverQuota(), "452 4.2.2"),
            (DeliveryNotPossible(), "451 4.3.5"),
            (Unavailable(), "451 4.3.0"),
            (Overloaded(), "452 4.3.2"),
        ):
            self.begin()
            self.delivery.problems["rcpt", "bad@here.example"] = error
            self.assertEqual(self.say(b"RCPT TO:<bad@here.example>")[0][:9], expected)
            self.say(b"RSET")

    def test_bug_at_rcpt(self) -> None:
        """An unforeseen error is a temporary failure with a reference to the log; the session goes on."""
        self.begin()
        self.delivery.problems["rcpt", "bad@here.example"] = KeyError("a bug")
        (answer,) = self.say(b"RCPT TO:<bad@here.example>")
        self.assertTrue(answer.startswith("451 4.3.0 <bad@here.example> Internal error, reference "), answer)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.say(b"NOOP"), ["250 2.0.0 OK"])

    def test_declared_size(self) -> None:
        """SIZE over the bound is refused at once; else it is told to whoever checks the quota."""
        self.say(b"LHLO client.example")
        self.assertEqual(self.say(b"MAIL FROM:<a@b.example> SIZE=100001"), ["552 5.3.4 Message is too big"])
        self.assertEqual(self.say(b"RCPT TO:<user@here.example>"), ["503 5.5.1 MAIL first"])
        self.say(b"MAIL FROM:<a@b.example> SIZE=100000", b"RCPT TO:<user@here.example>")
        self.assertEqual(self.delivery.sizes, [100_000])

    def test_many_recipients(self) -> None:
        """Beyond the bound each further recipient is to be tried again; those before get the message."""
        self.begin()
        rcpt = [b"RCPT TO:<user%d@here.example>" % number for number in range(limits.LMTP_RECIPIENTS + 50)]
        answers = self.say(*rcpt)
        self.assertEqual(len([1 for answer in answers if answer[:3] == "250"]), limits.LMTP_RECIPIENTS - 1)
        self.assertEqual(answers[-1], "452 4.5.3 Too many recipients")
        answers = self.say(b"DATA", b"x", b".")
        self.assertEqual(len(answers), limits.LMTP_RECIPIENTS + 1)
        self.assertEqual(len(self.delivery.messages), limits.LMTP_RECIPIENTS)

    def test_source_route_and_quotes(self) -> None:
        """Source routes are ignored; the quoted form of an address is the same address."""
        self.begin(b"@a.example,@b.example:user@here.example", b'"user"@here.example')
        self.say(b"DATA", b"x", b".")
        self.assertEqual([address for address, _, _ in self.delivery.messages], ["user@here.example"])

    def test_non_ascii_addresses(self) -> None:
        """UTF-8 addresses are served; replies stay ASCII."""
        self.begin("jõgi@here.example".encode(), mail="MAIL FROM:<õ@there.example> SMTPUTF8".encode())
        answers = self.say(b"DATA", b"x", b".")
        self.assertTrue(answers[-1].startswith("250 2.0.0 <j?gi@here.example> Message stored as "))
        address, _, envelope = self.delivery.messages[0]
        self.assertEqual((address, envelope.sender), ("jõgi@here.example", "õ@there.example"))
        self.assertEqual(envelope.transmission, "UTF8LMTP")


class DataTests(LmtpTestCase):
    """DATA."""

    def test_delivered(self) -> None:
        """The message as it was sent, with what is known of it."""
        self.begin()
        self.assertEqual(self.say(b"DATA"), ["354 Start mail input; end with <CRLF>.<CRLF>"])
        (answer,) = self.say(b"Subject: x", b"", b"..dot", b".")
        self.assertTrue(answer.startswith("250 2.0.0 <user@here.example> Message stored as "), answer)
        address, content, envelope = self.delivery.messages[0]
        self.assertEqual((address, content), ("user@here.example", b"Subject: x\r\n\r\n.dot\r\n"))
        self.assertEqual(envelope.sender, "sender@there.example")
        self.assertEqual((envelope.peer, envelope.client), ("192.0.2.7", "client.example"))
        self.assertEqual((envelope.transmission, envelope.session), ("LMTP", self.connection.session))
        self.assertEqual(envelope.arrived.timestamp(), self.clock.seconds())

    def test_smuggling(self) -> None:
        """Only CRLF.CRLF ends the message; what follows other dots is its content."""
        smuggled = b"\r\nMAIL FROM:<evil@there.example>\r\nRCPT TO:<user@here.example>\r\nDATA\r\nevil"
        for mark in (
            b"\n.\n",
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\n.\r",
            b"\0\r\n.\0\r\n",
        ):
            self.delivery.messages.clear()
            self.begin()
            answers = self.send(b"DATA\r\nbody" + mark + smuggled + b"\r\n.\r\n")
            self.assertEqual([answer[:3] for answer in answers], ["354", "250"], mark)
            self.assertEqual(
                [envelope.sender for _, _, envelope in self.delivery.messages], ["sender@there.example"]
            )
            self.assertIn(b"MAIL FROM:<evil@there.example>", self.contents()[0])

    def test_reply_for_each_recipient(self) -> None:
        """In the order of RCPT, each with its own outcome (RFC 2033 §4.2)."""
        self.begin(b"a@here.example", b"full@here.example", b"down@here.example", b"b@here.example")
        self.delivery.problems["deliver", "full@here.example"] = OverQuota()
        self.delivery.problems["deliver", "down@here.example"] = Unavailable()
        answers = self.say(b"DATA", b"x", b".")[1:]
        self.assertEqual(
            [answer[:9] for answer in answers], ["250 2.0.0", "452 4.2.2", "451 4.3.0", "250 2.0.0"]
        )
        self.assertIn("<full@here.example>", answers[1])
        self.assertEqual(
            [address for address, _, _ in self.delivery.messages], ["a@here.example", "b@here.example"]
        )
        self.assertEqual(len({envelope.transaction for _, _, envelope in self.delivery.messages}), 1)

    def test_same_recipient_twice(self) -> None:
        """An address given twice gets one copy and two replies; another label is another address."""
        self.begin(b"user@here.example", b"USER@here.example", b"user+x@here.example")
        answers = self.say(b"DATA", b"x", b".")[1:]
        self.assertEqual(len(answers), 3)
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(len(self.delivery.messages), 2)

    def test_bug_at_delivery(self) -> None:
        """One recipient's unforeseen error is his alone."""
        self.begin(b"a@here.example", b"b@here.example")
        self.delivery.problems["deliver", "a@here.example"] = ZeroDivisionError()
        answers = self.say(b"DATA", b"x", b".")[1:]
        self.assertEqual([answer[:3] for answer in answers], ["451", "250"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_too_big(self) -> None:
        """A message over the bound is read to its end and refused for each recipient."""
        self.begin(b"a@here.example", b"b@here.example")
        answers = self.send(b"DATA\r\n" + b"x" * 200_000 + b"\r\n.\r\nNOOP\r\n")
        self.assertEqual(answers[1:], ["552 5.3.4 Message is too big"] * 2 + ["250 2.0.0 OK"])
        self.assertEqual(self.delivery.messages, [])

    def test_exactly_the_bound(self) -> None:
        """A message of just the allowed size is taken."""
        self.begin()
        answers = self.send(b"DATA\r\n" + b"x" * 99_998 + b"\r\n.\r\n")
        self.assertEqual(answers[1][:3], "250")

    def test_pipelined_transactions(self) -> None:
        """Several messages in one segment, each with its replies, in order."""
        self.say(b"LHLO client.example")
        one = (b"MAIL FROM:<a@b.example>", b"RCPT TO:<user@here.example>", b"DATA")
        answers = self.say(*one, b"1", b".", *one, b"2", b".", b"QUIT")
        self.assertEqual([answer[:3] for answer in answers], ["250", "250", "354", "250"] * 2 + ["221"])
        self.assertEqual(self.contents(), [b"1\r\n", b"2\r\n"])

    def test_pipelined_commands_wait(self) -> None:
        """While a message is stored nothing else is done; afterwards it goes on in order."""
        self.begin()
        self.delivery.hold = True
        self.assertEqual(len(self.say(b"DATA", b"1", b".", b"NOOP", b"MAIL FROM:<>")), 1)
        self.assertEqual(self.delivery.waiting, 1)
        self.assertEqual(self.say(b"VRFY x"), [])
        self.delivery.release()
        self.assertEqual([answer[:3] for answer in self.replies()], ["250", "250", "250", "252"])

    def test_pipelined_recipients_wait(self) -> None:
        """Recipients are looked up and answered one after the other."""
        self.say(b"LHLO client.example")
        self.delivery.hold = True
        answers = self.say(b"MAIL FROM:<>", b"RCPT TO:<a@here.example>", b"RCPT TO:<b@here.example>", b"DATA")
        self.assertEqual(len(answers), 1)
        self.delivery.release()
        self.assertEqual(self.replies(), ["250 2.1.5 <a@here.example> OK"])
        self.delivery.release()
        self.assertEqual(len(self.replies()), 2)

    def test_back_pressure(self) -> None:
        """A client that sends on while a message is stored is read up to a bound only."""
        self.begin()
        self.delivery.hold = True
        self.say(b"DATA", b"x", b".")
        self.send(b"NOOP\r\n" * 20_000)
        self.assertEqual(self.transport.producerState, "paused")
        self.delivery.release()
        self.clock.advance(0)
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(len(self.replies()), 20_001)

    def test_connection_lost_in_data(self) -> None:
        """Half a message is not delivered, and nothing is left of it."""
        self.begin()
        self.say(b"DATA", b"x" * 50_000)
        intake = self.connection._session.transaction.intake
        hang_up(self.connection)
        self.assertEqual(self.delivery.messages, [])
        self.assertRaises(MessageTooBig, intake.write, b"x")  # it was aborted

    def test_connection_lost_after_data(self) -> None:
        """A message that was complete is delivered although nobody waits for the answer."""
        self.begin(b"a@here.example", b"b@here.example")
        self.delivery.hold = True
        self.say(b"DATA", b"x", b".")
        hang_up(self.connection)
        self.delivery.release()
        self.delivery.release()
        self.assertEqual(len(self.delivery.messages), 2)

    def test_connection_lost_at_rcpt(self) -> None:
        """A look-up that ends after the connection has no effect."""
        self.say(b"LHLO client.example", b"MAIL FROM:<>")
        self.delivery.hold = True
        self.say(b"RCPT TO:<a@here.example>")
        hang_up(self.connection)
        self.delivery.release()
        self.assertEqual(self.transport.value(), b"")

    def test_message_is_closed(self) -> None:
        """After delivery the message's bytes are freed."""
        kept: list[Any] = []
        deliver = self.delivery.deliver

        async def keeping(destination: Any, message: Any, envelope: Any) -> Any:
            kept.append(message)
            return await deliver(destination, message, envelope)

        self.delivery.deliver = keeping  # type: ignore[method-assign]
        self.begin()
        self.say(b"DATA", b"x", b".")
        self.assertRaises(ValueError, kept[0].read, 0, 1)


class OverQuotaTests(LmtpTestCase):
    """C{lmtp.over_quota}."""

    sets = ("lmtp.over_quota=5.2.2",)

    def test_permanent(self) -> None:
        """By setting a full account refuses for good."""
        self.begin(b"full@here.example")
        self.delivery.problems["deliver", "full@here.example"] = OverQuota()
        self.assertEqual(
            self.say(b"DATA", b"x", b".")[1], "552 5.2.2 <full@here.example> Mailbox is over quota"
        )
        self.delivery.problems["rcpt", "full@here.example"] = OverQuota()
        self.say(b"MAIL FROM:<>")
        self.assertEqual(self.say(b"RCPT TO:<full@here.example>")[0][:9], "552 5.2.2")


class BdatTests(LmtpTestCase):
    """BDAT (RFC 3030, and RFC 2033 §4.3)."""

    def test_chunks(self) -> None:
        """Chunks make up the message byte for byte; each but the last has one reply."""
        self.begin(b"a@here.example", b"b@here.example", mail=b"MAIL FROM:<> BODY=BINARYMIME")
        self.assertEqual(self.send(b"BDAT 9\r\nA: b\r\n\r\n\0"), ["250 2.0.0 9 octets received"])
        self.assertEqual(self.send(b"BDAT 5\r\n\r\n.\r\n"), ["250 2.0.0 5 octets received"])
        answers = self.send(b"BDAT 3 LAST\r\n\n\xff.")
        self.assertEqual([answer[:3] for answer in answers], ["250", "250"])
        self.assertEqual(self.contents(), [b"A: b\r\n\r\n\0\r\n.\r\n\n\xff."] * 2)

    def test_last_of_no_octets(self) -> None:
        """BDAT 0 LAST ends the message; alone it is an empty one."""
        self.begin()
        self.assertEqual(len(self.send(b"BDAT 2\r\nhi" + b"BDAT 0 LAST\r\n")), 2)
        self.begin()
        self.assertEqual(self.send(b"BDAT 0 LAST\r\n")[0][:3], "250")
        self.assertEqual(self.contents(), [b"hi", b""])

    def test_after_last(self) -> None:
        """BDAT after the last chunk: read, and 503."""
        self.begin()
        answers = self.send(b"BDAT 2 LAST\r\nhiBDAT 6\r\nNOOP\r\nNOOP\r\n")
        self.assertEqual([answer[:3] for answer in answers], ["250", "503", "250"])

    def test_mixed_with_data(self) -> None:
        """DATA after BDAT is refused, and so are a new sender and further recipients."""
        self.begin()
        self.send(b"BDAT 2\r\nhi")
        for line in (b"DATA", b"MAIL FROM:<>", b"RCPT TO:<b@here.example>"):
            self.assertEqual(self.say(line)[0][:9], "503 5.5.1")
        self.say(b"RSET")
        self.assertEqual(self.say(b"BDAT 0 LAST"), ["503 5.5.1 MAIL first"])
        self.assertEqual(self.delivery.messages, [])

    def test_after_data(self) -> None:
        """BDAT after DATA belongs to no transaction."""
        self.begin()
        self.say(b"DATA", b"x", b".")
        self.assertEqual(self.send(b"BDAT 4 LAST\r\nRSETNOOP\r\n"), ["503 5.5.1 MAIL first", "250 2.0.0 OK"])

    def test_data_for_binary(self) -> None:
        """DATA can't carry BODY=BINARYMIME (RFC 3030 §3)."""
        self.begin(mail=b"MAIL FROM:<> BODY=BINARYMIME")
        self.assertEqual(self.say(b"DATA"), ["503 5.5.1 BODY=BINARYMIME needs BDAT"])

    def test_refused_chunk_is_read(self) -> None:
        """A chunk that is refused is never taken for commands."""
        self.say(b"LHLO client.example")
        answers = self.send(b"BDAT 14\r\nMAIL FROM:<>\r\nDATA\r\n")
        self.assertEqual(answers, ["503 5.5.1 MAIL first"] * 2)

    def test_no_recipients(self) -> None:
        """One reply for each recipient: none after BDAT LAST without any (RFC 2033 §4.3)."""
        self.say(b"LHLO client.example")
        answers = self.say(b"MAIL FROM:<>", b"RCPT TO:<no@there.example>", b"BDAT 4 LAST", b"hi", b"NOOP")
        self.assertEqual([answer[:3] for answer in answers], ["250", "550", "250"])
        answers = self.say(b"MAIL FROM:<>", b"BDAT 4", b"hi", b"RSET")
        self.assertEqual([answer[:3] for answer in answers], ["250", "503", "250"])

    def test_too_big(self) -> None:
        """Over the bound each chunk is read and refused, and at the end each recipient."""
        self.begin(b"a@here.example", b"b@here.example")
        chunk = b"BDAT 60000\r\n" + b"x" * 60_000
        answers = self.send(chunk * 3 + b"BDAT 1 LAST\r\nxNOOP\r\n")
        self.assertEqual(
            [answer[:9] for answer in answers], ["250 2.0.0"] + ["552 5.3.4"] * 4 + ["250 2.0.0"]
        )

    def test_announced_too_big(self) -> None:
        """A chunk larger than anything that is taken is read without being kept."""
        self.begin()
        answers = self.send(b"BDAT 5000000 LAST\r\n")
        for _ in range(50):
            self.assertEqual(answers, [])
            answers = self.send(b"x" * 100_000)
        self.assertEqual(answers, ["552 5.3.4 Message is too big"])

    def test_larger_than_sent(self) -> None:
        """A size that is too large takes the next command for content; nothing of it is delivered."""
        self.begin()
        self.assertEqual(self.send(b"BDAT 100 LAST\r\nhi\r\nQUIT\r\n"), [])
        hang_up(self.connection)
        self.assertEqual(self.delivery.messages, [])

    def test_too_big_by_delivery(self) -> None:
        """A domain error of delivery is said with its own code."""
        self.begin()
        self.delivery.problems["deliver", "user@here.example"] = MessageTooBig()
        self.assertEqual(self.send(b"BDAT 2 LAST\r\nhi")[0][:9], "552 5.3.4")


class SpoolTests(LmtpTestCase):
    """Messages that do not stay in memory."""

    sets = ("limits.max_message_size=4000000",)

    def test_spooled(self) -> None:
        """A large message comes through the spool as it was."""
        content = bytes(range(256)) * 8000
        self.begin()
        self.assertEqual(self.send(b"BDAT %d LAST\r\n" % len(content) + content)[0][:3], "250")
        self.assertEqual(self.contents(), [content])

    def test_spool_fails(self) -> None:
        """A spool file that can't be written is a temporary failure; the rest is read all the same."""
        self.begin()
        os.rmdir(self.settings.spool)
        answers = self.send(b"DATA\r\n" + b"x" * 2_000_000 + b"\r\n.\r\nNOOP\r\n")
        self.assertEqual([answer[:9] for answer in answers[1:]], ["451 4.3.0", "250 2.0.0"])


class DrainTests(LmtpTestCase):
    """Shutting down."""

    def test_idle_connection(self) -> None:
        """Without work in hand: 421 at once."""
        self.begin()
        drained = self.factory.drain()
        self.assertEqual(self.replies(), ["421 4.3.2 The server is shutting down"])
        hang_up(self.connection)
        self.successResultOf(drained)

    def test_message_being_stored(self) -> None:
        """A delivery in flight ends, is answered, and then the connection."""
        self.begin()
        self.delivery.hold = True
        self.say(b"DATA", b"x", b".", b"NOOP")
        self.factory.drain()
        self.assertFalse(self.transport.disconnecting)
        self.delivery.release()
        self.assertEqual([answer[:3] for answer in self.replies()], ["250", "421"])
        self.assertTrue(self.transport.disconnecting)

    def test_message_being_sent(self) -> None:
        """A message that is just coming in may be completed."""
        self.begin()
        self.say(b"DATA", b"x")
        self.factory.drain()
        self.assertEqual(self.replies(), [])
        self.assertEqual([answer[:3] for answer in self.say(b".")], ["250", "421"])

    def test_chunk_being_sent(self) -> None:
        """A chunk ends, then the connection."""
        self.begin()
        self.send(b"BDAT 4\r\nhi")
        self.factory.drain()
        self.assertEqual([answer[:3] for answer in self.send(b"hi")], ["250", "421"])
        self.assertEqual(self.delivery.messages, [])
