"""One file a command: what it asks for, the calls into the library, and what it prints."""
