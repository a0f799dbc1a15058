"""Texts that are numbers in another notation, against pandas and Python's own readings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trainrun.data._date_texts import date_parts, date_text
from trainrun.data._notations import mostly, read, reader, understand


@pytest.mark.parametrize(
    ("texts", "form", "values"),
    [
        (["32.9%", "5 %", "-1%"], "1,234.5%", [32.9, 5, -1]),
        (["4,123.50", "950", "1,000,000"], "1,234.5", [4123.5, 950, 1e6]),
        (["4,123", "5,000"], "1,234.5", [4123, 5000]),
        (["0,53", "1,2"], "1.234,5", [0.53, 1.2]),
        (["0,530", "1,125"], "1.234,5", [0.53, 1.125]),
        (["1.234,5", "-0,5"], "1.234,5", [1234.5, -0.5]),
        (["1 234", "1\u00a0234,5"], "1 234,5", [1234, 1234.5]),
        (["1'234.5", "12"], "1'234.5", [1234.5, 12]),
        (["$1,024.00", "$3"], "1,234.5$", [1024, 3]),
        (["(7.78)", "17.29", "(1,024.00)"], "1,234.5", [-7.78, 17.29, -1024]),
        (["\u22121.5", "2"], "1,234.5", [-1.5, 2]),
        (["$5", "($7.78)", "$(3)", "-$2"], "1,234.5$", [5, -7.78, -3, -2]),
        (["Yes", "no", "NO"], "no/yes", [1, 0, 0]),
        (["T", "F"], "f/t", [1, 0]),
    ],
)
def test_numbers_and_truth_values(texts, form, values):
    notation, read = understand(texts)
    assert notation.form == form
    np.testing.assert_array_equal(read, values)


def test_set_separators_leave_no_other_notation():
    assert understand(["1,234%", "2,5%"], form="1234,5")[1].tolist() == [1.234, 2.5]
    assert understand(["1,234%"], form="1,234.5")[1].tolist() == [1234]
    assert understand(["1.234,5"], form="1234.5") is None
    read = reader(",", " ")
    texts = ["1\u00a0234,5", "-,5", "7", "1,5e3", "1.5", "1 23,4", "inf"]
    assert [read(text) for text in texts] == [1234.5, -0.5, 7, 1500, None, None, None]


@pytest.mark.parametrize(
    "texts",
    [
        [], ["1", "2.5"], ["yes"], ["yes", "no", "maybe"], ["5%", "3"], ["$5", "€3"], ["10-20", "20-30"], ["00001", "00002"],
        ["192.168.1.1"], ["1.2.3"], ["2021-02-30"], ["03/04/21"], ["2021-03-04", "soon"], ["2021-01-01 25:00"], ["2021-01-01 05:00+24:00"], ["2021-01-01+02:00"], ["12,34,5"],
        ["8:30", "8:30:15"], ["8:30 PM", "9:30"], ["3:2", "1:0"], ["8:60"], ["13:00 PM", "1:00 AM"], ["1:2:3"], ["08:30", "noon"],
        ["(1)", "(2)"], ["(-1)", "2"], ["2021-01-01 13:00 PM"], ["2021-01-01 00:30 AM"],
        ["2021-13"], ["2021-00"], ["2021-03", "2021-03-04"], ["2021-03", "03-2021"], ["1/1000", "3/1000"], ["0012-05"], ["2021-03 05:06"], ["10-12"],
    ],
)  # fmt: skip
def test_other_texts_have_no_notation(texts):
    assert understand(texts) is None


@pytest.mark.parametrize(
    ("texts", "order", "pattern"),
    [
        (["2021-03-04", "1969-12-31", "2024-02-29"], "ymd", "%Y-%m-%d"),
        (["2021/03/04"], "ymd", "%Y/%m/%d"),
        (["2021-03-04 05:06:07", "2021-03-05 00:00:00"], "ymd", "%Y-%m-%d %H:%M:%S"),
        (["2021-03-04T05:06:07.250Z"], "ymd", "%Y-%m-%dT%H:%M:%S.%fZ"),
        (["2021-03-04T23:30:00+02:00", "2021-12-31T23:30:00-05:00"], "ymd", "ISO8601"),
        (["2021-03-04 05:06+0530", "2021-03-04 05:06-0330"], "ymd", "%Y-%m-%d %H:%M%z"),
        (["2021-03-04 05:06:07.5 UTC"], "ymd", "%Y-%m-%d %H:%M:%S.%f UTC"),
        (["04.03.2021 05:06 +01:00", "31.12.1999 00:00 +00:00"], "dmy", "%d.%m.%Y %H:%M %z"),
        (["04.03.2021", "31.12.1999"], "dmy", "%d.%m.%Y"),
        (["13/03/2021", "01/02/2021"], "dmy", "%d/%m/%Y"),
        (["03/04/2021 05:06 AM", "03/04/2021 12:30 am", "03/04/2021 12:30 PM"], "mdy", "%m/%d/%Y %I:%M %p"),
        (["03/04/2021 05:06"], "mdy", "%m/%d/%Y %H:%M"),
        (["1749-01", "2021-12", "2000-02"], "ym", "%Y-%m"),
        (["2021/3", "2021/12"], "ym", "%Y/%m"),
        (["01/2021", "12/1969"], "my", "%m/%Y"),
    ],
)
def test_dates_are_those_of_pandas(texts, order, pattern):
    notation, seconds = understand(texts)
    expected = pd.DatetimeIndex(pd.to_datetime(texts, format=pattern, utc=True)).tz_localize(None)
    assert (notation.kind, notation.form) == ("date", order)
    np.testing.assert_allclose(seconds, (expected - pd.Timestamp(0)).total_seconds())
    parts = date_parts(seconds, timed=True)
    for name in ("year", "month", "day", "weekday"):
        np.testing.assert_array_equal(parts[name], getattr(expected, name))
    day = (expected - expected.normalize()).total_seconds()
    np.testing.assert_allclose(parts["hour"], day / 3600)
    assert list(date_parts(seconds, timed=False)) == ["year", "month", "day", "weekday"]
    assert date_text(seconds[0]).startswith(str(expected[0].date()))
    assert understand(texts, numbers_only=True) is None


def test_the_clock_of_times_is_said():
    named, bare = "2021-03-04 05:06+02", "2021-03-04 05:06"
    assert understand([named])[0].words == "dates as year-month-day in UTC"
    assert understand([named, bare])[0].words.endswith("in UTC, also those without an offset")
    assert understand([bare])[0].words == "dates as year-month-day"


@pytest.mark.parametrize(
    ("texts", "form", "pattern"),
    [
        (["08:30", "23:59", "00:00"], "h:mm", "%H:%M"),
        (["8:05", "13:00"], "h:mm", "%H:%M"),
        (["08:30:15", "23:59:59"], "h:mm:ss", "%H:%M:%S"),
        (["08:30:15.250", "23:59:59.5"], "h:mm:ss", "%H:%M:%S.%f"),
        (["8:30 AM", "12:30 PM", "12:05 am", "11:59 pm"], "h:mm", "%I:%M %p"),
    ],
)
def test_times_of_day_are_the_hours_of_pandas(texts, form, pattern):
    notation, hours = understand(texts)
    moments = pd.to_datetime(texts, format=pattern)
    np.testing.assert_allclose(hours, (moments - moments.normalize()).total_seconds() / 3600)
    assert (notation.kind, notation.form) == ("number", form)
    assert notation.words == f"times as {form}, in hours"
    assert [read(text, notation) for text in texts] == hours.tolist()
    assert understand(texts, numbers_only=True) is None
    assert read("8:61", notation) is None and read("8.5", notation) == 8.5
    odd = [*texts, "closed"]
    assert mostly(odd)[0] == notation and mostly(odd)[1] == ["closed"]


def test_durations_are_the_hours_of_pandas():
    texts = ["2:05:30", "100:00:00", "0:59:59"]
    np.testing.assert_allclose(understand(texts)[1], pd.to_timedelta(texts).total_seconds() / 3600)
    assert understand(texts)[0].words == "durations as h:mm:ss, in hours"
    assert understand(["25:23", "9:10"])[0].words == "durations as h:mm, in hours"
    assert understand(["24:00", "9:10"])[0].words == "times as h:mm, in hours"


@pytest.mark.parametrize("word", ["x", "3%", "2024-01-31"])
def test_one_word_among_many_numbers_leaves_them_in_no_notation(word):
    assert understand([*map(str, range(20_000)), word]) is None
