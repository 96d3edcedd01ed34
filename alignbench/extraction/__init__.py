"""The flow of images: the plan, the loader, and the loops that turn pictures into distances per pair."""
