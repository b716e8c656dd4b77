"""Estimators with scikit-learn's interface: density, imputation, outliers."""

from chainrule.sklearn.density import AutoregressiveDensity
from chainrule.sklearn.imputer import AutoregressiveImputer
from chainrule.sklearn.outlier import AutoregressiveOutlierDetector

__all__ = ["AutoregressiveDensity", "AutoregressiveImputer", "AutoregressiveOutlierDetector"]
