"""What cannot be used in a file of sequences: one line that names it."""

import pytest

from rnnkit.core import UserError
from rnnkit.datasets.own import How, read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"v1,v2,label\n", "has a header and no rows"),
        (b"v1,v2,label\n1,2,a\n1,red,b\n1,3,a\n", "line 3, field 'v2': 'red' is not a number"),
        (b"v1,v2,label\n1,2,a\n1,inf,b\n", "line 3, field 'v2': 'inf' is not a finite"),
        (b"v1,v2,label\n1,2,a\n1,2\n", "line 3: 2 fields where the header has 3"),
        (b"v1,v2,label\n1,2,a\nv1,v2,label\n", "line 3: the header stands here again"),
        (b"v1,v1,label\n1,2,a\n", "line 1: the header has the column 'v1' twice"),
        (b"v1,v2,label\n1,\xff,a\n", "line 2: byte 2 of the line .0xff. is not UTF-8"),
        (b"v1,v2,label\n1,\0,a\n", "line 2: a NUL character"),
        (b'v1,v2,label\n1,"2,a\n1,2,b\n', "line 2: a quote opens in the row that begins here"),
        (b"v1,v2,label\n1,2,a\n\n1,2,b\n", "line 3: an empty line"),
        (b"v1,v2,label\n1,2,a\n,,b\n", "line 3: the row has no values"),
        (b"v1,v2,label\n1,2,\n1,2,b\n", "line 2, field 'label': the field is empty"),
        (b"v1,v2,label\n1,2,NA\n1,2,b\n", "line 2, field 'label': NA stands for a missing value"),
        (b"v1,v2,label\n1,2,a\n1,2,?\n", "line 3, field 'label': . stands for a missing value"),
        (b"v1,v2,label\n1,2,1.5\n1,2,none\n1,3,2\n", "line 3, field 'label': none stands for a missing value"),
        (b"id,v1,label\n1,2,1.5\n1,2,2\n1,3,-\n", "line 4, field 'label': - stands for a missing value"),
        (b"v1,v2,kind\n1,2,a\n", "has no column 'label' .--target.: its columns are v1, v2, kind"),
        (b"label\na\nb\n", "has no column of numbers or words to predict 'label' from"),
        (b'v1,v2,label\n"1,5","2,5",a\n"1,0","2,5",b\n', "line 2, field 'v1': '1,5' has a decimal comma"),
        (b"v1;v2;label\n1,5;2;a\n1.000,5;2;b\n1;2;b\n", "line 3, field 'v1': '1.000,5' is not a number"),
        (b"v1,v2,label\r1,2,a\r", "line 1: a carriage return without a line feed"),
        (b"v1,v2,lable\n1,2,a\n", "has no column 'label' .--target.: did you mean lable"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read(path, How(target="label"))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_what_stands_for_missing_among_numbers_can_be_a_class_or_a_tag(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("v1,v2,label\n1,2,none\n1,3,mild\n2,2,-\n")
    assert read(path, How(target="label")).targets == ["none", "mild", "-"]
    path.write_text("id,word,tag\n1,why,WH\n1,?,?\n2,none,NA\n2,!,-\n")
    assert read(path, How(target="tag")).targets == [["WH", "?"], ["NA", "-"]]


def test_an_object_in_a_field_is_no_text(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"x": {"a": 1}, "label": "y"}\n' * 4)
    with pytest.raises(UserError, match="line 1, field 'x': .* is not a word, but a list or an object"):
        read(path, How(target="label"))


def test_a_list_of_objects_is_not_json_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('[{"x": "a", "label": "y"}]\n')
    with pytest.raises(UserError, match="line 1: .* is a list: write each object on a line of its own"):
        read(path, How(target="label"))
