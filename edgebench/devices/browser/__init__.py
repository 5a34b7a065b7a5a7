"""A browser as a device: the page that a phone opens, the site that serves it, and the executor that hands it jobs."""
