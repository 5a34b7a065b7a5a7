"""A study: a TOML file that names models and tables -> what is to be measured, and one report of all that is known of them."""
