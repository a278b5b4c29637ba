"""Values that data may hold and that must stay text in every output: one list for the terminal, HTML, Markdown and all.

Id to value. Each must come out readable, run nothing, fetch nothing, and change nothing around it.
"""

from __future__ import annotations

SCRIPTS = {
    "script": "<script>alert(1)</script>",
    "script in capitals": "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "script without an end": "<script>alert(1)//",
    "end of a script": "</script><script>alert(1)</script>",
    "end of a style": "</style><script>alert(1)</script>",
    "end of a title and an svg": "</title></svg><iframe src=//evil.example></iframe>",
    "end of a code block": "</code></pre><script>alert(1)</script>",
    "end of a details": "</summary></details><h1>all clean</h1>",
    "image with a handler": '"><img src=x onerror=alert(1)>',
    "handler in single quotes": "' onmouseover='alert(1)",
    "handler in double quotes": '" autofocus onfocus="alert(1)',
    "handler without quotes": " onload=alert(1) x=",
    "backtick attribute": "`onmouseover=alert(1)`",
    "svg with a handler": "<svg/onload=alert(1)>",
    "svg animation": "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "svg use": "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'/></svg>",
    "foreign object": "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>",
    "mathml": "<math><mtext><mglyph><style><img src=x onerror=alert(1)></style>",
    "javascript address": "javascript:alert(1)",
    "data address": "data:text/html,<script>alert(1)</script>",
    "base": "<base href=//evil.example/>",
    "meta refresh": '<meta http-equiv="refresh" content="0;url=//evil.example">',
    "link to a style": "<link rel=stylesheet href=//evil.example/x.css>",
    "style that fetches": "}body{background:url(//evil.example/x)}",
    "form": "<form action=//evil.example><input type=submit value='Repair now'></form>",
    "object": "<object data=//evil.example/x></object><embed src=//evil.example/x>",
    "comment": "<!-- --!> <script>alert(1)</script> -->",
    "cdata": "<![CDATA[<script>alert(1)</script>]]>",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;b&#62; &amp;amp;",
    "half an entity": "&ltscript&gt &notanentity",
    "template": "{{ 7 * 7 }}{% include '/etc/passwd' %}{# gone #}",
    "format string": "%s{0}{left_topic!r:>{0}}{left_topic.__class__}%(x)s",
    "prototype": "__proto__",
}
UNICODE = {
    "right to left override": "invoice\u202egnp.exe",
    "isolate never closed": "\u2067never closed",
    "bidi marks": "a\u200eb\u200fc\u061cd",
    "zero width": "ad\u200bm\u200ci\u200dn\u2060\ufeff",
    "soft hyphen and combining grapheme joiner": "pay\u00adpal\u034f",
    "no-break blanks": "a\u00a0b\u3000c\u2003d",
    "line and paragraph separator": "one\u2028two\u2029three",
    "tags": "ok\U000e0068\U000e0069\U000e007f",
    "combining marks in heaps": "z" + "\u0300\u0301\u0302\u0303\u0304" * 20 + "algo",
    "private use and unassigned": "\ue000\U000f0000\U000effff",
    "lone surrogate": "half \ud83d of a pair",
    "looks like another": "\u0430dmin",
    "interlinear annotation": "\ufff9seen\ufffahidden\ufffb",
    "emoji of a family": "\U0001f469\u200d\U0001f467",
}
TERMINAL = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[Hall clean",
    "cursor up over the verdict": "\x1b[5A\rclean: all rows match",
    "window title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJmIC8=\x07",
    "one-byte control": "\x9b31mred\x9d0;owned\x9c",
    "bell and backspace": "a\x07b\x08\x08c\x7f",
    "null": "a\x00b",
    "device control string": "\x1bP$q\x1b\\",
    "markup of rich": "[bold red]shout[/] [link=https://evil.example]x[/link] :smile:",
}
LINES = {
    "newline": "first\nclean: all rows match",
    "carriage return": "first\rsecond",
    "newlines and a command": "x\r\n\r\nrm -rf ~\n",
    "tab and vertical tab": "a\tb\x0bc\x0cd\x1ce\x85f",
    "very long": "long" * 2_500,
    "very long of words": "many words " * 500,
    "blank": "   ",
    "empty": "",
}
MARKDOWN = {
    "link": "[click](https://evil.example)",
    "image": "![x](https://evil.example/x.png)",
    "bare address": "https://evil.example and www.evil.example and me@evil.example",
    "mention and reference": "@everyone <@U012AB3CD> <!channel> #1 owner/name#2",
    "table cells": "a | b \\| c |\n|---|",
    "fence": "```\n# all clean\n```",
    "backticks": "`` ` `` `",
    "heading": "# clean",
    "stress": "*a* _b_ ~~c~~ ||d||",
}
FORMULAS = {
    "formula": '=HYPERLINK("https://evil.example";"x")',
    "formula by plus": "+1+cmd|' /C calc'!A0",
    "formula by minus": "-2+3+cmd|' /C calc'!A0",
    "formula by at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula after a tab": "\t=1+1",
}
SHELLS = {
    "command": "$(rm -rf ~)",
    "command in backticks": "`reboot`",
    "quotes": "'; reboot; echo '",
    "option": "--execute",
    "home and glob": "~/* !! $HOME",
    "sql": "'); DROP TABLE runs; --",
}
HOSTILE: dict[str, str] = SCRIPTS | UNICODE | TERMINAL | LINES | MARKDOWN | FORMULAS | SHELLS
assert len(HOSTILE) >= 50
