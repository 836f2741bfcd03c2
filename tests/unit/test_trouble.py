"""A trouble is told when it begins, when it changes and, once it was over, when it comes back."""

from serving.trouble import Trouble


def test_a_trouble_is_news_until_it_is_known_and_again_when_it_comes_back() -> None:
    trouble = Trouble()
    assert not trouble.is_over()
    told = [trouble.is_news(cause) for cause in ("full", "full", "away", "full")]
    assert told == [True, False, True, True]
    assert trouble.there
    assert [trouble.is_over(), trouble.is_over(), trouble.there] == [True, False, False]
    assert trouble.is_news("full, 3 records")
    assert not trouble.is_news("full, 12 records")
