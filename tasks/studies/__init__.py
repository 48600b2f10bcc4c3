"""What each study reads, for its instrument: a module of the study's name with a function `measure`."""
