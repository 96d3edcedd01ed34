"""The report as one page: `page` joins `charts`, `tables`, `readouts`, `transforms` and `provenance`."""
