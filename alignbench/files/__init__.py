"""Files that are there whole or not at all, where they are kept, and what is seen to when others wrote them.

`whole_files` writes and opens files and folders, `scratch` holds what is not whole yet, `locks` are the kernel's,
`journals` are Optuna's, and `json_text` and `yaml_text` check what is parsed.
"""

from alignbench.files.whole_files import (
    ARRAY_FILES,
    UNREADABLE,
    cache_folder,
    check_place,
    claim_room,
    make_folder,
    open_plain,
    whole_file,
    whole_folder,
    write_safetensors,
    write_whole,
)

__all__ = [
    "ARRAY_FILES",
    "UNREADABLE",
    "cache_folder",
    "check_place",
    "claim_room",
    "make_folder",
    "open_plain",
    "whole_file",
    "whole_folder",
    "write_safetensors",
    "write_whole",
]
