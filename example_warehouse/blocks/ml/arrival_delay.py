"""How late a flight arrives, from what is known before it leaves."""

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from sqlflow import Context, assertion, block

PLACES = ["carrier", "origin", "destination"]
NUMBERS = [
    "distance_miles", "iso_weekday", "scheduled_minute", "days_from_holiday", "plane_age_years",
    "temperature_fahrenheit", "wind_speed_mph", "precipitation_inches", "visibility_miles",
]  # fmt: skip


@block(
    description="Predicted arrival delay of every completed flight after the training period, beside what it was.",
    requirements=["scikit-learn>=1.5", "threadpoolctl"],
    assertions=[{"unique": "flight_id"}, {"not_null": ["predicted_minutes", "baseline_minutes"]}],
)
def arrival_delay(flight_features: pd.DataFrame, context: Context, training_flights: int = 60_000) -> pd.DataFrame:
    """Learn the mean delay from a sample of the training period; the baseline is the mean of all of it.

    One thread, so that the sums come out the same each time.
    """
    known = flight_features[flight_features["is_training"].astype(bool)]
    later = flight_features[~flight_features["is_training"].astype(bool)]
    sample = known.sample(min(training_flights, len(known)), random_state=context.seed)
    model = HistGradientBoostingRegressor(
        categorical_features=PLACES, min_samples_leaf=200, random_state=context.seed % 2**32
    )
    with threadpool_limits(1):
        model.fit(features(sample, flight_features), sample["arrival_delay_minutes"].astype("float64"))
        predicted = model.predict(features(later, flight_features))
    scored = later[["flight_id", "flight_date", "arrival_delay_minutes"]].copy()
    scored["predicted_minutes"] = predicted
    scored["baseline_minutes"] = known["arrival_delay_minutes"].astype("float64").mean()
    return scored.reset_index(drop=True)


def features(rows: pd.DataFrame, every: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that the model sees, places numbered as in `every`."""
    frame = rows[NUMBERS].astype("float64")
    for place in PLACES:
        names = sorted(every[place].unique())
        frame[place] = pd.Categorical(rows[place].to_numpy(dtype=object), categories=names)
    return frame


@assertion
def predictions_are_finite(output: pd.DataFrame) -> None:
    assert np.isfinite(output["predicted_minutes"].astype("float64")).all()


@assertion
def the_model_beats_the_baseline(output: pd.DataFrame) -> None:
    actual = output["arrival_delay_minutes"].astype("float64")
    model = np.sqrt(((output["predicted_minutes"].astype("float64") - actual) ** 2).mean())
    baseline = np.sqrt(((output["baseline_minutes"].astype("float64") - actual) ** 2).mean())
    assert model < baseline, f"root mean squared error {model:.2f} minutes, baseline {baseline:.2f}"


@assertion
def no_flight_was_trained_on(output: pd.DataFrame, flight_features: pd.DataFrame) -> pd.DataFrame:
    trained = flight_features[flight_features["is_training"].astype(bool)]
    return output[output["flight_id"].isin(trained["flight_id"])]
