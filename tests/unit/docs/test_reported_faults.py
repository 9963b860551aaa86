"""The page of reliability lists the reported faults that are tried."""

from faults import table


def test_the_page_has_each_kind_and_each_thread():
    text = table.PAGE.read_text(encoding="utf-8")

    assert text.partition(table.REPORTED_BEGIN)[2].partition(table.REPORTED_END)[0].strip() == table.reported().strip()


def test_a_comment_names_threads_and_says_what_happened():
    text = "# a.b/c-d#12, e/f#3: words\n# no/thread\n#e/f#1: x\n# g/h#3:\n"
    (comment,) = table.COMMENT.finditer(text)

    assert table.THREAD.findall(comment[0]) == [("a.b/c-d", "12"), ("e/f", "3")]
