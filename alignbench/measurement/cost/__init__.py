"""What a job would take, worked out before it is run: `estimate` from the `workload` and the `rates` of a machine."""
