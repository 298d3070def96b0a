"""What is said on the way is neither lost nor said twice."""

import warnings

import pytest

from mocapcli.console import warnings_as_notes, warnings_heard


def test_what_is_heard_goes_on_to_whoever_listens_outside() -> None:
    with warnings_as_notes() as outside:
        with warnings_heard() as said:
            warnings.warn("no mesh", stacklevel=1)
            assert said() == ["no mesh"]
            for _ in range(2):
                warnings.warn("no colours", stacklevel=1)
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        assert said() == ["no mesh", "no colours"]
    assert outside == ["no mesh", "no colours"]


def test_an_error_takes_no_warning_with_it() -> None:
    def fails() -> None:
        with warnings_heard():
            warnings.warn("no mesh", stacklevel=1)
            raise ValueError

    with pytest.warns(UserWarning, match="no mesh"), pytest.raises(ValueError):
        fails()
