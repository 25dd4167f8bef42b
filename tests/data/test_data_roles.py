import pytest

from audit.data.roles import Roles, SplitPlan, require
from audit.errors import DataError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"numeric": ("y",)}, "'y' is both target and numeric"),
        ({"numeric": ("a",), "categorical": ("a",)}, "'a' is both numeric and categorical"),
        ({"numeric": ("a", "a")}, "'a' is listed twice as numeric"),
        ({"id": "a", "numeric": ("a",)}, "'a' is both id and numeric"),
        ({"weight": "w", "numeric": ("w",)}, "'w' is both weight and numeric"),
        ({"cluster": "c", "categorical": ("c",)}, "'c' is both cluster and categorical"),
        ({"drop": ("s",), "sensitive": ("s",)}, "'s' is both drop and sensitive"),
        ({"sensitive": ("y",)}, "'y' is both target and sensitive"),
        ({"time": "y"}, "'y' is both target and time"),
        ({"numeric": ("age",), "immutable": ("agee",)}, "did you mean 'age'?"),
        ({"ranges": {"a": (0.0, 1.0)}}, "ranges='a'"),
        ({"numeric": ("a",), "ranges": {"a": (1.0, 0.0)}}, "a finite low below a finite high"),
        ({"numeric": ("a",), "bands": {"a": (40.0,)}}, "bands='a'"),
        ({"sensitive": ("a",), "bands": {"a": (60.0, 40.0)}}, "edges in rising order"),
        ({"missing_numeric": "mean"}, "did you mean 'median'?"),
    ],
)
def test_roles_that_contradict_are_refused(given, words):
    with pytest.raises(DataError) as error:
        Roles("y", **given)
    assert words in str(error.value)


def test_a_sensitive_column_may_be_a_feature_too():
    roles = Roles("y", numeric=("age",), categorical=("sex",), sensitive=("sex", "age"), time="age")
    assert roles.features == ("age", "sex")
    assert roles.columns("binary") == ("y", "age", "sex")


def test_a_multilabel_target_names_several_columns():
    assert Roles("a, b").targets("multilabel") == ("a", "b")
    assert Roles("a, b").targets("binary") == ("a, b",)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"test": 1.2}, "split test=1.2"),
        ({"test": 0.5, "calibration": 0.4, "validation": 0.2}, "add up to 1.1"),
        ({"by": "column"}, "column=None"),
        ({"column": "part"}, "by='fraction', column='part'"),
        ({"by": "clusters"}, "did you mean 'cluster'?"),
    ],
)
def test_plans_that_cannot_be_obeyed_are_refused(given, words):
    with pytest.raises(DataError) as error:
        SplitPlan(**given)
    assert words in str(error.value)


def test_a_name_with_no_near_one_lists_what_there_is():
    with pytest.raises(DataError, match="there is 'age', 'sex'"):
        require("zip", ["age", "sex"], "column")
