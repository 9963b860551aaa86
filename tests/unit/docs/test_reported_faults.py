"""The page of reliability lists the reported faults that are tried."""

from faults import table


def test_the_page_has_each_kind_and_each_thread():
    text = table.PAGE.read_text(encoding="utf-8")

    assert text.partition(table.REPORTED_BEGIN)[2].partition(table.REPORTED_END)[0].strip() == table.reported().strip()


def test_a_thread_is_a_repository_a_number_and_what_happened():
    assert table.THREAD.findall("# a.b/c-d#12: words\n# no/thread\n#e/f#1: x\n# g/h#3:\n") == [("a.b/c-d", "12")]
