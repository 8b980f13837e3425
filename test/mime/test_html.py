"""Tests for HTML as text and text as HTML."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial import unittest

from test.support.chance import by_chance
from wildduck.mime import html

_PIECES = (
    "<p> </p> <ul> </ul> <ol> <li> </li> <blockquote> </blockquote> <pre> </pre> <br> <hr> <h1> </h1> <a "
    'href=\' "x" > <img src= <script> </script> <!-- --> & &amp; &# < " \' = <body> word'
)


class ToTextTests(unittest.TestCase):
    """HTML to text."""

    def test_table(self) -> None:
        """Blocks, breaks, headings, lists, quotes, links and images look as they do in WildDuck."""
        for source, text in (
            ("", ""),
            (
                "<p>a</p><p>b</p><div>c</div><div>d</div>e<span>f</span> <b>g</b><i>h</i>",
                "a\n\nb\n\nc\nd\nef gh",
            ),
            ("a<br>b<br><br>c<br/>d", "a\nb\n\nc\nd"),
            ("<h1>One <b>two</b></h1><h2>Sub</h2><h6>y</h6>text", "ONE TWO\n\n\nSUB\n\nY\n\ntext"),
            (
                "multi   space\n\n new\tline <b> x </b> y<p>  lead</p> trail ",
                "multi space new line x y\n\nlead\n\ntrail",
            ),
            ('<a href="http://x/">t <b>u</b></a> <a href="#f">f</a> <a>n</a>', "t u [http://x/] f n"),
            ('<a href="mailto:a@b">mail</a>', "mail [a@b]"),
            ('<img src="a.png" alt="alt text"><img alt="only"> <img src="data:x">', "alt text [a.png]only"),
            ("<ul><li>a<li>b</ul><ol start=3><li>c</li><li>d</li></ol>", "* a\n * b\n\n 3. c\n 4. d"),
            ("<ul><li>a<ul><li>b</li></ul></li></ul>", "* a\n   * b"),
            ("<blockquote>q<p>r</p></blockquote>a", "> q\n> \n> r\n\na"),
            ("<blockquote>a<blockquote>b</blockquote></blockquote>", "> a\n> \n> > b"),
            ("<pre>1\n  2\n\n\tx</pre>after", "1\n  2\n\n\tx\n\nafter"),
            ("x<hr>y", "x\n\n" + "-" * 80 + "\n\ny"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>d", "ab\nc\nd"),
            ("a &amp; &lt;b&gt; &copy &#65; &#x42; &unknown; &eacutex", "a & <b> © A B &unknown; éx"),
            ("<head><title>t</title><style>s</style></head><body>b</body>", "b"),
            ("x<script>if (a<b) {'</p>'}</script>y<STYLE>z</STYLE >w", "xyw"),
            ("a<!-- b --><!-- <p> -->c<!doctype x>d<?y?>e", "acde"),
            ("1 < 2 and 3 > 2 <", "1 < 2 and 3 > 2 <"),
        ):
            self.assertEqual(html.to_text(source), text, source)

    def test_wrap(self) -> None:
        """Lines are wrapped at 80 columns, long words are not."""
        words = html.to_text("word " * 100)
        self.assertEqual(max(map(len, words.split("\n"))), 79)
        self.assertEqual(html.to_text("a " + "x" * 200 + " b"), "a\n" + "x" * 200 + "\nb")
        quoted = html.to_text("<blockquote>" + "word " * 100 + "</blockquote>")
        self.assertLessEqual(max(map(len, quoted.split("\n"))), 80)

    def test_broken(self) -> None:
        """What is opened and never closed hides as little as possible."""
        for source, text in (
            ("a<!-- b", "a"),
            ("a<script>b", "a"),
            ('a<p title="b', 'a<p title="b'),
            ('a<p title="b>c', "a\n\nc"),
            ("a<p title='b>c\" d>e", 'a\n\nc" d>e'),
            ("<p>a</blockquote></ul></li></a></h1></pre>b", "a\n\nb"),
            ("<ul><ul><li></blockquote>a", "* a"),
            ("<p/>a</p/>b<", "a\n\nb<"),
            ("<a href=1>x<a href=2>y", "x [1]y"),
        ):
            self.assertEqual(html.to_text(source), text, source)

    def test_depth(self) -> None:
        """Hundreds of thousands of nested elements, never closed, hide nothing."""
        self.assertEqual(html.to_text("<b>" * 700_000 + "x"), "x")
        for tag in ("<div>", "<blockquote>", "<ul><li>", "<a href=x>", "<table><tr><td>", "<pre>", "<h1>"):
            self.assertIn("x", html.to_text(tag * (100_000 // len(tag)) + "x", 10**7).lower())

    def test_limit(self) -> None:
        """The conversion ends when enough is there."""
        self.assertLess(len(html.to_text("<p>word</p>" * 100_000, 1000)), 1100)

    def test_references(self) -> None:
        """Numbers beyond Unicode, surrogates and endless digits are no characters."""
        for source, text in (
            ("&#0;", "\ufffd"),
            ("&#xD800;", "\ufffd"),
            ("&#x110000;", "\ufffd"),
            ("&#128;", "€"),
            ("&#" + "9" * 5000 + ";", "\ufffd" + "9" * 4993 + ";"),
        ):
            self.assertEqual(html.unescape(source), text)

    @by_chance(170)
    @given(
        st.lists(
            st.one_of(
                st.sampled_from(_PIECES.split(" ")),
                st.text(max_size=3),
            ),
            max_size=40,
        ).map("".join)
    )
    def test_anything(self, source: str) -> None:
        """Any text gives text."""
        self.assertIsInstance(html.to_text(source), str)


class FromTextTests(unittest.TestCase):
    """Text to HTML, in WildDuck's way."""

    def test_table(self) -> None:
        """Empty lines part paragraphs, others break; all but plain ASCII are references."""
        for text, source in (
            ("a", "<p>a</p>"),
            ("a\nb", "<p>a<br/>b</p>"),
            ("a\n\n \nb \nc\n", "<p>a</p><p>b<br/>c</p>"),
            ("  indented", "<p>  indented</p>"),
            ("", "<p></p>"),
            (
                '<a href="x">\'&\u00a0é€😀日\t`',
                "<p>&lt;a href=&quot;x&quot;&gt;&apos;&amp;&nbsp;&eacute;&euro;"
                "&#x1F600;&#x65E5;&#x9;&grave;</p>",
            ),
        ):
            self.assertEqual(html.from_text(text), source)

    @by_chance(50)
    @given(st.text(max_size=100))
    def test_any_text(self, text: str) -> None:
        """Nothing of the text becomes markup, and its characters come back."""
        encoded = html.encode(text)
        self.assertNotIn("<", encoded)
        self.assertTrue(encoded.isascii())
        if not any(ord(c) < 32 or 0x7F <= ord(c) <= 0x9F for c in text):
            self.assertEqual(html.unescape(encoded), text)


class LinkTests(unittest.TestCase):
    """Links to other parts (RFC 2392)."""

    def test_links(self) -> None:
        """Known Content-IDs become attachment links, percent-encoded ones too; others stay."""
        known = {"a@x": "ATT00001", "b": "ATT00002"}
        for text, linked in (
            ('<img src="cid:a@x">', '<img src="attachment:ATT00001">'),
            ("<img src=cid:a%40x>", "<img src=attachment:ATT00001>"),
            ("cid:b cid:bb xcid:b", "attachment:ATT00002 cid:bb xcid:b"),
            ("cid:", "cid:"),
        ):
            self.assertEqual(html.link_attachments(text, known), linked)
        self.assertEqual(html.link_attachments("cid:b", {}), "cid:b")
