"""Weather presets bear AnoVox's names, and mean what they meant under ours."""

import numpy as np

from lib.evaluation.truth import light_group, weather_group
from lib.simulator.weather import build_weather, preset_name

ANOVOX = {  # Definitions.WeatherPresets
    *("CLEAR_NOON", "CLOUDY_NOON", "WET_NOON", "WET_CLOUDY_NOON", "MID_RAINY_NOON", "HARD_RAIN_NOON", "SOFT_RAIN_NOON"),
    *("CLEAR_SUNSET", "CLOUDY_SUNSET", "WET_SUNSET", "WET_CLOUDYSUNSET", "MID_RAIN_SUNSET", "HARD_RAIN_SUNSET"),
    "SOFT_RAIN_SUNSET",
}


def drawn(night: bool, fog: bool, rain: bool) -> set[str]:
    rng = np.random.default_rng(1)
    return {preset_name(rng, night, fog, rain) for _ in range(1_000)}


def test_without_fog_and_night_the_names_are_anovoxs_14():
    assert drawn(False, False, False) | drawn(False, False, True) == ANOVOX


def test_names_group_by_what_was_asked_for():
    for night in (False, True):
        for fog in (False, True):
            for rain in (False, True):
                names = drawn(night, fog, rain)
                assert len(names) == (3 if rain else 4) * (1 if night else 2)
                weather = "fog" if fog else "rain" if rain else "clear"
                groups = {(weather_group(name), light_group(name)) for name in names}
                assert groups == {(weather, "night" if night else "day")}
                assert not names & ANOVOX or not (night or fog)


def test_every_name_makes_a_weather():
    for flags in np.ndindex(2, 2, 2):
        for name in drawn(*map(bool, flags)):
            assert build_weather(name, np.random.default_rng(2)).preset == name


def test_anovoxs_spelling_changes_nothing_but_the_name():
    """The lights of MID_RAINY_NOON are those of its sky at noon, as MID_RAIN_SUNSET's are those at sunset."""
    noon, wetter = (build_weather(name, np.random.default_rng(2)) for name in ("MID_RAINY_NOON", "HARD_RAIN_NOON"))
    sunset = build_weather("MID_RAIN_SUNSET", np.random.default_rng(2))
    assert noon.wetness == sunset.wetness == 0.8 < wetter.wetness
    assert noon.fog_density == sunset.fog_density and noon.sun_direction[2] > sunset.sun_direction[2]
    cloudy = build_weather("WET_CLOUDYSUNSET", np.random.default_rng(2))
    assert (
        cloudy.wetness == 0.6
        and cloudy.fog_density == build_weather("WET_CLOUDY_NOON", np.random.default_rng(2)).fog_density
    )
