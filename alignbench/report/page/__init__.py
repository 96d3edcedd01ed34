"""The report as one page: `page` puts it together from `charts`, `tables`, `readouts`, `transforms` and `provenance`."""
