"""What pip leaves of an installed package beside its modules."""

from pathlib import Path


def write_distribution(place: Path, name: str, version: str, entry_points: str) -> None:
    """Write the name, the version and the entry points of a package into a folder that is put on the path."""
    folder = place / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(entry_points)
