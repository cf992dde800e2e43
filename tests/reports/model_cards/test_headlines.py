from __future__ import annotations

from collections.abc import Callable

from lewm_probe.reports.model_cards.headlines import headlines
from lewm_probe.reports.results_view import views
from lewm_probe.results.analyses import in_order
from lewm_probe.results.result import Result


def test_headlines_stand_in_the_order_of_the_analyses(make: Callable[..., Result]) -> None:
    (view,) = views(make(models=(("lewm", "lewm", (0,)),)))
    found = headlines(view)
    order = [one.name for one in in_order()]
    places = [order.index(one.row.analysis) for one in found]
    assert places == sorted(places)
    assert len({one.title for one in found}) == len(found)
    assert {one.row.control for one in found} == {None}
    assert found[0].title == "Pearson r, agent position, linear probe of z"
    assert (found[0].type, found[0].row.metric) == ("pearsonr", "pearson_r")


def test_what_was_not_measured_is_left_out(make: Callable[..., Result]) -> None:
    (view,) = views(make(models=(("lewm", "lewm", (0,)),), analyses=("geometry",)))
    assert [one.title for one in headlines(view)] == ["Effective rank of z"]
