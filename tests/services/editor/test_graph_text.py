"""libavfilter's syntax, read as libavfilter reads it."""

from __future__ import annotations

from services.editor.graph_text import Node, parse_graph, parse_options


def test_graph_text_is_read_as_libavfilter_reads_it() -> None:
    assert parse_graph(r" [a] [b] na\me@id = x\,y='1,2;[]':z\\: [c], two ;three", 9) == [
        Node("name", r"x,y=1,2;[]:z\:", ("a", "b"), ("c",)),
        Node("two", "", follows=True),
        Node("three", ""),
    ]
    assert parse_options(r"1:b = two\:2 :'3=c': k='a:b'") == (["1", "3=c"], {"b": "two:2", "k": "a:b"})
