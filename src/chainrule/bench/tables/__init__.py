"""Tables: synthesis, density, imputation and anomaly scores, beside what people use for them."""
