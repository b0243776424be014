"""The programs: flags in, a library call, a log out."""
